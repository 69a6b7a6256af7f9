"""A plan given as a list without numbers: « Le mémoire technique comportera : », items, and what each must hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipeline.french import fold, sentences
from pipeline.records import Block
from pipeline.tender.plan.nodes import MEMOIRE, Node, item_text, weight

_SAYS = (
    "comport|compren|contien|contenir|compos|precis|present|decri|expos|detaill|abord|develop|trait|structur|articul|organis"
    "|suivant|ci-apres|ci-dessous|indiqu|reprend|faire apparaitre|devra"
)
_LEAD = re.compile(rf"\b{MEMOIRE}[^.:]{{0,200}}\b(?:{_SAYS})[^.]{{0,200}}:$|\b{MEMOIRE}[^.:]{{0,60}}:$")
_PIECES = re.compile(r"\b(?:dc ?[124]|dume|acte d.engagement|kbis|urssaf|bpu|dpgf|dqe|rib|attestation d.assurance)\b")
_OFFER = re.compile(
    r"^(?:le dossier|l.offre|les pieces|le pli|la candidature|chaque candidat|les candidats? .{0,20}(?:produi|remett))"
)
_JUDGED = re.compile(r"\b(?:appreciee?s?|jugee?s?|notee?s?|evaluee?s?|criteres?)\b")
"""A list that the mémoire is judged by is one of criteria."""
LEAST_ITEMS = 3
REACH = 60


def read_listed(blocks: Sequence[Block]) -> tuple[list[Node], list[Block]]:
    """``(nodes, what introduces them)`` of the longest list that says what the mémoire holds."""
    best: tuple[list[Node], list[Block]] = ([], [])
    for index, block in enumerate(blocks):
        folded = fold(block.text)
        if block.kind == "table" or len(folded) > 700 or _OFFER.match(folded):
            continue
        last = sentences(folded)[-1] if folded else ""
        if not _LEAD.search(last) or _JUDGED.search(last):
            continue
        deeper = block.level if block.kind == "item" else 0
        nodes = list(_items(blocks[index + 1 : index + 1 + REACH], deeper))
        pieces = sum(bool(_PIECES.search(fold(node.title))) for node in nodes)
        if len(nodes) >= LEAST_ITEMS and pieces * 3 < len(nodes) and weight(nodes) > weight(best[0]):
            best = (nodes, list(blocks[max(0, index - 2) : index + 1]))
    return best


def _items(blocks: Sequence[Block], deeper: int) -> Iterator[Node]:
    """A node an outermost item, with the items under it; ``deeper`` the level of the item that introduces the list.

    Where all items have one level, the punctuation tells: one that ends with a colon holds those that follow, up to the
    semicolon or full stop that closes them.
    """
    outermost, opened = 0, False
    node: Node | None = None
    for number, block in enumerate(blocks):
        text = block.text.strip()
        if block.kind != "item" or (block.level <= deeper and block.level):
            # a line that a page or the writer's hand cut from its item goes on in lower case
            if block.kind == "paragraph" and node is not None and text[:1].islower() and len(text) < 200:
                continue
            break
        outermost = outermost or block.level
        if block.level < outermost:
            break
        if block.level == outermost and not opened:
            if node is not None:
                yield node
            node = _node(text, block)
            following = blocks[number + 1] if number + 1 < len(blocks) else None
            opened = text.endswith(":") and following is not None and following.level == block.level
        elif node is not None:
            node.points.append(item_text(text))
            opened = opened and not text.endswith((";", "."))
    if node is not None:
        yield node


def _node(text: str, block: Block) -> Node:
    first, *rest = sentences(text)
    head, colon, after = first.partition(" : ")
    marker = block.marker.rstrip(".)°") if re.match(r"^[\dA-Za-z]{1,3}[.)°]", block.marker) else ""
    node = Node(marker, item_text(head.rstrip(" :")), 1, block.marker if marker else "", block.page)
    if colon:
        node.points += [item_text(part) for part in re.split(r"\s*[;,]\s+", after) if len(part) > 2]
    node.tell(" ".join(rest))
    return node
