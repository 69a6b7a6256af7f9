"""What a plan is made of, and how buyers announce and number it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.french import fold, fold_spaces, sentences
from pipeline.records import Block, PlanNode, PlanPart

MEMOIRE = (
    r"(?:memoires?\b(?! vive)|note de presentation|cadre (?:de reponse|du memoire)"
    r"|(?:note|offre|proposition|reponse) (?:technique|methodologique|pedagogique|organisationnelle))"
)
_ORDERS = (
    r"(?:plan\b|chapitres|themes|rubriques|parties|trame|sommaire|structur|ordonn|ordre\b|articul|decompos"
    r"|successivement"
    r"|suivant|ci-apres|ci-dessous|comport|contien|compren|questions|compose|presente)"
)
ANCHOR = re.compile(
    rf"\b(?:plan|cadre|trame|structure|sommaire|canevas|composition|contenu)\b.{{0,60}}{MEMOIRE}"
    rf"|{MEMOIRE}.{{0,160}}{_ORDERS}|{_ORDERS}.{{0,120}}{MEMOIRE}"
    r"|\bplan (?:impose|detaille|de reponse|a respecter|a suivre|type|suivant)\b"
    r"|\b(?:contenu|ordre|detail) des sous-criteres\b"
    r"|\bla note\b.{0,80}(?:chapitres|parties|rubriques|themes).{0,20}:$"
    rf"|\bcadre de reponse\b|^[\dIVXivx.\s–-]*{MEMOIRE}$|{MEMOIRE}.{{0,120}}:$"
)
STRONG = re.compile(
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
_MIXED = re.compile(r"^(?P<number>(?:[A-Z]|[IVX]{1,5})\.\d{1,2}(?:\.\d{1,2})?)\.?(?P<sep>)\s+(?P<title>\S.*)$")
_LOWER = re.compile(r"^(?P<number>[a-z])(?P<sep>\s?[.)])\s+(?P<title>\S.*)$")
_WEIGHED = re.compile(r"\d\s*(?:%|points?\b|pts\b)|\bcoefficient\b|note sur", re.IGNORECASE)
_ANNEXES = re.compile(r"^annexes\b(?!\s*\d)")
EXPECTED = re.compile(r"^(?:(?:contenus?|[ée]l[ée]ments?|points?)\s+)?attendus?\s*:\s*", re.IGNORECASE)
EVIDENCE = re.compile(
    r"^(?:(?:[ée]l[ée]ments?|moyens?)\s+de\s+)?(?:preuves?|justificatifs?|justifications?)"
    r"(?:\s+(?:attendue?s?|demand[ée]e?s?|[àa] (?:joindre|fournir|produire)))?\s*:\s*|^joindre\s*:\s*",
    re.IGNORECASE,
)
_JOIN = re.compile(
    r"^(?:joindre|fournir|annexer|à joindre|pi[èe]ces? jointes?)\b|\b(?:à|jointe?s?\s+à) (?:joindre|fournir)\W*$",
    re.IGNORECASE,
)
_FORM = re.compile(
    r"^(?:\[|réponse du|renseigner le tableau|date|signature|cachet|fait à|nom\b|le candidat\s*:|lu et approuvé)",
    re.IGNORECASE,
)
"""Lines of a form that say nothing of the answer."""
_TO_JOIN = re.compile(r"\s*\(([^()]*(?:joindre|à fournir|jointe?s?)[^()]*)\)\s*$", re.IGNORECASE)
"""Evidence asked for in brackets after a title or a point."""


@dataclass
class Node:
    """A title of the plan while what stands under it is gathered."""

    number: str
    title: str
    level: int
    prefix: str
    page: int | None
    points: list[str] = field(default_factory=list)
    parts: list[tuple[str, list[str]]] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)

    def tell(self, text: str) -> None:
        """Put a sentence said under the title where it belongs: what must be joined is evidence, the rest expected."""
        for sentence in sentences(fold_spaces(text)):
            if not _FORM.match(sentence):
                (self.evidence if _JOIN.search(sentence) else self.expected).append(sentence)

    def enumerate(self, text: str) -> None:
        """Put the things a title's own line enumerates as points, its other sentences where they belong."""
        first, *rest = sentences(fold_spaces(text)) or [""]
        things = [item_text(thing) for thing in re.split(r",\s+", first)]
        if len(things) > 1:
            self.points += things
        else:
            self.tell(first)
        self.tell(" ".join(rest))


@dataclass(frozen=True)
class Plan:
    """The plan, with the rules stated about it; all empty where the buyer imposes none."""

    nodes: tuple[PlanNode, ...] = ()
    rules: tuple[str, ...] = ()
    distinctions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Title:
    number: str
    title: str
    prefix: str
    style: str
    told: str = ""
    """What the same line says after the title."""


def read_title(block: Block) -> Title | None:
    """The numbered title a block is, if it is one."""
    if block.kind == "table":
        return None
    text = block.text if block.kind != "item" else f"{block.marker} {block.text}"
    text, told = _run_in(text)
    question = text.rstrip().endswith("?")
    if len(text) > 250 or text.rstrip().endswith((";", ",")) or (question and not _QUESTION.match(text)):
        return None
    if EXPECTED.match(text) or EVIDENCE.match(text) or _WEIGHED.search(text):
        return None
    chapter = _CHAPTER.match(text)
    if chapter and (block.kind == "heading" or chapter["title"][:1].isupper() or not chapter["title"]):
        return Title(chapter["number"], chapter["title"].strip(), _prefix(text, chapter), "chapter", told)
    if block.kind == "heading" and _ANNEXES.match(fold(text)):
        return Title("ANNEXES", text.strip(), "", "annexes")
    styles = ((_DECIMAL, "decimal"), (_ROMAN, "roman"), (_MIXED, "mixed"), (_LETTER, "letter"), (_LOWER, "lower"))
    for pattern, style in styles:
        match = pattern.match(text)
        if match and match["title"][:1].isalpha() and (block.kind == "heading" or question or _stands_alone(text)):
            return Title(match["number"], match["title"].strip(), _prefix(text, match), style, told)
    return None


def _run_in(text: str) -> tuple[str, str]:
    """``(title, what the same line says after it)``: after a question, or a dash (« a. Title – what to say »)."""
    question, mark, rest = text.partition(" ? ")
    if mark and _QUESTION.match(question):
        return f"{question} ?", rest
    joined = _TO_JOIN.search(text)
    if joined:
        return text[: joined.start()], joined[1]
    title, dash, rest = text.partition(" – ")
    return (title, rest) if dash and len(rest) > RUN_IN_CHARS and re.match(r"^[a-z]\s?[.)]\s", title) else (text, "")


_QUESTION = re.compile(r"^\d{1,2}\.\d{1,2}")
"""Only a question numbered under a chapter is a title; others are the points of one."""
RUN_IN_CHARS = 40
"""Words after a title's dash that are more than the rest of a title."""


def _prefix(text: str, match: re.Match[str]) -> str:
    return text[: match.start("title")].strip()


def _stands_alone(text: str) -> bool:
    """A numbered line that reads as a title rather than as a sentence."""
    return len(text) <= 120 and not text.rstrip().endswith(".") and not re.search(r"\b(?:est|sont|doit|devra)\b", text)


def ordinals(number: str) -> tuple[int, ...]:
    """« 2.1 » -> (2, 1); « IV » -> (4,); « C » -> (3,); anything else -> (0,)."""
    if re.fullmatch(r"\d+(\.\d+)*", number):
        return tuple(int(part) for part in number.split("."))
    if re.fullmatch(r"[IVX]+(?:\.\d+)+", number):
        roman, _, rest = number.partition(".")
        return (*ordinals(roman), *ordinals(rest))
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


def item_text(text: str) -> str:
    """The point as written, without the punctuation that only separates list items."""
    return re.sub(r"\s*[;,.]$", "", text.strip())


def weight(nodes: Sequence[Node]) -> int:
    """How much a reading of the plan holds: its titles and their points."""
    return len(nodes) + sum(len(n.points) + sum(len(p[1]) for p in n.parts) for n in nodes)


def record(node: Node) -> PlanNode:
    """The node, finished."""
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
