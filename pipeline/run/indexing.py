"""Documents and library -> the index, and what is asked of it."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.embed import Embedder
from pipeline.errors import DossierError, IndexDamagedError, IndexMismatchError
from pipeline.index import Index
from pipeline.ingest import Files, Ingested, identity, ingest
from pipeline.ingest import Progress as IndexProgress
from pipeline.inventory import Inventory, inventory
from pipeline.records import Hit, SourceKind
from pipeline.retrieve import EVERYTHING, Filters, Reranker, retrieve
from pipeline.run.document import sections_of
from pipeline.settings import Settings
from pipeline.store import FILE, Store
from pipeline.workspace import Dossier, read_consultation


@dataclass(frozen=True)
class Indexed:
    """What indexing did."""

    counts: Mapping[SourceKind, int]
    """Passages of each kind."""
    ingested: Ingested
    set_aside: Path | None
    """Where the index before was put, if it was damaged or made by something else."""


def index_dossier(
    dossier: Dossier, embedder: Embedder, settings: Settings, progress: IndexProgress | None = None
) -> Indexed:
    """Bring the index up to date with the buyer's documents and the firm's library. Waits for its turn."""
    files = Files(dossier.root, dossier.dce_files(), dossier.library())
    size = settings.split.passage_chars
    with dossier.lock(waiting=lambda: progress and progress("attente d'une autre commande", 0, 1)):
        store, set_aside = _store_to_update(dossier, embedder, size)
        with contextlib.closing(store):
            ingested = ingest(store, files, embedder, size, dt.date.today(), progress)
            counts = store.counts()
        dossier.note("index", passages=sum(counts.values()), fresh=ingested.embedded, embedder=embedder.identity)
    return Indexed(counts, ingested, set_aside)


def _store_to_update(dossier: Dossier, embedder: Embedder, size: int) -> tuple[Store, Path | None]:
    """The dossier's store, sound and made by this embedder; another is put beside, whole, and an empty one begun."""
    path = dossier.index / FILE
    try:
        store = Store(path)
        store.check()
        store.claim(identity(embedder, size))
        return store, None
    except (IndexDamagedError, IndexMismatchError):
        aside = dossier.index.with_name(f"index.ecarte-{dt.datetime.now():%Y%m%d-%H%M%S}")
        dossier.index.rename(aside)
        return Store(path), aside


def load_index(dossier: Dossier, embedder: Embedder, settings: Settings) -> Index:
    """The dossier's index; a damaged one is set aside and made again. Raises DossierError where there is none yet,
    IndexMismatchError where another embedder or another way of cutting made it."""
    path = dossier.index / FILE
    if not path.is_file():
        raise DossierError(
            "Ce dossier n'a pas encore d'index",
            where=dossier.root,
            remedy=f"Lancez « memoire index {dossier.root} ».",
        )
    try:
        return _opened(path, embedder, settings)
    except IndexDamagedError:
        index_dossier(dossier, embedder, settings)
        return _opened(path, embedder, settings)


def _opened(path: Path, embedder: Embedder, settings: Settings) -> Index:
    store = Store(path)
    store.claim(identity(embedder, settings.split.passage_chars))
    return Index(store)


def search_dossier(
    dossier: Dossier,
    question: str,
    k: int,
    embedder: Embedder,
    settings: Settings,
    filters: Filters = EVERYTHING,
    reranker: Reranker | None = None,
) -> list[Hit]:
    """The ``k`` best passages for a question."""
    index = load_index(dossier, embedder, settings)
    return retrieve(question, index, embedder, settings.retrieve, k, filters, reranker)


def library_of(dossiers: Sequence[Dossier], embedder: Embedder, settings: Settings) -> Inventory:
    """What the library of the first dossier holds, and what the drafts of all of them used of it."""
    index = load_index(dossiers[0], embedder, settings)
    used = {
        name
        for dossier in dossiers
        for section in sections_of(dossier, read_consultation(dossier).plan)
        for paragraph in section.paragraphs
        for sentence in paragraph.sentences
        for name in sentence.passages
    }
    return inventory(index, used, dt.date.today(), settings.library.stale_months)
