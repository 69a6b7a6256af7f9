"""The imposed plan of the mémoire: chapters, sections, points, expected content and evidence.

A plan is looked for after an *anchor*: a heading or an introducing sentence that speaks of the plan, frame or content
of the mémoire technique. From there, numbered titles are followed as long as each one is a possible successor of the
one before (child, sibling or next chapter). Among all anchors the longest such run wins. No anchor or no run: no plan.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.french import fold, sentences
from pipeline.records import Block, Document, PlanNode, PlanPart

_MEMOIRE = (
    r"(?:memoires? (?:technique|justificatif|methodologique)s?|note (?:methodologique|technique)|offre technique"
    r"|reponse technique|cadre (?:de reponse|du memoire))"
)
_ORDERS = (
    r"(?:plan\b|chapitres|themes|rubriques|parties|trame|sommaire|structur|ordonn|ordre\b|articul|decompos"
    r"|successivement"
    r"|suivant|ci-apres|ci-dessous|comport|contien|compren|questions|compose|presente)"
)
_ANCHOR = re.compile(
    rf"\b(?:plan|cadre|trame|structure|sommaire|canevas|composition|contenu)\b.{{0,60}}{_MEMOIRE}"
    rf"|{_MEMOIRE}.{{0,160}}{_ORDERS}|{_ORDERS}.{{0,120}}{_MEMOIRE}"
    r"|\bplan (?:impose|detaille|de reponse|a respecter|a suivre|type|suivant)\b"
    r"|\bla note\b.{0,80}(?:chapitres|parties|rubriques|themes).{0,20}:$"
    rf"|\bcadre de reponse\b|^[\dIVXivx.\s–-]*{_MEMOIRE}$|{_MEMOIRE}.{{0,120}}:$"
)
_STRONG = re.compile(
    r"\bplan\b|successivement|dans l.ordre|ordre ci|suivante?s? ?:?$|ci-(?:apres|dessous)|themes|chapitres|:$"
)
"""An anchor that says the list that follows is the plan: titles alone are then enough."""
_CHAPTER = re.compile(
    r"^(?P<word>chapitre|partie|volet|th[èe]me|rubrique|section|item|titre)\s+"
    r"(?P<number>\d{1,2}|[IVX]{1,5}|[A-Z])\s*(?P<sep>[–—\-:.]*)\s*(?P<title>.*)$",
    re.IGNORECASE,
)
_DECIMAL = re.compile(r"^(?P<number>\d{1,2}(?:\.\d{1,2}){0,4})\.?(?P<sep>\s?[)/–—\-:]?)\s+(?P<title>\S.*)$")
_ROMAN = re.compile(r"^(?P<number>[IVX]{1,5})(?P<sep>\s?[.)–—\-])\s+(?P<title>\S.*)$")
_LETTER = re.compile(r"^(?P<number>[A-Z])(?P<sep>\s?[.)–—\-])\s+(?P<title>\S.*)$")
_MIXED = re.compile(r"^(?P<number>[A-Z]\.\d{1,2}(?:\.\d{1,2})?)\.?(?P<sep>)\s+(?P<title>\S.*)$")
_LOWER = re.compile(r"^(?P<number>[a-z])(?P<sep>\s?\))\s+(?P<title>\S.*)$")
_WEIGHED = re.compile(r"\d\s*(?:%|points?\b|pts\b)|\bcoefficient\b|note sur", re.IGNORECASE)
_END = re.compile(r"^(?:annexe|article|piece)\s*(?:n\s?°\s*)?(?:\d|[a-z]\b|premier)")
_ANNEXES = re.compile(r"^annexes\b(?!\s*\d)")
_EXPECTED = re.compile(r"^(?:(?:contenus?|[ée]l[ée]ments?|points?)\s+)?attendus?\s*:\s*", re.IGNORECASE)
_EVIDENCE = re.compile(
    r"^(?:(?:[ée]l[ée]ments?|moyens?)\s+de\s+)?(?:preuves?|justificatifs?|justifications?)"
    r"(?:\s+(?:attendue?s?|demand[ée]e?s?))?\s*:\s*",
    re.IGNORECASE,
)
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
PART_TITLE_CHARS = 120
"""A plain line longer than this, followed by a list, is an instruction rather than the title of a part."""


@dataclass
class _Node:
    number: str
    title: str
    level: int
    prefix: str
    page: int | None
    points: list[str] = field(default_factory=list)
    parts: list[tuple[str, list[str]]] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """The plan, with the rules stated about it; all empty where the buyer imposes none."""

    nodes: tuple[PlanNode, ...] = ()
    rules: tuple[str, ...] = ()
    distinctions: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Title:
    number: str
    title: str
    prefix: str
    style: str


def read_plan(documents: Sequence[Document]) -> Plan:
    """The longest plan any document imposes."""
    best: tuple[int, Plan] = (0, Plan())
    for document in documents:
        blocks = [block for block in document.blocks if block.kind != "toc"]
        for start in _anchors(blocks):
            first = _first_title(blocks, start)
            if first is None:
                continue
            nodes = _follow(blocks, first)
            weight = len(nodes) + sum(len(n.points) + sum(len(p[1]) for p in n.parts) for n in nodes)
            leads = blocks[start].text if first - start <= 3 else ""
            strong = bool(_STRONG.search(fold(f"{leads} {blocks[first - 1].text}")))
            if _is_plan(nodes, strong) and weight > best[0]:
                rules, distinctions = _rules(blocks[start:first])
                best = (weight, Plan(tuple(_record(node) for node in nodes), rules, distinctions))
    return best[1]


def _anchors(blocks: Sequence[Block]) -> Iterator[int]:
    for index, block in enumerate(blocks):
        if block.kind == "table" or len(block.text) > 600:
            continue
        if _ANCHOR.search(fold(block.text)):
            yield index


def _first_title(blocks: Sequence[Block], anchor: int) -> int | None:
    """Where numbering starts afresh after the anchor: 1, I or A, as a heading or as a line of its own."""
    for index in range(anchor + 1, min(anchor + 1 + REACH, len(blocks))):
        block = blocks[index]
        title = _title(block)
        if title and title.style != "annexes" and _ordinals(title.number) == (1,):
            return index
        if title and title.style == "decimal" and _ordinals(title.number) == (1, 1):
            return index
        if block.kind == "heading" and (title is not None or _END.match(fold(block.text))):
            return None
    return None


def _title(block: Block) -> _Title | None:
    """The numbered title a block is, if it is one."""
    if block.kind == "table":
        return None
    text = block.text if block.kind != "item" else f"{block.marker} {block.text}"
    if len(text) > 250 or text.rstrip().endswith((";", ",")):
        return None
    if _EXPECTED.match(text) or _EVIDENCE.match(text) or _WEIGHED.search(text) or text.rstrip().endswith("?"):
        return None
    chapter = _CHAPTER.match(text)
    if chapter and (block.kind == "heading" or chapter["title"][:1].isupper() or not chapter["title"]):
        return _Title(chapter["number"], chapter["title"].strip(), _prefix(text, chapter), "chapter")
    if block.kind == "heading" and _ANNEXES.match(fold(text)):
        return _Title("ANNEXES", text.strip(), "", "annexes")
    styles = ((_DECIMAL, "decimal"), (_ROMAN, "roman"), (_MIXED, "mixed"), (_LETTER, "letter"), (_LOWER, "lower"))
    for pattern, style in styles:
        match = pattern.match(text)
        if match and match["title"][:1].isalpha() and (block.kind == "heading" or _stands_alone(text)):
            return _Title(match["number"], match["title"].strip(), _prefix(text, match), style)
    return None


def _prefix(text: str, match: re.Match[str]) -> str:
    return text[: match.start("title")].strip()


def _stands_alone(text: str) -> bool:
    """A numbered line that reads as a title rather than as a sentence."""
    return len(text) <= 120 and not text.rstrip().endswith(".") and not re.search(r"\b(?:est|sont|doit|devra)\b", text)


def _follow(blocks: Sequence[Block], first: int) -> list[_Node]:
    """The nodes of the run that starts at ``first``."""
    nodes: list[_Node] = []
    styles: list[str] = []
    target = "points"
    index = first
    while index < len(blocks):
        block = blocks[index]
        title = _title(block)
        if nodes and block.kind == "heading" and _RC_NEXT.search(fold(title.title if title else block.text)):
            break
        if title is not None and _succeeds(nodes, title, styles):
            level = _level(title, styles)
            nodes.append(_Node(title.number, title.title, level, title.prefix, block.page))
            target = "points"
        elif (title is not None and block.kind == "heading" and title.style != "annexes") or (
            block.kind == "heading" and (_END.match(fold(block.text)) or _is_outer(block, nodes, blocks[first]))
        ):
            break
        elif nodes:
            target = _fill(nodes[-1], block, blocks[index + 1] if index + 1 < len(blocks) else None, target)
        index += 1
    return nodes


def _is_outer(block: Block, nodes: Sequence[_Node], first: Block) -> bool:
    """An unnumbered heading at least as high as the plan's own first title ends it."""
    return bool(nodes) and bool(block.level) and bool(first.level) and block.level <= first.level


def _fill(node: _Node, block: Block, following: Block | None, target: str) -> str:
    """Put a block under its node; returns where the items that follow belong."""
    text = block.text.strip()
    if block.kind == "table":
        return target
    for pattern, name in ((_EXPECTED, "expected"), (_EVIDENCE, "evidence")):
        match = pattern.match(text)
        if match:
            rest = text[match.end() :].strip()
            if rest:
                getattr(node, name).append(rest)
            return name if not rest else "points"
    if block.kind == "item":
        if target in ("expected", "evidence"):
            getattr(node, target).append(_clean(text))
        elif target == "part":
            node.parts[-1][1].append(_clean(text))
        else:
            node.points.append(_clean(text))
        return target
    introduces = following is not None and following.kind == "item"
    if introduces and len(text) <= PART_TITLE_CHARS and not text.endswith((":", ".")):
        node.parts.append((text, []))
        return "part"
    if introduces:
        return "points"
    if _ASKS.search(fold(text)) and len(text) <= 400 and target == "points":
        node.points.extend(_clean(sentence) for sentence in sentences(text))
    return "points"


def _clean(text: str) -> str:
    """The point as written, without the punctuation that only separates list items."""
    return re.sub(r"\s*[;,.]$", "", text.strip())


def _succeeds(nodes: Sequence[_Node], title: _Title, styles: Sequence[str]) -> bool:
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
        return _ordinals(title.number)[-1] == 1 and _under(nodes[-1], title)
    last = next((node for node in reversed(previous) if node.level == level), None)
    if last is None:
        return False
    ours, theirs = _ordinals(title.number), _ordinals(last.number)
    return ours[:-1] == theirs[:-1] and ours[-1] == theirs[-1] + 1


def _under(parent: _Node, title: _Title) -> bool:
    ours = _ordinals(title.number)
    return len(ours) == 1 or ours[:-1][-1:] == _ordinals(parent.number)[-1:]


def _level(title: _Title, styles: list[str]) -> int:
    """Depth of a title: by its number of components, below the style that opened the plan. Grows ``styles``."""
    if title.style == "annexes":
        return 1
    parts = len(_ordinals(title.number))
    key = title.style if parts == 1 else f"{title.style}{parts}"
    if key in styles:
        return styles.index(key) + 1
    if not styles or not isinstance(styles, list):
        styles.append(key)
        return 1
    styles.append(key)
    return len(styles)


def _ordinals(number: str) -> tuple[int, ...]:
    """« 2.1 » -> (2, 1); « IV » -> (4,); « C » -> (3,); anything else -> (0,)."""
    if re.fullmatch(r"\d+(\.\d+)*", number):
        return tuple(int(part) for part in number.split("."))
    if re.fullmatch(r"[IVX]+", number):
        values = {"I": 1, "V": 5, "X": 10}
        total = 0
        for this, after in zip(number, [*number[1:], ""], strict=True):
            total += -values[this] if after and values[this] < values[after] else values[this]
        return (total,)
    if re.fullmatch(r"[A-Z](?:\.\d+)+", number):
        return (ord(number[0]) - 64, *(int(part) for part in number[2:].split(".")))
    if re.fullmatch(r"[A-Za-z]", number):
        return (ord(number.upper()) - 64,)
    return (0,)


def _is_plan(nodes: Sequence[_Node], strong: bool) -> bool:
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
    filled = sum(bool(node.points or node.parts or node.expected) for node in leaves)
    return foreign * (2 if strong else 3) < len(nodes) and (strong or filled * 2 >= len(leaves))


def _rules(blocks: Sequence[Block]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Rules about the plan and the distinctions asked for, from what stands between the anchor and the first title."""
    rules: list[str] = []
    distinctions: list[str] = []
    nested = False
    depth = 0
    for block in blocks[1:]:
        folded = fold(block.text)
        if block.kind == "item" and nested and block.level > depth:
            distinctions.append(_clean(block.text))
            continue
        nested = False
        asks = bool(re.search(r"\bdistingu", folded))
        rule = block.kind == "item" or _RULE.search(folded)
        if rule and (asks or not folded.endswith(":")):
            rules.append(_clean(block.text).removesuffix(":").strip())
        if asks:
            quoted = re.findall(r"«\s*([^»]+?)\s*»", block.text)
            distinctions.extend(quoted)
            nested, depth = not quoted, block.level
    return tuple(rules), tuple(distinctions)


def _record(node: _Node) -> PlanNode:
    return PlanNode(
        number=node.number,
        title=node.title,
        level=node.level,
        prefix=node.prefix,
        points=tuple(node.points),
        parts=tuple(PlanPart(title=title, points=tuple(points)) for title, points in node.parts),
        expected=" ; ".join(node.expected) or None,
        evidence=" ; ".join(node.evidence) or None,
        page=node.page,
    )
