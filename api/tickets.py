"""The queue of tickets, in huey: one for each job submitted. The only place that knows huey.

A ticket only says « look at the jobs again »: which job comes next is for :mod:`api.jobs` to say, so that their number
never matters and one too many does no harm. They lie in SQLite, or in Redis or Postgres by setting.
"""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import MemoireError, SettingsError

if TYPE_CHECKING:  # it takes a third of a second, and jobs' own processes only read records
    from huey.api import Huey

FILE = "huey.db"


class QueueError(MemoireError):
    """The queue of tickets does not answer."""

    retryable = True


def store_of(folder: Path, url: str) -> tuple[type[Huey], dict[str, Any], tuple[type[Exception], ...]]:
    """The huey that the setting names, what it is opened with, and what it raises when it does not answer.

    Raises SettingsError where the address is of no known kind, or the packages for it are not installed.
    """
    from huey import RedisHuey, SqliteHuey

    scheme = url.partition("://")[0] if url else ""
    if not url:
        return SqliteHuey, {"filename": str(folder / FILE)}, (sqlite3.Error,)
    if scheme in ("redis", "rediss"):
        try:
            from redis.exceptions import RedisError
        except ImportError as error:
            raise _missing("redis") from error
        return RedisHuey, {"url": url, "blocking": False}, (RedisError, OSError)
    if scheme in ("postgresql", "postgres"):
        try:
            import psycopg  # noqa: F401
            from huey.contrib.sql_huey import SqlHuey
            from peewee import PeeweeException
        except ImportError as error:
            raise _missing("postgres") from error
        return SqlHuey, {"database": url}, (PeeweeException, OSError)
    raise SettingsError(
        "La file d'attente (serve.queue) n'est pas d'une sorte connue",
        remedy="Laissez-la vide pour SQLite, ou donnez une adresse redis://… ou postgresql://….",
    )


def _missing(extra: str) -> SettingsError:
    return SettingsError(
        f"La file d'attente (serve.queue) demande des paquets absents : l'extra « {extra} »",
        remedy=f"Installez-les : pip install 'memoire[{extra}]'.",
    )


class Tickets:
    """A queue opened. Threads and processes may share it."""

    def __init__(self, folder: Path, url: str = "") -> None:
        kind, options, self._failures = store_of(folder, url)
        # one Redis or Postgres may serve several roots: each has a queue of its own
        name = f"memoire{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]}"
        try:
            self._huey = kind(name, results=False, immediate=False, **options)
        except self._failures as error:
            raise _silent() from error
        self._ticket = self._huey.task(name="ticket")(_ticket)

    def put(self) -> None:
        """Add a ticket. Raises QueueError."""
        try:
            self._ticket()
        except self._failures as error:
            raise _silent() from error

    def take(self) -> bool:
        """Take a ticket away; whether there was one. Does not wait. Raises QueueError."""
        try:
            return self._huey.dequeue() is not None
        except self._failures as error:
            raise _silent() from error

    def close(self) -> None:
        """Let the store's connection go."""
        self._huey.storage.close()


def _ticket() -> None:
    """What huey would run: nothing, as api/worker.py takes tickets itself."""


def _silent() -> QueueError:
    return QueueError("La file d'attente des tâches ne répond pas", remedy="Vérifiez le réglage serve.queue.")
