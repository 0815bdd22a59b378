"""Check that all workers have the same variables, bit by bit, before a checkpoint is written."""

from fcn.core import errors
from fcn.models.tf_compat import tf


class SameWeights:
    """Hook (training/hooks.py) that compares sums over the bits of each variable of the default graph.

    workers: Workers. is_due: function of a step, whether to compare after it.
    """

    def __init__(self, workers, is_due):
        self.workers, self.is_due = workers, is_due
        self.variables = [v for v in tf.global_variables() if v.dtype.base_dtype.size == 4]
        # int32 sums wrap around, so that they do not depend on the order of the terms.
        self.sums = [tf.reduce_sum(tf.bitcast(v.read_value(), tf.int32)) for v in self.variables]

    def attach(self, session):
        """Use this session from now on. Returns the hook."""
        self.session = session
        return self

    def after_step(self, at):
        """Compare the variables if that is due. Raises MachineError that names variable and workers."""
        if not self.is_due(at.step):
            return
        found = self.workers.exchange([int(one) for one in self.session.run(self.sums)])
        for variable, sums in zip(self.variables, zip(*found, strict=True), strict=True):
            different = [worker for worker, own in enumerate(sums) if own != sums[0]]
            if different:
                names = ", ".join(map(self.workers.cluster.name, different))
                raise errors.MachineError(
                    f"{variable.op.name} of {names} differs from the chief's after step {at.step}; no checkpoint was "
                    "saved", why="all workers add the same sums, so memory, a processor or the network has failed "
                    "there", fix="check these machines; the same command on all workers resumes from the last "
                    "checkpoint.")
