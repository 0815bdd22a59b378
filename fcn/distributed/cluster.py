"""The workers of a distributed run, read from the environment: TF_CONFIG, or the variables of Slurm's srun.

TF_CONFIG is TensorFlow's own description of a cluster, which Kubeflow's TFJob, Ray Train and `fcn launch` set:

    {"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}
"""

import dataclasses
import json
import os

from fcn.core import errors

ROLES = ("chief", "worker")  # in the order of their numbers
SLURM = "SLURM_STEP_NUM_TASKS"  # set by srun for each process that it starts, and by nothing else
FIRST_PORT, PORTS, JOBS = 18888, 64, 100  # of Slurm's processes on a machine; jobs that share one differ


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The processes of a run. workers: "HOST:PORT" of each; number 0 is the chief. index: number of this process."""

    workers: tuple[str, ...]
    index: int

    @property
    def count(self):
        """Number of workers."""
        return len(self.workers)

    def name(self, index):
        """'worker 1 (HOST:PORT)'."""
        return f"worker {index} ({self.workers[index]})"


def find(environ=None):
    """Return the Cluster that the environment describes; None for a process that works alone. Raises UsageError."""
    environ = os.environ if environ is None else environ
    if environ.get("TF_CONFIG", "").strip():
        found = _of_tf_config(environ["TF_CONFIG"])
    elif environ.get(SLURM, "1") != "1":
        found = _of_slurm(environ)
    else:
        return None
    return found if found.count > 1 else None


def _of_tf_config(text):
    """The Cluster of TF_CONFIG. Raises UsageError."""
    try:
        content = json.loads(text)
        hosts = {role: list(map(str, content["cluster"].get(role, ()))) for role in content["cluster"]}
        role, index = content["task"]["type"], int(content["task"]["index"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _invalid(f"{type(error).__name__}: {error}", text) from None
    unknown = [name for name in (*hosts, role) if name not in (*ROLES, "evaluator")]
    if unknown or role == "evaluator":
        raise _invalid(f"this process or the cluster has the role '{(unknown or [role])[0]}', expected chief and "
                       "worker: every process trains, and none holds the parameters of others", text)
    workers = [host for name in ROLES for host in hosts.get(name, ())]
    if not 0 <= index < len(hosts.get(role, ())):
        raise _invalid(f"this process is {role} {index}, and the cluster has {len(hosts.get(role, ()))} of them", text)
    for host in workers:
        if not host.rpartition(":")[2].isdigit() or ":" not in host:
            raise _invalid(f"'{host}': expected HOST:PORT", text)
        if workers.count(host) > 1:
            raise _invalid(f"'{host}' occurs twice", text)
    return Cluster(tuple(workers), index + (len(hosts.get("chief", ())) if role == "worker" else 0))


def _invalid(why, text):
    return errors.UsageError("TF_CONFIG does not describe a cluster", why=[why, f"found: {text[:300]}"], fix=(
        'set it to {"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type": "worker", "index": 0}}, or unset it to '
        "work in a single process; fcn launch --workers 2 -- COMMAND sets it on one machine."))


def _of_slurm(environ):
    """The Cluster of the processes that srun has started; each has a port by its number on its host, and by the job.

    Processes must be numbered host by host (srun --distribution=block, the default). Raises UsageError.
    """
    from fcn.models.tf_compat import of_slurm  # it imports TensorFlow
    first = FIRST_PORT + PORTS * (int(environ.get("SLURM_JOB_ID", 0)) % JOBS)
    try:
        hosts = of_slurm(environ["SLURM_STEP_NODELIST"], environ["SLURM_STEP_TASKS_PER_NODE"])
        workers = tuple(f"{host}:{first + number}" for host, count in hosts for number in range(count))
        index, local = int(environ["SLURM_PROCID"]), int(environ.get("SLURM_LOCALID", -1))
        if len(workers) != int(environ[SLURM]) or not 0 <= index < len(workers):
            raise ValueError(f"process {index} of {environ[SLURM]}, and {len(workers)} on these hosts: {hosts}")
        if local >= 0 and not workers[index].endswith(f":{first + local}"):
            raise ValueError(f"process {index} is number {local} on its host, expected {workers[index]}: the processes "
                             "are not numbered host by host")
        return Cluster(workers, index)
    except (RuntimeError, ValueError, KeyError) as error:
        raise errors.UsageError(f"Slurm's variables do not describe a cluster: {error}", fix="start the processes with "
                                f"srun --distribution=block, or unset {SLURM} to work in a single process.") from None
