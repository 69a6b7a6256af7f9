"""Who did what, when, in which dossier: one JSON line each, only ever added to."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

_SECRET = re.compile(r"(mk_[0-9a-f]{12})_[A-Za-z0-9_-]{43}")
"""A key: people paste theirs into the wrong field."""


class Entry(BaseModel):
    """One thing done."""

    when: dt.datetime
    who: str = Field(examples=["jeanne"])
    """A user, or « terminal:<account> » for the command line; empty where nobody was signed in."""
    what: str = Field(examples=["grant"])
    dossier: str | None = None
    details: dict[str, Any] = Field(default_factory=dict, examples=[{"user": "paul", "role": "writer"}])


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Journal:
    """The file, made with its folder where it is absent."""

    def __init__(self, path: Path, *, now: Callable[[], dt.datetime] = _utc_now) -> None:
        self._path = path
        self._now = now
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - 1))
            if stream.read() not in (b"", b"\n"):  # a power failure: the next line must not be glued to the last
                self._add(b"\n")

    def note(self, who: str, what: str, dossier: str | None = None, **details: Any) -> None:
        """Add a line, on disk when this returns. Keys are cut out of it, wherever they are."""
        entry = Entry(when=self._now(), who=who, what=what, dossier=dossier, details=details)
        line = _SECRET.sub(r"\1_…", json.dumps(entry.model_dump(mode="json"), ensure_ascii=False))
        self._add(f"{line}\n".encode())

    def read(self, dossier: str | None = None, last: int = 200) -> list[Entry]:
        """The last lines, oldest first; of one dossier, or all. A line cut by a power failure is left out."""
        found: deque[Entry] = deque(maxlen=last)
        with self._path.open(encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if dossier is not None and f'"{dossier}"' not in line:
                    continue
                try:
                    entry = Entry.model_validate_json(line)
                except ValidationError:
                    continue
                if dossier is None or entry.dossier == dossier:
                    found.append(entry)
        return list(found)

    def _add(self, line: bytes) -> None:
        """One write at the file's end: lines of several processes come one after the other."""
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, line)
            os.fsync(file)
        finally:
            os.close(file)
