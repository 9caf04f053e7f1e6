"""The thread that does all work on a GPU; what becomes of it when a run does not end, or the process forks."""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, TypeVar, cast

from facemesh_ros.errors import DeviceError, NotBegunError, StuckDeviceError

T = TypeVar("T")

NAME = "facemesh_gpu"
RUN_S = 10.0
"""Most that a run may take for which all is prepared; one CPU core does the largest batch in 2 s."""
END_S = 1.0
"""So long the end of the process waits for a run at hand: a thread that is cut off in one would abort the process."""


@dataclass(eq=False)
class _Task:
    work: Callable[[], Any]
    is_begun: bool = False
    is_done: bool = False
    result: Any = None
    error: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        self.error, self.is_begun, self.is_done = error, True, True


class GpuThread:
    """A thread that does what others ask for, one thing after another; it begins when it is first asked.

    All networks share it: onnxruntime captures CUDA graphs by thread, and a capture bears nothing else that the process
    does on the GPU meanwhile. A network stays on the thread on which it was opened.

    Work that takes longer than its limit makes the thread stuck: who waits for it, and for what comes after it, gets
    an error, and so does who comes later, at once. If the work ends after all, the thread goes on, unless another has
    taken its place. It does not hold up the end of the process.

    A forked child has neither the thread nor CUDA: whoever asks there gets an error, and networks that are opened there
    get another thread.
    """

    _current: ClassVar[GpuThread | None] = None
    _choice: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._waiting: deque[_Task] = deque()
        self._stuck_s: float | None = None
        """The limit that the work at hand has exceeded."""
        self._has_ended = False
        self._process_id = os.getpid()
        self._thread = threading.Thread(target=self._work, name=NAME, daemon=True)

    @classmethod
    def current(cls) -> GpuThread:
        """Return the thread on which to open networks: the process's, or a new one where that is stuck."""
        _mind_forks()
        with cls._choice:
            if cls._current is None or cls._current.is_stuck:
                if cls._current is not None:
                    cls._current._end()
                cls._current = cls()
            return cls._current

    @property
    def is_stuck(self) -> bool:
        """Whether the work at hand has exceeded its limit."""
        return self._stuck_s is not None

    def check_process(self) -> None:
        """Raise DeviceError in a process that was forked off from the thread's own."""
        if self._process_id != os.getpid():
            raise DeviceError(
                "this network was opened on a GPU before the process was forked, and CUDA does not survive a fork: "
                "open the networks in the child and none in its parent before, or start the child by spawn "
                "(multiprocessing.get_context('spawn'))"
            )

    def do(self, work: Callable[[], T], limit_s: float) -> T:
        """Do work on the thread; return what it returns, or raise what it raises.

        Args:
            work: is done once all that was asked for earlier is done.
            limit_s: most that the work itself may take.

        Raises:
            StuckDeviceError: the work does not end; NotBegunError: what goes before it does not.
            DeviceError: see :meth:`check_process`.
        """
        self.check_process()  # before the lock, which may have been held in the parent
        task = _Task(work)
        with self._turn:
            self._add(task)
            self._turn.wait_for(lambda: task.is_begun)
            if not self._turn.wait_for(lambda: task.is_done, limit_s):
                self._give_up(limit_s)
                raise StuckDeviceError(_words(limit_s))
        if task.error is not None:
            raise task.error
        return cast(T, task.result)

    def _add(self, task: _Task) -> None:
        if self._stuck_s is not None:
            raise NotBegunError(_words(self._stuck_s))
        if self._has_ended:
            raise StuckDeviceError(
                "this thread for the GPU takes no more work: open the networks anew, or let the process end"
            )
        if self._thread.ident is None:
            self._thread.start()
            atexit.register(self._leave)
        self._waiting.append(task)
        self._turn.notify_all()

    def _give_up(self, limit_s: float) -> None:
        self._stuck_s = limit_s
        while self._waiting:
            self._waiting.popleft().fail(NotBegunError(_words(limit_s)))
        self._turn.notify_all()

    def _work(self) -> None:
        while (task := self._next()) is not None:
            try:
                task.result = task.work()
            except BaseException as error:  # whoever waits would wait for ever
                task.error = error
            self._finish(task)
            del task  # nothing of a batch is kept while the next one is waited for

    def _next(self) -> _Task | None:
        with self._turn:
            self._turn.wait_for(lambda: self._waiting or self._has_ended)
            if not self._waiting:
                return None
            task = self._waiting.popleft()
            task.is_begun = True
            self._turn.notify_all()
            return task

    def _finish(self, task: _Task) -> None:
        with self._turn:
            task.is_done = True
            if not self._has_ended:
                self._stuck_s = None
            self._turn.notify_all()

    def _end(self) -> None:
        with self._turn:
            self._has_ended = True
            self._turn.notify_all()

    def _leave(self) -> None:
        """Take no more work, and let a run at hand end if it does: it needs an interpreter to come back to."""
        if self._process_id != os.getpid():
            return
        self._end()
        if not self.is_stuck:
            self._thread.join(END_S)

    @classmethod
    def _forget(cls) -> None:
        cls._current, cls._choice = None, threading.Lock()


@lru_cache
def _mind_forks() -> None:
    """Have forked children begin with no thread, and with a lock that nobody holds."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=GpuThread._forget)


def open_on_gpu(work: Callable[[GpuThread], T], limit_s: float) -> T:
    """Do work that is bound to no thread yet on the current one, which it is given; return what it returns.

    Where that thread turns out to be stuck in something else, the work is done on another.

    Raises:
        StuckDeviceError: the work itself takes longer than ``limit_s``.
    """
    while True:
        thread = GpuThread.current()
        try:
            return thread.do(lambda: work(thread), limit_s)  # noqa: B023 — it is done, or never, when this returns
        except NotBegunError:
            continue


def _words(limit_s: float) -> str:
    return (
        f"a run on the GPU has not ended within {limit_s:g} s: networks that are opened now (in the node: clean up and "
        "configure) get a thread of their own; if they hang as well, see nvidia-smi and the kernel's log (dmesg, Xid), "
        "restart this process, or set device to cpu"
    )
