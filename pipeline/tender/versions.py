"""A new version of the tender: what was added, removed, changed, and which sections of the answer are stale."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from pipeline.french import fold
from pipeline.records import Change, Criterion, Deadline, Deliverable, PlanNode, Requirement, Tender

T = TypeVar("T")


def compare(old: Tender, new: Tender) -> tuple[Change, ...]:
    """Changes from ``old`` to ``new``, field by field; the same tender read twice gives none."""
    return (
        *_values(old, new),
        *_items("criterion", old.criteria, new.criteria, lambda c: fold(c.label), _criterion),
        *_items("plan", old.plan, new.plan, lambda n: n.number, _node),
        *_items("deliverable", old.deliverables, new.deliverables, lambda d: d.code, _deliverable),
        *_items("deadline", old.deadlines, new.deadlines, lambda d: fold(d.label), _deadline),
        *_items("requirement", old.requirements, new.requirements, _requirement_key, _requirement),
        *_items("piece", old.pieces, new.pieces, fold, str),
        *_items("form", old.format_rules, new.format_rules, fold, str),
    )


def stale_sections(changes: Sequence[Change], plan: Sequence[PlanNode]) -> tuple[str, ...]:
    """Numbers of the sections whose own entry in the plan changed or is new, in plan order."""
    touched = {change.key for change in changes if change.field == "plan" and change.kind != "removed"}
    return tuple(node.number for node in plan if node.number in touched)


def _values(old: Tender, new: Tender) -> Iterator[Change]:
    for field in ("object", "buyer", "reference"):
        before, after = getattr(old, field), getattr(new, field)
        if (before or "") != (after or ""):
            yield Change(field=field, kind="changed", key=field, before=before, after=after)


def _items(
    field: str, old: Sequence[T], new: Sequence[T], key: Callable[[T], str], shown: Callable[[T], str]
) -> Iterator[Change]:
    before = {key(item): shown(item) for item in old}
    after = {key(item): shown(item) for item in new}
    for name in before.keys() - after.keys():
        yield Change(field=field, kind="removed", key=name, before=before[name], after=None)
    for name, text in after.items():
        if name not in before:
            yield Change(field=field, kind="added", key=name, before=None, after=text)
        elif before[name] != text:
            yield Change(field=field, kind="changed", key=name, before=before[name], after=text)


def _criterion(criterion: Criterion) -> str:
    weight = "sans poids" if criterion.weight is None else f"{criterion.weight:g} {criterion.unit or ''}".strip()
    parts = "".join(f" ; {child.label} : {child.weight}" for child in criterion.subcriteria)
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
