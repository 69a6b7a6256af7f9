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

_VALUE = (
    r"(?P<value>\d{1,3}(?:[.,]\d{1,2})?)\s*(?P<unit>%|points?\b|pts\b)?(?:\s*(?:sur|"
    r"/)\s*(?P<out>\d{1,3})\b(?:\s*points?)?)?"
)
_CELL = re.compile(rf"^\s*(?:pond[ée]ration\s*:?\s*)?{_VALUE}\s*(?P<of_which>dont)?\s*[.:]?\s*$", re.IGNORECASE)
_BARE = re.compile(
    r"^(?P<value>\d{1,3}(?:[.,]\d{1,2})?)\s*(?P<unit>%|points?|pts)(?P<of_which>\s*dont)?$", re.IGNORECASE
)
_LINE = re.compile(
    r"^(?P<label>.{2,}?)[\s:–—\-(,.]+"
    r"(?P<words>(?:(?:pond[ée]r(?:ation|[ée]e?s?)|coefficient|coeff?\.?|not[ée]e?s?|poids|sur|de|à|:|=)\s*)*)"
    rf"{_VALUE}\s*\)?"
    r"(?P<tail>\s*[,;:]?\s*(?:(?P<of_which>dont|d[ée]compos|r[ée]parti|ainsi"
    r"|appr[ée]ci|jug[ée]|not[ée]|selon|au regard)[^.]{0,160})?)[.:;,]?$",
    re.IGNORECASE,
)
_COLUMN = re.compile(r"(?:criteres?|ponderation|coefficients?|points|libelles?|total|poids|bareme)\b.{0,20}$")
"""A line that is the header of a flattened table's column."""
_LEADING = re.compile(
    r"^(?P<value>\d{1,3}(?:,\d{1,2})?)\s*(?P<unit>%|points?)(?P<of_which>)\s*[:–—\-]\s*(?P<label>[^\d].{2,200})$",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"\b(?:crit[èe]re|celui)\s+(?:du|de la|de l['’]|des|«)\s?(?P<label>[^.;,:%»]{3,60}?)\s*»?"
    r"\s+(?:est |sera )?(?:affect|pond[ée]r|d['’]une"
    r"|compte|repr[ée]sente)[^.;%]{0,60}?(?P<value>\d{1,3})\s*(?P<unit>%|points?)(?P<of_which>)"
)
_LEADERED = re.compile(
    r"^(?P<label>[^\d].{2,}?)\s*(?:\.{3,}|…+|\t)\s*(?P<value>\d{1,3}(?:,\d{1,2})?)(?P<unit>)(?P<of_which>)$"
)
"""A label led by dots to a bare figure: a weight where the lines around speak of points or coefficients."""
_SAYS_WEIGHT = re.compile(r"pond|coef|not[ée]e? |not[ée]e?s? sur|poids", re.IGNORECASE)
_PROSE = re.compile(
    r"\b(?:[Ll][ae]s?|[Ll]['’]|[Uu]n|[Cc]e)\s?(?P<label>[^.;,:%]{3,90}?)(?:\s*,[^.;%]{0,140}?,)?\s+"
    r"(?:compte(?:nt|ra)?|repr[ée]sente(?:nt|ra)?|(?:est|sont|sera) (?:pond[ée]r|not[ée])\w*|"
    r"entre(?:nt)?|intervien\w+|p[èe]se(?:nt)?"
    r"|vaut|valent)\b[^.;%]{0,60}?(?P<value>\d{1,3}(?:,\d+)?)\s*(?P<unit>%|points?)(?P<of_which>)"
)
_REST = re.compile(
    r"\b[Ll]es (?P<value>\d{1,3})\s*(?P<unit>%|points?) restants?\s+\w+\s+(?:l[ae]s?\s|"
    r"l['’])?(?P<label>[^.;,]{3,90})(?P<of_which>)"
)
_ORDERED = re.compile(
    r"criteres?.{0,160}(?:ordre (?:decroissant|de priorite|d.importance|d.enonce)|hierarchis)|"
    r"ordre (?:decroissant|de priorite)"
)
_LABEL = re.compile(
    r"^(?:dont\s+|et\s+)?(?:(?:sous[\s\-]*)?crit[èe]re\s*(?:n\s?°\s*)?(?=[\dA-Z]))?"
    r"(?:[A-Z]{0,2}\d{1,2}(?:\.\d{1,2})+\s*[.):–—\-]*\s+|[A-Z]{0,2}\d{1,2}\s*[.):–—\-]+\s*|"
    r"[A-Z]\s?[.)]\s+|[IVX]+\s?[.)]\s+)"
    r"|^dont\s+|^crit[èe]re\s*:\s*|^crit[èe]res?\s+pond[ée]ration\s+(?=\S)",
    re.IGNORECASE,
)
_TOTAL = re.compile(r"^(?:les |chaque |la |une )?(?:offres?|notes?|candidats?|total)\b.{0,80}$")
"""What a line of this form weighs is the whole, not a criterion."""
_HEADER = re.compile(r"pond[ée]ration|coefficient|points|note\b|poids|bar[èe]me", re.IGNORECASE)
_SUB = re.compile(r"^(?:sous[\s\-]*crit[èe]re|[ée]l[ée]ment)\s*(?:n\s?°\s*)?[\d.]*\s*[:–—\-]?\s*", re.IGNORECASE)
_AWARD = re.compile(
    r"jugement des offres|attribution|classement des offres|offres? .{0,40}(?:jugee|evaluee|classee|"
    r"appreciee)|choix de l.(?:offre|attributaire)|valeur technique|mieux.disante|economiquement la plus avantageuse"
)
_SELECTION = re.compile(
    r"selection des candid|selection de la candid|examen des candidat|criteres? de selection|"
    r"jugement des candidatures|candidatures? (?:seront|sont) (?:examinee|classee|selectionnee)"
)


@dataclass
class _Entry:
    label: str
    note: str
    weight: float | None
    unit: Literal["%", "points"] | None
    page: int | None
    of_which: bool = False
    sub: bool = False
    last_page: int | None = None
    """The page its text ends on, where a page break cuts it."""


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
        return abs(total - 100) < 0.5 or abs(total - 20) < 0.05, len(run.entries)

    ranked = sorted((run for run in runs if run.tree), key=quality, reverse=True)
    return ranked[0].tree if ranked else ()


def _runs(blocks: Sequence[Block]) -> Iterator[_Run]:
    heading, recent, context = "", "", ""
    pending: list[_Entry] = []
    waiting: list[Block] = []
    since = 0

    def finish() -> Iterator[_Run]:
        if len(pending) >= 2:
            yield _with_tree(_Run(list(pending), context))
        pending.clear()

    for index, block in enumerate(blocks):
        if block.kind == "heading" and not (pending and _LINE.match(block.text)):
            yield from finish()
            heading, recent, waiting = fold(block.text), "", []
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
        found = _entries(block, waiting, context, first=not pending)
        if found:
            pending += found
            waiting, since = [], 0
        elif pending and since < 3 and len(block.text) < 400:
            waiting.append(block)
            since += 1
        else:
            yield from finish()
            waiting, since = [*waiting[-2:], block], 0
        if _ORDERED.search(fold(block.text)) and not pending:
            yield from _unweighted(blocks, index, f"{heading} {fold(block.text)}")
        recent = fold(f"{recent[-300:]} {block.text}")[-500:]
    yield from finish()


def _unweighted(blocks: Sequence[Block], index: int, context: str) -> Iterator[_Run]:
    """Criteria in decreasing order, without weights: the list that follows."""
    entries = []
    for block in blocks[index + 1 : index + 12]:
        numbered = re.match(r"^\d{1,2}\s*[.)\-–]\s+(?P<label>[A-ZÀ-Þ].*)$", block.text)
        if block.kind != "item" and not numbered:
            break
        text = numbered["label"] if numbered else block.text
        if _LINE.match(text) and re.search(r"%|points?\b", text):
            return
        entries.append(_Entry(_clean(text), "", None, None, block.page))
    if len(entries) >= 2:
        yield _with_tree(_Run(entries, context))


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
        if fold(label).strip(" :") in ("total", "total general"):
            continue
        page = block.row_pages[number] if block.row_pages else block.page
        entry = _entry(label, match, page, sub=bool(_SUB.match(label)))
        entry.last_page = block.row_ends[number] if block.row_ends else page
        entries.append(entry)
    return entries


def _entries(block: Block, waiting: Sequence[Block], context: str, *, first: bool) -> list[_Entry]:
    """What a block weighs: a line that ends with its weight, a bare weight that closes the lines before it, or the
    sentences of a paragraph on criteria."""
    text = fold_spaces(block.text)
    bare = _BARE.match(text)
    figure = re.fullmatch(r"(?P<value>\d{1,3}(?:,\d{1,2})?)(?P<unit>)(?P<of_which>)", text)
    if figure and waiting and (not first or any(_HEADER.search(block.text) for block in waiting)):
        bare = figure
    if bare:
        label = _waited(waiting, first)
        return [_entry(label, bare, waiting[-1].page, sub=False)] if label else []
    leading = _LEADING.match(text)
    if leading and ("critere" in context or _AWARD.search(context)):
        return [_entry(leading["label"], leading, block.page, sub=_is_sub(block))]
    match = _LINE.match(text)
    if match and re.search(r"[a-zé]\.\s+[A-ZÀ-Þ]|\d\s*%\s*,", match["label"]):
        match = None  # several sentences, or several weights, are prose
    if match and len(match["label"]) <= 600 and (match["unit"] or _SAYS_WEIGHT.search(match["words"])):
        # a label wrapped over several blocks goes on in lower case; anything else before it is another sentence
        goes_on = match["label"][:1].islower() and len(waiting) == 1 and not waiting[0].text.endswith((".", ";", ":"))
        if goes_on and block.kind != "item" and not match["label"].startswith("dont"):
            return [_entry(f"{waiting[0].text} {match['label']}", match, waiting[0].page, sub=False)]
        entry = _entry(match["label"], match, block.page, sub=_is_sub(block))
        return [entry] if entry.label and not _TOTAL.match(fold(entry.label)) else []
    if "critere" in context or _AWARD.search(context):
        return [
            _entry(found["label"], found, block.page, sub=False)
            for p in (_NAMED, _PROSE, _REST)
            for found in p.finditer(text)
        ]
    return []


def _waited(waiting: Sequence[Block], first: bool) -> str:
    """The label a bare weight closes: the lines since the last weight, headers of the table left out."""
    kept: list[str] = []
    for block in reversed(waiting):
        if (first and block.text.endswith((".", ":"))) or _COLUMN.match(fold(block.text)):
            break
        kept.insert(0, block.text)
    return " ".join(kept)


def _is_sub(block: Block) -> bool:
    """Whether a weighted line is written as part of another: « sous-critère », « dont », « 1.2 », a deeper bullet."""
    text = f"{block.marker} {block.text}".strip()
    return bool(_SUB.match(text) or re.match(r"^(?:dont\s|[A-Z]{0,2}\d{1,2}\.\d{1,2})", text)) or (
        block.kind == "item" and block.level > 1 and block.marker in "–-—−○"
    )


def _clean(text: str) -> str:
    return _LABEL.sub("", _SUB.sub("", fold_spaces(text))).strip(" :–—-(.;,")


def _entry(label: str, match: re.Match[str], page: int | None, *, sub: bool) -> _Entry:
    groups = match.groupdict()
    said = (groups["unit"] or "").lower()
    words = fold(groups.get("words") or "")
    unit: Literal["%", "points"] | None = "points" if said.startswith("p") or "not" in words else "%"
    if not said and "coef" in words:
        unit = None
    text = _SUB.sub("", fold_spaces(label))
    if not re.match(r"crit[èe]re de s[ée]lection", text, re.IGNORECASE):
        text = _LABEL.sub("", text)
    head, note = _split_note(re.sub(r"\s*\.{3,}\s*$", "", text).strip(" :–—-("))
    value = float(match["value"].replace(",", "."))
    return _Entry(head, note, value, unit, page, of_which=bool(groups.get("of_which")), sub=sub)


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
    if not hinted and _lots(entries):
        return [_criterion(entry) for entry in entries]
    total = sum(entry.weight or 0 for entry in entries)
    tree: list[Criterion] = []
    index = 0
    while index < len(entries):
        entry = entries[index]
        index += 1
        children: list[_Entry] = []
        if hinted and not entry.sub:
            # sub-criteria in another unit are « notés sur 100 » each list, and brought back to the parent's weight
            other = index < len(entries) and entries[index].unit != entry.unit
            room = 100.0 if other else entry.weight or 0
            while index < len(entries) and (
                entries[index].sub
                or (
                    entry.of_which
                    and not entries[index].of_which
                    and _total(children) + (entries[index].weight or 0) <= room + 0.01
                )
            ):
                children.append(entries[index])
                index += 1
        elif not hinted and total > 105:
            end = _children_end(entries, index, entry.weight or 0)
            children, index = list(entries[index:end]), end
        tree.append(_criterion(entry, _told_apart(children)))
    return tree


def _told_apart(children: Sequence[_Entry]) -> list[_Entry]:
    """Children that begin with the same words (« Définition : … ») are named by what follows."""
    same = len(children) > 1 and len({child.label for child in children}) == 1 and all(c.note for c in children)
    return (
        [replace(c, label=sentences(c.note)[-1], note=c.label, page=c.last_page or c.page) for c in children]
        if same
        else list(children)
    )


def _lots(entries: Sequence[_Entry]) -> bool:
    """Whether the entries are several whole lists of criteria, each of 100 (one a lot)."""
    total, groups = 0.0, 0
    for entry in entries:
        total += entry.weight or 0
        if abs(total - 100) < 0.01:
            total, groups = 0.0, groups + 1
        elif total > 100:
            return False
    return groups > 1 and total == 0


def _children_end(entries: Sequence[_Entry], start: int, weight: float) -> int:
    """Where the entries that add up to ``weight`` or to 100 end; ``start`` where none do."""
    total = 0.0
    for index in range(start, len(entries)):
        total += entries[index].weight or 0
        if index > start and total in (weight, 100.0):
            return index + 1
        if total > max(weight, 100.0):
            break
    return start


def _total(entries: Sequence[_Entry]) -> float:
    return sum(entry.weight or 0 for entry in entries)


def _criterion(entry: _Entry, children: Sequence[_Entry] = ()) -> Criterion:
    return Criterion(
        label=entry.label,
        weight=entry.weight,
        unit=entry.unit,
        page=entry.page,
        note=entry.note,
        subcriteria=tuple(_criterion(child) for child in children),
    )
