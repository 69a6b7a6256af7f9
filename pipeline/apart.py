"""Runs a function in a process of its own: what it took of memory is given back before the next model is loaded, and
what breaks there breaks nothing here.

The process dies with the one that began it, and can be asked to stop: the function stops when it next tells progress.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal, TypeVar

from pipeline.errors import MemoireError

Tell = Callable[[str, int, int], None]
"""``tell(what, done, of)``: progress."""
T = TypeVar("T")


class StopAskedError(BaseException):
    """Somebody wants the work stopped. Not an Exception, so that nothing takes it for a failure to go on from."""


@dataclass(frozen=True)
class Said:
    """A message of a process apart."""

    kind: Literal["progress", "result", "error", "stopped", "dead"]
    """The last four are its last."""
    value: Any = None
    """(what, done, of); the result; the MemoireError; nothing; the exit code."""


class Child:
    """``function(*arguments, tell)`` at work in a fresh process; ``function`` must be importable by name."""

    def __init__(
        self, function: Callable[..., object], *arguments: object, niceness: int = 0, pace: float = 0.0
    ) -> None:
        """``pace``: fewest seconds between two messages of progress about the same thing."""
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, function, arguments, niceness, pace))
        self._process.start()
        theirs.close()

    def hear(self) -> Said:
        """The next message; waits for it."""
        try:
            kind, value = self.pipe.recv()
            return Said(kind, value)
        except (EOFError, ConnectionError):
            self._process.join()
            return Said("dead", self._process.exitcode)

    def stop(self) -> None:
        """Ask it to stop."""
        with contextlib.suppress(OSError):  # it has just ended
            self.pipe.send("stop")

    def close(self) -> None:
        """End it now, with the processes it began."""
        if self._process.exitcode is None:
            with contextlib.suppress(ProcessLookupError):  # it has no group yet, or has ended
                os.killpg(self._process.pid or 0, signal.SIGKILL)
            self._process.kill()
        self._process.join()
        self.pipe.close()


def apart(function: Callable[..., T], *arguments: object, tell: Tell | None = None) -> T:
    """``function(*arguments, tell)`` in a fresh process; its progress, its result and its expected errors come back.

    ``function`` must be importable by name. Raises MemoireError where the process ends without an answer.
    """
    with contextlib.closing(Child(function, *arguments)) as child:
        while True:
            said = child.hear()
            if said.kind == "result":
                return said.value  # type: ignore[no-any-return]
            if said.kind == "progress" and tell:
                tell(*said.value)
            elif said.kind == "error":
                raise said.value
            elif said.kind == "dead":
                raise died(said.value)


def died(code: object) -> MemoireError:
    """What to say of a process that ended without an answer."""
    return MemoireError(
        f"Un calcul s'est arrêté sans répondre (code {code})",
        remedy="La mémoire manque peut-être : fermez d'autres programmes, puis recommencez.",
    )


def _work(
    pipe: Connection, function: Callable[..., object], arguments: tuple[object, ...], niceness: int, pace: float
) -> None:
    os.setsid()  # Ctrl-C is for the parent, who asks us to stop; and what we begin ends with us
    os.nice(niceness)
    asked = threading.Event()
    threading.Thread(target=_heed, args=(pipe, asked), daemon=True).start()
    last = ("", 0.0)

    def tell(what: str, done: int, of: int) -> None:
        nonlocal last
        if asked.is_set():
            raise StopAskedError
        now = time.monotonic()
        if what != last[0] or done == of or now - last[1] >= pace:
            last = what, now
            pipe.send(("progress", (what, done, of)))

    try:
        result = function(*arguments, tell)
        pipe.send(("result", result))
    except StopAskedError:
        pipe.send(("stopped", None))
    except MemoireError as error:
        pipe.send(("error", error))


def _heed(pipe: Connection, asked: threading.Event) -> None:
    """Wait for « stop »; when the parent is no more, end at once with every process of ours."""
    try:
        while True:
            pipe.recv()
            asked.set()
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)
