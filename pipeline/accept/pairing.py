"""Which paragraph of the draft each of a person's comes from, and which sections can be taken back for certain."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.accept.parts import Parts, Told
from pipeline.accept.wording import Bare
from pipeline.align import Item, align, likeness
from pipeline.french import fold_spaces
from pipeline.records import Memoire, Paragraph, Section
from pipeline.review import GAP

ALIKE = 0.45
"""Likeness from which two paragraphs paired by their place are one, rewritten."""
_QUESTION = re.compile(r"^\[À COMPLÉTER : (?P<what>.*?)(?: — à demander à : [^\]]*)?\]$")


@dataclass(frozen=True)
class Known:
    """A paragraph of the draft, its question or its table, as it is printed."""

    section: str
    paragraph: Paragraph
    text: str
    """Without citations, label or link."""
    question: bool = False
    table: bool = False


@dataclass(frozen=True)
class Pair:
    """A paragraph of the person's document and the draft's one it comes from."""

    told: Told
    bare: Bare
    origin: Known | None

    @property
    def verbatim(self) -> bool:
        return self.origin is not None and self.origin.text == self.bare.text


@dataclass(frozen=True)
class Given:
    """A question of the draft that a person answered."""

    section: str
    question: str
    answer: str


Pairs = Mapping[str, Sequence[Pair]]
"""By name of the heading, in the person's order."""


def known(section: Section) -> list[Known]:
    """A draft's paragraphs as they are printed, in order."""
    found = []
    for paragraph in section.paragraphs:
        if paragraph.gap:
            found.append(Known(section.number, paragraph, fold_spaces(paragraph.gap), question=True))
        if paragraph.rows:
            found.append(Known(section.number, paragraph, _table(paragraph.rows), table=True))
        if paragraph.sentences:
            text = " ".join(sentence.text for sentence in paragraph.sentences)
            found.append(Known(section.number, paragraph, fold_spaces(text)))
    return found


def _table(rows: Sequence[Sequence[str]]) -> str:
    return fold_spaces(" | ".join(cell for row in rows for cell in row))


def paired(drafted: Sequence[Known], handed: Mapping[str, Sequence[tuple[Told, Bare]]]) -> dict[str, list[Pair]]:
    """Trace each paragraph to the draft's one it comes from, wherever it went (pipeline/align.py). Where one was cut in
    two or two were joined, the likest two are each other's; each of the draft is one's origin at most."""
    own = {item.paragraph.id: item for item in drafted}
    every = [(name, n) for name, items in handed.items() for n in range(len(items))]
    origins = {(name, n): own[same] for name, n in every if (same := handed[name][n][0].same)}
    places = [place for place in every if place not in origins]
    untouched = {item.paragraph.id for item in origins.values()}
    drafted = [item for item in drafted if item.paragraph.id not in untouched]
    theirs = [_item(_text(*handed[name][n]), name, table=bool(handed[name][n][0].rows)) for name, n in places]
    ours = [_item(item.text, item.section, table=item.table) for item in drafted]
    for group in align(ours, theirs):
        left = list(group.theirs)
        for i in group.ours:
            best = max(left, key=lambda j: likeness(ours[i].text, theirs[j].text), default=None)
            if best is not None and (group.sure or likeness(ours[i].text, theirs[best].text) >= ALIKE):
                origins[places[best]] = drafted[i]
                left.remove(best)
    return {
        name: [Pair(told, bare, origins.get((name, n))) for n, (told, bare) in enumerate(items)]
        for name, items in handed.items()
    }


def _item(text: str, section: str, *, table: bool) -> Item:
    return Item(text, "table" if table else "text", section)


def _text(told: Told, bare: Bare) -> str:
    return _table(told.rows) if told.rows else bare.text


def taken(memoire: Memoire, parts: Parts, pairs: Pairs, wanted: Collection[str]) -> tuple[set[str], list[str]]:
    """The headings wanted whose text is theirs for certain, and why others are left alone, in French."""
    plan = [node.name for node in memoire.plan]
    titles = {node.name: node.heading for node in memoire.plan}
    drafted = {section.number for section in memoire.sections}
    missing = {name for name in plan if name not in parts.told}
    remarks = [
        f"« {titles[name]} » : titre introuvable dans le document, section laissée telle quelle."
        for name in plan
        if name in missing & drafted & set(wanted)
    ]
    sure = set()
    for name, items in pairs.items():
        foreign = {item.origin.section for item in items if item.origin} & missing
        after = plan[plan.index(name) + 1 : plan.index(name) + 2]
        swallowed = foreign or (missing.intersection(after) if name in parts.strange else set())
        if name not in wanted:
            continue
        if swallowed:
            remarks.append(
                f"« {titles[name]} » : son texte et celui de « {titles[min(swallowed)]} », dont le titre manque, ne se "
                "distinguent pas ; section laissée telle quelle."
            )
        elif items or name in drafted:
            sure.add(name)
            remarks += [
                f"{name} : l'intertitre « {text} » n'est pas du plan ; il est repris comme un paragraphe."
                for text in parts.strange.get(name, ())
            ]
    return sure, [*remarks, *_moves(pairs, sure)]


def _moves(pairs: Pairs, sure: Collection[str]) -> Iterator[str]:
    """Paragraphs that went from a section that is taken back to one that is not, or came from one."""
    for name, items in pairs.items():
        for item in items:
            before = item.origin.section if item.origin else name
            start = f"« {item.bare.text[:60]} » passe de {before} à {name}"
            if before in sure and name not in sure:
                yield f"{start}, qui n'est pas reprise : il n'est plus dans le dossier. Reprenez aussi {name}."
            elif name in sure and before not in sure:
                yield f"{start} ; {before}, qui n'est pas reprise, le garde aussi. Reprenez aussi {before}."


def given(name: str, drafted: Sequence[Known], items: Sequence[Pair]) -> Iterator[Given]:
    """The questions of a section that are no longer there, with what a person wrote in their place: the same paragraph
    changed, or new ones under the same point between the same neighbours."""
    place = {id(item.origin): n for n, item in enumerate(items) if item.origin}
    own = [item for item in drafted if item.section == name]
    for at, question in enumerate(own):
        asked = _QUESTION.match(question.text) if question.question else None
        if not asked:
            continue
        first = max((place[id(item)] for item in own[:at] if id(item) in place), default=-1) + 1
        last = min((place[id(item)] for item in own[at + 1 :] if id(item) in place), default=len(items))
        point = question.paragraph.point
        said = [
            item.bare.text
            for item in items[first:last]
            if item.origin is question or (item.origin is None and point in (None, item.told.point))
        ]
        text = " ".join(filter(None, said))
        if text and not GAP.search(text):
            yield Given(name, asked["what"].strip(), text)
