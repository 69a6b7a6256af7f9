"""Document -> list[Passage]: along headings, lists and tables, never across a page.

A numbered requirement is a passage of its own; a table is cut between rows, each piece keeping the header. Only what
is still longer than a passage goes to langchain-text-splitters.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

from langchain_text_splitters import RecursiveCharacterTextSplitter

from pipeline.french import fold_spaces
from pipeline.records import Block, Document, Passage, SourceKind

_REQUIREMENT = re.compile(r"^(?:EX|EXI|EXG|EF|ENF|REQ|RQ|EM)[\s\-_.]?\d{1,4}\b")
_ARTICLE = re.compile(r"^(?:(?:ARTICLE|CHAPITRE|ANNEXE|PARTIE|TITRE)\s+\S+|\d{1,2}(?:\.\d{1,2})*\.?)\s", re.IGNORECASE)

IDENTITY = "structure-1"
"""Changes whenever the way of cutting does: an index made otherwise is refused."""


def split(document: Document, passage_chars: int) -> list[Passage]:
    """Passages of at most ``passage_chars`` characters, in reading order."""
    passages: list[Passage] = []
    for text, page, headings in _pieces(document, passage_chars):
        article = next((h for h in reversed(headings) if _ARTICLE.match(h)), headings[-1] if headings else None)
        passages.append(
            Passage(
                id=_identifier(document.sha256, len(passages), text),
                kind=document.kind,
                document=document.name,
                page=page,
                article=article,
                headings=headings,
                text=text,
                client=document.client,
                client_alias=document.client_alias,
                date=document.date,
            )
        )
    return passages


def _identifier(sha256: str, ordinal: int, text: str) -> str:
    return hashlib.sha256(f"{sha256}\0{ordinal}\0{text}".encode()).hexdigest()[:12]


def _pieces(document: Document, limit: int) -> Iterator[tuple[str, int | None, tuple[str, ...]]]:
    path: list[tuple[int, str]] = []
    pending: list[Block] = []

    def flush() -> Iterator[tuple[str, int | None, tuple[str, ...]]]:
        if pending:
            headings = tuple(text for _, text in path)
            for text in _grouped(pending, limit):
                yield text, pending[0].page, headings
            pending.clear()

    for block in document.blocks:
        if block.kind == "toc":
            continue
        if block.kind == "heading":
            yield from flush()
            level = block.level or _level(block.text)
            path = [item for item in path if item[0] < level] + [(level, block.text)]
            continue
        alone = block.kind == "table" or bool(_REQUIREMENT.match(block.text)) or document.kind in _SINGLE
        if alone or (pending and (pending[0].page != block.page or bool(_REQUIREMENT.match(pending[0].text)))):
            yield from flush()
        if block.kind == "table":
            headings = tuple(text for _, text in path)
            for text in _table(block.rows, limit):
                yield text, block.page, headings
        else:
            pending.append(block)
            if alone:
                yield from flush()
    yield from flush()


_SINGLE: tuple[SourceKind, ...] = ("firm",)
"""Kinds whose every statement stands alone."""


def _level(text: str) -> int:
    """A heading's depth when the format does not say: by keyword, then by the parts of its number."""
    if re.match(r"^(?:ARTICLE|CHAPITRE|ANNEXE|PARTIE|TITRE)\b", text, re.IGNORECASE):
        return 1
    match = re.match(r"^(\d{1,2}(?:\.\d{1,2})*)", text)
    return 1 + len(match[1].split(".")) if match else 4


def _grouped(blocks: Sequence[Block], limit: int) -> Iterator[str]:
    """Whole blocks together up to the limit; an introducing line stays with its list."""
    group: list[str] = []
    for block in blocks:
        text = f"– {block.text}" if block.kind == "item" else block.text
        if group and len("\n".join(group)) + len(text) + 1 > limit:
            yield "\n".join(group)
            group = []
        if len(text) > limit:
            if group:
                yield "\n".join(group)
                group = []
            yield from _cut(text, limit)
        else:
            group.append(text)
    if group:
        yield "\n".join(group)


def _cut(text: str, limit: int) -> list[str]:
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=limit,
        chunk_overlap=0,
        separators=["\n", r"(?<=[.!?]) ", r"(?<=[;:]) ", " "],
        is_separator_regex=True,
        keep_separator="start",
    )
    return [piece.strip() for piece in splitter.split_text(text) if piece.strip()]


def _table(rows: Sequence[tuple[str, ...]], limit: int) -> Iterator[str]:
    """Rows as « header : cell ; header : cell », as many as fit."""
    if not rows:
        return
    header, body = rows[0], rows[1:]
    if not body:
        yield " | ".join(fold_spaces(cell) for cell in header if cell)
        return
    group: list[str] = []
    for row in body:
        cells = [f"{name} : {cell}" if name else cell for name, cell in zip(header, row, strict=True) if cell]
        text = fold_spaces(" ; ".join(cells))
        if group and len("\n".join(group)) + len(text) + 1 > limit:
            yield "\n".join(group)
            group = []
        if len(text) > limit:
            yield from _cut(text, limit)
        elif text:
            group.append(text)
    if group:
        yield "\n".join(group)
