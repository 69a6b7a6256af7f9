"""The document as it stands -> its scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.coverage import cover, share
from pipeline.embed import Embedder
from pipeline.errors import PlanMissingError
from pipeline.export.word import to_docx
from pipeline.handed import cover_document
from pipeline.marks import with_mark
from pipeline.readers.docx import read_docx
from pipeline.readers.lines import with_contents
from pipeline.records import AcceptanceRate, CoverageReport
from pipeline.run.document import memoire_of
from pipeline.run.drafting import secrets_of
from pipeline.run.reviewing import human_document
from pipeline.workspace import Dossier, read_consultation


def acceptance(dossier: Dossier) -> tuple[AcceptanceRate, ...]:
    """How much people kept of what each model wrote with each prompt; a section counts once for each, as it was last
    accepted."""
    last = {
        (line["model"], line["model_sha256"], line["prompt_sha256"], line["section"]): line
        for line in dossier.journal()
        if line["what"] == "accept" and line["words_kept"] is not None
    }
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for (*made_with, _), line in last.items():
        groups.setdefault((made_with[0], made_with[1], made_with[2]), []).append(line)
    return tuple(
        AcceptanceRate(
            model=model,
            model_sha256=sha256,
            prompt_sha256=prompt,
            kept=share([line["words_kept"] for line in lines]),
            chrf=share([line["chrf"] for line in lines]).value,
        )
        for (model, sha256, prompt), lines in sorted(groups.items())
    )


def evaluate_dossier(dossier: Dossier) -> CoverageReport:
    """Score the answer as it would be handed in: the exported document is read back for its headings."""
    tender = read_consultation(dossier)
    memoire = memoire_of(dossier)
    blocks, _ = read_docx(to_docx(memoire), "export")
    headings = [block.text for block in blocks if block.kind == "heading"]
    models = sorted({f"{s.model}@{s.model_sha256[:12]}" for s in memoire.sections if s.model})
    prompts = sorted({s.prompt_sha256[:12] for s in memoire.sections if s.prompt_sha256})
    manifest = {"dossier": dossier.root.name, "models": ", ".join(models), "prompts": ", ".join(prompts)}
    report = with_mark(cover(tender, memoire, headings, manifest, [form for form, _ in secrets_of(dossier)]), tender)
    _note_scores(dossier, report)
    return report.model_copy(update={"acceptance": acceptance(dossier)})


def evaluate_document(dossier: Dossier, path: Path, embedder: Embedder) -> CoverageReport:
    """Score any Word document against the buyer's plan and criteria, whoever wrote it. No mark is simulated from it, as
    the reading of points is only indicative (pipeline/handed.py). Raises DocumentError."""
    tender = read_consultation(dossier)
    if not tender.plan:
        raise PlanMissingError(
            "Aucun plan imposé : il n'y a rien à quoi comparer ce document", where=dossier.consultation
        )
    blocks = [block for block in with_contents(human_document(path).blocks) if block.kind != "toc"]
    manifest = {"dossier": dossier.root.name, "document": path.name, "embedder": embedder.identity}
    return cover_document(tender, blocks, embedder, manifest)


def _note_scores(dossier: Dossier, report: CoverageReport) -> None:
    """Keep the scores in the journal, once for each state of the drafts: what the trend is drawn from."""
    scores = {name: round(m.value, 6) for name, m in report.metrics.items() if m.value is not None}
    last = next((line for line in reversed(dossier.journal()) if line["what"] == "eval"), None)
    if last is None or last["scores"] != scores:
        dossier.note("eval", scores=scores, **report.manifest)


def trend(dossier: Dossier) -> list[tuple[str, float]]:
    """(when, weighted coverage, or coverage of points where no criterion weighs) of each evaluation kept."""
    kept = [line for line in dossier.journal() if line["what"] == "eval"]
    told = [
        (line["when"], line["scores"].get("weighted_coverage", line["scores"].get("point_coverage"))) for line in kept
    ]
    return [(when, value) for when, value in told if value is not None]
