"""Answer places of an Excel frame: the columns a header names, the cells a legend's colour marks, labels with an empty
cell beside them.

Formulas are never places. On a protected sheet only unlocked cells may be written. Hidden sheets are not searched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from pipeline.errors import DocumentError
from pipeline.frames import words
from pipeline.frames.answers import identity_field
from pipeline.frames.package import Edit, Node, Package, escaped, qualified
from pipeline.frames.spot import Namer, Scan, Spot
from pipeline.french import fold, fold_spaces
from pipeline.records import FrameKind

_CELL = re.compile(r"^\$?([A-Z]{1,3})\$?([0-9]{1,7})$")
_LEGEND = re.compile(
    r"\b(?:cases?|cellules?|champs?|zones?|colonnes?)\b.{0,60}\b(?:a |etre )?"
    r"(?:remplir|rempli\w*|completer|complete\w*|renseigner|renseigne\w*|saisir)"
)
_NOT_LEGEND = re.compile(r"ne pas|reserve|acheteur|automatique|formule")
_LIST_REFERENCE = re.compile(r"^(?:'?([^'!]+)'?!)?\$?([A-Z]{1,3})\$?(\d+)(?::\$?([A-Z]{1,3})\$?(\d+))?$")
_CODE = re.compile(r"^[A-Z]{0,4}[\s\-_.]?\d")
"""« EX-012 », « A.01 », « 1.2 »: the first cell of a row of the table, not of its header."""
FILLABLE_TITLE = 100
"""Characters of the title of a column to fill; the longest seen has 70; requirements are sentences."""
MAX_SPAN = 10_000
"""Cells of a range that a validation or a merge covers; whole columns are taken as their first rows."""
SHORT_TITLE = 60
"""Characters under which a row without a number, among rows that have one, is a title; requirements are sentences."""
KINDS: dict[str, FrameKind] = {
    "text": "text", "comment": "comment", "conformity": "conformity", "section": "section", "price": "price",
}  # fmt: skip


@dataclass(frozen=True)
class _Style:
    fill: str
    """What tells fills apart; empty for none."""
    locked: bool


@dataclass
class _Rule:
    """What a data validation lets into a cell."""

    options: tuple[str, ...] = ()
    other: str = ""
    """Kind of a rule that is no list: « whole », « textLength »…"""


@dataclass
class _Sheet:
    name: str
    part: str
    data: bytes
    root: Node
    cells: dict[tuple[int, int], Node] = field(default_factory=dict)
    rows: dict[int, Node] = field(default_factory=dict)
    texts: dict[tuple[int, int], str] = field(default_factory=dict)
    covered: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """Cells under a merge and its top left cell."""
    hidden: set[int] = field(default_factory=set)
    """Columns."""
    rules: dict[tuple[int, int], _Rule] = field(default_factory=dict)
    protected: bool = False

    def text(self, row: int, column: int) -> str:
        """What a cell shows, a merge's value in all of its cells."""
        at = (row, column)
        return self.texts.get(self.covered.get(at, at), "")

    def formula(self, row: int, column: int) -> bool:
        node = self.cells.get((row, column))
        return node is not None and node.child("f") is not None

    def style(self, row: int, column: int) -> str:
        """Index of the style of a cell, or of its row or column where it is not written."""
        node = self.cells.get((row, column))
        if node is not None:
            return node.attributes.get("s", "0")
        holder = self.rows.get(row)
        if holder is not None and holder.attributes.get("customFormat") in ("1", "true"):
            return holder.attributes.get("s", "0")
        columns = self.root.child("cols")
        for item in columns.children if columns else ():
            if int(item.attributes.get("min", 1)) <= column <= int(item.attributes.get("max", 0)):
                return item.attributes.get("style", "0")
        return "0"


def scan_xlsx(package: Package) -> Scan:
    """The answer places of a workbook, sheet by sheet. Raises DocumentError where its XML is damaged."""
    try:
        sheets, styles, hidden = _workbook(package)
        namer = Namer()
        spots = [spot for sheet in sheets for spot in _Finder(sheet, styles, namer).spots()]
    except (ValueError, LookupError) as error:
        raise DocumentError(
            "Le contenu de ce classeur est endommagé", where=package.name, remedy="Enregistrez-le de nouveau en XLSX."
        ) from error
    remarks = [f"Feuille masquée « {name} » : non remplie." for name in hidden]
    return Scan(tuple(spots), tuple(remarks))


# --- reading -----------------------------------------------------------------------------------------------


def _workbook(package: Package) -> tuple[list[_Sheet], list[_Style], list[str]]:
    """Visible sheets, cell styles, names of the hidden sheets."""
    main = package.main()
    book = package.part(main)
    assert book is not None  # main() is the path of a member
    targets = package.targets(main)
    paths = {kind.rpartition("/")[2]: path for kind, path in targets.values()}
    strings = _strings(package.part(paths.get("sharedStrings", "")))
    sheets, hidden = [], []
    for item in book.all("sheet"):
        path = targets.get(item.attributes.get("id", ""), ("", ""))[1]
        root = package.part(path)
        if root is None or root.name != "worksheet":
            continue
        sheets.append(_sheet(item.attributes.get("name", ""), path, package.members[path], root, strings))
        if item.attributes.get("state", "visible") != "visible":
            hidden.append(sheets[-1].name)
    defined = {item.attributes.get("name", ""): item.text for item in book.all("definedName")}
    for sheet in sheets:
        _validations(sheet, sheets, defined)
    styles = _styles(package.part(paths.get("styles", "")))
    return [sheet for sheet in sheets if sheet.name not in hidden], styles, hidden


def _strings(root: Node | None) -> list[str]:
    return ["".join(_texts(item)) for item in (root.children if root else ()) if item.name == "si"]


def _texts(node: Node) -> Iterator[str]:
    for item in node.children:
        if item.name == "t":
            yield item.text
        elif item.name == "r":
            yield from _texts(item)


def _styles(root: Node | None) -> list[_Style]:
    if root is None:
        return []
    fills = []
    for fill in (root.child("fills") or root).all("fill"):
        pattern = fill.child("patternFill")
        colour = pattern.child("fgColor") if pattern else None
        solid = pattern is not None and pattern.attributes.get("patternType") == "solid" and colour is not None
        fills.append(repr(sorted(colour.attributes.items())) if solid and colour else "")
    formats = root.child("cellXfs")
    found = []
    for item in formats.children if formats else ():
        lock = item.child("protection")
        locked = lock is None or lock.attributes.get("locked", "1") not in ("0", "false")
        at = int(item.attributes.get("fillId", "0"))
        found.append(_Style(fills[at] if at < len(fills) else "", locked))
    return found


def _sheet(name: str, part: str, data: bytes, root: Node, strings: Sequence[str]) -> _Sheet:
    sheet = _Sheet(name, part, data, root)
    row = 0
    for holder in root.child("sheetData").children if root.child("sheetData") else ():  # type: ignore[union-attr]
        row = int(holder.attributes.get("r", row + 1))
        sheet.rows[row] = holder
        column = 0
        for node in holder.children:
            if node.name != "c":
                continue
            row_at, column = _at(node.attributes["r"]) if "r" in node.attributes else (row, column + 1)
            sheet.cells[row_at, column] = node
            value = node.child("v")
            if node.attributes.get("t") == "inlineStr":
                held = node.child("is")
                text = "".join(_texts(held)) if held else ""
            elif value is not None and node.attributes.get("t") == "s" and value.text.strip():
                text = strings[int(value.text)] if int(value.text) < len(strings) else ""
            else:
                text = value.text if value is not None else ""
            if text.strip():
                sheet.texts[row_at, column] = fold_spaces(text)
    for merge in root.all("mergeCell"):
        top, left, bottom, right = _range(merge.attributes["ref"])
        for at in _cells(top, left, bottom, right):
            if at != (top, left):
                sheet.covered[at] = (top, left)
    for item in root.child("cols").children if root.child("cols") else ():  # type: ignore[union-attr]
        if item.attributes.get("hidden") in ("1", "true"):
            last = min(int(item.attributes["max"]), int(item.attributes["min"]) + MAX_SPAN)
            sheet.hidden |= set(range(int(item.attributes["min"]), last + 1))
    protection = root.child("sheetProtection")
    sheet.protected = protection is not None and protection.attributes.get("sheet", "0") in ("1", "true")
    return sheet


def _validations(sheet: _Sheet, sheets: Sequence[_Sheet], defined: dict[str, str]) -> None:
    for rule in sheet.root.all("dataValidation"):
        formula = rule.child("formula1")
        kind = rule.attributes.get("type", "none")
        made = _Rule(other="" if kind in ("list", "none") else kind)
        if kind == "list" and formula is not None:
            made.options = _listed(formula.text.strip(), sheet, sheets, defined)
        if kind == "none":
            continue
        for area in rule.attributes.get("sqref", "").split():
            for at in _cells(*_range(area)):
                sheet.rules[at] = made


def _listed(formula: str, sheet: _Sheet, sheets: Sequence[_Sheet], defined: dict[str, str]) -> tuple[str, ...]:
    """The values of a list: written out, or in a range of this or another sheet."""
    if formula.startswith('"'):
        return tuple(part.strip() for part in formula.strip('"').split(","))
    found = _LIST_REFERENCE.match(defined.get(formula, formula).strip())
    if not found:
        return ()
    other = next((item for item in sheets if item.name == found[1]), sheet if not found[1] else None)
    if other is None:
        return ()
    bottom, right = (int(found[5]), found[4]) if found[4] else (int(found[3]), found[2])
    area = _cells(int(found[3]), _column(found[2]), bottom, _column(right))
    return tuple(text for at in area if (text := other.texts.get(at, "")))


def _cells(top: int, left: int, bottom: int, right: int) -> Iterator[tuple[int, int]]:
    wide = max(1, right - left + 1)
    for row in range(top, min(bottom, top + MAX_SPAN // min(wide, MAX_SPAN)) + 1):
        for column in range(left, min(right, left + MAX_SPAN) + 1):
            yield row, column


def _range(reference: str) -> tuple[int, int, int, int]:
    first, _, last = reference.partition(":")
    top, left = _at(first)
    bottom, right = _at(last or first)
    return top, left, bottom, right


def _at(reference: str) -> tuple[int, int]:
    found = _CELL.match(reference)
    if not found:
        raise ValueError(reference)
    return int(found[2]), _column(found[1])


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - 64
    return number


def _letters(column: int) -> str:
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


# --- finding -----------------------------------------------------------------------------------------------


class _Finder:
    """The places of one sheet."""

    def __init__(self, sheet: _Sheet, styles: Sequence[_Style], namer: Namer) -> None:
        self._sheet, self._styles, self._namer = sheet, styles, namer
        self._marked = self._legend_fills()
        self._values = next((v for text in sheet.texts.values() if (v := words.legend(text))), ())
        self._found: set[tuple[int, int]] = set()
        self._columns: dict[int, list[int]] = {}
        for row, column in sorted(sheet.cells):
            self._columns.setdefault(row, []).append(column)

    def spots(self) -> list[Spot]:
        rows = sorted(self._columns)
        spots: list[tuple[tuple[int, int], Spot]] = []
        headers = [row for row in rows if self._is_header(row)]
        for number, head in enumerate(headers):
            stop = headers[number + 1] if number + 1 < len(headers) else rows[-1] + 1
            spots += self._region(head, stop, self._titles(head, headers[:number]))
        spots += self._beside(rows)
        return [spot for _, spot in sorted(spots, key=lambda pair: pair[0])]

    def _legend_fills(self) -> set[str]:
        """Fills of the cells that say of their own colour: « les cases en bleu sont à remplir »."""
        fills = set()
        for at, text in self._sheet.texts.items():
            said = fold(text)
            if _LEGEND.search(said) and not _NOT_LEGEND.search(said) and len(said) < 200 and self._fill(*at):
                fills.add(self._fill(*at))
        return fills

    def _fill(self, row: int, column: int) -> str:
        index = self._sheet.style(row, column)
        return self._styles[int(index)].fill if index.isdigit() and int(index) < len(self._styles) else ""

    def _is_header(self, row: int) -> bool:
        """Whether a row names columns: two titles at least, one of them of a column to fill."""
        titles = {c: self._sheet.texts[row, c] for c in self._columns[row] if (row, c) in self._sheet.texts}
        if any(self._sheet.formula(row, c) for c in titles) or any(len(t) > words.MAX_HEADER for t in titles.values()):
            return False
        if any(words.unit(text) or re.fullmatch(r"[\d.,\s]+", text) for text in titles.values()):
            return False
        if any(_CODE.match(text) or text.endswith((":", ".", ";")) for text in titles.values()):
            return False
        roles = {text: words.role(text) for text in titles.values()}
        known = sum(role is not None for role in roles.values())
        fillable = any(role in KINDS and len(text) <= FILLABLE_TITLE for text, role in roles.items())
        return len(titles) > 1 and fillable and 2 * known > len(roles)

    def _titles(self, head: int, before: Sequence[int]) -> dict[int, str]:
        """Column titles of a header; where it has none, those of a header row right above it or merged into it."""
        columns = {column for _, column in self._sheet.cells}
        over = before[-1] if before and before[-1] == head - 1 else None
        titles = {}
        for column in columns:
            text = self._sheet.text(head, column) or (self._sheet.text(over, column) if over else "")
            if text:
                titles[column] = text
        return titles

    def _region(self, head: int, stop: int, titles: dict[int, str]) -> list[tuple[tuple[int, int], Spot]]:
        """The places of the rows under a header."""
        sheet = self._sheet
        roles = {column: words.role(text) for column, text in titles.items()}
        rows = [row for row in sorted(sheet.rows) if head < row < stop]
        questions = [c for c in titles if roles[c] in ("question", None)]
        identified = sum(bool(sheet.text(row, c)) for c in roles if roles[c] == "id" for row in rows)
        told = {c for c in titles if any((row, c) in sheet.texts for row in rows)}
        counted = [c for c in titles if roles[c] == "buyer" or any(sheet.formula(row, c) for row in rows)]
        priced = "price" in roles.values()
        first = min((c for c in questions if c in told), default=0)
        spots = []
        for row in rows:
            said = [sheet.text(row, c) for c in sorted(questions) if sheet.text(row, c)]
            named = next((sheet.text(row, c) for c in roles if roles[c] == "id" and sheet.text(row, c)), "")
            label = max(said, key=len, default=named)  # a theme beside it is shorter than the requirement
            titled = identified > len(rows) / 3 and not named and len(label) < SHORT_TITLE
            if not label or titled:
                continue  # an empty row, or a title between the rows
            if priced and counted and not any(sheet.text(row, c) or sheet.formula(row, c) for c in counted):
                continue
            for column in sorted(column for column in titles if column > first):
                kind: FrameKind | None = KINDS.get(roles[column] or "")
                if kind is None and roles[column] in ("question", None) and column not in told:
                    kind = "other"
                if kind is None or (row, column) in sheet.covered or not self._may_hold(row, column, kind):
                    continue
                reference = words.reference(named) or words.reference(label)
                spots.append(((row, column), self._spot(row, column, kind, label, titles[column], reference)))
        return spots

    def _may_hold(self, row: int, column: int, kind: FrameKind) -> bool:
        """Whether a cell under a title is to fill: no formula, no number of the buyer's, of the legend's colour."""
        if self._sheet.formula(row, column):
            return False
        text = self._sheet.text(row, column)
        if kind == "price":
            marked = not self._marked or self._fill(row, column) in self._marked
            return marked and (not text or words.unit(text))
        return True

    def _beside(self, rows: Sequence[int]) -> Iterator[tuple[tuple[int, int], Spot]]:
        """Cells that no header rules: of the legend's colour, before a lone unit, or at the right of a known label."""
        sheet = self._sheet
        for row in rows:
            label = ""
            for column in self._columns[row]:
                at = (row, column)
                text = sheet.texts.get(at, "")
                vacant = at not in sheet.covered and not sheet.formula(*at) and (not text or words.unit(text))
                if at in self._found:
                    label = ""
                    continue
                if text and not words.unit(text):
                    label = text
                    continue
                if not vacant or not label:
                    continue
                marked = self._fill(*at) in self._marked
                before_unit = not text and words.unit(sheet.texts.get((row, self._right(row, column)), ""))
                asked = (
                    not self._marked
                    and not text
                    and len(label) < 120
                    and (identity_field(label) or (words.for_a_person(label) and label.rstrip().endswith(":")))
                )
                if marked or before_unit or asked:
                    kind: FrameKind = "price" if text or before_unit else "text"
                    yield at, self._spot(row, column, kind, label, "", "")

    def _right(self, row: int, column: int) -> int:
        """The next column, a merge counting as one."""
        column += 1
        while self._sheet.covered.get((row, column), (0, 0))[0] == row:
            column += 1
        return column

    def _spot(self, row: int, column: int, kind: FrameKind, label: str, title: str, reference: str) -> Spot:
        sheet = self._sheet
        self._found.add((row, column))
        rule = sheet.rules.get((row, column), _Rule())
        text = sheet.text(row, column)
        where = f"feuille « {sheet.name} », cellule {_letters(column)}{row}"
        where += f", colonne « {title} »" if title else ""
        index = sheet.style(row, column)
        style = self._styles[int(index)] if index.isdigit() and int(index) < len(self._styles) else _Style("", True)
        left = ""
        if kind == "price":
            left = "Prix, montant ou taux : à remplir par une personne."
        elif sheet.protected and style.locked:
            left = "Feuille protégée et cellule verrouillée par l'acheteur."
        elif column in sheet.hidden or sheet.rows[row].attributes.get("hidden") in ("1", "true"):
            left = "Ligne ou colonne masquée par l'acheteur."
        elif rule.other:
            left = "L'acheteur impose à cette cellule une règle de saisie : à remplir par une personne."
        place = self._namer.place(
            where=where,
            label=label,
            kind=kind,
            empty=not text or words.unit(text) or words.prompt(text),
            reference=reference,
            options=rule.options or (words.options(title) or self._values if kind == "conformity" else ()),
            left=left,
        )
        return Spot(place, sheet.part, self._writer(row, column))

    def _writer(self, row: int, column: int) -> Callable[[Sequence[str]], list[Edit]]:
        return partial(_write, self._sheet, row, column)


def _write(sheet: _Sheet, row: int, column: int, texts: Sequence[str]) -> list[Edit]:
    """An inline string in a cell, its style kept; the shared strings stay as they are."""
    data, node, holder = sheet.data, sheet.cells.get((row, column)), sheet.rows[row]
    tag = partial(qualified, data, holder)
    held = b'<%b><%b xml:space="preserve">%b</%b></%b>' % (
        tag("is"), tag("t"), escaped("\n".join(texts)), tag("t"), tag("is"),
    )  # fmt: skip
    if node is None:
        new = b'<%b r="%b%d" s="%b" t="inlineStr">%b</%b>' % (
            tag("c"), _letters(column).encode(), row, sheet.style(row, column).encode(), held, tag("c"),
        )  # fmt: skip
        before = [n for (r, c), n in sheet.cells.items() if r == row and c < column]
        if holder.single:
            return [Edit(holder.inner - 2, holder.inner, b">" + new + b"</%b>" % tag("row"))]
        at = max((n.end for n in before), default=holder.inner)
        return [Edit(at, at, new)]
    opening = data[node.start : node.inner]
    end = len(opening) - (2 if node.single else 1)
    kind = re.search(rb"\st\s*=\s*(?:\"[^\"]*\"|'[^']*')", opening)
    edits = [Edit(node.start + kind.start(), node.start + kind.end(), b' t="inlineStr"')] if kind else []
    first = b"" if kind else b' t="inlineStr"'
    if node.single:
        return [*edits, Edit(node.start + end, node.end, first + b">" + held + b"</%b>" % tag("c"))]
    extension = next((child for child in node.children if child.name == "extLst"), None)
    stop = extension.start if extension else node.close
    return [*edits, Edit(node.start + end, stop, first + b">" + held)]
