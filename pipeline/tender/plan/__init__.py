"""The imposed plan of the mémoire: chapters, sections, points, expected content and evidence.

Buyers give it as numbered titles, as a table or frame, as a list without numbers, or as requests scattered in the
technical clauses; each way has its module, and the reading that holds most is kept. A list without numbers counts only
where no titles do, scattered requests only where nothing else does. No reading: no plan, nothing is made up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.french import fold
from pipeline.records import Criterion, Document, PlanNode
from pipeline.tender.classify import piece
from pipeline.tender.links import is_price
from pipeline.tender.plan.listed import read_listed
from pipeline.tender.plan.nodes import Node, Plan, record, weight
from pipeline.tender.plan.scattered import read_scattered
from pipeline.tender.plan.tabled import read_tabled
from pipeline.tender.plan.titled import read_rules, read_titled

__all__ = ["Plan", "read_plan", "with_refs"]


def read_plan(documents: Sequence[Document], criteria: Sequence[Criterion] = ()) -> Plan:
    """The plan that the documents impose; the longest where several do. ``criteria``: those of the award, for a buyer
    who wants the mémoire to follow them."""
    numbered: tuple[int, Plan] = (0, Plan())
    listed: tuple[int, Plan] = (0, Plan())
    scattered: list[Node] = []
    for document in documents:
        blocks = [block for block in document.blocks if block.kind != "toc"]
        kind = piece(document)
        if kind in ("AE", "BPU", "DPGF", "DQE", "CCAP"):
            continue
        titled = read_titled(blocks, frame=kind == "CADRE")
        if titled and weight(titled.nodes) > numbered[0]:
            numbered = (weight(titled.nodes), _plan(titled.nodes, *read_rules(titled.lead)))
        nodes, lead = read_tabled(blocks, frame=kind == "CADRE")
        if weight(nodes) > numbered[0]:
            numbered = (weight(nodes), _plan(nodes, *read_rules(lead)))
        nodes, lead = read_listed(blocks)
        if weight(nodes) > listed[0]:
            listed = (weight(nodes), _plan(nodes, *read_rules(lead)))
        if kind in ("CCTP", "ANNEXE"):
            scattered += read_scattered(blocks)
    if numbered[0]:
        return numbered[1]
    reused = _from_criteria(documents, criteria)
    if len(reused) >= 2:
        return _plan(reused)
    return listed[1] if len(listed[1].nodes) >= len(scattered) else _plan(scattered)


def _from_criteria(documents: Sequence[Document], criteria: Sequence[Criterion]) -> list[Node]:
    """The technical criteria's parts, where a sentence says that the mémoire follows their order or their titles."""
    said = any(_FOLLOWS.search(fold(block.text)) for document in documents for block in document.blocks)
    nodes: list[Node] = []
    for criterion in criteria if said else ():
        if is_price(criterion):
            continue
        # a criterion without parts is answered as a whole where it has a number of its own, as they do
        for item in criterion.subcriteria or ((criterion,) if criterion.number else ()):
            node = Node(item.number, item.label, 1, item.number, item.page)
            node.tell(item.note)
            nodes.append(node)
    return nodes


_FOLLOWS = re.compile(
    r"\bmemoires?\b[^.]{0,120}\b(?:suit|suivra|suivant|reprend|respect|structur|selon|ordre|organis|articul|decompos)"
    r"[^.]{0,80}\bsous-criteres\b"
)


def with_refs(nodes: Sequence[PlanNode]) -> tuple[PlanNode, ...]:
    """The nodes, those whose number is absent or not unique with a reference: the parent's, then number or rank."""
    numbers = [node.number for node in nodes]
    parents: list[tuple[int, str, int]] = []
    found: list[PlanNode] = []
    top = 0
    for node in nodes:
        while parents and parents[-1][0] >= node.level:
            parents.pop()
        if parents:
            level, above, rank = parents[-1]
            parents[-1] = (level, above, rank + 1)
            own = f"{above}.{node.number or rank + 1}"
        else:
            top += 1
            own = node.number or str(top)
        ref = "" if node.number and numbers.count(node.number) == 1 else own
        found.append(node.model_copy(update={"ref": ref}))
        parents.append((node.level, ref or node.number, 0))
    return tuple(found)


def _plan(nodes: Sequence[Node], rules: tuple[str, ...] = (), distinctions: tuple[str, ...] = ()) -> Plan:
    return Plan(with_refs([record(node) for node in nodes]), rules, distinctions)
