"""A Word document as blocks that know the bytes they come from: paragraphs character by character, tables by cell,
content controls and form fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.frames import words
from pipeline.frames.package import Node
from pipeline.frames.words import LEADER
from pipeline.french import fold_spaces

_TOC_LINE = re.compile(r"(?:[.…]{5,}|\t)\s*\d{1,3}\s*$")
BOX = re.compile("[☐□❏❑❒◻☒☑]")
TICKED = "☒☑"
_SYMBOLS = {
    "¨": "☐",
    "\uf0a8": "☐",
    "\uf06f": "☐",
    "\uf071": "☐",
    "o": "☐",
    "q": "☐",
    "þ": "☒",
    "\uf0fe": "☒",
    "ý": "☒",
    "\uf0fd": "☒",
}
"""Boxes of the Wingdings font, as characters of a run; the private ones stand for them in any font."""
SPACES = re.compile(r"^[\s\u2000-\u200b]*$")
_OBJECTS = ("drawing", "pict", "object", "sectPr")
_OBJECT = "\ufffc"
_TRANSPARENT = ("hyperlink", "ins", "smartTag", "fldSimple", "bdo", "dir", "moveTo", "customXml", "sdtContent")
CHECKBOX = "http://schemas.microsoft.com/office/word/2010/wordml checkbox"
CHECKED = "http://schemas.microsoft.com/office/word/2010/wordml checked"
_HEADING_STYLE = re.compile(r"\btitre|\bheading|^title", re.IGNORECASE)
MAX_HEADING = 250
"""Characters of a title; the tool's readers take the same."""


@dataclass(frozen=True)
class Style:
    """What a paragraph style says."""

    heading: bool
    """Of an outline level: Word's navigation shows it."""
    titled: bool
    """Named « Titre », with or without a level."""
    leader: bool
    contents: bool


@dataclass
class Control:
    """A content control or a form field inside a paragraph, or around paragraphs."""

    node: Node
    """The ``w:sdt``, or the run that begins the field."""
    start: int
    """Where its text begins in the paragraph's."""
    end: int = 0
    result: list[Node] = field(default_factory=list)
    """The ``w:t`` that hold its present text."""
    after: Node | None = None
    """Form field: the run its result stands after."""
    prompt: bool = False
    """It shows its prompt, or nothing."""
    label: str = ""
    locked: str = ""
    """Why it may not be written in, in French."""
    options: tuple[str, ...] = ()


@dataclass
class Paragraph:
    """A paragraph as read: every character with the element it comes from."""

    node: Node
    style: Style
    text: str = ""
    sources: list[tuple[Node, int]] = field(default_factory=list)
    """For each character of ``text``: its element, and its place in the characters of that element (-1: the whole)."""
    controls: list[Control] = field(default_factory=list)
    leader: bool = False
    numbered: bool = False
    bold: bool = False

    @property
    def empty(self) -> bool:
        return bool(SPACES.match(self.text))

    @property
    def contents(self) -> bool:
        """Whether it is a line of a table of contents."""
        return self.style.contents or bool(_TOC_LINE.search(self.text))

    @property
    def heading(self) -> bool:
        """Whether it reads as a title: by its style, or alone in bold with a number."""
        if self.empty or len(self.text) > MAX_HEADING or LEADER.search(self.text) or BOX.search(self.text):
            return False
        typed = bool(words.numbered(self.text)[0]) or self.numbered
        short = len(self.text) < 120 and self.text.rstrip()[-1] not in ".:;,"
        return self.style.heading or self.style.titled or self.text[0] in "●■" or (self.bold and typed and short)

    @property
    def sectioned(self) -> bool:
        """A title that opens a section to fill: it has a level or a number."""
        return self.heading and (self.style.heading or self.numbered or bool(words.numbered(self.text)[0]))


@dataclass
class Cell:
    node: Node
    column: int
    blocks: list[Block]
    continues: bool
    """Part of a cell merged with the one above."""

    @property
    def text(self) -> str:
        return fold_spaces("\n".join(block.text for block in self.blocks if isinstance(block, Paragraph)))

    @property
    def empty(self) -> bool:
        return all(isinstance(b, Paragraph) and b.empty and not b.controls for b in self.blocks)


@dataclass
class Table:
    rows: list[list[Cell]]


@dataclass
class Around:
    """A content control around paragraphs, still showing its prompt."""

    control: Control


Block = Paragraph | Table | Around


def styles_of(root: Node | None) -> dict[str, Style]:
    """Paragraph styles by identifier, what they inherit included."""
    nodes = {n.attributes.get("styleId", ""): n for n in (root.children if root else ()) if n.name == "style"}

    def chain(name: str) -> Iterator[Node]:
        seen: set[str] = set()
        while name in nodes and name not in seen:
            seen.add(name)
            yield nodes[name]
            name = nodes[name].value("basedOn") or ""

    found = {}
    for name in nodes:
        levels = [value for item in chain(name) if (value := item.value("pPr", "outlineLvl")) is not None]
        titles = [item.value("name") or "" for item in chain(name)]
        found[name] = Style(
            heading=bool(levels) and levels[0] in "012345678",
            titled=bool(_HEADING_STYLE.search(titles[0])) and not re.search(r"\d", titles[0]),
            leader=any(_leads(item.child("pPr")) for item in chain(name)),
            contents=bool(re.match(r"(?:toc|tm) ?\d|table of figures", titles[0], re.IGNORECASE)),
        )
    return found


_PLAIN = Style(heading=False, titled=False, leader=False, contents=False)


def _leads(properties: Node | None) -> bool:
    tabs = properties.child("tabs") if properties else None
    return any(tab.attributes.get("leader", "none") != "none" for tab in (tabs.children if tabs else ()))


class Reader:
    """Turns the XML of a part into blocks."""

    def __init__(self, data: bytes, styles: dict[str, Style]) -> None:
        self.data = data
        self.styles_of = styles

    def blocks(self, node: Node) -> Iterator[Block]:
        for item in node.children:
            if item.name == "p":
                yield self._paragraph(item)
            elif item.name == "tbl":
                yield self._table(item)
            elif item.name == "sdt":
                yield from self._around(item)
            elif item.name in _TRANSPARENT:
                yield from self.blocks(item)

    def _around(self, node: Node) -> Iterator[Block]:
        content = node.child("sdtContent")
        properties = node.child("sdtPr")
        if content is None or (properties and properties.child("docPartObj")):
            return  # a table of contents
        if any(item.name == "p" for item in content.children) and properties and properties.child("showingPlcHdr"):
            yield Around(self._control(node, 0))
        else:
            yield from self.blocks(content)

    def _table(self, node: Node) -> Table:
        rows = []
        for row in _inside(node, "tr"):
            cells: list[Cell] = []
            before = row.value("trPr", "gridBefore") or "0"
            column = int(before) if before.isdigit() else 0
            for cell in _inside(row, "tc"):
                merge = cell.child("tcPr", "vMerge")
                continues = merge is not None and merge.attributes.get("val", "continue") == "continue"
                cells.append(Cell(cell, column, list(self.blocks(cell)), continues))
                span = cell.value("tcPr", "gridSpan") or "1"
                column += int(span) if span.isdigit() else 1
            rows.append(cells)
        return Table(rows)

    def _paragraph(self, node: Node) -> Paragraph:
        properties = node.child("pPr")
        style = self.styles_of.get(node.value("pPr", "pStyle") or "", _PLAIN)
        level = node.value("pPr", "outlineLvl")
        if level is not None and level in "012345678":
            style = Style(True, style.titled, style.leader, style.contents)
        made = Paragraph(node, style, leader=style.leader or _leads(properties))
        made.numbered = properties is not None and properties.child("numPr") is not None
        fields: list[Control | None] = []
        self._runs(node, made, fields)
        runs = [run for run in node.all("r") if any(t.text.strip() for t in run.all("t"))]
        made.bold = bool(runs) and all(
            run.child("rPr", "b") is not None and run.value("rPr", "b") not in ("0", "false") for run in runs
        )
        if properties is not None and properties.child("sectPr"):
            self._add(made, _OBJECT, properties, -1)
        return made

    def _runs(self, node: Node, made: Paragraph, fields: list[Control | None]) -> None:
        for item in node.children:
            if item.name == "r":
                self._run(item, made, fields)
            elif item.name == "sdt":
                control = self._control(item, len(made.text))
                content = item.child("sdtContent")
                if content:
                    self._runs(content, made, fields)
                control.end = len(made.text)
                made.controls.append(control)
            elif item.name in _TRANSPARENT:
                self._runs(item, made, fields)
            elif "AlternateContent" in item.name:
                self._add(made, _OBJECT, item, -1)

    def _run(self, run: Node, made: Paragraph, fields: list[Control | None]) -> None:
        fonts = run.child("rPr", "rFonts")
        wingdings = "Wingdings" in (fonts.attributes.get("ascii", "") if fonts else "")
        for item in run.children:
            if item.name == "t":
                if fields and fields[-1] is not None and fields[-1].after is not None:
                    fields[-1].result.append(item)
                for at, character in enumerate(item.text):
                    symbol = wingdings or character >= "\ue000"
                    self._add(made, _SYMBOLS.get(character, character) if symbol else character, item, at)
            elif item.name == "tab":
                self._add(made, "\t", item, -1)
            elif item.name in ("br", "cr"):
                page = item.attributes.get("type") in ("page", "column")
                self._add(made, _OBJECT if page else "\n", item, -1)
            elif item.name == "sym":
                private = item.attributes.get("char", "").upper() in ("F0A8", "F06F", "F071", "00A8", "2610")
                self._add(made, "☐" if private else _OBJECT, item, -1)
            elif item.name == "fldChar":
                self._field(item, run, made, fields)
            elif item.name in _OBJECTS or "AlternateContent" in item.name:
                self._add(made, _OBJECT, item, -1)

    def _field(self, mark: Node, run: Node, made: Paragraph, fields: list[Control | None]) -> None:
        kind = mark.attributes.get("fldCharType")
        form = mark.child("ffData")
        if kind == "begin":
            if form is not None and form.child("checkBox"):
                self._add(made, "☐", mark, -1)
            if form is None or form.child("textInput") is None:
                fields.append(None)
                return
            disabled = form.value("enabled") in ("0", "false")
            locked = "Champ de formulaire désactivé par l'acheteur." if disabled else ""
            fields.append(Control(run, len(made.text), label=_help(form), locked=locked))
        elif fields and kind == "separate" and fields[-1] is not None:
            fields[-1].after = run
            fields[-1].start = len(made.text)
        elif fields and kind == "end":
            control = fields.pop()
            if control is not None and control.after is not None:
                control.end = len(made.text)
                shown = made.text[control.start : control.end]
                control.prompt = bool(SPACES.match(shown) or LEADER.search(shown) or words.prompt(shown))
                made.controls.append(control)

    @staticmethod
    def _add(made: Paragraph, character: str, node: Node, at: int) -> None:
        made.text += character
        made.sources.append((node, at))

    @staticmethod
    def _control(node: Node, start: int) -> Control:
        properties, content = node.child("sdtPr"), node.child("sdtContent")
        control = Control(node, start, result=list(content.all("t")) if content else [])
        if properties is None:
            return control
        control.label = properties.value("alias") or ""
        lock = properties.value("lock") or ""
        if lock in ("contentLocked", "sdtContentLocked"):
            control.locked = "Contrôle de contenu verrouillé par l'acheteur."
        elif any(item.name.endswith("dataBinding") for item in properties.children):
            control.locked = "Contrôle lié à des données du document : à remplir dans Word par une personne."
        elif properties.child("date") or properties.child("picture"):
            control.locked = "Date ou image : à remplir par une personne."
        choices = properties.child("dropDownList") or properties.child("comboBox")
        items = choices.children if choices else ()
        control.options = tuple(i.attributes.get("displayText") or i.attributes.get("value", "") for i in items)
        written = "".join(item.text for item in control.result)
        control.prompt = properties.child("showingPlcHdr") is not None or bool(SPACES.match(written))
        if properties.child(CHECKBOX):
            control.prompt = False  # its box is read as a character
        return control


def _inside(node: Node, name: str) -> Iterator[Node]:
    """Children of this name, content controls around them opened."""
    for item in node.children:
        if item.name == name:
            yield item
        elif item.name in ("sdt", *_TRANSPARENT):
            yield from _inside(item, name)


def _help(form: Node) -> str:
    """What the buyer says of a form field; nothing where that is a mere prompt."""
    text = form.value("statusText") or form.value("helpText") or ""
    return "" if words.prompt(text) else text
