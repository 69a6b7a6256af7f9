"""Word paragraphs -> Word paragraphs with revisions: what one says and the other does not, marked word by word.

A paragraph is a row of pieces (a word, a tab, a picture, a field) ended by its mark. Cutting a paragraph inserts a mark
and joining two deletes one, as ECMA-376 part 1 (§17.13.5) has it: a mark that is deleted joins its paragraph with the
next once the revision is accepted.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from docx.oxml import OxmlElement
from docx.oxml.ns import qn

from pipeline.align import ISLAND, changes, weight

Status = Literal["kept", "ins", "del", "moveTo", "moveFrom"]
_TRANSPARENT = (qn("w:sdt"), qn("w:sdtContent"), qn("w:smartTag"), qn("w:customXml"))
"""Wrappers of runs that say nothing about their text: a changed paragraph loses them."""
_PASSING = (qn("w:lastRenderedPageBreak"), qn("w:proofErr"), qn("w:rPr"), qn("w:pPr"), qn("w:sdtPr"), qn("w:sdtEndPr"))
"""What Word computes again, and properties, which go with what they are the properties of."""
_NOTES = (qn("w:footnoteReference"), qn("w:endnoteReference"), qn("w:commentReference"))
_BINARY = re.compile(rf"^\{{{re.escape('http://schemas.openxmlformats.org/officeDocument/2006/relationships')}\}}")
_FIELDS = {qn("w:instrText"): qn("w:delInstrText"), qn("w:t"): qn("w:delText")}
_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")
MARK = "¶"

Blob = Callable[[str], bytes]
"""The bytes a relationship leads to; its address where it leads outside."""


@dataclass(frozen=True)
class Atom:
    """A text or an element of a run, with the run it comes from and the hyperlink around it."""

    content: Any
    """A string, or the element."""
    run: Any
    """``None`` where the element stands beside runs: a bookmark, the bounds of a comment, a formula."""
    link: Any


@dataclass(frozen=True)
class Piece:
    """What is kept, inserted or deleted whole."""

    key: object
    """Two pieces of one key are the same; ``None`` for what is never marked: bookmarks, bounds of comments."""
    atoms: tuple[Atom, ...]


@dataclass
class Line:
    """A paragraph to be written: pieces with their status, and its mark."""

    pieces: list[tuple[Status, Piece]]
    mark: Status
    model: Any
    """The paragraph whose properties it takes."""
    foreign: bool = False
    """Whether the model is the generated document's."""
    move: str = ""
    """The name of the move it is part of."""
    joined: bool = False
    """Whether another line says its pieces: it is not written."""

    @property
    def text(self) -> str:
        return "".join(
            atom.content for _, piece in self.pieces for atom in piece.atoms if isinstance(atom.content, str)
        )

    def wholly(self, status: Status) -> bool:
        """Whether it is kept, new or gone, mark and all."""
        return self.mark == status and all(said == status for said, piece in self.pieces if piece.key is not None)

    def moves(self, status: Literal["moveTo", "moveFrom"], name: str) -> None:
        """Make of what is wholly new, or wholly gone, one end of a move."""
        self.pieces = [(status if piece.key is not None else said, piece) for said, piece in self.pieces]
        self.mark, self.move = status, name


# --- reading a paragraph -----------------------------------------------------------------------------------


def pieces(paragraph: Any, blob: Blob) -> list[Piece]:
    """The pieces of a paragraph, its mark left out: fields that begin and end in it whole, then words."""
    return list(_words(_fields(list(_atoms(paragraph, None)), blob)))


def _atoms(node: Any, link: Any) -> Iterator[Atom]:
    for child in node:
        if child.tag in _PASSING or not isinstance(child.tag, str):
            continue
        if child.tag == qn("w:r"):
            for inner in child:
                if inner.tag == qn("w:t"):
                    yield Atom(inner.text or "", child, link)
                elif inner.tag not in _PASSING:
                    yield Atom(inner, child, link)
        elif child.tag == qn("w:hyperlink"):
            yield from _atoms(child, child)
        elif child.tag in _TRANSPARENT:
            yield from _atoms(child, link)
        elif child.tag == qn("w:fldSimple"):
            yield from _spelled(child, link)
        else:
            yield Atom(child, None, link)


def _spelled(simple: Any, link: Any) -> Iterator[Atom]:
    """A simple field as the runs of a complex one: no revision may hold it otherwise."""
    run = OxmlElement("w:r")
    for kind in ("begin", "instruction", "separate"):
        node = OxmlElement("w:instrText" if kind == "instruction" else "w:fldChar")
        if kind == "instruction":
            node.text = simple.get(qn("w:instr"))
        else:
            node.set(qn("w:fldCharType"), kind)
        yield Atom(node, run, link)
    yield from _atoms(simple, link)
    node = OxmlElement("w:fldChar")
    node.set(qn("w:fldCharType"), "end")
    yield Atom(node, run, link)


def _fields(atoms: Sequence[Atom], blob: Blob) -> Iterator[Atom | Piece]:
    """Atoms, with each field that begins and ends here made a piece; a field that does not is never marked."""
    n = 0
    while n < len(atoms):
        end = _field_end(atoms, n)
        if end is not None:
            inside = tuple(atoms[n:end])
            said = tuple(atom.content if isinstance(atom.content, str) else atom.content.text for atom in inside)
            yield Piece(("field", *(part for part in said if part)), inside)
            n = end
        elif isinstance(atoms[n].content, str):
            yield atoms[n]
            n += 1
        else:
            yield Piece(_key(atoms[n], blob), (atoms[n],))
            n += 1


def _field_end(atoms: Sequence[Atom], start: int) -> int | None:
    """The position after the field that begins at ``start``; ``None`` where none does, or it ends elsewhere."""
    depth = 0
    for n in range(start, len(atoms)):
        kind = _field_kind(atoms[n])
        depth += (kind == "begin") - (kind == "end")
        if depth == 0:
            return n + 1 if kind == "end" and n > start else None
    return None


def _field_kind(atom: Atom) -> str:
    element = not isinstance(atom.content, str) and atom.content.tag == qn("w:fldChar")
    return str(atom.content.get(qn("w:fldCharType"))) if element else ""


def _key(atom: Atom, blob: Blob) -> object:
    """What an element is, whatever its identifiers: its tag, its text, and the bytes of its pictures."""
    node = atom.content
    tag = node.tag
    if tag in (qn("w:fldChar"), qn("w:instrText"), qn("w:commentReference")):
        return None
    if atom.run is None and not tag.startswith("{http://schemas.openxmlformats.org/officeDocument/2006/math}"):
        return None
    if tag in (qn("w:tab"), qn("w:br"), qn("w:cr"), qn("w:sym")):
        return (tag, *sorted(node.attrib.items()))
    text = "".join(node.itertext())
    held = sorted(
        hashlib.sha256(blob(value)).hexdigest()
        for inner in node.iter()
        for name, value in inner.attrib.items()
        if _BINARY.match(str(name))
    )
    return (tag, text, *held)


def _words(parts: Iterable[Atom | Piece]) -> Iterator[Piece]:
    """Runs of text cut in words, wherever the runs end: « mé|moire » half in bold is one word."""
    for plain, group in groupby(parts, lambda part: isinstance(part, Atom)):
        if not plain:
            yield from (part for part in group if isinstance(part, Piece))
            continue
        atoms = [part for part in group if isinstance(part, Atom)]
        text = "".join(atom.content for atom in atoms)
        starts = [0]
        for atom in atoms:
            starts.append(starts[-1] + len(atom.content))
        n = 0
        for token in _TOKEN.finditer(text):
            found = []
            while starts[n + 1] <= token.start():
                n += 1
            at = n
            while at < len(atoms) and starts[at] < token.end():
                cut = atoms[at].content[max(token.start() - starts[at], 0) : token.end() - starts[at]]
                found.append(Atom(cut, atoms[at].run, atoms[at].link))
                at += 1
            yield Piece(token.group(), tuple(found))


# --- comparing ---------------------------------------------------------------------------------------------


def merged(ours: Sequence[Any], theirs: Sequence[Any], blob: Blob, their_blob: Blob) -> list[Line]:
    """The lines that make ``ours`` when refused and ``theirs`` when accepted; their last mark is common to both. One
    side may be empty: then every mark is new, or gone."""
    left, right = _row(ours, blob), _row(theirs, their_blob)
    if not ours:
        return _lines([("kept" if piece.key is None else "ins", piece) for piece in right])
    if not theirs:
        return _lines([("del", piece) for piece in left if piece.key is not None])
    last = right.pop()
    left.pop()
    silent = [piece for piece in right if piece.key is None]
    keyed = [piece for piece in right if piece.key is not None]
    out: list[tuple[Status, Piece]] = []
    left = [piece for piece in left if piece.key is not None]
    for change in changes([p.key for p in left], [p.key for p in keyed], [_weight(p) for p in left]):
        if change.equal:
            out += [("kept", piece) for piece in keyed[change.right]]
        else:
            out += [("del", piece) for piece in left[change.left]]
            out += [("ins", piece) for piece in keyed[change.right]]
    return _lines([*(_with_silent(out, right) if silent else out), ("kept", last)])


def _row(paragraphs: Sequence[Any], blob: Blob) -> list[Piece]:
    """The pieces of several paragraphs, each with its mark."""
    return [
        piece
        for paragraph in paragraphs
        for piece in (*pieces(paragraph, blob), Piece(MARK, (Atom(paragraph, None, None),)))
    ]


def _weight(piece: Piece) -> int:
    """What a piece kept between two changes says; marks, pictures and fields are always worth keeping."""
    return weight(piece.key) if isinstance(piece.key, str) and piece.key != MARK else ISLAND


def _with_silent(out: Sequence[tuple[Status, Piece]], right: Sequence[Piece]) -> list[tuple[Status, Piece]]:
    """Their bookmarks and bounds of comments, put back where they stood, unmarked."""
    found: list[tuple[Status, Piece]] = []
    rest = list(right)
    for status, piece in out:
        if status != "del":
            while rest and rest[0].key is None:
                found.append(("kept", rest.pop(0)))
            rest.pop(0)
        found.append((status, piece))
    return [*found, *(("kept", piece) for piece in rest)]


def _lines(row: Sequence[tuple[Status, Piece]]) -> list[Line]:
    lines: list[Line] = []
    held: list[tuple[Status, Piece]] = []
    for status, piece in row:
        if piece.key == MARK and not isinstance(piece.atoms[0].content, str):
            lines.append(Line(held, status, piece.atoms[0].content, foreign=status == "del"))
            held = []
        else:
            held.append((status, piece))
    return lines


# --- writing -----------------------------------------------------------------------------------------------


@dataclass
class Pen:
    """Signs revisions: a number of its own for each, an author, a date."""

    author: str
    date: str
    number: int = 90_000
    """High above what Word numbers bookmarks and comments with."""

    def signed(self, tag: str) -> Any:
        """An element with an identifier, an author and a date."""
        self.number += 1
        node = OxmlElement(tag)
        node.set(qn("w:id"), str(self.number))
        node.set(qn("w:author"), self.author)
        node.set(qn("w:date"), self.date)
        return node


def paragraph_of(line: Line, pen: Pen, ours: Callable[[Any], Any | None]) -> Any:
    """The paragraph a line says. ``ours`` makes an element of the generated document one of the human's; ``None``
    where it cannot be taken over."""
    made = OxmlElement("w:p")
    model = line.model.find(qn("w:pPr"))
    properties = copy.deepcopy(model) if model is not None else OxmlElement("w:pPr")
    if line.foreign:
        properties = ours(properties)
    if line.mark != "kept":
        marks = properties.find(qn("w:rPr"))
        if marks is None:
            marks = OxmlElement("w:rPr")
            later = [node for node in properties if node.tag in (qn("w:sectPr"), qn("w:pPrChange"))]
            properties.insert(properties.index(later[0]) if later else len(properties), marks)
        marks.insert(0, pen.signed(f"w:{line.mark}"))
    if len(properties):
        made.append(properties)
    bounds = _bounds(line, pen) if line.move else None
    if bounds:
        made.append(bounds[0])
    atoms = [(status, atom) for status, piece in line.pieces for atom in piece.atoms]
    for (status, link, beside), group in groupby(atoms, _place):
        _append(made, status, link, beside, [atom for _, atom in group], pen, ours)
    if bounds:
        made.append(bounds[1])
    return made


def _place(marked: tuple[Status, Atom]) -> tuple[Status, Any, bool]:
    """Atoms of one status, one hyperlink and one level are written in one element."""
    status, atom = marked
    return status, atom.link, atom.run is None


def _bounds(line: Line, pen: Pen) -> tuple[Any, Any]:
    """The start and the end of a move; the other end of it has the same name."""
    start = pen.signed(f"w:{line.mark}RangeStart")
    start.set(qn("w:name"), line.move)
    end = OxmlElement(f"w:{line.mark}RangeEnd")
    end.set(qn("w:id"), start.get(qn("w:id")))
    return start, end


def _append(
    made: Any,
    status: Status,
    link: Any,
    beside: bool,
    atoms: Sequence[Atom],
    pen: Pen,
    ours: Callable[[Any], Any | None],
) -> None:
    """Write atoms of one place at the end of a paragraph."""
    foreign = status in ("del", "moveFrom")
    place = made
    if link is not None:
        holder = link.makeelement(link.tag, dict(link.attrib))
        holder = ours(holder) if foreign else holder
        if holder is not None:
            place.append(holder)
            place = holder
    formula = beside and any(atom.content.tag.endswith(("oMath", "oMathPara")) for atom in atoms)
    if status != "kept" and (not beside or formula):
        revision = pen.signed(f"w:{status}")
        place.append(revision)
        place = revision
    if beside:
        place.extend(copy.deepcopy(atom.content) for atom in atoms if formula or not foreign)
        return
    for _, group in groupby(atoms, lambda atom: id(atom.run)):
        place.append(_run(list(group), status, ours))


def _run(atoms: Sequence[Atom], status: Status, ours: Callable[[Any], Any | None]) -> Any:
    """A run of the format of the one its atoms come from."""
    model = atoms[0].run
    made = model.makeelement(model.tag)
    foreign = status in ("del", "moveFrom")
    format_ = model.find(qn("w:rPr"))
    if format_ is not None:
        made.append(ours(copy.deepcopy(format_)) if foreign else copy.deepcopy(format_))
    for plain, group in groupby(atoms, lambda atom: isinstance(atom.content, str)):
        if plain:
            text = OxmlElement("w:delText" if status == "del" else "w:t")
            text.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
            text.text = "".join(atom.content for atom in group)
            made.append(text)
            continue
        for atom in group:
            node = copy.deepcopy(atom.content)
            if foreign:
                node = None if node.tag in _NOTES else ours(node)
            if node is not None:
                if status == "del" and node.tag in _FIELDS:
                    node.tag = _FIELDS[node.tag]
                made.append(node)
    return made
