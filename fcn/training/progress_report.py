"""Output of a run while it trains: progress line, logs, curves.png and TensorBoard events."""

import dataclasses
import datetime
import pathlib
import time

import numpy as np

from fcn.config import selection
from fcn.core import atomic_io, errors, machine, progress_bar
from fcn.data.spec import DatasetSpec
from fcn.metrics import confidence
from fcn.models import tf_compat
from fcn.runs import curves, run_log

DRAWING_SHARE = 0.01  # share of the time for drawing curves.png
DRAW_AT_LEAST_S = 30
RISE = 10  # times the loss of the first step: a note


@dataclasses.dataclass(frozen=True)
class RunFacts:
    """Facts about a run for ProgressReport.

    log_every: steps between two lines of the log.
    """

    spec: DatasetSpec
    steps: int
    baselines: tuple | None
    log_every: int


class ProgressReport:
    """Hook (hooks.py) that displays, logs and draws. Output that cannot be written is reported once and ends no run.

    run: folder of the run. facts: RunFacts. screen: progress_bar.ProgressBar. events: tensorboard.EventWriter or None.
    """

    def __init__(self, run, facts, first_step, screen, events=None):
        self.run, self.facts, self.screen, self.events = pathlib.Path(run), facts, screen, events
        self.log, self.speed = run_log.Log(self.run / "log.jsonl"), run_log.Log(self.run / "speed.jsonl")
        self.started, self.drawn, self.drawing_s, self.said = time.monotonic(), time.monotonic(), 0.0, set()
        self.starts = [e["step"] for e in run_log.read_entries(self.speed.path) if e.get("event") == "start"
                       and e["step"]]
        self.starts += [first_step] if first_step else []
        self.last = 0, 0.0, 0.0  # at the last line of the log: images, seconds of waiting, seconds of running
        self.warm = None  # (time, step) after the first step, which is slow and not counted
        self.first_loss = None  # of step 1, until its note is printed; None in a run that is resumed
        self.happened(first_step, "start")

    def after_step(self, at):
        """Show and log the loss of the window."""
        sums, pixels = zip(*at.window, strict=True) if at.window else ((), ())
        (loss, error), count = confidence.mean_loss(sums, pixels), len(sums)
        elapsed, (speed, share) = time.monotonic() - self.started, self._pace(at)
        held, peaks = self._memory()
        shown = f"loss {plus_minus(loss, error)} of {count}" if loss == loss else unlabelled(count)
        scaling, about_scale = self._scaling(at)
        shown += about_scale
        self._note_a_rise(at.step, loss)
        self.screen.show(at.step, f"{shown}  {self._to_go(at.step)}"
                         f"{speed:.2f} images/s  data {share:.0%}{held}", due=at.step % self.facts.log_every == 0)
        if at.step % self.facts.log_every == 0 or at.step in (1, self.facts.steps):
            empty = sum(not np.all(p) for p in pixels)
            right, counted = map(sum, zip(*at.right, strict=True)) if at.right else (0, 0)
            self._log({"step": at.step, "loss": loss if loss == loss else None, "loss_se": error, "batches": count,
                       **({"accuracy": right / counted} if counted else {}),
                       **({"unlabelled_batches": empty} if empty else {}),
                       "gradient_norm": at.gradient_norm, "learning_rate": at.learning_rate, **scaling})
            self.last = at.images, at.wait_s, at.run_s
            timing = {"images_per_s": speed, "wait_share": share, "elapsed_s": elapsed}
            self.speed.append({"step": at.step, **timing} | {key: peak / 1e9 for key, peak in peaks.items()})
            if self.events:
                self.events.scalars({"step": at.step, **{f"speed/{key}": value for key, value in timing.items()}})
            if time.monotonic() - self.drawn > max(DRAW_AT_LEAST_S, self.drawing_s / DRAWING_SHARE):
                self.draw()

    @staticmethod
    def _memory():
        """Return (text of the progress line, {key in speed.jsonl: bytes}) of the peak memory of process and GPU."""
        peaks = {"memory_gb": machine.peak_memory(), "gpu_memory_gb": tf_compat.gpu_peak()}
        peaks = {key: peak for key, peak in peaks.items() if peak}
        names = {"memory_gb": "peak", "gpu_memory_gb": "GPU peak"}
        return "".join(f"  {names[key]} {atomic_io.format_bytes(peak)}" for key, peak in peaks.items()), peaks

    def _scaling(self, at):
        """Return (entries of the log, text of the progress line) about loss scaling; print a line on a skipped step."""
        if at.loss_scale is None:
            return {}, ""
        if at.gradient_norm is None:
            self.screen.say(f"step {at.step}  skipped: float16 overflowed at loss scale {at.loss_scale:g}, now halved")
        return ({"loss_scale": at.loss_scale, "skipped_steps": at.skipped},
                f"  loss scale {at.loss_scale:g}, {at.skipped} skipped")

    def _note_a_rise(self, step, loss):
        """Print once that the loss is far above that of the first step."""
        self.first_loss = loss if step == 1 else self.first_loss
        if self.first_loss and loss > RISE * self.first_loss:
            self.screen.say(f"step {step}  the loss {loss:.4g} is {loss / self.first_loss:,.0f} times that of step 1: "
                            "a learning rate is probably too high; start a new run with a lower --learning-rate, "
                            "or with lower --rate-factors of the layers without pretrained weights")
            self.first_loss = None

    def _pace(self, at):
        """Return (images/s, share of time waiting for data) since the last log line, without validations and saves."""
        now = at.images, at.wait_s, at.run_s
        images, wait_s, run_s = (new - old for new, old in zip(now, self.last, strict=True))
        return images / max(wait_s + run_s, 1e-9), wait_s / max(wait_s + run_s, 1e-9)

    def _to_go(self, step):
        """Return '12 min to go', from the average pace since the start including validations; '' after one step."""
        self.warm = self.warm or (time.monotonic(), step)
        if step == self.warm[1]:
            return ""
        left = (self.facts.steps - step) * (time.monotonic() - self.warm[0]) / (step - self.warm[1])
        return f"{progress_bar.duration(left)} to go  "

    def validation(self, at, numbers, samples):
        """Log, draw and print the result of a validation."""
        self._log({"step": at.step, **numbers})
        if self.events:
            self.events.samples(at.step, samples, self.facts.spec)
        self.draw()
        loss = numbers["val_loss"]
        loss = "" if loss is None else f"loss {plus_minus(loss, numbers['val_loss_se'])}, "
        if numbers.get("not_finite"):
            self.screen.say(f"step {at.step}  validation: the loss is not finite, so no score; try a new run with a "
                            "lower --learning-rate, or with --precision bfloat16 instead of float16")
            return
        if at.score is None:
            self.screen.say(f"step {at.step}  validation: {loss}no labelled pixels in these "
                            f"{numbers['unlabelled_images']} validation images, so no score; --eval-batches 0 uses "
                            "the whole split")
            return
        f_score = f"F-score {numbers['val_f_score']:.3f}, " if at.best_by == "f_score" else ""
        label = "" if at.best_by == selection.DEFAULT else f" {selection.SCORES[at.best_by]}"
        best = f"best{label} so far" if at.best["step"] == at.step else (
            f"best{label} {at.best['score']:.3f} at step {at.best['step']}")
        self.screen.say(f"step {at.step}  validation: {loss}{f_score}pixel accuracy "
                        f"{numbers['val_pixel_accuracy']:.3f}, "
                        f"mean IoU {numbers['val_mean_iou']:.3f} ({best}; at network size)")

    def happened(self, step, event):
        """Write an event to speed.jsonl: "start", the name of a signal, ..."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.speed.append({"step": step, "event": event, "time": now})

    def draw(self):
        """Write curves.png."""
        before = time.monotonic()
        try:
            curves.draw(run_log.read_entries(self.log.path), self.run / "curves.png", self.facts.baselines, self.starts)
        except (OSError, errors.MachineError) as error:
            self._say_once(f"curves.png could not be written ({getattr(error, 'strerror', error)}); the run continues")
        self.drawn, self.drawing_s = time.monotonic(), time.monotonic() - before

    def _log(self, entry):
        """Write an entry to log.jsonl and to the events.

        NaN (the standard error of one batch) is left out. None (no value) is null in the log and left out of the
        events.
        """
        entry = {key: value for key, value in entry.items() if value == value}
        self.log.append(entry)
        if self.log.waiting:
            self._say_once("log.jsonl could not be written; its lines are kept in memory and written later")
        if self.events:
            self.events.scalars({key: value for key, value in entry.items() if value is not None})
            if self.events.error:
                self._say_once(f"TensorBoard's events could not be written ({self.events.error}); the run continues")

    def _say_once(self, text):
        if text not in self.said:
            self.said.add(text)
            self.screen.say(text)


def plus_minus(mean, error):
    """Format a mean with its standard error, such as '1.842 ± 0.031'; the mean alone if the error is NaN."""
    return f"{mean:.3f} ± {error:.3f}" if error == error else f"{mean:.3f}"


def unlabelled(batches):
    """Return the text that replaces the loss if the last `batches` batches have no labelled pixels."""
    if not batches:
        return "no loss, because every step was skipped"
    return f"no labelled pixels in the last {f'{batches} batches' if batches > 1 else 'batch'}"
