"""Component sheets and firm facts -> diagrams as data: what stands in them comes from sheets, not from a model.

The high-level diagram (HLD) shows the components the document names, by layer, in their environments; the low-level
one (LLD) adds what each rests on, as its sheet says; the planning shows the firm's own stages. Environments are those
of the sheet (« environnements »); a sheet without any stands in administration where its layer serves the operators,
in production elsewhere. Nothing is put in the recovery site that no sheet puts there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from pipeline.french import fold, join_french
from pipeline.library import stage_months
from pipeline.records import Bar, Figure, FigureKind, Node, Point, Section, SectionBrief
from pipeline.tables import Catalogue, Entry, demand, evidence_tables, evidence_traced, named

_ASKED: tuple[tuple[FigureKind, re.Pattern[str], re.Pattern[str]], ...] = (
    (
        "hld",
        re.compile(r"\bschemas?\b|\bhld\b|diagrammes? d'architecture|vue d'ensemble"),
        re.compile(r"architecture (?:technique|du socle|cible|generale|applicative|globale)|dossier d'architecture"),
    ),
    (
        "lld",
        re.compile(r"\blld\b|schemas? detailles?|liste des flux|matrice des flux"),
        re.compile(r"briques .{0,30}interfaces|flux et (?:des )?interfaces"),
    ),
    (
        "planning",
        re.compile(r"planning|calendrier|echeancier|diagramme de gantt"),
        re.compile(r"planning|calendrier (?:du projet|general)|etapes de recherche|sequence par sequence"),
    ),
)
"""Kind of diagram, what asks for it in attendus and preuves, what asks for it in a title or a point."""
_TITLES: Mapping[FigureKind, str] = {
    "hld": "Architecture d'ensemble : composants par couche et par environnement",
    "lld": "Architecture détaillée : composants et ce sur quoi ils s'appuient",
    "planning": "Calendrier des étapes",
}
ZONES = PRODUCTION, RECOVERY, ADMINISTRATION = "Production", "Secours", "Administration"
"""Environments, as drawn from top to bottom."""
_OPERATORS = re.compile(r"exploitation|fabrication|securite|supervision|sauvegarde|administration|devsecops")
LEAST_NODES = 3
"""Components under which a diagram shows nothing a sentence would not."""


def asked_figures(section: Section) -> list[FigureKind]:
    """Kinds of diagrams the buyer's words ask of a section."""
    wanted = demand(section.brief)
    subject = fold(" ; ".join([section.brief.title, *(point.text for point in section.brief.points)]))
    return [kind for kind, strong, weak in _ASKED if strong.search(wanted) or weak.search(subject)]


def evidence_figures(brief: SectionBrief) -> list[FigureKind]:
    """Kinds of diagrams that are the very evidence the buyer asks of a section."""
    evidence = fold(brief.evidence or "")
    return [kind for kind, strong, _ in _ASKED if strong.search(evidence)]


def with_evidence(brief: SectionBrief) -> SectionBrief:
    """The brief with the evidence as a point to answer, where no table or diagram of ours is that evidence."""
    if not brief.evidence or evidence_tables(brief) or evidence_traced(brief) or evidence_figures(brief):
        return brief
    return brief.model_copy(update={"points": (*brief.points, Point(text=brief.evidence, evidence=True))})


def section_figures(sections: Sequence[Section], catalogue: Catalogue) -> tuple[Figure, ...]:
    """The diagrams of all drafted sections; each kind once, where it is asked for in so many words, or else first."""
    said = fold(" ".join(s.text for section in sections for p in section.paragraphs for s in p.sentences))
    found: dict[FigureKind, tuple[bool, Figure]] = {}
    for section in sections:
        for kind in asked_figures(section):
            strong = next(pattern for name, pattern, _ in _ASKED if name == kind)
            exact = bool(strong.search(demand(section.brief)))
            figure = _figure(kind, section.number, catalogue, said)
            if figure and (kind not in found or (exact and not found[kind][0])):
                found[kind] = exact, figure
    order = {section.number: place for place, section in enumerate(sections)}
    return tuple(sorted((figure for _, figure in found.values()), key=lambda figure: order[figure.section]))


def _figure(kind: FigureKind, section: str, catalogue: Catalogue, said: str) -> Figure | None:
    if kind == "planning":
        bars = tuple(_bars(catalogue.entries))
        if not bars:
            return None
        told = "; ".join(f"{bar.label}, mois {bar.start} à {bar.end}" for bar in bars)
        alt = f"{len(bars)} étapes sur {max(bar.end for bar in bars)} mois : {told}."
        return Figure(kind=kind, section=section, title=_TITLES[kind], alt=alt, bars=bars)
    entries = [entry for entry in catalogue.entries if entry.kind == "components" and named(entry, said)]
    if len(entries) < LEAST_NODES:
        return None
    nodes = tuple(node for entry in entries for node in _nodes(entry))
    edges = tuple(_edges(entries)) if kind == "lld" else ()
    zones = [zone for zone in ZONES if any(node.zone == zone for node in nodes)]
    told = "; ".join(f"{zone} : {join_french(n.name for n in nodes if n.zone == zone)}" for zone in zones)
    links = f" Liens : {'; '.join(f'{a} s’appuie sur {b}' for a, b in edges)}." if edges else ""
    return Figure(
        kind=kind,
        section=section,
        title=_TITLES[kind],
        alt=f"{told}.{links}",
        nodes=nodes,
        edges=edges,
        sources=tuple(entry.passage for entry in entries),
    )


def _nodes(entry: Entry) -> Iterator[Node]:
    name, layer = str(entry.fields.get("name", "")), str(entry.fields.get("layer", "") or "autres")
    declared = [str(item) for item in entry.fields.get("environnements") or []]
    default = ADMINISTRATION if _OPERATORS.search(fold(layer)) else PRODUCTION
    for zone in declared or [default]:
        known = next((z for z in ZONES if fold(z) == fold(zone)), default)
        yield Node(name=name, layer=layer, zone=known)


def _edges(entries: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    """(component, component it rests on), among those shown."""
    names = [str(entry.fields.get("name", "")) for entry in entries]
    for entry, name in zip(entries, names, strict=True):
        rests = fold(" ; ".join(map(str, entry.fields.get("dependencies") or [])))
        for other in names:
            if other != name and re.search(rf"(?<!\w){re.escape(fold(other))}(?!\w)", rests):
                yield name, other


def _bars(entries: Sequence[Entry]) -> Iterator[Bar]:
    for entry in entries:
        if entry.kind == "planning":
            first, last = stage_months(entry.fields)
            yield Bar(label=str(entry.fields.get("etape", "")), start=first, end=last)
