"""Work that may hang, such as a DNS lookup, without delaying anything else or the end of the program."""

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def run_in_thread(work: Callable[[], T]) -> Future[T]:
    """Run `work` in a daemon thread. The program may exit before it is done, which an executor would not allow."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


class SerialThread:
    """A daemon thread that does one piece of work after the other, in the order of submission."""

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Queue `work`, and return a future with its result."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)

        self._work.put(run)
        return future

    def close(self, timeout: float) -> None:
        """End the thread, and wait at most `timeout` seconds for the work that is queued."""
        self._work.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while work := self._work.get():
            work()
