"""SectionBrief, index -> Section. Attribute first, then write (Slobodkin et al., ACL 2024).

For each point the passages are chosen first, and of each passage the sentences that speak of the point; the model only
rewrites one such excerpt at a time, so every sentence's source is known before it exists. What a check refuses is
asked again once with the finding told, then replaced by the excerpt's own words. Where nothing speaks of the point,
the paragraph is a gap to fill in, with the question and whom to ask.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pipeline import prompts, verify
from pipeline.clients import mask
from pipeline.embed import Embedder
from pipeline.french import fold, join_french, sentences, stems, typeset
from pipeline.index import Index
from pipeline.library import notice
from pipeline.llm import LanguageModel, Prompt
from pipeline.records import (
    Claim,
    Finding,
    Hit,
    Paragraph,
    Passage,
    Point,
    Section,
    SectionBrief,
    Sentence,
    SourceKind,
)
from pipeline.retrieve import Filters, relevance, retrieve
from pipeline.settings import Settings
from pipeline.store import is_row

TEMPLATE = "draft.point"
EXCERPT_CHARS = 400
"""Longest excerpt given to the model: two or three sentences, what a 1.5B model keeps without loss (evals/LOG.md)."""
SLACK = 0.03
"""Cosine by which a passage's neighbouring sentence may be less near the point and still be taken along."""
PER_DOCUMENT = 2
"""Passages of one document that one point may rest on."""
REQUIREMENTS_PER_POINT = 3

_CLAIMS: dict[SourceKind, Claim] = {
    "dce": "asked",
    "component": "fact",
    "response": "experience",
    "firm": "commitment",
}
_ORDER: tuple[SourceKind, ...] = ("firm", "response", "component")
_REQUIREMENT = re.compile(r"^(?:EX|EXI|EXG|EF|ENF|REQ|RQ|EM)[\s\-_.]?\d{1,4}\b")
_POINTS_ELSEWHERE = re.compile(
    r"\bci-(?:dessous|dessus|apres|avant)\b|\btableaux? suivants?\b|\bsuivant(?:e|s|es)? :|\bcf\."
    r"|\bvoir (?:le|la|l'|section|chapitre)"
)
_LEGEND = re.compile(r"^[a-z] (?:designe|signifie)\b")
_INSTRUCTS = re.compile(r"\b(?:ignor|oubli)\w*\b.{0,40}\b(?:consigne|instruction|regle)s?\b|\bassistant\b.{0,20}\becri")
"""A sentence that talks to a model instead of to a reader is never drafted from."""
_AMOUNT = re.compile(r"\d\s*(?:k|m)?\s*€|\beuros?\b")
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
class Progress:
    """Where a draft stands: the section, tokens decoded in it, seconds spent on it."""

    number: str
    tokens: int
    seconds: float


@dataclass(frozen=True)
class _Slot:
    """One sentence to come: the point it answers, its passage, the words of it to use."""

    point: int
    passage: Passage
    excerpt: str
    text: str = ""
    remarks: tuple[verify.Remark, ...] = ()


def inputs_fingerprint(
    brief: SectionBrief, offered: Sequence[Passage], model: LanguageModel, settings: Settings
) -> str:
    """SHA-256 of everything a draft depends on; equal fingerprints mean the same draft."""
    content = [
        brief.model_dump(mode="json"),
        [passage.id for passage in offered],
        model.sha256,
        prompts.fingerprint(TEMPLATE),
        [prompts.word_list("neutral-words"), prompts.word_list("empty-phrases")],
        settings.draft.model_dump(mode="json"),
        settings.llm.model_dump(mode="json"),
    ]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def draft_section(
    brief: SectionBrief,
    sources: Sources,
    model: LanguageModel,
    settings: Settings,
    progress: Callable[[Progress], None] | None = None,
    previous: Section | None = None,
) -> Section:
    """Draft one section; ``previous`` is returned untouched where nothing it depends on has changed."""
    started = time.monotonic()
    tokens = 0

    def tick(count: int) -> None:
        nonlocal tokens
        tokens += count
        if progress:
            progress(Progress(brief.number, tokens, time.monotonic() - started))

    slots, asked = _plan(brief, sources, settings)
    inputs = inputs_fingerprint(
        brief, [*(slot.passage for slot in slots), *(p for ps in asked for p in ps)], model, settings
    )
    if previous is not None and previous.inputs_sha256 == inputs:
        return previous
    secrets = [form for form, _ in sources.secrets]
    # rows of a table keep their own words: a small model pairs their headers and cells wrongly (evals/LOG.md)
    done = [replace(slot, text=_own_words(slot.excerpt)) for slot in slots if is_row(slot.excerpt)]
    waiting = [slot for slot in slots if not is_row(slot.excerpt)]
    for attempt in range(settings.draft.retries + 1):
        asked_prompts = [_prompt(brief, slot) for slot in waiting]
        replies = model.write(asked_prompts, settings.draft.max_tokens, tick)
        checked = [
            _checked(replace(slot, text=_whole(reply.text, reply.complete)), brief, secrets)
            for slot, reply in zip(waiting, replies, strict=True)
        ]
        done += [slot for slot in checked if not slot.remarks]
        waiting = [slot for slot in checked if slot.remarks]
        if not waiting or attempt == settings.draft.retries:
            break
    findings = _old(brief, slots, sources.today, settings)
    for slot in waiting:
        findings += [
            Finding(
                kind=r.kind,
                message=f"Reformulation refusée, remplacée par la source : {r.message}",
                paragraph=_name(brief, slot.point),
            )
            for r in slot.remarks
        ]
        quoted = replace(slot, text=_own_words(slot.excerpt), remarks=())
        if not _checked(quoted, brief, secrets).remarks:
            done.append(quoted)
    order = {id(slot.passage): i for i, slot in enumerate(slots)}
    done.sort(key=lambda slot: order[id(slot.passage)])
    paragraphs = [_paragraph(brief, i, done, asked[i], findings) for i in range(len(brief.points))]
    cited = {name for paragraph in paragraphs for sentence in paragraph.sentences for name in sentence.passages}
    offered = {slot.passage.id: slot.passage for slot in slots} | {p.id: p for ps in asked for p in ps}
    return Section(
        number=brief.number,
        title=brief.title,
        brief=brief,
        paragraphs=tuple(paragraphs),
        passages=tuple(passage for name, passage in offered.items() if name in cited),
        findings=tuple(findings),
        model=model.name,
        model_sha256=model.sha256,
        prompt_sha256=prompts.fingerprint(TEMPLATE),
        inputs_sha256=inputs,
        seconds=time.monotonic() - started,
        tokens=tokens,
    )


def _old(brief: SectionBrief, slots: Sequence[_Slot], today: dt.date, settings: Settings) -> list[Finding]:
    """A finding for each passage that should be checked again before it is relied on."""
    told = ((slot, notice(slot.passage, today, settings.library.stale_months)) for slot in slots)
    return [
        Finding(kind="stale", message=f"{slot.passage.document} : {said}.", paragraph=_name(brief, slot.point))
        for slot, said in told
        if said
    ]


# --- choosing ----------------------------------------------------------------------------------------------


def _plan(brief: SectionBrief, sources: Sources, settings: Settings) -> tuple[list[_Slot], list[list[Passage]]]:
    """For each point, the excerpts it will rest on and the requirements it answers. No passage serves twice."""
    slots: list[_Slot] = []
    asked: list[list[Passage]] = []
    used: set[str] = set()
    for number, point in enumerate(brief.points):
        query = point_query(brief, point)
        hits = _relevant(query, point, sources, settings, _ORDER)
        chosen = _diverse([hit for hit in hits if hit.passage.id not in used], settings.draft.sources_per_point)
        for hit in sorted(chosen, key=lambda hit: _ORDER.index(hit.passage.kind)):
            passage = mask(hit.passage, sources.secrets)
            excerpt = _excerpt(query, passage, sources.embedder)
            if excerpt:
                used.add(passage.id)
                slots.append(_Slot(number, passage, excerpt))
        requirements = _relevant(query, point, sources, settings, ("dce",))
        asked.append([h.passage for h in requirements if _REQUIREMENT.match(h.passage.text)][:REQUIREMENTS_PER_POINT])
    return slots, asked


def point_query(brief: SectionBrief, point: Point) -> str:
    """What is searched for a point: its words, its part, its section."""
    return " – ".join(text for text in (point.text, point.part, brief.title) if text)


def _relevant(query: str, point: Point, sources: Sources, settings: Settings, kinds: Sequence[SourceKind]) -> list[Hit]:
    """Passages that speak of the point, the most relevant first."""
    hits = retrieve(
        query, sources.index, sources.embedder, settings.retrieve, settings.retrieve.candidates, Filters(kinds)
    )
    today = sources.today.isoformat()
    sound = [hit for hit in hits if hit.passage.until is None or hit.passage.until >= today]
    rated = [(relevance(hit, point.text, sources.index), hit) for hit in sound]
    rated.sort(key=lambda pair: -pair[0])
    return [hit for rate, hit in rated if rate >= settings.draft.relevance_floor]


def _diverse(hits: Sequence[Hit], count: int) -> list[Hit]:
    """The best hits, prose before rows of tables, at most PER_DOCUMENT of a document."""
    chosen: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: is_row(hit.passage.text)):
        if sum(other.passage.document == hit.passage.document for other in chosen) < PER_DOCUMENT:
            chosen.append(hit)
        if len(chosen) == count:
            break
    return chosen


def _excerpt(query: str, passage: Passage, embedder: Embedder) -> str:
    """The sentence of the passage nearest to the point, with the next one where it is almost as near."""
    parts = [part for line in passage.text.split("\n") for part in sentences(line)]
    parts = [part for part in parts if len(stems(part)) >= 3 and _stands_alone(part, passage.kind)]
    if not parts:
        return ""
    vectors = embedder.embed([query], "query")[0], embedder.embed(parts, "passage")
    scores = vectors[1] @ vectors[0]
    best = int(scores.argmax())
    text = parts[best]
    after = best + 1
    while (
        after < len(parts) and scores[after] >= scores[best] - SLACK and len(text) + len(parts[after]) < EXCERPT_CHARS
    ):
        text = f"{text} {parts[after]}"
        after += 1
    return text if len(text) <= 2 * EXCERPT_CHARS else ""


def _stands_alone(sentence: str, kind: SourceKind) -> bool:
    """Whether a sentence means something away from its page; amounts of past contracts are not for other buyers."""
    folded = fold(sentence)
    if sentence.rstrip().endswith(":") or _POINTS_ELSEWHERE.search(folded):
        return False
    if _LEGEND.match(folded) or _INSTRUCTS.search(folded):
        return False
    return not (kind == "response" and _AMOUNT.search(folded))


# --- writing -----------------------------------------------------------------------------------------------


def _prompt(brief: SectionBrief, slot: _Slot) -> Prompt:
    point = brief.points[slot.point]
    remark = " ".join(remark.message for remark in slot.remarks[:3])
    return prompts.render(
        TEMPLATE,
        section=brief.title,
        point=" – ".join(t for t in (point.part, point.text) if t),
        excerpt=slot.excerpt,
        remark=remark,
    )


def _whole(text: str, complete: bool) -> str:
    """The reply without a last sentence the token limit cut."""
    parts = sentences(text)
    if not complete and len(parts) > 1 and not text.rstrip().endswith((".", "!", "?")):
        parts = parts[:-1]
    text = " ".join(parts).strip()
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def _checked(slot: _Slot, brief: SectionBrief, secrets: Sequence[str]) -> _Slot:
    point = brief.points[slot.point].text
    source = slot.passage.model_copy(update={"text": slot.excerpt})
    remarks = verify.check(slot.text, [source], f"{point} {brief.title}", secrets)
    if len(stems(slot.text)) < 3:
        remarks.append(verify.Remark("empty", "La réponse ne dit rien."))
    elif set(stems(slot.text)) <= set(stems(f"{point} {brief.title}")):
        remarks.append(verify.Remark("echo", "La réponse répète la demande."))
    return replace(slot, remarks=tuple(remarks))


def _own_words(excerpt: str) -> str:
    """The excerpt as a sentence: capital first, full stop last; the rows of a table keep their « ; »."""
    text = excerpt.strip().removeprefix("–").strip().rstrip(" ;,:")
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _paragraph(
    brief: SectionBrief,
    number: int,
    slots: Sequence[_Slot],
    asked: Sequence[Passage],
    findings: list[Finding],
) -> Paragraph:
    said: list[Sentence] = []
    seen: set[str] = set()
    for slot in slots:
        if slot.point != number or fold(slot.text) in seen:
            continue
        seen.add(fold(slot.text))
        said.append(Sentence(text=_shown(slot), passages=(slot.passage.id,), claim=_CLAIMS[slot.passage.kind]))
    name = _name(brief, number)
    gap = None
    if not said:
        gap = _gap(brief, brief.points[number])
        findings.append(
            Finding(
                kind="gap",
                message=f"Aucune source ne répond au point « {brief.points[number].text} ».",
                paragraph=name,
            )
        )
    if asked:
        codes = [match.group(0) for passage in asked if (match := _REQUIREMENT.match(passage.text))]
        plural = "s" if len(codes) > 1 else ""
        said.append(
            Sentence(
                text=f"Exigence{plural} de l'acheteur rattachée{plural} à ce point : {join_french(codes)}.",
                passages=tuple(passage.id for passage in asked),
                claim="asked",
            )
        )
    return Paragraph(id=name, point=number, sentences=tuple(said), gap=gap)


def _shown(slot: _Slot) -> str:
    """The sentence as printed: typography, and whose experience it is where the sentence does not say so."""
    text = typeset(slot.text)
    passage = slot.passage
    client = passage.client_alias or passage.client
    if passage.kind == "response" and client and fold(client) not in fold(text):
        return f"{text[:-1]} (référence : {typeset(client)}){text[-1]}"
    return text


def _gap(brief: SectionBrief, point: Point) -> str:
    subjects = [fold(text) for text in (point.text, brief.title, brief.chapter)]
    roles = (role for subject in subjects for pattern, role in _ROLES if re.search(pattern, subject))
    role = next(roles, "direction de projet")
    part = f" ({point.part})" if point.part else ""
    return typeset(
        f"[À COMPLÉTER : que répond l'entreprise au point « {point.text} »{part}, et quel document le prouve ? "
        f"— à demander à : {role}]"
    )


def _name(brief: SectionBrief, point: int) -> str:
    return f"{brief.number}-{point + 1}"
