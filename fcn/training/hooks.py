"""Hooks: periodic work during training. After each step, the loop calls after_step(position) of every hook, in order.

ProgressReport (progress_report.py) displays and logs, Evaluate validates, Save writes checkpoints, Stop ends the run
after a signal.
"""

import dataclasses
import math
import time

from fcn.config import selection
from fcn.core import errors
from fcn.training import signals

RETRY_S = 60  # until the next attempt, after a checkpoint could not be saved
FIRST_EVAL = 20  # the step of the first validation under a time budget


@dataclasses.dataclass(frozen=True)
class ValidationTimes:
    """When a run validates.

    steps: of the run; it always validates after the last one. every: steps between two validations, or, below 1, the
    share of the time that validations may take. patience: validations without a better score that end the run; 0: any
    number.
    """

    steps: int
    every: int | float
    patience: int = 0

    @property
    def budget(self):
        """The share of the time that validations may take; None if they come every so many steps."""
        return self.every if self.every < 1 else None


class Evaluate:
    """Validates, keeps track of the best score, saves, and ends the run when patience is exhausted.

    validate: function without arguments, returns (numbers, samples) as validation.validate, or None if interrupted.
    when: ValidationTimes. report: ProgressReport. save: Save. agree: function of the step of the next validation under
    a time budget, which returns the one that all workers use. A validation without labelled pixels has no score
    (None); it is never the best and does not count for patience.
    """

    def __init__(self, validate, when, report, save, agree=lambda step: step):
        self.validate, self.when, self.report, self.save, self.agree = validate, when, report, save, agree
        self.spent, self.saving_s = 0.0, 0.0
        self.started = None  # (time, step) after the first step of this start, which is slow

    def resume(self, at):
        """Run the validation that was due when the run stopped, and check whether patience is exhausted already."""
        if at.step and at.validated < at.step and self._due(at):
            self._validate(at)
        self._lose_patience(at)

    def after_step(self, at):
        """Validate if a validation is due."""
        self.started = self.started or (time.perf_counter(), at.step)
        if self._due(at):
            self._validate(at)
            self._lose_patience(at)

    def _due(self, at):
        if at.step == self.when.steps:
            return True
        if self.when.budget:
            return at.step >= (at.next_eval or FIRST_EVAL)
        return at.step % self.when.every == 0

    def _validate(self, at):
        before = time.perf_counter()
        found = self.validate()
        if found is None:  # the run is stopping; resume() repeats this validation
            return
        numbers, samples = found
        at.validated, at.score = at.step, numbers[f"val_{at.best_by}"]
        if at.score is not None:
            better = at.best is None or not math.isfinite(at.best["score"]) or (  # NaN: of a run of an older version
                selection.goodness(at.score, at.best_by) > selection.goodness(at.best["score"], at.best_by))
            at.best = {"step": at.step, "score": at.score} if better else at.best
            at.since_best = 0 if better else at.since_best + 1
        self.report.validation(at, numbers, samples)
        if self.when.budget:
            at.next_eval = self.agree(at.step + self._pause(at, time.perf_counter() - before))
        checked = time.perf_counter()
        self.save(at)
        self.saving_s = time.perf_counter() - checked
        self.spent += time.perf_counter() - before if self.started else 0.0

    def _pause(self, at, seconds):
        """Return the number of steps until the next validation, from the durations of this one and of the last save."""
        if self.started is None or at.step == self.started[1]:
            return FIRST_EVAL
        step_s = (time.perf_counter() - self.started[0] - self.spent - seconds) / (at.step - self.started[1])
        budget = self.when.budget
        return max(1, math.ceil((seconds + self.saving_s) * (1 - budget) / budget / max(step_s, 1e-9)))

    def _lose_patience(self, at):
        if self.when.patience and at.since_best >= self.when.patience and at.step < self.when.steps:
            at.finished = (f"no better {selection.SCORES[at.best_by]} in {at.since_best} validations since step "
                           f"{at.best['step']} ({at.best['score']:.3f}): stopped at step {at.step} of "
                           f"{self.when.steps} (--patience)")


class Save:
    """Saves a checkpoint every `every` steps; Evaluate and Stop also call it. save_state(state) writes the checkpoint.

    A full disk does not end the run: the failure is reported, and saving is tried again later. Only at the last step or
    when the run is stopped, a failure raises MachineError. saved: (step, step of the last validation) of the checkpoint
    from which the run resumed. It is not saved again, which would mark it as unscheduled.
    """

    def __init__(self, save_state, every, steps, log, say, saved=None):
        self.save_state, self.every, self.steps, self.log, self.say = save_state, every, steps, log, say
        self.saved, self.failed = saved, None

    def after_step(self, at):
        """Save a checkpoint if one is due."""
        last = at.step == self.steps or bool(at.finished)
        due = at.step % self.every == 0 if self.failed is None else time.monotonic() - self.failed > RETRY_S
        if last or due:
            self(at, needed=last, scheduled=last or at.step % self.every == 0)

    def __call__(self, at, needed=False, scheduled=True):
        """Save a checkpoint. needed: raise MachineError on failure. scheduled: an uninterrupted run saves here too."""
        if self.saved == (at.step, at.validated):
            return
        try:
            try:
                self.log.flush(sync=True)  # the log must reach the disk before the checkpoint
            except OSError as error:
                raise errors.MachineError("cannot be written", where=self.log.path, why=error.strerror,
                                          fix="free space; existing checkpoints are intact.") from None
            self.save_state(at.state() | {"scheduled": scheduled})
        except errors.MachineError as error:
            self.failed = time.monotonic()
            if needed:
                raise
            self.say(f"step {at.step}  checkpoint not saved, training continues and will try again: {error}")
            return
        self.saved, self.failed = (at.step, at.validated), None


class Stop:
    """Saves and ends the run after the step in which a signal arrived. received: signals.Signals."""

    def __init__(self, received, save):
        self.received, self.save = received, save

    def after_step(self, at):
        """Save a checkpoint and raise Stopped if a signal was received."""
        if self.received.caught and not at.finished and not at.step == self.save.steps == at.validated:
            self.save(at, needed=True, scheduled=False)
            raise errors.Stopped(signals.EXIT_AS[self.received.caught], f"stopped by {self.received.caught.name} after "
                                 f"step {at.step}; saved. Run the same command to resume.")


class Silent:
    """In place of ProgressReport and Save in a worker that is not the chief: it shows and writes nothing."""

    def __init__(self, steps):
        self.steps = steps

    def __call__(self, at, needed=False, scheduled=True):
        """Save nothing."""

    def validation(self, at, numbers, samples):
        """Show nothing."""
