"""The document as it stands -> its scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import judge
from pipeline.coverage import cover, share
from pipeline.embed import Embedder
from pipeline.errors import PlanMissingError
from pipeline.export.word import to_docx
from pipeline.handed import cover_document, said_in
from pipeline.ingest import Progress
from pipeline.llm import LanguageModel
from pipeline.marks import with_mark
from pipeline.reader import Reader
from pipeline.readers.docx import read_docx
from pipeline.readers.form import form_of
from pipeline.readers.lines import with_contents
from pipeline.records import AcceptanceRate, Block, CoverageReport, Paragraph
from pipeline.run.document import layout_of, memoire_of, pages_of
from pipeline.run.drafting import secrets_of
from pipeline.run.reviewing import human_document
from pipeline.settings import Settings
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


def evaluate_dossier(dossier: Dossier, settings: Settings | None = None) -> CoverageReport:
    """Score the answer as it would be handed in: the exported document is read back for its headings and its form."""
    tender = read_consultation(dossier)
    memoire = memoire_of(dossier)
    written = to_docx(memoire, layout_of(dossier, settings or Settings()))
    blocks, _ = read_docx(written, "export")
    form = form_of(written).model_copy(update={"pages": pages_of(dossier, memoire)})
    headings = [block.text for block in blocks if block.kind == "heading"]
    models = sorted({f"{s.model}@{s.model_sha256[:12]}" for s in memoire.sections if s.model})
    prompts = sorted({s.prompt_sha256[:12] for s in memoire.sections if s.prompt_sha256})
    manifest = {"dossier": dossier.root.name, "models": ", ".join(models), "prompts": ", ".join(prompts)}
    secrets = [spelling for spelling, _ in secrets_of(dossier)]
    report = with_mark(cover(tender, memoire, headings, manifest, secrets, form), tender)
    _note_scores(dossier, report)
    return report.model_copy(update={"acceptance": acceptance(dossier)})


def evaluate_document(
    dossier: Dossier,
    path: Path,
    embedder: Embedder,
    reader: Reader | None = None,
    progress: Progress | None = None,
) -> CoverageReport:
    """Score any Word document against the buyer's plan and criteria, whoever wrote it; attentively with a ``reader``.
    No mark is simulated from it, as the reading of points is only indicative (pipeline/handed.py). ``progress`` is
    told (what, done, total). Raises DocumentError, ModelError."""
    tender = read_consultation(dossier)
    if not tender.plan:
        raise PlanMissingError(
            "Aucun plan imposé : il n'y a rien à quoi comparer ce document", where=dossier.consultation
        )
    manifest = {"dossier": dossier.root.name, "document": path.name, "embedder": embedder.identity}
    if reader:
        manifest["reader"] = reader.identity
    tell = (lambda done, total: progress("lecture", done, total)) if progress else None
    return cover_document(tender, _blocks(path), embedder, manifest, form_of(path.read_bytes()), reader, tell)


def judge_dossier(
    dossier: Dossier, report: CoverageReport, model: LanguageModel, runs: int, progress: Progress | None = None
) -> CoverageReport:
    """The report of :func:`evaluate_dossier` with a model's verdicts beside its own; nothing else of it changes.
    ``progress`` is told (what, done, total)."""
    texts = {p.id: _words(p) for section in memoire_of(dossier).sections for p in section.paragraphs}
    return _judged(report, texts, model, runs, progress)


def judge_document(
    dossier: Dossier,
    path: Path,
    report: CoverageReport,
    model: LanguageModel,
    runs: int,
    progress: Progress | None = None,
) -> CoverageReport:
    """The same for the report of :func:`evaluate_document`."""
    said = said_in(read_consultation(dossier), _blocks(path))
    return _judged(report, {f"§{n}": one.text for n, one in enumerate(said, start=1)}, model, runs, progress)


def _judged(
    report: CoverageReport, texts: Mapping[str, str], model: LanguageModel, runs: int, progress: Progress | None
) -> CoverageReport:
    tell = (lambda done, total: progress("jugement", done, total)) if progress else None
    return report.model_copy(update={"judge": judge.report_of(report.sections, texts, model, runs, tell)})


def _words(paragraph: Paragraph) -> str:
    """What a paragraph says; empty for a gap."""
    return " ".join([*(s.text for s in paragraph.sentences), *(" : ".join(row) for row in paragraph.rows)])


def _blocks(path: Path) -> list[Block]:
    return [block for block in with_contents(human_document(path).blocks) if block.kind != "toc"]


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
