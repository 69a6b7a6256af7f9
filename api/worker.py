"""The process that works through the jobs: one a root. Each job runs in a process of its own, so that its memory, and a
crash of native code, stay there.

It takes tickets itself instead of running huey's consumer: that one gives a thread to each task until it ends, and
takes the signals for itself, where one loop here hears the children, the cancellations and the signals alike.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pkgutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from api.jobs import Job, JobProgress, Jobs
from pipeline import settings as settings_module
from pipeline.apart import Child, Said, Tell, died
from pipeline.errors import DossierError, MemoireError
from pipeline.settings import Settings

WORK = "api.work:WORK"
"""Where children find what each kind of job does; loading it loads the whole pipeline, which the worker need not."""

TICK = 0.25
"""Seconds between two looks at the tickets and the cancellations: a person notices half a second."""
PACE = 0.2
"""Fewest seconds between two records of a job's progress."""
STOPPING = 5.0
"""Seconds a cancelled job has to stop by itself. Ending it is safe: files are written whole or not at all."""
LEAVING = 2.0
"""The same when the worker itself is asked to stop."""
NICENESS = 10
"""Jobs give way to the pages."""
SILENT = 5.0
"""Seconds before a queue that does not answer is asked again."""


LOCK = "worker.lock"
"""Held by the worker for as long as it lives."""


def run_worker(root: Path, settings: Settings, *, work: str = WORK, parent: Connection | None = None) -> None:
    """Work until SIGTERM, SIGINT (raises KeyboardInterrupt), or the end of ``parent``, a pipe that whoever began this
    process holds open.

    ``work`` names a mapping like that of :mod:`api.work`. Raises DossierError where another worker serves ``root``.
    """
    state = root / ".serveur"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(state / LOCK, root):
        jobs = Jobs(state, settings.serve.queue)
        with contextlib.closing(jobs):
            jobs.recover()
            _Worker(root, jobs, settings.serve.workers, work, parent).run()


def at_work(state: Path) -> bool:
    """Whether a worker does the jobs of the server whose folder ``state`` is."""
    path = state / LOCK
    if not path.is_file():
        return False
    with path.open() as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def work_beside(root: Path, settings: Settings, parent: Connection) -> None:
    """The same as a whole process, begun by the server; here, so that it does not load the server's modules."""
    os.setsid()  # Ctrl-C is for the server, which closes the pipe
    try:
        run_worker(root, settings, parent=parent)
    except MemoireError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


@contextlib.contextmanager
def _alone(path: Path, root: Path) -> Iterator[None]:
    with path.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DossierError(
                "Un autre service exécute déjà les tâches de ces dossiers", where=root, remedy="Un seul suffit."
            ) from error
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        yield


@dataclass
class _Running:
    """A job in its process."""

    job: Job
    child: Child
    until: float | None = None
    """When it is ended by force, on the monotonic clock; ``None`` while nobody wants it stopped."""


@dataclass
class _Worker:
    root: Path
    jobs: Jobs
    at_once: int
    work: str
    parent: Connection | None
    running: list[_Running] = field(default_factory=list)
    leaving: bool = False
    interrupted: bool = False
    look: bool = True
    """Whether a job may have become free to run, tickets apart: at the start, and when one ends."""
    silent_until: float = 0.0
    """When a queue that did not answer is asked again, on the monotonic clock."""

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._leave)
        try:
            while not self.leaving:
                self._fill()
                self._listen(TICK)
                self._heed_cancellations()
            self._stop_all()
            if self.interrupted:
                raise KeyboardInterrupt
        finally:
            for one in self.running:
                one.child.close()

    def _leave(self, number: int, frame: object) -> None:
        self.leaving = True
        self.interrupted = number == signal.SIGINT

    def _fill(self) -> None:
        """Begin jobs while there is room; a ticket that finds none free to run has done its duty."""
        while len(self.running) < self.at_once and (self.look or self._ticket()):
            job = self.jobs.claim()
            self.look = job is not None
            if job:
                child = Child(perform, self.work, self.root, job, niceness=NICENESS, pace=PACE)
                self.running.append(_Running(job, child))

    def _ticket(self) -> bool:
        if time.monotonic() < self.silent_until:
            return False
        try:
            return self.jobs.ticket()
        except MemoireError as error:
            sys.stderr.write(f"{error}\n")
            self.silent_until = time.monotonic() + SILENT
            return False

    def _listen(self, patience: float) -> None:
        """Hear what the children say within ``patience`` seconds."""
        pipes: dict[object, _Running] = {one.child.pipe: one for one in self.running}
        heard: list[Any] = [*pipes, *([self.parent] if self.parent else [])]
        for ready in wait(heard, patience):
            if ready in pipes:
                self._hear(pipes[ready])
            else:  # nothing is ever said there: it has closed
                self.leaving = True

    def _hear(self, one: _Running) -> None:
        said = one.child.hear()
        if said.kind == "progress":
            what, done, of = said.value
            self.jobs.tell(one.job.id, JobProgress(what=what, done=done, of=of))
        else:
            self._end(one, said)

    def _heed_cancellations(self) -> None:
        wanted = self.jobs.to_cancel() if self.running else set()
        for one in list(self.running):
            if one.job.id in wanted and one.until is None:
                one.child.stop()
                one.until = time.monotonic() + STOPPING
            elif one.until is not None and time.monotonic() > one.until:
                self._end(one, Said("stopped"))

    def _stop_all(self) -> None:
        """Give the jobs up: back to the queue, at once or when they have stopped."""
        for one in self.running:
            one.child.stop()
        until = time.monotonic() + LEAVING
        while self.running and (left := until - time.monotonic()) > 0:
            self.parent = None  # heard already, or of no more interest
            self._listen(left)
        for one in list(self.running):
            self._end(one, Said("stopped"))

    def _end(self, one: _Running, said: Said) -> None:
        """Record how a job ended, then let its process go."""
        job, asked = one.job.id, one.until is not None or one.job.id in self.jobs.to_cancel()
        if said.kind == "result":
            self.jobs.end(job, "done", result=said.value)
        elif said.kind == "error":
            self.jobs.end(job, "failed", error=self._line(said.value))
        elif asked:
            self.jobs.end(job, "cancelled")
        elif self.leaving:
            self.jobs.put_back(job)
        else:
            self.jobs.end(job, "failed", error=self._line(died(said.value)))
        one.child.close()
        self.running.remove(one)
        self.look = True

    def _line(self, error: object) -> str:
        """What the user reads; where the dossiers lie on the server's disk is not for them."""
        return str(error).replace(f"{self.root}/", "")


@dataclass(frozen=True)
class Task:
    """A job and what it works on."""

    job: Job
    root: Path
    """The dossier's folder."""
    settings: Settings
    """The dossier's."""
    tell: Tell
    """Tells progress; raises StopAskedError when the job is to stop."""


def perform(work: str, root: Path, job: Job, tell: Tell) -> dict[str, Any]:
    """Do a job; in a process of its own. Raises MemoireError."""
    tell("démarrage", 0, 1)
    folder = root / job.dossier
    try:
        task = Task(job, folder, settings_module.load(folder), tell)
        result: dict[str, Any] = pkgutil.resolve_name(work)[job.kind](task)
    except OSError as error:
        raise DossierError(
            f"Écriture ou lecture impossible : {error.strerror or error}", where=error.filename
        ) from error
    return result
