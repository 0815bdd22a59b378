"""What happens now and then during training. The loop calls after_step(position) of each, in order, after a step.

Report shows and logs, Evaluate validates, Save makes checkpoints, Signals ends the run when it is asked to.
"""

import contextlib
import signal
import time

from fcn import averages, curves, errors, runlog
from fcn.tf1 import tf


@contextlib.contextmanager
def usual(run, periods, plan, position, view, floor, validate, save_state):
    """The hooks of a run in the order in which they act; afterwards signals are as before and the curves are drawn.

    periods: has log_every, eval_every and save_every. view: a screen.Screen. save_state(state) writes a checkpoint.
    """
    save = Save(save_state, periods.save_every)
    report = Report(run, periods.log_every, plan.steps, position.step, view.show, floor)
    signals = Signals(save, view.say)
    try:
        yield [report, Evaluate(validate, periods.eval_every, plan.steps, report, save, view.say), save, signals]
    finally:
        signals.restore()
        report.draw()


class Report:
    """The line that a person reads, log.jsonl, curves.png and TensorBoard's events.

    show(step, text, remaining, due): how the line reaches the screen (screen.Screen.show).
    floor: (uniform, prior, constant) of expect.floor.
    """

    def __init__(self, run, every, steps, first_step, show, floor):
        self.run, self.every, self.steps, self.first, self.show, self.floor = run, every, steps, first_step, show, floor
        self.events = tf.summary.FileWriter(str(run / "events"))
        self.events.add_session_log(tf.SessionLog(status=tf.SessionLog.START), first_step + 1)  # hides what is redone
        self.started = time.perf_counter()

    def after_step(self, at):
        loss, error = averages.weighted(*zip(*at.window, strict=True))
        elapsed = time.perf_counter() - self.started
        speed, share = at.images / elapsed, at.wait_s / max(at.wait_s + at.run_s, 1e-9)
        left = (self.steps - at.step) * elapsed / max(at.step - self.first, 1)
        self.show(at.step, f"loss {plus_minus(loss, error)} (last {len(at.window)} batches)  {speed:.2f} images/s",
                  f"{duration(left)} to go", due=at.step % self.every == 0)
        if at.step % self.every == 0 or at.step in (1, self.steps):
            self.log({"step": at.step, "loss": loss, "loss_se": error, "learning_rate": at.learning_rate,
                      "images_per_s": speed, "wait_share": share, "elapsed_s": elapsed})

    def log(self, entry):
        """Append numbers to log.jsonl and to the events; NaN (an error bar of one batch) is left out."""
        entry = {key: value for key, value in entry.items() if value == value}
        runlog.append(self.run / "log.jsonl", entry)
        values = [tf.Summary.Value(tag=key, simple_value=value) for key, value in entry.items() if key != "step"]
        self.events.add_summary(tf.Summary(value=values), entry["step"])
        self.events.flush()

    def draw(self):
        curves.draw(runlog.read(self.run / "log.jsonl"), self.run / "curves.png", self.floor)


class Evaluate:
    """Validation loss with its standard error, pixel accuracy and mean IoU, at network size.

    validate() -> {"val_loss": ..., "val_loss_se": ..., "val_pixel_accuracy": ..., "val_mean_iou": ...}.
    """

    def __init__(self, validate, every, steps, report, save, say):
        self.validate, self.every, self.steps, self.report, self.save = validate, every, steps, report, save
        self.say = say

    def after_step(self, at):
        if at.step % self.every and at.step != self.steps:
            return
        numbers = self.validate()
        at.score = numbers["val_mean_iou"]
        self.report.log({"step": at.step, **numbers})
        self.report.draw()
        self.say(f"step {at.step}  validation: loss {plus_minus(numbers['val_loss'], numbers['val_loss_se'])}, "
                 f"pixel accuracy {numbers['val_pixel_accuracy']:.3f}, mean IoU {numbers['val_mean_iou']:.3f} "
                 "(at network size)")
        self.save(at)
        at.score = None


class Save:
    """A checkpoint every so many steps; Evaluate asks for one too. save_state(state) writes it."""

    def __init__(self, save_state, every):
        self.save_state, self.every, self.saved = save_state, every, None

    def after_step(self, at):
        if at.step % self.every == 0:
            self(at)

    def __call__(self, at):
        if self.saved != at.step:
            self.save_state(at.state())
            self.saved = at.step


class Signals:
    """SIGINT and SIGTERM finish the step, save and end the run; a second Ctrl-C ends it at once."""

    def __init__(self, save, say):
        self.save, self.say, self.caught = save, say, None
        self.before = {number: signal.signal(number, self._catch) for number in (signal.SIGINT, signal.SIGTERM)}

    def _catch(self, number, frame):
        if self.caught and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.caught = number
        self.say(f"{signal.Signals(number).name}: finishing this step, then saving (Ctrl-C again: stop at once)")

    def after_step(self, at):
        if self.caught:
            self.save(at)
            raise errors.Stopped(self.caught, f"stopped by {signal.Signals(self.caught).name} after step {at.step}; "
                                 "saved. The same command goes on from here.")

    def restore(self):
        """Put the handlers back that were there before."""
        for number, handler in self.before.items():
            signal.signal(number, handler)


def plus_minus(mean, error):
    """'1.842 ± 0.031', or the mean alone where one batch has no spread."""
    return f"{mean:.3f} ± {error:.3f}" if error == error else f"{mean:.3f}"


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
