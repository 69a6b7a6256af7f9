"""What each kind of job does. Runs in the job's own process (:mod:`api.worker`): nothing else may import this module,
which loads the whole pipeline.

Models are reached only as ``run.choose_apart``, ``run.load_embedder`` and ``run.load_model``: where tests put theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from api.params import DraftParams, ExportParams, Kind, PackParams, ReviewParams
from api.worker import Task
from pipeline import run, weights
from pipeline.draft import Progress
from pipeline.errors import DocumentError, DossierError
from pipeline.export import reading
from pipeline.export.text import report_to_html
from pipeline.llm import LanguageModel
from pipeline.outline import chosen
from pipeline.pack.names import Bidder
from pipeline.workspace import Dossier, open_dossier

Result = dict[str, Any]
Work = Callable[[Task], Result]


def prepare(task: Task) -> Result:
    """Read the buyer's documents, then bring the index up to date."""
    dossier = open_dossier(task.root)
    _turn(dossier, task)
    read = run.read_dossier(dossier, partial(task.tell, "lecture"))
    task.tell("indexation", 0, 1)
    done = run.index_dossier(dossier, run.load_embedder(task.settings), task.settings, task.tell)
    return {
        "titles": len(read.tender.plan),
        "criteria": len(read.tender.criteria),
        "requirements": len(read.tender.requirements),
        "unread": list(dict.fromkeys((*read.unread, *done.ingested.unread))),
        "changes": list(reading.changed(read.changes, read.tender)),
        "conflicts": list(reading.conflicting(read.conflicts)),
        "passages": dict(done.counts),
    }


def draft(task: Task) -> Result:
    """Draft sections; a job that was interrupted goes on where it was."""
    dossier = open_dossier(task.root)
    params = DraftParams.model_validate(task.job.params)
    _turn(dossier, task)
    choice = run.choose_apart(dossier, task.settings, params.deliverable, task.tell)
    asked = [brief.number for brief in chosen(choice.briefs, params.sections)]
    before = _drafted_since(dossier, task.job.started)
    # what this job drafted before it was interrupted is up to date, but « force » would draft it once more
    sections = [number for number in asked if not (params.force and number in before)]
    drafted = [number for number in asked if number in before]
    same: list[str] = []
    if sections:
        work = run.draft_dossier(
            dossier,
            choice,
            sections,
            partial(_model, task),
            task.settings,
            force=params.force,
            progress=partial(_sentences, task),
            **({"instruction": params.instruction} if params.instruction else {}),
        )
        for done in work:
            if done.path is not None:
                drafted.append(done.section.number)
            elif done.section.number not in before:
                same.append(done.section.number)
    return {"drafted": drafted, "up_to_date": same}


def _drafted_since(dossier: Dossier, when: str | None) -> set[str]:
    """The sections that the journal says were drafted after a job first began: no other drafts this dossier then."""
    lines = dossier.journal() if when else []
    return {line["section"] for line in lines if line["what"] == "draft" and line["when"] > (when or "")}


def _model(task: Task) -> LanguageModel:
    task.tell("chargement du modèle", 0, 1)
    return run.load_model(task.settings)


def _sentences(task: Task, at: Progress) -> None:
    task.tell("rédaction", at.done, at.of)


def export(task: Task) -> Result:
    """Write the document."""
    dossier = open_dossier(task.root)
    params = ExportParams.model_validate(task.job.params)
    task.tell("mise en page", 0, 1)
    done = run.export_dossier(
        dossier, None, params.format, task.settings, deliverable=params.deliverable, chapter=params.chapter
    )
    return {"file": done.path.name, "pages": done.pages, "limit": done.limit}


def frames(task: Task) -> Result:
    """Fill in the buyer's frames."""
    dossier = open_dossier(task.root)
    found = run.frames_of(dossier)
    if not found:
        raise DossierError("Aucun cadre à remplir parmi les pièces lues", remedy="Corrigez la nature des pièces lues.")
    task.tell("cadres de l'acheteur", 0, len(found))
    reports = run.fill_frames(dossier, found, None)
    refused = [report.refused for report in reports if report.refused]
    if len(refused) == len(reports):
        raise DocumentError(refused[0].rstrip("."))
    return {
        "files": [report.frame for report in reports if report.written],
        "filled": sum(len(report.filled) for report in reports),
        "left": sum(len(report.left) + len(report.not_understood) for report in reports),
        "refused": refused,
    }


def pack(task: Task) -> Result:
    """Put together what is handed in."""
    dossier = open_dossier(task.root)
    params = PackParams.model_validate(task.job.params)
    task.tell("pli", 0, 1)
    bidder = Bidder(params.candidate, params.lot)
    done = run.pack_dossier(dossier, None, [], bidder, task.settings, "pdf" if params.pdf else "docx")
    return {
        "file": done.zip.name,
        "page": done.page.name,
        "files": len(done.pack.files),
        "complete": done.pack.complete,
        "pieces": [piece.model_dump(mode="json") for piece in done.pack.pieces],
        "remarks": list(done.pack.remarks),
    }


def evaluate(task: Task) -> Result:
    """Score the document as it stands."""
    dossier = open_dossier(task.root)
    task.tell("évaluation", 0, 1)
    report = run.evaluate_dossier(dossier, task.settings)
    page = report_to_html(report, dossier.root.name, run.trend(dossier))
    weights.write_whole(dossier.export / "evaluation.json", report.model_dump_json(indent=1))
    weights.write_whole(dossier.export / "couverture.html", page)
    metrics = report.metrics
    weighted = metrics["weighted_coverage"]
    return {
        "file": "evaluation.json",
        "page": "couverture.html",
        "coverage": (weighted if weighted.n else metrics["point_coverage"]).value,
    }


def review(task: Task) -> Result:
    """Compare an uploaded Word document with ours, and write it with its changes tracked."""
    dossier = open_dossier(task.root)
    params = ReviewParams.model_validate(task.job.params)
    reviews = dossier.root / "reviews"
    human = reviews / "recus" / params.file
    if not human.is_file():
        raise DossierError("Ce document n'est pas parmi ceux qui ont été reçus", where=params.file)
    task.tell("comparaison", 0, 2)
    kept = run.keep_review(dossier, human, task.settings)
    task.tell("suivi des modifications", 1, 2)
    tracked = reviews / f"{kept.path.stem}.suivi.docx"
    remark = None
    try:
        run.track_changes(dossier, human, tracked, task.settings)
    except (DocumentError, DossierError) as error:  # the comparison stands without it
        remark = str(error)
    return {"review": kept.path.stem, "tracked": tracked.name if remark is None else None, "remark": remark}


def _turn(dossier: Dossier, task: Task) -> None:
    """Wait until no command writes in the dossier: a person who saves a section must not make a job fail."""
    with dossier.lock(waiting=lambda: task.tell("attente d'une autre commande", 0, 1)):
        pass


WORK: Mapping[Kind, Work] = {
    "prepare": prepare,
    "draft": draft,
    "export": export,
    "frames": frames,
    "pack": pack,
    "evaluate": evaluate,
    "review": review,
}
