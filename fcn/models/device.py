"""The device that TensorFlow computes on, said in the first lines of a run; and why it is not a GPU that seems present.

TensorFlow falls back to the CPU without an error when a CUDA library cannot be loaded or the driver does not answer.
"""

import dataclasses
import functools
import re

from fcn.core import machine
from fcn.models import tf_compat

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
def detect():
    """The Device of this process."""
    gpus = tf_compat.gpus()
    if not gpus:
        return Device(f"CPU, {machine.cores()} cores ({machine.processor()})")
    name, memory = gpus[0]
    return Device(f"GPU 0 {name}" + (f" (1 of {len(gpus)} GPUs is used)" if len(gpus) > 1 else ""), memory)


@functools.cache
def describe():
    """What a run prints: the device, and a warning where a GPU seems present and is not used.

    TensorFlow is asked for its reason then, which takes as long as importing it.
    """
    device, signs = detect(), machine.signs_of_a_gpu()
    if device.memory is not None:
        return f"device: {device.name}, {device.memory / 2 ** 30:.0f} GiB"
    return "\n".join([f"device: {device.name}", *([not_used(signs, tf_compat.log_of_gpus())] if signs else [])])


def not_used(signs, log):
    """The warning that a GPU is not used. signs: machine.signs_of_a_gpu(). log: what TensorFlow logged."""
    said = reasons(log)
    driver = [line for line in said if DRIVER.search(line)]
    libraries = [line for line in said if LIBRARY.search(line) and line not in driver]
    fixes = [fix for fix, is_so in ((FIX_DRIVER, driver or not libraries), (FIX_LIBRARIES, libraries or not driver))
             if is_so]
    return "\n  ".join([f"warning: TensorFlow uses no GPU, though there seems to be one ({', '.join(signs)})",
                        *(f"TensorFlow: {line}" for line in said), f"Cure: {'; '.join(fixes)}. {NOT_WANTED}."])


def reasons(log):
    """The lines of TensorFlow's log that say why there is no GPU, without time and place, each once."""
    lines = [PREFIX.sub("", line.strip()).split(". Please make sure")[0] for line in log.splitlines()]
    lines = [line for line in dict.fromkeys(lines) if not UNRELATED.search(line)
             and any(kind.search(line) for kind in (DRIVER, LIBRARY, OTHER))]
    specific = [line for line in lines if not line.startswith("Could not find cuda drivers")]
    return specific or lines
