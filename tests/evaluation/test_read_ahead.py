"""Images read ahead by threads come in order, and few large ones are in memory."""

import signal
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcn.evaluation import read_ahead
from fcn.evaluation.read_ahead import FEW, MANY, PIXELS, ReadAhead


def constant(pixels):
    return lambda result: pixels


@given(st.lists(st.integers(0, 9)), st.integers(1, 5), st.sampled_from([0, 1e6, 1e9]))
def test_results_come_in_order_whatever_the_threads(items, count, pixels):
    def read(item):
        time.sleep(item * 1e-5)
        return item * item
    with ReadAhead(read, items, constant(pixels), count) as found:
        assert list(found) == [item * item for item in items]
        assert next(found, "end") == "end"


@pytest.mark.parametrize(("pixels", "most"), [(10 * PIXELS, FEW), (0, MANY)])
def test_few_large_and_many_small_images_are_read_ahead(pixels, most):
    asked = []
    with ReadAhead(asked.append, range(1000), constant(pixels), 4) as found:
        for taken in range(1, 6):
            next(found)
            until = time.monotonic() + 5
            while len(asked) < taken + most and time.monotonic() < until:
                time.sleep(1e-3)
            time.sleep(5e-3)
            assert len(asked) == taken + most


def test_exception_comes_in_place_of_its_image():
    with ReadAhead(lambda number: 6 // (3 - number), range(9), constant(0), 4) as found:
        assert [next(found) for _ in range(3)] == [2, 3, 6]
        with pytest.raises(ZeroDivisionError):
            next(found)


def test_exception_of_the_items_comes_after_earlier_images():
    def items():
        yield 1
        raise OSError("a damaged video")
    with ReadAhead(lambda item: item, items(), constant(0), 4) as found:
        assert next(found) == 1
        with pytest.raises(OSError, match="damaged video"):
            next(found)


def test_end_of_the_context_ends_all_threads():
    with pytest.raises(KeyboardInterrupt), ReadAhead(lambda item: item, iter(int, 1), constant(1), 4) as found:
        next(found)
        raise KeyboardInterrupt
    assert not any(thread.is_alive() for thread in found.threads)


def test_interrupt_while_waiting_for_an_image_ends_all_threads():
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread alone")

    def read(number):
        if number == 20:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return number
    with pytest.raises(KeyboardInterrupt), ReadAhead(read, iter(range(10**9)), constant(1), 3) as found:
        for _ in found:
            pass
    assert not any(thread.is_alive() for thread in found.threads)


def test_there_are_two_to_four_threads(monkeypatch):
    for cores, expected in ((1, 2), (3, 3), (64, 4)):
        monkeypatch.setattr(read_ahead.machine, "cores", lambda cores=cores: cores)
        assert read_ahead.threads() == expected
