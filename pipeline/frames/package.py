"""Office packages opened and edited in place: XML read with the byte positions of its elements, changed by splicing.

Nothing is serialised again: a part keeps every byte outside the edits, and a member without edits keeps all of them.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.parsers import expat

from pipeline.errors import DocumentError
from pipeline.readers.docx import UNREADABLE
from pipeline.readers.odt import check_package

_NAMESPACES = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",
)
"""Transitional and strict (ECMA-376); names in them stand without a prefix in :class:`Node`."""
_START_TAG = re.compile(rb"<[^>\"']*(?:\"[^\"]*\"[^>\"']*|'[^']*'[^>\"']*)*>")
_ENCODING = re.compile(rb"^(?:\xef\xbb\xbf)?<\?xml[^>]*?encoding\s*=\s*[\"']([^\"']+)")
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 forbids."""
MAX_DEPTH = 300
"""Elements one in another: Word's own files stay under 60, and Python's stack holds 1,000 calls."""


class Edit(NamedTuple):
    """Bytes ``start`` to ``end`` of a part become ``new``."""

    start: int
    end: int
    new: bytes


@dataclass(slots=True)
class Node:
    """An XML element and where its bytes are."""

    name: str
    """Local name in the main namespaces; « namespace name » elsewhere."""
    attributes: dict[str, str]
    """By local name."""
    start: int
    """Offset of its « < »."""
    inner: int
    """Offset after its start tag."""
    close: int = 0
    """Offset of its end tag; ``inner`` where it has none."""
    end: int = 0
    """Offset after its last byte."""
    text: str = ""
    """Its own characters, those of its children apart."""
    children: list[Node] = field(default_factory=list)

    @property
    def single(self) -> bool:
        """Written « <a/> »."""
        return self.close == self.end

    def child(self, *path: str) -> Node | None:
        """The first descendant down this path of names."""
        found: Node | None = self
        for name in path:
            found = next((item for item in found.children if item.name == name), None) if found else None
        return found

    def all(self, name: str) -> Iterator[Node]:
        """Every descendant of this name, in order."""
        for item in self.children:
            if item.name == name:
                yield item
            yield from item.all(name)

    def value(self, *path: str) -> str | None:
        """Attribute ``val`` of the descendant down this path."""
        found = self.child(*path)
        return found.attributes.get("val") if found else None


def parse(data: bytes, name: str) -> Node:
    """The root element. Raises DocumentError where the XML is damaged, in another encoding than UTF-8, or declares a
    document type."""
    found = _ENCODING.match(data)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or (found and found[1].lower() not in (b"utf-8", b"us-ascii", b"ascii")):
        raise DocumentError(
            "Ce fichier n'est pas codé en UTF-8", where=name, remedy="Ouvrez-le et enregistrez-le de nouveau."
        )
    root = Node("", {}, 0, 0)
    open_nodes = [root]
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def start(tag: str, attributes: dict[str, str]) -> None:
        at = parser.CurrentByteIndex
        opening = _START_TAG.match(data, at)
        if opening is None or len(open_nodes) > MAX_DEPTH:
            raise ValueError(tag)
        space, _, local = tag.rpartition(" ")
        node = Node(
            local if space in _NAMESPACES else tag,
            {key.rpartition(" ")[2]: value for key, value in attributes.items()},
            at,
            opening.end(),
        )
        open_nodes[-1].children.append(node)
        open_nodes.append(node)

    def end(tag: str) -> None:
        node = open_nodes.pop()
        if data[node.inner - 2 : node.inner] == b"/>":
            node.close = node.end = node.inner
        else:
            node.close = parser.CurrentByteIndex
            node.end = data.index(b">", node.close) + 1

    def text(characters: str) -> None:
        open_nodes[-1].text += characters

    def doctype(*_: object) -> None:
        raise ValueError("DOCTYPE")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = text, doctype
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError) as error:
        raise DocumentError(
            "Le contenu XML de ce fichier est endommagé", where=name, remedy="Demandez un exemplaire intact."
        ) from error
    return root.children[0]


def qualified(data: bytes, node: Node, name: str) -> bytes:
    """``name`` with the prefix that ``node`` is written with."""
    written = re.split(rb"[\s/>]", data[node.start + 1 : node.inner], maxsplit=1)[0]
    prefix, colon, _ = written.rpartition(b":")
    return prefix + colon + name.encode()


def escaped(text: str) -> bytes:
    """Text as the content of an element."""
    plain = _ILLEGAL.sub("", text)
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").encode()


def splice(data: bytes, edits: Sequence[Edit]) -> bytes:
    """``data`` with the edits made; they may not overlap."""
    pieces: list[bytes] = []
    at = 0
    for edit in sorted(edits):
        if edit.start < at:
            raise ValueError("edits overlap")
        pieces += [data[at : edit.start], edit.new]
        at = edit.end
    return b"".join([*pieces, data[at:]])


@dataclass(frozen=True)
class Package:
    """An Office file, its members in order."""

    data: bytes
    name: str
    members: Mapping[str, bytes]

    def part(self, name: str) -> Node | None:
        """The root element of a member, or ``None`` where there is none of this name."""
        return parse(self.members[name], self.name) if name in self.members else None

    def main(self) -> str:
        """Path of the part that the package opens with. Raises DocumentError where none is named."""
        for kind, path in self.targets("").values():
            if kind.endswith("/officeDocument") and path in self.members:
                return path
        raise DocumentError(
            "Ce fichier n'est ni un document Word ni un classeur Excel",
            where=self.name,
            remedy="Donnez le cadre au format DOCX ou XLSX.",
        )

    def targets(self, part: str) -> dict[str, tuple[str, str]]:
        """Kind and path of what a part refers to, by identifier; of the package itself for an empty name."""
        folder, file = posixpath.split(part)
        relations = self.part(posixpath.join(folder, "_rels", f"{file}.rels"))
        return {
            item.attributes.get("Id", ""): (
                item.attributes.get("Type", ""),
                posixpath.normpath(posixpath.join("/", folder, item.attributes.get("Target", ""))).lstrip("/"),
            )
            for item in (relations.children if relations else ())
        }

    def rewritten(self, edits: Mapping[str, Sequence[Edit]]) -> bytes:
        """The file with its parts edited; the same bytes where there is nothing to edit."""
        if not any(edits.values()):
            return self.data
        made = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(self.data)) as source, zipfile.ZipFile(made, "w") as target:
            target.comment = source.comment
            for item in source.infolist():
                copy = zipfile.ZipInfo(item.filename, item.date_time)
                copy.compress_type, copy.external_attr = item.compress_type, item.external_attr
                copy.create_system, copy.comment = item.create_system, item.comment
                content = source.read(item)
                target.writestr(copy, splice(content, edits[item.filename]) if item.filename in edits else content)
        return made.getvalue()


def open_package(data: bytes, name: str) -> Package:
    """An Office file. Raises DocumentError where it is of the old formats, encrypted, damaged or no such file."""
    names = check_package(data, name, "un cadre DOCX ou XLSX")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            items = package.infolist()
            members = {item.filename: package.read(item) for item in items}
    except UNREADABLE as error:
        raise DocumentError(
            "Ce fichier est endommagé", where=name, remedy="Ouvrez-le pour vérifier, et enregistrez-le de nouveau."
        ) from error
    if len(names) < len(items):
        raise DocumentError(
            "Ce fichier contient deux fois le même élément",
            where=name,
            remedy="Ouvrez-le et enregistrez-le de nouveau.",
        )
    return Package(data, name, members)
