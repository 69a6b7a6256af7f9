"""What is indexed, kept on disk: documents as they were read, their passages, vectors and stems.

One SQLite file. An update is one transaction, so that whoever opens it, after whatever happened, finds the old content
or the new one. Vectors and stems are kept by the text they were made from, so that a text is embedded once however
often its document changes; they are saved as they come, and an interrupted run goes on from there.

    meta       what made it: embedder, way of cutting
    documents  path, size, time, SHA-256, what read it, and the document read (zlib, JSON)
    passages   document, ordinal, identifier, key of the text, and the passage (JSON)
    texts      key of a text (SHA-256), vector (float32), numbers of its stems (uint32)
               passages and texts have a seal, the CRC-32 of their row: SQLite sees a broken page, not a changed byte
    stems      number, stem
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.embed import Role
from pipeline.errors import DossierError, IndexChangedError, IndexDamagedError, IndexMismatchError
from pipeline.records import Document, Passage, SourceKind

FILE = "passages.sqlite"
FORMAT = 3
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS documents (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, changed INTEGER NOT NULL, sha256 TEXT NOT NULL, reader TEXT NOT NULL,
    context TEXT NOT NULL, remark TEXT NOT NULL, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS passages (
    path TEXT NOT NULL, ordinal INTEGER NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, lot TEXT,
    in_row INTEGER NOT NULL, text BLOB NOT NULL, record TEXT NOT NULL, seal INTEGER NOT NULL,
    PRIMARY KEY (path, ordinal)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS texts (
    key BLOB PRIMARY KEY, vector BLOB NOT NULL, stems BLOB NOT NULL, seal INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS stems (number INTEGER PRIMARY KEY, stem TEXT NOT NULL UNIQUE);
"""

Floats = npt.NDArray[np.float32]


class Stamp(NamedTuple):
    """What tells without reading it that a file is the one read before."""

    size: int
    changed: int
    """Nanoseconds since the epoch."""


class Known(NamedTuple):
    """A document of the store, without its content."""

    stamp: Stamp
    sha256: str
    reader: str
    context: str
    """What else its passages depend on: who the firm's clients are."""
    remark: str
    """Why it could not be read, or not whole; empty otherwise."""


class Row(NamedTuple):
    """Where a passage stands in the store."""

    path: str
    ordinal: int
    id: str


class Columns(NamedTuple):
    """All passages, one array element each, in the order of documents then of reading."""

    rows: list[Row]
    kinds: list[str]
    lots: list[str | None]
    in_rows: npt.NDArray[np.bool_]
    """Whether the passage is rows of a table."""
    vectors: Floats
    """Shape (n, d), as embedded, unit rows."""
    stems: npt.NDArray[np.uint32]
    """Numbers of the stems of all passages, end to end, repeated as often as they occur."""
    lengths: npt.NDArray[np.int64]
    """How many of ``stems`` belong to each passage."""


def key_of(text: str, role: Role = "passage") -> bytes:
    """What a text's vector is kept by."""
    return hashlib.sha256(f"{role}\0{text}".encode()).digest()


def searchable(passage: Passage) -> str:
    """What is embedded and matched: the two nearest headings, then the text. A line such as « 4 heures » means nothing
    without its title."""
    return " – ".join(passage.headings[-2:]) + ("\n" if passage.headings else "") + passage.text


def is_row(text: str) -> bool:
    """Whether a passage or an excerpt is rows of a table (« header : cell ; header : cell »)."""
    return " : " in text and " ; " in text


class Store:
    """The passages of a dossier. ``Store(None)`` lives in memory."""

    def __init__(self, path: Path | None) -> None:
        """Open or create. Raises IndexDamagedError where the file is no sound database."""
        self.path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._sound():
            self._base = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False, timeout=60)
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = NORMAL")  # a power cut may undo the last update, never half of it
            self._base.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file; what was not in a finished transaction is gone."""
        self._base.close()

    @contextlib.contextmanager
    def _sound(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # no such table or column: another program's file
                raise self._damaged() from error
            raise DossierError(
                f"L'index ne peut pas être lu ou écrit ({error})",
                where=self.path,
                remedy="Vérifiez la place libre et les droits sur ce dossier, puis recommencez.",
            ) from error
        except (sqlite3.DatabaseError, ValueError, zlib.error) as error:
            raise self._damaged() from error

    def _damaged(self) -> IndexDamagedError:
        return IndexDamagedError(
            "L'index est abîmé",
            where=self.path,
            remedy="Lancez « memoire index » sur ce dossier : il sera mis de côté et refait.",
        )

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of it, or nothing. Within another, part of that one."""
        if self._base.in_transaction:
            yield
            return
        with self._sound():
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """One view of the content, whatever is written meanwhile."""
        with self._sound():
            self._base.execute("BEGIN")
            try:
                yield
            finally:
                self._base.execute("COMMIT")

    def check(self) -> None:
        """Read every page of the file. Raises IndexDamagedError."""
        with self._sound():
            found = self._base.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise sqlite3.DatabaseError(found)

    # --- what made it --------------------------------------------------------------------------------------

    def identity(self) -> dict[str, str]:
        """What the content depends on besides the documents; empty in a new store."""
        with self._sound():
            return dict(self._base.execute("SELECT key, value FROM meta"))

    def claim(self, identity: Mapping[str, str]) -> None:
        """Say what makes the content. Raises IndexMismatchError where something else made it."""
        held = self.identity()
        if held and held != dict(identity):
            raise IndexMismatchError(
                "L'index a été fait avec un autre modèle de vecteurs ou un autre découpage",
                where=self.path,
                remedy="Lancez « memoire index » sur ce dossier pour le refaire.",
            )
        if not held:
            self._base.executemany("INSERT INTO meta VALUES (?, ?)", identity.items())

    # --- documents -----------------------------------------------------------------------------------------

    def known(self) -> dict[str, Known]:
        """The documents held, by path."""
        with self._sound():
            rows = self._base.execute("SELECT path, size, changed, sha256, reader, context, remark FROM documents")
            return {path: Known(Stamp(size, changed), *rest) for path, size, changed, *rest in rows}

    def document(self, path: str) -> Document | None:
        """A document as it was read; ``None`` where it could not be."""
        with self._sound():
            (content,) = self._base.execute("SELECT content FROM documents WHERE path = ?", (path,)).fetchone()
            return Document.model_validate_json(zlib.decompress(content)) if content else None

    def put(self, path: str, known: Known, document: Document | None, passages: Sequence[Passage]) -> None:
        """Replace a document and its passages; ``document`` is ``None`` where it could not be read."""
        content = zlib.compress(document.model_dump_json(exclude_defaults=True).encode(), 1) if document else b""
        self._base.execute("DELETE FROM passages WHERE path = ?", (path,))
        self._base.execute(
            "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (path, *known.stamp, *known[1:], content),
        )
        self._base.executemany(
            "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ((path, ordinal, *_passage_row(passage)) for ordinal, passage in enumerate(passages)),
        )

    def touch(self, path: str, stamp: Stamp) -> None:
        """Remember that a file with another time is the same file."""
        self._base.execute("UPDATE documents SET size = ?, changed = ? WHERE path = ?", (*stamp, path))

    def drop(self, path: str) -> None:
        """Forget a document."""
        self._base.execute("DELETE FROM passages WHERE path = ?", (path,))
        self._base.execute("DELETE FROM documents WHERE path = ?", (path,))

    # --- texts ---------------------------------------------------------------------------------------------

    def missing(self, keys: Iterable[bytes]) -> set[bytes]:
        """Those of the keys that have no vector yet."""
        with self._sound():
            select = "SELECT 1 FROM texts WHERE key = ?"
            return {key for key in keys if self._base.execute(select, (key,)).fetchone() is None}

    def add_texts(self, keys: Sequence[bytes], vectors: Floats, stems: Sequence[Sequence[str]]) -> None:
        """Keep vectors and stems by key."""
        with self.writing():
            new = sorted({stem for row in stems for stem in row})
            self._base.executemany("INSERT OR IGNORE INTO stems (stem) VALUES (?)", ((stem,) for stem in new))
            select = "SELECT number FROM stems WHERE stem = ?"
            numbers = {stem: self._base.execute(select, (stem,)).fetchone()[0] for stem in new}
            written = (np.array([numbers[stem] for stem in row], dtype=np.uint32).tobytes() for row in stems)
            self._base.executemany(
                "INSERT OR REPLACE INTO texts VALUES (?, ?, ?, ?)",
                (
                    (key, vector.tobytes(), numbered, _seal(vector.tobytes(), numbered))
                    for key, vector, numbered in zip(keys, vectors, written, strict=True)
                ),
            )

    def vectors(self, keys: Sequence[bytes]) -> Floats:
        """The vectors kept by these keys, shape (len(keys), d)."""
        with self._sound():
            select = "SELECT vector FROM texts WHERE key = ?"
            found = [self._base.execute(select, (key,)).fetchone() for key in keys]
            if None in found:
                raise sqlite3.DatabaseError("a vector is gone")
            return np.stack([np.frombuffer(vector, dtype=np.float32) for (vector,) in found])

    def sweep(self, also: Iterable[bytes]) -> None:
        """Forget the texts that no passage has, except those in ``also``."""
        self._base.execute("CREATE TEMP TABLE IF NOT EXISTS kept (key BLOB PRIMARY KEY)")
        self._base.execute("DELETE FROM kept")
        self._base.executemany("INSERT OR IGNORE INTO kept VALUES (?)", ((key,) for key in also))
        self._base.execute("INSERT OR IGNORE INTO kept SELECT text FROM passages")
        self._base.execute("DELETE FROM texts WHERE key NOT IN (SELECT key FROM kept)")

    # --- passages ------------------------------------------------------------------------------------------

    def counts(self) -> dict[SourceKind, int]:
        """How many passages of each kind."""
        with self._sound():
            return dict(self._base.execute("SELECT kind, count(*) FROM passages GROUP BY kind"))

    def headings(self) -> list[str]:
        """The nearest headings of passages, each once, sorted."""
        with self._sound():
            select = "SELECT DISTINCT json_extract(record, '$.headings[#-1]') FROM passages"
            return sorted(heading for (heading,) in self._base.execute(select) if heading)

    def columns(self) -> Columns:
        """Everything search needs. Raises IndexDamagedError where a passage has no vector."""
        rows: list[Row] = []
        kinds: list[str] = []
        lots: list[str | None] = []
        in_rows: list[bool] = []
        vectors: list[bytes] = []
        stems: list[bytes] = []
        select = """SELECT path, ordinal, id, kind, lot, in_row, vector, stems, texts.seal
                    FROM passages LEFT JOIN texts ON key = text ORDER BY path, ordinal"""
        with self._sound():
            for path, ordinal, name, kind, lot, in_row, vector, numbers, seal in self._base.execute(select):
                if vector is None or seal != _seal(vector, numbers):
                    raise sqlite3.DatabaseError("a vector is gone or was altered")
                rows.append(Row(path, ordinal, name))
                kinds.append(kind)
                lots.append(lot)
                in_rows.append(bool(in_row))
                vectors.append(vector)
                stems.append(numbers)
            width = len(vectors[0]) // 4 if vectors else 0
            return Columns(
                rows,
                kinds,
                lots,
                np.array(in_rows, dtype=bool),
                np.frombuffer(b"".join(vectors), dtype=np.float32).reshape(len(rows), width),
                np.frombuffer(b"".join(stems), dtype=np.uint32),
                np.array([len(numbers) // 4 for numbers in stems], dtype=np.int64),
            )

    def stem_numbers(self) -> dict[str, int]:
        """The number of every stem."""
        with self._sound():
            return dict(self._base.execute("SELECT stem, number FROM stems"))

    def row(self, passage: str) -> Row | None:
        """Where the passage of this identifier stands; ``None`` where there is none."""
        select = "SELECT path, ordinal, id FROM passages WHERE id = ?"
        with self._sound():
            found = self._base.execute(select, (passage,)).fetchone()
        return Row(*found) if found else None

    def passage(self, row: Row) -> Passage:
        """One passage, checked. Raises IndexDamagedError, or IndexChangedError where another
        command has put another passage there since the columns were read."""
        select = "SELECT id, kind, lot, in_row, text, record, seal FROM passages WHERE path = ? AND ordinal = ?"
        with self._sound():
            found = self._base.execute(select, row[:2]).fetchone()
            if found is None or found[0] != row.id:
                raise IndexChangedError("L'index a changé pendant la recherche", where=self.path, remedy="Recommencez.")
            if found[-1] != _seal(*found[:-1]):
                raise sqlite3.DatabaseError("a passage was altered")
            return Passage.model_validate_json(found[5])


def _passage_row(passage: Passage) -> tuple[object, ...]:
    record = passage.model_dump_json(exclude_defaults=True)
    key = key_of(searchable(passage))
    row = (passage.id, passage.kind, passage.lot, int(is_row(passage.text)), key, record)
    return *row, _seal(*row)


def _seal(*values: object) -> int:
    """CRC-32 of a row."""
    total = 0
    for value in values:
        total = zlib.crc32(value if isinstance(value, bytes) else str(value).encode(), total)
    return total
