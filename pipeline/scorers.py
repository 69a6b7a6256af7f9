"""Tender, Memoire -> what each scorer counts: one small pure function a metric, one item a thing counted.

An item knows its place and, where it is worth less than 1, says why in French: a metric is the mean of its items, the
checks of a report are their messages, and two reports are compared item by item (evals/regress.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import SequenceMatcher

from pipeline import verify
from pipeline.case import Case, Item
from pipeline.claims import claim_of, labels, standing
from pipeline.diagrams import asked_figures, evidence_figures
from pipeline.draft import unled
from pipeline.form import formed, readable
from pipeline.french import fold, looks_english, stems
from pipeline.records import Memoire, SourceKind, Table
from pipeline.tables import asked_tables, evidence_tables, evidence_traced

# --- sentences ---------------------------------------------------------------------------------------------


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
    "readability": readable,
    "format_rules": formed,
}
"""Scorer of each metric that is a share of items; points and criteria are in pipeline/coverage.py."""
