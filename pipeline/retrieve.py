"""Query, Index -> list[Hit]: the two searches put together, reread by late interaction, spread over pages.

1. The nearest passages and those with the words, CANDIDATES of each.
2. Each is scored by three measures (cosine, centred cosine, BM25), standardised over the candidates and summed.
3. The best are reread by a Reranker, where there is one: the default compares every word of the question with every
   word of the passage, by the embedder's own vectors of words.
4. Where nothing is near enough to be about the question at all, nothing is returned.

Weights were chosen on the questions of evals/cases that are not held out (evals/LOG.md has what else was tried).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.embed import Embedder
from pipeline.french import fold, stems
from pipeline.index import Allowed, Index
from pipeline.prompts import word_list
from pipeline.records import Hit, Passage, SourceKind
from pipeline.settings import RetrieveSettings

TITLE_WEIGHT = 0.3
"""What a heading that holds all of a point's words adds to the cosine: a past section of that name is about it, and the
cosine alone missed such sections when the point had a word more (evals/LOG.md)."""
COSINE_WEIGHT, CENTRED_WEIGHT, WORDS_WEIGHT, RERANK_WEIGHT = 2.0, 2.0, 1.0, 2.0
"""Of standardised scores: hit@5 0.71 on the tuned questions, 0.73 with the rereading."""

KNOWN_WEIGHT = 0.2
"""What it adds to the nearest passage's centred cosine that every word of the question is in the index: words that none
of the documents has tell another trade's question better than any cosine (area under the curve 0.94 against 0.87)."""

ALL: tuple[SourceKind, ...] = ("dce", "response", "component", "firm")
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Filters:
    """Which passages may be found."""

    kinds: Collection[SourceKind] = ALL
    lot: str | None = None
    """Leaves out what is only about another lot."""
    document: str | None = None
    """Part of a document's path, whatever its case."""


EVERYTHING = Filters()


class Reranker(Protocol):
    """Reads the best candidates again."""

    def score(self, question: str, passages: Sequence[Passage]) -> Scores:
        """One score a passage, higher is better; only their order and spread matter."""
        ...


def retrieve(
    query: str,
    index: Index,
    embedder: Embedder,
    settings: RetrieveSettings,
    k: int,
    filters: Filters = EVERYTHING,
    reranker: Reranker | None = None,
) -> list[Hit]:
    """The ``k`` best passages, best first, the same text only once; none where nothing is about the question."""
    if not query.strip() or not len(index.passages):
        return []
    query = expanded(query)
    vector = embedder.embed([query], "query")[0]
    found = candidates(vector, query, index, settings.candidates, index.allowed(**vars(filters)))
    if not len(found.positions) or found.similarities.max() + KNOWN_WEIGHT * index.known(query) < settings.floor:
        return []
    positions, similarities, scores = found
    order = np.argsort(-scores, kind="stable")
    if reranker is not None:
        best, rest = order[: settings.reread], order[settings.reread :]
        again = reranker.score(query, [index.passages[int(i)] for i in positions[best]])
        scores = scores.copy()
        scores[best] += RERANK_WEIGHT * standard(again)
        above = scores[rest].max(initial=-np.inf) - scores[best].min()
        scores[rest] -= max(0.0, above)  # what is not read again comes after
        order = np.concatenate([best[np.argsort(-scores[best], kind="stable")], rest])
    hits = [
        Hit(passage=index.passages[int(positions[i])], score=float(scores[i]), similarity=float(similarities[i]))
        for i in order[: k + settings.spare]
    ]
    return spread(hits, k, settings.per_page)


class Candidates(NamedTuple):
    """Positions of passages, their centred cosines and fused scores; equal lengths, in no order."""

    positions: npt.NDArray[np.int64]
    similarities: Scores
    scores: Scores


def candidates(vector: Scores, query: str, index: Index, count: int, allowed: Allowed) -> Candidates:
    """The ``count`` nearest and the ``count`` with the words, scored by all three measures."""
    words = index.word_scores(query)
    nearest = index.nearest(vector, count, allowed).positions
    matching = index.best(words, count, allowed).positions
    positions = np.union1d(nearest, matching)
    similarities = index.similarities(index.question(vector), positions)
    scores = (
        COSINE_WEIGHT * standard(index.vectors[positions] @ vector)
        + CENTRED_WEIGHT * standard(similarities)
        + WORDS_WEIGHT * standard(words[positions])
    )
    return Candidates(positions, similarities, scores)


def standard(values: Scores) -> Scores:
    """Less their mean, over their standard deviation; zeros where all are equal."""
    deviation = values.std() if len(values) else 0.0
    return (values - values.mean()) / deviation if deviation > 0 else np.zeros_like(values)


def spread(hits: Sequence[Hit], k: int, per_page: int) -> list[Hit]:
    """The first ``k``, the same text once, a page's passages beyond ``per_page`` after all the others."""
    first: list[Hit] = []
    later: list[Hit] = []
    seen: set[str] = set()
    for hit in hits:
        words = fold(hit.passage.text)
        if words in seen:
            continue
        seen.add(words)
        place = (hit.passage.document, hit.passage.page)
        taken = sum((other.passage.document, other.passage.page) == place for other in first)
        (first if taken < per_page or hit.passage.page is None else later).append(hit)
    return [*first, *later][:k]


@lru_cache(maxsize=4096)
def expanded(query: str) -> str:
    """The query with the words of the acronyms it holds, and the acronyms of the words (prompts/lists/acronyms.txt)."""
    found: list[str] = []
    said = fold(query)
    for acronym, pattern, meaning, folded in _acronyms():
        spelled = pattern.search(query) is not None
        if spelled != (folded in said):
            found.append(meaning if spelled else acronym)
    return " – ".join([query, *found])


@cache
def _acronyms() -> list[tuple[str, re.Pattern[str], str, str]]:
    """(acronym, pattern that finds it, meaning, meaning folded)."""
    pairs = ([part.strip() for part in line.split("=", 1)] for line in word_list("acronyms"))
    return [(acro, re.compile(rf"(?<!\w){re.escape(acro)}(?!\w)"), meaning, fold(meaning)) for acro, meaning in pairs]


def relevance(hit: Hit, point: str, index: Index) -> float:
    """How far a passage speaks of a point: centred cosine, plus the rarity-weighted share of the point's stems that
    stand in the passage's two nearest headings, times TITLE_WEIGHT."""
    wanted = dict.fromkeys(stems(expanded(point)))
    titles = set(stems(" ".join(hit.passage.headings[-2:])))
    total = sum(index.rarity(stem) for stem in wanted)
    shared = sum(index.rarity(stem) for stem in wanted if stem in titles)
    return hit.similarity + (TITLE_WEIGHT * shared / total if total else 0.0)
