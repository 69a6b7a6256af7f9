"""Runs a function in a process of its own: what it took of memory is given back before the next model is loaded."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

from pipeline.errors import MemoireError

Tell = Callable[[str, int, int], None]
"""``tell(what, done, of)``: progress."""
T = TypeVar("T")


def apart(function: Callable[..., T], *arguments: object, tell: Tell | None = None) -> T:
    """``function(*arguments, tell)`` in a fresh process; its progress, its result and its expected errors come back.

    ``function`` must be importable by name. Raises MemoireError where the process ends without an answer.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(theirs, function, arguments), daemon=True)
    child.start()
    theirs.close()
    try:
        while True:
            kind, value = ours.recv()
            if kind == "result":
                return value  # type: ignore[no-any-return]
            if kind == "error":
                raise value
            if tell:
                tell(*value)
    except EOFError:
        child.join()
        raise MemoireError(
            f"Un calcul s'est arrêté sans répondre (code {child.exitcode})",
            remedy="La mémoire manque peut-être : fermez d'autres programmes, puis recommencez.",
        ) from None
    finally:
        child.terminate()
        child.join()
        ours.close()


def _work(answers: Connection, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    try:
        result = function(*arguments, lambda *said: answers.send(("progress", said)))
        answers.send(("result", result))
    except MemoireError as error:
        answers.send(("error", error))
