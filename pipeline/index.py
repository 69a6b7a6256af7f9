"""Store -> Index: FAISS for meaning, BM25 for words, over the passages of a store.

Vectors are searched as embedded; a passage's nearness is then told by *centred* vectors: sentence embedders crowd every
text of a kind into one narrow cone, so that raw cosines of anything to anything lie between 0.78 and 0.90 and no floor
tells an answer from noise. Passages lose the mean of their group (kind, prose or table), questions the mean of the
questions the documents' own headings would be (« all but the mean », Mu and Viswanath, ICLR 2018; evals/LOG.md).

BM25 is bm25s's, its scores computed here from the stems the store keeps, in one pass over arrays: 15 times faster than
tokenising and indexing again, and equal to it (tests/test_index.py).
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, overload

import bm25s
import faiss
import numpy as np
import numpy.typing as npt
import scipy.sparse
from bm25s.tokenization import Tokenized

from pipeline.embed import Vectors, unit
from pipeline.french import stems
from pipeline.ingest import questions
from pipeline.records import Passage, SourceKind
from pipeline.store import Columns, Store
from pipeline.weights import digest

SMALL_GROUP = 20
"""A group of fewer passages has no mean of its own and takes that of all."""
EXACT_UP_TO = 200_000
"""Passages up to which every vector is compared with the question's; beyond, IVF (evals/LOG.md has the figures)."""
CELLS = 4096
"""Cells of the inverted file."""
PROBES = 64
"""Cells visited by a question: recall@10 against exact search 0.98 at a million passages (evals/bench_index.py)."""
TRAINED_ON = 40 * CELLS
"""Vectors the cells are learnt from; faiss asks for at least 39 a cell."""
Allowed = npt.NDArray[np.bool_] | None
"""Which passages may be found; ``None`` for all."""


class Scored(NamedTuple):
    """Positions of passages and their scores, best first, equal lengths."""

    positions: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


class Passages(Sequence[Passage]):
    """The passages of an index, each read from the store when it is asked for."""

    def __init__(self, store: Store, columns: Columns) -> None:
        self._rows = columns.rows
        self._read = lru_cache(maxsize=4096)(lambda position: store.passage(self._rows[position]))

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, position: int) -> Passage: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[Passage]: ...
    def __getitem__(self, position: int | slice) -> Passage | Sequence[Passage]:
        if isinstance(position, slice):
            return [self._read(i) for i in range(*position.indices(len(self)))]
        return self._read(range(len(self))[position])

    def __iter__(self) -> Iterator[Passage]:
        return (self._read(position) for position in range(len(self)))


class Index:
    """What a store holds, ready to be searched. It does not follow later changes of the store."""

    def __init__(self, store: Store, exact_up_to: int = EXACT_UP_TO) -> None:
        """Raises IndexDamagedError where the store is not sound."""
        with store.reading():
            self._columns = store.columns()
            self._numbers = store.stem_numbers()
            wanted = list(questions(store))
            asked = store.vectors(wanted) if wanted else np.zeros((0, self._columns.vectors.shape[1]), np.float32)
        self.passages = Passages(store, self._columns)
        self.vectors: Vectors = self._columns.vectors
        """As embedded, shape (n, d), unit rows."""
        self._centre = asked.mean(axis=0) if len(asked) else np.zeros(self.vectors.shape[1], dtype=np.float32)
        self._groups, self._means = _means(self._columns)
        self._flat = _faiss(self._columns, store.path.parent if store.path else None, exact_up_to)
        self._words = _Words(self._columns, self._numbers)
        self._masks: dict[object, Allowed] = {}

    def rarity(self, stem: str) -> float:
        """Inverse document frequency of a stem: ln(1 + N / (1 + n)), N passages of which n hold it."""
        return math.log(1 + len(self.passages) / (1 + self._held(stem)))

    def _held(self, stem: str) -> int:
        """In how many passages a stem is."""
        number = self._numbers.get(stem)
        return 0 if number is None else int(self._words.held[number])

    def known(self, query: str) -> float:
        """Share of the query's stems that some passage has, weighted by rarity; 1 where it has no stem."""
        wanted = {stem: self.rarity(stem) for stem in stems(query)}
        total = sum(wanted.values())
        return sum(rarity for stem, rarity in wanted.items() if self._held(stem)) / total if total else 1.0

    def question(self, vector: Vectors) -> Vectors:
        """A question's vector, centred, unit length. Shape (d,)."""
        centred: Vectors = unit((vector - self._centre)[None, :])[0]
        return centred

    def allowed(self, kinds: Collection[SourceKind], lot: str | None = None, document: str | None = None) -> Allowed:
        """Which passages are of these kinds, not of another lot than ``lot``, and of documents whose path holds
        ``document``."""
        key = (frozenset(kinds), lot, document)
        if key not in self._masks:
            mask = np.isin(self._kinds, list(kinds))
            if lot is not None:
                mask &= np.array([own is None or own == lot for own in self._columns.lots], dtype=bool)
            if document is not None:
                mask &= np.array([document.lower() in row.path.lower() for row in self._columns.rows], dtype=bool)
            self._masks[key] = None if mask.all() else mask
        return self._masks[key]

    @cached_property
    def _kinds(self) -> npt.NDArray[np.str_]:
        return np.array(self._columns.kinds, dtype=np.str_)

    def nearest(self, vector: Vectors, k: int, allowed: Allowed = None) -> Scored:
        """Cosine search by a question's vector as embedded, shape (d,)."""
        if allowed is not None:
            k = min(k, int(allowed.sum()))
        k = min(k, len(self.passages))
        if k == 0:
            return Scored(np.zeros(0, np.int64), np.zeros(0, np.float32))
        parameters = self._parameters(allowed)
        scores, positions = self._flat.search(np.ascontiguousarray(vector[None, :]), k, params=parameters)
        found = positions[0] >= 0
        return Scored(positions[0][found], scores[0][found])

    def _parameters(self, allowed: Allowed) -> Any:
        chosen: dict[str, Any] = {}
        if allowed is not None:
            chosen["sel"] = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))  # type: ignore[call-arg,arg-type]
        if isinstance(self._flat, faiss.IndexIVF):
            return faiss.SearchParametersIVF(nprobe=PROBES, **chosen)  # type: ignore[call-arg]
        return faiss.SearchParameters(**chosen) if chosen else None

    def word_scores(self, query: str) -> Vectors:
        """BM25 of every passage over the query's French stems, shape (n,); 0 where they share none."""
        known = [stem for stem in stems(query) if self._held(stem)]
        if not known:
            return np.zeros(len(self.passages), dtype=np.float32)
        return np.asarray(self._words.get_scores(known), dtype=np.float32)

    def best(self, scores: Vectors, k: int, allowed: Allowed = None) -> Scored:
        """The ``k`` highest scores above 0, of shape (n,), among the passages allowed."""
        if allowed is not None:
            scores = np.where(allowed, scores, 0)
        k = min(k, len(scores))
        top = np.argpartition(scores, len(scores) - k)[len(scores) - k :]
        top = top[np.lexsort((top, -scores[top]))]
        top = top[scores[top] > 0]
        return Scored(top, scores[top])

    def similarities(self, vector: Vectors, positions: Sequence[int] | npt.NDArray[np.int64]) -> Vectors:
        """Cosine between a centred ``vector`` and the centred passages at ``positions``."""
        chosen = np.asarray(positions, dtype=np.int64)
        centred = unit(self.vectors[chosen] - self._means[self._groups[chosen]])
        return np.asarray(centred @ vector, dtype=np.float32)

    def pairs(self, least: float, neighbours: int) -> list[tuple[int, int]]:
        """Positions of passages whose cosine, as embedded, is at least ``least``, each pair once; at most
        ``neighbours`` of each passage are looked at."""
        found: set[tuple[int, int]] = set()
        for start in range(0, len(self.passages), 1024):
            block = np.ascontiguousarray(self.vectors[start : start + 1024])
            scores, positions = self._flat.search(block, min(neighbours, len(self.passages)))
            for row, column in zip(*np.nonzero((scores >= least) & (positions >= 0)), strict=True):
                first, second = sorted((start + int(row), int(positions[row, column])))
                found.add((first, second))
        return [(first, second) for first, second in sorted(found) if first != second]


def _means(columns: Columns) -> tuple[npt.NDArray[np.int64], Vectors]:
    """The group of each passage (kind, prose or table) and the mean vector of each group."""
    names = np.array([f"{kind}/{row}" for kind, row in zip(columns.kinds, columns.in_rows, strict=True)], dtype=np.str_)
    if not len(names):
        return np.zeros(0, np.int64), np.zeros((0, columns.vectors.shape[1]), np.float32)
    groups, numbers = np.unique(names, return_inverse=True)
    overall = columns.vectors.mean(axis=0)
    means = [
        columns.vectors[numbers == number].mean(axis=0) if (numbers == number).sum() >= SMALL_GROUP else overall
        for number in range(len(groups))
    ]
    return numbers.astype(np.int64), np.stack(means)


def _faiss(columns: Columns, folder: Path | None, exact_up_to: int) -> Any:
    """Exact search up to a size; beyond, an inverted file, which takes minutes to learn and is kept in ``folder``."""
    vectors = columns.vectors
    if len(vectors) <= exact_up_to:
        flat = faiss.IndexFlatIP(max(vectors.shape[1], 1))
        if len(vectors):
            flat.add(vectors)
        return flat
    name = f"ivf-{hashlib.sha256(chr(10).join(row.id for row in columns.rows).encode()).hexdigest()[:16]}"
    kept = next(folder.glob(f"{name}-*.faiss"), None) if folder else None
    if kept and kept.stem.endswith(digest(kept)[:16]):
        return faiss.read_index(str(kept))
    width = vectors.shape[1]
    inverted = faiss.index_factory(width, f"IVF{CELLS},Flat", faiss.METRIC_INNER_PRODUCT)
    inverted.train(vectors[np.random.default_rng(0).permutation(len(vectors))[:TRAINED_ON]])
    inverted.add(vectors)
    if folder:
        partial = folder / f".{name}.{os.getpid()}.partial"
        faiss.write_index(inverted, str(partial))
        for old in folder.glob("ivf-*.faiss"):
            old.unlink(missing_ok=True)
        partial.rename(folder / f"{name}-{digest(partial)[:16]}.faiss")
    return inverted


class _Words(bm25s.BM25):  # type: ignore[misc]
    """bm25s over stems that are counted already."""

    def __init__(self, columns: Columns, numbers: Mapping[str, int]) -> None:
        super().__init__(method="lucene")
        self.index(Tokenized(columns, numbers), create_empty_token=False, show_progress=False)

    def build_index_from_ids(
        self, unique_token_ids: Sequence[int], corpus_token_ids: Columns, **_: object
    ) -> dict[str, Any]:
        """Scores of each stem in each passage, by columns of stems.

        ln(1 + (N − n + ½)/(n + ½)) · f / (f + k₁(1 − b + b·l/l̄)): f occurrences in a passage of l stems, n passages of
        N hold the stem (« lucene » in Kamphuis et al., « Which BM25 Do You Mean? », ECIR 2020).
        """
        columns, count = corpus_token_ids, len(corpus_token_ids.rows)
        rows = np.repeat(np.arange(count), columns.lengths)
        shape = (count, max(unique_token_ids, default=0) + 1)
        matrix = scipy.sparse.coo_array((np.ones(len(rows), np.float32), (rows, columns.stems)), shape=shape).tocsc()
        matrix.sum_duplicates()
        self.held = np.diff(matrix.indptr)
        rarity = np.log(1 + (count - self.held + 0.5) / (self.held + 0.5))
        mean = max(columns.lengths.sum() / max(count, 1), 1e-9)
        norm = self.k1 * (1 - self.b + self.b * columns.lengths / mean)
        weight = np.repeat(rarity, self.held) * matrix.data / (matrix.data + norm[matrix.indices])
        self.nonoccurrence_array = None
        return {
            "data": weight.astype(self.dtype),
            "indices": matrix.indices.astype(self.int_dtype),
            "indptr": matrix.indptr,
            "num_docs": count,
        }
