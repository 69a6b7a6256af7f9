"""Tender, Memoire -> what scorers read: the case, its sentences with what they say beyond their passages, and the item
that a scorer counts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from pipeline import verify
from pipeline.draft import unled
from pipeline.french import stems
from pipeline.records import DocumentForm, Memoire, Paragraph, Passage, Section, Sentence, Tender


@dataclass(frozen=True)
class Item:
    """One thing counted."""

    key: str
    """Its place, unique in its metric: « 1.2-3#0 » is the first sentence of paragraph 1.2-3."""
    value: float | None
    """In [0, 1]; ``None``: unscored."""
    section: str = ""
    """Name of its section; empty for the whole document."""
    paragraph: str | None = None
    fault: str = ""
    """In French; empty where there is none, or where the document says itself that something is missing."""


@dataclass(frozen=True)
class Said:
    """A sentence in its place, with what it says beyond its passages."""

    sentence: Sentence
    section: Section
    paragraph: Paragraph
    key: str
    remarks: tuple[verify.Remark, ...]

    def item(self, right: bool, fault: str) -> Item:
        """This sentence counted; one that a person says on their own word is not scored."""
        value = None if unsourced(self.sentence) else float(right)
        return Item(self.key, value, self.section.number, self.paragraph.id, "" if right or value is None else fault)


@dataclass(frozen=True)
class Case:
    """What is scored."""

    tender: Tender
    memoire: Memoire
    headings: tuple[str, ...]
    """Of the exported document, read back, in order."""
    secrets: tuple[str, ...] = ()
    """Spellings of clients who may not be named."""
    form: DocumentForm | None = None
    """Of the exported document; ``None`` where nothing read it."""
    said: tuple[Said, ...] = field(init=False)
    own: tuple[Said, ...] = field(init=False)
    """Without the quotes of what the buyer asks."""

    def __post_init__(self) -> None:
        said = tuple(
            Said(sentence, section, paragraph, f"{paragraph.id}#{n}", tuple(remarks(sentence, section)))
            for section in self.memoire.sections
            for paragraph in section.paragraphs
            for n, sentence in enumerate(paragraph.sentences)
        )
        object.__setattr__(self, "said", said)
        object.__setattr__(self, "own", tuple(one for one in said if one.sentence.claim != "asked"))


def unsourced(sentence: Sentence) -> bool:
    """Whether a person says it on their own word: there is nothing to hold it against, so it is not scored."""
    return sentence.wording == "person" and not sentence.passages


def remarks(sentence: Sentence, section: Section) -> list[verify.Remark]:
    """What a sentence says beyond the passages it cites."""
    passages = tuple(p for p in section.passages if p.id in sentence.passages)
    if not passages:
        return [verify.Remark("citation", "Aucune source.")]
    topic = " ".join([section.title, "Pour notre client", *(point.text for point in section.brief.points)])
    text = sentence.text
    wrong: tuple[verify.Remark, ...] = ()
    if sentence.claim == "asked":  # the words around the quote are ours
        pages = {f"{passage.page}" for passage in passages}
        if not set(re.findall(r"\bp\.\s(\d+)", text[: text.find("«")])) <= pages:
            wrong = (verify.Remark("citation", "La page donnée n'est pas celle de la source."),)
        text = text[text.find("«") + 1 : text.rfind("»")].replace("“", "« ").replace("”", " »")
    if any(passage.kind == "response" for passage in passages):
        wrong = _misattributed(text, passages, topic)
        text = unled(text)
    given: dict[str, list[str]] = {}
    for exchange in section.exchanges:
        given.setdefault(exchange.passage, []).append(exchange.excerpt)
    written_from = tuple(p.model_copy(update={"text": "\n".join(given.get(p.id, [p.text]))}) for p in passages)
    found = _checked(text, written_from, topic)
    if found and sentence.wording == "person":  # who may have drawn on more of the passage than the model was given
        found = _checked(text, passages, topic)
    return [*wrong, *found]


@lru_cache(maxsize=1 << 16)  # a mémoire is scored again and again while it is worked on, one sentence of it changed
def _checked(text: str, passages: tuple[Passage, ...], topic: str) -> tuple[verify.Remark, ...]:
    return tuple(verify.check(text, passages, topic))


@lru_cache(maxsize=1 << 16)
def _misattributed(text: str, passages: tuple[Passage, ...], topic: str) -> tuple[verify.Remark, ...]:
    """« Pour tel client, » must name the client whose experience it is."""
    lead, source = text.removesuffix(unled(text)), verify.support(passages)
    offered = verify.quantities(source)
    known = set(stems(lead)) <= set(stems(source)) | set(stems(topic))
    known &= all(any(verify.same(said, other) for other in offered) for said in verify.quantities(lead))
    shown = lead.strip(" ,:\u00a0\u202f")
    return () if known else (verify.Remark("name", f"« {shown} » n'est pas dans la source."),)
