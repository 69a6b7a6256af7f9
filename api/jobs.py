"""Durable jobs: their records in SQLite are the authority, tickets in huey (:mod:`api.tickets`) say there are some.

Every change is one short transaction, so that threads and processes may share a folder, and none is half done when a
process is killed. A job is lost by nothing: « running » under a dead worker, it goes back to the queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import json
import secrets
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError

from api.params import PARAMS, Kind
from api.problems import Conflict, Invalid, NotFound
from api.tickets import Tickets
from pipeline.errors import MemoireError
from pipeline.records import Record

State = Literal["queued", "running", "done", "failed", "cancelled"]
FINAL: tuple[State, ...] = ("done", "failed", "cancelled")

FILE = "memoire.db"
ATTEMPTS = 3
"""Workers a job may see die before it is given up: a job that takes the worker with it must not do so for ever."""
KEYS_KEPT = dt.timedelta(hours=24)
"""How long an idempotency key is remembered."""
RECORDS_KEPT = dt.timedelta(days=180)
"""How long the record of a job that ended is kept; what it made stays in its dossier."""
PATIENCE = 10.0
"""Seconds a transaction waits for another's end; they last milliseconds."""
LOOK = 0.25
"""Seconds between two looks at a job that is watched."""

# « turn » counts claims: the order in which dossiers were last served, kept when a job goes back to the queue
_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, dossier TEXT NOT NULL, kind TEXT NOT NULL, params TEXT NOT NULL,
    lane TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'queued', owner TEXT NOT NULL, created TEXT NOT NULL, started TEXT,
    finished TEXT, progress TEXT, result TEXT, error TEXT, attempts INTEGER NOT NULL DEFAULT 0,
    cancel INTEGER NOT NULL DEFAULT 0, turn INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS jobs_of_dossier ON jobs (dossier, seq);
CREATE INDEX IF NOT EXISTS jobs_of_state ON jobs (state);
CREATE INDEX IF NOT EXISTS jobs_finished ON jobs (finished);
CREATE INDEX IF NOT EXISTS jobs_turn ON jobs (dossier, turn);
CREATE TABLE IF NOT EXISTS job_keys (
    owner TEXT NOT NULL, key TEXT NOT NULL, request TEXT NOT NULL, job TEXT NOT NULL, created TEXT NOT NULL,
    PRIMARY KEY (owner, key));
"""

_NEXT = """
SELECT * FROM jobs AS job WHERE state = 'queued'
    AND lane NOT IN (SELECT lane FROM jobs WHERE state = 'running')
    AND NOT (kind IN ('prepare', 'draft') AND dossier IN
        (SELECT dossier FROM jobs WHERE state = 'running' AND kind IN ('prepare', 'draft')))
ORDER BY (SELECT MAX(turn) FROM jobs AS served WHERE served.dossier = job.dossier), seq LIMIT 1
"""
"""The oldest job that may run, of the dossier that was served longest ago; one never served comes first (turn 0)."""


class JobsBusyError(MemoireError):
    """The records are held by another process for too long."""

    retryable = True


class JobProgress(Record):
    """Where a job stands."""

    what: str = Field(description="What is being done, in French.", examples=["rédaction"])
    done: int = Field(examples=[12])
    of: int = Field(examples=[40])


class Job(Record):
    """A piece of long work."""

    id: str
    dossier: str
    kind: Kind
    params: dict[str, Any] = Field(description="As asked, with the defaults filled in.")
    lane: str = Field(description="Jobs of one lane run one at a time.")
    state: State
    by: str = Field(description="Who asked.")
    created: str = Field(description="ISO 8601, UTC.")
    started: str | None = Field(description="When it first began; kept when it goes back to the queue.")
    finished: str | None
    progress: JobProgress | None
    result: dict[str, Any] | None
    error: str | None = Field(description="One French line.")
    attempts: int = Field(description="Times it was lost with a worker that died.")


class Jobs:
    """The jobs of a server. One connection a thread."""

    def __init__(self, folder: Path, queue: str = "") -> None:
        """``folder`` exists; ``queue`` is the setting of :mod:`api.tickets`. Raises SettingsError, QueueError."""
        self._path = folder / FILE
        self._local = threading.local()
        self._tickets = Tickets(folder, queue)
        with self._failing_clearly():
            self._create()

    # --- asking ---

    def submit(
        self, dossier: str, kind: Kind, params: Mapping[str, Any], *, lane: str, by: str, key: str | None = None
    ) -> Job:
        """A new job; the same one again where ``by`` sent the same request under the same key within a day.

        Raises Invalid naming the field, Conflict where the key stood for another request, QueueError.
        """
        kept = checked(kind, params)
        now = _now()
        aged = (dt.datetime.now(dt.UTC) - RECORDS_KEPT).isoformat(timespec="seconds")
        request = hashlib.sha256(json.dumps([dossier, kind, kept], sort_keys=True).encode()).hexdigest()
        with self._write() as db:
            db.execute("DELETE FROM jobs WHERE finished < ?", (aged,))
            if key is not None:
                old = (dt.datetime.now(dt.UTC) - KEYS_KEPT).isoformat(timespec="seconds")
                db.execute("DELETE FROM job_keys WHERE created < ?", (old,))
                known = db.execute("SELECT * FROM job_keys WHERE owner = ? AND key = ?", (by, key)).fetchone()
                if known and known["request"] != request:
                    raise Conflict(
                        "Cette clé d'idempotence a déjà servi pour une autre demande", remedy="Changez de clé."
                    )
                if known:
                    return _job(db.execute("SELECT * FROM jobs WHERE id = ?", (known["job"],)).fetchone())
            id_ = secrets.token_hex(8)
            db.execute(
                "INSERT INTO jobs (id, dossier, kind, params, lane, owner, created) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (id_, dossier, kind, json.dumps(kept, ensure_ascii=False), lane, by, now),
            )
            if key is not None:
                db.execute("INSERT INTO job_keys VALUES (?, ?, ?, ?, ?)", (by, key, request, id_, now))
            # within the transaction: no job without its ticket, and whoever takes it waits for the job to be there
            self._tickets.put()
            return _job(db.execute("SELECT * FROM jobs WHERE id = ?", (id_,)).fetchone())

    def get(self, dossier: str, id: str) -> Job | None:
        """A job of this dossier; ``None`` where there is none, or it is another's."""
        found = self._rows("SELECT * FROM jobs WHERE id = ? AND dossier = ?", id, dossier)
        return _job(found[0]) if found else None

    def listed(self, dossier: str | None = None, limit: int = 100) -> list[Job]:
        """Jobs of a dossier, or of all, the newest first."""
        where, given = ("WHERE dossier = ?", (dossier,)) if dossier is not None else ("", ())
        return [_job(row) for row in self._rows(f"SELECT * FROM jobs {where} ORDER BY seq DESC LIMIT ?", *given, limit)]

    def active(self, dossier: str) -> list[Job]:
        """Jobs of a dossier that have not ended, the oldest first."""
        sql = "SELECT * FROM jobs WHERE dossier = ? AND state IN ('queued', 'running') ORDER BY seq"
        return [_job(row) for row in self._rows(sql, dossier)]

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        found = {row["state"]: row["n"] for row in self._rows("SELECT state, COUNT(*) AS n FROM jobs GROUP BY state")}
        return {state: found.get(state, 0) for state in get_args(State)}

    def cancel(self, dossier: str, id: str) -> Job:
        """Cancel a job: at once where it waits, within a sentence where it runs; one that has ended stays as it is.
        Raises NotFound."""
        with self._write() as db:
            db.execute(
                "UPDATE jobs SET state = 'cancelled', finished = ? WHERE id = ? AND dossier = ? AND state = 'queued'",
                (_now(), id, dossier),
            )
            db.execute("UPDATE jobs SET cancel = 1 WHERE id = ? AND dossier = ? AND state = 'running'", (id, dossier))
        job = self.get(dossier, id)
        if job is None:
            raise NotFound("Cette tâche n'existe pas", where=id)
        return job

    async def watch(self, dossier: str, id: str) -> AsyncIterator[Job]:
        """The job at each change, the last time in its final state; nothing where there is none."""
        last = None
        while (job := self.get(dossier, id)) is not None:  # tens of microseconds: no thread is worth it
            if job != last:
                yield job
            if job.state in FINAL:
                return
            last = job
            await asyncio.sleep(LOOK)

    # --- working ---

    def ticket(self) -> bool:
        """Take a ticket; whether there was one. Raises QueueError."""
        return self._tickets.take()

    def claim(self) -> Job | None:
        """Begin the next job in fairness; ``None`` where none may run now."""
        with self._write() as db:
            row = db.execute(_NEXT).fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE jobs SET state = 'running', started = COALESCE(started, ?), progress = NULL,"
                " turn = (SELECT MAX(turn) + 1 FROM jobs) WHERE id = ?",
                (_now(), row["id"]),
            )
            return _job(db.execute("SELECT * FROM jobs WHERE id = ?", (row["id"],)).fetchone())

    def tell(self, id: str, progress: JobProgress) -> None:
        """Say where a running job stands."""
        with self._write() as db:
            db.execute(
                "UPDATE jobs SET progress = ? WHERE id = ? AND state = 'running'", (progress.model_dump_json(), id)
            )

    def end(
        self, id: str, state: Literal["done", "failed", "cancelled"], *, result: dict[str, Any] | None = None,
        error: str | None = None,
    ) -> None:  # fmt: skip
        """End a running job."""
        kept = None if result is None else json.dumps(result, ensure_ascii=False)
        with self._write() as db:
            db.execute(
                "UPDATE jobs SET state = ?, result = ?, error = ?, finished = ? WHERE id = ? AND state = 'running'",
                (state, kept, error, _now(), id),
            )

    def put_back(self, id: str) -> None:
        """Back to the queue, at its old place: a worker that is stopped gives up its job without having lost it."""
        with self._write() as db:
            db.execute("UPDATE jobs SET state = 'queued', progress = NULL WHERE id = ? AND state = 'running'", (id,))

    def to_cancel(self) -> set[str]:
        """Running jobs that somebody wants cancelled."""
        return {row["id"] for row in self._rows("SELECT id FROM jobs WHERE state = 'running' AND cancel = 1")}

    def recover(self) -> None:
        """Deal with the jobs of a worker that died; only while none works. They go back to the queue, but for those
        that were to be cancelled, and those that have seen too many workers die."""
        lost = f"Le service s'est arrêté {ATTEMPTS} fois pendant cette tâche : elle est abandonnée."
        with self._write() as db:
            db.execute(
                "UPDATE jobs SET state = 'cancelled', finished = ? WHERE state = 'running' AND cancel", (_now(),)
            )
            db.execute(
                "UPDATE jobs SET state = 'failed', finished = ?, error = ?, attempts = attempts + 1"
                " WHERE state = 'running' AND attempts + 1 >= ?",
                (_now(), lost, ATTEMPTS),
            )
            db.execute(
                "UPDATE jobs SET state = 'queued', progress = NULL, attempts = attempts + 1 WHERE state = 'running'"
            )

    def close(self) -> None:
        """Let this thread's connections go."""
        self._connection().close()
        del self._local.connection
        self._tickets.close()

    # --- the records' file ---

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None)
            found.row_factory = sqlite3.Row
            self._local.connection = found
        return found

    def _create(self) -> None:
        """Make the tables. Turning a new file to WAL is refused at once, whatever the patience, while another process
        does the same: it is tried again."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self._connection().execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)
        self._connection().executescript(_TABLES)

    def _rows(self, sql: str, *given: object) -> list[sqlite3.Row]:
        with self._failing_clearly():
            return self._connection().execute(sql, given).fetchall()

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._failing_clearly():
            db = self._connection()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _failing_clearly(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise JobsBusyError(
                f"Les tâches ne peuvent être lues ou écrites : {error}", where=self._path, remedy="Recommencez."
            ) from error


def checked(kind: Kind, params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as they are kept, with their defaults. Raises Invalid naming the field that is wrong."""
    try:
        return PARAMS[kind].model_validate(params).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise Invalid(f"La valeur de « {field} » est refusée", remedy="Corrigez ce champ.", field=field) from error


def _job(row: sqlite3.Row) -> Job:
    def read(name: str) -> Any:
        return None if row[name] is None else json.loads(row[name])

    same = {name: row[name] for name in ("id", "dossier", "kind", "lane", "state", "created", "started", "finished")}
    return Job(
        **same,
        params=read("params"),
        by=row["owner"],
        progress=read("progress"),
        result=read("result"),
        error=row["error"],
        attempts=row["attempts"],
    )


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
