"""Pack -> the list of pieces a bid manager goes through before handing in: on a terminal, and as one page.

It is the firm's and lies beside the ZIP: the buyer has no use for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.export.text import template
from pipeline.french import french_date, typeset
from pipeline.records import Pack, PackPiece, Place, Tender

STATUS = {"present": "présente", "missing": "manquante", "expired": "périmée", "fill": "à remplir"}
_STYLE = {"present": "", "missing": "bold red", "expired": "bold red", "fill": "yellow"}


def lines(pack: Pack) -> Iterator[tuple[str, str]]:
    """``(style, line)`` for a terminal."""
    yield "bold", heading(pack)
    for piece in pack.pieces:
        optional = "" if piece.mandatory else " (facultative)"
        yield (_STYLE[piece.status] if piece.mandatory else ""), f"  {STATUS[piece.status]:<10} {piece.label}{optional}"
        yield from (("", f"             {line}") for line in (*piece.files, *piece.notes))
    yield "bold", "\nFichiers du pli"
    for file in pack.files:
        yield "", f"  {file.name}  ← {file.source}  ({file.rule})"
    yield "bold", "\nRègles lues"
    yield from (("", f"  {line}") for line in rules(pack))
    if pack.remarks:
        yield "bold", "\nÀ voir avant de remettre"
        yield from (("yellow", f"  {line}") for line in pack.remarks)


def heading(pack: Pack) -> str:
    """« Pièces : 9 présentes, 2 manquantes, 1 périmée, au 12 février 2027 »."""
    counted = [(status, sum(counts(piece, status) for piece in pack.pieces)) for status in STATUS]
    said = ", ".join(f"{n} {STATUS[s]}{'s' if n > 1 and s != 'fill' else ''}" for s, n in counted if n)
    day = f", au {french_date(pack.deadline)}" if pack.deadline else ", date de remise inconnue"
    return typeset(f"Pièces : {said or 'aucune demandée'}{day}")


def counts(piece: PackPiece, status: str) -> bool:
    """Whether a piece is to be counted under a status: what is optional counts only where it is there."""
    return piece.status == status and (piece.mandatory or status == "present")


def rules(pack: Pack) -> list[str]:
    """What was read of the buyer's rule, with its quotes; a line says so where nothing was."""
    rule = pack.rule
    said = [f"Modèle : {p.text}{f' ({p.scope})' if p.scope else ''}" for p in rule.patterns]
    said += [f"Longueur : {rule.max_chars} caractères au plus"] if rule.max_chars else []
    said += [f"Formats : {', '.join(rule.formats)}"] if rule.formats else []
    said += [f"Taille d'un fichier : {rule.max_file_mb:g} Mo"] if rule.max_file_mb else []
    said += [f"Taille du pli : {rule.max_pack_mb:g} Mo"] if rule.max_pack_mb else []
    said += [f"Dossiers : {', '.join(rule.folders)}"] if rule.folders else []
    said += [f"« {place.quote} » ({where(place)})" for place in rule.places]
    return [typeset(line) for line in said] or ["Aucune règle de nommage, de format ou de taille n'a été trouvée."]


def where(place: Place) -> str:
    """« rc.pdf, p. 5 »."""
    return f"{place.document}, p. {place.page}" if place.page is not None else place.document


def to_html(pack: Pack, tender: Tender, name: str) -> str:
    """The same as one self-contained page."""
    return template("checklist.html.jinja").render(
        pack=pack, tender=tender, name=name, heading=heading(pack), rules=rules(pack), status=STATUS
    )
