"""Award and selection criteria with their weights, in whatever form the buyer gives them.

Entries (a label and its weight) are read from the tables, lists and sentences of the passages that speak of criteria,
in groups; the group that is the whole list is chosen, and the breakdowns given apart are hung on it. The words around
tell the two kinds apart: selection criteria choose candidates (R. 2142-16 s. CCP), award criteria choose the offer
(L. 2152-7, R. 2152-7 CCP).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from pipeline.french import fold, fold_spaces, sentences
from pipeline.records import Block, Criterion, Document
from pipeline.tender.criteria.entries import CELL, Entry, is_label, split_code, split_note, trim, weights_in
from pipeline.tender.criteria.tables import is_award_table, read_table
from pipeline.tender.criteria.text import read_text
from pipeline.tender.criteria.tree import build

_AWARD = re.compile(
    r"jugement des offres|attribution|classement des offres|offres? .{0,40}(?:jugee|evaluee|classee|"
    r"appreciee|notee)|choix de l.(?:offre|attributaire)|valeur technique|mieux.disante"
    r"|economiquement la plus avantageuse"
    r"|notation des offres|analyse des offres|appreciation des offres|examen des offres|criteres? de choix"
)
_SELECTION = re.compile(
    r"selection des candid|selection de la candid|examen des candidat|criteres? de selection|"
    r"jugement des candidatures|(?:candidatures?|candidats?|elles|ils) (?:recevables? )?(?:seront|sont) (?:alors )?"
    r"(?:examine|classe|selectionne|departage|apprecie)|candidats? admis a|admis a (?:presenter|remettre)"
)
_ORDERED = re.compile(
    r"criteres?.{0,160}(?:ordre (?:decroissant|de priorite|d.importance|d.enonce)|hierarchis)|"
    r"ordre (?:decroissant|de priorite)"
)
_LOT = re.compile(
    r"^(?:pour )?(?:les? )?lots?\s*(?:n\s?°\s*)?"
    r"(?P<lot>\d{1,2}(?:\s*(?:,|et|à|-|n\s?°)\s*(?:n\s?°\s*)?\d{1,2})*)(?!\d)",
    re.IGNORECASE,
)
_LEADERS = re.compile(r"^(?P<label>[^\d].{2,}?)\s*(?:\.{3,}|…+|\t)\s*(?P<value>\d{1,3}(?:,\d{1,2})?)$")
"""A label led by dots to a bare figure."""
_BARE_LINE = re.compile(r"^(?P<label>[^\d:].{2,}?)\s*[:–—]\s*(?P<value>\d{1,3}(?:,\d{1,2})?)\s*[;.,]?$")
"""« Délai : 15 », among lines that say their unit."""
_COLUMN = re.compile(r"(?:criteres?|ponderation|coefficients?|points|libelles?|total|poids|bareme|note)\b.{0,20}$")
"""A line that is the header of a flattened table's column."""
_UNIT = re.compile(r"pond|coef|points|note\b|poids|bar[eè]me|%")
IDLE = 3
"""Blocks without a weight that end a list of criteria."""


@dataclass
class _Group:
    """Entries that stand together, with the words that introduce them."""

    context: str
    entries: list[Entry] = field(default_factory=list)
    tree: tuple[Criterion, ...] = ()


def read_criteria(documents: Sequence[Document]) -> tuple[tuple[Criterion, ...], tuple[Criterion, ...]]:
    """``(award criteria, selection criteria)``, each empty where no document gives any."""
    award: list[_Group] = []
    selection: list[_Group] = []
    for document in documents:
        for group in _groups([block for block in document.blocks if block.kind != "toc"]):
            if _SELECTION.search(group.context) and not _AWARD.search(group.context):
                selection.append(group)
            elif _AWARD.search(group.context) or "critere" in group.context:
                award.append(group)
    return _whole(award), _whole(selection)


def _whole(groups: Sequence[_Group]) -> tuple[Criterion, ...]:
    """The group that is the whole list, with the breakdowns that other groups give of its criteria."""
    for group in groups:
        lines = [entry for entry in group.entries if not entry.in_sentence]
        # sentences of a list's commentary weigh other things too: where all entries make no whole, its lines alone may,
        # or its first entries
        heads = [group.entries[:n] for n in range(len(group.entries) - 1, 0, -1)]
        ordered = (group.entries, lines, *heads)
        choices = [_Group(group.context, e, build(_with_depths(e))) for e in ordered if e]
        # and where nothing does, lines are surer than sentences
        best = max(choices, key=lambda choice: max(_quality(choice)[0], 1.5 if choice.entries is lines else 0))
        group.entries, group.tree = best.entries, best.tree
    chosen = max((group for group in groups if group.tree), key=_quality, default=None)
    if chosen is None:
        return ()
    rank, lots = _quality(chosen)[0], {c.lot for c in chosen.tree}
    if None not in lots:  # the lists of the other lots stand apart
        for group in groups:
            own = {c.lot for c in group.tree}
            if group is not chosen and _quality(group)[0] == rank and None not in own and not own & lots:
                chosen = _Group(chosen.context, [*chosen.entries, *group.entries], (*chosen.tree, *group.tree))
                lots |= own
        chosen.tree = tuple(sorted(chosen.tree, key=lambda c: [int(n) for n in re.findall(r"\d+", c.lot or "")]))
    parts = [group for group in groups if group is not chosen]
    return tuple(_with_parts(criterion, chosen, parts) for criterion in chosen.tree)


def _with_depths(entries: Sequence[Entry]) -> list[Entry]:
    """Items set deeper than the outermost of the list are parts."""
    outermost = min((entry.level for entry in entries if entry.level), default=0)
    return [replace(e, depth=1) if e.depth is None and e.level > outermost else e for e in entries]


def _quality(group: _Group) -> tuple[int, int]:
    """Whether the weights make a whole (each lot's 100, or another round total), then how many there are."""
    sums: dict[str, float] = {}
    for criterion in group.tree:
        sums[criterion.lot or ""] = sums.get(criterion.lot or "", 0.0) + (criterion.weight or 0)
    weighed = all(criterion.weight is not None for criterion in group.tree)
    if len(group.tree) == 1 and not group.tree[0].subcriteria:
        unique = bool(re.search(r"critere unique|unique critere|seul critere", group.context))
        return (3 if unique else 1) if sums.popitem()[1] == 100 else -1, 1
    hundred = all(abs(total - 100) < 0.5 for total in sums.values())
    round_ = all(
        any(abs(total - whole) < 0.05 for whole in (10, 20, 40, 50, 60, 200, 300, 400)) for total in sums.values()
    )
    return (3 if weighed and hundred else 2 if weighed and round_ else 1 if weighed else 0), len(group.entries)


def _with_parts(criterion: Criterion, group: _Group, others: Sequence[_Group]) -> Criterion:
    """The criterion with the parts that another table or list gives under its name or its code."""
    if criterion.subcriteria:
        return criterion
    name = fold(criterion.label)
    names = {name} | {entry.code.lower() for entry in group.entries if fold(entry.label) == name and entry.code}
    for other in others:
        for found in other.tree:
            if fold(found.label) in names and found.subcriteria and (not found.lot or found.lot == criterion.lot):
                return criterion.model_copy(update={"subcriteria": found.subcriteria})
    return criterion


# --- where criteria are spoken of ---------------------------------------------------------------------------


def _groups(blocks: Sequence[Block]) -> Iterator[_Group]:
    heading, recent, lot = "", "", ""
    group = _Group("")
    waiting: list[Block] = []
    under, opened = False, ""
    idle = 0

    def finish() -> Iterator[_Group]:
        nonlocal group, idle, under, opened
        if group.entries:
            yield group
        group, idle, under, opened = _Group(""), 0, False, ""

    for index, block in enumerate(blocks):
        text = fold_spaces(block.text)
        named = _LOT.match(text)
        if named:
            lot = re.sub(r"n\s?°\s*", "", named["lot"])
            text = text[named.end() :].strip(" .:–—-")
        if block.kind == "heading":
            own = _block_entries(block, text, [], first=not group.entries) if _about(f"{heading} {recent}") else []
            if len(own) == 1 and own[0].depth != 1 and (group.entries or _about(f"{heading} {recent}")):
                group.context = group.context or f"{heading} {recent}"
                group.entries.append(replace(own[0], depth=0, lot=own[0].lot or lot))
                under, idle, waiting = True, 0, []
                continue
            if own and group.entries:  # parts set as headings
                group.entries += [replace(entry, depth=1, lot=entry.lot or lot) for entry in own]
                idle, waiting = 0, []
                continue
            if not named or not _about(f"{heading} {recent}"):
                if not (under and _about(fold(text))):
                    yield from finish()
                heading, recent, waiting, lot = fold(text), "", [], lot if named else ""
                continue
            if not text:
                continue
        if block.kind == "table":
            entries = read_table(block)
            context = f"{heading} {recent} {fold(block.text[:200])}"
            if entries and (_about(context) or is_award_table(block)):
                if index and blocks[index - 1].kind == "table" and group.entries:
                    group.entries += entries  # a table that the page cut in two
                else:
                    yield from finish()
                    group = _Group(context, [replace(e, lot=e.lot or lot) for e in entries])
                idle = 0
            else:
                yield from finish()
            continue
        context = f"{heading} {recent}"
        near = bool(group.entries) or _about(f"{context} {fold(text)}")
        found = _block_entries(block, text, waiting, first=not group.entries) if near else []
        if found:
            group.context = group.context or f"{context} {fold(text[:300])}"
            if under:
                found = [replace(entry, depth=1) for entry in found]
            elif opened and _are_parts(found, opened, group.entries):
                found = [replace(entry, depth=1, under=opened) for entry in found]
            else:
                opened = ""
            group.entries += [replace(entry, lot=entry.lot or lot) for entry in found]
            waiting, idle = [], 0
            opened = _opened(text, group.entries) or opened
        elif group.entries and ((idle < IDLE and len(text) < 400) or named):
            opened = _opened(text, group.entries) or opened
            waiting.append(block)
            idle += 0 if named or under else 1
        else:
            yield from finish()
            waiting = [*waiting[-2:], block]
        if _ORDERED.search(fold(text)) and not group.entries:
            yield from _ordered(blocks, index, f"{heading} {fold(text)}")
        recent = fold(f"{recent[-300:]} {text}")[-500:]
    yield from finish()


def _opened(text: str, entries: Sequence[Entry]) -> str:
    """The criterion that a sentence says it breaks down: « La valeur technique se décompose comme suit : »."""
    if not text.endswith(":"):
        return ""
    last = fold(sentences(text)[-1])
    return next((entry.label for entry in reversed(entries) if fold(entry.label) in last), "")


def _are_parts(found: Sequence[Entry], opened: str, entries: Sequence[Entry]) -> bool:
    """Whether entries go on the breakdown of the criterion ``opened``: it is not complete, and they are neither
    numbered nor set as it is."""
    parent = next(entry for entry in reversed(entries) if entry.label == opened)
    so_far = [entry for entry in entries if entry.under == opened]
    whole = (parent.weight or 100.0) if not so_far or so_far[0].unit == parent.unit else 100.0
    complete = sum(entry.weight or 0 for entry in so_far) >= whole - 0.01
    return not complete and not any(
        entry.depth == 0
        or (parent.code.isdigit() and entry.code.isdigit())
        or (entry.level and entry.mark == parent.mark and entry.level <= parent.level)
        for entry in found
    )


def _about(context: str) -> bool:
    return "critere" in context or bool(_AWARD.search(context) or _SELECTION.search(context))


def _block_entries(block: Block, text: str, waiting: Sequence[Block], *, first: bool) -> list[Entry]:
    """What a block weighs, or the lines before it where it is nothing but a weight."""
    bare = CELL.match(text)
    if bare and (bare["unit"] or (waiting and (not first or any(_UNIT.search(fold(b.text)) for b in waiting)))):
        label = _waited(waiting, first=first)
        unit = (bare["unit"] or "").lower()
        head, note = split_note(trim(label))
        code, head, depth = split_code(head)
        weight = float(bare["value"].replace(",", "."))
        entry = Entry(
            head, weight, "%" if unit == "%" else "points" if unit else None, None, note=note, depth=depth, code=code
        )
        entry.page, entry.of_which = waiting[-1].page if waiting else block.page, bool(bare["of_which"])
        return [entry] if label and is_label(head) else []
    full = f"{block.marker} {text}" if re.match(r"^[\dA-Za-z]", block.marker) else text
    for pattern in (_LEADERS, _BARE_LINE) if not first or waiting else (_LEADERS,):
        plain = pattern.match(text)
        if plain and not weights_in(text):
            code, head, depth = split_code(plain["label"])
            head, note = split_note(head)
            if is_label(head) and (pattern is _LEADERS or block.kind == "item"):
                weight = float(plain["value"].replace(",", "."))
                deeper = 1 if pattern is _BARE_LINE and block.kind == "item" else depth
                return [Entry(trim(head), weight, "points", block.page, note=note, depth=deeper, code=code)]
    entries = read_text(full, block.page)
    if len(entries) == 1:
        entry = entries[0]
        goes_on = entry.label[:1].islower() and len(waiting) == 1 and not waiting[0].text.endswith((".", ";", ":", ","))
        if goes_on and block.kind != "item" and not text.startswith("dont") and waiting[0].kind != "item":
            entry.label, entry.page = fold_spaces(f"{waiting[0].text} {entry.label}"), waiting[0].page
        entry.level = block.level if block.kind == "item" else 0
        entry.mark = "1" if block.marker[:1].isalnum() else block.marker
    return entries


def _waited(waiting: Sequence[Block], *, first: bool) -> str:
    """The label a bare weight closes: the lines since the last weight, headers of the table left out."""
    kept: list[str] = []
    for block in reversed(waiting):
        if (first and block.text.endswith((".", ":"))) or _COLUMN.match(fold(block.text)):
            break
        kept.insert(0, block.text)
    return " ".join(kept)


def _ordered(blocks: Sequence[Block], index: int, context: str) -> Iterator[_Group]:
    """Criteria in decreasing order, without weights: the list that follows; dashes under a number are its parts."""
    entries: list[Entry] = []
    numbered_list = False
    for block in blocks[index + 1 : index + 16]:
        numbered = re.match(r"^\d{1,2}\s*[.)°\-–]+\s*(?P<label>[A-ZÀ-Þ].*)$", block.text)
        if block.kind == "paragraph" and not numbered:
            break
        if block.kind not in ("item", "paragraph"):
            break
        text = numbered["label"] if numbered else block.text
        if weights_in(text) and read_text(text, block.page):
            return
        own = bool(numbered) or bool(re.match(r"^\d", block.marker))
        numbered_list = numbered_list or own
        head, note = split_note(re.sub(r"\s*[,;.:]$", "", re.sub(r",\s+appréciée?s?\s[^,]{0,40}:$", "", text)))
        part = not own and numbered_list
        head = re.sub(r"^(?:du|de la|des)\s+|^de l['’]", "", head) if part else head
        entries.append(Entry(trim(head), None, None, block.page, note=note, depth=int(part)))
    if len(entries) >= 2:
        yield _Group(context, entries)


__all__ = ["read_criteria"]
