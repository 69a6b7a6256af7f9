"""Does search stay fast as the library grows? `python -m evals.bench_index [--passages 100000] [--documents 1000]`

Synthetic passages at any size: vectors are mixtures of real passages' vectors with noise, texts are sentences of the
sample library drawn again, so that words keep their frequencies. Measured: building, memory, the 95th percentile of a
hybrid query (its vector given) against raw FAISS plus raw bm25s on the same data and in the same run, recall@10 of the
approximate search against the exact one. With --documents, also what indexing costs again: nothing changed, one
document changed, that document alone.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import bm25s
import faiss
import numpy as np

from pipeline import run, settings
from pipeline.embed import Embedder, Role, Vectors, unit
from pipeline.french import sentences, stems
from pipeline.index import EXACT_UP_TO, Index
from pipeline.ingest import Files, ingest, put_passages
from pipeline.library import read_library
from pipeline.records import Passage
from pipeline.retrieve import retrieve
from pipeline.settings import ROOT
from pipeline.split import split
from pipeline.store import FILE, Store, searchable

QUERIES = 200
LEAST_SPEED = 1.3
TODAY = dt.date(2026, 1, 1)


def real() -> list[Passage]:
    """The passages of the sample library."""
    library = read_library([ROOT / "corpus" / "library"], TODAY)
    return [passage for document in library.documents for passage in split(document, 700)]


class Mixed:
    """Texts and vectors like the real ones, as many as wanted, always the same."""

    def __init__(self, passages: Sequence[Passage], embedder: Embedder) -> None:
        self._sentences = [part for passage in passages for part in sentences(passage.text)]
        self._vectors = embedder.embed([searchable(passage) for passage in passages], "passage")
        self.identity = "mixed"
        self._rng = np.random.default_rng(2)

    def passages(self, start: int, end: int) -> list[Passage]:
        """Passages number ``start`` to ``end``, of three sentences each."""
        drawn = np.random.default_rng(start).integers(0, len(self._sentences), (end - start, 3))
        return [
            Passage(
                id=f"{i:012x}",
                kind="response",
                document=f"réponse-{i // 100}.docx",
                page=1 + i % 100 // 4,
                article=None,
                text=" ".join(self._sentences[j] for j in row),
            )
            for i, row in enumerate(drawn, start=start)
        ]

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        """Mixtures of three real vectors with noise, whatever the text."""
        rng = self._rng
        rows = rng.integers(0, len(self._vectors), (len(texts), 3))
        shares = rng.dirichlet((2, 1, 1), len(texts)).astype(np.float32)
        mixed = np.einsum("ns,nsd->nd", shares, self._vectors[rows])
        noise = rng.standard_normal(mixed.shape, dtype=np.float32) * 0.012
        return unit(mixed + noise)


def percentile(work: Callable[[int], object], count: int) -> tuple[float, float]:
    """``(median, 95th percentile)`` in milliseconds of a piece of work done ``count`` times."""
    taken = []
    for number in range(count):
        started = time.perf_counter()
        work(number)
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken), float(np.percentile(taken, 95))


def memory() -> float:
    """Most memory the process has held, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


class Given:
    """An embedder that is told the vector."""

    identity = "given"

    def __init__(self) -> None:
        self.vector: Vectors

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        return self.vector[None, :]


def search(count: int, folder: Path) -> bool:
    """Print the table of one size; whether the hybrid query is as fast as it must be."""
    tree = settings.load()
    mixed = Mixed(real(), run.load_embedder(tree))
    before = memory()
    store = Store(folder / FILE)
    started = time.perf_counter()
    for part in range(0, count, 100_000):
        put_passages(store, mixed.passages(part, min(part + 100_000, count)), mixed, 700)
    filled = time.perf_counter() - started
    started = time.perf_counter()
    index = Index(store)
    built = time.perf_counter() - started
    held = memory() - before
    del index
    started = time.perf_counter()
    index = Index(store)
    loaded = time.perf_counter() - started
    raw_flat = faiss.IndexFlatIP(index.vectors.shape[1])
    raw_flat.add(index.vectors)
    raw_words = bm25s.BM25(method="lucene")
    if count <= EXACT_UP_TO:  # beyond, bm25s takes minutes to index; the comparison is made below
        raw_words.index([stems(searchable(passage)) for passage in index.passages], show_progress=False)
    questions = [passage.text[:80] for passage in index.passages[:: max(1, count // QUERIES)][:QUERIES]]
    vectors = mixed.embed(questions, "query")
    given = Given()

    def hybrid(number: int) -> None:
        given.vector = vectors[number]
        retrieve(questions[number], index, given, tree.retrieve, 10)

    def raw(number: int) -> None:
        raw_flat.search(vectors[number][None, :], tree.retrieve.candidates)
        known = [stem for stem in stems(questions[number]) if stem in raw_words.vocab_dict]
        raw_words.retrieve([known], k=tree.retrieve.candidates, show_progress=False, n_threads=1)

    rounds = [percentile(hybrid, QUERIES) for _ in range(3)]
    raw_rounds = [percentile(raw, QUERIES) for _ in range(3)] if count <= EXACT_UP_TO else []
    exact = [raw_flat.search(vector[None, :], 10)[1][0].tolist() for vector in vectors]
    found = [index.nearest(vector, 10).positions.tolist() for vector in vectors]
    recall = statistics.fmean(len({*one} & {*other}) / 10 for one, other in zip(exact, found, strict=True))
    size = sum(path.stat().st_size for path in folder.iterdir()) / 2**30
    middle, own = (statistics.median(values) for values in zip(*rounds, strict=True))
    print(f"{count} passages : remplissage {filled:.0f} s, {size:.2f} Gio sur disque ;")
    print(f"première ouverture {built:.1f} s, suivantes {loaded:.1f} s,", end=" ")
    print(f"{held:.2f} Gio en mémoire ; rappel@10 sur l'exact {recall:.3f}")
    print(f"recherche hybride : médiane {middle:.1f} ms, p95 {own:.1f} ms")
    if not raw_rounds:
        return True
    raw_middle, raw_own = (statistics.median(values) for values in zip(*raw_rounds, strict=True))
    print(f"faiss + bm25s bruts : médiane {raw_middle:.1f} ms, p95 {raw_own:.1f} ms ; rapport {own / raw_own:.2f}")
    return bool(own <= LEAST_SPEED * raw_own)


def again(count: int, folder: Path) -> bool:
    """Print what indexing costs again on ``count`` documents; whether it is as little as it must be."""
    tree = settings.load()
    embedder = run.load_embedder(tree)
    embedder.embed(["chauffe"], "passage")
    texts = [passage.text for passage in Mixed(real(), embedder).passages(0, 8 * count)]
    library, alone = folder / "library", folder / "alone"
    library.mkdir()
    alone.mkdir()
    for number in range(count):
        paragraphs = texts[8 * number : 8 * number + 8]
        body = "\n\n".join(f"{i + 1}. Titre {i} du document {number}\n\n{text}" for i, text in enumerate(paragraphs))
        (library / f"{number}.txt").write_text(body, encoding="utf-8")

    def timed(store: Store, where: Path) -> float:
        started = time.perf_counter()
        ingest(store, Files(folder, [], [where]), embedder, tree.split.passage_chars, TODAY)
        return time.perf_counter() - started

    store = Store(folder / FILE)
    first = timed(store, library)
    same = statistics.median(timed(store, library) for _ in range(3))
    changed, single = [], []
    for number in range(5):
        path = library / f"{number}.txt"
        path.write_text(path.read_text(encoding="utf-8").replace(" de ", f" {number} de "), encoding="utf-8")
        changed.append(timed(store, library))
        shutil.copy(path, alone / "seul.txt")
        single.append(timed(Store(None), alone))
    one, own = statistics.median(changed), statistics.median(single)
    print(f"{count} documents : première fois {first:.1f} s ; rien de changé {same:.2f} s, soit {same / first:.1%}")
    print(f"un document changé {one:.2f} s ; ce document seul {own:.2f} s ; rapport {one / own:.2f}")
    return same <= 0.05 * first


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passages", type=int, default=0)
    parser.add_argument("--documents", type=int, default=0)
    options = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as name:
        if options.passages:
            good &= search(options.passages, Path(name))
        if options.documents:
            good &= again(options.documents, Path(name))
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
