"""The learning rate over a run: numbers that can be checked by hand, and laws that hold for every run."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcn.config import checks
from fcn.core import errors
from fcn.training import schedules

NAMES = ("fixed", "poly", "step", "cosine")
RATES = st.floats(1e-14, 10)


def rate_at(step, steps, learning_rate, schedule="poly", **options):
    return schedules.Schedule(learning_rate, schedule, **options).rate(step, steps)


def rates(steps, learning_rate, **options):
    return [rate_at(step, steps, learning_rate, **options) for step in range(steps)]


def test_fixed_rate_is_constant():
    assert rates(3, 0.5, schedule="fixed") == [0.5, 0.5, 0.5]


def test_polynomial_rate_ends_at_zero():
    assert rates(4, 0.5, poly_power=2) == [0.5, 0.5 * 0.75 ** 2, 0.125, 0.03125]
    assert rates(5, 10, poly_power=1) == pytest.approx([10, 8, 6, 4, 2])
    assert rate_at(5, 10, 1.0) == pytest.approx(0.535887, abs=1e-6)  # DeepLab's power: 0.5 ** 0.9


def test_cosine_rate_is_half_in_the_middle():
    # cos 0 = 1, cos 45 degrees = sqrt(1/2), cos 90 = 0, cos 135 = -sqrt(1/2)
    half = math.sqrt(0.5)
    assert rates(4, 2.0, schedule="cosine") == pytest.approx([2, 1 + half, 1, 1 - half])
    assert rates(3, 8.0, schedule="cosine") == pytest.approx([8, 6, 2])  # cos 60 = 1/2, cos 120 = -1/2


def test_stepped_rate_drops_to_a_tenth_per_step_size():
    assert rates(7, 100.0, schedule="step", step_size=3) == pytest.approx([100, 100, 100, 10, 10, 10, 1])
    assert rates(5, 8.0, schedule="step", step_size=2, gamma=0.5) == [8, 8, 4, 4, 2]


def test_one_cycle_rises_from_a_25th_and_falls_to_its_end():
    # Up in 4 of 10 steps, along a cosine from 1/25: half of the way after 2. Down in 6: half of the way after 3.
    found = rates(10, 1.0, schedule="one_cycle", rise=0.4, final_factor=0.1)
    assert [found[0], found[2], found[4], found[7]] == pytest.approx([0.04, 0.52, 1, 0.55])
    assert found[9] == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi * 5 / 6)) / 2)
    assert rates(2, 1.0, schedule="one_cycle", rise=0.0) == pytest.approx([1, (1 + 4e-6) / 2])


def test_one_cycle_is_that_of_pytorch():
    """PyTorch ends its halves one step earlier: its rate at step s of n is ours at s / (n - 1)."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2.0, total_steps=101, pct_start=31 / 101,
                                                 cycle_momentum=False)
    expected = []
    for _ in range(100):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    assert rates(100, 2.0, schedule="one_cycle") == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("schedule", NAMES)
def test_warm_up_grows_linearly_to_the_full_rate(schedule):
    assert rates(9, 12.0, schedule=schedule, warmup=4)[:5] == pytest.approx([3, 6, 9, 12, 12])


def test_schedule_continues_after_the_warm_up():
    assert rates(6, 8.0, poly_power=1, warmup=2) == pytest.approx([4, 8, 8, 6, 4, 2])
    assert rates(5, 8.0, schedule="cosine", warmup=2) == pytest.approx([4, 8, 8, 6, 2])


def test_drops_are_counted_from_the_first_step_despite_warm_up():
    options = {"schedule": "step", "step_size": 4, "gamma": 0.5}
    assert rates(9, 8.0, warmup=2, **options) == pytest.approx([4, 8, 8, 8, 4, 4, 4, 4, 2])
    assert rates(9, 8.0, warmup=6, **options)[4:] == pytest.approx([8 * 5 / 6, 8, 4, 4, 2])


@given(st.sampled_from(NAMES), st.integers(1, 2000), RATES, st.data())
def test_rates_are_between_0_and_the_base_rate(schedule, steps, learning_rate, data):
    warmup, step = data.draw(st.integers(0, steps - 1)), data.draw(st.integers(0, steps - 1))
    checks.check_durations(steps, warmup, 0)
    options = {"poly_power": data.draw(st.floats(0.1, 4)), "gamma": data.draw(st.floats(0.01, 1)), "warmup": warmup,
               "step_size": data.draw(st.integers(1, steps))}
    rate = rate_at(step, steps, learning_rate, schedule, **options)
    assert 0 <= rate <= learning_rate * (1 + 1e-12)
    if step < warmup or schedule != "step":
        assert rate > 0


@given(st.sampled_from(NAMES), st.integers(2, 10_000), RATES, st.data())
def test_rates_never_rise_after_warm_up(schedule, steps, learning_rate, data):
    warmup = data.draw(st.integers(0, steps - 2))
    step = data.draw(st.integers(warmup, steps - 2))
    before, after = (rate_at(s, steps, learning_rate, schedule, warmup=warmup) for s in (step, step + 1))
    assert after <= before


@given(st.sampled_from(["poly", "cosine"]), st.integers(200, 1_000_000), RATES, st.data())
def test_polynomial_and_cosine_end_near_zero(schedule, steps, learning_rate, data):
    warmup = data.draw(st.integers(0, steps - 200))  # 200 steps are left at least: 0.005 ** 0.9 is 0.0085
    assert rate_at(steps - 1, steps, learning_rate, schedule, warmup=warmup) < 0.009 * learning_rate


@given(st.sampled_from(["fixed", "poly", "cosine"]), st.integers(2, 10_000), RATES, st.data())
def test_rate_is_continuous_at_the_end_of_warm_up(schedule, steps, learning_rate, data):
    warmup = data.draw(st.integers(1, steps - 1))
    last, first = (rate_at(step, steps, learning_rate, schedule, warmup=warmup) for step in (warmup - 1, warmup))
    assert last == pytest.approx(learning_rate) == first


@given(st.integers(1, 10_000), st.integers(1, 20), st.floats(0.01, 0.9))
def test_stepped_rate_changes_only_at_multiples(step_size, multiple, gamma):
    at = [rate_at(multiple * step_size + i, 10 ** 6, 1.0, "step", step_size=step_size, gamma=gamma)
          for i in (-1, 0, step_size - 1)]
    assert at == pytest.approx([gamma ** (multiple - 1), gamma ** multiple, gamma ** multiple])


@pytest.mark.parametrize("count", [10, 11])
@pytest.mark.parametrize("flag", ["--warmup", "--freeze-steps"])
def test_duration_of_the_whole_run_is_refused(flag, count):
    with pytest.raises(errors.UsageError) as caught:
        checks.check_durations(10, count * (flag == "--warmup"), count * (flag == "--freeze-steps"))
    for word in (f"{flag} {count}", "10 steps", "Fix", f"give {flag} 9", "--epochs"):
        assert word in str(caught.value)


def test_warm_up_may_leave_one_step_or_be_absent():
    checks.check_durations(10, 9, 9)
    checks.check_durations(1, 0, 0)
