"""The workers of a distributed run, seen from one of them: sums over all of them, and exchange of small values.

Communication is that of tf.distribute.MultiWorkerMirroredStrategy (gRPC between CPUs, NCCL between GPUs) in a graph
with sessions. Only its all-reduce is used. Every worker has plain variables of its own; they start as those of the
chief and change by the same sums, so that they stay equal bit by bit.

All workers must call total(), exchange() and the operations made by them in the same order.
"""

import contextlib
import json
import os
import pathlib
import sys
import time

import numpy as np

from fcn.core import errors
from fcn.distributed import watch
from fcn.models import tf_compat, variables
from fcn.models.tf_compat import tf, tf_distribute, tf_errors

LOST = (tf_errors.DeadlineExceededError, tf_errors.UnavailableError, tf_errors.AbortedError, tf_errors.CancelledError,
        tf_errors.InternalError)
OF_ALL = (errors.Stopped, errors.DivergedError)  # all workers raise them after the same step
GRACE_S = 5
PATIENCE_S = 7 * 24 * 3600
PIECE = 4096  # int32 numbers that exchange() sends at once


class Workers:
    """One process of a cluster.Cluster. A process makes one, before it uses a GPU.

    seconds: without an answer of another worker, after which this process ends. It must be longer than the slowest
    step, and than writing a checkpoint. say: function that shows a line.
    """

    def __init__(self, cluster, seconds, say):
        self.cluster, self.index, self.count, self.seconds = cluster, cluster.index, cluster.count, seconds
        _choose_gpu(cluster)
        gpus = int(tf_compat.has_gpu())
        resolver = tf_distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec({"worker": list(cluster.workers)}), task_type="worker", task_id=self.index,
            num_accelerators={"GPU": gpus}, rpc_layer="grpc")
        implementation = tf_distribute.experimental.CommunicationImplementation
        with tf.Graph().as_default():
            self._strategy = tf_distribute.MultiWorkerMirroredStrategy(
                resolver, tf_distribute.experimental.CommunicationOptions(
                    timeout_seconds=seconds, implementation=implementation.NCCL if gpus else implementation.RING))
            self.config = self._strategy.extended._update_config_proto(tf_compat.session_config())
        try:
            self._server = tf.train.Server(resolver.cluster_spec(), "worker", self.index, config=self.config)
        except tf_errors.OpError as error:
            raise errors.MachineError(f"{cluster.name(self.index)} cannot listen there",
                                      why=tf_compat.first_line(error),
                                      fix="choose a free port of this machine in TF_CONFIG, and give each process an "
                                          "index of its own; under Slurm, the port depends on the number of the job: "
                                          "submit it again.") from None
        watch.wait_for_all(cluster, seconds, say)
        say(f"{cluster.name(self.index)} of {self.count} workers" + ("" if self.is_chief else "; the chief, "
            f"{cluster.name(0)}, prints and writes"))
        self._graph = tf.Graph()
        with self._graph.as_default():
            self._size, self._piece = (tf.placeholder(tf.int32, (self.count, n)) for n in (1, PIECE))
            self._sizes = {patient: self.total([self._size], PATIENCE_S if patient else None)[0]
                           for patient in (False, True)}
            self._pieces = self.total([self._piece])[0]
        self._session = self.new_session(self._graph)

    @property
    def is_chief(self):
        """Whether this is the chief, the only one that writes files and prints."""
        return self.index == 0

    def new_session(self, graph=None):
        """A Session of a graph with operations of this object."""
        config = tf_compat.for_server(self.config, graph or tf.get_default_graph())
        return tf_compat.new_session(graph, self._server.target, config)

    def total(self, tensors, seconds=None):
        """Return the sums of tensors, a list, over all workers: float32, float64, int32 or int64, fixed shapes.

        The sums have the same bits on every worker. seconds: after which it fails; default: those of this object.
        """
        options = tf_distribute.experimental.CommunicationOptions(timeout_seconds=seconds) if seconds else None
        tensors = [tf.convert_to_tensor(x) for x in tensors]
        by_dtype: dict = {}  # the strategy joins tensors to larger ones, which must have one dtype
        for number, x in enumerate(tensors):
            by_dtype.setdefault(x.dtype.base_dtype, []).append(number)

        def summed():  # the strategy places what is made here on the device of this worker, and asks for it
            sums = list(tensors)
            for numbers in by_dtype.values():
                own = [tf.identity(tensors[number]) for number in numbers]
                found = tf_distribute.get_replica_context().all_reduce("sum", own, options)
                for number, x in zip(numbers, found, strict=True):
                    sums[number] = x
            return sums
        return self._strategy.run(summed)

    def at_own_place(self, x):
        """Return x with a new first axis of one row per worker, zeros in all but this worker's."""
        return tf.stack([x if number == self.index else tf.zeros_like(x) for number in range(self.count)])

    def exchange(self, value, patient=False):
        """Return [value of each worker]. value: what JSON can hold. Raises as session.run().

        patient: wait as long as all workers answer, for instance until one has built a cache.
        """
        own = json.dumps(value).encode()
        row = np.zeros((self.count, 1), np.int32)
        row[self.index] = len(own)
        sizes = tf_compat.run(self._session, self._sizes[patient], {self._size: row})[:, 0].tolist()
        pieces = []
        for start in range(0, max(sizes), 4 * PIECE):  # an all-reduce needs the same shape in every call
            piece = np.zeros((self.count, PIECE), np.int32)
            piece[self.index] = np.frombuffer(own[start:start + 4 * PIECE].ljust(4 * PIECE), np.int32)
            pieces.append(tf_compat.run(self._session, self._pieces, {self._piece: piece}))
        rows = np.concatenate(pieces, axis=1)
        return [json.loads(row.tobytes()[:size]) for row, size in zip(rows, sizes, strict=True)]

    def of_chief(self, value, patient=False):
        """Return the chief's value; those of the others are not used. patient: as in exchange()."""
        return self.exchange(value if self.is_chief else None, patient)[0]

    def copies_of_chief(self):
        """Return operations that set all variables of the default graph to those of the chief; run one at a time."""
        made = []
        for group in variables.in_groups(tf.global_variables()):
            values = [v.read_value() if self.is_chief else tf.zeros(v.shape, v.dtype.base_dtype) for v in group]
            made += [tf.group(*[v.assign(x) for v, x in zip(group, self.total(values), strict=True)])]
        return made

    @contextlib.contextmanager
    def together(self):
        """Context manager for what all workers do together; at its end they wait for each other.

        This process ends with exit code 5 if another one is lost inside. Errors of the communication become a
        MachineError that names the workers that do not answer.
        """
        watching = watch.Watch(self.cluster, self.seconds, lambda error: print(
            f"{type(error).__name__}: {error}", file=sys.stderr, flush=True))
        try:
            yield
            self._wait_for_end()
        except OF_ALL:
            self._wait_for_end()
            raise
        except LOST as error:
            why, numbers = tf_compat.first_line(error), watch.silent(self.cluster)
            time.sleep(GRACE_S)  # so that others which ask now find this process
            raise watch.lost(self.cluster, numbers, f"TensorFlow: {why}") from None
        finally:
            watching.close()

    def _wait_for_end(self):
        """Wait until all workers, also the chief that writes files, come here."""
        with contextlib.suppress(*LOST):  # another one may have left this point, and ended
            self.exchange(None, patient=True)


def _choose_gpu(cluster):
    """Let this process see one GPU: with several workers on a machine, that with the worker's number on it."""
    host = cluster.workers[cluster.index].rpartition(":")[0]
    number = sum(other.rpartition(":")[0] == host for other in cluster.workers[:cluster.index])
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    seen = given.split(",") if given else [str(i) for i in range(_gpus_of_machine())]
    if len(seen) > 1:
        if number >= len(seen):
            raise errors.UsageError(f"{cluster.name(cluster.index)} is process {number} on its machine, which has "
                                    f"{len(seen)} GPUs", fix="start one process per GPU, or set CUDA_VISIBLE_DEVICES.")
        os.environ["CUDA_VISIBLE_DEVICES"] = seen[number]


def _gpus_of_machine():
    return len(list(pathlib.Path("/dev").glob("nvidia[0-9]*")))
