"""The device line: what TensorFlow logs where it finds no GPU, as it was reported by users and by TensorFlow 2.21."""

import json
import os
import platform
import subprocess
import sys

import pytest
from scripts_help import evaluate

from fcn.cli import export
from fcn.core import machine
from fcn.models import tf_compat
from fcn.runs import record

# Each with its source: an issue on GitHub, or TensorFlow 2.21.0 with TF_CPP_VMODULE=dso_loader=1.
LOGS = {
    "no driver, TensorFlow 2.21": ("""\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795703245.080418   10003 cudart_stub.cc:31] Could not find cuda drivers on your machine, \
GPU will not be used.
I0000 00:00:1795703245.145160   10003 cpu_feature_guard.cc:227] This TensorFlow binary is optimized to use available \
CPU instructions in performance-critical operations.
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow with the appropriate flags.
I0000 00:00:1795703248.571553   10003 dso_loader.cc:144] Could not load dynamic library 'libcuda.so.1'; dlerror: \
libcuda.so.1: cannot open shared object file: No such file or directory
E0000 00:00:1795703248.571647   10003 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: Failed call to \
cuInit: UNKNOWN ERROR (303)
""", ["Could not load dynamic library 'libcuda.so.1'; dlerror: libcuda.so.1: cannot open shared object file: No such "
      "file or directory",
      "failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)"], ["nvidia-smi"]),
    "a driver without a GPU, TensorFlow 2.21": ("""\
I0000 00:00:1795703994.344335   17005 dso_loader.cc:133] Successfully opened dynamic library libcuda.so.1
E0000 00:00:1795703994.344389   17005 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: Failed call to \
cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected
""", ["failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable "
      "device is detected"], ["nvidia-smi"]),
    "a missing library, NVIDIA/tensorflow#110": ("""\
2024-06-19 16:06:44.995229: I tensorflow/stream_executor/platform/default/dso_loader.cc:49] Successfully opened \
dynamic library libcurand.so.10
2024-06-19 16:06:44.996032: W tensorflow/stream_executor/platform/default/dso_loader.cc:60] Could not load dynamic \
library 'libcusolver.so.11'; dlerror: libnvJitLink.so.12: cannot open shared object file: No such file or directory
2024-06-19 16:06:44.996140: W tensorflow/core/common_runtime/gpu/gpu_device.cc:1689] Cannot dlopen some GPU libraries. \
Please make sure the missing libraries mentioned above are installed properly if you would like to use GPU. Follow the \
guide at https://www.tensorflow.org/install/gpu for how to download and setup the required libraries for your platform.
Skipping registering GPU devices...
""", ["Could not load dynamic library 'libcusolver.so.11'; dlerror: libnvJitLink.so.12: cannot open shared object "
      "file: No such file or directory", "Cannot dlopen some GPU libraries"], ["pip install -e '.[gpu]'"]),
    "a driver that was updated without a restart, tensorflow/tensorflow#22525": ("""\
2018-09-26 16:20:01.273306: E tensorflow/stream_executor/cuda/cuda_driver.cc:406] failed call to cuInit: \
CUDA_ERROR_NO_DEVICE
2018-09-26 16:20:01.273480: I tensorflow/stream_executor/cuda/cuda_diagnostics.cc:189] libcuda reported version is: \
375.66.0
2018-09-26 16:20:01.273681: E tensorflow/stream_executor/cuda/cuda_diagnostics.cc:303] kernel version 384.130.0 does \
not match DSO version 375.66.0 -- cannot find working devices in this configuration
""", ["failed call to cuInit: CUDA_ERROR_NO_DEVICE", "kernel version 384.130.0 does not match DSO version 375.66.0 -- "
      "cannot find working devices in this configuration"], ["nvidia-smi"]),
    "TensorRT is not needed, tensorflow/tensorflow#66750": ("""\
2024-06-28 00:03:52.493638: I tensorflow/tsl/cuda/cudart_stub.cc:28] Could not find cuda drivers on your machine, GPU \
will not be used.
2024-06-28 00:03:53.230172: W tensorflow/compiler/tf2tensorrt/utils/py_utils.cc:38] TF-TRT Warning: Could not find \
TensorRT
""", ["Could not find cuda drivers on your machine, GPU will not be used."], ["nvidia-smi", "pip install -e '.[gpu]'"]),
    "nothing": ("", [], ["nvidia-smi", "pip install -e '.[gpu]'"]),
}


@pytest.mark.parametrize("name", LOGS)
def test_missing_gpu_reason_comes_from_tensorflow(name):
    log, lines, fixes = LOGS[name]
    assert tf_compat.gpu_reasons(log) == lines
    first, *said, fix = tf_compat.gpu_warning(["/dev/nvidia0"], log).split("\n  ")
    assert first == "warning: TensorFlow uses no GPU, though there seems to be one (/dev/nvidia0)"
    assert said == [f"TensorFlow: {line}" for line in lines]
    assert [each for each in ("nvidia-smi", "pip install -e '.[gpu]'") if each in fix] == fixes


@pytest.mark.parametrize(("files", "environment", "signs"), [
    ([], {}, []),
    (["nvidia0", "nvidia1", "nvidiactl"], {}, ["/dev/nvidia0", "/dev/nvidia1"]),
    (["nvidia0"], {"CUDA_VISIBLE_DEVICES": ""}, []),
    (["nvidia0"], {"CUDA_VISIBLE_DEVICES": "-1"}, []),
    ([], {"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, []),
    ([], {"CUDA_VISIBLE_DEVICES": "2,3"}, ["CUDA_VISIBLE_DEVICES=2,3"]),
    (["nvidia0"], {"CUDA_VISIBLE_DEVICES": "GPU-8a1c"}, ["/dev/nvidia0", "CUDA_VISIBLE_DEVICES=GPU-8a1c"]),
    ([], {"PATH": "bin"}, ["nvidia-smi"])])
def test_gpu_presence_is_detected(tmp_path, files, environment, signs):
    for name in (*(f"dev/{file}" for file in files), "bin/nvidia-smi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch(0o755)
    environment = {key: str(tmp_path / value) if key == "PATH" else value for key, value in environment.items()}
    assert machine.signs_of_a_gpu(tmp_path, {"PATH": str(tmp_path), **environment}) == signs


@pytest.fixture
def fresh_device():
    """What is known of the device is forgotten before and after."""
    for known in (tf_compat.detect_device, tf_compat.describe_device):
        known.cache_clear()
    yield
    for known in (tf_compat.detect_device, tf_compat.describe_device):
        known.cache_clear()


@pytest.mark.parametrize(("gpus", "text"), [
    ([("NVIDIA H100 80GB HBM3", 83_000_000_000)], "device: GPU 0 NVIDIA H100 80GB HBM3, 77 GiB"),
    ([("NVIDIA A2", 15 << 30)] * 2, "device: GPU 0 NVIDIA A2 (1 of 2 GPUs is used), 15 GiB")])
def test_a_gpu_is_named_with_its_memory(monkeypatch, fresh_device, gpus, text):
    monkeypatch.setattr(tf_compat, "gpus", lambda: gpus)
    assert tf_compat.describe_device() == text
    assert "GiB" not in tf_compat.detect_device().name  # the memory that is free is not the device


@pytest.mark.parametrize("visible", ["-1", None])
def test_used_cpu_is_reported_in_one_line(monkeypatch, fresh_device, visible):
    monkeypatch.setattr(tf_compat, "gpus", list)
    monkeypatch.setattr(tf_compat, "log_of_gpus", lambda: pytest.fail("TensorFlow is asked without need"))
    if visible is None:
        monkeypatch.setattr(machine, "signs_of_a_gpu", list)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert tf_compat.describe_device() == f"device: CPU, {machine.cores()} cores ({machine.processor()})"


@pytest.mark.slow
def test_missing_gpu_is_explained_by_tensorflow():
    if tf_compat.gpus() or machine.signs_of_a_gpu():
        pytest.skip("this machine has a GPU")
    code = ("from fcn.core import terminal\nwith terminal.as_command():\n"
            "    from fcn.models import tf_compat\n    print(tf_compat.describe_device())")
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", code], env=environment | {"CUDA_VISIBLE_DEVICES": "0"}, check=True,
                          capture_output=True, text=True, timeout=300)
    assert done.stderr == "" and "failed call to cuInit" in done.stdout
    assert "(CUDA_VISIBLE_DEVICES=0)" in done.stdout and "nvidia-smi must list the GPU" in done.stdout


@pytest.mark.slow
def test_training_prints_and_records_its_device(trained):
    work, output = trained
    starts = json.loads((work / "run/config.json").read_text())["starts"]
    assert output.count(f"device: {starts[-1]['device']}") == 1
    assert output.index("device: ") < output.index("memory about")


@pytest.mark.slow
def test_evaluation_and_export_record_the_device(trained, tmp_path):
    run = trained[0] / "run"
    said = evaluate("--run", run, "--checkpoint", "latest", "--out", tmp_path / "eval", "--outputs", "none")
    recorded = json.loads((tmp_path / "eval/report.json").read_text())["device"]
    assert recorded == tf_compat.detect_device().name and said.count(f"device: {recorded}") == 1
    export.main(["--run", str(run), "--to", str(tmp_path / "net.npz")])
    assert json.loads((tmp_path / "net.npz.json").read_text())["device"] == recorded


def test_run_resumed_on_another_device_says_so():
    content = {"starts": [{}]}
    assert record.on_device(content, "CPU, 2 cores (x)", None) == []
    assert content["starts"] == [{"device": "CPU, 2 cores (x)"}]
    assert record.on_device({"starts": [{}]}, "CPU, 2 cores (x)", content) == []
    assert record.on_device({"starts": [{}]}, "CPU, 2 cores (x)", {"starts": [{}]}) == []  # of before it was recorded
    assert record.on_device({"starts": [{}]}, "GPU 0 NVIDIA A2", content) == [
        "note: device: CPU, 2 cores (x) in the run, GPU 0 NVIDIA A2 now; results may differ in their last bits"]


@pytest.mark.slow
@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="oneDNN is set for x86-64 only")
@pytest.mark.parametrize("given", [None, "0"])
def test_onednn_is_on_unless_the_user_decides(given):
    name = "TF_ENABLE_ONEDNN_OPTS"
    environment = {key: value for key, value in os.environ.items() if key != name} | ({name: given} if given else {})
    code = ("import os; import fcn.models.tf_compat; from tensorflow.python.util import _pywrap_util_port as port;"
            f"print(port.IsMklEnabled(), os.environ.get({name!r}))")
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.split() == (["False", "0"] if given else ["True", "None"])


@pytest.mark.slow
def test_keras_is_imported_when_it_is_used_only():
    code = ("import os, sys; import fcn.models.tf_compat; import tensorflow as tf; early = 'keras' in sys.modules;"
            "print(early, tf.keras.__version__[0], 'TF_USE_LEGACY_KERAS' in os.environ)")
    environment = {key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.split() == ["False", "3", "False"]
