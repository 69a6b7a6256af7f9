"""A plan given as a table, or a frame of answers in a table, a workbook or a Word form: one title a row.

The header says which column holds the number, the title, what is asked and the evidence; the column the candidate is to
fill is empty. A row with one cell only is the title of the rows under it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.french import fold, fold_spaces
from pipeline.records import Block
from pipeline.tender.plan.nodes import ANCHOR, Node, item_text, ordinals, read_title

_TITLE = re.compile(
    r"^(?:chapitres?|parties?|themes?|rubriques?|titres?|intitules?|items?|sous[ -]?criteres?|criteres?|sujets?"
    r"|questions?|sections?|points?|domaines?|volets?|sous[ -]?(?:parties|chapitres|themes|rubriques?))\b"
)
_ASKED = re.compile(
    r"contenu|attend|element|decri|precision|detail|exigence|a fournir|a developper|a traiter|informations?|demande"
    r"|question|points? (?:a|abordes)|developpement"
)
_EVIDENCE = re.compile(r"justificati|preuve|piece|document|annexe|a joindre")
_ANSWER = re.compile(
    r"reponse|candidat|soumissionnaire|observations?|commentaires?|conform|pages?|nombre|renvoi|reference"
)
_WEIGHT = re.compile(r"ponderation|coefficient|points?$|note|bareme|poids|%|euros?|prix|montant|quantite|unite|delai")
_NUMBER = re.compile(r"^(?:n ?°|num|repere|ref|id)\b|^n$")
_CODE = re.compile(
    r"^(?:[A-Z]{0,2}\.?\d{1,2}(?:\.\d{1,2})*|[A-Z](?:\.\d{1,2})*|[IVX]{1,5}(?:\.\d{1,2})*|[a-z])\s?[.)]?$"
)
_RUN_IN = re.compile(
    r"^(?:(?:chapitre|partie|volet|th[èe]me|rubrique|section|titre)\s+)?(?P<number>[IVX]{1,5}(?:\.\d{1,2})+|[A-Z](?:\.\d{1,2})+"
    r"|\d{1,2}(?:\.\d{1,2})*|[IVX]{1,5}|[A-Z])(?P<sep>\s*[.)–—:\-]+\s*|\s+)(?P<title>\S.*)$",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^\s*(?:[•●▪■➢→*]\s*|[–—\-]\s+|o\s+(?=\w))")
_NOTHING = re.compile(r"^(?:neant|sans objet|-|–|/|aucun\w*|non|x)?$")
REACH = 4
"""Blocks between what announces the plan and its table."""
LEAST_ROWS = 3
TITLE_CHARS = 200


@dataclass
class _Columns:
    number: int = -1
    titles: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    evidence: list[int] = field(default_factory=list)
    answers: int = 0
    """Columns to be filled: empty under their header."""


def read_tabled(blocks: Sequence[Block], *, frame: bool) -> tuple[list[Node], list[Block]]:
    """``(nodes, what introduces them)`` of the tables that are a plan; ``frame`` where the whole document is one."""
    nodes: list[Node] = []
    lead: list[Block] = []
    for index, block in enumerate(blocks):
        if block.kind != "table" or len(block.rows) < 2:
            continue
        columns = _columns(block.rows)
        if columns is None:
            continue
        near = blocks[max(0, index - REACH) : index]
        announced = any(ANCHOR.search(fold(b.text)) for b in near if b.kind != "table" and len(b.text) < 600)
        if not (frame or announced) or not (columns.asked or columns.answers or columns.evidence):
            continue
        found = _rows(block, columns)
        if len(found) >= LEAST_ROWS or (nodes and found):
            nodes += found
            lead = lead or list(near)
    return nodes, lead


def read_rows(block: Block) -> list[Node]:
    """The nodes of one table, empty where it is none of a plan."""
    columns = _columns(block.rows) if len(block.rows) > 1 else None
    if columns and (columns.asked or columns.answers or columns.evidence):
        return _rows(block, columns)
    return _boxes(block)


def _boxes(block: Block) -> list[Node]:
    """The titles of a frame drawn as boxes: rows of one cell that begins with a number."""
    nodes: list[Node] = []
    for row in block.rows:
        filled = _filled(row)
        first, *told = _lines(filled[0]) if len(filled) == 1 else [""]
        code, prefix, title = _numbered(first)
        if code and prefix:
            nodes.append(Node(code, title, _depth(code), prefix, block.page))
            nodes[-1].tell(" ".join(told))
    return nodes if len(nodes) > 1 else []


def _columns(rows: Sequence[Sequence[str]]) -> _Columns | None:
    header, body = [fold(cell) for cell in rows[0]], rows[1:]
    found = _Columns()
    if any(_WEIGHT.search(name) for name in header) and not any(_ASKED.search(name) for name in header):
        return None
    for j, name in enumerate(header):
        cells = [row[j].strip() for row in body if row[j].strip()]
        if not name and not cells:
            continue
        coded = bool(cells) and sum(bool(_CODE.match(cell)) for cell in cells) * 2 >= len(cells)
        lone = all(_CODE.match(row[j].strip()) or len(_filled(row)) == 1 for row in body if row[j].strip())
        if found.number < 0 and coded and (_NUMBER.search(name) or lone):
            found.number = j
            continue
        if not cells:
            found.answers += 1
        elif _EVIDENCE.search(name) and (found.titles or found.asked) and not _TITLE.match(name):
            found.evidence.append(j)
        elif _TITLE.match(name) and not (found.titles and (_ASKED.search(name) or found.asked)):
            found.titles.append(j)
        elif _ASKED.search(name) and (found.titles or j):
            found.asked.append(j)
        elif _ANSWER.search(name) or _WEIGHT.search(name):
            continue
        elif not found.titles and not _ASKED.search(name):
            found.titles.append(j)
    if not found.titles and found.asked:  # a number and what is asked: the question is the title
        found.titles.append(found.asked.pop(0))
    known = any(_TITLE.match(name) or _ASKED.search(name) or _ANSWER.search(name) for name in header)
    return found if found.titles and known else None


def _filled(row: Sequence[str]) -> list[str]:
    return [cell for cell in row if cell.strip()]


def _rows(block: Block, columns: _Columns) -> list[Node]:
    nodes: list[Node] = []
    under = 0
    for number in range(1, len(block.rows)):
        row = block.rows[number]
        page = block.row_pages[number] if block.row_pages else block.page
        filled = _filled(row)
        if not filled or fold(filled[0]).startswith("total"):
            continue
        if len(filled) == 1:
            first, *told = _lines(filled[0])
            code, prefix, title = _numbered(first)
            nodes.append(Node(code, title, _depth(code), prefix, page))
            nodes[-1].tell(" ".join(told))
            under = 1
            continue
        code = row[columns.number].strip().rstrip(".)") if columns.number >= 0 else ""
        for depth, column in enumerate(columns.titles):
            asked = [_lines(row[j]) for j in columns.asked] if column == columns.titles[-1] else []
            titles = _titles(row[column])
            for at, text in enumerate(titles):
                own, prefix, title = (code, code, text) if code else _numbered(text)
                level = max(1 + under, _depth(own)) + depth if under or not depth else 1 + depth
                level = _depth(own) if own and _depth(own) > 1 else level
                node = Node(own, item_text(title), level, prefix, page)
                for lines in asked:
                    _ask(node, [lines[at]] if len(titles) > 1 and len(lines) == len(titles) else lines)
                for j in columns.evidence:
                    text = fold_spaces(row[j])
                    if not _NOTHING.match(fold(text)):
                        node.evidence.append(text)
                nodes.append(node)
    return nodes


def _titles(cell: str) -> list[str]:
    """The titles of a cell: several where each line of it has a number of its own."""
    lines = [line for line in cell.split("\n") if line.strip()]
    if len(lines) > 1 and all(_RUN_IN.match(line) and re.match(r"^\W*\w{1,4}[.)]", line) for line in lines):
        return [fold_spaces(line) for line in lines]
    return [fold_spaces(cell)] if lines else []


def _numbered(text: str) -> tuple[str, str, str]:
    """``(number, what is printed before the title, title)``."""
    text = re.sub(r"\s*\(\s*\d+(?:[.,]\d+)?\s*(?:%|points?|pts)\s*\)$", "", fold_spaces(text))
    title = read_title(Block(kind="heading", text=text))
    match = _RUN_IN.match(text)
    if match and match["title"][:1].isalpha() and (match["sep"].strip() or match["title"][:1].isupper()):
        return match["number"], text[: match.start("title")].strip(), match["title"]
    return (title.number, title.prefix, title.title) if title else ("", "", text)


def _depth(number: str) -> int:
    return number.count(".") + 1 if number and ordinals(number) else 1


def _lines(cell: str) -> list[str]:
    return [line for line in cell.split("\n") if line.strip()]


def _ask(node: Node, lines: Sequence[str]) -> None:
    """What a cell asks: the items of a list are points, a sentence is what is expected."""
    for line in lines:
        text = fold_spaces(_BULLET.sub("", line))
        if _BULLET.match(line) or len(lines) > 1:
            before, dot, after = text.rstrip(" ;,.").partition(". ")
            node.points.append(item_text(before if dot else text))
            if dot:
                node.tell(after + ".")
        elif not _NOTHING.match(fold(text)):
            node.tell(text)
