"""Memoire, human document -> Review: what people kept, changed, dropped and added, paragraph by paragraph.

Both documents are read by the same reader, so that headings, paragraphs, items and tables compare like with like.
Sections are found by number and title wherever they now stand; paragraphs are aligned inside a section by the longest
chain of likeness (Needleman and Wunsch, J. Mol. Biol. 48, 1970, over rapidfuzz ratios), then the rest of the two
documents is searched for paragraphs moved, split or merged. Words are compared with rapidfuzz's opcodes; chrF is
sacrebleu's (Popović, WMT 2015).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz
from rapidfuzz.distance import Indel, Levenshtein
from sacrebleu.metrics.chrf import CHRF

from pipeline.french import fold, fold_spaces
from pipeline.records import (
    Block,
    FigureChange,
    PlanNode,
    Review,
    ReviewedParagraph,
    ReviewedSection,
    ReviewVerdict,
    WordEdit,
)
from pipeline.verify import quantities

EDITED, REWRITTEN = 0.75, 0.45
"""Likeness (normalised Indel similarity of words) from which a paragraph is the same one edited; the same rewritten."""
MOVED = 0.8
"""Likeness from which a paragraph found in another place is the same one."""
TITLE = 85.0
"""Likeness of titles, out of 100, from which a heading of the same number is the section's; without it, 95."""
MARKS = re.compile(r"\s*\[\d+(?:[-,]\s*\d+)*\]")
"""Citations as they are printed: « [3] », « [3, 5-9] »."""
GAP = re.compile(r"\[À (?:COMPLÉTER|RÉDIGER)\b")


@dataclass(frozen=True)
class _Part:
    """A heading's own text, without that of the headings under it."""

    number: str
    title: str
    texts: tuple[str, ...]


def review(plan: Sequence[PlanNode], generated: Sequence[Block], human: Sequence[Block]) -> Review:
    """Compare the document as it was generated with what people made of it."""
    ours, theirs = _parts(plan, generated), _parts(plan, human)
    nothing = _Part("", "", ())
    pairs = {number: align(part.texts, theirs.get(number, nothing).texts) for number, part in ours.items()}
    for number, part in theirs.items():
        if number not in ours:
            pairs[number] = [(None, text) for text in part.texts]
    _reunite(pairs)
    sections = tuple(
        ReviewedSection(
            number=number,
            title=(ours.get(number) or theirs[number]).title,
            paragraphs=tuple(_reviewed(pair) for pair in pairs[number]),
            missing=number in ours and number not in theirs,
        )
        for number in pairs
    )
    return Review(sections=sections, **totals(sections))


# --- sections ----------------------------------------------------------------------------------------------


def _parts(plan: Sequence[PlanNode], blocks: Sequence[Block]) -> dict[str, _Part]:
    """The text under each heading of the plan, wherever it stands; what comes before the first is « avant »."""
    found: dict[str, _Part] = {}
    current, texts = ("", "Avant le plan"), list[str]()
    left = list(plan)

    def close() -> None:
        name, title = current
        known = found.get(name)
        found[name] = _Part(name, title, (*(known.texts if known else ()), *texts))

    for block in blocks:
        node = named(block.text, left) if block.kind == "heading" else None
        if node is not None:
            close()
            current, texts = (node.name, node.heading), []
            left.remove(node)
        elif block.kind == "table":
            texts += [" | ".join(fold_spaces(cell) for cell in row) for row in block.rows]
        elif block.kind != "toc" and block.text.strip():
            texts.append(fold_spaces(block.text))
    close()
    return {name: part for name, part in found.items() if name or part.texts}


def named(heading: str, plan: Sequence[PlanNode]) -> PlanNode | None:
    """The node of the plan a heading is: same number and like title, or nearly the same title."""
    said = fold(heading)
    best: tuple[float, PlanNode | None] = (0.0, None)
    for node in plan:
        whole, title = fold(node.heading), fold(node.title)
        likeness = max(fuzz.ratio(said, whole), fuzz.ratio(re.sub(r"^[\W\d.]+", "", said), title))
        numbered = bool(node.number) and re.match(rf"\D*{re.escape(fold(node.number))}(?![\d.]*\d)", said) is not None
        if likeness >= (TITLE if numbered else 95.0) and likeness > best[0]:
            best = likeness, node
    return best[1]


# --- paragraphs --------------------------------------------------------------------------------------------

_Pair = tuple[str | None, str | None]


def bare(text: str) -> str:
    """A paragraph without its citations, white space folded: what people read."""
    return fold_spaces(MARKS.sub("", text))


def likeness(left: str, right: str) -> float:
    """Normalised Indel similarity of words, in [0, 1]; citations do not count."""
    return float(Indel.normalized_similarity(_words(left), _words(right)))


@lru_cache(maxsize=8192)  # each paragraph is compared with many
def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+|[^\w\s]", bare(text)))


def align(ours: Sequence[str], theirs: Sequence[str]) -> list[_Pair]:
    """Pairs in the order of the human text; ``None`` where the other side has nothing."""
    rows, columns = len(ours), len(theirs)
    alike = [[likeness(a, b) for b in theirs] for a in ours]
    score = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            pair = alike[i][j] + score[i + 1][j + 1] if alike[i][j] >= REWRITTEN else -1.0
            score[i][j] = max(pair, score[i + 1][j], score[i][j + 1])
    pairs: list[_Pair] = []
    i = j = 0
    while i < rows and j < columns:
        if alike[i][j] >= REWRITTEN and score[i][j] == alike[i][j] + score[i + 1][j + 1]:
            pairs.append((ours[i], theirs[j]))
            i, j = i + 1, j + 1
        elif score[i][j] == score[i + 1][j]:
            pairs.append((ours[i], None))
            i += 1
        else:
            pairs.append((None, theirs[j]))
            j += 1
    return [*pairs, *((text, None) for text in ours[i:]), *((None, text) for text in theirs[j:])]


def _reunite(pairs: dict[str, list[_Pair]]) -> None:
    """Find again, anywhere in the document, paragraphs that were moved, cut in two or put together."""
    for rows in pairs.values():
        for n, (ours, theirs) in enumerate(rows):
            if ours is not None and theirs is not None:
                _absorb(rows, n)
        rows[:] = [row for row in rows if row != (None, None)]
    lost = [(name, n) for name, rows in pairs.items() for n, (ours, theirs) in enumerate(rows) if ours and not theirs]
    for name, n in lost:
        text = pairs[name][n][0] or ""
        found = [
            (likeness(text, theirs), other, m)
            for other, rows in pairs.items()
            for m, (ours, theirs) in enumerate(rows)
            if ours is None and theirs
        ]
        best = max(found, default=(0.0, "", 0))
        if best[0] >= MOVED:
            _, other, m = best
            pairs[other][m] = (text, pairs[other][m][1])
            pairs[name][n] = (None, None)
    for rows in pairs.values():
        rows[:] = [row for row in rows if row != (None, None)]


def _absorb(rows: list[_Pair], n: int) -> None:
    """Join to a pair the lone neighbours that make it more alike: a paragraph cut in two, two put together."""
    for step in (1, -1):
        m = n + step
        while 0 <= m < len(rows) and None in rows[m] and rows[m] != (None, None):
            ours, theirs = rows[n]
            joined: list[str | None] = []
            for mine, other in zip((ours, theirs), rows[m], strict=True):
                pieces = [mine, other] if step == 1 else [other, mine]
                joined.append(" ".join(piece for piece in pieces if piece) or None)
            a, b = joined
            if not (a and b and likeness(a, b) > likeness(ours or "", theirs or "") + 0.02):
                break
            rows[n], rows[m] = (a, b), (None, None)
            m += step


# --- verdicts ----------------------------------------------------------------------------------------------


def _reviewed(pair: _Pair) -> ReviewedParagraph:
    ours, theirs = pair
    alike = likeness(ours, theirs) if ours and theirs else 0.0
    return ReviewedParagraph(
        verdict=_verdict(ours, theirs, alike),
        generated=ours,
        human=theirs,
        likeness=alike,
        edits=tuple(word_edits(ours or "", theirs or "")),
        figures=tuple(_figures(ours, theirs)) if ours and theirs else (),
        citations_lost=max(0, len(MARKS.findall(ours or "")) - len(MARKS.findall(theirs or ""))) if theirs else 0,
        gap_answered=bool(ours and GAP.search(ours) and theirs and not GAP.search(theirs)),
    )


def _verdict(ours: str | None, theirs: str | None, alike: float) -> ReviewVerdict:
    if ours is None:
        return "added"
    if theirs is None:
        return "deleted"
    if bare(ours) == bare(theirs):
        return "kept"
    return "edited" if alike >= EDITED else "rewritten"


def word_edits(ours: str, theirs: str) -> Iterator[WordEdit]:
    """The human text told from the generated one: runs kept, deleted and inserted, in order; white space goes with the
    word before it."""
    left, right = (re.findall(r"\s*(?:\w+|[^\w\s])", text) for text in (ours, theirs))
    plain = [[token.strip() for token in side] for side in (left, right)]
    for code in Indel.opcodes(plain[0], plain[1]):
        before = "".join(left[code.src_start : code.src_end])
        after = "".join(right[code.dest_start : code.dest_end])
        if code.tag == "equal":
            yield WordEdit(kind="kept", text=after)
        if code.tag in ("delete", "replace"):
            yield WordEdit(kind="deleted", text=before)
        if code.tag in ("insert", "replace"):
            yield WordEdit(kind="inserted", text=after)


def _figures(ours: str, theirs: str) -> Iterator[FigureChange]:
    """Figures that a person corrected: an alarm about their source."""
    before, after = quantities(bare(ours)), quantities(bare(theirs))
    gone = [q for q in before if all((q.value, q.unit) != (other.value, other.unit) for other in after)]
    come = [q for q in after if all((q.value, q.unit) != (other.value, other.unit) for other in before)]
    for n in range(max(len(gone), len(come))):
        yield FigureChange(
            before=gone[n].shown if n < len(gone) else None, after=come[n].shown if n < len(come) else None
        )


def totals(sections: Sequence[ReviewedSection]) -> dict[str, float | int | None]:
    rows = [row for section in sections for row in section.paragraphs]
    ours = [row for row in rows if row.generated is not None]
    size = {id(row): len(_words(row.generated or "")) for row in ours}
    total = sum(size.values())
    generated = " ".join(bare(row.generated) for row in rows if row.generated)
    human = " ".join(bare(row.human) for row in rows if row.human)
    longest = max(len(_words(generated)), len(_words(human)))
    return {
        "acceptance": sum(size[id(row)] for row in ours if row.verdict == "kept") / total if total else None,
        "chrf": CHRF().sentence_score(generated, [human]).score / 100 if generated and human else None,
        "edit_distance": Levenshtein.distance(_words(generated), _words(human)) / longest if longest else None,
        "citations_lost": sum(row.citations_lost for row in rows),
        "gaps_answered": sum(row.gap_answered for row in rows),
    }
