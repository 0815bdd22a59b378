"""When a run validates, saves and stops: by step, by a share of the time, by patience, by a signal, on a full disk."""

import collections
import itertools
import math
import signal
import types

import pytest

from fcn.core import errors
from fcn.training import hooks, loop


def position(step=0, **more):
    return loop.Position(step, collections.deque(maxlen=20), **more)


UNLABELLED = {"val_mean_iou": None, "unlabelled_images": 2}


class Book:
    """Notes what the hooks ask for. As report, as log, and as what saves; `scores` are what the validations find: a
    mean IoU, UNLABELLED, or None for one that was broken off.
    """

    def __init__(self, scores=(), broken=()):
        self.scores, self.broken, self.saved, self.shown, self.said, self.flushed = iter(scores), broken, [], [], [], 0
        self.path = "log.jsonl"

    def validate(self):
        score = next(self.scores)
        return None if score is None else (score if score is UNLABELLED else {"val_mean_iou": score}, [])

    def validation(self, at, numbers, samples):
        self.shown.append((at.step, numbers["val_mean_iou"]))

    def flush(self, sync):
        self.flushed += sync

    def save_state(self, state):
        if state["step"] in self.broken:
            raise errors.MachineError("the checkpoint could not be written", why="No space left on device")
        self.saved.append(state)

    def run(self, steps, at=None, every=4, budget=None, patience=0, save_every=3, caught=None):
        """Go through all steps as the loop does; the Position. caught: the step in which a signal comes."""
        at = at or position()
        save = hooks.Save(self.save_state, save_every, steps, self, self.said.append)
        check = hooks.Evaluate(self.validate, hooks.ValidationTimes(steps, budget or every, patience), self, save)
        self.asked = types.SimpleNamespace(caught=signal.SIGTERM if caught == at.step else None)
        check.resume(at)
        hooks.Stop(self.asked, save).after_step(at)
        while at.step < steps and not at.finished:
            at.step, at.score = at.step + 1, None
            if at.step == caught:
                self.asked.caught = signal.SIGTERM
            for hook in (check, save, hooks.Stop(self.asked, save)):
                hook.after_step(at)
        return at


def steps_of(states):
    return [state["step"] for state in states]


def test_run_validates_and_saves_periodically_and_at_the_end():
    book = Book([0.1, 0.2, 0.3])
    book.run(10)
    assert [step for step, _ in book.shown] == [4, 8, 10]
    assert steps_of(book.saved) == [3, 4, 6, 8, 9, 10]
    assert [state["score"] for state in book.saved] == [None, 0.1, None, 0.2, None, 0.3]
    assert book.flushed == 6


@pytest.mark.parametrize("best_by", ["mean_iou", "loss"])
def test_best_score_that_is_not_a_number_is_replaced(best_by):
    at = position(best={"step": 0, "score": math.nan}, best_by=best_by)
    book = Book()
    book.validate = lambda: ({"val_mean_iou": 0.5, "val_loss": 0.5}, [])
    assert book.run(4, at).best == {"step": 4, "score": 0.5} and at.since_best == 0


def test_checkpoint_of_a_stopped_run_is_marked():
    book = Book([0.1])
    with pytest.raises(errors.Stopped):
        book.run(20, caught=5)
    assert [(state["step"], state["scheduled"]) for state in book.saved] == [(3, True), (4, True), (5, False)]
    book = Book([0.1])
    with pytest.raises(errors.Stopped):
        book.run(20, caught=6)
    assert (book.saved[-1]["step"], book.saved[-1]["scheduled"]) == (6, True)


def test_best_score_is_in_every_state_and_equals_do_not_replace():
    book = Book([0.3, 0.5, 0.5, 0.4])
    at = book.run(16)
    assert at.best == {"step": 8, "score": 0.5} and at.since_best == 2
    assert [state["best"] and state["best"]["step"] for state in book.saved if state["score"] is not None] == [
        4, 8, 8, 8]


def test_patience_counts_validations_without_a_better_score():
    book = Book([0.3, 0.5, 0.5, 0.4, 0.9])
    at = book.run(100, patience=2)
    assert at.step == 16 and "since step 8 (0.500)" in at.finished and "step 16 of 100" in at.finished
    assert steps_of(book.saved)[-1] == 16


class Losses(Book):
    """A Book whose validations find these losses; the mean IoU gets worse and does not count."""

    def validate(self):
        return {"val_mean_iou": 0.5 - 0.01 * len(self.shown), "val_loss": next(self.scores)}, []


def test_best_by_loss_takes_the_smallest_loss():
    book = Losses([0.9, 0.4, 0.4, 0.6, 0.1])
    at = book.run(100, position(best_by="loss"), patience=2)
    assert at.best == {"step": 8, "score": 0.4} and at.step == 16
    assert "no better loss in 2 validations since step 8 (0.400)" in at.finished
    assert {state["best_by"] for state in book.saved} == {"loss"}


def test_early_stopped_run_resumes_only_with_more_patience():
    lost = {"best": {"step": 8, "score": 0.5}, "since_best": 2, "validated": 16}
    assert Book().run(100, position(16, **lost), patience=2).step == 16
    assert Book(itertools.repeat(0.6)).run(20, position(16, **lost), patience=3).step == 20


def test_better_score_resets_patience():
    book = Book([0.3, 0.2, 0.4, 0.3, 0.2])
    assert book.run(100, patience=2).step == 20


def test_unlabelled_validation_is_not_best_and_costs_no_patience():
    book = Book([UNLABELLED, 0.3, UNLABELLED, UNLABELLED, 0.2, 0.4])
    at = book.run(24, patience=2)
    assert [score for _, score in book.shown] == [None, 0.3, None, None, 0.2, 0.4] and not at.finished
    assert at.best == {"step": 24, "score": 0.4}
    scored = [(state["step"], state["score"], state["best"], state["since_best"]) for state in book.saved
              if state["validated"] == state["step"]]
    three = {"step": 8, "score": 0.3}
    assert scored[:5] == [(4, None, None, 0), (8, 0.3, three, 0), (12, None, three, 0), (16, None, three, 0),
                          (20, 0.2, three, 1)]


def test_run_without_any_score_trains_to_its_end():
    at = Book([UNLABELLED] * 5).run(20, patience=1)
    assert (at.step, at.best, at.finished) == (20, None, "")


def test_unlabelled_validation_is_not_repeated_on_resume():
    book = Book([UNLABELLED])
    book.run(4)
    later = Book([0.2])
    later.run(8, loop.Position.of(book.saved[-1], 20, 1))
    assert later.shown == [(8, 0.2)]


def test_stop_before_the_first_step_keeps_the_resumed_checkpoint():
    """It would be saved again as that of a stop, which the next one sweeps."""
    book, at = Book(), position(6, validated=4)
    save = hooks.Save(book.save_state, 3, 20, book, book.said.append, saved=(6, 4))
    with pytest.raises(errors.Stopped):
        hooks.Stop(types.SimpleNamespace(caught=signal.SIGTERM), save).after_step(at)
    assert book.saved == []
    at.validated = 6
    save(at)
    assert [state["validated"] for state in book.saved] == [6]


def test_validation_interrupted_by_a_signal_is_first_on_resume():
    book = Book([0.1, None])
    with pytest.raises(errors.Stopped) as stopped:
        book.run(12, caught=8)
    assert stopped.value.exit_code == 143 and "after step 8" in str(stopped.value)
    state = book.saved[-1]
    assert (state["step"], state["validated"], state["score"]) == (8, 4, None)

    later = Book([0.2, 0.3])
    later.run(12, loop.Position.of(state, 20, 1))
    assert later.shown == [(8, 0.2), (12, 0.3)]
    assert (later.saved[0]["step"], later.saved[0]["score"]) == (8, 0.2)


@pytest.mark.parametrize("steps", [8, 12])
def test_validation_interrupted_twice_is_still_done_on_resume(steps):
    state = {"step": 8, "validated": 4, "best": {"step": 4, "score": 0.1}}
    for _ in range(2):
        book = Book([None])
        with pytest.raises(errors.Stopped):
            book.run(steps, loop.Position.of(state, 20, 1), caught=8)
        state = book.saved[-1]
        assert (state["step"], state["validated"]) == (8, 4)
    book = Book([0.2, 0.3])
    book.run(steps, loop.Position.of(state, 20, 1))
    assert book.shown == [(8, 0.2), (12, 0.3)][:steps // 4 - 1]


def test_validation_result_after_its_step_was_saved_is_saved_too():
    book = Book([0.2])
    save = hooks.Save(book.save_state, 100, 100, book, book.said.append)
    at = position(8)
    save(at)
    at.validated = 8
    save(at)
    save(at)
    assert [state["validated"] for state in book.saved] == [0, 8]


def test_finished_validation_is_not_repeated():
    book = Book([0.3])
    book.run(12, position(8, validated=8, best={"step": 8, "score": 0.2}))
    assert book.shown == [(12, 0.3)]


def test_signal_at_the_last_step_stops_if_validation_is_due():
    assert Book([0.1]).run(4, caught=4).step == 4
    book = Book([None])
    with pytest.raises(errors.Stopped):
        book.run(4, caught=4)
    assert steps_of(book.saved)[-1] == 4


def test_full_disk_is_reported_and_saving_retried(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(hooks.time, "monotonic", lambda: now[0])
    book = Book([0.1] * 12, broken=(3, 4, 5))
    original = book.validate

    def slowly():
        now[0] += hooks.RETRY_S / 3
        return original()
    book.validate = slowly
    book.run(12, every=1, save_every=3)
    assert len([text for text in book.said if "training continues" in text]) == 3
    assert 3 not in steps_of(book.saved) and steps_of(book.saved)[-1] == 12


def test_failed_save_is_retried_by_time_not_at_every_step(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(hooks.time, "monotonic", lambda: now[0])
    book = Book(broken=range(6))
    save = hooks.Save(book.save_state, 2, 100, book, book.said.append)
    for step in range(1, 12):
        now[0] += hooks.RETRY_S / 4 + 0.01
        save.after_step(position(step))
    assert len(book.said) == 1 and steps_of(book.saved) == [6, 8, 10]


@pytest.mark.parametrize("caught, steps", [(None, 8), (7, 80)])
def test_failed_last_save_is_reported_with_its_exit_code(caught, steps):
    book = Book([0.1, 0.1], broken=(7, 8))
    with pytest.raises(errors.MachineError, match="No space left"):
        book.run(steps, caught=caught)
    assert steps_of(book.saved) == [3, 4, 6]


def test_checkpoint_is_not_ahead_of_its_log():
    book = Book()

    def full(sync):
        raise OSError(28, "No space left on device")
    book.flush = full
    save = hooks.Save(book.save_state, 1, 5, book, book.said.append)
    save.after_step(position(1))
    assert book.saved == [] and "No space left on device" in book.said[0]
    with pytest.raises(errors.MachineError, match=r"log\.jsonl"):
        save(position(1), needed=True)


def test_validation_takes_its_share_of_time(monkeypatch):
    """A step takes 1 s, a validation 8 s, its saving 2 s: with 20 % it may come every 40 steps, 10 of 50 seconds. Of
    the first one the saving is not known yet.
    """
    now, at = [0.0], position()
    monkeypatch.setattr(hooks.time, "perf_counter", lambda: now[0])
    book = Book(itertools.repeat(0.5))

    def save_state(state):
        now[0] += 2
        book.saved.append(state)
    save = hooks.Save(save_state, 10 ** 6, 200, book, book.said.append)

    def validate():
        now[0] += 8
        return {"val_mean_iou": 0.5}, []
    check = hooks.Evaluate(validate, hooks.ValidationTimes(200, 0.2), book, save)
    check.resume(at)
    for step in range(1, 201):
        now[0] += 1
        at.step = step
        check.after_step(at)
    assert [step for step, _ in book.shown] == [20, 52, 92, 132, 172, 200]
    assert [state["next_eval"] for state in book.saved][:2] == [52, 92]


def test_pause_after_a_resume_counts_only_steps_of_this_start(monkeypatch):
    """The first step takes 100 s, the others 1 s, a validation 10 s: with 50 % the next one is 10 steps later."""
    now, at = [0.0], position(1000, next_eval=1005, validated=990, best={"step": 990, "score": 0.5})
    monkeypatch.setattr(hooks.time, "perf_counter", lambda: now[0])
    book = Book()

    def validate():
        now[0] += 10
        return {"val_mean_iou": 0.4}, []
    save = hooks.Save(book.save_state, 10 ** 6, 2000, book, book.said.append)
    check = hooks.Evaluate(validate, hooks.ValidationTimes(2000, 0.5), book, save)
    check.resume(at)
    for step in range(1001, 1020):
        now[0] += 100 if step == 1001 else 1
        at.step = step
        check.after_step(at)
    assert [step for step, _ in book.shown] == [1005, 1015]


def test_next_validation_of_a_time_budget_is_in_the_checkpoint():
    book = Book(itertools.repeat(0.5))
    state = {"step": 30, "next_eval": 33, "validated": 20, "best": {"step": 20, "score": 0.5}}
    book.run(34, loop.Position.of(state, 20, 1), budget=0.05)
    assert [step for step, _ in book.shown] == [33, 34]


def test_state_holds_the_position_in_the_data_and_is_restored():
    at = position(7, score=0.5, best={"step": 7, "score": 0.5}, validated=7, batches_per_step=3)
    at.window.append((2.5, 10.0))
    state = at.state()
    assert state["batch"] == 21
    again = loop.Position.of(state, 20, 3)
    assert again.state() == state and again.window.maxlen == 20
