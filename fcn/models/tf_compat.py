"""The one door to TensorFlow: graph mode is switched on here and nowhere else."""

import contextlib
import functools
import os
import subprocess
import sys
import tempfile

from fcn.core import machine
from fcn.core.errors import MachineError

CHATTY = "TF_CPP_MIN_LOG_LEVEL" in os.environ  # whoever sets it wants to read what the C++ side says
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextlib.contextmanager
def _hushed():
    """Keep remarks on CPU features and absent GPUs off the screen; they are shown if what was tried fails.

    They go straight to file descriptor 2 before TensorFlow has read its own log level.
    """
    if CHATTY:
        yield
        return
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(screen, said.read())
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)


with _hushed():
    import tensorflow.compat.v1 as tf
    from tensorflow import config as tf2_config  # what follows is not in compat.v1
    from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig

tf.disable_eager_execution()
tf.logging.set_verbosity(tf.logging.ERROR)

tf_errors = tf.errors


def run(session, fetches, feed):
    """session.run that says what to do when memory is out. Raises MachineError."""
    try:
        return session.run(fetches, feed)
    except tf_errors.ResourceExhaustedError as error:
        raise MachineError("out of memory", why=first_line(error), cure="a smaller --size; in training "
                           "half the --batch and twice the --batches-per-step, the same step in half of it.") from None


def first_line(error):
    """What an error of TensorFlow's says, without where in the program the operation was made."""
    text = str(error).partition("\nNode: ")[2].partition("\n")[2] or str(error)
    return (text.strip().splitlines() or [repr(error)])[0][:300]


__all__ = ["deterministic", "first_line", "gpus", "has_gpu", "log_of_gpus", "new_session", "run", "tf", "tf_errors"]


def deterministic():
    """From now on this process uses operations that give the same bits every time; what has none raises an error."""
    tf2_config.experimental.enable_op_determinism()


OPERATIONS_AT_ONCE = 1  # two would fight for the cores


def new_session(graph=None):
    """A Session that uses all cores for one operation at a time.

    Constants are not folded: initial values would be, and kept beside the variables (0.6 GB with Adam, VGG-19).
    """
    config = tf.ConfigProto(inter_op_parallelism_threads=OPERATIONS_AT_ONCE, allow_soft_placement=True,
                            intra_op_parallelism_threads=machine.cores())
    config.graph_options.rewrite_options.constant_folding = RewriterConfig.OFF
    config.graph_options.optimizer_options.opt_level = tf.OptimizerOptions.L0
    config.gpu_options.allow_growth = True
    with _hushed():
        return tf.Session(graph=graph, config=config)


def gpus():
    """[(name, bytes of memory that TensorFlow may use)] of the GPUs that TensorFlow sees."""
    with _hushed():
        seen = tf2_config.list_physical_devices("GPU")
        names = [tf2_config.experimental.get_device_details(gpu).get("device_name", "of unknown name") for gpu in seen]
    if not seen:
        return []
    with new_session(tf.Graph()) as asked:  # for its settings: the first one decides how a GPU's memory is taken
        memory = [device.memory_limit_bytes for device in asked.list_devices() if device.device_type == "GPU"]
    return list(zip(names, memory, strict=False))


@functools.cache
def has_gpu():
    """Whether a session of this process computes on a GPU."""
    with _hushed():
        return bool(tf2_config.list_physical_devices("GPU"))


LOOK_FOR_GPUS = "import tensorflow; tensorflow.config.list_physical_devices('GPU')"


def log_of_gpus():
    """What TensorFlow logs while it looks for GPUs; "" if that cannot be found out.

    In a process of its own, since the level of the log is read once, at import. dso_loader names the libraries that
    are missing, which no ordinary level does.
    """
    wanted = {"TF_CPP_MIN_LOG_LEVEL": "0", "TF_CPP_VMODULE": "dso_loader=1"}
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run([sys.executable, "-c", LOOK_FOR_GPUS], env=os.environ | wanted, capture_output=True,
                              text=True, errors="replace", timeout=300).stderr
    return ""
