"""What a person sees of a run while it runs: the progress line, the logs, curves.png and TensorBoard's events."""

import dataclasses
import datetime
import pathlib
import time

import numpy as np

from fcn.core import atomic_io, errors, machine
from fcn.data.spec import DatasetSpec
from fcn.metrics import confidence
from fcn.runs import curves, run_log

DRAWING_SHARE = 0.01  # of the time may go into curves.png
DRAW_AT_LEAST_S = 30


@dataclasses.dataclass(frozen=True)
class RunFacts:
    """What a ProgressReport is told of a run. steps: all of them. baselines: (uniform, prior, constant) of
    baselines.numbers, or None.

    log_every: steps between two lines of the log. average: batches of the shown loss, or "auto".
    """

    spec: DatasetSpec
    steps: int
    baselines: tuple | None
    log_every: int
    average: int | str


class ProgressReport:
    """A hook (hooks.py). The screen and the pictures are not worth a run: what cannot be written is said, once.

    run: its folder. facts: RunFacts. screen: a progress_bar.ProgressBar. events: an tensorboard.EventWriter or None.
    """

    def __init__(self, run, facts, first_step, screen, events=None):
        self.run, self.facts, self.screen, self.events = pathlib.Path(run), facts, screen, events
        self.log, self.speed = run_log.Log(self.run / "log.jsonl"), run_log.Log(self.run / "speed.jsonl")
        self.started, self.drawn, self.drawing_s, self.said = time.monotonic(), time.monotonic(), 0.0, set()
        self.starts = [e["step"] for e in run_log.read_entries(self.speed.path) if e.get("event") == "start"
                       and e["step"]]
        self.starts += [first_step] if first_step else []
        self.last = 0, 0.0, 0.0  # images, seconds of waiting and of running at the last line of the log
        self.warm = None  # (time, step) after the first step, which is slow
        self.happened(first_step, "start")

    def after_step(self, at):
        sums, pixels = zip(*at.window, strict=True)
        loss, error, count = confidence.mean_of_enough(sums, pixels) if self.facts.average == "auto" else (
            *confidence.mean_loss(sums, pixels), len(sums))
        elapsed, (speed, share) = time.monotonic() - self.started, self._pace(at)
        memory = machine.peak_memory()
        held = f"  peak {atomic_io.amount(memory)}" if memory else ""
        shown = f"loss {plus_minus(loss, error)} of {count}" if loss == loss else unlabelled(count)
        self.screen.show(at.step, f"{shown}  {self._to_go(at.step)}"
                         f"{speed:.2f} images/s  data {share:.0%}{held}", due=at.step % self.facts.log_every == 0)
        if at.step % self.facts.log_every == 0 or at.step in (1, self.facts.steps):
            empty = sum(not np.all(p) for p in pixels[-count:])
            self._log({"step": at.step, "loss": loss if loss == loss else None, "loss_se": error, "batches": count,
                       **({"unlabelled_batches": empty} if empty else {}),
                       "gradient_norm": at.gradient_norm, "learning_rate": at.learning_rate})
            self.last = at.images, at.wait_s, at.run_s
            timing = {"images_per_s": speed, "wait_share": share, "elapsed_s": elapsed}
            self.speed.append({"step": at.step, **timing} | ({"memory_gb": memory / 1e9} if memory else {}))
            if self.events:
                self.events.scalars({"step": at.step, **{f"speed/{key}": value for key, value in timing.items()}})
            if time.monotonic() - self.drawn > max(DRAW_AT_LEAST_S, self.drawing_s / DRAWING_SHARE):
                self.draw()

    def _pace(self, at):
        """(images/s, share of waiting for data) since the last line of the log, validations and saving left out."""
        now = at.images, at.wait_s, at.run_s
        images, wait_s, run_s = (new - old for new, old in zip(now, self.last, strict=True))
        return images / max(wait_s + run_s, 1e-9), wait_s / max(wait_s + run_s, 1e-9)

    def _to_go(self, step):
        """'12 min to go', at the pace of this start so far, validations included; '' after its first step."""
        self.warm = self.warm or (time.monotonic(), step)
        if step == self.warm[1]:
            return ""
        left = (self.facts.steps - step) * (time.monotonic() - self.warm[0]) / (step - self.warm[1])
        return f"{duration(left)} to go  "

    def validation(self, at, numbers, samples):
        """Log, draw and say what a validation found."""
        self._log({"step": at.step, **numbers})
        if self.events:
            self.events.samples(at.step, samples, self.facts.spec)
        self.draw()
        loss = numbers["val_loss"]
        loss = "" if loss is None else f"loss {plus_minus(loss, numbers['val_loss_se'])}, "
        if at.score is None:
            self.screen.say(f"step {at.step}  validation: {loss}no labelled pixels among these "
                            f"{numbers['unlabelled_images']} validation images, so no score; --eval-batches 0 takes "
                            "the whole split")
            return
        best = "the best so far" if at.best["step"] == at.step else (
            f"best {at.best['score']:.3f} at step {at.best['step']}")
        self.screen.say(f"step {at.step}  validation: {loss}pixel accuracy {numbers['val_pixel_accuracy']:.3f}, "
                        f"mean IoU {at.score:.3f} ({best}; at network size)")

    def happened(self, step, event):
        """Note in speed.jsonl what became of the run: "start", a signal's name, ..."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.speed.append({"step": step, "event": event, "time": now})

    def draw(self):
        """Write curves.png."""
        before = time.monotonic()
        try:
            curves.draw(run_log.read_entries(self.log.path), self.run / "curves.png", self.facts.baselines, self.starts)
        except (OSError, errors.MachineError) as error:
            self._say_once(f"curves.png could not be written ({getattr(error, 'strerror', error)}); the run goes on")
        self.drawn, self.drawing_s = time.monotonic(), time.monotonic() - before

    def _log(self, entry):
        """An entry of log.jsonl and of the events; NaN (an error bar of one batch) is left out. None, a number that
        does not exist, is null in the log and left out of the events.
        """
        entry = {key: value for key, value in entry.items() if value == value}
        self.log.append(entry)
        if self.log.waiting:
            self._say_once("log.jsonl could not be written; its lines are kept until it can be")
        if self.events:
            self.events.scalars({key: value for key, value in entry.items() if value is not None})
            if self.events.error:
                self._say_once(f"TensorBoard's events could not be written ({self.events.error}); the run goes on")

    def _say_once(self, text):
        if text not in self.said:
            self.said.add(text)
            self.screen.say(text)


def plus_minus(mean, error):
    """'1.842 ± 0.031', or the mean alone where one batch has no spread."""
    return f"{mean:.3f} ± {error:.3f}" if error == error else f"{mean:.3f}"


def unlabelled(batches):
    """What stands in place of the loss of so many batches without labelled pixels."""
    return f"no labelled pixels in the last {f'{batches} batches' if batches > 1 else 'batch'}"


def duration(seconds):
    """'45 s', '12 min', '3 h 05 min', '2 d 3 h'."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"
