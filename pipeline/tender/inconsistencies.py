"""What cannot all hold in a tender, each with its places, its quotes and the question to ask the buyer.

Every rule compares two things the buyer wrote; none judges what the buyer wants. A rule stays silent where it has only
one side: a false alarm costs the firm's credit with the buyer, a missed one costs a question.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from pipeline.french import NUMBER_WORDS, fold, fold_spaces, join_french, stems
from pipeline.records import Block, Criterion, Document, Inconsistency, Place, Tender
from pipeline.tender.classify import of_kind
from pipeline.tender.identity import SUBJECTS
from pipeline.tender.links import chapter_for, is_price

_NUMBER = re.compile(
    r"^(?:article\s+)?(?P<number>\d{1,2}(?:\.\d{1,2}){1,3})\.?\s*[–—\-:.]?\s*(?P<title>[^\d\W].*)$", re.IGNORECASE
)
_RANGE = re.compile(r"\b(?P<letter>[A-Z])\s?(?P<first>\d{1,2})\s*(?:à|au|-|–)\s*(?:[A-Z]\s?)?(?P<last>\d{1,2})\b")
_ANNEX = re.compile(r"^annexe\s*(?:n\s?°\s*)?(?P<number>\d{1,2})\b\s*[:–—\-]?\s*(?P<title>.*)$", re.IGNORECASE)
_ANNEX_REFERENCE = re.compile(
    r"\b(?:RC|r[èe]glement)[^.;:]{0,30}?annexe\s*(?:n\s?°\s*)?(?P<number>\d{1,2})\b", re.IGNORECASE
)
_ARTICLE_REFERENCE = re.compile(
    r"\barticle\s+(?P<number>\d{1,2}(?:\.\d{1,2})*)\s+(?:du\s+)?(?:pr[ée]sent\s+)?(?:r[èe]glement|RC)\b"
    r"[^.;:(]{0,25}[:(]\s*(?P<title>[^.;)]{8,90})",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"(?P<number>\d{1,4}(?:\s?[-–/]\s?\d{1,4})?(?:\s?(?:bis|ter))?)\s*,?\s+"
    r"(?P<street>(?:rue|avenue|boulevard|bd|place|quai|chemin|cours|all[ée]e|route)\s[^\d,;\n]{3,60}?)"
    r"\s*,?\s*(?P<code>\d{5})\b",
    re.IGNORECASE,
)
_WORD_FIGURE = re.compile(r"\b(?P<word>[a-zéè\-]+)\s*\(\s*(?P<figure>\d{1,3})\s*\)", re.IGNORECASE)
_FILE = re.compile(r"\b(?:RC|CCAP|CCTP|PF|AE)_[\w]{4,}(?:[ _][\w]{3,})?")


def find_inconsistencies(documents: Sequence[Document], tender: Tender) -> tuple[Inconsistency, ...]:
    """Everything two places of the tender contradict each other on."""
    rules = of_kind(documents, "RC", "LETTRE")
    found: list[Inconsistency] = []
    for document in documents:
        found += [*_twice(document), *_missing(document)]
    for document in rules:
        found += [
            *_ranges(document, tender),
            *_annexes(document),
            *_plan_annex(document, tender),
            *_articles(document),
            *_files(document, documents),
        ]
    found += [
        *_figures(rules),
        *_addresses(rules),
        *_weights(rules, tender),
        *_dates(rules, tender),
        *_chapters(rules, tender),
        *_requirements(tender),
    ]
    return tuple(found)


def _place(document: Document, block: Block, quote: str | None = None) -> Place:
    text = fold_spaces(quote if quote is not None else block.text)
    return Place(document=document.name, page=block.page, quote=text if len(text) <= 240 else text[:237] + "…")


# --- numbering ---------------------------------------------------------------------------------------------


def _numbered(document: Document) -> list[list[tuple[str, Block]]]:
    """Numbered headings, in one list a part of the document: numbering may start afresh in an annex or a chapter."""
    parts: list[list[tuple[str, Block]]] = [[]]
    for block in document.blocks:
        if block.kind != "heading":
            continue
        if re.match(r"^(?:annexe|chapitre|partie|titre)\b", fold(block.text)):
            parts.append([])
            continue
        match = _NUMBER.match(block.text)
        if match:
            parts[-1].append((match["number"], block))
    return parts


def _twice(document: Document) -> Iterator[Inconsistency]:
    for part in _numbered(document):
        places: dict[str, list[Block]] = defaultdict(list)
        for number, block in part:
            if fold(block.text) not in {fold(other.text) for other in places[number]}:
                places[number].append(block)
        for number, blocks in places.items():
            if len(blocks) > 1:
                yield Inconsistency(
                    message=f"L'article {number} est numéroté {len(blocks)} fois, avec des titres différents.",
                    places=tuple(_place(document, block) for block in blocks),
                    question=f"Les articles numérotés {number} de « {document.name} » portent des titres différents : "
                    "quelle numérotation faut-il retenir pour y faire référence ?",
                )


def _missing(document: Document) -> Iterator[Inconsistency]:
    for part in _numbered(document):
        present = {number for number, _ in part}
        for (number, block), (following, after) in pairwise(part):
            parent, last = number.rsplit(".", 1)
            other, next_ = following.rsplit(".", 1)
            absent = [f"{parent}.{n}" for n in range(int(last) + 1, int(next_))]
            if parent == other and 1 <= len(absent) <= 2 and not present & set(absent):
                yield Inconsistency(
                    message=f"L'article {join_french(absent)} manque entre {number} et {following}.",
                    places=(_place(document, block), _place(document, after)),
                    question=f"Dans « {document.name} », la numérotation passe de {number} à {following} : l'article "
                    f"{join_french(absent)} a-t-il été supprimé, ou manque-t-il ?",
                )


# --- lists, annexes and references -------------------------------------------------------------------------


def _ranges(document: Document, tender: Tender) -> Iterator[Inconsistency]:
    codes = [d.code for d in tender.deliverables if re.fullmatch(r"[A-Z]\d+", d.code)]
    if len(codes) < 3:
        return
    letter, numbers = codes[0][0], sorted(int(code[1:]) for code in codes)
    titled = next(
        (b for b in document.blocks if b.kind in ("heading", "paragraph") and b.text.startswith(codes[0])), None
    )
    for block in document.blocks:
        if block.kind == "toc":
            continue
        for match in _RANGE.finditer(block.text):
            first, last = int(match["first"]), int(match["last"])
            if match["letter"] == letter and first < last and (first < numbers[0] or last > numbers[-1]):
                yield Inconsistency(
                    message=f"Les livrables sont annoncés de {letter}{first} à {letter}{last}, et donnés de "
                    f"{letter}{numbers[0]} à {letter}{numbers[-1]}.",
                    places=(_place(document, block), *([_place(document, titled)] if titled else [])),
                    question=f"Les livrables attendus sont-ils {letter}{first} à {letter}{last}, ou "
                    f"{letter}{numbers[0]} à {letter}{numbers[-1]} ? Que contiennent ceux qui manquent ?",
                )


def _annexes(document: Document) -> Iterator[Inconsistency]:
    """Annexes of the RC as its own list gives them, against those the document holds."""
    listed: dict[int, Block] = {}
    inside = own = False
    for block in document.blocks:
        folded = fold(block.text)
        if block.kind == "heading":
            inside = bool(re.search(r"contenu du dossier|composition du dossier|pieces du dossier", folded))
            own = False
        elif inside:
            match = _ANNEX.match(block.text)
            if match and own:
                listed.setdefault(int(match["number"]), block)
            elif block.kind == "item":
                own = "reglement" in folded
    held = {
        int(match["number"]): block
        for block in document.blocks
        if block.kind == "heading" and (match := _ANNEX.match(block.text))
    }
    extra = sorted(set(held) - set(listed))
    if listed and held and extra:
        names = join_french(f"annexe {number}" for number in extra)
        yield Inconsistency(
            message=f"Le règlement contient {names}, que la liste des pièces ne cite pas (elle cite : "
            f"{join_french(f'annexe {number}' for number in sorted(listed))}).",
            places=(*(_place(document, b) for b in listed.values()), *(_place(document, held[n]) for n in extra)),
            question="La liste des pièces du dossier et les annexes jointes au règlement ne concordent pas : quelles "
            "annexes font partie du dossier, et sous quel numéro ?",
        )


def _plan_annex(document: Document, tender: Tender) -> Iterator[Inconsistency]:
    """A reference to « RC, annexe N » about the plan, where the plan stands in another annex."""
    if not tender.plan:
        return
    first = tender.plan[0].heading
    number: int | None = None
    title: Block | None = None
    for block in document.blocks:
        match = _ANNEX.match(block.text) if block.kind == "heading" else None
        if match:
            number, title = int(match["number"]), block
        if block.kind == "heading" and block.text == first:
            break
    else:
        return
    if number is None or title is None:
        return
    for block in document.blocks:
        folded = fold(block.text)
        if block.kind in ("toc", "heading") or not re.search(r"structure|plan\b|trame|cadre", folded):
            continue
        match = _ANNEX_REFERENCE.search(block.text)
        if match and int(match["number"]) != number and re.search(r"memoire|offre|document central", folded):
            yield Inconsistency(
                message=f"Le plan du mémoire est renvoyé à l'annexe {match['number']} du règlement ; il figure à "
                f"l'annexe {number}.",
                places=(_place(document, block), _place(document, title)),
                question=f"Le plan imposé du mémoire technique est-il bien celui de l'annexe {number}, et non de "
                f"l'annexe {match['number']} ?",
            )


def _articles(document: Document) -> Iterator[Inconsistency]:
    """« article 3 : modification de détail », where article 3 is about something else and another about that."""
    titles: dict[str, Block] = {}
    for block in document.blocks:
        match = _HEADING.match(block.text) if block.kind == "heading" else None
        if match:  # the first of a number: annexes number afresh
            titles.setdefault(match["number"], block)
    for block in document.blocks:
        if block.kind in ("toc", "heading"):
            continue
        for match in _ARTICLE_REFERENCE.finditer(block.text):
            wanted = set(stems(match["title"]))
            named = titles.get(match["number"])
            if named is None or not wanted or wanted & set(stems(named.text)):
                continue
            right = [n for n, other in titles.items() if len(wanted & set(stems(other.text))) >= 2]
            if right:
                yield Inconsistency(
                    message=f"L'article {match['number']} est cité pour « {match['title'].strip()} », qui est à "
                    f"l'article {right[0]}.",
                    places=(_place(document, block, _around(block.text, match)), _place(document, titles[right[0]])),
                    question=f"Le renvoi à l'article {match['number']} (« {match['title'].strip()} ») vise-t-il "
                    f"l'article {right[0]} ?",
                )


_HEADING = re.compile(r"^(?:article\s+)?(?P<number>\d{1,2}(?:\.\d{1,2})*)\b", re.IGNORECASE)


def _files(document: Document, documents: Sequence[Document]) -> Iterator[Inconsistency]:
    """A file named as a piece (« RC_Annexe1_… ») that the dossier does not hold."""
    held = " ".join(fold(other.name) for other in documents)
    seen: set[str] = set()
    for block in document.blocks:
        for match in _FILE.finditer(block.text):
            name = match.group(0)
            key = fold(name)[:16]
            if key in seen or key in held:
                continue
            seen.add(key)
            yield Inconsistency(
                message=f"La pièce « {name} » est citée, et n'est pas dans le dossier lu.",
                places=(_place(document, block, _around(block.text, match)),),
                question=f"La pièce « {name} » est citée sans être jointe : pouvez-vous la communiquer, ou indiquer "
                "la pièce visée ?",
            )


def _around(text: str, match: re.Match[str], width: int = 100) -> str:
    """The words around a match, cut at spaces."""
    start, end = max(0, match.start() - width), min(len(text), match.end() + width)
    start = text.find(" ", start) + 1 if start else 0
    end = text.rfind(" ", 0, end) if end < len(text) else end
    return text[start : max(end, match.end())]


# --- figures, addresses, weights, dates --------------------------------------------------------------------


def _figures(documents: Sequence[Document]) -> Iterator[Inconsistency]:
    """« huit (10) jours »: a number in letters and another in figures."""
    for document in documents:
        for block in document.blocks:
            for match in _WORD_FIGURE.finditer(block.text):
                said = NUMBER_WORDS.get(
                    fold(match["word"]).removesuffix("e") if fold(match["word"]) == "une" else fold(match["word"])
                )
                if said is not None and said != int(match["figure"]):
                    yield Inconsistency(
                        message=f"« {match.group(0)} » : le nombre en lettres et celui en chiffres diffèrent.",
                        places=(_place(document, block, _around(block.text, match)),),
                        question=f"Faut-il lire {match['word']} ou {match['figure']} ?",
                    )


def _addresses(documents: Sequence[Document]) -> Iterator[Inconsistency]:
    """One street and one postcode, two numbers."""
    found: dict[tuple[str, str], dict[str, Place]] = defaultdict(dict)
    for document in documents:
        for block in document.blocks:
            for match in _ADDRESS.finditer(block.text):
                number = re.sub(r"\s", "", match["number"].replace("–", "-"))
                key = (fold(match["street"]), match["code"])
                found[key].setdefault(number, _place(document, block, match.group(0)))
    for (_, _), places in found.items():
        if len(places) > 1:
            yield Inconsistency(
                message=f"La même adresse porte des numéros différents : {join_french(places)}.",
                places=tuple(places.values()),
                question="À quelle adresse exacte faut-il adresser les plis et les copies de sauvegarde ?",
            )


_QUANTITY = re.compile(
    r"\b(?P<value>\d+(?:[.,]\d+)?)\s*(?P<unit>%|h\b|heures?|minutes?|min\b|jours?|mois|ans?\b|euros?|€|go\b|to\b|mbit|gbit)"
)
SAME_WORDS = 0.75
"""Share of words in common from which two requirements are about one thing."""
LEAST_WORDS = 5


def _requirements(tender: Tender) -> Iterator[Inconsistency]:
    """One requirement in two pieces with two quantities of the same unit."""
    read = []
    for item in tender.requirements:
        folded = fold(item.text)
        quantities = {(m["unit"][:4].rstrip("s"), m["value"]) for m in _QUANTITY.finditer(folded)}
        words = {stem for stem in stems(item.text) if not stem[:1].isdigit()}
        if quantities and len(words) >= LEAST_WORDS:
            read.append((item, words, quantities))
    holding: dict[str, list[int]] = defaultdict(list)
    for number, (_, words, _) in enumerate(read):
        for word in words:
            holding[word].append(number)
    told: set[tuple[int, int]] = set()
    for number, (item, words, quantities) in enumerate(read):
        rarest = min(words, key=lambda word: len(holding[word]))
        for other in holding[rarest]:
            item2, words2, quantities2 = read[other]
            pair = (min(number, other), max(number, other))
            alike = item2.document != item.document and len(words & words2) >= SAME_WORDS * len(words | words2)
            if not alike or pair in told or {u for u, _ in quantities} != {u for u, _ in quantities2}:
                continue
            told.add(pair)
            if quantities != quantities2:
                yield Inconsistency(
                    message=f"Deux pièces fixent des valeurs différentes ({item.id} et {item2.id}).",
                    places=tuple(Place(document=r.document, page=r.page, quote=r.text[:240]) for r in (item, item2)),
                    question=f"« {item.document} » et « {item2.document} » fixent des valeurs différentes pour la même "
                    "exigence : laquelle faut-il retenir ?",
                )


def _weights(documents: Sequence[Document], tender: Tender) -> Iterator[Inconsistency]:
    for name, criteria in (("d'attribution", tender.criteria), ("de sélection", tender.selection_criteria)):
        weighed = [c for c in criteria if c.weight is not None and c.unit is not None]  # coefficients need no total
        for lot in dict.fromkeys(c.lot for c in weighed):
            own = [c for c in weighed if c.lot == lot]
            total = sum(c.weight or 0 for c in own)
            expected = (100.0,) if all(c.unit == "%" for c in own) else (100.0, 60.0, 50.0, 40.0, 20.0, 10.0)
            lots = total > 100 and abs(total % 100) < 0.5  # one whole list a lot
            if len(own) >= 2 and not lots and not any(abs(total - value) < 0.5 for value in expected):
                yield Inconsistency(
                    message=f"Les poids des critères {name} font {total:g} au lieu de {expected[0]:g}.",
                    places=tuple(_criterion_place(documents, criterion) for criterion in own),
                    question=f"Les poids des critères {name} font {total:g} : quelle est la pondération exacte ?",
                )
        for criterion in weighed:
            children = [child for child in criterion.subcriteria if child.weight is not None]
            parts = sum(child.weight or 0 for child in children)
            scales = (criterion.weight or 0, 100.0, 20.0, 10.0)  # parts may share a mark rather than the weight
            if len(children) >= 2 and not any(abs(parts - scale) < 0.5 for scale in scales):
                yield Inconsistency(
                    message=f"Les sous-critères de « {criterion.label} » font {parts:g}, pas {criterion.weight:g}.",
                    places=(_criterion_place(documents, criterion),),
                    question=f"La somme des sous-critères de « {criterion.label} » est de {parts:g} pour un critère de "
                    f"{criterion.weight:g} : pouvez-vous confirmer ?",
                )


def _criterion_place(documents: Sequence[Document], criterion: Criterion) -> Place:
    wanted = fold(criterion.label)[:40]
    name = next((d.name for d in documents if any(wanted in fold(b.text) for b in d.blocks)), documents[0].name)
    return Place(document=name, page=criterion.page, quote=criterion.label[:240])


def _dates(documents: Sequence[Document], tender: Tender) -> Iterator[Inconsistency]:
    """Two full dates for one thing."""
    for name, pattern in SUBJECTS:
        if name == "visite":  # several slots are offered
            continue
        said: list[tuple[set[str], dict[str, Place]]] = []
        for deadline in tender.deadlines:
            if deadline.date and re.search(pattern, fold(deadline.label)):
                words = set(stems(deadline.label))
                dates = next((places for other, places in said if _one_thing(words, other)), None)
                if dates is None:
                    dates = {}
                    said.append((words, dates))
                dates.setdefault(deadline.date[:10], _sentence_place(documents, deadline.text))
        for _, dates in said:
            if len(dates) < 2:
                continue
            yield Inconsistency(
                message=f"Deux dates sont données pour : {name} ({join_french(sorted(dates))}).",
                places=tuple(dates.values()),
                question=f"Quelle date faut-il retenir pour : {name} ?",
            )


_PHASES = set(stems("candidature offre initiale finale phase lot question réponse visite prévisionnelle tranche"))


def _one_thing(left: set[str], right: set[str]) -> bool:
    """Whether two labels name one deadline: half of their words in common, none that tells phases or lots apart."""
    return 2 * len(left & right) >= len(left | right) and not (left ^ right) & _PHASES


def _sentence_place(documents: Sequence[Document], text: str) -> Place:
    wanted = fold(text)[:60]
    for document in documents:
        for block in document.blocks:
            if wanted in fold(block.text):
                return _place(document, block, text)
    return Place(document=documents[0].name, page=None, quote=text[:240])


def _chapters(documents: Sequence[Document], tender: Tender) -> Iterator[Inconsistency]:
    """A criterion that names a chapter the plan does not have; a chapter no criterion pays."""
    chapters = [node for node in tender.plan if node.level == 1 and node.number != "ANNEXES"]
    if len(chapters) < 2 or not tender.criteria:
        return
    paid = {node.name for criterion in tender.criteria if (node := chapter_for(criterion, tender)) is not None}
    for criterion in tender.criteria:
        if re.search(r"\bchapitre\s+\w+", fold(criterion.label)) and chapter_for(criterion, tender) is None:
            yield Inconsistency(
                message=f"Le critère « {criterion.label} » renvoie à un chapitre que le plan imposé ne contient pas.",
                places=(_criterion_place(documents, criterion),),
                question="À quel chapitre du plan imposé ce critère renvoie-t-il ?",
            )
    technical = [criterion for criterion in tender.criteria if not is_price(criterion)]
    unpaid = [node for node in chapters if node.name not in paid]
    one_list = abs(sum(criterion.weight or 0 for criterion in tender.criteria) - 100) < 0.5
    if one_list and len(technical) == len(chapters) and len(unpaid) == 1:
        node = unpaid[0]
        yield Inconsistency(
            message=f"Aucun critère ne semble payer le chapitre {node.number} « {node.title} ».",
            places=(Place(document=documents[0].name, page=node.page, quote=node.heading),),
            question=f"Selon quel critère le chapitre {node.number} « {node.title} » est-il jugé ?",
        )
