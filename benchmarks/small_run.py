"""A training run small enough to be killed hundreds of times: scenes and narrow VGG-19 of the demo, 24 steps.

A second one has all that a run may have to keep beside weights: batch normalisation, a loss scale that skips steps,
averages of the weights, and an encoder that is frozen at first.

TensorFlow takes five seconds to import. Every start is therefore a fork of a process that has imported fcn.training.
That process has created no session and so has no TensorFlow threads; a fork copies only one thread, and locks of other
threads would never be released. Each child runs on one core. curves.png, which would take half of the time, is replaced
by dummy bytes; faults may change more.
"""

import contextlib
import hashlib
import mmap
import multiprocessing
import os
import pathlib
import shutil
import signal
import sys
import time
import traceback

import inject

from fcn.core import atomic_io, errors
from fcn.runs import checkpoint_files, curves
from fcn.weights import demo

STEPS, BATCHES = 24, 3
FLAGS = (f"--layout ade20k --size 48x64 --crop-size 32x32 --batch 2 --batches-per-step {BATCHES} --steps {STEPS} "
         "--save-every 3 --eval-every 5 --eval-batches 2 --log-every 1 --patience 0 --learning-rate 1e-3").split()
VGG = ("--freeze", "conv4")  # the graph is built in half the time
HALF = ["--net", "small", "--precision", "float16", "--ema", "0.9", "--freeze", "encoder", "--freeze-steps",
        "5", "--best-by", "loss", "--schedule", "one_cycle"]
ENCODER = '''
from fcn.models import layers
from fcn.models.tf_compat import tf

FEATURES = (("half", 2, 4),)


def preprocess(images, mean_rgb):
    return images / 128 - 1


def build(images, settings):
    x = layers.conv(images, "conv", layers.Window(3, stride=2), 4, bias=False)
    return {"half": tf.nn.relu(layers.batch_norm(x, "bn", settings.training, momentum=0.8))}
'''
NET = '''
from fcn.models import layers

ENCODER = "small"


def decode(features, num_classes, settings):
    x = layers.conv(features["half"] * 1000, "classes", 1, num_classes, layers.truncated_normal(0.001))
    return layers.conv2d_transpose(x, "up", 2).crop(settings.image_size, 1)  # overflows at the first loss scales
'''
PHASES = ("before the first step", "no batch of a step done", "some batches of a step done", "in a validation",
         "in a save")


class SmallRun:
    """Data and command of the run. expected, usual_s, data_bytes: results of `undisturbed`. words: VGG or HALF."""

    def __init__(self, folder, words=VGG):
        from fcn.cli import train  # noqa: F401
        from fcn.training import trainer  # noqa: F401  (here, and not in every child)

        self.folder, self.expected, self.usual_s, self.data_bytes = pathlib.Path(folder), {}, 0.0, 0
        self.words = [*words, "--plugins", str(self.folder / "plugins")]
        self.folder.mkdir(parents=True, exist_ok=True)
        demo.write_scenes(self.folder / "scenes", 16, 6)
        with (self.folder / "vgg.mat").open("wb") as file:
            demo.write_mat(file, demo.narrow_vgg())
        for kind, text in (("encoders", ENCODER), ("nets", NET)):
            (self.folder / "plugins" / kind).mkdir(parents=True)
            (self.folder / "plugins" / kind / "small.py").write_text(text)

    def undisturbed(self, name):
        """Run without faults. Returns (digests of its files, seconds, bytes of a checkpoint's variables)."""
        run, before = self.folder / name, time.monotonic()
        if inject.wait(self.start(run)):
            raise RuntimeError(said(run))
        seconds, digests = time.monotonic() - before, contents(run)
        data_bytes = max(path.stat().st_size for path in run.glob("checkpoints/*/*"))
        shutil.rmtree(run)
        return digests, seconds, data_bytes

    def start(self, run, change=lambda: None, said_to=None):
        """Start the command of `run` in a forked process, after change(). Returns its pid.

        Its output goes to RUN.said, or to the same file of `said_to`.
        """
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            return pid
        code = 70
        try:
            _settle(said_to or run)
            curves.draw = lambda entries, path, *_: atomic_io.write_whole(path, b"a picture" * 10_000)
            change()
            from fcn.cli import train
            code = errors.run_command(train.main, ["--run", str(run), "--data", str(self.folder / "scenes"),
                                                       "--weights",
                                                       str(self.folder / "vgg.mat"), "--cache-dir",
                                                       str(self.folder / "cache"), *FLAGS, *self.words])
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
            os._exit(code)

    def finish(self, run, said_to=None):
        """Run the command again. Returns a list of differences from a run without faults."""
        code = inject.wait(self.start(run, said_to=said_to))
        wrong = [] if code == 0 else [f"exit code {code}: {said(said_to or run)[-300:]}"]
        return wrong + [f"{name} differs" for name in self.differences(run)]

    def differences(self, run):
        """Return the names of the files that differ from those of a run without faults."""
        found = contents(run)
        return sorted(name for name in found.keys() | self.expected.keys()
                      if found.get(name) != self.expected.get(name))


def contents(run):
    """Return {name: SHA-256} of the reproducible files: checkpoints, also unfinished ones, and two logs."""
    files = [*(run / "checkpoints").rglob("*"), run / "log.jsonl", run / "transplant.json"]
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files if path.is_file()}


def damaged(run):
    """Return which of the two newest checkpoints are damaged. Older ones may be half deleted."""
    found = []
    for path in checkpoint_files.paths(run / "checkpoints")[:2]:
        try:
            checkpoint_files.verify(path)
        except errors.WeightsError as error:
            found.append(f"{path.name} is damaged: {error}")
    return found


def said(run):
    """Return the output of all starts of a run."""
    path = pathlib.Path(f"{run}.said")
    return path.read_text(errors="replace") if path.exists() else ""


def _settle(run):
    """Set output, working folder and signal handlers of this forked process."""
    out = os.open(f"{run}.said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    os.chdir(pathlib.Path(run).parent)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore SIGINT in background jobs
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Watch:
    """Reports the phase of a child through shared memory. Pass it as `change` to SmallRun.start.

    before_step(at), before_save(at): called in the child, before the hooks of a step and before a save.
    """

    def __init__(self, before_step=lambda at: None, before_save=lambda at: None):
        self.memory, self.before_step, self.before_save = mmap.mmap(-1, 3), before_step, before_save

    def __call__(self):
        from fcn.training import hooks, loop, progress_report, trainer
        memory, run, report = self.memory, loop.run, progress_report.ProgressReport.after_step
        validate, save = trainer.Trainer.validate, hooks.Save.__call__

        def as_phase(number, function):
            def call(*arguments, **options):
                before, memory[0] = memory[0], number
                found = function(*arguments, **options)
                memory[0] = before
                return found
            return call

        def a_batch(*arguments):
            memory[0] = 2 if memory[1] else 1
            found = run(*arguments)
            memory[1], memory[2] = (memory[1] + 1) % BATCHES, memory[2] + 1
            memory[0] = 2 if memory[1] else 1
            return found

        def a_save(self_, at, **how):
            self.before_save(at)
            return save(self_, at, **how)

        def a_step(self_, at):
            self.before_step(at)
            return report(self_, at)

        loop.run, trainer.Trainer.validate = a_batch, as_phase(3, validate)
        hooks.Save.__call__, progress_report.ProgressReport.after_step = as_phase(4, a_save), a_step

    def doing(self):
        """Return the present phase, one of PHASES."""
        return PHASES[self.memory[0]]

    def batches(self):
        """Return the number of batches that this start has done."""
        return self.memory[2]


def side_by_side(function, items):
    """Return [function(item), ...], computed in one process per core. The functions may fork."""
    context = multiprocessing.get_context("fork")
    cores = context.SimpleQueue()
    available = sorted(os.sched_getaffinity(0))
    for core in available:
        cores.put(core)
    with context.Pool(len(available), lambda: os.sched_setaffinity(0, {cores.get()})) as pool:
        return pool.map(function, items, chunksize=1)
