"""Index, drafts -> Inventory: what the firm's library holds, what of it is no proof any more, what no tender used."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pipeline.french import stems
from pipeline.index import Index
from pipeline.library import notice
from pipeline.records import Passage, SourceKind

NEAR = 0.95
"""Cosine from which two passages are compared word by word; anything is 0.8 near anything (pipeline/index.py)."""
ALIKE = 0.8
"""Share of their stems, of all those either has, from which two passages say the same."""
NEIGHBOURS = 6


@dataclass(frozen=True)
class Item:
    """A document of the library."""

    document: str
    kind: SourceKind
    passages: int
    client: str | None
    confidential: bool
    """Whether that client may not be named outside the firm."""
    date: str | None
    notices: tuple[str, ...]
    """Why some of it is no proof, or to be checked."""
    used: int
    """Passages of it that drafts rest on."""


@dataclass(frozen=True)
class Alike:
    """Two passages of different documents that say the same."""

    first: Passage
    second: Passage
    share: float


@dataclass(frozen=True)
class Inventory:
    """Everything, by kind then by name."""

    items: tuple[Item, ...]
    alike: tuple[Alike, ...]


def inventory(index: Index, used: Collection[str], today: dt.date, stale_months: int) -> Inventory:
    """``used``: identifiers of the passages that drafts cite."""
    groups: dict[tuple[SourceKind, str], list[Passage]] = {}
    for passage in index.passages:
        if passage.kind != "dce":
            groups.setdefault((passage.kind, passage.document), []).append(passage)
    items = tuple(
        _item(passages, used, today, stale_months) for _, passages in sorted(groups.items(), key=lambda item: item[0])
    )
    return Inventory(items, tuple(_alike(index)))


def _item(passages: Sequence[Passage], used: Collection[str], today: dt.date, stale_months: int) -> Item:
    first = passages[0]
    told: Counter[str] = Counter()
    for passage in passages:
        said = notice(passage, today, stale_months)
        if said:
            title = passage.headings[-1] if passage.until and passage.headings else ""
            told[f"{title} : {said}" if title else said] += 1
    return Item(
        document=first.document,
        kind=first.kind,
        passages=len(passages),
        client=first.client,
        confidential=first.client_alias is not None,
        date=first.date,
        notices=tuple(told),
        used=sum(passage.id in used for passage in passages),
    )


def _alike(index: Index) -> list[Alike]:
    found: list[Alike] = []
    held: dict[int, set[str]] = {}

    def words(position: int) -> set[str]:
        return held.setdefault(position, set(stems(index.passages[position].text)))

    for first, second in index.pairs(NEAR, NEIGHBOURS):
        one, other = index.passages[first], index.passages[second]
        if "dce" in (one.kind, other.kind) or one.document == other.document:
            continue
        share = len(words(first) & words(second)) / max(1, len(words(first) | words(second)))
        if share >= ALIKE:
            found.append(Alike(one, other, share))
    return sorted(found, key=lambda pair: (-pair.share, pair.first.id))
