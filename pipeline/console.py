"""What a terminal shows: progress, results, JSON. The commands themselves are in cli.py and commands/."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from pipeline.errors import SettingsError
from pipeline.export.text import LABELS, STATES, acceptance_lines, judge_lines, mark_lines, verdict_counts
from pipeline.french import french_date
from pipeline.records import CoverageReport, FramePlace, FrameReport, JudgeReport

if TYPE_CHECKING:  # they load the search libraries, which most commands do without
    from pipeline.inventory import Inventory
    from pipeline.run import Indexed, Taken

LONG_STAGE = 2000
"""Files or passages from which progress is told away from a terminal: more than half a minute of work."""

ASKED = 90
"""Characters shown of what a place of a frame asks."""

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

FormatOption = Annotated[str, typer.Option("--format", help="text ou json.")]


def known_format(form: str, *known: str) -> None:
    """Raises SettingsError where a command has no such format."""
    if form not in known:
        raise SettingsError(f"Format « {form} » inconnu", remedy=f"Formats : {', '.join(known)}.")


def say_index(done: Indexed, seconds: float) -> None:
    for line in done.ingested.unread:
        err.print(line, markup=False)
    if done.set_aside:
        err.print(
            f"L'ancien index, abîmé ou fait par un autre modèle, est mis de côté : {done.set_aside}.", markup=False
        )
    kinds = {kind: done.counts.get(kind, 0) for kind in ("dce", "response", "component", "firm")}
    out.print(
        f"{sum(kinds.values())} passages ({kinds['dce']} du DCE, {kinds['response']} de réponses antérieures, "
        f"{kinds['component']} de fiches de composants, {kinds['firm']} de l'entreprise) ; {done.ingested.changed} "
        f"documents lus, {done.ingested.embedded} passages nouveaux, en {seconds:.0f} s.",
        markup=False,
    )


def show_library(found: Inventory, dossiers: int) -> None:
    names = {
        "response": "Réponses antérieures",
        "component": "Fiches de composants",
        "firm": "Faits de l'entreprise",
    }
    notices: dict[str, list[str]] = {}
    for item in found.items:
        for said in item.notices:
            notices.setdefault(said, []).append(item.document)
    if notices:
        out.print("À revoir avant de s'en servir", style="bold")
        for said, documents in sorted(notices.items(), key=lambda pair: -len(pair[1])):
            more = f" et {len(documents) - 4} autres" if len(documents) > 5 else ""
            shown = documents if len(documents) <= 5 else documents[:4]
            out.print(f"  {said} ({', '.join(shown)}{more})", markup=False, style="yellow")
    for kind, title in names.items():
        items = [item for item in found.items if item.kind == kind]
        unused = sum(item.used == 0 for item in items)
        counts = f"{len(items)} documents, {sum(item.passages for item in items)} passages, {unused} jamais utilisés"
        out.print(f"\n{title} : {counts}", style="bold")
        for item in items:
            client = f"{item.client}{' (confidentiel)' if item.confidential else ''}" if item.client else None
            about = ", ".join(part for part in (client, french_date(item.date) if item.date else None) if part)
            used = f"{item.used} utilisés" if item.used else "jamais utilisé"
            line = f"  {item.document}{f' – {about}' if about else ''} : {item.passages} passages, {used}"
            out.print(line, markup=False)
    if found.alike:
        out.print(f"\nPassages presque identiques : {len(found.alike)}", style="bold")
        for pair in found.alike:
            places = " et ".join(f"{p.document}{f', p. {p.page}' if p.page else ''}" for p in (pair.first, pair.second))
            out.print(f"  {places} : « {pair.first.text[:100]} »", markup=False)
    several = "s" if dossiers > 1 else ""
    out.print(f"\nUtilisé ou non : d'après les brouillons de {dossiers} dossier{several}.", markup=False)


def counted(done: int, total: int) -> None:
    """Progress of a reading, on a terminal only and for many files."""
    if err.is_terminal and total > 8:
        err.print(f"{done} fichiers lus sur {total}", end="\r" if done < total else "\n", markup=False)


@contextlib.contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """A bar a stage on a terminal; elsewhere a line each tenth of a long stage."""
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:g}/{task.total:g}")
    bar = Progress(*columns, console=err, transient=True)
    tasks: dict[str, TaskID] = {}
    said: dict[str, int] = {}

    def tell(stage: str, done: int, total: int) -> None:
        if err.is_terminal:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage.capitalize(), total=total)
            bar.update(tasks[stage], completed=done)
        elif total == 1 and not done:
            err.print(f"{stage.capitalize()}…", markup=False)
        elif total >= LONG_STAGE and 10 * done // total > said.get(stage, 0):
            said[stage] = 10 * done // total
            err.print(f"{stage} : {done} sur {total}", markup=False)

    if err.is_terminal:
        bar.start()
    try:
        yield tell
    finally:
        bar.stop()


def show_report(report: CoverageReport) -> None:
    for name, metric in report.metrics.items():
        span = f" [{percent(metric.interval[0])} – {percent(metric.interval[1])}]" if metric.interval else ""
        unscored = f", {metric.unscored} sans mesure" if metric.unscored else ""
        out.print(f"{LABELS[name]} : {percent(metric.value)}{span} (n = {metric.n}{unscored})", markup=False)
    for line in (*mark_lines(report), *acceptance_lines(report)):
        out.print(line, markup=False)
    if report.checks:
        out.print(f"À corriger : {len(report.checks)}", markup=False)
        for check in report.checks[:10]:
            out.print(f"  {check.paragraph or check.section or 'tout le document'}  {check.message}", markup=False)
    missing = [(s.number, p.text) for s in report.sections for p in s.points if p.verdict == "missing"]
    if missing:
        out.print(f"Points manquants : {len(missing)}", markup=False)
        for number, text in missing[:10]:
            out.print(f"  {number}  {text}", markup=False)
    if report.judge:
        _show_judge(report.judge)


def _show_judge(judge: JudgeReport) -> None:
    out.print(f"\n{judge_lines(judge)[0]}", markup=False, style="bold")
    for line in judge_lines(judge)[1:]:
        out.print(line, markup=False)
    out.print(judge.caution, markup=False, style="yellow")
    if judge.disagreements:
        table = Table("Section", "Point", "Mesures", "Juge", "À l'appui du juge", title="Désaccords")
        for point in judge.disagreements:
            said = (point.number, point.point, STATES[point.scored], STATES[point.judged], " … ".join(point.quotes))
            table.add_row(*map(Text, said))
        out.print(table)


def show_frame(report: FrameReport) -> None:
    places = len(report.filled) + len(report.left) + len(report.not_understood)
    out.print(f"{report.frame} → {report.written}", markup=False, style="bold")
    out.print(
        f"{places} places de réponse : {len(report.filled)} remplies, {len(report.left)} à remplir par une personne, "
        f"{len(report.not_understood)} non comprises.",
        markup=False,
    )
    for filling in report.filled:
        score = f"{filling.score:.1f}".rstrip("0").rstrip(".").replace(".", ",")
        out.print(f"  Rempli : {_asked(filling.place)} ← {filling.source} (ressemblance {score} sur 100)", markup=False)
    reasons: dict[str, list[str]] = {}
    for item in report.left:
        reasons.setdefault(item.reason, []).append(_asked(item.place))
    for place in report.not_understood:
        reasons.setdefault("Non compris : à remplir par une personne.", []).append(_asked(place))
    for reason, asked in reasons.items():
        out.print(f"  {reason}", markup=False, style="yellow")
        for line in asked:
            out.print(f"    {line}", markup=False)
    for remark in report.remarks:
        out.print(f"  {remark}", markup=False, style="yellow")


def _asked(place: FramePlace) -> str:
    """Where a place is and what it asks, on a line."""
    label = place.label if len(place.label) <= ASKED else f"{place.label[:ASKED].rsplit(' ', 1)[0]}…"
    return f"{place.where} : « {label} »" if label else place.where


def say_accepted(done: Taken) -> None:
    for section in done.sections:
        accepted = section.accepted
        if accepted is None:
            continue
        signed = f" ; validée par {accepted.validated_by}" if accepted.validated_by else ""
        counts = verdict_counts(accepted.verdicts)
        out.print(f"{section.number} {section.title} : {counts}{signed}.", markup=False)
    if done.unchanged:
        out.print(f"Déjà reprises : {', '.join(done.unchanged)}.", markup=False)
    kept = f", dont {done.kept} ajoutées à la bibliothèque ; relancez « memoire index »" if done.kept else ""
    out.print(f"{len(done.sections)} sections reprises, {done.answered} questions répondues{kept}.", markup=False)


def accepted_json(done: Taken) -> dict[str, Any]:
    """What « memoire accept --format json » prints."""
    return {
        "sections": [
            {
                "number": section.number,
                "title": section.title,
                **(section.accepted.model_dump(mode="json") if section.accepted else {}),
                "findings": [finding.model_dump(mode="json") for finding in section.findings],
            }
            for section in done.sections
        ],
        "unchanged": list(done.unchanged),
        "remarks": list(done.remarks),
        "answers": {"found": done.answered, "kept": done.kept},
    }


def percent(value: float | None) -> str:
    return "non mesuré" if value is None else f"{100 * value:.1f} %".replace(".", ",")


def print_json(value: Any) -> None:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


class SentenceBar:
    """On a terminal, a bar of the sentences written: tokens a second, time left. Elsewhere nothing."""

    def __init__(self) -> None:
        columns = TextColumn("Rédaction"), BarColumn(), TextColumn("{task.completed:g}/{task.total:g} phrases")
        rest = TextColumn("{task.fields[rate]}"), TextColumn("{task.fields[left]}")
        self._bar = Progress(*columns, *rest, console=err, transient=True)
        self._task: TaskID | None = None

    def __enter__(self) -> Callable[[Any], None]:
        return self._tell

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _tell(self, at: Any) -> None:
        if not err.is_terminal:
            return
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task("", total=at.of, rate="", left="")
        left = at.seconds / at.done * (at.of - at.done) if at.done else 0
        rate = at.tokens / at.seconds if at.seconds else 0
        said = f"encore {left / 60:.0f} min" if at.done else ""
        self._bar.update(self._task, completed=at.done, rate=f"{rate:.0f} jetons/s", left=said)
