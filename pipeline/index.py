"""list[Passage] -> Index: FAISS for meaning, BM25 for words. Save, load, search.

Vectors are centred before they are compared: sentence embedders crowd every text of a kind into one narrow cone, so
that raw cosines of anything to anything lie between 0.78 and 0.90 and no floor tells an answer from noise. Passages
lose the mean of their group (kind, prose or table), questions the mean of the questions the documents' own headings
would be (« all but the mean », Mu and Viswanath, ICLR 2018; evals/LOG.md has the figures).

On disk: passages.jsonl, vectors.npy (as embedded), centre.npy, identity.json. The folder is written beside the old
one and put in its place by renaming, so a reader finds the old index or the new one, never a mixture.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import bm25s
import faiss
import numpy as np
import numpy.typing as npt

from pipeline import split
from pipeline.embed import Embedder, Vectors, unit
from pipeline.errors import IndexMismatchError
from pipeline.french import stems
from pipeline.records import Passage, SourceKind

FORMAT = 2
QUESTIONS = 256
"""Headings taken for questions when their mean is measured: more moved it by less than 0.001."""
SMALL_GROUP = 20
"""A group of fewer passages has no mean of its own and takes that of all."""


class Scored(NamedTuple):
    """Positions of passages and their scores, best first, equal lengths."""

    positions: list[int]
    scores: list[float]


@dataclass
class Index:
    """Passages with their two indexes. ``identity`` says what made the vectors and the passages."""

    passages: list[Passage]
    vectors: Vectors
    """As embedded, shape (n, d), unit rows."""
    centre: Vectors
    """Mean of questions, shape (d,)."""
    identity: dict[str, str]
    _centred: Vectors
    _flat: Any
    _words: Any
    _frequencies: Counter[str]

    def rarity(self, stem: str) -> float:
        """Inverse document frequency of a stem: ln(1 + N / (1 + n)), N passages of which n hold it."""
        return math.log(1 + len(self.passages) / (1 + self._frequencies[stem]))

    def question(self, vector: Vectors) -> Vectors:
        """A question's vector, centred, unit length. Shape (d,)."""
        centred: Vectors = unit((vector - self.centre)[None, :])[0]
        return centred

    def nearest(self, vector: Vectors, k: int, kinds: Collection[SourceKind]) -> Scored:
        """Cosine search by a centred vector of shape (d,)."""
        allowed = self._allowed(kinds)
        k = min(k, len(allowed))
        if k == 0:
            return Scored([], [])
        parameters = faiss.SearchParameters(sel=faiss.IDSelectorBatch(allowed))  # type: ignore[call-arg]
        scores, positions = self._flat.search(vector[None, :], k, params=parameters)
        kept = [(int(p), float(s)) for p, s in zip(positions[0], scores[0], strict=True) if p >= 0]
        return Scored([p for p, _ in kept], [s for _, s in kept])

    def matching(self, query: str, k: int, kinds: Collection[SourceKind]) -> Scored:
        """BM25 search over French stems; passages that share no stem with the query are left out."""
        wanted = stems(query)
        allowed = self._allowed(kinds)
        known = [stem for stem in wanted if stem in self._words.vocab_dict]
        if not known or len(allowed) == 0:
            return Scored([], [])
        mask = np.zeros(len(self.passages), dtype=np.float32)
        mask[allowed] = 1
        positions, scores = self._words.retrieve(
            [known], k=min(k, len(self.passages)), weight_mask=mask, show_progress=False, n_threads=1
        )
        kept = [(int(p), float(s)) for p, s in zip(positions[0], scores[0], strict=True) if s > 0]
        return Scored([p for p, _ in kept], [s for _, s in kept])

    def similarities(self, vector: Vectors, positions: Sequence[int]) -> npt.NDArray[np.float32]:
        """Cosine between a centred ``vector`` and the centred passages at ``positions``."""
        return np.asarray(self._centred[list(positions)] @ vector, dtype=np.float32)

    def _allowed(self, kinds: Collection[SourceKind]) -> npt.NDArray[np.int64]:
        return np.array([i for i, p in enumerate(self.passages) if p.kind in kinds], dtype=np.int64)


def identity(embedder: Embedder, passage_chars: int) -> dict[str, str]:
    """What an index depends on besides the documents."""
    return {
        "format": str(FORMAT),
        "embedder": embedder.identity,
        "dimension": str(embedder.dimension),
        "split": f"{split.IDENTITY}/{passage_chars}",
    }


def build(passages: Sequence[Passage], embedder: Embedder, passage_chars: int, known: Index | None = None) -> Index:
    """Embed the passages that ``known`` does not hold already, and index them all.

    The text embedded is heading path and passage: a line such as « 4 heures » means nothing without its title.
    """
    made_by = identity(embedder, passage_chars)
    old = {}
    if known is not None and known.identity == made_by:
        old = {passage.id: row for row, passage in enumerate(known.passages)}
    fresh = [i for i, passage in enumerate(passages) if passage.id not in old]
    vectors = np.zeros((len(passages), embedder.dimension), dtype=np.float32)
    if fresh:
        vectors[fresh] = embedder.embed([searchable(passages[i]) for i in fresh], "passage")
    if known is not None:
        for i, passage in enumerate(passages):
            if passage.id in old:
                vectors[i] = known.vectors[old[passage.id]]
    if known is not None and known.identity == made_by and not fresh:
        centre = known.centre
    else:
        headings = sorted({passage.headings[-1] for passage in passages if passage.headings})
        step = max(1, len(headings) // QUESTIONS)
        questions = embedder.embed(headings[::step][:QUESTIONS], "query")
        centre = questions.mean(axis=0) if len(questions) else np.zeros(embedder.dimension, dtype=np.float32)
    return _assemble(list(passages), vectors, np.asarray(centre, dtype=np.float32), made_by)


def searchable(passage: Passage) -> str:
    """What is embedded and matched: the two nearest headings, then the text."""
    return " – ".join(passage.headings[-2:]) + ("\n" if passage.headings else "") + passage.text


def _assemble(passages: list[Passage], vectors: Vectors, centre: Vectors, made_by: dict[str, str]) -> Index:
    centred = _centred(passages, vectors)
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(centred)
    words = bm25s.BM25(method="lucene")
    tokens = [stems(searchable(passage)) or ["∅"] for passage in passages]
    words.index(tokens, show_progress=False)
    frequencies = Counter(stem for row in tokens for stem in set(row))
    return Index(passages, vectors, centre, made_by, centred, flat, words, frequencies)


def is_row(text: str) -> bool:
    """Whether a passage or an excerpt is rows of a table (« header : cell ; header : cell »)."""
    return " : " in text and " ; " in text


def _centred(passages: Sequence[Passage], vectors: Vectors) -> Vectors:
    groups = np.array([f"{passage.kind}/{is_row(passage.text)}" for passage in passages])
    centred = vectors - vectors.mean(axis=0)
    for group in np.unique(groups):
        rows = groups == group
        if rows.sum() >= SMALL_GROUP:
            centred[rows] = vectors[rows] - vectors[rows].mean(axis=0)
    return unit(centred)


def save(index: Index, folder: Path) -> None:
    """Write the index whole, replacing the one in ``folder``."""
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    with (fresh / "passages.jsonl").open("w", encoding="utf-8") as stream:
        stream.writelines(passage.model_dump_json() + "\n" for passage in index.passages)
    np.save(fresh / "vectors.npy", index.vectors)
    np.save(fresh / "centre.npy", index.centre)
    (fresh / "identity.json").write_text(json.dumps(index.identity, indent=1), encoding="utf-8")
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load(folder: Path, embedder: Embedder, passage_chars: int) -> Index | None:
    """The index in ``folder``, or ``None`` where there is none or it is damaged (it is then rebuilt from sources).

    Raises IndexMismatchError where another embedder or another way of cutting made it.
    """
    old = folder.with_name(f".{folder.name}.old")
    if not folder.exists() and old.exists():  # stopped between the two renames
        with contextlib.suppress(OSError):
            old.rename(folder)
    try:
        made_by = json.loads((folder / "identity.json").read_text(encoding="utf-8"))
        lines = (folder / "passages.jsonl").read_text(encoding="utf-8").splitlines()
        passages = [Passage.model_validate_json(line) for line in lines]
        vectors = np.load(folder / "vectors.npy", allow_pickle=False)
        centre = np.load(folder / "centre.npy", allow_pickle=False)
    except (OSError, ValueError):
        return None
    if made_by != identity(embedder, passage_chars):
        raise IndexMismatchError(
            "L'index a été fait avec un autre modèle de vecteurs ou un autre découpage",
            where=folder,
            remedy="Lancez « memoire index » sur ce dossier pour le refaire.",
        )
    if vectors.shape != (len(passages), embedder.dimension) or not passages:
        return None
    return _assemble(passages, vectors, centre, made_by)
