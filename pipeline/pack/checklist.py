"""Files and pieces asked for -> the pack: names, list of pieces, and what is not ready."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.french import fold, french_date, join_french, typeset
from pipeline.pack import Consultation, Given
from pipeline.pack.dates import issued_said, months_allowed, no_proof, until_said
from pipeline.pack.kinds import Kind, file_words, kinds_in
from pipeline.pack.names import Bidder, Named, Namer, Subject
from pipeline.pack.naming import read_naming
from pipeline.pack.remarks import remarks
from pipeline.pack.wanted import Wanted, answers, kinds_of, wanted_of
from pipeline.records import Pack, PackFile, PackPiece, PieceStatus, Tender

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
        remarks=tuple(dict.fromkeys(remarks(tender, rule, files, checked, namer, bidder))),
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
        best = _closest(file, numbers, items)
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


def _closest(file: Given, numbers: Sequence[int], items: Sequence[Wanted]) -> int | None:
    """The piece that names a file: of its very kind before « certificates », a deliverable before a line that speaks of
    six; ``None`` where it answers none."""
    own = set(kinds_of(file))
    return min(numbers, key=lambda n: (not own & set(items[n].kinds), not items[n].own, n), default=None)


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
                notes += self._held(lacking)
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
        models = [
            document.name
            for document in self.told.tender.documents
            if names & {*_TEMPLATES.get(document.piece, ()), *_named_kinds(document.name)}
            and document.piece in _TEMPLATES
        ]
        if models:
            return [f"Modèle de l'acheteur : {join_french(models)}. Remplissez-le et déposez-le dans pieces/."]
        if item.own:
            return [f"Rédigez-le (memoire draft … --deliverable {item.codes[0]}) ou déposez le vôtre dans pieces/."]
        if item.codes:
            return []
        return self._held(item.kinds)

    def _held(self, kinds: Sequence[Kind]) -> list[str]:
        """Certificates of the library that would answer, still to be joined as files."""
        names = {kind.name for kind in kinds}
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
            if one.until < self.day and {kind.name for kind in kinds_in(one.label)} & {
                kind.name for kind in item.kinds
            }:
                found.append(f"Bibliothèque : « {one.label} » {no_proof(self.day, None, one.until, None)}.")
        return found

    def _undated(self, item: Wanted, mine: Sequence[int]) -> list[str]:
        months = self._months(item)
        lacking = [self.checked[n].name for n in mine if not self.checked[n].issued]
        return [f"{name} : date non lue, {months} mois au plus : vérifiez-la." for name in lacking] if months else []

    def _months(self, item: Wanted) -> int | None:
        """Most months, as the buyer says, else as the law does."""
        return months_allowed(item.label) or next((kind.months for kind in item.kinds if kind.months), None)


def _named_kinds(name: str) -> set[str]:
    return {kind.name for kind in kinds_in(file_words(name.rpartition(".")[0]), sigles=False)}


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
