"""What the checks say of a person's words: told beside them, never a refusal.

A confidential client's name, a figure that the cited passage does not have, a question still open, a reader's comment.
Whether every word is in the source is not asked of people: they know more than their sources.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from pipeline import verify
from pipeline.accept.pairing import Pair
from pipeline.align import likeness
from pipeline.french import french_date
from pipeline.records import (
    Comment,
    Finding,
    FindingKind,
    Paragraph,
    Passage,
    ReviewedParagraph,
    Section,
    Sentence,
)
from pipeline.review import EDITED, GAP


def findings(
    before: Section,
    section: Section,
    items: Sequence[Pair],
    passages: Mapping[str, Passage],
    told: Sequence[ReviewedParagraph] | None,
    secrets: Collection[str],
) -> tuple[Finding, ...]:
    """Those of the draft that still hold, and those of the person's words. ``items``: the paragraphs of ``section``,
    traced. ``told``: the section as it was reviewed, for its comments; ``None`` where it was typed and has none, so
    that those on paragraphs left as they were stand."""
    rows = list(zip(section.paragraphs, items, strict=True))
    found = [*_standing(before, section, rows, commented=told is None)]
    for paragraph, item in rows:
        if paragraph.gap and not item.verbatim:
            found.append(_finding("gap", "Une question reste ouverte.", paragraph))
        for sentence in paragraph.sentences:
            if sentence.wording == "person":
                found += _said(sentence, paragraph, item, passages, secrets)
    found += _comments(told or (), rows)
    return tuple(dict.fromkeys(found))


def _standing(
    before: Section, section: Section, rows: Sequence[tuple[Paragraph, Pair]], *, commented: bool
) -> Iterator[Finding]:
    """Findings of the draft on paragraphs that were not touched; that nothing commits the firm on a point holds until a
    person speaks of it."""
    same = {paragraph.id: paragraph for paragraph, item in rows if item.verbatim}
    spoken = {p.point for p in section.paragraphs if any(s.wording == "person" for s in p.sentences)}
    for finding in before.findings:
        paragraph = same.get(finding.paragraph or "")
        solved = finding.kind == "commitment" and paragraph is not None and paragraph.point in spoken
        if (finding.kind != "comment" or commented) and (finding.paragraph is None or (paragraph and not solved)):
            yield finding


def _said(
    sentence: Sentence, paragraph: Paragraph, item: Pair, passages: Mapping[str, Passage], secrets: Collection[str]
) -> Iterator[Finding]:
    """A person's sentence against what it cites, or what it cited before it was changed."""
    if GAP.search(sentence.text):
        yield _finding("gap", "Une question reste ouverte.", paragraph)
    names = sentence.passages
    if not names and item.origin:
        near = max(item.origin.paragraph.sentences, key=lambda s: likeness(s.text, sentence.text), default=None)
        names = near.passages if near and likeness(near.text, sentence.text) >= EDITED else ()
    cited = [passages[name] for name in names if name in passages]
    for remark in verify.check(sentence.text, cited, "", secrets):
        if remark.kind == "client" or (remark.kind == "figure" and cited):
            yield _finding(remark.kind, remark.message, paragraph)


def _comments(told: Sequence[ReviewedParagraph], rows: Sequence[tuple[Paragraph, Pair]]) -> Iterator[Finding]:
    for row in told:
        names = [p.id for p, item in rows if row.human and item.told.text and item.told.text.endswith(row.human)]
        for comment in row.comments:
            yield Finding(kind="comment", message=_signed(comment), paragraph=names[0] if names else None)


def _signed(comment: Comment) -> str:
    day = f", {french_date(comment.date[:10])}" if comment.date else ""
    return f"Commentaire de {comment.author}{day} : {comment.text}"


def _finding(kind: FindingKind, message: str, paragraph: Paragraph) -> Finding:
    return Finding(kind=kind, message=message, paragraph=paragraph.id)
