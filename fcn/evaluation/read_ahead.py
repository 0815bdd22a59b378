"""Images that threads read ahead of the net, in order, and how many images may wait for a thread."""

import concurrent.futures
import queue
import threading

from fcn.core import machine

FEW, MANY = 3, 64  # images that may wait whatever their size, and at most
PIXELS = 4e6       # limit of their pixels together: 23 images of 360x480
MOST_THREADS = 4


def threads():
    """Number of threads that read files, and that write them."""
    return max(2, min(MOST_THREADS, machine.cores()))


def has_room(count, pixels):
    """Whether another image may be held beside `count` images of so many pixels together."""
    return count < FEW or (count < MANY and pixels < PIXELS)


class ReadAhead:
    """Iterator over read(item) for each of `items`, in order. Threads call `read` ahead of the reader.

    Context manager; its end waits for the calls of `read` that have begun. items: iterable, of which one thread at a
    time takes the next. pixels: function of a result, its size. An exception of `read` or `items` is raised in place of
    its result.
    """

    def __init__(self, read, items, pixels, count=None):
        self.read, self.items, self.pixels = read, iter(items), pixels
        self.taking, self.changed = threading.Lock(), threading.Condition()
        self.results: queue.SimpleQueue = queue.SimpleQueue()  # Futures, None at the end
        self.begun, self.finished, self.held, self.size, self.closed = 0, 0, 0.0, 0.0, False
        self.started = False
        self.threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count or threads())]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        for thread in self.threads:
            if thread.is_alive():
                thread.join()

    def __iter__(self):
        return self

    def __next__(self):
        for thread in self.threads if not self.started else ():  # here, __exit__ ends them whatever happens
            self.started = True
            thread.start()
        future = self.results.get()
        if future is None:
            self.results.put(None)
            raise StopIteration
        result = future.result()
        with self.changed:
            self.finished -= 1
            self.held -= self.pixels(result)
            self.changed.notify_all()
        return result

    def _work(self):
        while (taken := self._take()) is not None:
            item, future = taken
            try:
                result = self.read(item)
            except BaseException as error:
                self._end(future, error)
                return
            with self.changed:
                self.size = self.pixels(result)
                self.begun, self.finished, self.held = self.begun - 1, self.finished + 1, self.held + self.size
            future.set_result(result)

    def _take(self):
        """(item, Future of its result) as soon as there is room; None at the end."""
        with self.taking:
            with self.changed:
                self.changed.wait_for(lambda: self.closed or has_room(self.begun + self.finished,
                                                                      self.held + self.begun * self.size))
                if self.closed:
                    return None
            future: concurrent.futures.Future = concurrent.futures.Future()
            try:
                item = next(self.items)
            except StopIteration:
                self.closed = True
                self.results.put(None)
                return None
            except BaseException as error:
                self.results.put(future)
                self._end(future, error)
                return None
            with self.changed:
                self.begun += 1
            self.results.put(future)
            return item, future

    def _end(self, future, error):
        """Raise this in the reader; no thread takes another item."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        future.set_exception(error)
        self.results.put(None)
