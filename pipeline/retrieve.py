"""Query, Index -> list[Hit]: the two searches fused by reciprocal rank, one passage a place.

Score of a passage: sum over the two rankings of 1 / (k + rank), ranks from 1 (Cormack, Clarke and Büttcher,
« Reciprocal rank fusion outperforms Condorcet and individual rank learning methods », SIGIR 2009).
"""

from __future__ import annotations

import re
from collections.abc import Collection

from pipeline.embed import Embedder
from pipeline.french import fold, stems
from pipeline.index import Index
from pipeline.prompts import word_list
from pipeline.records import Hit, SourceKind
from pipeline.settings import RetrieveSettings

TITLE_WEIGHT = 0.3
"""What a heading that holds all of a point's words adds to the cosine: a past section of that name is about it, and the
cosine alone missed such sections when the point had a word more (evals/LOG.md)."""

ALL: tuple[SourceKind, ...] = ("dce", "response", "component", "firm")


def retrieve(
    query: str,
    index: Index,
    embedder: Embedder,
    settings: RetrieveSettings,
    k: int,
    kinds: Collection[SourceKind] = ALL,
) -> list[Hit]:
    """The ``k`` best passages of these kinds, best first, the same text only once."""
    if not query.strip() or not index.passages:
        return []
    query = expanded(query)
    vector = index.question(embedder.embed([query], "query")[0])
    dense = index.nearest(vector, settings.candidates, kinds)
    lexical = index.matching(query, settings.candidates, kinds)
    fused: dict[int, float] = {}
    for ranking in (dense.positions, lexical.positions):
        for rank, position in enumerate(ranking, start=1):
            fused[position] = fused.get(position, 0.0) + 1 / (settings.rrf_k + rank)
    ranked = sorted(fused, key=lambda position: (-fused[position], position))
    similarity = dict(zip(ranked, index.similarities(vector, ranked), strict=True)) if ranked else {}
    hits: list[Hit] = []
    seen: set[str] = set()
    for position in ranked:
        passage = index.passages[position]
        words = fold(passage.text)
        if words in seen:
            continue
        seen.add(words)
        hits.append(Hit(passage=passage, score=fused[position], similarity=float(similarity[position])))
        if len(hits) == k:
            break
    return hits


def expanded(query: str) -> str:
    """The query with the words of the acronyms it holds (prompts/lists/acronyms.txt)."""
    found = [
        meaning.strip()
        for acronym, _, meaning in (line.partition("=") for line in word_list("acronyms"))
        if re.search(rf"(?<!\w){re.escape(acronym.strip())}(?!\w)", query) and fold(meaning) not in fold(query)
    ]
    return " – ".join([query, *found])


def relevance(hit: Hit, point: str, index: Index) -> float:
    """How far a passage speaks of a point: centred cosine, plus the rarity-weighted share of the point's stems that
    stand in the passage's two nearest headings, times TITLE_WEIGHT."""
    wanted = dict.fromkeys(stems(expanded(point)))
    titles = set(stems(" ".join(hit.passage.headings[-2:])))
    total = sum(index.rarity(stem) for stem in wanted)
    shared = sum(index.rarity(stem) for stem in wanted if stem in titles)
    return hit.similarity + (TITLE_WEIGHT * shared / total if total else 0.0)
