"""The documents to hand in that carry a code (L3, D1, Pièce 2…), with what each must contain."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.records import Block, Deliverable, Document

_CODED = re.compile(r"^(?:livrable\s+)?(?P<code>[A-Z]{1,2}\s?\d{1,2})\s*[–—\-:.]\s*(?P<title>\S.*)$")


def read_deliverables(documents: Sequence[Document]) -> tuple[Deliverable, ...]:
    """The longest run of coded titles in any document; a run has at least two codes with the same letter."""
    best: tuple[Deliverable, ...] = ()
    for document in documents:
        found = _run([block for block in document.blocks if block.kind != "toc"])
        if len(found) >= 2 and len(found) > len(best):
            best = found
    return best


def _run(blocks: Sequence[Block]) -> tuple[Deliverable, ...]:
    found: list[Deliverable] = []
    inside = False
    for block in blocks:
        match = _CODED.match(block.text) if block.kind in ("heading", "paragraph") and len(block.text) < 200 else None
        if match and (not found or match["code"][0] == found[0].code[0]):
            found.append(Deliverable(code=match["code"].replace(" ", ""), title=match["title"].strip()))
            inside = True
        elif block.kind == "heading":
            inside = False
        elif inside and block.kind == "item":
            last = found[-1]
            point = re.sub(r"\s*[;,.]$", "", block.text)
            found[-1] = last.model_copy(update={"points": (*last.points, point)})
    return tuple(found)
