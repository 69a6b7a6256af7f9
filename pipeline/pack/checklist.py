"""Files and pieces asked for -> the pack: names, list of pieces, and what is not ready."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.french import fold, french_date, join_french, typeset
from pipeline.outline import page_limit, pages_said
from pipeline.pack import Consultation, Given
from pipeline.pack.dates import issued_said, months_allowed, no_proof, until_said
from pipeline.pack.kinds import Kind, kinds_in
from pipeline.pack.names import Bidder, Named, Namer, Subject
from pipeline.pack.naming import read_naming
from pipeline.pack.wanted import MEMOIRE, Wanted, answers, kinds_of, wanted_of
from pipeline.records import NamingRule, Pack, PackFile, PackPiece, PieceStatus, Tender

_UNFINISHED = re.compile(r"\[À (?P<what>COMPLÉTER|RÉDIGER)\b")
_ASSISTED = "avec l'aide d'un modele de langage"
"""Folded words of the notice that drafted documents bear until a person has validated them."""
_TEMPLATES = {
    "AE": ("AE",),
    "BPU": ("BPU", "Prix"),
    "DPGF": ("DPGF", "Prix"),
    "DQE": ("DQE", "Prix"),
    "CADRE": ("Cadre-reponse",),
}
"""Pieces of the tender that are frames to fill in, and the kinds they answer."""
_SUBMISSION = re.compile(r"(?:remise|reception|depot|retour|limite)\b.*\b(?:offre|pli|candidature|proposition)s?\b")


def make_pack(told: Consultation, files: Sequence[Given], bidder: Bidder) -> tuple[Pack, list[tuple[str, bytes]]]:
    """The pack, and its files' names in the ZIP with their bytes, sorted by name."""
    tender = told.tender
    rule = read_naming(told.documents, tender.format_rules)
    deadline = submission(tender)
    items = wanted_of(tender)
    codes = [deliverable.code for deliverable in tender.deliverables]
    matched = _matched(files, items, codes)
    namer = Namer(rule, bidder, tender.reference or "", deadline or "")
    names = _named(files, items, matched, namer)
    checked = [
        _file(file, named, [items[n].label for n in matched[position]])
        for position, (file, named) in enumerate(zip(files, names, strict=True))
    ]
    state = _State(told, items, files, checked, matched, deadline or told.today)
    pieces = [state.piece(number) for number in range(len(items))]
    pack = Pack(
        rule=rule,
        deadline=deadline,
        pieces=tuple(_with_parts(item, piece, items, pieces) for item, piece in zip(items, pieces, strict=True)),
        files=tuple(sorted(checked, key=lambda file: file.name)),
        remarks=tuple(dict.fromkeys(_remarks(tender, rule, files, checked, namer, bidder))),
    )
    return pack, sorted((one.name, file.data) for file, one in zip(files, checked, strict=True))


def submission(tender: Tender) -> str | None:
    """The day offers are due, ISO 8601, else applications; ``None`` where no date of that kind is given."""
    dated = [
        (fold(item.label), item.date[:10])
        for item in tender.deadlines
        if item.date and _SUBMISSION.search(fold(item.label))
    ]
    return next((day for label, day in dated if "offre" in label or "pli" in label), dated[0][1] if dated else None)


def _matched(files: Sequence[Given], items: Sequence[Wanted], codes: Sequence[str]) -> list[list[int]]:
    """For each file, the numbers of the pieces it answers. What is written from the drafts gives way to the firm's own
    file for the same deliverable: people have worked on that one."""
    found = [[n for n, item in enumerate(items) if answers(file, item, codes)] for file in files]
    own = {n for file, numbers in zip(files, found, strict=True) if file.origin != "export" for n in numbers}
    return [
        numbers if file.origin != "export" else [n for n in numbers if n not in own]
        for file, numbers in zip(files, found, strict=True)
    ]


def _named(
    files: Sequence[Given], items: Sequence[Wanted], matched: Sequence[Sequence[int]], namer: Namer
) -> list[Named]:
    """A name a file, unique, whatever the order of the others' directories."""
    named: dict[int, Named] = {}
    order = sorted(range(len(files)), key=lambda n: (matched[n][:1] or [len(items)], files[n].stem, files[n].extension))
    for position in order:
        file, numbers = files[position], matched[position]
        # its own line among the deliverables names it better than « the six deliverables » does
        best = next((n for n in numbers if items[n].own), numbers[0] if numbers else None)
        item = items[best] if best is not None else None
        kind = _kind(file, item)
        side = item.side if item else "candidature" if kind and kind.folder == "candidature" else "offre"
        subject = Subject(
            code=item.codes[0] if item and item.own else "",
            kind=kind,
            title=item.label.partition(" – ")[2] if item and item.own else item.label if item else file.stem,
            number=(best if best is not None else len(items)) + 1,
            side=side,
        )
        folder = next((f for f in namer.rule.folders if fold(f).startswith(side[:3])), "")
        taken = [name.name.rpartition("/")[2] for name in named.values()]
        one = namer.name(subject, file.extension, taken)
        named[position] = Named(f"{folder}/{one.name}", one.rule) if folder else one
    return [named[position] for position in range(len(files))]


def _kind(file: Given, item: Wanted | None) -> Kind | None:
    """The kind that names a file: its own among those asked for, else its own, else the piece's."""
    own = kinds_of(file)
    asked = item.kinds if item else ()
    return next((kind for kind in own if kind in asked), (*own, *asked, None)[0])


def _file(file: Given, named: Named, labels: Sequence[str]) -> PackFile:
    return PackFile(
        source=file.path,
        name=named.name,
        rule=named.rule,
        piece=labels[0] if labels else "",
        bytes=len(file.data),
        pages=file.pages,
        issued=issued_said(file.text or "", file.stem) if file.origin != "export" else None,
        until=until_said(file.text or "") if file.origin != "export" else None,
    )


@dataclass(frozen=True)
class _State:
    """What each piece is judged by."""

    told: Consultation
    items: Sequence[Wanted]
    files: Sequence[Given]
    checked: Sequence[PackFile]
    matched: Sequence[Sequence[int]]
    day: str

    def piece(self, number: int) -> PackPiece:
        item = self.items[number]
        mine = [n for n in range(len(self.files)) if number in self.matched[n]]
        notes: list[str] = []
        status: PieceStatus = "present"
        if item.kinds and item.kinds[0].folder == "acheteur":
            notes.append("Pièce de l'acheteur : à ne remettre que s'il la demande.")
            status = "present" if mine else "missing"
        elif not mine:
            status = "fill" if item.to_fill else "missing"
            notes += self._how_to(item)
        else:
            lacking = self._lacking(item, mine)
            if lacking:
                status = "missing"
                notes.append(f"Manque : {join_french(kind.name for kind in lacking)}.")
            if all(self._blank(self.files[n]) for n in mine):
                status = "fill"
                notes.append("Le fichier est le modèle de l'acheteur, tel quel : remplissez-le.")
            elif item.to_fill:
                notes.append("Vérifiez que tout est rempli, et la signature si elle est demandée.")
        expired = self._expired(item, mine)
        if expired:
            status, notes = "expired", [*expired, *notes]
        else:
            notes += self._undated(item, mine)
        names = tuple(self.checked[n].name for n in mine)
        said = tuple(typeset(note) for note in notes)
        return PackPiece(label=item.label, mandatory=item.mandatory, status=status, files=names, notes=said)

    def _lacking(self, item: Wanted, mine: Sequence[int]) -> list[Kind]:
        """Kinds asked for together of which a file is missing; none where the whole was matched by its words."""
        held = {kind.name for n in mine for kind in kinds_of(self.files[n])}
        if item.choice or item.codes or "DUME" in held or len(item.kinds) < 2:
            return []
        return [kind for kind in item.kinds if kind.name not in held]

    def _blank(self, file: Given) -> bool:
        return file.data in self.told.models.values()

    def _how_to(self, item: Wanted) -> list[str]:
        names = {kind.name for kind in item.kinds}
        models = [d.name for d in self.told.tender.documents if names & set(_TEMPLATES.get(d.piece, ()))]
        if models:
            return [f"Modèle de l'acheteur : {join_french(models)}. Remplissez-le et déposez-le dans pieces/."]
        if item.own:
            return [f"Rédigez-le (memoire draft … --deliverable {item.codes[0]}) ou déposez le vôtre dans pieces/."]
        if item.codes:
            return []
        return [
            f"La bibliothèque tient « {one.label} », valable jusqu'au {french_date(one.until)} : joignez le certificat."
            for one in self.told.certificates
            if names & {kind.name for kind in kinds_in(one.label)} and one.until >= self.day
        ]

    def _expired(self, item: Wanted, mine: Sequence[int]) -> list[str]:
        """Why what is held is no proof on the day; a file that is says more than the library."""
        months = self._months(item)
        found = []
        for n in mine:
            why = no_proof(self.day, self.checked[n].issued, self.checked[n].until, months)
            found += [f"{self.checked[n].name} : {why}."] if why else []
        dated = any(self.checked[n].until for n in mine)
        for one in self.told.certificates if not dated else ():
            kinds = {kind.name for kind in kinds_in(one.label)} - {"Certificats"}
            if one.until < self.day and kinds & {kind.name for kind in item.kinds}:
                found.append(f"Bibliothèque : « {one.label} » {no_proof(self.day, None, one.until, None)}.")
        return found

    def _undated(self, item: Wanted, mine: Sequence[int]) -> list[str]:
        months = self._months(item)
        lacking = [self.checked[n].name for n in mine if not self.checked[n].issued]
        return [f"{name} : date non lue, {months} mois au plus : vérifiez-la." for name in lacking] if months else []

    def _months(self, item: Wanted) -> int | None:
        """Most months, as the buyer says, else as the law does."""
        return months_allowed(item.label) or next((kind.months for kind in item.kinds if kind.months), None)


def _with_parts(item: Wanted, piece: PackPiece, items: Sequence[Wanted], pieces: Sequence[PackPiece]) -> PackPiece:
    """« Les six livrables D1 à D6 »: the line is there when all its deliverables are."""
    if item.own or len(item.codes) < 2:
        return piece
    parts = [(other.codes[0], own) for other, own in zip(items, pieces, strict=True) if other.own]
    lacking = [code for code, own in parts if code in item.codes and own.status != "present"]
    if not lacking:
        return piece.model_copy(update={"status": "present"})
    note = typeset(f"Manque : {join_french(lacking)}.")
    return piece.model_copy(update={"status": "missing", "notes": (note,)})


def _remarks(
    tender: Tender,
    rule: NamingRule,
    files: Sequence[Given],
    checked: Sequence[PackFile],
    namer: Namer,
    bidder: Bidder,
) -> list[str]:
    """What blocks nothing and must be known before handing in."""
    found: list[str] = []
    if not bidder.name and any("candidat" in part.lower() for pattern in rule.patterns for part in pattern.parts):
        found.append("Nom du candidat inconnu : donnez-le avec --candidate ; « CANDIDAT » tient sa place.")
    if not bidder.lot and any(part.lower() == "{lot}" for pattern in rule.patterns for part in pattern.parts):
        found.append("Numéro de lot inconnu : donnez-le avec --lot ; il manque dans les noms.")
    for file, one in zip(files, checked, strict=True):
        found += [f"{one.name} : {line}" for line in _file_remarks(tender, rule, file, one, namer)]
    total = sum(one.bytes for one in checked)
    if rule.max_pack_mb and total > rule.max_pack_mb * 1e6:
        found.append(f"Le pli fait {_mb(total)}, plus que les {rule.max_pack_mb:g} Mo admis.")
    memoire = [one for file, one in zip(files, checked, strict=True) if MEMOIRE in {k.name for k in kinds_of(file)}]
    asked = [said for said in tender.format_rules if re.search(r"memoire.*\bpdf\b", fold(said))]
    if asked and memoire and not any(one.name.endswith(".pdf") for one in memoire):
        found.append(f"Le mémoire n'est pas en PDF, que l'acheteur demande : « {asked[0].rstrip(' ;.')} ».")
    return [typeset(line) for line in found]


def _file_remarks(tender: Tender, rule: NamingRule, file: Given, one: PackFile, namer: Namer) -> list[str]:
    found = []
    extension = file.extension.lstrip(".")
    if rule.formats and extension not in rule.formats:
        found.append(f"format « {extension} » non admis ; admis : {', '.join(rule.formats)}.")
    if rule.max_file_mb and one.bytes > rule.max_file_mb * 1e6:
        found.append(f"{_mb(one.bytes)}, plus que les {rule.max_file_mb:g} Mo admis par fichier.")
    if not namer.fits(one.name.rpartition("/")[2]):
        found.append(f"nom plus long que les {rule.max_chars} caractères admis.")
    if not one.piece:
        found.append("ne répond à aucune pièce demandée ; joint tel quel.")
    if file.text is None and extension in ("pdf", "docx", "odt"):
        found.append("texte illisible (protégé, ou image) : ni date ni contenu vérifiés.")
    marks = Counter(match["what"] for match in _UNFINISHED.finditer(file.text or ""))
    if marks["COMPLÉTER"]:
        found.append(f"{marks['COMPLÉTER']} passages [À COMPLÉTER].")
    if marks["RÉDIGER"]:
        found.append(f"{marks['RÉDIGER']} sections non rédigées.")
    if _ASSISTED in fold(file.text or ""):
        found.append("la mention de rédaction assistée y est encore : retirez-la après relecture.")
    memoire = any(kind.name == MEMOIRE for kind in kinds_of(file))
    limit = pages_said(one.piece) or (page_limit(tender) if memoire else None)
    if limit and one.pages is None:
        found.append(f"pages non comptées dans ce format : l'acheteur en admet {limit}.")
    elif limit and one.pages and one.pages > limit:
        found.append(f"{one.pages} pages, couverture et sommaire compris, pour {limit} admises.")
    return found


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} Mo".replace(".", ",")
