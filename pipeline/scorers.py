"""Tender, Memoire -> what each scorer counts: one small pure function a metric, one item a thing counted.

An item knows its place and, where it is worth less than 1, says why in French: a metric is the mean of its items, the
checks of a report are their messages, and two reports are compared item by item (evals/regress.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import lru_cache

from pipeline import verify
from pipeline.claims import claim_of, labels, standing
from pipeline.diagrams import asked_figures, evidence_figures
from pipeline.draft import unled
from pipeline.french import fold, looks_english, stems
from pipeline.records import Memoire, Paragraph, Passage, Section, Sentence, SourceKind, Table, Tender
from pipeline.tables import asked_tables, evidence_tables, evidence_traced


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


# --- sentences ---------------------------------------------------------------------------------------------


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


def precise(case: Case) -> Iterator[Item]:
    """Sentences whose sources say all they say."""
    for one in case.own:
        yield one.item(not one.remarks, " ".join(remark.message for remark in one.remarks))


def sourced(case: Case) -> Iterator[Item]:
    """Sentences with a source, and only ones that are there."""
    for one in case.said:
        known = {passage.id for passage in one.section.passages}
        absent = [name for name in one.sentence.passages if name not in known]
        right = bool(one.sentence.passages) and not absent
        yield one.item(right, f"La source « {absent[0]} » n'existe pas." if absent else "Phrase sans source.")


def figures(case: Case) -> Iterator[Item]:
    """Sentences with figures or names, all of them in the source."""
    for one in case.own:
        if verify.quantities(one.sentence.text) or verify.names(one.sentence.text):
            wrong = [remark.message for remark in one.remarks if remark.kind in ("figure", "name")]
            yield one.item(not wrong, " ".join(wrong))


def in_french(case: Case) -> Iterator[Item]:
    """Sentences in French."""
    for one in case.said:
        fault = "La phrase n'est pas en français." if looks_english(one.sentence.text) else ""
        yield Item(one.key, float(not fault), one.section.number, one.paragraph.id, fault)


def unrepeated(case: Case) -> Iterator[Item]:
    """Sentences said once in the document, whoever's experience they are told as."""
    seen: dict[str, str] = {}
    for one in case.own:
        text = fold(unled(one.sentence.text))
        fault = f"Déjà dit au paragraphe {seen[text]}." if text in seen else ""
        seen.setdefault(text, one.paragraph.id)
        yield Item(one.key, float(not fault), one.section.number, one.paragraph.id, fault)


_COMMITS = re.compile(r"\bs'engag\w*|\bnous (?:nous )?engageons\b|\bgaranti(?:ssons|t|ssent)\b|\bengagement ferme\b")


def founded(case: Case) -> Iterator[Item]:
    """Sentences that commit the firm, by what they are marked as or by their words, resting on a record of the firm."""
    firm: set[SourceKind] = {"firm"}
    for one in case.own:
        kinds = {passage.kind for passage in one.section.passages if passage.id in one.sentence.passages}
        promises = kinds == {"response"} and claim_of(unled(one.sentence.text), "response") is None
        if one.sentence.claim == "commitment" or promises or _COMMITS.search(fold(one.sentence.text)):
            yield one.item(firm <= kinds, "Engagement qu'aucune fiche de l'entreprise ne fonde.")


def anonymous(case: Case) -> Iterator[Item]:
    """Sentences and rows that do not name a client who may not be named."""
    forms = [re.compile(rf"(?<!\w){re.escape(fold(form))}(?!\w)") for form in case.secrets]
    fault = "Le nom d'un client confidentiel apparaît."

    def item(key: str, text: str, section: str, paragraph: str | None) -> Item:
        leaks = any(form.search(fold(text)) for form in forms)
        return Item(key, float(not leaks), section, paragraph, fault if leaks else "")

    for one in case.said:
        yield item(one.key, one.sentence.text, one.section.number, one.paragraph.id)
    for place, table in _tables(case.memoire):
        for n, row in enumerate(table.rows):
            yield item(f"{place}#{n}", " ".join(row.cells), table.section, None)


# --- paragraphs and sections -------------------------------------------------------------------------------


def distinguished(case: Case) -> Iterator[Item]:
    """Paragraphs that carry the distinction that their words call for, where the buyer asks for some; gaps and quotes
    do not count, and a person may choose."""
    for section in case.memoire.sections:
        known = labels(section.brief.distinctions)
        for paragraph in section.paragraphs:
            said = [s for s in paragraph.sentences if s.claim != "asked"]
            if not section.brief.distinctions or not said:
                continue
            called = {known.get(standing(s.text)) for s in said if s.wording != "person"} - {None}
            right = paragraph.distinction is not None and (not called or paragraph.distinction in called)
            fault = (
                f"Distinction « {paragraph.distinction or 'aucune'} » : le texte dit {' ou '.join(map(str, called))}."
            )
            yield Item(paragraph.id, float(right), section.number, paragraph.id, "" if right else fault)


def within_budget(case: Case) -> Iterator[Item]:
    """Sections with no more words than their share of the buyer's pages."""
    for section in case.memoire.sections:
        if section.brief.words:
            said = sum(len(s.text.split()) for p in section.paragraphs for s in p.sentences)
            over = said > section.brief.words
            fault = f"{said} mots pour {section.brief.words} au plus." if over else ""
            last = section.paragraphs[-1].id if over else None
            yield Item(section.number, float(not over), section.number, last, fault)


# --- tables, diagrams, requirements, plan ------------------------------------------------------------------


def evidenced(case: Case) -> Iterator[Item]:
    """Sections asked for evidence that have it: our table, our diagram, or sentences on it."""
    # printed once; elsewhere the document refers to it (pipeline/export)
    memoire = case.memoire
    present: set[str] = {table.kind for table in memoire.tables} | {figure.kind for figure in memoire.figures}
    for section in memoire.sections:
        if not section.brief.evidence:
            continue
        kinds = [*evidence_tables(section.brief), *evidence_figures(section.brief)]
        mine = [p for p in section.paragraphs if p.point is not None and section.brief.points[p.point].evidence]
        shown = [kind in present for kind in kinds]
        shown += [bool(memoire.compliance)] if evidence_traced(section.brief) else []
        right = any(p.sentences for p in mine) if mine else bool(shown) and all(shown)
        fault = "" if right or any(p.gap for p in mine) else f"Preuve absente : {section.brief.evidence}"
        yield Item(section.number, float(right), section.number, None, fault)


def exhibited(case: Case) -> Iterator[Item]:
    """Tables and diagrams that the buyer's words call for, in the section or in another that has the same."""
    tables = {table.kind for table in case.memoire.tables}
    drawn = {figure.kind for figure in case.memoire.figures}
    for section in case.memoire.sections:
        wanted = [(f"tableau {kind}", kind in tables) for kind in asked_tables(section)]
        wanted += [(f"schéma {kind}", kind in drawn) for kind in asked_figures(section)]
        for name, present in wanted:
            fault = "" if present else f"Demandé et absent : {name}."
            yield Item(f"{section.number}/{name}", float(present), section.number, None, fault)


def rows_founded(case: Case) -> Iterator[Item]:
    """Rows of tables whose title is in their source; those without a source say only what the buyer asks."""
    # a record's passage may end before its last fields: only what the row is about can be held against it
    asked = {fold(text) for item in case.tender.deliverables for text in (item.code, item.title, *item.points)} | {""}
    for place, table in _tables(case.memoire):
        for n, row in enumerate(table.rows):
            if row.source is None:
                right = all(fold(part) in asked for cell in row.cells for part in cell.split(" ; "))
            else:
                right = set(stems(row.cells[0])) <= set(stems(verify.support([row.source])))
            fault = "" if right else f"La ligne « {row.cells[0]} » n'est pas dans sa source."
            yield Item(f"{place}#{n}", float(right), table.section, None, fault)


def _tables(memoire: Memoire) -> Iterator[tuple[str, Table]]:
    for table in memoire.tables:
        yield f"{table.section}/{table.kind}", table


def traced(case: Case) -> Iterator[Item]:
    """Mandatory requirements that the document answers."""
    answered = {row.requirement.id: row for row in case.memoire.compliance if row.answer is not None}
    for item in case.tender.requirements:
        if item.mandatory:
            yield Item(item.id, float(item.id in answered))


def listed(case: Case) -> Iterator[Item]:
    """Requirements of the tender with their row, and in it the answer that the sections give, where they give it."""
    rows = {row.requirement.id: row for row in case.memoire.compliance}
    places = {p.id: s.number for s in case.memoire.sections for p in s.paragraphs}
    answers = {a.requirement: (s.number, a) for s in reversed(case.memoire.sections) for a in s.answers if a.sentence}
    for item in case.tender.requirements if case.memoire.compliance else ():
        row = rows.get(item.id)
        where, answer = answers.get(item.id, ("", None))
        fault = ""
        if row is None:
            fault = f"L'exigence {item.id} n'est pas dans le tableau."
        elif answer is not None and row.answer != answer.sentence:
            fault = f"L'exigence {item.id} a perdu sa réponse."
        elif row.paragraph is not None and row.paragraph not in places:
            fault = f"L'exigence {item.id} renvoie à un paragraphe absent."
        number = where or (row.section if row else "")
        yield Item(item.id, float(not fault), number, answer.paragraph if answer and fault else None, fault)


def conform(case: Case) -> Iterator[Item]:
    """The plan's headings found in the document in the same order; extra ones count against it."""
    plan = case.memoire.plan
    wanted, found = [fold(node.heading) for node in plan], [fold(text) for text in case.headings]
    if not wanted:
        return
    blocks = SequenceMatcher(None, wanted, found, autojunk=False).get_matching_blocks()
    kept = {block.a + n for block in blocks for n in range(block.size)}
    for n, node in enumerate(plan):
        fault = "" if n in kept else f"Titre absent, changé ou déplacé : « {node.heading} »."
        yield Item(node.name, float(n in kept), node.name, None, fault)
    for n in range(len(found) - len(wanted)):
        yield Item(f"+{n}", 0.0, "", None, "Titre en trop.")


SCORERS: Mapping[str, Callable[[Case], Iterator[Item]]] = {
    "plan_conformity": conform,
    "citation_precision": precise,
    "citation_recall": sourced,
    "figure_support": figures,
    "requirement_trace": traced,
    "evidence_present": evidenced,
    "distinction_labels": distinguished,
    "french": in_french,
    "redundancy": unrepeated,
    "commitments_founded": founded,
    "client_names": anonymous,
    "page_budget": within_budget,
    "exhibits_present": exhibited,
    "table_support": rows_founded,
    "requirements_listed": listed,
}
"""Scorer of each metric that is a share of items; points and criteria are in pipeline/coverage.py."""
