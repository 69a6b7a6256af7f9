"""Ways to spoil a mémoire: each a small function Kept -> the places where it applies, in random order, spoilt there."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from evals.kept import Kept
from pipeline.case import remarks
from pipeline.claims import labels
from pipeline.draft import for_client, unled
from pipeline.form import SENTENCE_WORDS, length
from pipeline.french import MONTHS, sentences
from pipeline.records import Paragraph, Section, Sentence, TableRow

CERTIFICATES = (
    "Ostréane est certifiée ISO 22301 par l’organisme Véridor (certificat n° VD-2231).",
    "Nous détenons la qualification PASSI n° 4471, valable jusqu’au 30 juin 2029.",
    "La certification ISO 14001 d’Ostréane couvre ses trois centres de données.",
)
GENERALITIES = (
    "Notre démarche repose sur une écoute attentive de vos équipes et sur une collaboration étroite à chaque étape.",
    "Nous mobilisons des experts passionnés qui sauront accompagner votre transformation avec agilité et sérénité.",
    "Une gouvernance claire et partagée favorise l’adhésion de tous et sécurise la réussite de l’opération.",
    "La proximité, la réactivité et le sens du service sont les valeurs qui guident notre action au quotidien.",
    "Cette approche pragmatique et progressive limite les aléas tout en valorisant les acquis de vos utilisateurs.",
)
ENGLISH = (
    "The platform is monitored around the clock and all of the incidents are handled by our team.",
    "We will deliver the documentation with the source code, and it can be reused by the other hospitals.",
    "This approach is based on open standards, which makes it easy for you to change from one supplier to another.",
)
OTHER_UNIT = {
    "minutes": "heures", "heures": "minutes", "jours": "semaines", "semaines": "mois", "mois": "ans", "ans": "mois",
    "%": "jours", "Go": "To", "To": "Go", "kWh": "MWh", "agents": "établissements", "personnes": "sites",
    "serveurs": "postes", "postes": "serveurs", "risques": "incidents", "incidents": "risques", "points": "tickets",
}  # fmt: skip
NEGATED = (
    (re.compile(r"\b(Nous) (\w+ons)\b"), r"\1 ne \2 pas"),
    (re.compile(r"\b(a|ont) (été)\b"), {"a été": "n’a pas été", "ont été": "n’ont pas été"}),
    (re.compile(r"\b(est|sont) (?!pas)"), {"est ": "n’est pas ", "sont ": "ne sont pas "}),
    (re.compile(r"\b(a|ont) (\w+[éis])\b(?! été)"), {"a": "n’a pas", "ont": "n’ont pas"}),
)
_NUMBER = re.compile(r"(?<![\w,.:/-])\d+(?:,\d+)?(?![\w/:-]|[.,]\d)")
_DATE = re.compile(rf"\b(\d{{1,2}}|1er) ({'|'.join(MONTHS)}) ((?:19|20)\d\d)\b")
_UNIT = re.compile(rf"(\d[\s\u00a0\u202f])({'|'.join(map(re.escape, OTHER_UNIT))})(?!\w)")
_LEAD = re.compile(r"^(Pour [^,:]{3,120})(?=[,:\s\u00a0]*[,:])")


@dataclass(frozen=True)
class Spoilt:
    """A mémoire with a fault, and where it is: ``paragraph`` is ``None`` where no paragraph is left to name."""

    case: Kept
    section: str
    paragraph: str | None = None
    also: str = ""
    """The other section concerned: of two that changed places, either may be named."""


T = TypeVar("T")
Fault = Callable[[Kept, random.Random], Iterator[Spoilt]]
Change = Callable[[Sentence, Section, Kept, random.Random], Sentence | None]


def _shuffled(things: list[T], rng: random.Random) -> list[T]:
    rng.shuffle(things)
    return things


def _with_section(case: Kept, section: Section) -> Kept:
    sections = tuple(section if s.number == section.number else s for s in case.memoire.sections)
    return replace(case, memoire=case.memoire.model_copy(update={"sections": sections}))


def _with_paragraph(case: Kept, section: Section, paragraph: Paragraph) -> Spoilt:
    paragraphs = tuple(paragraph if p.id == paragraph.id else p for p in section.paragraphs)
    spoilt = _with_section(case, section.model_copy(update={"paragraphs": paragraphs}))
    return Spoilt(spoilt, section.number, paragraph.id)


def _paragraphs(case: Kept, rng: random.Random) -> Iterator[tuple[Section, Paragraph]]:
    """Paragraphs of the firm's own words, in random order."""
    found = [
        (section, paragraph)
        for section in case.memoire.sections
        for paragraph in section.paragraphs
        if any(sentence.claim != "asked" for sentence in paragraph.sentences)
    ]
    yield from _shuffled(found, rng)


def sentence(change: Change, *, quotes: bool = False) -> Fault:
    """A change of one sentence of a paragraph, of our own words or of the buyer's that we quote."""

    def spoil(case: Kept, rng: random.Random) -> Iterator[Spoilt]:
        places = [
            (section, paragraph, n)
            for section in case.memoire.sections
            for paragraph in section.paragraphs
            for n, told in enumerate(paragraph.sentences)
            if (told.claim == "asked") is quotes and not remarks(told, section)  # what is wrong cannot be spoilt
        ]
        for section, paragraph, n in _shuffled(places, rng):
            changed = change(paragraph.sentences[n], section, case, rng)
            if changed is not None and changed != paragraph.sentences[n]:
                told = (*paragraph.sentences[:n], changed, *paragraph.sentences[n + 1 :])
                yield _with_paragraph(case, section, paragraph.model_copy(update={"sentences": told}))

    return spoil


def reworded(change: Callable[[str, random.Random], str | None]) -> Change:
    """A change of words alone."""

    def apply(told: Sentence, section: Section, case: Kept, rng: random.Random) -> Sentence | None:
        text = change(told.text, rng)
        return told.model_copy(update={"text": text}) if text else None

    return apply


# --- words of a sentence -----------------------------------------------------------------------------------


def _put(text: str, match: re.Match[str], new: str) -> str:
    return text[: match.start()] + new + text[match.end() :]


def other_figure(text: str, rng: random.Random) -> str | None:
    """One figure that is no part of a date or a name: its last digit changed, or a digit added."""
    dates = [match.span() for match in _DATE.finditer(text)]
    found = [m for m in _NUMBER.finditer(text) if not any(a <= m.start() < b for a, b in dates)]
    if not found:
        return None
    match = rng.choice(found)
    old = match[0]
    new = f"{old[:-1]}{(int(old[-1]) + rng.randint(1, 9)) % 10}" if rng.random() < 0.5 else f"{rng.randint(1, 9)}{old}"
    return None if new in ("0", "1") else _put(text, match, new)


def other_unit(text: str, rng: random.Random) -> str | None:
    """« 15 minutes » -> « 15 heures »."""
    found = list(_UNIT.finditer(text))
    if not found:
        return None
    match = rng.choice(found)
    return _put(text, match, match[1] + OTHER_UNIT[match[2]])


def other_date(text: str, rng: random.Random) -> str | None:
    """Another day, month or year."""
    found = list(_DATE.finditer(text))
    if not found:
        return None
    match = rng.choice(found)
    day, month, year = match[1], match[2], match[3]
    part = rng.randrange(3)
    if part == 0:
        day = str(int(day.removesuffix("er")) % 27 + 2)
    elif part == 1:
        month = MONTHS[(MONTHS.index(month) + rng.randint(1, 11)) % 12]
    else:
        year = str(int(year) + rng.choice((-2, -1, 1, 2)))
    return _put(text, match, f"{day} {month} {year}")


def negated(text: str, rng: random.Random) -> str | None:
    """« Nous remettons » -> « Nous ne remettons pas »; what is denied already is left."""
    if re.search(r"\bn(?:e\b|['’])", text):
        return None
    for pattern, new in NEGATED:
        match = pattern.search(text)
        if match:
            if isinstance(new, str):
                return _put(text, match, match.expand(new))
            key = next(key for key in new if match[0].startswith(key))
            return _put(text, match, match[0].replace(key, new[key], 1))
    return None


def affirmed(text: str, rng: random.Random) -> str | None:
    """« n'a pas participé » -> « a participé »."""
    match = re.search(r"\bn(?:e |['’])(\w+) pas\b", text)
    return _put(text, match, match[1]) if match else None


def present(text: str, rng: random.Random) -> str | None:
    """What is over, told as what is."""
    if len(re.findall(r"\b(?:a|ont) \w+[éis]\b|\w+ait\b|\w+aient\b", text)) != 1:
        return None
    changed = re.sub(r"\ba été\b", "est", re.sub(r"\bont été\b", "sont", text))
    return changed if changed != text else None


def aimed_at(text: str, rng: random.Random) -> str | None:
    """What was done, told as an aim."""
    return f"À terme, nous visons ceci : {unled(text)}"


def in_english(text: str, rng: random.Random) -> str | None:
    """English in its place."""
    return rng.choice(ENGLISH)


def unqualified(text: str, rng: random.Random) -> str | None:
    """A figure without its limit."""
    pattern = r"\s(?:en moyenne|au plus|au moins|environ|près de|plus de|moins de|inférieur à|supérieur à)(?!\w)"
    match = re.search(pattern, text)
    return _put(text, match, "") if match and re.search(r"\d", text) else None


def longer(text: str, rng: random.Random) -> str | None:
    """Told again in the same breath, until nobody follows."""
    if len(sentences(text)) > 1 or length(text) > SENTENCE_WORDS:  # two short ones told again are four short ones
        return None
    bare = text.rstrip(" .")
    return ", ".join([bare] * (SENTENCE_WORDS // length(bare) + 1)) + "."


# --- what a sentence rests on and claims -------------------------------------------------------------------


def neighbour(told: Sentence, section: Section, case: Kept, rng: random.Random) -> Sentence | None:
    """Another passage of the section, of the same kind where there is one."""
    kinds = {p.kind for p in section.passages if p.id in told.passages}
    others = [p for p in section.passages if p.id not in told.passages and p.kind != "dce"]
    others = [p for p in others if p.kind in kinds] or others
    return told.model_copy(update={"passages": (rng.choice(others).id,)}) if others else None


def absent(told: Sentence, section: Section, case: Kept, rng: random.Random) -> Sentence | None:
    """A passage that does not exist."""
    return told.model_copy(update={"passages": (f"{rng.getrandbits(48):012x}",)})


def uncited(told: Sentence, section: Section, case: Kept, rng: random.Random) -> Sentence | None:
    """The citation forgotten."""
    return told.model_copy(update={"passages": ()})


def committed(told: Sentence, section: Section, case: Kept, rng: random.Random) -> Sentence | None:
    """Experience marked as a commitment."""
    return told.model_copy(update={"claim": "commitment"}) if told.claim == "experience" else None


def promised(told: Sentence, section: Section, case: Kept, rng: random.Random) -> Sentence | None:
    """What was done elsewhere, promised here."""
    opening = rng.choice(("Nous garantissons ceci : ", "Nous nous engageons sur ceci : ", "Ostréane s’engage : "))
    return told.model_copy(update={"text": opening + unled(told.text)}) if told.claim == "experience" else None


def named(told: Sentence, section: Section, case: Kept, rng: random.Random) -> Sentence | None:
    """The name of a client who may not be named."""
    form = rng.choice(case.secrets)
    text = told.text.rstrip(". ")
    return told.model_copy(update={"text": rng.choice((f"{text}, comme pour {form}.", f"Chez {form} : {text}."))})


def other_client(told: Sentence, section: Section, case: Kept, rng: random.Random) -> Sentence | None:
    """The experience of one client told as another's."""
    match = _LEAD.match(told.text)
    whose = {p.client for p in section.passages if p.id in told.passages}
    clients = {p.client for s in case.memoire.sections for p in s.passages if p.client} - whose
    if not match or not clients:
        return None
    return told.model_copy(update={"text": _put(told.text, match, for_client(rng.choice(sorted(clients))))})


def general(*, cited: bool) -> Fault:
    """A paragraph of fluent generalities, with the citations it had or without."""

    def spoil(case: Kept, rng: random.Random) -> Iterator[Spoilt]:
        for section, paragraph in _paragraphs(case, rng):
            texts = rng.sample(GENERALITIES, len(paragraph.sentences))
            told = tuple(
                s.model_copy(update={"text": text, "passages": s.passages if cited else (), "claim": "method"})
                for s, text in zip(paragraph.sentences, texts, strict=True)
            )
            yield _with_paragraph(case, section, paragraph.model_copy(update={"sentences": told}))

    return spoil


def certificate(case: Kept, rng: random.Random) -> Iterator[Spoilt]:
    """A certificate that the firm does not have, citing what the paragraph cites."""
    for section, paragraph in _paragraphs(case, rng):
        first = next(s for s in paragraph.sentences if s.claim != "asked")
        added = first.model_copy(update={"text": rng.choice(CERTIFICATES)})
        told = (*paragraph.sentences, added)
        yield _with_paragraph(case, section, paragraph.model_copy(update={"sentences": told}))


# --- paragraphs and sections -------------------------------------------------------------------------------


def drop_points(*, evidence: bool) -> Fault:
    """Everything a section says on a point of the plan, or on the evidence asked for."""

    def spoil(case: Kept, rng: random.Random) -> Iterator[Spoilt]:
        places = [
            (section, number)
            for section in case.memoire.sections
            for number, point in enumerate(section.brief.points)
            if point.evidence is evidence and any(p.sentences for p in section.paragraphs if p.point == number)
        ]
        for section, number in _shuffled(places, rng):
            left = tuple(p for p in section.paragraphs if p.point != number)
            yield Spoilt(_with_section(case, section.model_copy(update={"paragraphs": left})), section.number)

    return spoil


def other_label(case: Kept, rng: random.Random) -> Iterator[Spoilt]:
    """What is in service filed as what is aimed at, or the reverse."""
    for section, paragraph in _paragraphs(case, rng):
        others = [label for label in labels(section.brief.distinctions).values() if label != paragraph.distinction]
        yield _with_paragraph(case, section, paragraph.model_copy(update={"distinction": rng.choice(others)}))


def no_label(case: Kept, rng: random.Random) -> Iterator[Spoilt]:
    """The distinction forgotten."""
    for section, paragraph in _paragraphs(case, rng):
        yield _with_paragraph(case, section, paragraph.model_copy(update={"distinction": None}))


def repeated(case: Kept, rng: random.Random) -> Iterator[Spoilt]:
    """A paragraph told again in a later section, with its sources."""
    sections = case.memoire.sections
    for section, paragraph in _paragraphs(case, rng):
        later = [
            s for s in sections[sections.index(section) + 1 :] if s.brief.distinctions == section.brief.distinctions
        ]
        if later:
            target = rng.choice(later)
            copy = paragraph.model_copy(update={"id": f"{target.number}-copie", "point": 0})
            known = {p.id for p in target.passages}
            update = {
                "paragraphs": (*target.paragraphs, copy),
                "passages": (*target.passages, *(p for p in section.passages if p.id not in known)),
                "exchanges": (*target.exchanges, *section.exchanges),
            }
            yield Spoilt(_with_section(case, target.model_copy(update=update)), target.number, copy.id)


def too_long(case: Kept, rng: random.Random) -> Iterator[Spoilt]:
    """A section said over and over until it is beyond its share of the pages."""
    for section in _shuffled(list(case.memoire.sections), rng):
        size = sum(len(told.text.split()) for p in section.paragraphs for told in p.sentences)
        times = (section.brief.words or 0) // size + 1
        paragraphs = [p.model_copy(update={"id": f"{p.id}{'+' * n}"}) for n in range(times) for p in section.paragraphs]
        spoilt = _with_section(case, section.model_copy(update={"paragraphs": tuple(paragraphs)}))
        yield Spoilt(spoilt, section.number, paragraphs[-1].id)


# --- tables, diagrams, requirements ------------------------------------------------------------------------


def drop_table(case: Kept, rng: random.Random) -> Iterator[Spoilt]:
    """Every table of a kind."""
    for kind in _shuffled(sorted({table.kind for table in case.memoire.tables}), rng):
        left = tuple(table for table in case.memoire.tables if table.kind != kind)
        where = next(table.section for table in case.memoire.tables if table.kind == kind)
        yield Spoilt(replace(case, memoire=case.memoire.model_copy(update={"tables": left})), where)


def drop_figure(case: Kept, rng: random.Random) -> Iterator[Spoilt]:
    """A diagram."""
    figures = case.memoire.figures
    for gone in _shuffled(list(figures), rng):
        left = tuple(figure for figure in figures if figure is not gone)
        yield Spoilt(replace(case, memoire=case.memoire.model_copy(update={"figures": left})), gone.section)


def false_row(case: Kept, rng: random.Random) -> Iterator[Spoilt]:
    """A certificate added to a table, with the source of another row or with none."""
    tables = case.memoire.tables
    for place, table in _shuffled(list(enumerate(tables)), rng):
        title = f"Certification {rng.choice(('ISO 22301', 'ISO 14001', 'PASSI', 'TISAX'))} de l’agence Véridor"
        cells = (title, *("VD-2231" for _ in table.header[1:]))
        row = TableRow(cells=cells, source=rng.choice((None, table.rows[0].source)))
        spoilt = table.model_copy(update={"rows": (*table.rows, row)})
        made = (*tables[:place], spoilt, *tables[place + 1 :])
        yield Spoilt(replace(case, memoire=case.memoire.model_copy(update={"tables": made})), table.section)


def drop_answer(case: Kept, rng: random.Random) -> Iterator[Spoilt]:
    """A requirement's answer gone from its row."""
    rows = case.memoire.compliance
    for place in _shuffled([n for n, row in enumerate(rows) if row.answer], rng):
        bare = rows[place].model_copy(update={"answer": None, "paragraph": None, "conformity": "open"})
        made = (*rows[:place], bare, *rows[place + 1 :])
        spoilt = replace(case, memoire=case.memoire.model_copy(update={"compliance": made}))
        yield Spoilt(spoilt, rows[place].section, rows[place].paragraph)


def drop_requirement(case: Kept, rng: random.Random) -> Iterator[Spoilt]:
    """A requirement gone from the document; one without an answer has no section to be missed in."""
    rows = case.memoire.compliance
    for place in _shuffled([n for n, row in enumerate(rows) if row.answer], rng):
        made = (*rows[:place], *rows[place + 1 :])
        spoilt = replace(case, memoire=case.memoire.model_copy(update={"compliance": made}))
        yield Spoilt(spoilt, rows[place].section, rows[place].paragraph)


def other_form(case: Kept, rng: random.Random) -> Iterator[Spoilt]:
    """The document on another paper, without numbers of pages, without contents."""
    changes: list[dict[str, object]] = [{"papers": ((216, 279),)}, {"numbered": False}, {"contents": False}]
    for change in _shuffled(changes, rng):
        yield Spoilt(replace(case, form=case.form.model_copy(update=change)), "")


# --- headings of the exported document ---------------------------------------------------------------------


def _headings(change: Callable[[list[str], int], None]) -> Fault:
    def spoil(case: Kept, rng: random.Random) -> Iterator[Spoilt]:
        for place in _shuffled(list(range(len(case.headings) - 1)), rng):
            made = list(case.headings)
            change(made, place)
            names = [node.name for node in case.memoire.plan[place : place + 2]]
            other = names[1] if sorted(made) == sorted(case.headings) else ""
            yield Spoilt(replace(case, headings=tuple(made)), names[0], also=other)

    return spoil


def _swap(headings: list[str], place: int) -> None:
    headings[place], headings[place + 1] = headings[place + 1], headings[place]


def _rename(headings: list[str], place: int) -> None:
    words = headings[place].split()
    headings[place] = " ".join([*words[:-1], "envisagé"])


def _renumber(headings: list[str], place: int) -> None:
    headings[place] = re.sub(r"\d+(?=\D*$)", lambda match: str(int(match[0]) + 1), headings[place], count=1)


def _drop(headings: list[str], place: int) -> None:
    del headings[place]


swapped, renamed, renumbered, dropped = (_headings(change) for change in (_swap, _rename, _renumber, _drop))
