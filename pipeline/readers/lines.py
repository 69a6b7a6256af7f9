"""Visual lines -> blocks: what TXT and PDF have in common.

A text file and a PDF page both give lines, not paragraphs. :func:`assemble` joins the lines a writer typed as one
paragraph and tells headings, list items and table-of-contents lines from body text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.french import fold_spaces
from pipeline.records import Block


@dataclass(frozen=True, slots=True)
class Line:
    """One visual line. Lengths are in points for PDF and in characters for text."""

    text: str
    page: int
    x0: float
    x1: float
    gap: float
    """White space above, in line heights; 0 at the top of a page."""
    size: float = 0.0
    """Font size in points; 0 where the source has no fonts."""
    bold: bool = False
    wrap: bool = False
    """Whether the next line's first word would not have fitted at the end of this one."""
    new_page: bool = False


_SYMBOLS = "•●▪■◦○◾➢➔→✓✔❖§\uf0b7\uf0a7\uf0d8\uf076\uf0fc\uf02d"
"""Marks that are always bullets (private-use ones are Symbol and Wingdings glyphs)."""
_DASHES = "-–—−*·°"
"""Marks that are bullets when white space follows."""
_BULLET = re.compile(rf"^(?:[{_SYMBOLS}]\s*|[{re.escape(_DASHES)}]\s+|o\s+(?=\w))")
_LETTERED = re.compile(
    r"^((?:[a-z]|[ivx]{1,4})\)|[a-z]\.(?=\s+[A-Za-zÀ-ÿ])|\([a-z0-9]{1,2}\)|\d{1,2}°?\)|\d{1,2}\.(?=\s+[a-zà-ÿ]))\s+"
)
_TITLED = re.compile(
    r"^(?:(?:article|chapitre|annexe|partie|titre|th[èe]me|volet)\s+(?:\d+(?:\.\d+)*|premier|[IVX]+|[A-Z])\b"
    r"|\d{1,2}(?:\.\d{1,2})*\s?[.)–\-:]?\s+(?=[A-ZÀ-Þ])|[IVX]{1,5}\s?[.)–\-]\s+(?=[A-ZÀ-Þ]))",
    re.IGNORECASE,
)
_KEYWORD = re.compile(r"^(?:article|chapitre|annexe|titre)\s+(?:\d+|premier|[ivx]+)\b", re.IGNORECASE)
_WEIGHED = re.compile(r"\d\s*(?:%|points?|pts)(?:\s*sur\s*\d+)?\s*\)?$")
"""A line that ends with a weight ends an entry of a list of criteria, however long it is."""
TITLE_CHARS = 90
"""A numbered line of plain text longer than this is a sentence."""
NUMBERED = re.compile(
    r"""^(?:
        (?:(?:chapitre|partie|article|titre|section|annexe|volet|lot)\s+(?:\d+|premier|[ivx]+|[a-z])\b)
      | (?:\d{1,2}(?:\.\d{1,2}){1,4}\.?\s)
      | (?:\d{1,2}\s?[.\-–]\s?(?=[A-ZÀ-Þ]))
      | (?:[IVX]{1,5}\s?[.\-–]\s)
      | (?:[A-Z]\s?[.\-–]\s(?=[A-ZÀ-Þ]))
      | (?:[A-Z]{1,2}\d{1,2}\s?[\-–:]\s)
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_LABEL = re.compile(r"^[A-ZÀ-Þ][\w’' ]{2,40}\s?:(?:\s|$)")
_SECTION_LABEL = re.compile(
    r"^(?:(?:contenus?|[ée]l[ée]ments?|points?)\s+)?(?:attendus?|preuves?|justificatifs?)(?:\s+(?:attendue?s?|demand[ée]e?s?))?\s?:\s",
    re.IGNORECASE,
)
_TOC = re.compile(r"(?:\.\s?){4,}\s*\d{1,3}\s*$|…{2,}\s*\d{1,3}\s*$|\t\d{1,3}\s*$")
TOC_TAIL = 200
"""Characters looked at for leaders and a page number: on a run of a million dots the pattern is quadratic."""
_TERMINAL = (".", ";", "!", "?", ":", "…")

SIZE_STEP = 0.6
"""Points above body size that make a heading: real files vary by 0.5 within body text (FINDINGS, CAIH and VSGP)."""

PARAGRAPH_GAP = 0.8
"""Line heights of white space that end a paragraph; single to one-and-a-half spacing leaves 0.15 to 0.75."""
HEADING_GAP = 0.6
"""The same between the lines of one heading."""


def split_marker(text: str) -> tuple[str, str]:
    """``(marker, rest)``; the marker is empty for a plain line."""
    for pattern in (_BULLET, _LETTERED):
        match = pattern.match(text)
        if match:
            return match.group(0).strip(), text[match.end() :].strip()
    return "", text


def soft_lines(text: str) -> list[str]:
    """A paragraph's lines, where its writer broke them by hand to make a list: each begins with a mark or a number."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    joined: list[str] = []
    for line in lines:
        starts = bool(split_marker(line)[0]) or bool(_TYPED_NUMBER.match(line))
        titled = bool(joined) and len(joined[-1]) <= TITLE_CHARS and not _UNFINISHED.search(joined[-1])
        closed = bool(joined) and (titled or joined[-1].endswith((".", ";", ":"))) and line[:1].isupper()
        if joined and not starts and not closed:
            joined[-1] = f"{joined[-1]} {line}"
        else:
            joined.append(line)
    return joined


_UNFINISHED = re.compile(r"(?:,|\b(?:de|du|des|la|le|les|l['’]|à|au|aux|et|ou|en|par|pour|sur|d['’]))$", re.IGNORECASE)
_TYPED_NUMBER = re.compile(r"^\d{1,2}(?:\.\d{1,2})*\s*[.)°–—\-/]")


def is_toc(text: str) -> bool:
    """A table-of-contents line: leaders and a page number at its end."""
    return bool(_TOC.search(text[-TOC_TAIL:]))


def with_contents(blocks: Sequence[Block]) -> list[Block]:
    """The blocks, those of a table of contents without leaders told from titles: after « Sommaire », lines that end
    with page numbers that never go down."""
    found: list[Block] = []
    page: int | None = None
    last = {fold_spaces(block.text): number for number, block in enumerate(blocks)}
    for number, block in enumerate(blocks):
        match = _ENDS_WITH_PAGE.search(block.text) if len(block.text) < TOC_TAIL and block.kind != "table" else None
        if _CONTENTS.match(block.text.strip()):
            page = 0
            block = block.model_copy(update={"kind": "toc", "level": 0})
        elif page is not None and block.kind != "toc":
            said = int(match[1]) if match else -1
            listed = page <= said <= page + MOST_PAGES_SKIPPED
            if listed or last[fold_spaces(block.text)] > number:  # or a title that comes again
                page = said if listed else page
                block = block.model_copy(update={"kind": "toc", "level": 0})
            else:
                page = None
        found.append(block)
    return found


_CONTENTS = re.compile(r"^(?:sommaire|table des mati[èe]res)\W*$", re.IGNORECASE)
_ENDS_WITH_PAGE = re.compile(r"[^\d\s.,]\s*\.*\s+(\d{1,3})$")
MOST_PAGES_SKIPPED = 15


def assemble(lines: Sequence[Line]) -> list[Block]:
    """Group lines into blocks, in order. Pure: the same lines give the same blocks."""
    body = _body_size(lines)
    bullets = _margins(lines, body)
    blocks: list[Block] = []
    run: list[Line] = []

    def flush() -> None:
        if run:
            blocks.append(_block(run, body, bullets))
            run.clear()

    for line in lines:
        if run and not _continues(run, line, body):
            flush()
        run.append(line)
    flush()
    return blocks


def _margins(lines: Sequence[Line], body: float) -> list[float]:
    """Where list items begin, left to right; numbers set flush right begin within half a letter of each other."""
    near = body / 2 if body else 0.5
    margins: list[float] = []
    for x0 in sorted({round(line.x0, 0) for line in lines if split_marker(line.text.strip())[0]}):
        if not margins or x0 - margins[-1] > near:
            margins.append(x0)
    return margins


def _continues(run: Sequence[Line], line: Line, body: float) -> bool:
    last = run[-1]
    text = line.text.strip()
    if is_toc(last.text) or is_toc(text) or split_marker(text)[0]:
        return False
    if abs(last.size - line.size) > SIZE_STEP or last.bold != line.bold:
        return _mid_sentence(run, line) and line.size <= body + SIZE_STEP
    if _is_heading_line(line, body):
        # a heading wrapped over two lines keeps its size and follows closely; a new number starts a new one
        return _is_heading_line(run[0], body) and line.gap < HEADING_GAP and not NUMBERED.match(text)
    if _is_heading_line(last, body):  # the end of a title that its column cut
        return text[0].islower() and last.bold and line.bold and line.gap < HEADING_GAP and len(run) == 1
    if NUMBERED.match(text) and not _mid_sentence(run, line):
        return False
    if last.text.rstrip().endswith(":") and text[0].isupper():
        return False
    if _WEIGHED.search(last.text.rstrip()) and (not text[0].islower() or text.startswith("dont ")):
        return False
    if _SECTION_LABEL.match(text) or (_LABEL.match(text) and not last.wrap):
        return False
    if line.gap > PARAGRAPH_GAP and not line.new_page:
        return False
    if line.new_page and last.text.rstrip().endswith(_TERMINAL):
        return False
    return last.wrap or _mid_sentence(run, line)


def _mid_sentence(run: Sequence[Line], line: Line) -> bool:
    """The previous line ends nowhere and this one goes on in lower case."""
    last, text = run[-1].text.rstrip(), line.text.strip()
    return (
        bool(text)
        and text[0].islower()
        and not last.endswith(_TERMINAL)
        and (line.gap <= PARAGRAPH_GAP or line.new_page)
    )


def _is_heading_line(line: Line, body: float) -> bool:
    text = line.text.strip()
    if is_toc(text) or len(text) > 200 or not any(c.isalpha() for c in text) or split_marker(text)[0]:
        return False
    if line.size and line.size >= body + SIZE_STEP:
        return True
    letters = [c for c in text if c.isalpha()]
    upper = sum(c.isupper() for c in letters) / max(len(letters), 1)
    numbered = bool(NUMBERED.match(text))
    if line.size and line.bold and line.size >= body - 0.1:
        return numbered or upper > 0.7
    if not line.size and upper > 0.9 and len(letters) >= 8 and len(text) < 80 and line.gap >= 1 and text[-1].isalpha():
        return True
    if not line.size:
        return (numbered and upper > 0.7) or _reads_as_title(text, line.gap)
    return False


def _reads_as_title(text: str, gap: float) -> bool:
    """In plain text: a short numbered line with white space above it (or « Article N »), ended by no punctuation."""
    if len(text) > TITLE_CHARS or text.rstrip()[-1] in ".;,:?!" or not _TITLED.match(text):
        return bool(re.match(r"^(?:CHAPITRE|ARTICLE|ANNEXE|TITRE|PARTIE)\s", text)) and len(text) <= 2 * TITLE_CHARS
    return gap >= 1 or bool(_KEYWORD.match(text))


def _block(run: Sequence[Line], body: float, bullets: Sequence[float]) -> Block:
    text = run[0].text.strip()
    for line in run[1:]:
        text = _join(text, line.text.strip())
    text = fold_spaces(text)
    first = run[0]
    if is_toc(text):
        return Block(kind="toc", text=text, page=first.page)
    if _is_heading_line(first, body):
        return Block(kind="heading", text=text, page=first.page, level=0)
    marker, rest = split_marker(text)
    if marker and rest:
        level = max(1, sum(margin <= first.x0 + 0.5 for margin in bullets))
        return Block(kind="item", text=rest, page=first.page, marker=marker, level=level)
    return Block(kind="paragraph", text=text, page=first.page)


def _join(left: str, right: str) -> str:
    if left.endswith(("\ufffe", "\u00ad", "\u0002")):
        return left[:-1] + right
    if left.endswith("-") and right[:1].islower() and not left.endswith(" -"):
        return left + right
    return f"{left} {right}"


def _body_size(lines: Sequence[Line]) -> float:
    """The size most characters are set in."""
    weights: Counter[float] = Counter()
    for line in lines:
        if line.size > 1:
            weights[round(line.size, 1)] += len(line.text)
    return weights.most_common(1)[0][0] if weights else 0.0
