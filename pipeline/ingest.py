"""Files -> store: reads what changed, cuts it, embeds the texts that are new; nothing else costs anything.

A file is known by size and time, then by its SHA-256. What it gave depends also on the code that read it and, for past
responses, on who the firm's clients are; each is kept beside it. Firm facts are read every time: what an expired
certificate says depends on the day.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipeline import split as split_stage
from pipeline.clients import Client, with_client
from pipeline.embed import Embedder, Role
from pipeline.french import stems
from pipeline.library import library_files, read_entry, read_facts
from pipeline.readers import read, read_each
from pipeline.records import Document, Passage
from pipeline.split import split
from pipeline.store import FORMAT, Known, Stamp, Store, key_of, searchable

BATCH = 512
"""Texts embedded between two saves: about 8 seconds of work on two cores, what an interruption may lose."""
QUESTIONS = 256
"""Headings taken for questions when their mean is measured: more moved it by less than 0.001."""

Progress = Callable[[str, int, int], None]
"""Called with what is done (« lecture », « vecteurs »), how many, of how many."""


@dataclass(frozen=True)
class Files:
    """What is indexed. Tender documents are named by their place in the dossier, so that it may be copied."""

    root: Path
    dce: Sequence[Path]
    library: Sequence[Path]
    """Folders or files."""


@dataclass(frozen=True)
class Ingested:
    """What an update did."""

    embedded: int
    """Texts that had no vector yet."""
    changed: int
    """Documents read again, new or removed."""
    unread: tuple[str, ...]
    """One French line a file that could not be read, or not whole."""


def identity(embedder: Embedder, passage_chars: int) -> dict[str, str]:
    """What a store depends on besides the documents."""
    return {
        "format": str(FORMAT),
        "embedder": embedder.identity,
        "split": f"{split_stage.IDENTITY}/{passage_chars}",
    }


def ingest(
    store: Store, files: Files, embedder: Embedder, passage_chars: int, today: dt.date, progress: Progress | None = None
) -> Ingested:
    """Bring the store up to date with the files: new texts are embedded first, then all documents change at once.

    Raises IndexMismatchError where another embedder or another way of cutting made the store.
    """
    store.claim(identity(embedder, passage_chars))
    known = store.known()
    facts = read_facts(files.library, today)
    updates = _updates(store, files, facts.clients, progress)
    for path, document in facts.documents.items():
        context = _digest(document.model_dump_json().encode())
        entry = Known(Stamp(0, 0), document.sha256, "", context, "")
        updates.append(_Update(str(path.resolve()), entry, document, known.get(str(path.resolve())) == entry))
    unread = (*(update.known.remark for update in updates if update.known.remark), *facts.unread)
    changed = [update for update in updates if not update.held]
    gone = known.keys() - {update.path for update in updates}
    touched = [update for update in updates if update.held and update.known != known[update.path]]
    passages = [split(update.document, passage_chars) if update.document else [] for update in changed]
    embedded = _embed(store, [passage for found in passages for passage in found], embedder, progress)
    if not (changed or gone or touched):
        return Ingested(0, 0, unread)
    with store.writing():
        for name in gone:
            store.drop(name)
        for update in touched:
            store.touch(update.path, update.known.stamp)
        for update, found in zip(changed, passages, strict=True):
            store.put(update.path, update.known, update.document, found)
        if changed or gone:
            _tidy(store, embedder)
    return Ingested(embedded, len(changed) + len(gone), unread)


def put_passages(store: Store, passages: Sequence[Passage], embedder: Embedder, passage_chars: int) -> None:
    """Add passages that come from no file."""
    store.claim(identity(embedder, passage_chars))
    _embed(store, passages, embedder, None)
    with store.writing():
        for passage in passages:
            store.put(passage.id, Known(Stamp(0, 0), "", "", "", ""), None, [passage])
        _tidy(store, embedder)


def questions(store: Store) -> dict[bytes, str]:
    """Headings taken for questions, by key: at most QUESTIONS, chosen by hash, so that one more document changes few of
    them."""
    headings = {key_of(text, "query"): text for text in store.headings()}
    return {key: headings[key] for key in sorted(headings)[:QUESTIONS]}


def _tidy(store: Store, embedder: Embedder) -> None:
    """Embed the headings taken for questions, and forget what nothing needs any more."""
    wanted = questions(store)
    _embed_texts(store, list(wanted.values()), "query", embedder, None)
    store.sweep(wanted)


# --- reading -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Update:
    """A document as it must be in the store."""

    path: str
    known: Known
    document: Document | None = None
    """``None`` where it could not be read, or is held."""
    held: bool = False
    """Whether the store has its passages already."""


def _updates(store: Store, files: Files, clients: Sequence[Client], progress: Progress | None) -> list[_Update]:
    """Every file but the firm facts; those that changed are read again."""
    known = store.known()
    asked = [(path.relative_to(files.root).as_posix(), path) for path in files.dce]
    offered = [(str(path.resolve()), path) for path in library_files(files.library)]
    total = len(asked) + len(offered)

    def told(before: int) -> Callable[[int, int], None]:
        return lambda done, _: progress("lecture", before + done, total) if progress else None

    return [
        *_group(store, known, asked, read, (), told(0)),
        *_group(store, known, offered, read_entry, clients, told(len(asked))),
    ]


def _group(
    store: Store,
    known: dict[str, Known],
    places: Sequence[tuple[str, Path]],
    reader: Callable[[Path], Document],
    clients: Sequence[Client],
    progress: Callable[[int, int], None],
) -> list[_Update]:
    context = _digest(repr(clients).encode())
    updates: dict[str, _Update] = {}
    again: list[tuple[str, Path]] = []
    for name, path in places:
        held = known.get(name)
        same = _same(path, held) if held and held.reader == _reader() else None
        if same is None:
            again.append((name, path))
        elif same.context == context:
            updates[name] = _Update(name, same, held=True)
        else:  # the same file, read as before, but the firm's clients are others
            document = store.document(name)
            placed = with_client(document, clients) if document else None
            updates[name] = _Update(name, same._replace(context=context), placed)
    outcomes = read_each([path for _, path in again], reader, progress)
    for (name, path), (document, remark) in zip(again, outcomes, strict=True):
        sha256 = document.sha256 if document else _digest(path.read_bytes()) if path.is_file() else ""
        entry = Known(_stamp(path), sha256, _reader(), context, remark)
        updates[name] = _Update(name, entry, with_client(document, clients) if document else None)
    return [updates[name] for name, _ in places]


def _same(path: Path, held: Known) -> Known | None:
    """What is known of a file where it is still the file known; ``None`` where it has changed."""
    stamp = _stamp(path)
    if stamp == held.stamp:
        return held
    return held._replace(stamp=stamp) if _digest(path.read_bytes()) == held.sha256 else None


def _stamp(path: Path) -> Stamp:
    found = path.stat()
    return Stamp(found.st_size, found.st_mtime_ns)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@cache
def _reader() -> str:
    """SHA-256 of the code that makes documents of files: another version reads them again."""
    folder = Path(__file__).parent
    sources = sorted((folder / "readers").glob("*.py"))
    return _digest(b"".join(path.read_bytes() for path in (*sources, folder / "library.py")))


# --- embedding ---------------------------------------------------------------------------------------------


def _embed(store: Store, passages: Sequence[Passage], embedder: Embedder, progress: Progress | None) -> int:
    return _embed_texts(store, [searchable(passage) for passage in passages], "passage", embedder, progress)


def _embed_texts(store: Store, texts: Sequence[str], role: Role, embedder: Embedder, progress: Progress | None) -> int:
    """Embed and keep the texts that have no vector yet; how many they were."""
    by_key = {key_of(text, role): text for text in texts}
    missing = store.missing(by_key)
    keys = [key for key in by_key if key in missing]
    for at in range(0, len(keys), BATCH):
        batch = keys[at : at + BATCH]
        found = [by_key[key] for key in batch]
        store.add_texts(batch, embedder.embed(found, role), [stems(text) for text in found])
        if progress:
            progress("vecteurs", min(at + BATCH, len(keys)), len(keys))
    return len(keys)
