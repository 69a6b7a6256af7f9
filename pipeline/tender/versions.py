"""Versions of a tender: what the buyer changed, what people corrected, and the two put together.

A value is known by its field and its key (a label, number, code, or its own words). Corrections are merged three ways,
against the reading they were made on: what a person changed stays theirs, what the buyer changed since is taken, and
where both changed the same value the person's is kept and the conflict told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple

from pipeline.french import fold
from pipeline.records import (
    Change,
    Conflict,
    Criterion,
    Deadline,
    Deliverable,
    Origin,
    PlanNode,
    Requirement,
    Tender,
)


class _Field(NamedTuple):
    """A field of Tender that is a list, how its values are known, and how one is shown."""

    name: str
    key: Callable[[Any], str]
    shown: Callable[[Any], str]
    told: bool = True
    """Whether its changes are told; lists derived from others are not."""


def compare(old: Tender, new: Tender) -> tuple[Change, ...]:
    """Changes from ``old`` to ``new``, field by field; the same tender read twice gives none."""
    return (*_values(old, new), *(change for field in _FIELDS if field.told for change in _items(field, old, new)))


def stale_sections(changes: Sequence[Change], plan: Sequence[PlanNode]) -> tuple[str, ...]:
    """Numbers of the sections whose own entry in the plan changed or is new, in plan order."""
    touched = {change.key for change in changes if change.field == "plan" and change.kind != "removed"}
    return tuple(node.name for node in plan if node.name in touched)


def merge(base: Tender, mine: Tender, theirs: Tender) -> tuple[Tender, tuple[Conflict, ...]]:
    """``theirs`` with the corrections that ``mine`` made to ``base``, and the values both changed differently."""
    merged: dict[str, Any] = {}
    conflicts: list[Conflict] = []
    for name in _SINGLE:
        old, own, new = (getattr(tender, name) for tender in (base, mine, theirs))
        merged[name] = new if own == old else own
        if own != old and new not in (old, own):
            conflicts.append(Conflict(field=name, key=name, kept=own, read=new))
    for field in _FIELDS:
        old, own, new = (_keyed(field, tender) for tender in (base, mine, theirs))
        kept: dict[str, Any] = {}
        for key in _in_order(own, new):
            was, here, now = old.get(key), own.get(key), new.get(key)
            value = now if here == was else here
            if value is not None:
                kept[key] = value
            if here != was and now not in (was, here):
                shown = (None if item is None else field.shown(item) for item in (here, now))
                conflicts.append(Conflict(field=field.name, key=key, kept=next(shown), read=next(shown)))
        merged[field.name] = tuple(kept.values())
    return theirs.model_copy(update=merged), tuple(conflicts)


def with_origins(tender: Tender, reading: Tender) -> Tender:
    """``tender`` saying which values a person gave: those that differ from the reading it was made from."""
    ours = [
        Origin(field=name, key=name, by="person") for name in _SINGLE if getattr(tender, name) != getattr(reading, name)
    ]
    for field in _FIELDS:
        read = _keyed(field, reading)
        ours += [
            Origin(field=field.name, key=key, by="person")
            for key, item in _keyed(field, tender).items()
            if read.get(key) != item
        ]
    mine = {(origin.field, origin.key) for origin in ours}
    kept = [origin for origin in reading.origins if (origin.field, origin.key) not in mine]
    return tender.model_copy(update={"origins": (*kept, *ours)})


def key_of(name: str, item: Any) -> str:
    """What a value of the field ``name`` is known by."""
    field = next((field for field in _FIELDS if field.name == name), None)
    return field.key(item) if field else name


def origin_of(tender: Tender, name: str, item: Any) -> str:
    """« rules », « model » or « person »: where a value of the field ``name`` comes from."""
    key = key_of(name, item)
    return next((origin.by for origin in tender.origins if (origin.field, origin.key) == (name, key)), "rules")


def _in_order(own: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The person's order, where what the buyer added stands after what it follows in the buyer's."""
    order = list(own)
    previous = None
    for key in new:
        if key not in own:
            order.insert(order.index(previous) + 1 if previous is not None else 0, key)
        previous = key
    return order


def _values(old: Tender, new: Tender) -> Iterator[Change]:
    for name in _SINGLE:
        before, after = getattr(old, name), getattr(new, name)
        if (before or "") != (after or ""):
            yield Change(field=name, kind="changed", key=name, before=before, after=after)


def _items(field: _Field, old: Tender, new: Tender) -> Iterator[Change]:
    before, after = _keyed(field, old), _keyed(field, new)
    for key, item in before.items():
        if key not in after:
            yield Change(field=field.name, kind="removed", key=key, before=field.shown(item), after=None)
    for key, item in after.items():
        text = field.shown(item)
        if key not in before:
            yield Change(field=field.name, kind="added", key=key, before=None, after=text)
        elif field.shown(before[key]) != text:
            yield Change(field=field.name, kind="changed", key=key, before=field.shown(before[key]), after=text)


def _keyed(field: _Field, tender: Tender) -> dict[str, Any]:
    """The field's values by key; the second of a key is « key#2 » (one list of criteria a lot repeats its labels)."""
    found: dict[str, Any] = {}
    for item in getattr(tender, field.name):
        key = field.key(item)
        names = (key if number == 1 else f"{key}#{number}" for number in count(1))
        found[next(name for name in names if name not in found)] = item
    return found


def _criterion(criterion: Criterion) -> str:
    weight = "sans poids" if criterion.weight is None else f"{criterion.weight:g} {criterion.unit or ''}".strip()
    parts = "".join(f" ; {_criterion(child)}" for child in criterion.subcriteria)
    return f"{criterion.label} : {weight}{parts}"


def _node(node: PlanNode) -> str:
    parts = [text for part in node.parts for text in (part.title, *part.points)]
    return " ; ".join([node.heading, *node.points, *parts, node.expected or "", node.evidence or ""])


def _deliverable(deliverable: Deliverable) -> str:
    return " ; ".join([f"{deliverable.code} {deliverable.title}", *deliverable.points])


def _deadline(deadline: Deadline) -> str:
    return f"{deadline.label} : {deadline.date}"


def _requirement_key(requirement: Requirement) -> str:
    """A buyer's own number names a requirement; one numbered by its place is named by its words."""
    own = requirement.id[:1] != "E" or "-" in requirement.id
    return requirement.id if own else fold(requirement.text)


def _requirement(requirement: Requirement) -> str:
    return f"{requirement.text}{'' if requirement.mandatory else ' (facultatif)'}"


_SINGLE = ("object", "buyer", "reference")
_FIELDS = (
    _Field("criteria", lambda c: fold(c.label), _criterion),
    _Field("selection_criteria", lambda c: fold(c.label), _criterion),
    _Field("plan", lambda n: n.name or fold(n.title), _node),
    _Field("plan_rules", fold, str),
    _Field("distinctions", fold, str),
    _Field("deliverables", lambda d: d.code, _deliverable),
    _Field("requirements", _requirement_key, _requirement),
    _Field("deadlines", lambda d: fold(d.label), _deadline),
    _Field("pieces", fold, str),
    _Field("format_rules", fold, str),
    _Field("conditions", lambda c: f"{c.topic} {fold(c.text)}", lambda c: c.text),
    _Field("documents", lambda d: d.name, lambda d: f"{d.name} : {d.piece}"),
    _Field("links", lambda x: f"{x.kind} {x.source}", lambda x: f"{x.source} → {x.target or 'aucun'}", told=False),
    _Field("inconsistencies", lambda i: fold(i.message), lambda i: i.message, told=False),
)
