"""A section <-> the plain text that a person edits of it.

    ### Astreintes                          a point of the buyer's, above what answers it
    L'astreinte répond en 20 minutes [1].   paragraphs are parted by blank lines; [n] is the n-th source of the section
    - un technicien de jour                 an item of a list
    | Service | Délai |                     a table, its header first; in a cell, « \\| » is a bar, « <br> » a new line
    Oui [2]. Répond à EX-012.               the requirements that a paragraph answers end it

What a person did not touch is told from what they wrote by its letters, white space apart, so that it comes back as it
was whatever it is made of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.accept.parts import Told
from pipeline.align import title_likeness
from pipeline.export import Sources, point_title
from pipeline.french import fold, fold_spaces, join_french, typeset
from pipeline.records import Paragraph, Section
from pipeline.review import TITLE

POINT = "### "
_BULLET = re.compile(r"[-•–*]\s+")
_RULE = re.compile(r"[\s|:-]+")
"""The line of dashes that Markdown puts under a table's header."""
_CELL = re.compile(r"((?:\\.|[^\\|])*)\|")


@dataclass(frozen=True)
class Printed:
    """A paragraph as a person sees it."""

    paragraph: Paragraph
    title: str
    """The title of its point, where the one before stands under another; empty elsewhere."""
    text: str
    point: int | None
    """The point whose title it stands under."""


@dataclass(frozen=True)
class Typed:
    """A person's text, read."""

    told: tuple[Told, ...]
    remarks: tuple[str, ...]
    """In French."""


def text_of(section: Section) -> str:
    """The text a person edits; empty where nothing is written."""
    found = ""
    before: Printed | None = None
    for item in printed(section):
        listed = before is not None and before.paragraph.item and item.paragraph.item and not item.title
        found += "" if before is None else "\n" if listed else "\n\n"
        found += f"{POINT}{item.title}\n\n{item.text}" if item.title else item.text
        before = item
    return found


def printed(section: Section) -> list[Printed]:
    """The paragraphs of a section as a person sees them, in order."""
    numbered = Sources(section.passages, {passage.id: n for n, passage in enumerate(section.passages, start=1)})
    found: list[Printed] = []
    point: int | None = None
    for paragraph in section.paragraphs:
        title = ""
        if paragraph.point is not None and paragraph.point != point:
            point, title = paragraph.point, point_title(section.brief.points[paragraph.point])
        text = _text(section, paragraph, numbered)
        if text:
            found.append(Printed(paragraph, fold_spaces(title), text, point))
    return found


def _text(section: Section, paragraph: Paragraph, numbered: Sources) -> str:
    if paragraph.gap:
        return _line(paragraph.gap)
    if paragraph.rows:
        return "\n".join(f"| {' | '.join(map(_escaped, row))} |" for row in paragraph.rows)
    said = " ".join(f"{sentence.text} {numbered.marks(sentence)}".strip() for sentence in paragraph.sentences)
    label = f"{paragraph.distinction}. " if paragraph.distinction else ""
    names = [answer.requirement for answer in section.answers if answer.paragraph == paragraph.id]
    link = typeset(f" Répond à {join_french(names)}.") if names else ""
    return _line(f"{'- ' if paragraph.item else ''}{label}{said}{' ' if link else ''}{link}")


def _line(text: str) -> str:
    """One line: a blank one would part it."""
    return re.sub(r"\s*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]\s*", " ", text).strip()


def _escaped(cell: str) -> str:
    escaped = re.sub(r"\\|\||<br>", lambda match: f"\\{match[0]}", cell)
    return re.sub(r"\r?\n", "<br>", escaped)


def _cells(line: str) -> tuple[str, ...]:
    """« | a \\| b | c | » -> « a | b », « c »."""
    row = line.strip().removeprefix("|")
    cells = _CELL.findall(row if re.search(r"(?<!\\)(?:\\\\)*\|$", row) else f"{row}|")
    broken = (re.sub(r"(?<!\\)((?:\\\\)*)<br>", r"\1" + "\n", cell) for cell in cells)
    return tuple(re.sub(r"\\(\\|\||<br>)", r"\1", cell).strip() for cell in broken)


# --- and back ----------------------------------------------------------------------------------------------


def read_typed(section: Section, text: str) -> Typed:
    """What a person wrote as the text of a section."""
    blocks = list(_blocks(text))
    reader = _Reader(section, titled=any(block.startswith(POINT.strip()) for block in blocks))
    for block in blocks:
        reader.read(block)
    return Typed(tuple(reader.told), tuple(reader.remarks))


def _blocks(text: str) -> Iterator[str]:
    """Paragraphs, items, tables and titles, lines of a paragraph joined."""
    block: list[str] = []
    for line in [*re.split(r"\r\n?|\n", text), ""]:
        said = line.strip()
        in_table = bool(block) and block[0].startswith("|")
        title = said.startswith(POINT.strip()) or (bool(block) and block[0].startswith(POINT.strip()))
        goes_on = said and not title and not _BULLET.match(said) and said.startswith("|") == in_table
        if block and not goes_on:
            yield ("\n" if in_table else " ").join(block)
            block = []
        if said:
            block.append(said)


class _Reader:
    """The blocks of a text, one after the other, under the points they stand under."""

    def __init__(self, section: Section, *, titled: bool) -> None:
        self._number, self._titled = section.number, titled
        self._left = printed(section)
        self._points = [fold(point_title(point)) for point in section.brief.points]
        self._point: int | None = None
        self.told: list[Told] = []
        self.remarks: list[str] = []

    def read(self, block: str) -> None:
        said = fold_spaces(block)
        same = next((item for item in self._left if fold_spaces(item.text) == said and self._stands(item)), None)
        if same:
            self._left.remove(same)
            self._point = self._point if self._titled else same.point
            paragraph = same.paragraph
            self.told.append(Told(said, paragraph.point, paragraph.item, paragraph.rows, paragraph.id))
        elif block.startswith(POINT.strip()):
            self._title(said.lstrip("# "))
        elif block.startswith("|"):
            self._table(block.split("\n"))
        else:
            bullet = _BULLET.match(said)
            self.told.append(Told(said[bullet.end() :] if bullet else said, self._point, bullet is not None))

    def _stands(self, item: Printed) -> bool:
        """Whether a paragraph is still under its point; in a text without titles it is."""
        return not self._titled or item.point == self._point

    def _title(self, title: str) -> None:
        said = fold(title)
        alike = [title_likeness(said, point) for point in self._points]
        best = max(alike, default=0.0)
        places = [n for n, value in enumerate(alike) if value == best]
        if best >= TITLE:
            self._point = next((n for n in places if self._point is None or n > self._point), places[0])
            if best < 1 and said != self._points[self._point]:
                self.remarks.append(f"{self._number} : « {title} » est un titre de l'acheteur ; il n'est pas changé.")
        elif title:
            self.remarks.append(
                f"{self._number} : « {title} » n'est pas un point du plan ; il est repris comme un paragraphe."
            )
            self.told.append(Told(title, self._point))

    def _table(self, lines: Sequence[str]) -> None:
        rows = [_cells(line) for line in lines if not _RULE.fullmatch(line)]
        width = max(map(len, rows), default=0)
        if width:
            filled = tuple(row + ("",) * (width - len(row)) for row in rows)
            self.told.append(Told("", self._point, rows=filled))
