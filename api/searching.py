"""Search inside the server: the embedder is loaded once, a dossier's index once for each of its states."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from functools import lru_cache

from api.server import Server
from pipeline import run
from pipeline.embed import FolderEmbedder
from pipeline.errors import IndexDamagedError
from pipeline.index import Index
from pipeline.inventory import Inventory
from pipeline.records import Hit, Passage
from pipeline.retrieve import Filters, Reranker, retrieve
from pipeline.settings import Settings
from pipeline.settings import load as load_settings
from pipeline.store import FILE, Store
from pipeline.workspace import Dossier, read_consultation, read_draft, stamp

_ALONE = threading.RLock()
"""Loading takes memory, and an index is not made for two threads: one search at a time."""
OPEN = 4
"""Indexes kept open: those of the dossiers people work on."""


def found_in(server: Server, dossier: Dossier, question: str, k: int, filters: Filters) -> list[Hit]:
    """The ``k`` best passages. Raises DossierError where the dossier is not indexed, ModelError without a model."""
    settings = load_settings(dossier.root)
    with _ALONE:
        embedder, reranker = _models(settings)
        return retrieve(question, _index(dossier, settings), embedder, settings.retrieve, k, filters, reranker)


def library_in(server: Server, dossier: Dossier) -> Inventory:
    """What the library holds, as this dossier's index and drafts see it."""
    settings = load_settings(dossier.root)
    drafts = tuple((path.name, stamp(path)) for path in sorted((dossier.root / "drafts").glob("*.json")))
    with _ALONE:
        return _inventory(dossier, settings, _stamp(dossier), drafts, dt.date.today())


@lru_cache(maxsize=1)
def _models(settings: Settings) -> tuple[FolderEmbedder, Reranker | None]:
    embedder = run.load_embedder(settings)
    return embedder, run.load_reranker(embedder, settings)


def _index(dossier: Dossier, settings: Settings) -> Index:
    return _opened(dossier, settings, _stamp(dossier))


def _stamp(dossier: Dossier) -> tuple[tuple[int, ...], ...]:
    """Changes with the index."""
    return stamp(dossier.index / FILE), stamp(dossier.index / f"{FILE}-wal")


@lru_cache(maxsize=OPEN)
def _inventory(
    dossier: Dossier,
    settings: Settings,
    state: tuple[tuple[int, ...], ...],
    drafts: tuple[tuple[str, tuple[int, ...]], ...],
    today: dt.date,
) -> Inventory:
    return run.library_of([dossier], _models(settings)[0], settings)


@lru_cache(maxsize=OPEN)
def _opened(dossier: Dossier, settings: Settings, state: tuple[tuple[int, ...], ...]) -> Index:
    return run.load_index(dossier, _models(settings)[0], settings)


def passage_in(dossier: Dossier, name: str) -> Passage | None:
    """The passage of this identifier: of the index, or one that a section still cites. No model is loaded for it."""
    path = dossier.index / FILE
    if path.is_file():
        try:
            with contextlib.closing(Store(path)) as store:
                row = store.row(name)
                if row:
                    return store.passage(row)
        except IndexDamagedError:  # what a section cites is still known
            pass
    sections = (read_draft(dossier, node.name) for node in read_consultation(dossier).plan)
    cited = (passage for section in sections if section for passage in section.passages)
    return next((passage for passage in cited if passage.id == name), None)
