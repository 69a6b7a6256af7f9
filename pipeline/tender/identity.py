"""Object, buyer, reference and dates of the consultation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipeline.french import MONTHS, fold, fold_spaces, sentences, stems
from pipeline.records import Block, Deadline, Document

_MONTHS = {fold(name): number for number, name in enumerate(MONTHS, start=1)}
_DATE = re.compile(
    r"(?:(?:lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche)\s+)?(?P<day>\d{1,2}|1er)\s+"
    rf"(?P<month>{'|'.join(_MONTHS)})\s+(?P<year>20\d{{2}})|(?P<d>\d{{1,2}})[/.](?P<m>\d{{1,2}})[/.](?P<y>20\d{{2}})"
)
_HOUR = re.compile(r"\bmidi\b|\b(?P<hour>[01]?\d|2[0-3])\s*(?:heures?|h|:)\s*(?P<minute>[0-5]\d)?(?!\s*sur\b)")
_LEADERS = re.compile(r"(?:\.\s?){4,}|…{2,}")
_LEGAL = re.compile(
    r"\b(?:arrete|decret|loi|ordonnance|directive|reglement|circulaire|avis|code|instruction|version|modifiee?)s?\b"
    r"[^.;]{0,60}?\bdu (?:\d{1,2}|1er) \w+ \d{4}"
)
"""Dates of texts of law close nothing."""
_CLOSES = re.compile(
    r"parvenir|jusqu.au|avant le|au plus tard|a transmettre|deposees?|depot|doivent etre (?:remis|"
    r"recu)|recues?\b|visite|creneau|seance"
    r"|date limite|au plus tard|retour des|remise des (?:plis|offres|candidatures)|reception des (?:plis|"
    r"offres|candidatures)|"
    r"selection des|questions|notification|visite|reunion d.information|echantillons?|demarrage|debut d.execution"
)
_REFERENCE = re.compile(
    r"(?:[Pp]roc[ée]dure|[Cc]onsultation|[Mm]arch[ée]|[Rr][ée]f[ée]rence|[Aa]ffaire|[Dd]ossier|[Aa]ccord-cadre)\s*"
    r"(?:n\s?°|N\s?°|num[ée]ro|:|r[ée]f[ée]rence\s*:?|\s)\s*:?\s*"
    r"(?P<ref>(?=[A-Z0-9/_.\-]*\d)(?=[A-Z0-9/_.\-]*[A-Z/_\-])[A-Z0-9][A-Z0-9/_.\-]{3,})(?![a-z])"
)
_THING = "consultation|march[ée]|dossier|proc[ée]dure|affaire"
_CODE = r"(?=[\w/.\-]*\d)(?=[\w/.\-]*(?:[A-Z/_\-]|\d{5}))[A-Z0-9][\w/.\-]{3,}[A-Z0-9]"
_COVER_REFERENCE = re.compile(
    rf"(?i:(?:\bn\s?°\s?|\br[ée]f(?:[ée]rence)?s?\b\s?)(?:d['’]affaire|acheteur|de (?:la )?(?:{_THING}))?"
    r"|\bmapa|\baoo|\baor|\baffaire|\bdossier)"
    rf"\s*[.:|n°\s]*(?P<ref>{_CODE})(?![\w])"
)
"""On a first page: « N° 25R0117 », « Réf. : AOO-25-0418 », « MAPA 2025-INF-07 »."""
SHARED_STEMS = 2
"""Stems that the line of a first page and the sentence on the object share where both name the contract."""
COVER = 16
"""Blocks of a first page."""
_REFERENCE_ROW = re.compile(r"^(?:n ?°|numero|reference|ref\b)")
_STATUS = re.compile(
    r"^(?:etablissement public|societe (?:anonyme|d.economie|publique)|office public|syndicat mixte$"
    r"|sem\b.{0,10}au capital|direction|service|pole|cellule|siret|association"
    r"|groupement (?!hospitalier|de commandes?|d.interet))\b"
)
"""Lines that say what a body is, or a part of it, rather than its name."""
_BUYER_LABEL = re.compile(
    r"^(?:acheteur|pouvoir adjudicateur|entit[ée] adjudicatrice|ma[iî]tre d.ouvrage|"
    r"identification (?:du pouvoir adjudicateur|de l.acheteur)|"
    r"nom (?:et adresse )?(?:officiels? )?de l.(?:acheteur|organisme))(?:\s+public)?(?:\s*:\s*(?P<rest>.*)|\s*)$",
    re.IGNORECASE,
)
_BUYER_SENTENCE = re.compile(
    r"(?:est (?:passée|lancée|organisée)(?: et pilotée)? par|pouvoir adjudicateur (?:est|:)|"
    r"(?<![Pp]rofil d['’])acheteur (?:est|:))\s*:?\s*(?P<name>(?:l[ea']\s?|les\s)?[A-ZÀ-Þ][^.;,]{5,120})"
)
_OBJECT_TITLE = re.compile(
    r"\bobjet (?:de la |du |de l.|des )?(?:consultation|marche|accord|contrat|prestations?|appel)|^[\d. \-–]*objet$"
)
_COVER_OBJECT = re.compile(
    r"^(?:objet|op[ée]ration|intitul[ée])(?: (?:du march[ée]|de la consultation|de l['’](?:accord-cadre|op[ée]ration)"
    r"|du contrat|des prestations|de la concession))?\s*:\s*(?P<object>.*)$",
    re.IGNORECASE,
)
_OBJECT_LABEL = re.compile(r"^objet\s*:\s*(?P<object>.{10,400})$", re.IGNORECASE)
_NOT_OBJECT = re.compile(
    r"reglement|^(?:marche|accord-cadre|consultation|procedure|reference|affaire|mapa)\b.{0,40}(?:n\s?°|\d)"
    r"|^(?:marches?|accord-cadre|contrat) (?:publics?|de|a|d.)\b.{0,40}$|^appel d.offres|^procedure|^articles?|^\d"
    r"|direction|document fictif|date|heure|cedex|remise|\b\d{5}\b|^(?:tel|fax|siret|adresse|courriel|http|www)|@"
    r"|\b(?:rue|route|avenue|boulevard|quai|place|allee|chemin|esplanade|cours) (?:d|l)|^hotel d|^mairie\b|sommaire"
    r"|^(?:marche|accord-cadre) «|^phase\b|^informations? generales?"
)
_BODY = re.compile(
    r"^(?:la |le |l.|les )?(?:commune|ville|mairie|communaute|metropole|departement|conseil|region|"
    r"syndicat|ccas|cias|centre"
    r"|chu\b|hopital|hopitaux|universite|office|opac|agence|etablissement|sdis|service|groupement|prefecture|ministere"
    r"|chambre|ecole|lycee|port\b|grand port|societe|regie|institut|musee|sivom|sivu|smictom|gip\b|ght\b|habitat"
    r"|parc\b|caisse|direction|rectorat|tribunal|assistance publique|centrale)\b"
)
"""How the names of French public bodies begin; such a line on the first page is the buyer's."""
_OBJECT = re.compile(
    r"(?:pr[ée]sente? (?:consultation|march[ée]|accord-cadre)[^.]{0,60}?|consultation|"
    r"march[ée](?: public)?|accord-cadre) (?:a pour objet|porte sur)\s*:?\s*(?P<object>[^.]{15,400})",
    re.IGNORECASE,
)


SUBJECTS = (
    (
        "remise des offres",
        r"(?:remise|reception|depot)\b.{0,30}\b(?:offres?|plis)\b|\b(?:plis|offres)\b.{0,40}\b(?:depos|remis|parven|recus|transmi)",
    ),
    ("remise des candidatures", r"(?:remise|reception|depot|retour)\b.{0,30}\bcandidatures?\b"),
    ("questions des candidats", r"\bquestions?\b|demandes? de renseignements"),
    ("visite", r"\bvisite"),
)
"""What a date closes, by the words around it."""


def read_object(documents: Sequence[Document]) -> str | None:
    """What the consultation is for: said on the first page, else the sentence that says « a pour objet », else the
    line of the first page that names the contract, else what stands under a heading « Objet »."""
    for document in documents:
        blocks = _text_blocks(document)[:COVER]
        for block, following in zip(blocks, [*blocks[1:], None], strict=False):
            labelled = _COVER_OBJECT.match(block.text)
            rows = [row for row in block.rows if _COVER_OBJECT.match(f"{row[0]} :")]
            said = rows[0][-1] if rows else labelled["object"] if labelled else ""
            if labelled and not said and following is not None and following.kind != "table":
                said = following.text
            if len(said) > 12:
                return fold_spaces(said).rstrip(" .")
    titled: list[str] = []
    for document in documents:
        blocks = _text_blocks(document)
        for position, block in enumerate(blocks):
            if block.kind == "heading" and _OBJECT_TITLE.search(fold(block.text)):
                text = _first_paragraph(blocks, position)
                titled += [text] if text else []
    texts = [*titled, *(block.text for document in documents for block in _text_blocks(document))]
    said = next((m["object"] for text in texts if (m := _OBJECT.search(text) or _OBJECT_LABEL.match(text))), None)
    cover = _title_page(documents)
    if said and not (cover and len(set(stems(cover)) & set(stems(said))) >= SHARED_STEMS):
        return fold_spaces(said).rstrip(" .")
    return cover or (sentences(titled[0])[0].rstrip(".") if titled else None)


def _title_page(documents: Sequence[Document]) -> str | None:
    """The line of a first page that names the contract: neither the buyer, nor the piece, nor a reference or a date."""
    for document in documents:
        for block in _text_blocks(document)[:COVER]:
            folded = fold(block.text)
            if block.kind == "heading" and re.match(r"(?:article|chapitre|titre)\b|[\divx]+\s?[.)–-]", folded):
                break
            other = _BODY.match(folded) or _NOT_OBJECT.search(folded) or _DATE.search(folded) or "pour objet" in folded
            if 20 < len(block.text) < 200 and not other and not block.text.rstrip().endswith((".", ":")):
                return fold_spaces(block.text)
    return None


def read_buyer(documents: Sequence[Document]) -> str | None:
    """The contracting authority, as the tender names it."""
    for document in documents:
        blocks = _text_blocks(document)
        for position, block in enumerate(blocks):
            for row in block.rows[:8]:
                if len(row) > 1 and row[1].strip() and _BUYER_LABEL.match(row[0].strip()):
                    lines = [line for line in row[1].split("\n") if fold(line).strip(" -–") != "etat"]
                    return _name(lines[0] if lines else row[1])
            match = _BUYER_LABEL.match(_unnumbered(block.text)) if len(block.text) < 200 else None
            if match and len((match["rest"] or "").strip()) > 3:
                return _name(match["rest"])
            text = _first_paragraph(blocks, position) if match else None
            if text:
                sentence = _BUYER_SENTENCE.search(text)
                return _name(sentence["name"] if sentence else text)
    for document in documents:
        cover = _text_blocks(document)[:COVER]
        for before, block in zip([None, *cover], cover, strict=False):
            folded = fold(block.text)
            if not _BODY.match(folded) or len(block.text) >= 110 or re.search(r"[.:]\s*$|\|", block.text):
                continue
            after = cover[cover.index(block) + 1 : cover.index(block) + 3]
            if folded.startswith("departement") and any(_BODY.match(fold(b.text)) for b in after):
                continue  # where a commune is, above its name
            if not _STATUS.match(folded):
                return fold_spaces(block.text).strip(" -–")
            if before is not None and 5 < len(before.text) < 90 and not _NOT_OBJECT.search(fold(before.text)):
                return fold_spaces(before.text).strip(" -–")
    for document in documents:
        for block in _text_blocks(document):
            match = _BUYER_SENTENCE.search(block.text)
            if match and block.kind == "paragraph":
                return _name(match["name"])
    return None


def _first_paragraph(blocks: Sequence[Block], position: int) -> str | None:
    """The first text under a heading, at most two headings below it."""
    for block in blocks[position + 1 : position + 4]:
        if block.kind == "paragraph":
            return block.text
        if block.kind != "heading":
            return None
    return None


def _unnumbered(text: str) -> str:
    return re.sub(r"^(?:article\s+)?[\dIVX]+(?:\.\d+)*\s*[.)–—\-:]*\s+", "", text, flags=re.IGNORECASE)


def _text_blocks(document: Document) -> list[Block]:
    return [block for block in document.blocks if block.kind != "toc"]


def _name(text: str) -> str:
    """The body's name in a sentence or a cell: what it is called, without who represents it or where it sits."""
    text = re.sub(r"^.{0,40}?\b(?:est|agit)\s*:?\s+(?=(?:la |le |les |l['’])?[A-ZÀ-Þ])", "", fold_spaces(text))
    parts = [part.strip() for part in re.split(r",| dont le siège| situé| représent|\. ", text) if part.strip()]
    names = [re.sub(r"^(?:la |le |les |l['’])", "", part, flags=re.IGNORECASE).strip(" .:;") for part in parts]
    names = [name for name in names if not re.match(r"(?:Madame|Monsieur|M\.|Mme)\s", name)] or names
    state = len(names) > 1 and fold(names[0]) == "etat"  # « l'État, ministère … »: the ministry is the buyer
    return names[1] if state else names[0] if names else ""


def read_reference(documents: Sequence[Document]) -> str | None:
    """The consultation's number, from the first pages."""
    for document in documents:
        blocks = _text_blocks(document)
        for row in (row for block in blocks[:COVER] for row in block.rows if len(row) > 1):
            if _REFERENCE_ROW.match(fold(row[0])) and re.search(r"\d", row[1]) and len(row[1]) < 40:
                return fold_spaces(row[1])
        for pattern, reach in ((_COVER_REFERENCE, COVER), (_REFERENCE, 200)):
            for block in blocks[:reach]:
                match = pattern.search(block.text)
                if match and not re.match(r"[LRD]\.?\s?\d|\d{4}-\d{4}$|\d{2}/\d{2}/\d{4}|\d{5}$", match["ref"]):
                    return match["ref"].rstrip(".-/_")
    return None


def read_deadlines(documents: Sequence[Document]) -> tuple[Deadline, ...]:
    """Every full date that closes something, with its hour where the sentence or the next line gives one."""
    found: dict[tuple[str, str], Deadline] = {}
    for document in documents:
        heading = previous = ""
        for block, following in _pairs(document):
            if block.kind == "heading":
                heading = block.text
            before, previous = previous, block.text
            # a row of a table says one thing, and a line of a text several
            lines = block.text.split("\n") if block.kind == "table" else sentences(_LEADERS.sub(" ", block.text))
            for sentence in lines:
                folded = _LEGAL.sub(" ", fold(sentence))
                if not _DATE.search(folded):
                    continue
                title = before if before.endswith(":") and len(before) < 120 else heading
                if not _CLOSES.search(folded) and not _CLOSES.search(fold(title)):
                    continue
                label = _label(sentence, title)
                ends = [match.start() for match in _DATE.finditer(folded)][1:]
                for dated, end in zip(_DATE.finditer(folded), [*ends, None], strict=False):
                    hour = _HOUR.search(folded[dated.end() : end])
                    if hour is None and following is not None and re.match(r"heures?\s*:", fold(following.text)):
                        hour = _HOUR.search(fold(following.text))
                    date = _iso(dated, hour)
                    deadline = Deadline(label=label, date=date, text=fold_spaces(sentence))
                    key = (_subject(deadline) or label, date)
                    if key not in found or len(label) < len(found[key].label):
                        found[key] = deadline
    return tuple(sorted(found.values(), key=lambda deadline: (deadline.date or "", deadline.label)))


def _subject(deadline: Deadline) -> str | None:
    """The thing a date closes, so that one said in two places is listed once."""
    said = fold(f"{deadline.label} {deadline.text[:160]}")
    return next((name for name, pattern in SUBJECTS if re.search(pattern, said)), None)


def _label(sentence: str, heading: str) -> str:
    """What the date closes: the words before it, else the heading."""
    folded = fold(sentence)
    dated = _DATE.search(folded)
    start = dated.start() if dated else len(sentence)
    words = re.split(r"[:–|]", sentence[: min(start, len(sentence))])[0].strip(" ,")
    label = re.sub(
        r"\s+(?:est|sont|a|fixée?s?|au|le|à|au plus tard|avant)(?:\s+(?:fixée?s?|au|le|à|plus tard))*$",
        "",
        words,
    )
    return fold_spaces(label) if len(label) > 8 else fold_spaces(heading)


def _iso(dated: re.Match[str], hour: re.Match[str] | None) -> str:
    if dated["year"]:
        day = 1 if dated["day"] == "1er" else int(dated["day"])
        date = f"{int(dated['year']):04d}-{_MONTHS[dated['month']]:02d}-{day:02d}"
    else:
        date = f"{int(dated['y']):04d}-{int(dated['m']):02d}-{int(dated['d']):02d}"
    return f"{date}T{int(hour['hour'] or 12):02d}:{int(hour['minute'] or 0):02d}" if hour else date


def _pairs(document: Document) -> Iterator[tuple[Block, Block | None]]:
    blocks = [block for block in document.blocks if block.kind != "toc"]
    return zip(blocks, [*blocks[1:], None], strict=False)
