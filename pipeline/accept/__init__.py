"""Memoire, a person's document -> the sections as that person wants them, ready to be saved.

The order and the words are the person's; headings stay the buyer's. Each paragraph is traced to the draft's one it
comes from, so that what the draft knew of its sentences is kept where they are unchanged. Nothing is guessed: a section
that cannot be found is left alone and said, as is whatever could not be taken back.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.accept.checks import findings
from pipeline.accept.pairing import Given, Pair, given, known, paired, taken
from pipeline.accept.parts import Parts, Told, split
from pipeline.accept.typed import Typed, read_typed, text_of
from pipeline.accept.wording import Bare, Draft, Sources, bare, worded
from pipeline.align import likeness
from pipeline.claims import labels
from pipeline.errors import DossierError
from pipeline.export import sources
from pipeline.french import fold, fold_spaces, no_break
from pipeline.records import (
    Acceptance,
    Answer,
    Block,
    Document,
    Memoire,
    Paragraph,
    PlanNode,
    Review,
    Section,
    SectionBrief,
    Sentence,
    unwritten,
)
from pipeline.review import GAP, review, totals

__all__ = ["Accepted", "Given", "Handed", "accept", "accept_typed", "read_typed", "restored", "text_of"]

TYPED_NUMBERS = range(1, 1000)
"""Numbers between brackets that are citations in a text typed by a person; « [2024] » is words."""


@dataclass(frozen=True)
class Handed:
    """Who hands a document in, and when."""

    by: str | None
    when: str
    """ISO 8601, with its time zone."""
    validates: bool = False
    """They answer for it."""


@dataclass(frozen=True)
class Accepted:
    """What accepting will write, and what it cannot take."""

    sections: tuple[Section, ...]
    """As they will be saved, in plan order."""
    remarks: tuple[str, ...]
    """One French line for each thing that was left alone."""
    answers: tuple[Given, ...]


def accept(
    memoire: Memoire,
    briefs: Mapping[str, SectionBrief],
    drafts: Mapping[str, Section],
    document: Document,
    found: Review,
    wanted: Collection[str],
    secrets: Collection[str],
    handed: Handed,
) -> Accepted:
    """The sections named in ``wanted`` as ``document`` has them.

    ``briefs``: of sections that may not be drafted yet. ``drafts``: by number, the machine's last draft of sections
    that a person has already changed; what people keep is measured against it. ``found``: the comparison of the two
    documents, for the comments of its readers. ``secrets``: spellings of clients who may not be named.
    Raises DossierError where no heading of the plan is in the document.
    """
    parts = split(memoire, document.blocks)
    if not parts.told:
        raise DossierError(
            "Aucun titre du plan n'est dans ce document",
            where=document.name,
            remedy="Donnez le document exporté par memoire, relu, avec ses titres.",
        )
    numbered = Sources(sources(memoire).passages, parts.listed)
    return _take(memoire, briefs, drafts, parts, numbered, document, found, wanted, secrets, handed)


def accept_typed(
    memoire: Memoire,
    brief: SectionBrief | None,
    machine: Section | None,
    typed: Typed,
    document: Document,
    secrets: Collection[str],
    handed: Handed,
) -> Accepted:
    """The one section of ``memoire``'s plan as a person typed it, its sources numbered as it lists them. ``document``:
    what names the text and its hash."""
    (node,) = memoire.plan
    parts = Parts(told={node.name: list(typed.told)}, remarks=list(typed.remarks))
    passages = [passage for section in memoire.sections for passage in section.passages]
    numbered = Sources(passages, {}, TYPED_NUMBERS)
    briefs = {node.name: brief} if brief else {}
    drafts = {node.name: machine} if machine else {}
    return _take(memoire, briefs, drafts, parts, numbered, document, None, [node.name], secrets, handed)


def _take(
    memoire: Memoire,
    briefs: Mapping[str, SectionBrief],
    drafts: Mapping[str, Section],
    parts: Parts,
    numbered: Sources,
    document: Document,
    found: Review | None,
    wanted: Collection[str],
    secrets: Collection[str],
    handed: Handed,
) -> Accepted:
    before = {node.name: _before(memoire, node, briefs) for node in memoire.plan}
    drafted = [item for section in memoire.sections for item in known(section)]
    pairs = paired(drafted, _read(memoire, parts, before, numbered))
    names, remarks = taken(memoire, parts, pairs, wanted)
    writer = _Writer(memoire, numbered, typed=found is None)
    sections = []
    for number in (node.name for node in memoire.plan if node.name in names):
        section = writer.section(before[number], pairs[number])
        told = next((item.paragraphs for item in found.sections if item.number == number), ()) if found else None
        checked = findings(before[number], section, pairs[number], writer.passages, told, secrets)
        sections.append(section.model_copy(update={"findings": checked}))
    texts = {name: [item.bare.text for item in items if item.bare.text] for name, items in pairs.items()}
    stamped = _stamped(memoire, before, sections, drafts, texts, document, handed)
    unsaid = [
        f"{section.number} : il y reste une question, elle n'est pas validée."
        for section in stamped
        if handed.validates and section.accepted and not section.accepted.validated_by
    ]
    return Accepted(
        sections=tuple(stamped),
        remarks=tuple(dict.fromkeys([*_front(memoire, found), *parts.remarks, *remarks, *writer.remarks, *unsaid])),
        answers=tuple(
            answer for section in stamped for answer in given(section.number, drafted, pairs[section.number])
        ),
    )


def _before(memoire: Memoire, node: PlanNode, briefs: Mapping[str, SectionBrief]) -> Section:
    """A section as it stands; an empty one where nothing is drafted."""
    chapter = next((n.title for n in reversed(memoire.plan[: memoire.plan.index(node) + 1]) if n.level == 1), "")
    empty = SectionBrief(number=node.name, title=node.title, level=node.level, chapter=chapter, points=())
    return next(
        (section for section in memoire.sections if section.number == node.name),
        unwritten(briefs.get(node.name, empty)),
    )


def _read(
    memoire: Memoire, parts: Parts, before: Mapping[str, Section], numbered: Sources
) -> dict[str, list[tuple[Told, Bare]]]:
    """Each paragraph of the document with what the tool prints in it told apart."""
    requirements = {row.requirement.id for row in memoire.compliance}
    found = {}
    for name, told in parts.told.items():
        section = before[name]
        printed = [p.distinction for p in section.paragraphs if p.distinction]
        known_labels = dict.fromkeys([*printed, *labels(section.brief.distinctions).values()])
        untouched = {item.paragraph.id: Bare(item.text, None, (), frozenset()) for item in known(section)}
        read = [
            (item, untouched.get(item.same) or bare(item.text, numbered.numbers, requirements, known_labels))
            for item in told
        ]
        found[name] = [(item, said) for item, said in read if said.text or item.rows]  # a mark alone says nothing
    return found


class _Writer:
    """Writes a person's paragraphs with what the draft knows; one a document."""

    def __init__(self, memoire: Memoire, numbered: Sources, *, typed: bool) -> None:
        """``typed``: every link to a requirement was shown, so that one that is gone was taken out."""
        self._memoire, self._numbered, self._typed = memoire, numbered, typed
        self.passages = {passage.id: passage for section in memoire.sections for passage in section.passages}
        self._answers = [answer for section in memoire.sections for answer in section.answers if answer.sentence]
        self._requirements = {row.requirement.id: row.requirement.text for row in memoire.compliance}
        self._sentences = _by_words(memoire.sections)
        self.remarks: list[str] = []

    def section(self, before: Section, items: Sequence[Pair]) -> Section:
        """A section with its new paragraphs; nothing of its history is lost."""
        fresh = _fresh(before)
        draft = Draft({**self._sentences, **_by_words([before])}, self.passages)
        paragraphs = tuple(self._paragraph(before.number, item, draft, fresh) for item in items)
        answers = tuple(self._answered(before, items, paragraphs))
        sentences = [sentence for paragraph in paragraphs for sentence in paragraph.sentences]
        sentences += [answer.sentence for answer in answers if answer.sentence]
        cited = {name for sentence in sentences for name in sentence.passages}
        passages = tuple(passage for name, passage in self.passages.items() if name in cited)
        return before.model_copy(update={"paragraphs": paragraphs, "answers": answers, "passages": passages})

    def _paragraph(self, number: str, item: Pair, draft: Draft, fresh: Iterator[str]) -> Paragraph:
        origin = item.origin if item.origin and item.origin.section == number else None
        text, point = item.bare.text, item.told.point
        asks = bool(GAP.match(text)) and text.endswith("]")
        if asks and origin and origin.paragraph.point is None:
            point = None  # about the whole section, whatever point it stands under
        base = Paragraph(id=origin.paragraph.id if origin else next(fresh), point=point, item=item.told.item)
        if item.told.same and item.origin:
            return item.origin.paragraph
        if item.told.rows:
            return base.model_copy(update={"rows": item.told.rows})
        if asks:
            return base.model_copy(update={"gap": no_break(text)})
        said = item.origin.paragraph.sentences if item.origin else ()
        own = Draft({**draft.sentences, **{fold_spaces(s.text): s for s in said}}, draft.passages)
        near = {name for sentence in said for name in sentence.passages}

        def cited(source: int) -> str | None:
            passage = self._numbered.passage(source, near)
            if passage is None:
                self.remarks.append(f"{number} : la source [{source}] n'est pas reconnue ; ce renvoi n'est pas repris.")
            return passage

        sentences = tuple(worded(item.bare, own, cited))
        return base.model_copy(update={"sentences": sentences, "distinction": item.bare.label})

    def _answered(self, before: Section, items: Sequence[Pair], paragraphs: Sequence[Paragraph]) -> Iterator[Answer]:
        """What answers a requirement follows its sentence; a changed paragraph answers what its link still names."""
        untouched = {item.told.same for item in items if item.told.same}
        found = {answer.requirement: answer for answer in before.answers if answer.paragraph in untouched}
        for item, paragraph in zip(items, paragraphs, strict=True):
            kept = {fold_spaces(sentence.text): sentence for sentence in paragraph.sentences}
            wanted = {name: self._requirements[name] for name in item.bare.links}
            for answer in self._answers:
                if answer.sentence and (answer.requirement in wanted or (answer.paragraph and not self._typed)):
                    words = fold_spaces(answer.sentence.text)
                    if words in kept or answer.requirement in wanted:
                        wanted[answer.requirement] = words
            for name, words in wanted.items():
                if kept and name not in found:
                    sentence = kept.get(words) or max(kept.values(), key=lambda s: likeness(s.text, words))
                    found[name] = Answer(requirement=name, sentence=sentence, paragraph=paragraph.id)
        for answer in before.answers:
            if answer.requirement not in found:
                lost = answer.paragraph is not None  # the paragraph that held it does so no more
                yield Answer(requirement=answer.requirement, sentence=None) if lost else answer
        yield from found.values()


def _by_words(sections: Sequence[Section]) -> dict[str, Sentence]:
    """Sentences by their words, white space folded."""
    return {fold_spaces(s.text): s for section in sections for p in section.paragraphs for s in p.sentences}


def _fresh(section: Section) -> Iterator[str]:
    """Identifiers that no paragraph of the section has."""
    ordinals = [re.match(r"\d+", p.id.removeprefix(f"{section.number}-")) for p in section.paragraphs]
    first = max((int(match[0]) for match in ordinals if match), default=0) + 1
    return (f"{section.number}-{n}" for n in itertools.count(first))


# --- what people kept --------------------------------------------------------------------------------------


def _stamped(
    memoire: Memoire,
    before: Mapping[str, Section],
    sections: Sequence[Section],
    drafts: Mapping[str, Section],
    said: Mapping[str, Sequence[str]],
    document: Document,
    handed: Handed,
) -> list[Section]:
    """The sections with who handed them in and how much of the machine's words is left. ``said``: their paragraphs, as
    the person has them."""
    plan = {node.name: node for node in memoire.plan}
    ours: list[Block] = []
    theirs: list[Block] = []
    for section in sections:
        heading = Block(kind="heading", text=plan[section.number].heading, level=1)
        machine = known(drafts.get(section.number, before[section.number]))
        ours += [heading, *(Block(kind="paragraph", text=item.text) for item in machine)]
        theirs += [heading, *(Block(kind="paragraph", text=text) for text in said[section.number])]
    reviewed = {item.number: item for item in review([plan[s.number] for s in sections], ours, theirs).sections}
    stamped = []
    for section in sections:
        measured = totals([reviewed[section.number]])
        last = before[section.number]
        same = last.accepted is not None and last.paragraphs == section.paragraphs
        asks = any(p.gap or any(GAP.search(s.text) for s in p.sentences) for p in section.paragraphs)
        signed = (
            handed.by
            if handed.validates and not asks
            else last.accepted.validated_by
            if same and last.accepted
            else None
        )
        accepted = Acceptance(
            by=handed.by,
            when=handed.when,
            file=document.name,
            sha256=document.sha256,
            verdicts=Counter(row.verdict for row in reviewed[section.number].paragraphs),
            words_kept=measured["acceptance"] if section.model else None,
            chrf=measured["chrf"] if section.model else None,
            validated_by=signed,
        )
        stamped.append(section.model_copy(update={"accepted": accepted}))
    return stamped


def restored(node: PlanNode, section: Section, machine: Section | None, handed: Handed) -> Section:
    """A version of a section as a person takes it back: theirs, and validated by nobody until somebody says so.
    ``machine``: the last machine draft, what is kept of it."""
    unsigned = section.model_copy(update={"accepted": None})
    memoire = Memoire(title="", buyer=None, reference=None, plan=(node,), sections=(unsigned,))
    texts = {section.number: [item.text for item in known(section)]}
    drafts = {section.number: machine} if machine else {}
    typed = Document(name="", sha256="", kind="response", pages=None, blocks=())
    return _stamped(memoire, {section.number: unsigned}, [unsigned], drafts, texts, typed, handed)[0]


def _front(memoire: Memoire, found: Review | None) -> Iterator[str]:
    """What was changed before the plan, where every page is written by each export; its contents do not count."""
    titles = {fold(node.heading) for node in memoire.plan}
    changed = [
        row.human
        for section in (found.sections if found else ())
        if not section.number
        for row in section.paragraphs
        if row.human and row.verdict != "kept" and fold(row.human) not in titles
    ]
    if changed:
        count = f"{len(changed)} changements ne sont" if len(changed) > 1 else "un changement n'est"
        yield f"Avant le plan, où memoire écrit chaque page, {count} pas repris : « {changed[0][:60]} »."
