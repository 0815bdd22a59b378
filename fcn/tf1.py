"""The one door to TensorFlow: graph mode is switched on here and nowhere else."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # the C++ side's remarks on CPU features
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import tensorflow.compat.v1 as tf

tf.disable_eager_execution()
tf.logging.set_verbosity(tf.logging.ERROR)

errors = tf.errors

__all__ = ["errors", "session", "tf"]


def session(graph=None):
    """A Session that uses all cores for one operation at a time.

    Two operations at once, each with a thread per core, are 10 % slower on a CPU: they fight for the cores.
    """
    config = tf.ConfigProto(inter_op_parallelism_threads=1, intra_op_parallelism_threads=os.cpu_count() or 1,
                            allow_soft_placement=True)
    config.gpu_options.allow_growth = True
    return tf.Session(graph=graph, config=config)
