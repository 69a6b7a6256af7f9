"""Search inside the server: the embedder is loaded once, a dossier's index once for each of its states."""

from __future__ import annotations

import threading
from functools import lru_cache

from api.server import Server
from pipeline import run
from pipeline.embed import FolderEmbedder
from pipeline.index import Index
from pipeline.inventory import Inventory
from pipeline.records import Hit
from pipeline.retrieve import Filters, Reranker, retrieve
from pipeline.settings import Settings
from pipeline.settings import load as load_settings
from pipeline.store import FILE
from pipeline.workspace import Dossier

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
    with _ALONE:
        return run.library_of([dossier], _models(settings)[0], settings)


@lru_cache(maxsize=1)
def _models(settings: Settings) -> tuple[FolderEmbedder, Reranker | None]:
    embedder = run.load_embedder(settings)
    return embedder, run.load_reranker(embedder, settings)


def _index(dossier: Dossier, settings: Settings) -> Index:
    path = dossier.index / FILE
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    return _opened(dossier, settings, stamp)


@lru_cache(maxsize=OPEN)
def _opened(dossier: Dossier, settings: Settings, stamp: int) -> Index:
    return run.load_index(dossier, _models(settings)[0], settings)
