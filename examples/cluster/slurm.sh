#!/bin/bash
# Train on two machines of four GPUs with Slurm:  sbatch slurm.sh     (not run by the authors)
#
# srun starts one process per GPU; they find each other by Slurm's variables. --requeue starts the job again when a
# machine fails, and the run resumes from its last checkpoint. Slurm sends SIGUSR1 five minutes before the time is over;
# all workers then stop after the same step, the chief saves, and the job is queued again.
#SBATCH --job-name=fcn
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=USR1@300
#SBATCH --requeue

RUN=${RUN:-$SLURM_SUBMIT_DIR/runs/camvid}   # a folder that all machines see
DATA=${DATA:-$SLURM_SUBMIT_DIR/CamVid}

# 8 workers divide the 8 batches of a step. One worker is lost: srun ends the others (--kill-on-bad-exit).
srun --distribution=block --kill-on-bad-exit=1 \
    fcn train --recipe camvid --data "$DATA" --run "$RUN" --batch 1 --batches-per-step 8
code=$?

case $code in
    0 | 2 | 3 | 4 | 6 | 70) exit $code ;;   # done, or an error that would happen again
    *) scontrol requeue "$SLURM_JOB_ID" ;;   # stopped by a signal (143), or a worker was lost (5)
esac
