"""A worker thread that does its work in order and bounded, for writing what batch_loader.ahead is for reading."""

import collections
import concurrent.futures


class BackgroundWorker:
    """Context manager: submit() returns at once unless `depth` calls are still waiting.

    What a call raises comes up at a later submit, or at the end; no call is made after it.
    """

    def __init__(self, depth=4):
        self.pool, self.depth = concurrent.futures.ThreadPoolExecutor(1), depth
        self.waiting: collections.deque = collections.deque()
        self.failed = False

    def submit(self, function, *arguments):
        while len(self.waiting) >= self.depth or (self.waiting and self.waiting[0].done()):
            self.waiting.popleft().result()
        self.waiting.append(self.pool.submit(self._call, function, arguments))

    def _call(self, function, arguments):
        if self.failed:
            return
        try:
            function(*arguments)
        except BaseException:
            self.failed = True
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            while self.waiting and kind is None:
                self.waiting.popleft().result()
        finally:
            self.pool.shutdown(cancel_futures=True)
