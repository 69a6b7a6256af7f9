"""The buyer's own frames: DOCX or XLSX, answer places -> the same file with the places filled, byte for byte elsewhere.

A place is filled only where the mémoire answers what the frame asks in the same words, or the firm's identity record
has the field; the rest is told to a person with its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pipeline.errors import DocumentError
from pipeline.frames import words
from pipeline.frames.answers import Answer, Answers, identity_of
from pipeline.frames.docx import scan_docx
from pipeline.frames.package import Edit, Package, open_package
from pipeline.frames.spot import Scan, Spot
from pipeline.frames.xlsx import scan_xlsx
from pipeline.records import FrameFilling, FrameLeft, FramePlace, FrameReport

FRAMES = (".docx", ".docm", ".xlsx", ".xlsm")
"""Formats that can be filled."""
_ALREADY = "Déjà rempli dans le fichier de l'acheteur."
_COLUMN = "Ni la colonne ni la ligne ne dit ce qui est attendu ici."


class Filled(NamedTuple):
    """A frame as it is to be handed to a person."""

    data: bytes
    report: FrameReport


def find_places(data: bytes, name: str) -> tuple[FramePlace, ...]:
    """The answer places of a frame, in reading order. Raises DocumentError where it cannot be read."""
    return tuple(spot.place for spot in _scan(open_package(data, name)).spots)


def fill(data: bytes, name: str, answers: Answers) -> Filled:
    """Fill what ``answers`` has. Raises DocumentError where the file cannot be read or has no answer place."""
    package = open_package(data, name)
    scan = _scan(package)
    if not scan.spots:
        raise DocumentError(
            "Aucune place de réponse trouvée dans ce cadre",
            where=name,
            remedy="Vérifiez que c'est bien un document à remplir ; sinon, remplissez-le à la main.",
        )
    edits: dict[str, list[Edit]] = {}
    filled: list[FrameFilling] = []
    left: list[FrameLeft] = []
    unknown: list[FramePlace] = []
    for spot in scan.spots:
        found = _decide(spot, answers)
        if isinstance(found, str):
            if spot.place.kind == "other" and spot.place.empty and not spot.place.left:
                unknown.append(spot.place)
            else:
                left.append(FrameLeft(place=spot.place, reason=found))
            continue
        texts, answer = found
        made = spot.write(texts)
        if not made:
            left.append(
                FrameLeft(place=spot.place, reason="Le fichier écrit cette place d'une façon non prise en charge.")
            )
            continue
        edits.setdefault(spot.part, []).extend(made)
        filled.append(
            FrameFilling(place=spot.place, text="\n".join(texts), source=answer.source, score=round(answer.score, 1))
        )
    signed = any(member.startswith("_xmlsignatures/") for member in package.members)
    remarks = [*scan.remarks]
    if signed and filled:
        remarks.append("Ce fichier porte une signature électronique, que le remplissage invalide.")
    report = FrameReport(
        frame=name, filled=tuple(filled), left=tuple(left), not_understood=tuple(unknown), remarks=tuple(remarks)
    )
    return Filled(package.rewritten(edits), report)


def _scan(package: Package) -> Scan:
    return scan_docx(package) if package.main().startswith("word/") else scan_xlsx(package)


def _decide(spot: Spot, answers: Answers) -> tuple[Sequence[str], Answer] | str:
    """The paragraphs to write in a place and where they come from, or why a person must."""
    place = spot.place
    if not place.empty:
        return _ALREADY
    if place.left:
        return place.left
    if place.kind == "other":
        return _COLUMN
    if place.kind == "comment":
        return "Commentaire libre : à une personne de juger s'il en faut un."
    answer = answers.find(place)
    if isinstance(answer, str):
        return answer
    if place.kind == "section":
        return ((answer.section,), answer) if answer.section else "L'exigence n'a pas de section dans le plan."
    if place.kind == "conformity":
        return _conformity(place, answer)
    if place.options and not (len(answer.paragraphs) == 1 and answer.paragraphs[0] in place.options):
        return f"Liste imposée ({', '.join(place.options[:6])}) : à choisir par une personne."
    return answer.paragraphs, answer


def _conformity(place: FramePlace, answer: Answer) -> tuple[Sequence[str], Answer] | str:
    """The frame's word for « conform », only where a commitment with every figure asked proves it."""
    if answer.conformity != "yes":
        return f"{answer.source} : conformité à confirmer par une personne."
    value = words.yes(place.options)
    if value is None:
        return "Le cadre ne dit pas comment noter la conformité : à remplir par une personne."
    return (value,), answer


__all__ = ["FRAMES", "Answers", "Filled", "fill", "find_places", "identity_of"]
