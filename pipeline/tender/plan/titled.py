"""A plan given as numbered titles, with what stands under each.

After an *anchor* (a heading or sentence that speaks of the plan, frame or content of the mémoire technique), numbered
titles are followed as long as each one is a possible successor of the one before (child, sibling or next chapter).
Among all anchors of a document the longest such run wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipeline.french import fold, sentences
from pipeline.records import Block
from pipeline.tender.plan.nodes import (
    ANCHOR,
    EVIDENCE,
    EXPECTED,
    STRONG,
    Node,
    Title,
    item_text,
    ordinals,
    read_title,
    weight,
)
from pipeline.tender.plan.tabled import read_rows

_END = re.compile(r"^(?:annexe|article|piece)\s*(?:n\s?°\s*)?(?:\d|[a-z]\b|premier)")
_ASKS = re.compile(r"\b(?:decri|present|expos|indiqu|precis|detaill|fourni|justifi|propos|expliqu)\w*", re.IGNORECASE)
_RULE = re.compile(r"\b(?:doi|devra|devront|imperativ|respect|conserv|opposable|obligatoire)")
_RC_TITLES = re.compile(
    r"objet (?:de la|du)|procedure|candidature|groupement|variante|delai|allotissement|remise des|jugement|recours|"
    r"renseignement|dispositions|modalites d.obtention|contenu du dossier|duree"
)

_RC_NEXT = re.compile(
    r"^(?:criteres?\b|jugement|visites?$|remise des|depot des|transmission|renseignements|recours|conditions d"
    r"|examen des"
    r"|choix de l|attribution|negociation|questions\b)"
)
"""Titles of RC articles that follow a plan with the same style of numbers."""
REACH = 40
"""Blocks between an anchor and the first title of its plan (a page of principles, at most)."""
FRAME_CHARS = 400
"""In a frame to fill in, what is written under a title and no longer than this says what to write there."""
PART_TITLE_CHARS = 120
"""A plain line longer than this, followed by a list, is an instruction rather than the title of a part."""


class Titled(NamedTuple):
    """A run of titles and what introduces it."""

    nodes: list[Node]
    lead: list[Block]


def read_titled(blocks: Sequence[Block], *, frame: bool) -> Titled | None:
    """The longest plan in numbered titles; ``frame`` where the whole document is a frame to fill in."""
    best: Titled | None = None
    for start in _anchors(blocks):
        first = _first_title(blocks, start)
        if first is None:
            continue
        nodes = _follow(blocks, first, frame=frame)
        leads = blocks[start].text if first - start <= 3 else ""
        strong = frame or bool(STRONG.search(fold(f"{leads} {blocks[first - 1].text}")))
        if _is_plan(nodes, strong) and weight(nodes) > (weight(best.nodes) if best else 0):
            best = Titled(nodes, list(blocks[start:first]))
    return best


def _anchors(blocks: Sequence[Block]) -> Iterator[int]:
    for index, block in enumerate(blocks):
        if block.kind == "table" or len(block.text) > 600:
            continue
        if ANCHOR.search(fold(block.text)):
            yield index


def _first_title(blocks: Sequence[Block], anchor: int) -> int | None:
    """Where numbering starts afresh after the anchor: 1, I or A, as a heading or as a line of its own."""
    for index in range(anchor + 1, min(anchor + 1 + REACH, len(blocks))):
        block = blocks[index]
        title = read_title(block)
        if title and title.style != "annexes" and ordinals(title.number) == (1,):
            return index
        if title and title.style == "decimal" and ordinals(title.number) == (1, 1):
            return index
        if block.kind == "heading" and (title is not None or _END.match(fold(block.text))):
            return None
    return None


def _follow(blocks: Sequence[Block], first: int, *, frame: bool) -> list[Node]:
    """The nodes of the run that starts at ``first``."""
    nodes: list[Node] = []
    styles: list[str] = []
    target = "points"
    index = first
    while index < len(blocks):
        block = blocks[index]
        title = read_title(block)
        if nodes and block.kind == "heading" and _RC_NEXT.search(fold(title.title if title else block.text)):
            break
        if title is not None and _succeeds(nodes, title, styles):
            level = _level(title, styles)
            nodes.append(Node(title.number, title.title, level, title.prefix, block.page))
            nodes[-1].enumerate(title.told)
            target = "points"
        elif (title is not None and block.kind == "heading" and title.style != "annexes") or (
            block.kind == "heading" and (_END.match(fold(block.text)) or _is_outer(block, nodes, blocks[first]))
        ):
            break
        elif nodes and frame and block.kind == "table" and (rows := read_rows(block)):
            if any(row.number for row in rows):
                nodes += rows
            else:
                nodes[-1].points += [row.title for row in rows]
            styles += [f"decimal{depth}" for depth in (2,) if f"decimal{depth}" not in styles]
        elif nodes:
            following = blocks[index + 1] if index + 1 < len(blocks) else None
            target = _fill(nodes[-1], block, following, target, frame=frame)
        index += 1
    return nodes


def _is_outer(block: Block, nodes: Sequence[Node], first: Block) -> bool:
    """An unnumbered heading at least as high as the plan's own first title ends it."""
    return bool(nodes) and bool(block.level) and bool(first.level) and block.level <= first.level


def _fill(node: Node, block: Block, following: Block | None, target: str, *, frame: bool) -> str:
    """Put a block under its node; returns where the items that follow belong."""
    text = block.text.strip()
    if block.kind == "table":
        return target
    for pattern, name in ((EXPECTED, "expected"), (EVIDENCE, "evidence")):
        match = pattern.match(text)
        if match:
            rest = text[match.end() :].strip()
            if rest:
                getattr(node, name).append(rest)
            return name if not rest else "points"
    if block.kind == "item":
        if target in ("expected", "evidence"):
            getattr(node, target).append(item_text(text))
        elif target == "part":
            node.parts[-1][1].append(item_text(text))
        else:
            node.points.append(item_text(text))
        return target
    introduces = following is not None and following.kind == "item"
    if introduces and len(text) <= PART_TITLE_CHARS and not text.endswith((":", ".")):
        node.parts.append((text, []))
        return "part"
    if introduces:
        return "points"
    if _ASKS.search(fold(text)) and len(text) <= 400 and target == "points":
        node.points.extend(item_text(sentence) for sentence in sentences(text))
    elif frame and len(text) <= FRAME_CHARS:
        node.tell(text)
    return "points"


def _succeeds(nodes: Sequence[Node], title: Title, styles: Sequence[str]) -> bool:
    """Whether ``title`` may come next: a first child, the next sibling, or the next of an ancestor's siblings."""
    if title.style == "annexes":
        return bool(nodes)
    if not nodes:
        return True
    if not title.title:
        return False
    level = _level(title, list(styles))
    previous = [node for node in nodes if node.level <= level and node.number != "ANNEXES"]
    if level > nodes[-1].level + 1:
        return False
    if level > nodes[-1].level:
        return ordinals(title.number)[-1] == 1 and _under(nodes[-1], title)
    last = next((node for node in reversed(previous) if node.level == level), None)
    if last is None:
        return False
    ours, theirs = ordinals(title.number), ordinals(last.number)
    return ours[:-1] == theirs[:-1] and ours[-1] == theirs[-1] + 1


def _under(parent: Node, title: Title) -> bool:
    ours = ordinals(title.number)
    return len(ours) == 1 or ours[:-1][-1:] == ordinals(parent.number)[-1:]


def _level(title: Title, styles: list[str]) -> int:
    """Depth of a title: by its number of components, below the style that opened the plan. Grows ``styles``."""
    if title.style == "annexes":
        return 1
    parts = len(ordinals(title.number))
    key = title.style if parts == 1 else f"{title.style}{parts}"
    if key in styles:
        return styles.index(key) + 1
    if not styles or not isinstance(styles, list):
        styles.append(key)
        return 1
    styles.append(key)
    return len(styles)


def _is_plan(nodes: Sequence[Node], strong: bool) -> bool:
    """At least three titles, not the RC's own articles, and something to answer under half of the leaves unless the
    anchor says that what follows is the plan."""
    if len(nodes) < 3:
        return False
    foreign = sum(bool(_RC_TITLES.search(fold(node.title))) for node in nodes)
    leaves = [
        node
        for node, after in zip(nodes, [*nodes[1:], None], strict=True)
        if after is None or after.level <= node.level
    ]
    filled = sum(bool(node.points or node.parts or node.expected or node.title.endswith("?")) for node in leaves)
    return foreign * (2 if strong else 3) < len(nodes) and (strong or filled * 2 >= len(leaves))


def read_rules(blocks: Sequence[Block]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Rules about the plan and the distinctions asked for, from what stands between the anchor and the first title."""
    rules: list[str] = []
    distinctions: list[str] = []
    nested = False
    depth = 0
    for block in blocks[1:]:
        folded = fold(block.text)
        if block.kind == "item" and nested and block.level > depth:
            distinctions.append(item_text(block.text))
            continue
        nested = False
        asks = bool(re.search(r"\bdistingu", folded))
        rule = block.kind == "item" or _RULE.search(folded)
        if rule and (asks or not folded.endswith(":")):
            rules.append(item_text(block.text).removesuffix(":").strip())
        if asks:
            quoted = re.findall(r"«\s*([^»]+?)\s*»", block.text)
            distinctions.extend(quoted)
            nested, depth = not quoted, block.level
    return tuple(rules), tuple(distinctions)
