"""What happens now and then during training. The loop calls after_step(position) of each, in order, after a step.

ProgressReport (progress_report.py) shows and logs, Evaluate validates, Save makes checkpoints, Stop ends the run when
it is asked to.
"""

import dataclasses
import math
import time

from fcn.core import errors
from fcn.training import signals

RETRY_S = 60  # after a checkpoint that could not be saved
FIRST_EVAL = 20  # the step of the first validation under a time budget


@dataclasses.dataclass(frozen=True)
class ValidationTimes:
    """When a run validates: every so many steps; or, with a budget, as often as that share of the time allows.

    steps: of the run; after the last one it validates always. patience: validations without a better score that end the
    run; 0: any number.
    """

    steps: int
    every: int
    budget: float | None = None
    patience: int = 0


class Evaluate:
    """Validation loss with its standard error, pixel accuracy and mean IoU, at network size; the best so far; patience.

    validate() -> (numbers, samples), or None if it was broken off: numbers {"val_loss": ..., "val_loss_se": ...,
    "val_pixel_accuracy": ..., "val_mean_iou": ...}; samples as validation.validate gives them. when: ValidationTimes.
    A validation without a score (val_mean_iou None: no labelled pixels) is done, but is never the best, and patience
    does not count it.
    """

    def __init__(self, validate, when, report, save):
        self.validate, self.when, self.report, self.save = validate, when, report, save
        self.spent, self.saving_s = 0.0, 0.0
        self.started = None  # (time, step) after the first step of this start, which is slow

    def resume(self, at):
        """Do what the run was stopped before: the validation of its last step; see that it is not finished already."""
        if at.step and at.validated < at.step and self._due(at):
            self._validate(at)
        self._lose_patience(at)

    def after_step(self, at):
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
        if found is None:  # the run is being stopped; it begins with this validation when it goes on
            return
        numbers, samples = found
        at.validated, at.score = at.step, numbers["val_mean_iou"]
        if at.score is not None:
            better = at.best is None or at.score > at.best["score"]
            at.best = {"step": at.step, "score": at.score} if better else at.best
            at.since_best = 0 if better else at.since_best + 1
        self.report.validation(at, numbers, samples)
        if self.when.budget:
            at.next_eval = at.step + self._pause(at, time.perf_counter() - before)
        checked = time.perf_counter()
        self.save(at)
        self.saving_s = time.perf_counter() - checked
        self.spent += time.perf_counter() - before if self.started else 0.0

    def _pause(self, at, seconds):
        """Steps until the next validation may come, if it takes as long as this one, and its saving as the last."""
        if self.started is None or at.step == self.started[1]:
            return FIRST_EVAL
        a_step = (time.perf_counter() - self.started[0] - self.spent - seconds) / (at.step - self.started[1])
        budget = self.when.budget
        return max(1, math.ceil((seconds + self.saving_s) * (1 - budget) / budget / max(a_step, 1e-9)))

    def _lose_patience(self, at):
        if self.when.patience and at.since_best >= self.when.patience and at.step < self.when.steps:
            at.finished = (f"no better mean IoU in {at.since_best} validations since step {at.best['step']} "
                           f"({at.best['score']:.3f}): stopped at step {at.step} of {self.when.steps}, as --patience "
                           "says")


class Save:
    """A checkpoint every so many steps; Evaluate and Stop ask for one too. save_state(state) writes it.

    A full disk does not end the run: it is said, and tried again. Only at the last step, or when the run is stopped,
    does it raise MachineError. saved: (step, step of its last validation) of the checkpoint that the run was resumed
    from: it is there already, and being stopped at this step again must not turn it into one of a stop.
    """

    def __init__(self, save_state, every, steps, log, say, saved=None):
        self.save_state, self.every, self.steps, self.log, self.say = save_state, every, steps, log, say
        self.saved, self.failed = saved, None

    def after_step(self, at):
        last = at.step == self.steps or bool(at.finished)
        due = at.step % self.every == 0 if self.failed is None else time.monotonic() - self.failed > RETRY_S
        if last or due:
            self(at, needed=last, scheduled=last or at.step % self.every == 0)

    def __call__(self, at, needed=False, scheduled=True):
        """Save. scheduled: an undisturbed run saves here, too."""
        if self.saved == (at.step, at.validated):
            return
        try:
            try:
                self.log.flush(sync=True)  # a checkpoint must not be ahead of its log
            except OSError as error:
                raise errors.MachineError("cannot be written", where=self.log.path, why=error.strerror,
                                          fix="free space; the checkpoints that are there are whole.") from None
            self.save_state(at.state() | {"scheduled": scheduled})
        except errors.MachineError as error:
            self.failed = time.monotonic()
            if needed:
                raise
            self.say(f"step {at.step}  not saved, training goes on and tries again: {error}")
            return
        self.saved, self.failed = (at.step, at.validated), None


class Stop:
    """Ends the run when a signal came: after its step, saved. asked: a signals.Signals."""

    def __init__(self, asked, save):
        self.asked, self.save = asked, save

    def after_step(self, at):
        if self.asked.caught and not at.finished and not at.step == self.save.steps == at.validated:
            self.save(at, needed=True, scheduled=False)
            raise errors.Stopped(signals.EXIT_AS[self.asked.caught], f"stopped by {self.asked.caught.name} after step "
                                 f"{at.step}; saved. The same command goes on from here.")
