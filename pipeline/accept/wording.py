"""A person's paragraph -> its sentences, each with what it rests on.

A sentence that is word for word one of the draft's, wherever it now stands, keeps what the draft knows of it: its
passages, and who worded it. One that a person wrote or changed rests on the passages whose marks they left in it, and
on nothing where they left none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.align import likeness
from pipeline.claims import claim_of
from pipeline.export import place
from pipeline.french import fold, fold_spaces, no_break, sentences
from pipeline.records import Claim, Passage, Sentence
from pipeline.review import EDITED, MARKS

_LINK = re.compile(r"\s*Répond à ((?:(?:\S*\d\S*|\(p\.|et)\s*)+)\.$")
"""« Répond à EX-012 (p. 5) et E006.1 (p. 6). », at the end of a paragraph."""
_CLOSING = re.compile(r"\s*[.,;:!?…)»]")
WIDEST = 50
"""Numbers that « [1-50] » may stand for; a wider run is no citation."""

LONGEST = 12
"""Sentences that one of the draft's may be made of: an excerpt has 800 characters at most (pipeline/attribute.py)."""


@dataclass(frozen=True)
class Mark:
    """A citation: where it stands in the bare text, in characters, and its numbers."""

    at: int
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Bare:
    """A paragraph without what the tool prints in it."""

    text: str
    """White space folded."""
    label: str | None
    """The distinction it is printed under."""
    marks: tuple[Mark, ...]
    links: frozenset[str]
    """Requirements it says it answers."""


def bare(text: str, known: Collection[int], requirements: Collection[str], labels: Collection[str]) -> Bare:
    """Take the label of a distinction, the citations and the link to requirements out of a paragraph.

    ``known``: numbers of sources; brackets that hold another number are words. ``requirements``: identifiers.
    """
    label = next((label for label in labels if text.startswith(f"{fold_spaces(label)}. ")), None)
    text = text[len(fold_spaces(label)) + 2 :] if label else text
    links: frozenset[str] = frozenset()
    link = _LINK.search(text)
    if link:
        links = frozenset(name for name in requirements if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", link[1]))
        text = text[: link.start()] if links else text
    kept, marks, last = "", [], 0
    for match in MARKS.finditer(text):
        numbers = _numbers(match[0])
        if not numbers or not all(number in known for number in numbers):
            continue
        kept += text[last : match.start()]
        marks.append(Mark(len(kept), numbers))
        last = match.end()
        if text[last : last + 1].strip() and not _CLOSING.match(text[last:]):
            kept += " "
    return Bare((kept + text[last:]).rstrip(), label, tuple(marks), links)


def _numbers(mark: str) -> tuple[int, ...]:
    """« [3, 5-7] » -> 3, 5, 6, 7; nothing where a run is too wide to be one."""
    found: list[int] = []
    for run in re.findall(r"(\d+)(?:-\s*(\d+))?", mark):
        first, last = int(run[0]), int(run[1] or run[0])
        if not 0 <= last - first < WIDEST:
            return ()
        found += range(first, last + 1)
    return tuple(found)


class Sources:
    """What the numbers of a person's document stand for: its own list of sources is believed, as the numbers of ours
    may have changed since it was written."""

    def __init__(
        self, ours: Sequence[Passage], listed: Mapping[int, str], numbers: Collection[int] | None = None
    ) -> None:
        """``numbers``: those that are citations even where they name no source; by default those that name one."""
        self._ours = dict(enumerate(ours, start=1))
        self._listed = {number: fold(text) for number, text in listed.items()}
        same = {number: fold(place(passage)) for number, passage in self._ours.items()}
        self._same = not listed or same == self._listed
        self.numbers: Collection[int] = numbers or self._listed.keys() or self._ours.keys()

    def passage(self, number: int, near: Collection[str]) -> str | None:
        """The passage meant; ``near``: those of the paragraph before it was changed. ``None`` where it is not sure."""
        if self._same:
            return self._ours[number].id if number in self._ours else None
        at = self._listed[number]
        found = [passage.id for passage in self._ours.values() if fold(place(passage)) == at]
        close = [name for name in found if name in near]
        alike = [other for other, text in sorted(self._listed.items()) if text == at]
        if len(close) == 1:
            return close[0]
        return found[alike.index(number)] if len(found) == len(alike) else None


@dataclass(frozen=True)
class Draft:
    """What is known of the draft's sentences and passages."""

    sentences: Mapping[str, Sentence]
    """By their words, white space folded."""
    passages: Mapping[str, Passage]


def worded(said: Bare, draft: Draft, cited: Callable[[int], str | None]) -> Iterator[Sentence]:
    """The sentences of a paragraph, in order: those of the draft, and a person's."""
    pieces = _pieces(said)
    at = 0
    while at < len(pieces):
        end = _known(pieces, at, draft)
        if end is not None:
            known = draft.sentences[_joined(pieces[at:end])]
            names = _cited(pieces[at:end], cited)
            changed = names and set(names) != set(known.passages)
            yield known.model_copy(update={"passages": names}) if changed else known
        else:
            end = at + 1
            while end < len(pieces) and not pieces[end - 1].numbers and _known(pieces, end, draft) is None:
                end += 1
            yield from _persons(pieces[at:end], draft, cited)
        at = end


@dataclass(frozen=True)
class _Piece:
    """A sentence of a paragraph, or what stands before a citation, with the numbers cited in it."""

    text: str
    numbers: tuple[int, ...]


def _pieces(said: Bare) -> list[_Piece]:
    cuts = {len(said.text)}
    at = 0
    for sentence in sentences(said.text):
        at = said.text.index(sentence, at) + len(sentence)
        cuts.add(at)
    cuts |= {mark.at for mark in said.marks if mark.at and not _CLOSING.match(said.text[mark.at :])}
    found, start = [], 0
    for cut in sorted(cuts):
        within = [mark for mark in said.marks if start < mark.at <= cut or mark.at == start == 0]
        text = said.text[start:cut].strip()
        if text:
            found.append(_Piece(text, tuple(number for mark in within for number in mark.numbers)))
            start = cut
    return found


def _joined(pieces: Sequence[_Piece]) -> str:
    return fold_spaces(" ".join(piece.text for piece in pieces))


def _known(pieces: Sequence[_Piece], at: int, draft: Draft) -> int | None:
    """Where the sentence of the draft that begins at ``at`` ends; ``None`` where none does."""
    ends = range(min(len(pieces), at + LONGEST), at, -1)
    return next((end for end in ends if _joined(pieces[at:end]) in draft.sentences), None)


def _cited(pieces: Sequence[_Piece], cited: Callable[[int], str | None]) -> tuple[str, ...]:
    names = (cited(number) for piece in pieces for number in piece.numbers)
    return tuple(dict.fromkeys(name for name in names if name))


def _persons(pieces: Sequence[_Piece], draft: Draft, cited: Callable[[int], str | None]) -> Iterator[Sentence]:
    """Sentences a person wrote, up to a citation. It covers the last of them, and those before where together they are
    a sentence of the draft that cites the same, changed."""
    names = _cited(pieces, cited)
    before = [text for text, sentence in draft.sentences.items() if set(names) & set(sentence.passages)]

    def alike(start: int) -> float:
        found = max((likeness(text, _joined(pieces[start:])) for text in before), default=0.0)
        return found if found >= EDITED else 0.0

    last = len(pieces) - 1
    start = max(range(last, -1, -1), key=alike) if names else last
    for piece in pieces[:start]:
        yield _sentence(piece.text, (), draft)
    yield _sentence(_joined(pieces[start:]), names, draft)


def _sentence(text: str, names: tuple[str, ...], draft: Draft) -> Sentence:
    claim: Claim | None = claim_of(text, draft.passages[names[0]].kind) if names else None
    return Sentence(text=no_break(text), passages=names, claim=claim or "stated", wording="person")
