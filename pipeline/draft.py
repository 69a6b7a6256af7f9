"""Attributions -> Sections: the model words what has been chosen, and nothing else reaches the page.

All sections are written together, so that the model always has as many sentences in hand as it can decode at once.
What a check refuses is asked again once with the finding told, then replaced by the source's own words. Where nothing
speaks of a point, the paragraph is a gap to fill in, with the question and whom to ask.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline import prompts, verify
from pipeline.attribute import Attribution, Promise, Slot
from pipeline.claims import STANDINGS, Standing, labels, standing
from pipeline.french import NUMBER_WORDS, STOPWORDS, fold, join_french, sentences, stems, typeset
from pipeline.library import notice
from pipeline.llm import LanguageModel, Prompt
from pipeline.records import Answer, Exchange, Finding, Paragraph, Passage, Point, Section, SectionBrief, Sentence
from pipeline.settings import Settings
from pipeline.store import is_row

TEMPLATES = {"point": "draft.point", "section": "draft.section"}
"""By the model's style."""
INSTRUCTION = "draft.instruction"
"""What is added where a person says how they want it written."""
AT_ONCE = 12
"""Excerpts given at once to a model that writes whole sections: about 1,500 tokens."""

_ROLES = (
    (r"secur|vulnerab|cyber|identit|acces|souverain|chiffr", "RSSI"),
    (
        r"support|incident|astreinte|supervis|exploit|mco|continuite|pca|pra|rto|degrad|revers",
        "responsable du support",
    ),
    (r"rse|sobriete|social|environ|insertion|territ|emploi|consommation", "responsable RSE"),
    (
        r"architect|composant|logiciel|brique|version|depend|ci/cd|test|code|contribution|fork|lts",
        "architecte",
    ),
    (r"financ|prix|subvention", "direction administrative et financière"),
)
_CITED = re.compile(r"^\[(\d+(?:\s*,\s*\d+)*)\]\s*(.+)$")
"""« [3] sentence », as a model that writes whole sections answers."""
_FOR = (
    (
        re.compile(r"^(?:ght|ghu|chu|ch|departement|conseil|centre|groupement|ministere|syndicat|sdis|rectorat)\b"),
        "le ",
    ),
    (
        re.compile(r"^(?:ville|region|metropole|communaute|mutuelle|caisse|commune|societe|direction|prefecture)\b"),
        "la ",
    ),
    (re.compile(r"^(?:hopital|agence|institut|universite|office|etablissement|association|assistance)\b"), "l’"),
    (re.compile(r"^(?:un|une|le|la|les|l'|des)\b"), ""),
)
"""The article a client's name wants after « pour »."""
_ORDINARY = {fold(word) for word in STOPWORDS} | {"pres", "toute", "lorsqu", "quant", "parmi", "grace"}


@dataclass(frozen=True)
class Progress:
    """Where drafting stands: sentences written of those to write, tokens decoded, seconds spent."""

    done: int
    of: int
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Guard:
    """What the document must not do: name these clients, or rest on what has gone stale without saying so."""

    secrets: tuple[str, ...] = ()
    """Spellings of clients who may not be named."""
    today: dt.date = dt.date.min


def inputs_fingerprint(
    brief: SectionBrief, given: Attribution, model: LanguageModel, settings: Settings, instruction: str = ""
) -> str:
    """SHA-256 of everything a section depends on; equal fingerprints mean the same section."""
    content: list[object] = [
        brief.model_dump(mode="json"),
        [_told(slot) for slot in given.slots],
        [(name, _told(slot) if slot else None) for name, slot in given.answers],
        {point: promise.text for point, promise in given.promises.items()},
        model.sha256,
        model.style,
        prompts.fingerprint(TEMPLATES[model.style]),
        [prompts.word_list("neutral-words"), prompts.word_list("empty-phrases")],
        _explained(settings),
        *([instruction, prompts.fingerprint(INSTRUCTION)] if instruction else ()),
    ]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _told(slot: Slot) -> list[object]:
    return [slot.point, slot.passage.id, slot.excerpt, slot.claim]


def _explained(settings: Settings) -> dict[str, dict[str, object]]:
    """The settings a section depends on; where a server is and how patiently it is asked changes no text."""
    llm = settings.llm.model_dump(mode="json", exclude={"url", "key", "timeout", "retries", "memory_margin"})
    return {"draft": settings.draft.model_dump(mode="json"), "llm": llm}


def draft_sections(
    briefs: Sequence[SectionBrief],
    attributions: Mapping[str, Attribution],
    guard: Guard,
    model: LanguageModel,
    settings: Settings,
    progress: Callable[[Progress], None] | None = None,
    instruction: str = "",
) -> Iterator[Section]:
    """Each section as soon as its last sentence is written and checked; those with nothing to write come first.
    ``instruction``: how a person wants it written; it adds no fact, as every sentence is checked as without it."""
    started, tokens = time.monotonic(), 0
    runs = [_Run(brief, attributions[brief.number], guard, model, settings, instruction) for brief in briefs]
    waiting = deque((run, task) for run in runs for task in run.tasks())
    total = sum(len(task.lines) for _, task in waiting)
    in_hand: dict[int, tuple[_Run, _Task]] = {}

    def feed() -> tuple[int, Prompt] | None:
        if not waiting:
            return None
        run, task = waiting.popleft()
        key = len(in_hand)
        in_hand[key] = run, task
        run.started = run.started or time.monotonic()
        return key, run.prompt(task)

    def tick(count: int) -> None:
        nonlocal tokens
        tokens += count
        if progress:
            left = sum(len(run.lines) - sum(line.text != "" for line in run.lines) for run in runs)
            progress(Progress(max(0, total - left), total, tokens, time.monotonic() - started))

    yield from (run.section() for run in runs if run.finished)
    limit = settings.draft.max_tokens if model.style == "point" else settings.draft.section_tokens
    for key, reply in model.stream(feed, limit, tick):
        run, task = in_hand[key]
        run.tokens += reply.tokens
        again = run.take(task, reply.text, reply.complete)
        if again:
            waiting.appendleft((run, again))
        elif run.finished:
            yield run.section()


@dataclass
class _Line:
    """A slot and what became of it."""

    slot: Slot
    text: str = ""
    """The sentence; empty until it is settled."""
    passages: tuple[Passage, ...] = ()
    wording: str = "source"
    replies: list[str] = field(default_factory=list)
    remarks: list[verify.Remark] = field(default_factory=list)
    """What is wrong with the last reply."""
    dropped: bool = False
    """Nothing fit to print: neither a rewording nor the source's own words."""


@dataclass(frozen=True)
class _Task:
    """Lines the model is asked for in one prompt, and which attempt it is."""

    lines: tuple[_Line, ...]
    attempt: int = 0


class _Run:
    """A section being written."""

    def __init__(
        self,
        brief: SectionBrief,
        given: Attribution,
        guard: Guard,
        model: LanguageModel,
        settings: Settings,
        instruction: str,
    ) -> None:
        self._instruction = instruction
        self.brief, self._given, self._guard, self._model, self._settings = brief, given, guard, model, settings
        self.lines = [_Line(slot, passages=(slot.passage,)) for slot in given.slots]
        self.findings: list[Finding] = []
        self.started: float | None = None
        self.tokens = 0
        for line in self.lines:
            # rows of a table keep their own words: a small model pairs their headers and cells wrongly (evals/LOG.md)
            if line.slot.claim == "asked":
                line.text = _quoted(line.slot)
            elif is_row(line.slot.excerpt):
                self._quote(line)

    @property
    def finished(self) -> bool:
        return all(line.text or line.dropped for line in self.lines)

    def tasks(self) -> list[_Task]:
        """What the model is asked first."""
        open_lines = [line for line in self.lines if not line.text and not line.dropped]
        size = 1 if self._model.style == "point" else AT_ONCE
        return [_Task(tuple(open_lines[at : at + size])) for at in range(0, len(open_lines), size)]

    def prompt(self, task: _Task) -> Prompt:
        """What the model is asked, with the person's instruction last."""
        asked = self._prompt(task)
        if not self._instruction:
            return asked
        told = prompts.render(INSTRUCTION, instruction=self._instruction)
        return replace(asked, request=f"{asked.request}\n{told.request}")

    def _prompt(self, task: _Task) -> Prompt:
        if self._model.style == "point":
            line = task.lines[0]
            return prompts.render(
                TEMPLATES["point"],
                section=self.brief.title,
                point=self._asked(line.slot),
                excerpt=line.slot.excerpt,
                remark=_told_back(line),
            )
        rendered = prompts.render(
            TEMPLATES["section"],
            section=self.brief.title,
            chapter=self.brief.chapter,
            expected=self.brief.expected or "",
            excerpts=[
                {
                    "number": n,
                    "point": self._asked(line.slot),
                    "text": line.slot.excerpt,
                    "remark": _told_back(line),
                }
                for n, line in enumerate(task.lines, start=1)
            ],
        )
        return replace(rendered, stop="")  # one line a sentence

    def _asked(self, slot: Slot) -> str:
        point = self.brief.points[slot.point or 0]
        return " – ".join(text for text in (point.part, point.text) if text)

    def take(self, task: _Task, reply: str, complete: bool) -> _Task | None:
        """Settle what the reply settles; the task to ask again, if any is left."""
        if self._model.style == "point":
            given = [(list(task.lines[:1]), _whole(reply, complete))]
        else:
            given = list(_lines(reply, task.lines))
        for lines, text in given:
            self._settle(lines, text)
        left = tuple(line for line in task.lines if not line.text)
        if left and task.attempt < self._settings.draft.retries:
            return _Task(left, task.attempt + 1)
        for line in left:
            self._quote(line)
        return None

    def _settle(self, lines: Sequence[_Line], text: str) -> None:
        """Keep ``text`` for these lines if it says only what their excerpts say."""
        line = lines[0]
        line.replies.append(text)
        point = self.brief.points[line.slot.point or 0].text
        remarks = self._check(text, [one.slot for one in lines])
        if len(stems(text)) < 3:
            remarks.append(verify.Remark("empty", "La réponse ne dit rien."))
        elif set(stems(text)) <= set(stems(f"{point} {self.brief.title}")):
            remarks.append(verify.Remark("echo", "La réponse répète la demande."))
        line.remarks = remarks
        if not remarks:
            line.text, line.wording = text, "model"
            line.passages = tuple({one.slot.passage.id: one.slot.passage for one in lines}.values())
            for other in lines[1:]:
                other.text = text  # said with the first
                other.dropped = True

    def _check(self, text: str, slots: Sequence[Slot]) -> list[verify.Remark]:
        excerpts = [slot.passage.model_copy(update={"text": slot.excerpt}) for slot in slots]
        points = {self.brief.points[slot.point].text for slot in slots if slot.point is not None}
        return verify.check(text, excerpts, f"{' '.join(points)} {self.brief.title}", self._guard.secrets)

    def _quote(self, line: _Line) -> None:
        """The source's own words in place of a refused rewording, where they pass the checks themselves."""
        name = self._name(line.slot.point or 0)
        for remark in line.remarks:
            message = f"Reformulation refusée, remplacée par la source : {remark.message}"
            self.findings.append(Finding(kind=remark.kind, message=message, paragraph=name))
        text = own_words(line.slot.excerpt)
        if self._check(text, [line.slot]):
            line.dropped = True
        else:
            line.text, line.wording = text, "source"

    def section(self) -> Section:
        """The section as it will be saved."""
        told = labels(self.brief.distinctions)
        paragraphs = [p for n in range(len(self.brief.points)) for p in self._paragraphs(n, told)]
        paragraphs += self._missing(paragraphs, told)
        answers = [self._answer(name, slot, paragraphs) for name, slot in self._given.answers]
        known = {p.id: p for line in self.lines for p in line.passages}
        known |= {slot.passage.id: slot.passage for _, slot in self._given.answers if slot}
        cited = {name for p in paragraphs for sentence in p.sentences for name in sentence.passages}
        cited |= {name for answer in answers if answer.sentence for name in answer.sentence.passages}
        return Section(
            number=self.brief.number,
            title=self.brief.title,
            brief=self.brief,
            paragraphs=tuple(paragraphs),
            passages=tuple(passage for name, passage in known.items() if name in cited),
            findings=(*self._old(), *self.findings),
            model=self._model.name,
            model_sha256=self._model.sha256,
            prompt_sha256=prompts.fingerprint(TEMPLATES[self._model.style]),
            inputs_sha256=inputs_fingerprint(self.brief, self._given, self._model, self._settings, self._instruction),
            seconds=time.monotonic() - self.started if self.started else 0.0,
            tokens=self.tokens,
            answers=tuple(answers),
            exchanges=tuple(
                Exchange(
                    point=line.slot.point or 0,
                    passage=line.slot.passage.id,
                    excerpt=line.slot.excerpt,
                    replies=tuple(line.replies),
                    refused=tuple(remark.message for remark in line.remarks),
                )
                for line in self.lines
            ),
            settings=_explained(self._settings),
            instruction=self._instruction,
        )

    def _paragraphs(self, number: int, told: Mapping[Standing, str]) -> Iterator[Paragraph]:
        """The answer to a point: one paragraph, or one for each of the buyer's distinctions it speaks of."""
        lines = [line for line in self.lines if line.slot.point == number and line.text and not line.dropped]
        groups: dict[Standing | None, list[_Line]] = {}
        for line in lines:
            groups.setdefault(standing(line.text) if told and line.slot.claim != "asked" else None, []).append(line)
        name = self._name(number)
        if not lines:
            gap = _gap(self.brief, self.brief.points[number], self._given.promises.get(number))
            message = f"Aucune source ne répond au point « {self.brief.points[number].text} »."
            self.findings.append(Finding(kind="gap", message=message, paragraph=name))
            yield Paragraph(id=name, point=number, gap=gap)
        for line in lines:
            if line.slot.repeated:
                message = f"Déjà dit dans une autre section, faute d'autre source : « {line.text} »"
                self.findings.append(Finding(kind="repeat", message=message, paragraph=name))
        claims = {line.slot.claim for line in lines}
        if claims & {"experience", "fact"} and not claims & {"commitment", "method"}:
            role = _role(self.brief, self.brief.points[number])
            message = (
                f"Rien n'engage l'entreprise sur ce point : que fera-t-elle pour ce marché ? À demander à : {role}."
            )
            self.findings.append(Finding(kind="commitment", message=message, paragraph=name))
        for rank, meaning in enumerate(meaning for meaning in (None, *STANDINGS) if meaning in groups):
            yield Paragraph(
                id=name if not rank else f"{name}{'bcd'[rank - 1]}",
                point=number,
                sentences=tuple(_led(groups[meaning])),
                distinction=told.get(meaning) if meaning else None,
            )

    def _missing(self, paragraphs: Sequence[Paragraph], told: Mapping[Standing, str]) -> list[Paragraph]:
        """One question about the distinctions that nothing in the section speaks of."""
        absent = [label for label in told.values() if all(p.distinction != label for p in paragraphs)]
        if not absent or not any(s.claim != "asked" for p in paragraphs for s in p.sentences):
            return []
        asked = " et ".join(f"« {label[:1].lower()}{label[1:]} »" for label in absent)
        name = self._name(len(self.brief.points))
        self.findings.append(Finding(kind="gap", message=f"Aucune source ne dit {asked}.", paragraph=name))
        gap = f"[À COMPLÉTER : pour cette section, que dire de {asked} ? — à demander à : {_role(self.brief, None)}]"
        return [Paragraph(id=name, point=None, gap=typeset(gap))]

    def _answer(self, requirement: str, slot: Slot | None, paragraphs: Sequence[Paragraph]) -> Answer:
        """The sentence that answers a requirement: of a paragraph, or the source's own words."""
        if slot is None:
            return Answer(requirement=requirement, sentence=None)
        if slot.point is not None:
            for paragraph in paragraphs:
                for sentence in paragraph.sentences:
                    if paragraph.point == slot.point and slot.passage.id in sentence.passages:
                        return Answer(requirement=requirement, sentence=sentence, paragraph=paragraph.id)
            return Answer(requirement=requirement, sentence=None)
        line = _Line(slot, text=own_words(slot.excerpt), passages=(slot.passage,))
        if verify.check(line.text, [slot.passage.model_copy(update={"text": slot.excerpt})], "", self._guard.secrets):
            return Answer(requirement=requirement, sentence=None)
        return Answer(requirement=requirement, sentence=next(iter(_led([line]))))

    def _old(self) -> Iterator[Finding]:
        """A finding for each passage that should be checked again before it is relied on."""
        for line in self.lines:
            said = notice(line.slot.passage, self._guard.today, self._settings.library.stale_months)
            if said and line.text:
                message = f"{line.slot.passage.document} : {said}."
                yield Finding(kind="stale", message=message, paragraph=self._name(line.slot.point or 0))

    def _name(self, point: int) -> str:
        return f"{self.brief.number}-{point + 1}"


def _told_back(line: _Line) -> str:
    """What the model is told of its last reply."""
    return " ".join(remark.message for remark in line.remarks[:3])


def _lines(reply: str, lines: Sequence[_Line]) -> Iterator[tuple[list[_Line], str]]:
    """« [2] sentence » or « [2, 5] sentence » -> the lines meant and the sentence; others are left out."""
    settled: set[int] = set()
    for row in reply.splitlines():
        match = _CITED.match(row.strip().lstrip("-–• "))
        numbers = [int(number) for number in match[1].split(",")] if match else []
        if match and numbers and all(0 < n <= len(lines) and n not in settled for n in numbers):
            settled |= set(numbers)
            yield [lines[n - 1] for n in numbers], _whole(match[2], True)


def _whole(text: str, complete: bool) -> str:
    """The reply without a last sentence the token limit cut."""
    parts = sentences(text)
    if not complete and len(parts) > 1 and not text.rstrip().endswith((".", "!", "?")):
        parts = parts[:-1]
    text = " ".join(parts).strip()
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def own_words(excerpt: str) -> str:
    """The excerpt as a sentence: capital first, full stop last; the rows of a table keep their « ; »."""
    text = excerpt.strip().removeprefix("–").strip().rstrip(" ;,:")
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _quoted(slot: Slot) -> str:
    """What the buyer asks, between quotation marks, with its place."""
    passage = slot.passage
    name = passage.text.split(" – ", 1)[0]
    page = f", p. {passage.page}" if passage.page is not None else ""
    quote = slot.excerpt.rstrip(".").replace("« ", "“").replace(" »", "”")
    return f"L'acheteur demande ({name}{page}) : « {quote} »."


def _led(lines: Sequence[_Line]) -> Iterator[Sentence]:
    """Sentences as printed: typography, and for whom it was done, said once for what follows."""
    seen: set[str] = set()
    before = ""
    for line in lines:
        passage = line.slot.passage
        client = (passage.client_alias or passage.client or "") if passage.kind == "response" else ""
        text = line.text
        if fold(text) in seen:
            continue
        seen.add(fold(text))
        if client and client != before and fold(client) not in fold(text):
            text = f"{for_client(client)}{_after(text)}"
        before = client
        yield Sentence(
            text=typeset(text),
            passages=tuple(p.id for p in line.passages),
            claim=line.slot.claim,
            wording="model" if line.wording == "model" else "source",
        )


def unled(text: str) -> str:
    """A sentence without the « Pour tel client, » that was put before it."""
    return re.sub(r"^Pour [^,:]{3,120}[,:]\s*", "", text)


def for_client(name: str) -> str:
    """« Pour le Centre hospitalier de X », « Pour l'Agence Y », « Pour un organisme … »."""
    article = next((article for pattern, article in _FOR if pattern.search(fold(name))), None)
    return f"Pour notre client {name}" if article is None else f"Pour {article}{name}"


def _after(text: str) -> str:
    """« , le reste » where the first word is an ordinary one that loses its capital, « : Reste » elsewhere."""
    first = fold(re.split(r"[\s'’]", text, maxsplit=1)[0])
    ordinary = first in NUMBER_WORDS or first in _ORDINARY
    return f", {text[:1].lower()}{text[1:]}" if ordinary else f" : {text}"


def _role(brief: SectionBrief, point: Point | None) -> str:
    subjects = [fold(text) for text in (point.text if point else "", brief.title, brief.chapter)]
    roles = (role for subject in subjects for pattern, role in _ROLES if re.search(pattern, subject))
    return next(roles, "direction de projet")


def _gap(brief: SectionBrief, point: Point, promise: Promise | None) -> str:
    if point.evidence:
        return typeset(
            f"[À COMPLÉTER : quelle preuve répond à la demande « {point.text.rstrip('.')} » ? "
            f"— à demander à : {_role(brief, point)}]"
        )
    part = f" ({point.part})" if point.part else ""
    whom = f"— à demander à : {_role(brief, point)}]"
    if promise is None:
        return typeset(
            f"[À COMPLÉTER : que répond l'entreprise au point « {point.text} »{part}, "
            f"et quel document le prouve ? {whom}"
        )
    passage = promise.passage
    where = join_french([passage.client_alias or passage.client or passage.document, *filter(None, [passage.date])])
    return typeset(
        f"[À COMPLÉTER : pour le point « {point.text} »{part}, l'entreprise prend-elle pour ce marché l'engagement "
        f"déjà pris ({where}) : « {promise.text.rstrip('.')} » ? {whom}"
    )
