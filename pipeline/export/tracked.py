"""Two Word documents -> one with revisions: accepting all gives the human one, refusing all the generated one.

The human document is the one written into, so that whatever people brought (pictures, comments, layout) stays as it is;
what they took away is brought back as deleted. Paragraphs, cells and rows are compared; headers, footers and notes are
the human document's, and formats are not compared.
"""

from __future__ import annotations

import copy
import os
import posixpath
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from docx.oxml import parse_xml
from docx.oxml.ns import qn
from lxml import etree

from pipeline.align import ROW, Group, Item, align, in_place, words
from pipeline.export.revisions import Line, Pen, merged, paragraph_of
from pipeline.readers.reviewed import HISTORY, settle

DOCUMENT, STYLES, NUMBERING = "word/document.xml", "word/styles.xml", "word/numbering.xml"
RELATIONS, TYPES = "word/_rels/document.xml.rels", "[Content_Types].xml"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_MOVED = 4
"""Words from which a paragraph that left one place and came to another was moved."""
_CONTAINERS = (qn("w:sdt"), qn("w:sdtContent"), qn("w:customXml"))


def write_tracked(generated: Path, human: Path, target: Path, author: str, date: str) -> None:
    """Write the human document with the revisions that lead to it from the generated one; whole or not at all.

    ``date``: ISO 8601, with seconds. Pictures go from file to file without being held in memory. Both files are
    readable Word documents: read them first.
    """
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with zipfile.ZipFile(generated) as old, zipfile.ZipFile(human) as new:
            ours, theirs = _Package(old), _Package(new)
            settle(theirs.document)
            settle(ours.document)
            Comparison(ours, theirs, Pen(author, date)).write()
            with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as made:
                _copy(new, made, theirs, ours)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _copy(new: zipfile.ZipFile, made: zipfile.ZipFile, theirs: _Package, ours: _Package) -> None:
    """Every part of the human document, those that changed anew, and the pictures brought from the other."""
    fresh = theirs.changed()
    for item in new.infolist():
        if item.filename in fresh:
            made.writestr(item.filename, fresh[item.filename])
        else:
            same = zipfile.ZipInfo(item.filename)
            same.compress_type = item.compress_type  # pictures are stored: packing them again gains nothing
            with new.open(item) as source, made.open(same, "w", force_zip64=True) as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
    for name, origin in theirs.brought.items():
        made.writestr(name, ours.archive.read(origin))


# --- packages ----------------------------------------------------------------------------------------------


class _Package:
    """The parts of a Word file that a comparison reads or changes."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.names = set(archive.namelist())
        self.document = parse_xml(archive.read(DOCUMENT))
        self.body = self.document.find(qn("w:body"))
        self.parts = {name: self._part(name) for name in (STYLES, NUMBERING, RELATIONS, TYPES)}
        self.brought: dict[str, str] = {}
        """Parts taken over from the other document: name here -> name there."""

    def _part(self, name: str) -> Any:
        return parse_xml(self.archive.read(name)) if name in self.names else None

    def changed(self) -> dict[str, bytes]:
        """What may differ from the file: the document, its styles, its relationships, the types of its parts."""
        parts = {DOCUMENT: self.document, **{name: self.parts[name] for name in (STYLES, RELATIONS, TYPES)}}
        return {
            name: etree.tostring(part, xml_declaration=True, encoding="UTF-8", standalone=True)
            for name, part in parts.items()
            if part is not None
        }

    def relation(self, identifier: str) -> Any | None:
        relations = self.parts[RELATIONS]
        return None if relations is None else next((r for r in relations if r.get("Id") == identifier), None)

    def path(self, relation: Any) -> str:
        """The part a relationship leads to."""
        return posixpath.normpath(posixpath.join("/word", relation.get("Target"))).lstrip("/")

    def blob(self, identifier: str) -> bytes:
        """The bytes a relationship leads to; its address where they are outside, or nowhere."""
        relation = self.relation(identifier)
        if relation is None:
            return identifier.encode()
        path = self.path(relation)
        if relation.get("TargetMode") == "External" or path not in self.names:
            return str(relation.get("Target")).encode()
        return self.archive.read(path)


@dataclass
class _Transfer:
    """Takes elements of the generated document over into the human one: styles by name, pictures, links."""

    ours: _Package
    theirs: _Package

    def __post_init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {
            _style_key(style): style.get(qn("w:styleId")) for style in _children(self.theirs, STYLES, "style")
        }
        self._known = {style.get(qn("w:styleId")): style for style in _children(self.ours, STYLES, "style")}
        self._lists = {number.get(qn("w:numId")) for number in _children(self.theirs, NUMBERING, "num")}
        self._taken: dict[str, str] = {}

    def __call__(self, node: Any) -> Any | None:
        """The element, changed in place; ``None`` where it leans on a part that cannot be taken over."""
        for style in node.iter(qn("w:pStyle"), qn("w:rStyle"), qn("w:tblStyle")):
            style.set(qn("w:val"), self._style(style.get(qn("w:val"))))
        for tag in (qn("w:sectPr"), *HISTORY):
            for old in list(node.iter(tag)):
                old.getparent().remove(old)
        for list_ in list(node.iter(qn("w:numPr"))):
            number = list_.find(qn("w:numId"))
            if number is not None and number.get(qn("w:val")) not in self._lists:
                list_.getparent().remove(list_)
        leaning = [(inner, str(name)) for inner in node.iter() for name in inner.attrib if str(name).startswith(_LINK)]
        for inner, name in leaning:
            identifier = self._relation(inner.get(name))
            if identifier is not None:
                inner.set(name, identifier)
                continue
            holder = inner
            while holder is not node and holder.getparent() is not None and holder.getparent().tag != qn("w:r"):
                holder = holder.getparent()
            if holder is node:
                return None
            if holder.getparent() is not None:
                holder.getparent().remove(holder)
        return node

    def _style(self, identifier: str) -> str:
        """The human document's style of the same name, brought with those it is based on where it has none."""
        style: Any = self._known.get(identifier)
        if style is None or self.theirs.parts[STYLES] is None:
            return identifier
        key = _style_key(style)
        if key not in self._names:
            taken = set(self._names.values())
            self._names[key] = identifier if identifier not in taken else f"{identifier}Genere"
            brought = copy.deepcopy(style)
            brought.set(qn("w:styleId"), self._names[key])
            for tag in ("w:link", "w:next", "w:numPr"):
                for node in list(brought.iter(qn(tag))):
                    node.getparent().remove(node)
            based = brought.find(qn("w:basedOn"))
            if based is not None:
                based.set(qn("w:val"), self._style(based.get(qn("w:val"))))
            self.theirs.parts[STYLES].append(brought)
        return self._names[key]

    def _relation(self, identifier: str) -> str | None:
        """The relationship that leads to the same picture or address; ``None`` for other parts."""
        if identifier in self._taken:
            return self._taken[identifier]
        old, relations = self.ours.relation(identifier), self.theirs.parts[RELATIONS]
        if old is None or relations is None:
            return None
        target, kind = old.get("Target"), old.get("Type")
        if old.get("TargetMode") != "External":
            path = self.ours.path(old)
            if not kind.endswith("/image") or path not in self.ours.names:
                return None
            target = f"media/genere-{len(self._taken) + 1}{posixpath.splitext(path)[1]}"
            self.theirs.brought[f"word/{target}"] = path
            self._declare(posixpath.splitext(path)[1].lstrip("."))
        node = etree.SubElement(relations, f"{{{_PACKAGE}/relationships}}Relationship")
        name = f"rIdGenere{len(self._taken) + 1}"
        attributes = {"Id": name, "Type": kind, "Target": target}
        for key, value in {**attributes, "TargetMode": old.get("TargetMode")}.items():
            if value:
                node.set(key, value)
        self._taken[identifier] = name
        return name

    def _declare(self, extension: str) -> None:
        """Say what the files of an extension are, as the generated document says it."""
        types, known = self.theirs.parts[TYPES], self.ours.parts[TYPES]
        tag = f"{{{_PACKAGE}/content-types}}Default"
        if any(node.tag == tag and node.get("Extension", "").lower() == extension.lower() for node in types):
            return
        for node in known:
            if node.tag == tag and node.get("Extension", "").lower() == extension.lower():
                types.insert(0, copy.deepcopy(node))


def _children(package: _Package, part: str, tag: str) -> list[Any]:
    root = package.parts[part]
    return [] if root is None else root.findall(qn(f"w:{tag}"))


def _style_key(style: Any) -> tuple[str, str]:
    name = style.find(qn("w:name"))
    return style.get(qn("w:type"), ""), "" if name is None else str(name.get(qn("w:val"))).lower()


# --- comparing ---------------------------------------------------------------------------------------------


class _Entry(NamedTuple):
    """A block of the document to be written."""

    content: Any
    """A Line, or a table."""
    replaces: tuple[Any, ...] = ()
    """The human document's blocks in whose place it comes."""


class Comparison:
    """Writes into the human document's body what leads to it from the generated one's."""

    def __init__(self, ours: _Package, theirs: _Package, pen: Pen) -> None:
        self._ours, self._theirs, self._pen = ours, theirs, pen
        self._take = _Transfer(ours, theirs)

    def write(self) -> None:
        self._container(self._ours.body, self._theirs.body)

    def _container(self, ours: Any, theirs: Any) -> None:
        """Compare what two bodies or two cells hold, and write the difference into the second."""
        left, right = list(_blocks(ours)), list(_blocks(theirs))
        ended = _steps(left, right)
        if not _ends_well(ended, left, right):
            ended = [*_steps(left[:-1], right[:-1]), Group((len(left) - 1,), (len(right) - 1,))]
        entries = [entry for step in ended for entry in self._entries(step, left, right)]
        for lines, group in groupby(entries, lambda entry: isinstance(entry.content, Line)):
            if lines:
                stretch = [entry.content for entry in group]
                _part_edits(stretch)
                _keep_last_mark(stretch)
        _name_moves([entry.content for entry in entries if isinstance(entry.content, Line)])
        self._place(theirs, entries)

    def _entries(self, step: Group, left: Sequence[Any], right: Sequence[Any]) -> Iterator[_Entry]:
        """What is written for a group: its lines, or its table."""
        ours, theirs = [left[i] for i in step.ours], [right[j] for j in step.theirs]
        if (theirs or ours)[0].tag == qn("w:p"):
            lines = merged(ours, theirs, self._ours.blob, self._theirs.blob)
            yield _Entry(lines[0], tuple(theirs))
            yield from (_Entry(line) for line in lines[1:])
        elif not theirs:
            yield _Entry(self._whole_table(copy.deepcopy(ours[0]), "del"))
        elif not ours:
            yield _Entry(self._whole_table(theirs[0], "ins"), (theirs[0],))
        else:
            self._table(ours[0], theirs[0])
            yield _Entry(theirs[0], (theirs[0],))

    def _place(self, container: Any, entries: Sequence[_Entry]) -> None:
        """Put lines and tables where the human document's own blocks stood; what did not change stays itself."""
        last: Any = None
        for entry in entries:
            if isinstance(entry.content, Line):
                if entry.content.joined:
                    continue
                same = len(entry.replaces) == 1 and entry.content.wholly("kept")
                node = entry.replaces[0] if same else paragraph_of(entry.content, self._pen, self._take)
            else:
                node = entry.content
            if entry.replaces and node is entry.replaces[0]:
                last = node
                continue
            if entry.replaces:
                entry.replaces[0].addprevious(node)
                for old in entry.replaces:
                    old.getparent().remove(old)
            elif last is not None:
                last.addnext(node)
            else:
                container.insert(1 if len(container) and container[0].tag == qn("w:tcPr") else 0, node)
            last = node

    def _whole_table(self, table: Any, status: str) -> Any:
        """A table that is new, or gone: every row of it."""
        if status == "del":
            self._take(table)
        for row in _rows(table):
            self._whole_row(row, status)
        return table

    def _whole_row(self, row: Any, status: str) -> Any:
        properties = row.get_or_add_trPr()
        for cell in _cells(row):
            blocks = list(_blocks(cell))
            for block in blocks:
                if block.tag == qn("w:tbl"):
                    self._whole_table(block, status)
                    continue
                lone = (block,)
                blobs = self._ours.blob, self._theirs.blob
                line = merged(lone, (), *blobs)[0] if status == "del" else merged((), lone, *blobs)[0]
                if block is blocks[-1]:
                    line.mark = "kept"  # the end of a cell is no paragraph's: it goes with the row
                block.addprevious(paragraph_of(line, self._pen, lambda node: node))
                block.getparent().remove(block)
        properties.append(self._pen.signed(f"w:{status}"))
        return row

    def _table(self, ours: Any, theirs: Any) -> None:
        """Compare two tables row by row; rows of another number of cells are not the same row."""
        left, right = _rows(ours), _rows(theirs)
        last: Any = None
        for step in _steps(left, right):
            if step.ours and step.theirs:
                last = right[step.theirs[0]]
                for a, b in zip(_cells(left[step.ours[0]]), _cells(last), strict=True):
                    self._container(a, b)
            elif step.theirs:
                last = self._whole_row(right[step.theirs[0]], "ins")
            else:
                gone = copy.deepcopy(left[step.ours[0]])
                self._take(gone)
                self._whole_row(gone, "del")
                if last is not None:
                    last.addnext(gone)
                else:
                    right[0].addprevious(gone)
                last = gone


def _steps(left: Sequence[Any], right: Sequence[Any]) -> list[Group]:
    """Pairs in one order, with what is gone before what is new between them; what was moved is both."""
    chain = in_place(align([_item(node) for node in left], [_item(node) for node in right]))
    found: list[Group] = []
    i = j = 0
    for group in [*chain, Group((len(left),), (len(right),))]:
        found += [Group((n,), ()) for n in range(i, group.ours[0])]
        found += [Group((), (n,)) for n in range(j, group.theirs[0])]
        found.append(group)
        i, j = group.ours[-1] + 1, group.theirs[-1] + 1
    return found[:-1]


def _item(node: Any) -> Item:
    """What a block or a row is aligned by; rows of another number of cells, or a table and a paragraph, are never
    one another's."""
    kind = f"{ROW} {len(_cells(node))}" if node.tag == qn("w:tr") else str(node.tag)
    return Item(" ".join(_text(paragraph) for paragraph in node.iter(qn("w:p"))), kind)


def _text(paragraph: Any) -> str:
    return "".join(node.text or "" for node in paragraph.iter(qn("w:t")))


def _ends_well(steps: Sequence[Group], left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Whether the last paragraph's mark can be common: after the last table, both sides have a paragraph."""
    mine = theirs = False
    for step in reversed(steps):
        block = (right[step.theirs[0]] if step.theirs else left[step.ours[0]]).tag
        if block != qn("w:p"):
            break
        mine, theirs = mine or bool(step.ours), theirs or bool(step.theirs)
    return mine == theirs or not (left and right and left[-1].tag == right[-1].tag == qn("w:p"))


def _keep_last_mark(lines: Sequence[Line]) -> None:
    """Hand the mark common to both down to the end of a stretch of paragraphs: what follows cannot be joined to.

    Behind the last common mark stand the deleted lines, then the inserted ones. Where there are both, the last deleted
    and the first inserted share a paragraph, whose end is the end of both.
    """
    n = max((n for n, line in enumerate(lines) if line.mark == "kept"), default=-1)
    tail = lines[n + 1 :]
    gone, new = [line for line in tail if line.mark == "del"], [line for line in tail if line.mark == "ins"]
    if gone and new:
        new[0].pieces = [*gone[-1].pieces, *new[0].pieces]
        gone[-1].joined = True
        new[-1].mark = "kept"
    elif tail and n >= 0:
        _hand_down(lines[n], tail[-1])


def _part_edits(lines: Sequence[Line]) -> None:
    """Where a paragraph ends by an edit and a whole paragraph of the same edit follows, make them one edit: LibreOffice
    takes the mark between the two for a part of it."""
    for n, line in enumerate(lines):
        status = line.pieces[-1][0] if line.mark == "kept" and line.pieces else "kept"
        end = n
        while status != "kept" and end + 1 < len(lines) and lines[end + 1].wholly(status):
            end += 1
        if end > n:
            _hand_down(line, lines[end])


def _hand_down(kept: Line, last: Line) -> None:
    """Give the mark of both to the last of the new, or gone, paragraphs that follow, and theirs to this one."""
    kept.mark, last.mark = last.mark, "kept"
    if kept.mark == "del":  # once accepted, this paragraph ends there: it keeps its format
        last.model, last.foreign = kept.model, False


def _name_moves(lines: Sequence[Line]) -> None:
    """Say of what is gone here and new there, word for word, that it was moved."""
    gone, new = (
        {
            line.text: line
            for line in lines
            if line.wholly(status) and not line.joined and len(words(line.text)) >= _MOVED
        }
        for status in ("del", "ins")
    )
    for n, text in enumerate(text for text in gone if text in new):
        gone[text].moves("moveFrom", f"deplacement{n + 1}")
        new[text].moves("moveTo", f"deplacement{n + 1}")


# --- structure ---------------------------------------------------------------------------------------------


def _blocks(container: Any) -> Iterator[Any]:
    """Paragraphs and tables of a body or a cell, those in content controls with them."""
    for child in container:
        if child.tag in (qn("w:p"), qn("w:tbl")):
            yield child
        elif child.tag in _CONTAINERS:
            yield from _blocks(child)


def _rows(table: Any) -> list[Any]:
    return _inside(table, qn("w:tr"))


def _cells(row: Any) -> list[Any]:
    return _inside(row, qn("w:tc"))


def _inside(node: Any, tag: str) -> list[Any]:
    """Children of a tag, those in content controls with them."""
    found: list[Any] = []
    for child in node:
        if child.tag == tag:
            found.append(child)
        elif child.tag in _CONTAINERS:
            found += _inside(child, tag)
    return found
