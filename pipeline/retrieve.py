"""Query, Index -> list[Hit]: the two searches fused by reciprocal rank, one passage a place.

Score of a passage: sum over the two rankings of 1 / (k + rank), ranks from 1 (Cormack, Clarke and Büttcher,
« Reciprocal rank fusion outperforms Condorcet and individual rank learning methods », SIGIR 2009).
"""

from __future__ import annotations

from collections.abc import Collection

from pipeline.embed import Embedder
from pipeline.french import fold
from pipeline.index import Index
from pipeline.records import Hit, SourceKind
from pipeline.settings import RetrieveSettings

ALL: tuple[SourceKind, ...] = ("dce", "response", "component", "firm")


def retrieve(
    query: str, index: Index, embedder: Embedder, settings: RetrieveSettings, k: int,
    kinds: Collection[SourceKind] = ALL,
) -> list[Hit]:  # fmt: skip
    """The ``k`` best passages of these kinds, best first, the same text only once."""
    if not query.strip() or not index.passages:
        return []
    vector = embedder.embed([query], "query")[0]
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
