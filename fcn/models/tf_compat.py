"""The one module that imports TensorFlow; sessions, and the device that they compute on.

Eager execution stays as the program has it: every graph is built and run inside `with tf.Graph().as_default()`.

TensorFlow falls back to the CPU without an error when a CUDA library cannot be loaded or the driver does not answer.
describe_device() says why, in the first lines of a run.
"""

import contextlib
import dataclasses
import functools
import os
import platform
import re
import subprocess
import sys
import threading

from fcn.core import machine, terminal
from fcn.core.errors import MachineError

__all__ = ["Device", "describe_device", "detect_device", "deterministic", "either", "first_line", "gpu_peak",
           "gpu_reasons", "gpu_warning", "gpus", "has_gpu", "log_of_gpus", "new_session", "of_slurm", "run",
           "session_config", "tf", "tf_distribute", "tf_errors"]


@contextlib.contextmanager
def _settings_of_import():
    """While TensorFlow is imported inside, it reads these environment variables, unless the user has set them.

    By itself it uses oneDNN on processors with AVX-512 VNNI only; others are faster with it, too. It imports Keras 3
    where that is installed, which takes 0.5 s and 48 MB; with TF_USE_LEGACY_KERAS it does not. Without the variable,
    tf.keras is Keras 3 again when a program first uses it.
    """
    wanted = {"TF_USE_LEGACY_KERAS": "1"}
    if platform.machine().lower() in ("x86_64", "amd64"):
        wanted["TF_ENABLE_ONEDNN_OPTS"] = "1"
    own = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(own)
    try:
        yield
    finally:
        for name in own:
            del os.environ[name]


with terminal.native_output_hidden(), _settings_of_import():
    import tensorflow.compat.v1 as tf
    from tensorflow import config as tf2_config  # what follows is not in compat.v1
    from tensorflow import distribute as tf_distribute
    from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig
    from tensorflow.python.distribute.cluster_resolver import slurm_cluster_resolver
    from tensorflow.python.framework import config as framework_config

tf_errors = tf.errors


def run(session, fetches, feed):
    """session.run that says what to do when memory is out. Raises MachineError."""
    try:
        return session.run(fetches, feed)
    except tf_errors.ResourceExhaustedError as error:
        raise MachineError("out of memory", why=first_line(error), fix="a smaller --size; in training "
                           "half the --batch and twice the --batches-per-step, the same step in half of it.") from None


def first_line(error):
    """What an error of TensorFlow's says, without where in the program the operation was made."""
    text = str(error).partition("\nNode: ")[2].partition("\n")[2] or str(error)
    lines = [line for line in text.strip().splitlines() if not line.startswith("From /job:")] or [repr(error)]
    return lines[0][:300]


_deterministic = threading.Lock()
_deterministic_users = 0


@contextlib.contextmanager
def deterministic(wanted=True):
    """Inside, TensorFlow uses operations that give the same bits every time; an operation without any raises an error.

    TensorFlow has one switch for the whole process. It is on until the last user, in any thread, has left.
    """
    global _deterministic_users
    if not wanted or (not _deterministic_users and framework_config.is_op_determinism_enabled()):
        yield  # the program itself has switched it on, and switches it off
        return
    with _deterministic:
        _deterministic_users += 1
        framework_config.enable_op_determinism()
    try:
        yield
    finally:
        with _deterministic:
            _deterministic_users -= 1
            if not _deterministic_users:
                framework_config.disable_op_determinism()


OPERATIONS_AT_ONCE = 1  # two would fight for the cores


def session_config():
    """The ConfigProto of a session that uses all cores for one operation at a time.

    Constants are not folded: initial values would be, and kept beside the variables (0.6 GB with Adam, VGG-19).
    """
    config = tf.ConfigProto(inter_op_parallelism_threads=OPERATIONS_AT_ONCE, allow_soft_placement=True,
                            intra_op_parallelism_threads=machine.cores())
    config.graph_options.rewrite_options.constant_folding = RewriterConfig.OFF
    config.graph_options.optimizer_options.opt_level = tf.OptimizerOptions.L0
    config.gpu_options.allow_growth = True
    return config


def new_session(graph=None, target="", config=None):
    """A Session of a graph, by default with session_config(). target: address of the server that runs it."""
    with terminal.native_output_hidden():
        return tf.Session(target, graph=graph, config=config or session_config())


def for_server(config, graph):
    """The config for a session of this graph that a server runs: a copy that does not join bfloat16 operations.

    TensorFlow joins a convolution with the operations after it (Grappler's remapper). The joined operation is not
    declared for bfloat16; a server checks that when it receives the graph, a session without server does not.
    """
    kinds = {op.outputs[0].dtype for op in graph.get_operations() if op.type in ("Conv2D", "MatMul")}
    if tf.bfloat16 not in kinds:
        return config
    found = tf.ConfigProto()
    found.CopyFrom(config)
    found.graph_options.rewrite_options.remapping = RewriterConfig.OFF
    return found


def either(condition, first, second, *tensors):
    """Return first(*tensors) if the bool scalar `condition` is True, else second(*tensors); both return lists.

    Only one of both is computed. tf.cond would do the same, but each graph of the session would get a copy of all
    branches (0.1 GB for the convolutions of VGG-19).
    """
    no, yes = zip(*(tf.raw_ops.Switch(data=tensor, pred=condition) for tensor in tensors), strict=True)
    return [tf.raw_ops.Merge(inputs=pair)[0] for pair in zip(second(*no), first(*yes), strict=True)]


def of_slurm(nodes, tasks_per_node):
    """Return [(host, number of processes)] of Slurm's variables STEP_NODELIST and STEP_TASKS_PER_NODE, in its order.

    TensorFlow's SlurmClusterResolver sorts the hosts by name, so that "n10" is before "n2" and the numbers of the
    processes are wrong; its readers of both variables are used here.
    """
    return list(zip(slurm_cluster_resolver.expand_hostlist(nodes),
                    slurm_cluster_resolver.expand_tasks_per_node(tasks_per_node), strict=True))


def gpus():
    """[(name, bytes of memory that TensorFlow may use)] of the GPUs that TensorFlow sees."""
    with terminal.native_output_hidden():
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
    with terminal.native_output_hidden():
        return bool(tf2_config.list_physical_devices("GPU"))


def gpu_peak():
    """Peak bytes of the GPU's memory that this process has used; None without a GPU. To be called in a session."""
    return tf2_config.experimental.get_memory_info("GPU:0")["peak"] if has_gpu() else None


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


# What TensorFlow logs of the driver, whose libraries are libcuda and libnvidia-ml, and of the other libraries.
DRIVER = re.compile(r"failed call to cuInit|Could not load dynamic library 'lib(cuda|nvidia-ml)\.so|does not match DSO|"
                    r"kernel driver does not|no NVIDIA GPU device is present|Failed to get CUDA driver version")
LIBRARY = re.compile(r"Could not load dynamic library|Cannot dlopen some GPU libraries|Error loading CUDA libraries")
OTHER = re.compile(r"Ignoring visible gpu|CUDA_ERROR_|Could not find cuda drivers")
UNRELATED = re.compile(r"libnvinfer|TensorRT|TF-TRT")
# "I0000 00:00:1795703248.571553   10003 dso_loader.cc:144] ", "2024-06-19 16:06:44.996089: W tensorflow/x.cc:60] "
PREFIX = re.compile(r"^(?:[IWEF]\d{4} \S+ +\d+ |[-\d]+ [\d:.]+: [IWEF] )\S+:\d+\] ")

FIX_DRIVER = ("nvidia-smi must list the GPU: install or update the NVIDIA driver and restart; start a container with "
              "--gpus all")
FIX_LIBRARIES = "pip install -e '.[gpu]' installs the CUDA libraries that this TensorFlow needs"
NOT_WANTED = "CUDA_VISIBLE_DEVICES=-1 asks for the CPU, without this warning"


@dataclasses.dataclass(frozen=True)
class Device:
    """name: 'GPU 0 NVIDIA ...' or 'CPU, 2 cores (AMD EPYC ...)'. memory: bytes of a GPU that TensorFlow may use."""

    name: str
    memory: int | None = None


@functools.cache
def detect_device():
    """The Device of this process."""
    seen = gpus()
    if not seen:
        return Device(f"CPU, {machine.cores()} cores ({machine.processor()})")
    name, memory = seen[0]
    return Device(f"GPU 0 {name}" + (f" (1 of {len(seen)} GPUs is used)" if len(seen) > 1 else ""), memory)


@functools.cache
def describe_device():
    """What a run prints: the device, and a warning where a GPU seems present and is not used.

    TensorFlow is asked for its reason then, which takes as long as importing it.
    """
    device, signs = detect_device(), machine.signs_of_a_gpu()
    if device.memory is not None:
        return f"device: {device.name}, {device.memory / 2 ** 30:.0f} GiB"
    return "\n".join([f"device: {device.name}", *([gpu_warning(signs, log_of_gpus())] if signs else [])])


def gpu_warning(signs, log):
    """The warning that a GPU is not used. signs: machine.signs_of_a_gpu(). log: what TensorFlow logged."""
    said = gpu_reasons(log)
    driver = [line for line in said if DRIVER.search(line)]
    libraries = [line for line in said if LIBRARY.search(line) and line not in driver]
    fixes = [fix for fix, is_so in ((FIX_DRIVER, driver or not libraries), (FIX_LIBRARIES, libraries or not driver))
             if is_so]
    return "\n  ".join([f"warning: TensorFlow uses no GPU, though there seems to be one ({', '.join(signs)})",
                        *(f"TensorFlow: {line}" for line in said), f"Fix: {'; '.join(fixes)}. {NOT_WANTED}."])


def gpu_reasons(log):
    """The lines of TensorFlow's log that say why there is no GPU, without time and place, each once."""
    lines = [PREFIX.sub("", line.strip()).split(". Please make sure")[0] for line in log.splitlines()]
    lines = [line for line in dict.fromkeys(lines) if not UNRELATED.search(line)
             and any(kind.search(line) for kind in (DRIVER, LIBRARY, OTHER))]
    specific = [line for line in lines if not line.startswith("Could not find cuda drivers")]
    return specific or lines
