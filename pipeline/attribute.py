"""Briefs, requirements, index -> what each sentence will say and on what it rests, before anything is written.

Attribute first, then generate (Slobodkin et al., ACL 2024). For the whole plan at once: each point gets the sentences
of the library that speak of it, no sentence serves twice in the document, and points with few candidates choose first.
Each requirement of the buyer is answered by one of the sentences so chosen, or else by one of the library's own.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from pipeline.claims import Standing, claim_of, labels, standing
from pipeline.clients import mask
from pipeline.embed import Embedder, Role, Vectors
from pipeline.french import NUMBER_WORDS, fold, sentences, stems
from pipeline.index import Index
from pipeline.records import Claim, Passage, Point, Requirement, SectionBrief, SourceKind
from pipeline.retrieve import Filters, expanded, relevance, retrieve
from pipeline.settings import Settings
from pipeline.store import is_row

EXCERPT_CHARS = 400
"""Longest excerpt given to the model: two or three sentences, what a 1.5B model keeps without loss (evals/LOG.md)."""
SLACK = 0.03
"""Cosine by which a passage's neighbouring sentence may be less near the point and still be taken along."""
PER_DOCUMENT = 2
"""Passages of one document that one point may rest on."""
LEAST_STEMS = 3
"""A sentence with fewer says nothing by itself."""
ASKED_PER_POINT = 2
"""Quotes of the buyer's documents under a point about understanding them."""
ASKED_CHARS = 320
"""Longest such quote."""
SAME = 0.8
"""Share of a sentence's stems found in another from which it says nothing more."""
FIRM_BONUS = 0.1
"""Added to the relevance of the firm's own records: what binds the firm says more than what was done elsewhere."""
ANSWER_CANDIDATES = 3
"""Passages looked at for a requirement: a sentence of the text among them is preferred to a new one."""

_OWN: tuple[SourceKind, ...] = ("firm", "response", "component")
_UNDERSTAND = re.compile(r"\b(?:comprehension|appropriation|lecture) (?:fine )?(?:du|de|des)\b|\banalyse du besoin\b")
"""A section that is to show that the buyer was understood: there the buyer's own words are an answer."""
_COUNT = "|".join(word for word, number in NUMBER_WORDS.items() if 1 < number < 13)
_POINTS_ELSEWHERE = re.compile(
    r"\bci-(?:dessous|dessus|apres|avant)\b|\bsuivant(?:e|s|es)\b|\bsuivant :|\b(?:tableau|schema) suivant\b"
    r"|\bcf\.|\bvoir (?:le|la|l'|section|chapitre)"
    r"|\b(?:ce|du present|le present) (?:marche|contrat|lot|projet|chantier)\b|\bcette (?:offre|consultation|affaire)\b"
    r"|\bces \d|^\w+ (?:ces|cet|cette) \w"
    r"|^(?:il|elle|ils|elles|ces?|cet|cette|celui|celle|ceux|celles|cela|ceci|ainsi|en effet|par ailleurs|de plus|enfin"
    r"|toutefois|cependant|en revanche|en consequence|de meme|il en est)\b"
    rf"|\b(?:les|des|aux|ces) (?:{_COUNT}) \w+|^(?:le|la) (?:premi|deuxi|troisi|quatri|second|dern)\w+ "
    rf"|\b(?:{_COUNT}) \w+\W*$|\b\w+ (?:restants|restantes|precites|precitees)\b"
)
"""What leans on sentences around it: « les deux conditions », « cette équipe », « cinq hypothèses. »."""
_LEGEND = re.compile(r"^[a-z] (?:designe|signifie)\b")
_INSTRUCTS = re.compile(r"\b(?:ignor|oubli)\w*\b.{0,40}\b(?:consigne|instruction|regle)s?\b|\bassistant\b.{0,20}\becri")
"""A sentence that talks to a model instead of to a reader is never drafted from."""
_AMOUNT = re.compile(r"\d\s*(?:k|m)?\s*€|\beuros?\b")


@dataclass(frozen=True)
class Sources:
    """What a draft may draw on."""

    index: Index
    embedder: Embedder
    secrets: tuple[tuple[str, str], ...] = ()
    """(spelling, alias) of clients who may not be named; masked before anything is read from a passage."""
    today: dt.date = dt.date.min
    """The day the draft is for: what has expired by then proves nothing."""


@dataclass(frozen=True)
class Slot:
    """A sentence to come: the point it answers, the passage it rests on, the words of it to use, what it claims."""

    point: int | None
    """``None``: it answers a requirement only, and keeps the passage's own words."""
    passage: Passage
    excerpt: str
    claim: Claim
    repeated: bool = False
    """Said elsewhere too: nothing else answers the point."""


@dataclass(frozen=True)
class Promise:
    """A promise made to a past client, near a point that nothing else answers: a person may make it again."""

    text: str
    passage: Passage


@dataclass(frozen=True)
class Attribution:
    """All of a section: its slots in the order of its points, and which slot answers which requirement."""

    slots: tuple[Slot, ...] = ()
    promises: Mapping[int, Promise] = field(default_factory=dict)
    """By point."""
    answers: tuple[tuple[str, Slot | None], ...] = ()
    """(identifier of the requirement, slot): one of ``slots``, a slot without point, or ``None`` where nothing answers
    a requirement that belongs here."""


@dataclass(frozen=True)
class _Candidate:
    """A passage that speaks of something, and how much."""

    rate: float
    passage: Passage


@dataclass
class _Said:
    """The sentences chosen so far in the whole document, as sets of stems."""

    _known: list[frozenset[str]] = field(default_factory=list)

    def add(self, text: str) -> None:
        self._known += [frozenset(stems(part)) for part in sentences(text)]

    def has(self, text: str) -> bool:
        """Whether a sentence says nothing more than one already chosen: most stems of the shorter are in the longer."""
        wanted = frozenset(stems(text))
        return any(len(wanted & known) >= SAME * min(len(wanted), len(known)) for known in self._known if known)


class _Remembering:
    """An embedder that computes each text once; questions are given all at once, which is much faster."""

    def __init__(self, embedder: Embedder) -> None:
        self.identity, self._embedder = embedder.identity, embedder
        self._known: dict[tuple[Role, str], Vectors] = {}

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if (role, text) not in self._known]
        if new:
            self._known.update(zip(((role, text) for text in new), self._embedder.embed(new, role), strict=True))
        return np.stack([self._known[role, text] for text in texts]) if texts else self._embedder.embed([], role)


class _Part(NamedTuple):
    """A sentence of a passage; ``line`` is the line it stands in: a list item, a paragraph."""

    text: str
    line: int
    claim: Claim | None


@dataclass
class _Reader:
    """Finds passages and cuts excerpts; each passage's sentences are read once."""

    sources: Sources
    settings: Settings
    _parts: dict[str, list[_Part]] = field(default_factory=dict)

    def about(
        self, query: str, subject: str, kinds: Sequence[SourceKind], floor: float | None = None
    ) -> list[_Candidate]:
        """Passages that speak of ``subject``, the most relevant first, confidential clients masked."""
        given, settings = self.sources, self.settings.retrieve
        floor = self.settings.draft.relevance_floor if floor is None else floor
        hits = retrieve(query, given.index, given.embedder, settings, settings.candidates, Filters(kinds))
        today = given.today.isoformat()
        rated = [
            _Candidate(rate, mask(hit.passage, given.secrets))
            for hit in hits
            if (hit.passage.until is None or hit.passage.until >= today)
            and (rate := relevance(hit, subject, given.index)) >= floor
        ]
        return sorted(rated, key=lambda item: -item.rate - FIRM_BONUS * (item.passage.kind == "firm"))

    def excerpt(self, query: str, passage: Passage, said: _Said | None = None) -> tuple[str, Claim] | None:
        """The sentence of the passage nearest to the query that founds something and is not said yet, with the next
        ones where they are almost as near and found the same."""
        parts = self.sentences(passage)
        free = [n for n, part in enumerate(parts) if part.claim and not (said and said.has(part.text))]
        if not free:
            return None
        scores = self.near(query, parts)
        best = max(free, key=lambda n: float(scores[n]))
        last = best
        while (
            last + 1 in free
            and parts[last + 1][1:] == parts[best][1:]
            and scores[last + 1] >= scores[best] - SLACK
            and sum(len(part.text) for part in parts[best : last + 2]) < EXCERPT_CHARS
        ):
            last += 1
        text, claim = " ".join(part.text for part in parts[best : last + 1]), parts[best].claim
        return (text, claim) if claim and len(text) <= 2 * EXCERPT_CHARS else None

    def promise(self, query: str, passage: Passage) -> str | None:
        """The passage's sentence nearest to the query, where it promises something to a past client."""
        parts = self.sentences(passage)
        if passage.kind != "response" or not parts:
            return None
        best = parts[int(self.near(query, parts).argmax())]
        return best.text if best.claim is None and len(best.text) <= EXCERPT_CHARS else None

    def near(self, query: str, parts: Sequence[_Part]) -> Vectors:
        """Cosine of each sentence to the query, shape (n,)."""
        embed = self.sources.embedder.embed
        near: Vectors = embed([part.text for part in parts], "passage") @ embed([expanded(query)], "query")[0]
        return near

    def sentences(self, passage: Passage) -> list[_Part]:
        """The sentences of a passage that mean something away from it."""
        if passage.id not in self._parts:
            lines = passage.text.split("\n")
            found = [(part.removeprefix("– "), n) for n, line in enumerate(lines) for part in sentences(line)]
            self._parts[passage.id] = [
                _Part(text, n, claim_of(text, passage.kind))
                for text, n in found
                if len(stems(text)) >= LEAST_STEMS and _stands_alone(text, passage.kind)
            ]
        return self._parts[passage.id]


def attribute(
    briefs: Sequence[SectionBrief],
    requirements: Sequence[Requirement],
    places: Mapping[str, str],
    sources: Sources,
    settings: Settings,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Attribution]:
    """What every section will say, by its number.

    ``briefs`` is the whole plan, whatever part of it is to be drafted: what a section may use depends on the others.
    ``places`` is the section each requirement belongs to, where one is known. ``progress(what, done, of)``.
    """
    queries = [point_query(brief, point) for brief in briefs for point in brief.points]
    embedder = _Remembering(sources.embedder)
    embedder.embed([expanded(text) for text in (*queries, *(item.text for item in requirements))], "query")
    reader = _Reader(replace(sources, embedder=embedder), settings)
    wanted: list[_Wanted] = []
    for brief in briefs:
        for number in range(len(brief.points)):
            wanted.append(_wanted(brief, number, requirements, reader))
            if progress:
                progress("sources des points", len(wanted), len(queries))
    said = _Said()
    chosen_asked: set[str] = set()
    for item in wanted:
        item.asked = [slot for slot in item.asked if slot.excerpt not in chosen_asked][:ASKED_PER_POINT]
        chosen_asked |= {slot.excerpt for slot in item.asked}
    for round_ in range(settings.draft.sources_per_point):
        for item in sorted(wanted, key=lambda item: len(item.candidates)):
            if not item.slots or item.words_left(wanted) > 0:
                _choose(item, reader, said)
        if round_ == 0:  # better to say twice what answers a point than to leave it without answer
            for item in wanted:
                if not item.slots:
                    _choose(item, reader, None)
    for brief in briefs:
        for meaning in labels(brief.distinctions):
            _distinguish(meaning, [item for item in wanted if item.brief is brief], reader, said)
    slots = {
        brief.number: tuple(slot for item in wanted if item.brief is brief for slot in item.in_order())
        for brief in briefs
    }
    answers: dict[str, list[tuple[str, Slot | None]]] = {brief.number: [] for brief in briefs}
    for done, requirement in enumerate(requirements, start=1):
        place = places.get(requirement.id, "") or _nearest(requirement, wanted, reader)
        section, slot = _answer(requirement, place, slots, reader)
        if section in answers:
            answers[section].append((requirement.id, slot))
        if progress:
            progress("sources des exigences", done, len(requirements))
    promises: dict[str, dict[int, Promise]] = {brief.number: {} for brief in briefs}
    for item in wanted:
        if not item.slots and not item.asked and (promise := _promise(item, reader)):
            promises[item.brief.number][item.point] = promise
    return {number: Attribution(slots[number], promises[number], tuple(answers[number])) for number in slots}


def point_query(brief: SectionBrief, point: Point) -> str:
    """What is searched for a point: its words, its part, its section."""
    return " – ".join(text for text in (point.text, point.part, brief.title) if text)


@dataclass
class _Wanted:
    """A point, what may answer it, and what was chosen so far."""

    brief: SectionBrief
    point: int
    query: str
    candidates: list[_Candidate]
    asked: list[Slot]
    slots: list[Slot] = field(default_factory=list)

    def in_order(self) -> list[Slot]:
        """What is asked, what we commit to, what we have done and how we work, what software does."""
        order: tuple[Claim, ...] = ("asked", "commitment", "method", "experience", "fact")
        return [*self.asked, *sorted(self.slots, key=lambda slot: order.index(slot.claim))]

    def words_left(self, wanted: Sequence[_Wanted]) -> int:
        """Words the section may still have."""
        if self.brief.words is None:
            return 1
        said = (slot for item in wanted if item.brief is self.brief for slot in item.in_order())
        return self.brief.words - sum(len(slot.excerpt.split()) for slot in said)


def _wanted(brief: SectionBrief, number: int, requirements: Sequence[Requirement], reader: _Reader) -> _Wanted:
    point = brief.points[number]
    query = point_query(brief, point)
    understand = bool(_UNDERSTAND.search(fold(f"{brief.title} ; {point.text}")))
    # what was done for others shows no understanding of this buyer
    found = reader.about(query, point.text, ("firm",) if understand else ("response",) if point.evidence else _OWN)
    if point.evidence and not found:  # what was done proves more than what is promised
        found = reader.about(query, point.text, _OWN)
    # rows of tables come after prose: a model must not rewrite them (evals/LOG.md); the firm's are tables already
    candidates = [item for item in found if not (is_row(item.passage.text) and item.passage.kind == "firm")]
    candidates.sort(key=lambda item: is_row(item.passage.text))
    asked: list[Slot] = []
    if understand and requirements:
        stated = {fold(item.text): item for item in requirements}
        for candidate in reader.about(query, point.text, ("dce",), floor=-2.0):
            said = fold(candidate.passage.text)
            item = next((item for text, item in stated.items() if text in said), None)
            if item and _quotable(item.text) and all(item.text != slot.excerpt for slot in asked):
                asked.append(Slot(number, requirement_passage(item), item.text, "asked"))
    return _Wanted(brief, number, query, candidates, asked)


def _quotable(text: str) -> bool:
    """Whether a requirement is short enough to quote, and talks to a reader."""
    return len(text) <= ASKED_CHARS and not _INSTRUCTS.search(fold(text))


def requirement_passage(item: Requirement) -> Passage:
    """A requirement as something to cite."""
    name = hashlib.sha256(f"{item.document} {item.id} {item.text}".encode()).hexdigest()[:12]
    return Passage(
        id=name,
        kind="dce",
        document=item.document,
        page=item.page,
        article=item.article,
        text=f"{item.id} – {item.text}",
    )


def _promise(item: _Wanted, reader: _Reader) -> Promise | None:
    """The promise of a past response nearest to a point."""
    for candidate in item.candidates:
        text = reader.promise(item.query, candidate.passage)
        if text:
            return Promise(text, candidate.passage)
    return None


def _choose(item: _Wanted, reader: _Reader, said: _Said | None) -> None:
    """Give a point the best sentence that is not said yet, if there is one; ``None`` for ``said``: even if it is."""
    for candidate in item.candidates:
        passage = candidate.passage
        if item.slots and is_row(passage.text):
            return
        if any(slot.passage.id == passage.id for slot in item.slots):
            continue
        if sum(slot.passage.document == passage.document for slot in item.slots) >= PER_DOCUMENT:
            continue
        found = reader.excerpt(item.query, passage, said)
        if found:
            excerpt, claim = found
            item.slots.append(Slot(item.point, passage, excerpt, claim, repeated=said is None))
            if said:
                said.add(excerpt)
            return


def _distinguish(meaning: Standing, items: Sequence[_Wanted], reader: _Reader, said: _Said) -> None:
    """Where a section says nothing of what exists, is to be developed or is aimed at, though the buyer asks for it: the
    firm's sentence on it that is nearest to one of the section's points."""
    if any(standing(slot.excerpt) == meaning for item in items for slot in item.slots):
        return
    found = [
        (float(score), number, candidate.passage, part)
        for number, item in enumerate(items)
        for candidate in item.candidates
        if candidate.passage.kind == "firm"
        for parts in [reader.sentences(candidate.passage)]
        for part, score in zip(parts, reader.near(item.query, parts), strict=True)
        if standing(part.text) == meaning and part.claim and not said.has(part.text)
    ]
    if found:
        _, number, passage, part = max(found, key=lambda item: item[:2])
        said.add(part.text)
        items[number].slots.append(Slot(items[number].point, passage, part.text, part.claim or "commitment"))


def _answer(
    requirement: Requirement, place: str, slots: Mapping[str, Sequence[Slot]], reader: _Reader
) -> tuple[str, Slot | None]:
    """(section, slot) that answers a requirement: a sentence already chosen, best in the section it belongs to,
    or else a sentence of the library, in that section; no slot where nothing answers it."""
    found = []
    floor = reader.settings.draft.answer_floor
    for candidate in reader.about(requirement.text, requirement.text, _OWN)[:ANSWER_CANDIDATES]:
        if candidate.rate < floor:
            continue
        excerpt = reader.excerpt(requirement.text, candidate.passage)
        if excerpt:
            found.append(Slot(None, candidate.passage, *excerpt))
    sections = sorted(slots, key=lambda number: number != place)
    for slot in found:
        for number in sections:
            for chosen in slots[number]:
                if chosen.passage.id == slot.passage.id and slot.excerpt in chosen.excerpt:
                    return number, chosen
    return place, found[0] if found else None


def _nearest(requirement: Requirement, wanted: Sequence[_Wanted], reader: _Reader) -> str:
    """The section of the point nearest to a requirement that no word or person has placed."""
    embed = reader.sources.embedder.embed
    near = embed([expanded(item.query) for item in wanted], "query") @ embed([expanded(requirement.text)], "query")[0]
    return wanted[int(near.argmax())].brief.number


def _stands_alone(sentence: str, kind: SourceKind) -> bool:
    """Whether a sentence means something away from its page; amounts of past contracts are not for other buyers."""
    folded = fold(sentence)
    if not (is_row(sentence) or sentence.rstrip(" »\u00a0").endswith((".", "!", "?"))):
        return False  # an item of a list whose beginning is elsewhere
    if _POINTS_ELSEWHERE.search(folded):
        return False
    if _LEGEND.match(folded) or _INSTRUCTS.search(folded):
        return False
    return not (kind == "response" and _AMOUNT.search(folded))
