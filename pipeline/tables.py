"""Firm facts, component sheets, tender -> tables: what data says better than prose, without a model.

Which section gets which table follows from what the buyer asks of it: its evidence (« preuves ») and its expected
content (« attendus ») first, its title and points otherwise. A row cites the passage it was made from.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.clients import mask, masked, secret_forms
from pipeline.french import fold, french_date, join_french, stems
from pipeline.library import fact, library_files, read_entry, read_facts, sheet_fields, stage_months
from pipeline.records import Passage, Section, SectionBrief, Table, TableKind, TableRow, Tender
from pipeline.split import split

_ASKED: tuple[tuple[TableKind, re.Pattern[str], re.Pattern[str]], ...] = (
    (
        "components",
        re.compile(r"tableaux? (?:des? |de )?composants|liste des composants|composants? .{0,60}licences?"),
        re.compile(r"composants retenus|choix open source|logiciels libres retenus|briques? logicielles?"),
    ),
    (
        "support",
        re.compile(r"fin de support|calendrier de .{0,20}support|cycle de vie des composants"),
        re.compile(r"branches? (?:a support long|lts)|duree de vie des composants|perennite des composants|\blts\b"),
    ),
    (
        "certificates",
        re.compile(r"certificats?|certifications?|qualifications? (?:avec|de l)|attestations? de|labels?"),
        re.compile(r"certificats?|certifications?|qualification de l'hebergement"),
    ),
    (
        "service_levels",
        re.compile(r"delais? par gravite|\bsla\b|niveaux? de services?|tableau des delais|gt[ir]\b"),
        re.compile(r"\bsla\b|delais de prise en compte|niveaux? de services?|rto|engagements? de services?"),
    ),
    (
        "teams",
        re.compile(r"effectifs?|equipes?|organigramme|\braci\b|composition nominative"),
        re.compile(r"roles? et responsabilites|organisation de l'equipe|moyens humains"),
    ),
    (
        "responsibilities",
        re.compile(r"\braci\b|matrice des (?:roles|responsabilites)|repartition des (?:roles|responsabilites|taches)"),
        re.compile(r"roles? et (?:des )?responsabilites|gouvernance (?:globale|du projet|du partenariat)"),
    ),
    (
        "references",
        re.compile(r"references? (?:comparable|similaire|client)|en production|menee par le candidat|experience"),
        re.compile(r"references? (?:comparable|similaire|client)|retours? d'experience"),
    ),
    (
        "risks",
        re.compile(r"registre des risques|\b(?:premiers|principaux) risques|matrice des risques|risques avec leur"),
        re.compile(r"(?:gestion|traitement|maitrise|analyse|cartographie) des risques"),
    ),
    (
        "planning",
        re.compile(r"planning|calendrier|echeancier|diagramme de gantt|jalons?"),
        re.compile(
            r"planning|calendrier|echeancier|etapes? de (?:recherche|realisation)|jalons?|sequence par sequence"
        ),
    ),
    (
        "deliverables",
        re.compile(r"livrables?|jalons?"),
        re.compile(r"livrables?"),
    ),
)
"""Kind of table, what asks for it in attendus and preuves, what asks for it in a title or a point."""
_EVIDENCE: Mapping[TableKind, re.Pattern[str]] = {
    **{kind: strong for kind, strong, _ in _ASKED if kind in ("components", "certificates", "deliverables")},
    "references": re.compile(r"references? (?:comparable|similaire|client)|\b(?:comparable|similaire)s? en production"),
}
"""Kinds of tables that can be the very evidence, and what asks for it."""
_TRACES = re.compile(
    r"references? croisees|renvois? (?:explicites? )?a|tableau de (?:correspondance|conformite)|matrice de conformite"
)
_TITLES: Mapping[TableKind, str] = {
    "components": "Composants cités, licence, éditeur et solution de repli",
    "support": "Publication et support des composants cités",
    "certificates": "Certificats et qualifications en cours de validité",
    "service_levels": "Engagements de service",
    "teams": "Équipes mobilisables",
    "responsibilities": "Répartition des responsabilités (RACI)",
    "references": "Références",
    "risks": "Risques et parades",
    "planning": "Étapes et jalons",
    "deliverables": "Livrables demandés",
}
_HEADERS: Mapping[TableKind, tuple[str, ...]] = {
    "components": ("Composant", "Rôle", "Licence", "Éditeur", "Solution de repli"),
    "support": ("Composant", "Publication des versions", "Support"),
    "certificates": ("Intitulé", "Numéro", "Périmètre", "Valable jusqu'au"),
    "service_levels": ("Service", "Indicateur", "Engagement", "Conditions"),
    "teams": ("Équipe", "Effectif", "Responsable", "Présence"),
    "responsibilities": ("Activité", "Réalise (R)", "Approuve (A)", "Consulté (C)", "Informé (I)"),
    "references": ("Client", "Période", "Objet", "Résultats"),
    "risks": ("Risque", "Probabilité", "Impact", "Parade", "Responsable"),
    "planning": ("Étape", "Période (mois)", "Jalon"),
    "deliverables": ("Code", "Livrable", "Contenu demandé"),
}
RESULTS = 2
"""Results shown of a reference."""


@dataclass(frozen=True)
class Entry:
    """A record of the library, as its fields were written, and the passage that states it."""

    kind: TableKind
    fields: Mapping[str, Any]
    passage: Passage


@dataclass(frozen=True)
class Catalogue:
    """The records tables are made of."""

    entries: tuple[Entry, ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()


def read_catalogue(folders: Sequence[Path], today: dt.date, passage_chars: int) -> Catalogue:
    """Firm facts and component sheets; expired certificates are left out, as they prove nothing."""
    facts = read_facts(folders, today)
    entries: list[Entry] = []
    for path, document in facts.documents.items():
        passages = {passage.headings[-1]: passage for passage in reversed(split(document, passage_chars))}
        for record in facts.records[path]:
            kind = _kind(record, today)
            title, _ = fact(record, today)
            if kind and title in passages:
                entries.append(Entry(kind, record, passages[title]))
    for path in library_files(folders):
        found = sheet_fields(path) if path.suffix.lower() == ".md" else None
        if found:
            passage = split(read_entry(path), passage_chars)[0]
            entries += [Entry("components", found[0], passage), Entry("support", found[0], passage)]
    return Catalogue(tuple(entries), secret_forms(facts.clients))


def _kind(record: Mapping[str, Any], today: dt.date) -> TableKind | None:
    if "valable_jusqu_au" in record:
        return "certificates" if record["valable_jusqu_au"] >= today else None
    by_field: tuple[tuple[str, TableKind], ...] = (
        ("nommable", "references"),
        ("effectif", "teams"),
        ("engagement", "service_levels"),
        ("parade", "risks"),
        ("realise", "responsibilities"),
        ("duree_mois", "planning"),
    )
    return next((kind for field, kind in by_field if field in record), None)


def asked_tables(section: Section) -> list[TableKind]:
    """Kinds of tables the buyer's words ask of a section."""
    brief = section.brief
    demanded = _demanded(brief)
    subject = fold(" ; ".join([brief.title, *(point.text for point in brief.points)]))
    return [kind for kind, _, weak in _ASKED if kind in demanded or weak.search(subject)]


def evidence_tables(brief: SectionBrief) -> list[TableKind]:
    """Kinds of tables that are the very evidence the buyer asks of a section. Measures, minutes and extracts are not
    tables of ours: asking for them is no such kind."""
    evidence = fold(brief.evidence or "")
    return [kind for kind, pattern in _EVIDENCE.items() if pattern.search(evidence)]


def evidence_traced(brief: SectionBrief) -> bool:
    """Whether the evidence is the very links between the answer and the requirements, which every document has."""
    return _TRACES.search(fold(brief.evidence or "")) is not None


def section_tables(sections: Sequence[Section], catalogue: Catalogue, tender: Tender) -> tuple[Table, ...]:
    """The tables of all drafted sections, the same rows only once: where they are asked for in so many words, or else
    first. Components are those the document names: the firm's choice, not ours."""
    said = fold(" ".join(s.text for section in sections for p in section.paragraphs for s in p.sentences))
    found: dict[tuple[TableKind, tuple[TableRow, ...]], tuple[bool, Table]] = {}
    for section in sections:
        for kind in asked_tables(section):
            rows = tuple(_rows(kind, section, catalogue, tender, said))
            asked = kind in _demanded(section.brief)
            if rows and ((kind, rows) not in found or (asked and not found[kind, rows][0])):
                table = Table(kind=kind, section=section.number, title=_TITLES[kind], header=_HEADERS[kind], rows=rows)
                found[kind, rows] = asked, table
    order = {section.number: place for place, section in enumerate(sections)}
    return tuple(sorted((table for _, table in found.values()), key=lambda table: order[table.section]))


def demand(brief: SectionBrief) -> str:
    """Attendus and preuves of a section, folded."""
    return fold(" ".join(filter(None, (brief.expected, brief.evidence))))


def _demanded(brief: SectionBrief) -> list[TableKind]:
    """Kinds asked for in so many words, in attendus or preuves."""
    wanted = demand(brief)
    return [kind for kind, strong, _ in _ASKED if strong.search(wanted)]


def _rows(kind: TableKind, section: Section, catalogue: Catalogue, tender: Tender, said: str) -> Iterator[TableRow]:
    if kind == "deliverables":
        for item in tender.deliverables:
            yield TableRow(cells=(item.code, item.title, " ; ".join(item.points)))
        return
    brief = section.brief
    subject = {
        stem
        for text in (brief.title, brief.chapter, brief.expected or "", *(point.text for point in brief.points))
        for stem in stems(text)
    }
    entries = [entry for entry in catalogue.entries if entry.kind == kind]
    frequency = Counter(stem for entry in entries for stem in _about(entry))
    telling = {stem for stem in subject if 2 * frequency[stem] < len(entries)}
    for entry in entries:
        if _belongs(entry, telling, said):
            cells = tuple(masked(cell, catalogue.secrets) for cell in _cells(entry))
            yield TableRow(cells=cells, source=mask(entry.passage, catalogue.secrets))


def _belongs(entry: Entry, subject: set[str], said: str) -> bool:
    """Whether a record is about the section, of which ``subject`` holds the telling stems; certificates and references
    always are."""
    if entry.kind in ("components", "support"):
        return named(entry, said)
    return bool(_about(entry) & subject) if entry.kind in ("service_levels", "teams") else True


def named(entry: Entry, said: str) -> bool:
    """Whether a component's name stands in a folded text."""
    name = fold(str(entry.fields.get("name", "")))
    return bool(name) and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", said) is not None


def _about(entry: Entry) -> set[str]:
    """Stems of what a service level or a team is for."""
    return set(stems(" ".join(str(entry.fields.get(name, "")) for name in ("service", "indicateur", "fonction"))))


def _cells(entry: Entry) -> tuple[str, ...]:
    fields = {key: value for key, value in entry.fields.items() if value is not None}

    def text(name: str) -> str:
        return str(fields.get(name, ""))

    match entry.kind:
        case "components":
            publisher = f"{text('publisher')} ({text('country')})" if text("country") else text("publisher")
            return text("name"), text("role"), text("spdx"), publisher, join_french(fields.get("alternatives", []))
        case "support":
            return text("name"), text("release_policy"), text("support_policy")
        case "certificates":
            return text("intitule"), text("numero"), text("perimetre"), french_date(text("valable_jusqu_au"))
        case "service_levels":
            return text("service"), text("indicateur"), text("engagement"), text("conditions")
        case "teams":
            return text("fonction"), text("effectif"), text("responsable"), text("presence")
        case "responsibilities":
            return text("activite"), text("realise"), text("approuve"), text("consulte"), text("informe")
        case "risks":
            return text("risque"), text("probabilite"), text("impact"), text("parade"), text("responsable")
        case "planning":
            first, last = stage_months(fields)
            return text("etape"), f"{first} à {last}" if last > first else str(first), text("jalon")
        case _:
            client = text("client") if fields["nommable"] else text("designation_publique")
            years = f"{text('debut')}-{text('fin')}"
            return client, years, text("objet"), " ".join(map(str, fields.get("resultats", [])[:RESULTS]))
