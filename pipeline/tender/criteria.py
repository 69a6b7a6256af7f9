"""Award and selection criteria with their weights, from tables and from lists.

Entries are gathered in runs (a table, or weighted lines close to each other), nested where the buyer says so
(« dont », « sous-critère ») or where the sums do, and told apart by the heading and the sentence that introduce them:
selection criteria choose candidates (R. 2142-1 s. CCP), award criteria choose the offer (L. 2152-7, R. 2152-7 CCP).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pipeline.french import fold, fold_spaces, sentences
from pipeline.records import Block, Criterion, Document

_WEIGHT = re.compile(
    r"(?P<value>\d{1,3}(?:[.,]\d{1,2})?)\s*(?:/\s*(?P<out>\d{2,3}))?\s*(?P<unit>%|points?\b|pts\b)?",
    re.IGNORECASE,
)
_CELL = re.compile(
    rf"^\s*(?:pond[ée]ration\s*:?\s*)?{_WEIGHT.pattern}\s*(?P<of_which>dont)?\s*[.:]?\s*$", re.IGNORECASE
)
_LINE = re.compile(
    r"^(?P<label>.{3,}?)\s*(?:[:–—\-(]|\.{3,}|\s)\s*(?:pond[ée]r[ée]e?\s+[àa]\s+|sur\s+)?"
    r"(?P<value>\d{1,3}(?:[.,]\d{1,2})?)\s*(?P<unit>%|points?\b|pts\b)\s*(?P<of_which>dont)?\)?\s*[.;,]?$",
    re.IGNORECASE,
)
_HEADER = re.compile(r"pond[ée]ration|coefficient|points|note\b|poids|bar[èe]me", re.IGNORECASE)
_SUB = re.compile(r"^(?:sous[\s\-]*crit[èe]re|[ée]l[ée]ment)\s*(?:n\s?°\s*)?[\d.]*\s*[:–—\-]?\s*", re.IGNORECASE)
_AWARD = re.compile(
    r"jugement des offres|attribution|classement des offres|offres? .{0,40}(?:jugee|evaluee|classee|"
    r"appreciee)|choix de l.offre|valeur technique|mieux.disante|economiquement la plus avantageuse"
)
_SELECTION = re.compile(
    r"selection des candid|selection de la candid|examen des candidat|criteres? de selection|"
    r"jugement des candidatures|candidatures? (?:seront|sont) (?:examinee|classee|selectionnee)"
)


@dataclass
class _Entry:
    label: str
    note: str
    weight: float
    unit: Literal["%", "points"]
    page: int | None
    of_which: bool = False
    sub: bool = False


@dataclass
class _Run:
    entries: list[_Entry]
    context: str
    tree: tuple[Criterion, ...] = field(default=())


def read_criteria(documents: Sequence[Document]) -> tuple[tuple[Criterion, ...], tuple[Criterion, ...]]:
    """``(award criteria, selection criteria)``, each empty where no document weighs any."""
    award: list[_Run] = []
    selection: list[_Run] = []
    for document in documents:
        for run in _runs([block for block in document.blocks if block.kind != "toc"]):
            if _SELECTION.search(run.context) and not _AWARD.search(run.context):
                selection.append(run)
            elif _AWARD.search(run.context) or "critere" in run.context:
                award.append(run)
    return _best(award), _best(selection)


def _best(runs: Sequence[_Run]) -> tuple[Criterion, ...]:
    """The run whose top level comes nearest to 100, then the longest."""

    def quality(run: _Run) -> tuple[bool, int]:
        total = sum(criterion.weight or 0 for criterion in run.tree)
        return abs(total - 100) < 0.5, len(run.entries)

    ranked = sorted((run for run in runs if run.tree), key=quality, reverse=True)
    return ranked[0].tree if ranked else ()


def _runs(blocks: Sequence[Block]) -> Iterator[_Run]:
    heading, recent = "", ""
    pending: list[_Entry] = []
    waiting: list[Block] = []

    def finish() -> Iterator[_Run]:
        if len(pending) >= 2:
            yield _with_tree(_Run(list(pending), context))
        pending.clear()
        waiting.clear()

    context = ""
    for index, block in enumerate(blocks):
        if block.kind == "heading":
            yield from finish()
            heading, recent = fold(block.text), ""
            continue
        if block.kind == "table":
            yield from finish()
            entries = _table_entries(block)
            if index and blocks[index - 1].kind == "table" and entries and _same_table(blocks[index - 1], block):
                continue
            entries += _continuation(blocks, index)
            if len(entries) >= 2:
                yield _with_tree(_Run(entries, f"{heading} {recent} {fold(block.text[:200])}"))
            continue
        if not pending:
            context = f"{heading} {recent}"
        entry = _line_entry(block, waiting)
        if entry is not None:
            pending.append(entry)
            waiting.clear()
        elif pending and len(waiting) < 4:
            waiting.append(block)
        else:
            yield from finish()
            waiting = [*waiting[-2:], block] if re.fullmatch(r"crit[èe]res?\b.*", block.text, re.IGNORECASE) else []
            if "critere" in fold(block.text) and _HEADER.search(block.text) and len(block.text) < 60:
                waiting = []
        recent = fold(f"{recent[-300:]} {block.text}")[-500:]
    yield from finish()


def _same_table(left: Block, right: Block) -> bool:
    return bool(_table_entries(left)) and len(left.rows[0]) == len(right.rows[0])


def _continuation(blocks: Sequence[Block], index: int) -> list[_Entry]:
    """Entries of the tables that directly follow: a table the page cut in two."""
    found: list[_Entry] = []
    while (
        index + 1 < len(blocks) and blocks[index + 1].kind == "table" and _same_table(blocks[index], blocks[index + 1])
    ):
        index += 1
        found += _table_entries(blocks[index])
    return found


def _table_entries(block: Block) -> list[_Entry]:
    """One entry a row whose last weight-like cell weighs the row's text."""
    rows = block.rows
    if not rows:
        return []
    header = fold(" ".join(rows[0]))
    named = bool(_HEADER.search(" ".join(rows[0]))) or "critere" in header
    entries: list[_Entry] = []
    for number, row in enumerate(rows):
        weights = [(i, match) for i, cell in enumerate(row) if cell and (match := _CELL.match(cell))]
        labels = [cell for i, cell in enumerate(row) if cell and not _CELL.match(cell)]
        if not weights or not labels:
            continue
        position, match = weights[0]
        if not match["unit"] and not named:
            continue
        label = max(labels[:2], key=len) if position else labels[0]
        page = block.row_pages[number] if block.row_pages else block.page
        entries.append(_entry(label, match, page, sub=bool(_SUB.match(label))))
    return entries


def _line_entry(block: Block, waiting: Sequence[Block]) -> _Entry | None:
    """A line that ends with its weight, or a bare weight that closes the lines before it."""
    text = fold_spaces(block.text)
    bare = re.fullmatch(r"(?P<value>\d{1,3}(?:[.,]\d{1,2})?)\s*(?P<unit>%)(?P<of_which>\s*dont)?", text)
    if bare and waiting:
        return _entry(" ".join(item.text for item in waiting), bare, waiting[0].page, sub=False)
    match = _LINE.match(text)
    if not match or len(match["label"]) > 600:
        return None
    # a label wrapped over several blocks goes on in lower case; anything else before it is another sentence
    goes_on = match["label"][:1].islower() and len(waiting) == 1 and not waiting[0].text.endswith((".", ";", ":"))
    label = f"{waiting[0].text} {match['label']}" if goes_on else match["label"]
    return _entry(label, match, block.page, sub=bool(_SUB.match(match["label"])))


def _entry(label: str, match: re.Match[str], page: int | None, *, sub: bool) -> _Entry:
    unit: Literal["%", "points"] = "points" if (match["unit"] or "").lower().startswith("p") else "%"
    text = _SUB.sub("", fold_spaces(label)).strip(" :–—-")
    head, note = _split_note(text)
    return _Entry(
        head,
        note,
        float(match["value"].replace(",", ".")),
        unit,
        page,
        of_which=bool(match["of_which"]),
        sub=sub,
    )


def _split_note(text: str) -> tuple[str, str]:
    """The name of the criterion, and what the buyer adds after it on how it is appreciated."""
    for pattern in (
        r"(?<=[\w’»)][\w’»)])\.\s+(?=[A-ZÀ-Þ])",
        r"\s*:\s+(?=(?:Définition|Ce (?:sous-)?crit|Appréci))",
    ):
        match = re.search(pattern, text)
        if match and match.start() >= 3:
            end = match.start() + (1 if text[match.start()] == "." else 0)
            return text[:end].strip(), text[match.end() :].strip()
    return text, ""


def _with_tree(run: _Run) -> _Run:
    run.tree = tuple(_nest(run.entries))
    return run


def _nest(entries: Sequence[_Entry]) -> list[Criterion]:
    """Children under their parents: said by « dont » or « sous-critère », else by sums (of the parent or of 100)."""
    hinted = any(entry.of_which or entry.sub for entry in entries)
    total = sum(entry.weight for entry in entries)
    tree: list[Criterion] = []
    index = 0
    while index < len(entries):
        entry = entries[index]
        index += 1
        children: list[_Entry] = []
        if hinted and not entry.sub:
            room = entry.weight
            while index < len(entries) and (
                entries[index].sub
                or (
                    entry.of_which
                    and not entries[index].of_which
                    and _total(children) + entries[index].weight <= room + 0.01
                )
            ):
                children.append(entries[index])
                index += 1
        elif not hinted and total > 105:
            end = _children_end(entries, index, entry.weight)
            children, index = list(entries[index:end]), end
        tree.append(_criterion(entry, _told_apart(children)))
    return tree


def _told_apart(children: Sequence[_Entry]) -> list[_Entry]:
    """Children that begin with the same words (« Définition : … ») are named by what follows."""
    same = len(children) > 1 and len({child.label for child in children}) == 1 and all(c.note for c in children)
    return [replace(c, label=sentences(c.note)[-1], note=c.label) for c in children] if same else list(children)


def _children_end(entries: Sequence[_Entry], start: int, weight: float) -> int:
    """Where the entries that add up to ``weight`` or to 100 end; ``start`` where none do."""
    total = 0.0
    for index in range(start, len(entries)):
        total += entries[index].weight
        if index > start and total in (weight, 100.0):
            return index + 1
        if total > max(weight, 100.0):
            break
    return start


def _total(entries: Sequence[_Entry]) -> float:
    return sum(entry.weight for entry in entries)


def _criterion(entry: _Entry, children: Sequence[_Entry] = ()) -> Criterion:
    return Criterion(
        label=entry.label,
        weight=entry.weight,
        unit=entry.unit,
        page=entry.page,
        note=entry.note,
        subcriteria=tuple(_criterion(child) for child in children),
    )
