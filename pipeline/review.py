"""Memoire, human document -> Review: what people kept, changed, dropped and added, paragraph by paragraph.

Both documents are read by the same reader, so that headings, paragraphs, items and rows of tables compare like with
like. Sections are told by number and title, wherever they now stand; one whose heading was reworded, by the paragraphs
under it. Texts find each other over the whole document (pipeline/align.py), so that what was moved is not deleted and
added. chrF is sacrebleu's (Popović, WMT 2015).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import NamedTuple, TypedDict

from sacrebleu.metrics.chrf import CHRF

from pipeline.align import ROW, Group, Item, align, changes, distance, in_place, likeness, title_likeness, weight, words
from pipeline.french import fold, fold_spaces, looks_english, looks_french, typeset
from pipeline.records import (
    Block,
    Comment,
    FigureChange,
    PlanNode,
    Review,
    ReviewedKind,
    ReviewedParagraph,
    ReviewedSection,
    ReviewVerdict,
    WordEdit,
)
from pipeline.verify import quantities

EDITED = 0.75
"""Likeness (normalised Indel similarity of words) from which a paragraph is the same one edited; below, rewritten."""
TITLE = 0.85
"""Likeness of titles from which a heading of the same number is the section's; without it, 0.95."""
FOREIGN, DOUBTFUL = 0.2, 0.5
"""Share of words that found their counterpart: under the first, a document is no review; under the second, a section
is doubtful."""
MARKS = re.compile(r"\s*\[\d+(?:[-,]\s*\d+)*\]")
"""Citations as they are printed: « [3] », « [3, 5-9] »."""
GAP = re.compile(r"\[À (?:COMPLÉTER|RÉDIGER)\b")
_CAPTION = re.compile(r"(?:Tableau|Figure|Schéma|Graphique|Illustration)\s+\d+\s*[–—:.-]", re.IGNORECASE)


def review(
    plan: Sequence[PlanNode], generated: Sequence[Block], human: Sequence[Block], remarks: Sequence[str] = ()
) -> Review:
    """Compare the document as it was generated with what people made of it; ``remarks`` on its reading come first."""
    ours, theirs = _reading(plan, generated), _reading(plan, human)
    groups = _aligned(ours, theirs)
    renamed = _renamed(ours, theirs, groups)
    if renamed is not theirs:
        theirs = renamed
        groups = _aligned(ours, theirs)
    rows = _rows(ours, theirs, groups)
    found = {number: tuple(_reviewed(row, ours, theirs) for row in rows[number]) for number in rows}
    foreign = (_share([row for section in found.values() for row in section]) or 0.0) < FOREIGN
    sections = tuple(_section(number, found[number], ours, theirs, foreign) for number in rows)
    said = (*remarks, *_remarks(plan, ours, theirs, foreign))
    return Review(sections=sections, remarks=tuple(map(typeset, said)), **totals(sections))


# --- reading -----------------------------------------------------------------------------------------------


class _Head(NamedTuple):
    """A heading of a document; the first stands for what comes before any."""

    text: str
    number: str | None
    """The section of the plan it opens; ``None`` where it is a heading of people's own."""


@dataclass(frozen=True)
class _Text:
    """A paragraph, an item, a row: what is compared."""

    text: str
    kind: ReviewedKind
    head: int
    """Position of the heading it stands under."""
    cells: tuple[str, ...] = ()
    comments: tuple[Comment, ...] = ()


@dataclass(frozen=True)
class _Reading:
    """A document, read along the plan."""

    heads: tuple[_Head, ...]
    texts: tuple[_Text, ...]
    typed: bool = False
    """Whether its headings have no style, and were told by their words alone."""

    def section(self, text: int) -> str:
        """The section a text stands in: that of the last heading of the plan before it."""
        return next(head.number for head in self.heads[self.texts[text].head :: -1] if head.number is not None)

    @property
    def titles(self) -> dict[str, str]:
        """The headings of the plan that it has, by section."""
        return {head.number: head.text for head in self.heads if head.number}


def _reading(plan: Sequence[PlanNode], blocks: Sequence[Block]) -> _Reading:
    """The texts of a document and the headings they stand under; contents left out."""
    styled = any(block.kind == "heading" and named(block.text, plan) for block in blocks)
    typed = {} if styled else _typed_headings(plan, blocks)
    heads, texts = [_Head("", "")], list[_Text]()
    left = list(plan)
    for position, block in enumerate(blocks):
        node = typed.get(position) or (named(block.text, left) if block.kind == "heading" else None)
        if node is not None:
            heads.append(_Head(fold_spaces(block.text), node.name))
            left.remove(node)
        elif block.kind == "table":
            for n, row in enumerate(block.rows):
                cells = tuple(fold_spaces(cell) for cell in row)
                comments = tuple(comment for comment in block.comments if comment.row == n)
                texts.append(_Text(" | ".join(cells), "row", len(heads) - 1, cells, comments))
        elif block.kind != "toc" and block.text.strip():
            text = fold_spaces(block.text)
            if block.kind == "heading":
                heads.append(_Head(text, None))
            texts.append(_Text(text, _kind(block), len(heads) - 1, comments=block.comments))
    return _Reading(tuple(heads), tuple(texts), bool(typed))


def _kind(block: Block) -> ReviewedKind:
    if _CAPTION.match(block.text):
        return "caption"
    return "heading" if block.kind == "heading" else "item" if block.kind == "item" else "paragraph"


def named(heading: str, plan: Sequence[PlanNode]) -> PlanNode | None:
    """The node of the plan a heading is: same number and like title, or nearly the same title."""
    said = fold(heading)
    best: tuple[float, PlanNode | None] = (0.0, None)
    for node in plan:
        whole, title = fold(node.heading), fold(node.title)
        alike = max(title_likeness(said, whole), title_likeness(re.sub(r"^[\W\d.]+", "", said), title))
        numbered = bool(node.number) and re.match(rf"\D*{re.escape(fold(node.number))}(?![\d.]*\d)", said) is not None
        if alike >= (TITLE if numbered else 0.95) and alike > best[0]:
            best = alike, node
    return best[1]


def _typed_headings(plan: Sequence[PlanNode], blocks: Sequence[Block]) -> dict[int, PlanNode]:
    """Paragraphs that are word for word a heading of the plan: the last of each, as the contents come first."""
    by_text = {fold(node.heading): node for node in plan}
    last = {fold(block.text): n for n, block in enumerate(blocks) if fold(block.text) in by_text}
    return {n: by_text[text] for text, n in last.items()}


# --- aligning ----------------------------------------------------------------------------------------------


def bare(text: str) -> str:
    """A paragraph without its citations, white space folded: what people read."""
    return fold_spaces(MARKS.sub("", text))


def _aligned(ours: _Reading, theirs: _Reading) -> list[Group]:
    return align(*([_item(reading, n) for n in range(len(reading.texts))] for reading in (ours, theirs)))


def _item(reading: _Reading, n: int) -> Item:
    text = reading.texts[n]
    return Item(bare(text.text), ROW if text.kind == "row" else "text", reading.section(n))


def _renamed(ours: _Reading, theirs: _Reading, groups: Sequence[Group]) -> _Reading:
    """The human document with its unknown headings named after the section most of their text comes from, where that
    section's own heading is not found."""
    come: dict[int, Counter[str]] = defaultdict(Counter)
    for group in groups:
        for j in group.theirs if group.ours and group.sure else ():
            come[theirs.texts[j].head][ours.section(group.ours[0])] += len(words(theirs.texts[j].text))
    heads = list(theirs.heads)
    for n, head in enumerate(heads):
        if head.number is None and come[n]:
            number, share = come[n].most_common(1)[0]
            known = {other.number for other in heads}
            if number and number not in known and share > come[n].total() / 2:
                heads[n] = _Head(head.text, number)
    if tuple(heads) == theirs.heads:
        return theirs
    fresh = {n for n, head in enumerate(heads) if head.number and theirs.heads[n].number is None}
    texts = tuple(t for t in theirs.texts if not (t.kind == "heading" and t.head in fresh))
    return replace(theirs, heads=tuple(heads), texts=texts)


class _Row(NamedTuple):
    group: Group
    moved_from: str | None


def _rows(ours: _Reading, theirs: _Reading, groups: Sequence[Group]) -> dict[str, list[_Row]]:
    """The groups by section, in the human order; what was dropped stands after what it followed."""
    lost = not theirs.titles  # no heading of the plan: texts go to the section they come from
    rows: dict[str, list[_Row]] = {"": [], **{head.number: [] for head in ours.heads if head.number}}
    stay = _staying(ours, theirs, groups, lost)
    here = ""
    for group in groups:
        if not group.theirs:
            continue
        origin = ours.section(group.ours[0]) if group.ours else None
        here = (origin or here) if lost else theirs.section(group.theirs[0])
        moved = origin is not None and group not in stay
        rows.setdefault(here, []).append(_Row(group, (origin or "avant") if moved else None))
    for group in groups:
        if not group.theirs:
            inside = rows[ours.section(group.ours[0])]
            before = [n for n, row in enumerate(inside) if row.group.ours and row.group.ours < group.ours]
            at = max((n for n in before if inside[n].moved_from is None), default=-1)
            inside.insert(at + 1, _Row(group, None))
    return {number: found for number, found in rows.items() if number or found}


def _staying(ours: _Reading, theirs: _Reading, groups: Sequence[Group], lost: bool) -> set[Group]:
    """Pairs of one section on both sides, in the same order there."""
    inside: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        if group.ours and group.theirs and (lost or ours.section(group.ours[0]) == theirs.section(group.theirs[0])):
            inside["" if lost else ours.section(group.ours[0])].append(group)
    return {group for found in inside.values() for group in in_place(found)}


# --- what is said ------------------------------------------------------------------------------------------


def _section(
    number: str, rows: tuple[ReviewedParagraph, ...], ours: _Reading, theirs: _Reading, foreign: bool
) -> ReviewedSection:
    aligned = _share(rows)
    title = theirs.titles.get(number)
    missing = bool(number) and title is None
    doubtful = aligned is not None and aligned < DOUBTFUL
    return ReviewedSection(
        number=number,
        title=ours.titles.get(number) or title or "Avant le plan",
        paragraphs=rows,
        missing=missing,
        human_title=title,
        aligned=aligned,
        sure=not (foreign or (missing and any(row.human for row in rows)) or doubtful),
    )


def _share(rows: Sequence[ReviewedParagraph]) -> float | None:
    """Share of the words, of both texts, in paragraphs that surely found each other."""
    sizes = [(row, len(words(row.generated or "")) + len(words(row.human or ""))) for row in rows]
    total = sum(size for _, size in sizes)
    return sum(size for row, size in sizes if row.generated and row.human and row.sure) / total if total else None


def _remarks(plan: Sequence[PlanNode], ours: _Reading, theirs: _Reading, foreign: bool) -> Iterator[str]:
    """What makes a comparison doubtful, for people to read before it."""
    text = " ".join(item.text for item in theirs.texts)
    own = [head for head in theirs.heads if head.number is None]
    if looks_english(text):
        yield "Le document relu paraît écrit en anglais : les deux textes ne se comparent pas mot à mot."
    elif not looks_french(text):
        yield "Le document relu ne paraît pas écrit en français : les deux textes ne se comparent pas mot à mot."
    if foreign:
        yield (
            "Ce document n'a presque rien de commun avec le texte généré : ce n'en est sans doute pas une relecture. "
            "Vérifiez le fichier ; aucun rapprochement n'est sûr."
        )
    if plan and not theirs.titles:
        follows = f"il en suit un autre ({len(own)} titres)" if own else "il n'a pas de titres"
        yield f"Aucun titre du plan n'est dans ce document : {follows}. Les paragraphes sont rapprochés par leurs mots."
    elif theirs.typed:
        yield "Les titres de ce document n'ont pas de style de titre : ils sont reconnus à leurs mots."
    lacking = [node.heading for node in plan if node.name in ours.titles and node.name not in theirs.titles]
    if theirs.titles and 2 * len(lacking) > len(plan):
        yield f"{len(lacking)} des {len(plan)} titres du plan ne sont pas dans ce document : il suit un autre plan."


# --- verdicts ----------------------------------------------------------------------------------------------


def _reviewed(row: _Row, left: _Reading, right: _Reading) -> ReviewedParagraph:
    """A paragraph and what people made of it."""
    mine, other = [left.texts[i] for i in row.group.ours], [right.texts[j] for j in row.group.theirs]
    ours, theirs = (" ".join(text.text for text in side) or None for side in (mine, other))
    alike = likeness(bare(ours), bare(theirs)) if ours and theirs else 0.0
    return ReviewedParagraph(
        kind=(other or mine)[0].kind,
        sure=row.group.sure,
        moved_from=row.moved_from,
        split=len(other) > 1,
        merged=len(mine) > 1,
        cells=_cells(mine, other),
        comments=tuple(comment for text in other for comment in text.comments),
        verdict=_verdict(ours, theirs, alike),
        generated=ours,
        human=theirs,
        likeness=alike,
        edits=tuple(word_edits(ours or "", theirs or "")),
        figures=tuple(_figures(ours, theirs)) if ours and theirs and ours != theirs else (),
        citations_lost=max(0, len(MARKS.findall(ours or "")) - len(MARKS.findall(theirs or ""))) if theirs else 0,
        gap_answered=bool(ours and GAP.search(ours) and theirs and not GAP.search(theirs)),
    )


def _cells(ours: Sequence[_Text], theirs: Sequence[_Text]) -> tuple[tuple[WordEdit, ...], ...]:
    """The edits of each cell of a row that kept its columns; of one that is new, or gone, whole."""
    if len(ours) > 1 or len(theirs) > 1:
        return ()
    before, after = ours[0].cells if ours else (), theirs[0].cells if theirs else ()
    if ours and theirs and len(before) != len(after):
        return ()
    return tuple(tuple(word_edits(a, b)) for a, b in zip_longest(before, after, fillvalue=""))


def _verdict(ours: str | None, theirs: str | None, alike: float) -> ReviewVerdict:
    if ours is None:
        return "added"
    if theirs is None:
        return "deleted"
    if bare(ours) == bare(theirs):
        return "kept"
    return "edited" if alike >= EDITED else "rewritten"


def word_edits(ours: str, theirs: str) -> Iterator[WordEdit]:
    """The human text told from the generated one: runs kept, deleted and inserted, in order; white space goes with the
    word before it."""
    if ours == theirs:
        yield from [WordEdit(kind="kept", text=theirs)] if theirs else []
        return
    left, right = (re.findall(r"\s*(?:\w+|[^\w\s])", text) for text in (ours, theirs))
    plain = [[token.strip() for token in side] for side in (left, right)]
    for change in changes(plain[0], plain[1], [weight(token) for token in plain[0]]):
        before, after = "".join(left[change.left]), "".join(right[change.right])
        if change.equal:
            yield WordEdit(kind="kept", text=after)
            continue
        if before:
            yield WordEdit(kind="deleted", text=before)
        if after:
            yield WordEdit(kind="inserted", text=after)


def _figures(ours: str, theirs: str) -> Iterator[FigureChange]:
    """Figures that a person corrected: an alarm about their source."""
    before, after = quantities(bare(ours)), quantities(bare(theirs))
    gone = [q for q in before if all((q.value, q.unit) != (other.value, other.unit) for other in after)]
    come = [q for q in after if all((q.value, q.unit) != (other.value, other.unit) for other in before)]
    for n in range(max(len(gone), len(come))):
        yield FigureChange(
            before=gone[n].shown if n < len(gone) else None, after=come[n].shown if n < len(come) else None
        )


class _Totals(TypedDict):
    acceptance: float | None
    chrf: float | None
    edit_distance: float | None
    citations_lost: int
    gaps_answered: int


def totals(sections: Sequence[ReviewedSection]) -> _Totals:
    rows = [row for section in sections for row in section.paragraphs]
    ours = [row for row in rows if row.generated is not None]
    size = {id(row): len(words(bare(row.generated or ""))) for row in ours}
    total = sum(size.values())
    generated = " ".join(bare(row.generated) for row in rows if row.generated)
    human = " ".join(bare(row.human) for row in rows if row.human)
    most = sum(distance(bare(row.generated or ""), bare(row.human or "")) for row in rows if row.verdict != "kept")
    longest = max(len(words(generated)), len(words(human)))
    return {
        "acceptance": sum(size[id(row)] for row in ours if row.verdict == "kept") / total if total else None,
        "chrf": CHRF().sentence_score(generated, [human]).score / 100 if generated and human else None,
        "edit_distance": distance(generated, human, most) / longest if longest else None,
        "citations_lost": sum(row.citations_lost for row in rows),
        "gaps_answered": sum(row.gap_answered for row in rows),
    }
