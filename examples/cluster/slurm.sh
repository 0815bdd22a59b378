#!/bin/bash
# Train on two machines with two GPUs each with Slurm:  sbatch slurm.sh     (not run by the authors)
#
# srun starts one process per GPU; they find each other by Slurm's variables. --requeue starts the job again when a
# machine fails, and the run resumes from its last checkpoint. Slurm sends SIGUSR1 five minutes before the time is over;
# all workers then stop after the same step, the chief saves, and the job is queued again.
#SBATCH --job-name=fcn
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=2
#SBATCH --gpus-per-node=2
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=USR1@300
#SBATCH --requeue

# Activate the environment with fcn here, if it is not active when the job is submitted.
RUN=${RUN:-$SLURM_SUBMIT_DIR/runs/camvid}   # a folder that all machines see, as the caches; weights/ is read on the first
DATA=${DATA:-$SLURM_SUBMIT_DIR/CamVid}
CACHE=${CACHE:-$SLURM_SUBMIT_DIR/data_cache}
REQUEUES=20   # after so many starts, only a stop signal queues the job again

# 4 workers divide the 4 images of a step of this recipe. One worker is lost: srun ends the others (--kill-on-bad-exit).
srun --distribution=block --kill-on-bad-exit=1 \
    fcn train --recipe camvid --data "$DATA" --cache-dir "$CACHE" --run "$RUN" --batch 1 --batches-per-step 4
code=$?

case $code in
    143) scontrol requeue "$SLURM_JOB_ID" ;;                # stopped by a signal before the end of the time
    5 | 137)                                                # a worker was lost or killed; also a full disk or memory
        if [ "${SLURM_RESTART_COUNT:-0}" -lt $REQUEUES ]; then scontrol requeue "$SLURM_JOB_ID"; fi ;;
esac
exit $code
