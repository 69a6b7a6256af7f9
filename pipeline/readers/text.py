"""TXT and Markdown. A form feed starts a page, so a file without one is page 1 throughout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from pipeline.errors import DocumentError
from pipeline.french import fold_spaces
from pipeline.readers.lines import Line, assemble
from pipeline.records import Block

_MARKDOWN_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")
_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$")

PLAIN_CHARS = 4000
"""A longer line keeps its Markdown marks: looking for links in it is quadratic, and nobody types such a line."""
WRAP_SHARE = 0.9
"""A line was wrapped where the next line's first word would have passed this share of the file's usual full width;
proportional fonts leave 10 % of play in exported text (tried on five text exports)."""


class Content(NamedTuple):
    """What a file says."""

    blocks: list[Block]
    pages: int | None
    """``None`` where the format has no pages."""
    scanned: tuple[int, ...] = ()
    """Pages, from 1, that are images whose text was not recognised."""


def read_text(data: bytes, name: str) -> tuple[list[Block], int]:
    """``(blocks, pages)`` of a plain text file. Raises DocumentError where it is not text."""
    text = decode(data, name)
    pages = text.split("\f")
    widths = sorted(len(line.rstrip()) for line in text.splitlines() if line.strip())
    full = widths[int(len(widths) * 0.95)] if widths else 0
    lines: list[Line] = []
    for number, page in enumerate(pages, start=1):
        empty, fresh = 0, number > 1
        for raw in page.splitlines():
            if not raw.strip():
                empty += 1
                continue
            stripped = raw.rstrip()
            lines.append(
                Line(
                    text=stripped.strip(),
                    page=number,
                    x0=len(raw) - len(raw.lstrip()),
                    x1=len(stripped),
                    gap=0.0 if fresh else float(empty),
                    new_page=fresh,
                )
            )
            empty, fresh = 0, False
    wrapped = [replace(line, wrap=_was_wrapped(line, after, full)) for line, after in pairwise(lines)]
    return assemble([*wrapped, *lines[-1:]]), len(pages)


def _was_wrapped(line: Line, following: Line, full: int) -> bool:
    return full > 40 and line.x1 + 1 + len(following.text.split(None, 1)[0]) >= WRAP_SHARE * full


def read_markdown(data: bytes, name: str) -> tuple[list[Block], int]:
    """``(blocks, 1)`` of a Markdown file: # headings, - lists, pipe tables, paragraphs separated by blank lines."""
    blocks: list[Block] = []
    paragraph: list[str] = []
    rows: list[tuple[str, ...]] = []

    def flush() -> None:
        if paragraph:
            blocks.append(Block(kind="paragraph", text=" ".join(paragraph), page=1))
            paragraph.clear()
        if rows:
            blocks.append(table_block(rows, page=1))
            rows.clear()

    for raw in decode(data, name).splitlines():
        line = raw.strip()
        heading = _MARKDOWN_HEADING.match(line)
        item = re.match(r"^([-*+]|\d+[.)])\s+(.+)$", line)
        if heading:
            flush()
            blocks.append(Block(kind="heading", text=_plain(heading[2]), page=1, level=len(heading[1])))
        elif line.startswith("|") or (rows and "|" in line):
            if paragraph:
                flush()
            if not _TABLE_RULE.match(line):
                rows.append(tuple(_plain(cell) for cell in line.strip("|").split("|")))
        elif item:
            flush()
            level = 1 + (len(raw) - len(raw.lstrip())) // 2
            blocks.append(Block(kind="item", text=_plain(item[2]), page=1, marker=item[1], level=level))
        elif not line:
            flush()
        elif blocks and blocks[-1].kind == "item" and not paragraph and raw.startswith("  "):
            blocks[-1] = blocks[-1].model_copy(update={"text": f"{blocks[-1].text} {_plain(line)}"})
        else:
            paragraph.append(_plain(line))
    flush()
    return blocks, 1


def decode(data: bytes, name: str) -> str:
    """UTF-8 (with or without mark), UTF-16 with mark, else Windows-1252. Raises DocumentError on binary data."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:4096]:
        raise DocumentError(
            "Ce fichier n'est pas du texte",
            where=name,
            remedy="Donnez un TXT, un Markdown, un PDF ou un DOCX.",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def table_block(
    rows: Sequence[tuple[str, ...]], page: int | None, row_pages: Sequence[int] = (), row_ends: Sequence[int] = ()
) -> Block:
    """A table block whose text is its rows, cells joined by « | »."""
    text = "\n".join(" | ".join(fold_spaces(cell) for cell in row if cell) for row in rows)
    if len({*row_pages, *row_ends}) < 2:
        return Block(kind="table", text=text, page=page, rows=tuple(rows))
    return Block(
        kind="table", text=text, page=page, rows=tuple(rows), row_pages=tuple(row_pages), row_ends=tuple(row_ends)
    )


def _plain(text: str) -> str:
    """Markdown emphasis, code marks and links reduced to their text."""
    text = text.strip()
    if len(text) > PLAIN_CHARS:
        return text
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    return re.sub(r"(\*\*|__|`)(.+?)\1", r"\2", text)
