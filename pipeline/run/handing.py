"""What is handed in: the pack of pieces, and the buyer's frames filled in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline import weights
from pipeline.errors import DocumentError, DossierError
from pipeline.export.checklist import to_html as checklist_to_html
from pipeline.export.word import Layout
from pipeline.frames import FRAMES, Answers, fill, identity_of
from pipeline.library import read_facts
from pipeline.pack import Consultation, Given, certificates_of, given, still, taken_from, without_twins, zipped
from pipeline.pack.checklist import make_pack
from pipeline.pack.kinds import kinds_in
from pipeline.pack.names import Bidder
from pipeline.pack.wanted import MEMOIRE
from pipeline.readers import read_all
from pipeline.readers.docx import OLE_MAGIC
from pipeline.records import FrameReport, Memoire, Pack, Tender
from pipeline.run.document import layout_of, memoire_of, rendered
from pipeline.settings import Settings
from pipeline.workspace import Dossier, read_consultation


@dataclass(frozen=True)
class Packed:
    """A pack as written."""

    pack: Pack
    zip: Path
    page: Path
    """The list of pieces, for the firm: beside the ZIP, never in it."""


def pack_dossier(
    dossier: Dossier,
    target: Path | None,
    pieces: Sequence[Path],
    bidder: Bidder,
    settings: Settings,
    form: Literal["docx", "pdf"] = "docx",
) -> Packed:
    """Write the ZIP to hand in and, beside it, the list of pieces. Raises DossierError or DocumentError, and writes
    nothing, where a piece is not there, two have one name, or the target cannot be written."""
    path = target or dossier.export / "pli.zip"
    if not path.parent.is_dir():
        raise DossierError("Ce dossier n'existe pas", where=path.parent, remedy="Créez-le, ou donnez un autre -o.")
    if path.suffix.lower() != ".zip" or path.is_dir():
        raise DossierError("Le pli est un fichier .zip", where=path, remedy="Donnez un nom en .zip à -o.")
    files = [taken_from(piece, "asked") for piece in pieces]
    files += [taken_from(piece, "pieces") for piece in _lying(dossier.root / "pieces")]
    files += [taken_from(piece, "cadres") for piece in _lying(dossier.export / "cadres")]
    files = without_twins(files)
    tender = read_consultation(dossier)
    ruling = {item.name for item in tender.documents if item.piece in ("RC", "LETTRE")}
    documents, _ = read_all([file for file in dossier.dce_files() if file.name in ruling], "dce")
    facts = read_facts(dossier.library(), dt.date.today())
    told = Consultation(
        tender=tender,
        documents=documents,
        models={file.name: file.read_bytes() for file in dossier.dce_files()},
        certificates=certificates_of([record for records in facts.records.values() for record in records]),
        today=dt.date.today().isoformat(),
    )
    pack, members = make_pack(told, [*files, *_exports(dossier, tender, form, layout_of(dossier, settings))], bidder)
    page = path.with_name(f"{path.stem}.liste-des-pieces.html")
    try:
        weights.write_whole(path, zipped(members))
        weights.write_whole(page, checklist_to_html(pack, tender, path.name))
    except PermissionError as error:
        raise DossierError(
            "Écriture refusée", where=path, remedy="Vérifiez les droits, ou donnez un autre -o."
        ) from error
    dossier.note("pack", file=str(path), files=len(pack.files), complete=pack.complete)
    return Packed(pack, path, page)


def _lying(folder: Path) -> list[Path]:
    """The files of a folder of the dossier, where there is one; hidden and temporary ones left out."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".", "~")))


def _exports(dossier: Dossier, tender: Tender, form: Literal["docx", "pdf"], layout: Layout) -> list[Given]:
    """The documents that have drafted sections: the mémoire, under the code of the deliverable it is, and the other
    deliverables."""
    main = next((d for d in tender.deliverables if MEMOIRE in {kind.name for kind in kinds_in(d.title)}), None)
    wanted: list[tuple[str, str, str | None]] = []
    if tender.plan:
        wanted.append(("memoire", main.code if main else "", None))
    wanted += [(item.title, item.code, item.code) for item in tender.deliverables if item != main or not tender.plan]
    found = []
    for stem, code, deliverable in wanted:
        memoire = memoire_of(dossier, deliverable=deliverable)
        if memoire.sections:
            data, _ = rendered(memoire, form, layout)
            told = still(data) if form == "docx" else data
            found.append(given(told, f".{form}", "export", f"export ({code or stem})", stem, code))
    return found


FRAME_PIECES = ("CADRE", "AE", "BPU", "DPGF", "DQE")
"""Pieces of a tender that a candidate fills in."""


def frames_of(dossier: Dossier) -> list[Path]:
    """The frames among the buyer's documents, by the piece each is, whatever their format."""
    frames = {item.name for item in read_consultation(dossier).documents if item.piece in FRAME_PIECES}
    return [path for path in dossier.dce_files() if path.name in frames]


def fill_frames(dossier: Dossier, frames: Sequence[Path], target: Path | None) -> list[FrameReport]:
    """Write filled copies of the buyer's frames and tell what became of each; the originals stay as they are.

    A frame that cannot be treated is told in its report, and the others go on. Raises DossierError where the dossier
    is unread, the target folder does not exist or is where the frames are.
    """
    folder = target or dossier.export / "cadres"
    if target is not None and not target.is_dir():
        raise DossierError("Ce dossier n'existe pas", where=target, remedy="Créez-le, ou donnez un autre -o.")
    if any(frame.resolve().parent == folder.resolve() for frame in frames):
        raise DossierError("Les cadres seraient écrasés", where=folder, remedy="Donnez un autre -o.")
    facts = read_facts(dossier.library(), dt.date.today())
    records = [record for held in facts.records.values() for record in held]
    tender = read_consultation(dossier)
    empty = Memoire(title="", buyer=tender.buyer, reference=tender.reference, plan=(), sections=())
    answers = Answers(memoire_of(dossier) if tender.plan else empty, identity_of(records))
    folder.mkdir(exist_ok=True)
    reports = [_fill_frame(frame, answers, folder) for frame in frames]
    written = {report.frame: len(report.filled) for report in reports if report.written}
    dossier.note("frames", filled=written, refused=[report.frame for report in reports if report.refused])
    return reports


def _fill_frame(frame: Path, answers: Answers, folder: Path) -> FrameReport:
    try:
        if not frame.is_file():
            raise DocumentError("Cadre introuvable", where=frame, remedy="Vérifiez le chemin.")
        data = frame.read_bytes()
        if frame.suffix.lower() not in FRAMES and not data.startswith((b"PK", OLE_MAGIC)):
            raise DocumentError(
                f"Un fichier {frame.suffix or 'sans extension'} ne se remplit pas",
                where=frame,
                remedy="Demandez à l'acheteur le fichier DOCX ou XLSX.",
            )
        done = fill(data, frame.name, answers)
    except DocumentError as error:
        return FrameReport(frame=frame.name, refused=str(error))
    path = folder / frame.name
    weights.write_whole(path, done.data)
    return done.report.model_copy(update={"written": str(path)})
