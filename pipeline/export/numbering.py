"""The buyer's numbers -> one multilevel list of Word, bound to the heading styles (ECMA-376 part 1, §17.9).

A list is used only where counting gives back every number the buyer printed; a plan that skips or repeats one is typed
as it stands, since the buyer's numbers are imposed and Word's would differ.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from docx.document import Document as WordDocument
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx_plus.numbering import MAX_LEVELS, LevelDefinition, define_list_definition

from pipeline.french import fold_spaces
from pipeline.records import PlanNode

ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV", "XV", "XVI", "XVII")
"""Chapters counted in Roman numbers; more than that many are typed."""
_COMPONENT = re.compile(r"\d+|[A-Za-z]+")


@dataclass(frozen=True)
class Level:
    """How the headings of one level are numbered."""

    format: str
    """ECMA-376 ``ST_NumberFormat``."""
    text: str
    """``w:lvlText``: « CHAPITRE %1 – », « %1.%2 »."""
    start: int


def levels_of(plan: Sequence[PlanNode]) -> tuple[Level, ...] | None:
    """One level a depth of the plan, outermost first; ``None`` where counting would not give the buyer's numbers.
    Headings without a number are passed over and do not count."""
    depths = max((node.level for node in plan), default=0)
    if not plan or depths > MAX_LEVELS:
        return None
    found = [_candidates(plan, level) for level in range(1, depths + 1)]
    return next((levels for levels in itertools.product(*found) if labels(plan, levels) == _printed(plan)), None)


def labels(plan: Sequence[PlanNode], levels: Sequence[Level]) -> list[str]:
    """The number Word would print before each heading; empty for one that the buyer does not number."""
    counters: dict[int, int] = {}
    made = []
    for node in plan:
        if not node.prefix:
            made.append("")
            continue
        level = levels[node.level - 1]
        counters[node.level] = counters.get(node.level, level.start - 1) + 1
        for deeper in [depth for depth in counters if depth > node.level]:
            del counters[deeper]

        def shown(match: re.Match[str]) -> str:
            depth = int(match[1])
            of = levels[depth - 1]
            return _formatted(counters.get(depth, of.start), of.format)

        made.append(fold_spaces(re.sub(r"%(\d)", shown, level.text)))
    return made


def bind(document: WordDocument, levels: Sequence[Level]) -> None:
    """Number the heading styles by a new list of the document."""
    definitions = [
        LevelDefinition(fmt=level.format, text=level.text, start=level.start, suffix="space") for level in levels
    ]
    number = define_list_definition(document, levels=definitions, multi_level_type="multilevel")
    root = document.part.numbering_part.element
    instance = next(item for item in root.findall(qn("w:num")) if item.get(qn("w:numId")) == str(number))
    identifier = instance.find(qn("w:abstractNumId")).get(qn("w:val"))
    abstract = next(a for a in root.findall(qn("w:abstractNum")) if a.get(qn("w:abstractNumId")) == identifier)
    for depth, level in enumerate(abstract.findall(qn("w:lvl")), start=1):
        style = document.styles[f"Heading {depth}"]
        named = OxmlElement("w:pStyle")
        named.set(qn("w:val"), style.style_id)
        level.find(qn("w:numFmt")).addnext(named)
        properties = style.element.get_or_add_pPr().get_or_add_numPr()
        properties.get_or_add_ilvl().val = depth - 1
        properties.get_or_add_numId().val = number


def _printed(plan: Sequence[PlanNode]) -> list[str]:
    return [fold_spaces(node.prefix) for node in plan]


def _candidates(plan: Sequence[PlanNode], depth: int) -> list[Level]:
    """The ways the first numbered heading of a depth may be counted."""
    first = next((node for node in plan if node.level == depth and node.prefix), None)
    if first is None:
        return [Level("none", "", 1)]
    prefix = fold_spaces(first.prefix)
    at = prefix.rfind(first.number) if first.number else -1
    before, number, after = (
        (prefix[:at], first.number, prefix[at + len(first.number) :]) if at >= 0 else ("", prefix, "")
    )
    parts = list(_COMPONENT.finditer(number))
    found = []
    for used in range(1, min(len(parts), depth) + 1):
        start, cut = number[: parts[-used].start()], parts[-used].start()
        text = number[cut:]
        shift = 0
        for n, part in enumerate(parts[-used:]):
            mark = f"%{depth - used + 1 + n}"
            begin, end = part.start() - cut + shift, part.end() - cut + shift
            text = text[:begin] + mark + text[end:]
            shift += len(mark) - (part.end() - part.start())
        found += [Level(how, f"{before}{start}{text}{after}", value) for how, value in _counted(parts[-1].group())]
    return found[::-1]


def _counted(text: str) -> list[tuple[str, int]]:
    """(format, value) of a counter as written."""
    if text.isdigit():
        return [("decimalZero" if len(text) == 2 and text.startswith("0") else "decimal", int(text))]
    upper = "upper" if text.isupper() else "lower"
    found = [(f"{upper}Roman", ROMAN.index(text.upper()) + 1)] if text.upper() in ROMAN else []
    return [*found, *([(f"{upper}Letter", ord(text.upper()) - ord("A") + 1)] if len(text) == 1 else [])]


def _formatted(value: int, how: str) -> str:
    if how.endswith("Letter"):
        text = chr(ord("A") + value - 1) if value <= 26 else ""
    elif how.endswith("Roman"):
        text = ROMAN[value - 1] if value <= len(ROMAN) else ""
    else:
        return f"{value:02d}" if how == "decimalZero" else str(value)
    return text if how.startswith("upper") else text.lower()
