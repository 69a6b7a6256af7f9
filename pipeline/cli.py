"""The command line: parse, call, print. Exit codes: 0 done, 1 a check fell short, 2 wrong use or bad input,
130 interrupted."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import getpass
import sys
import time
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pipeline import settings as settings_module
from pipeline import weights
from pipeline.commands.doctor import doctor
from pipeline.commands.models import models_app
from pipeline.commands.serve import serve, worker
from pipeline.commands.users import users_app
from pipeline.console import (
    FormatOption,
    SentenceBar,
    accepted_json,
    counted,
    err,
    known_format,
    out,
    percent,
    print_json,
    say_accepted,
    say_index,
    show_frame,
    show_library,
    show_report,
    stages,
)
from pipeline.errors import DossierError, MemoireError, SettingsError
from pipeline.export import reading
from pipeline.export.text import report_to_html, report_to_junit, review_to_html, review_totals
from pipeline.records import Conflict
from pipeline.settings import ROOT, Settings

app = typer.Typer(
    help="Rédige le mémoire technique d'un marché public, sur vos machines, chaque phrase avec sa source.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(models_app, name="models")
app.add_typer(users_app, name="users")

DossierPath = Annotated[Path, typer.Argument(metavar="DOSSIER", help="Dossier de la consultation.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="GROUPE.NOM=VALEUR", help="Change un réglage pour cette fois."),
]


@app.command()
def new(
    dossier: DossierPath,
    dce: Annotated[
        list[Path], typer.Option("--dce", metavar="CHEMIN", help="Pièce ou dossier de pièces de l'acheteur.")
    ],
    library: Annotated[
        list[Path] | None, typer.Option("--library", metavar="CHEMIN", help="Bibliothèque de l'entreprise.")
    ] = None,
) -> None:
    """Crée un dossier : un par consultation, qui contient tout."""
    from pipeline.workspace import create

    made, left = create(dossier, dce, library or [])
    for line in left:
        err.print(line, markup=False)
    out.print(f"Dossier créé : {made.root} ({len(made.dce_files())} pièces).", markup=False)


@app.command()
def read(
    paths: Annotated[list[Path], typer.Argument(metavar="DOSSIER ou FICHIER…", help="Un dossier, ou des fichiers.")],
    form: Annotated[str, typer.Option("--format", help="text, json ou html.")] = "text",
    ask: Annotated[
        bool,
        typer.Option("--propose", help="Demande au modèle local ce que les règles n'ont pas trouvé, en citations."),
    ] = False,
    set_: Set = None,
) -> None:
    """Lit ce que l'acheteur impose : plan, critères, exigences, dates."""
    from pipeline import run
    from pipeline.errors import DocumentError
    from pipeline.propose import propose
    from pipeline.readers import read_all
    from pipeline.tender import read_tender
    from pipeline.workspace import open_dossier

    known_format(form, "text", "json", "html")
    conflicts: tuple[Conflict, ...] = ()
    in_dossier = len(paths) == 1 and paths[0].is_dir()
    settings = settings_module.load(paths[0] if in_dossier else None, set_ or [])
    model = (lambda: run.load_model(settings)) if ask else None
    if in_dossier:
        result = run.read_dossier(open_dossier(paths[0]), counted, model)
        tender, unread, conflicts = result.tender, list(result.unread), result.conflicts
        for line in (*reading.changed(result.changes, tender), *reading.conflicting(conflicts)):
            err.print(line, markup=False)
    else:
        documents, unread = read_all(paths, "dce", counted)
        if not documents:
            raise DocumentError(unread[0].rstrip("."))
        tender = read_tender(documents)
        tender = propose(tender, documents, model) if model else tender
    for line in unread:
        err.print(line, markup=False)
    today = dt.date.today()
    if form == "json":
        told = {"conflicts": [item.model_dump() for item in conflicts]} if in_dossier else {}
        print_json({**tender.model_dump(mode="json"), **told})
    elif form == "html":
        sys.stdout.write(reading.to_html(tender, today))
    else:
        for style, line in reading.lines(tender, today):
            out.print(line, markup=False, style=style or None)
        if in_dossier:
            where = paths[0] / "consultation.yaml"
            out.print(f"\nÉcrit dans {where} ; corrigez ce fichier à la main si besoin.", markup=False)


@app.command()
def index(dossier: DossierPath, set_: Set = None) -> None:
    """Découpe et indexe les pièces et la bibliothèque ; ne refait que ce qui a changé."""
    from pipeline import run
    from pipeline.workspace import open_dossier

    folder, settings = open_dossier(dossier), settings_module.load(dossier, set_ or [])
    started = time.monotonic()
    with stages() as progress:
        done = run.index_dossier(folder, run.load_embedder(settings), settings, progress)
    say_index(done, time.monotonic() - started)


@app.command()
def search(
    dossier: DossierPath,
    question: Annotated[str, typer.Argument(metavar="QUESTION")],
    k: Annotated[int, typer.Option("--k", min=1, max=100, help="Nombre de passages.")] = 5,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", help="Ne chercher que dans : dce, response, component, firm. Répétable."),
    ] = None,
    lot: Annotated[str | None, typer.Option("--lot", help="Laisse de côté ce qui ne concerne qu'un autre lot.")] = None,
    document: Annotated[
        str | None, typer.Option("--document", help="Ne chercher que dans les fichiers dont le nom contient ce texte.")
    ] = None,
    form: FormatOption = "text",
    set_: Set = None,
) -> None:
    """Cherche des passages."""
    from pipeline import run
    from pipeline.library import notice
    from pipeline.retrieve import ALL, Filters
    from pipeline.workspace import open_dossier

    known_format(form, "text", "json")
    unknown = [name for name in kind or () if name not in ALL]
    if unknown:
        raise SettingsError(f"Nature de passage inconnue : {unknown[0]}", remedy=f"Connues : {', '.join(ALL)}.")
    kinds = [name for name in ALL if not kind or name in kind]
    folder, settings = open_dossier(dossier), settings_module.load(dossier, set_ or [])
    filters = Filters(kinds, lot, document)
    embedder = run.load_embedder(settings)
    reranker = run.load_reranker(embedder, settings)
    hits = run.search_dossier(folder, question, k, embedder, settings, filters, reranker)
    today = dt.date.today()
    if form == "json":
        found = [
            {
                "passage": h.passage.id,
                "kind": h.passage.kind,
                "document": h.passage.document,
                "page": h.passage.page,
                "article": h.passage.article,
                "text": h.passage.text,
                "score": h.score,
                "start": h.passage.start,
                "end": h.passage.end,
                "lot": h.passage.lot,
                "client": h.passage.client,
                "confidential": h.passage.client_alias is not None,
                "notice": notice(h.passage, today, settings.library.stale_months),
            }
            for h in hits
        ]
        print_json({"hits": found})
        return
    for number, hit in enumerate(hits, start=1):
        page = f", p. {hit.passage.page}" if hit.passage.page is not None else ""
        out.print(
            f"{number}. {hit.passage.document}{page} – {hit.passage.article or ''}",
            markup=False,
            style="bold",
        )
        said = notice(hit.passage, today, settings.library.stale_months)
        if said:
            out.print(f"   Attention : {said}.", markup=False, style="yellow")
        if hit.passage.client_alias:
            line = f"   Client confidentiel, à citer ainsi : « {hit.passage.client_alias} »."
            out.print(line, markup=False, style="yellow")
        out.print(f"   {hit.passage.text}", markup=False)
    if not hits:
        err.print("Rien dans le DCE ni dans la bibliothèque ne parle de cela.", markup=False)


@app.command()
def library(
    dossiers: Annotated[
        list[Path],
        typer.Argument(metavar="DOSSIER…", help="Des dossiers indexés ; la bibliothèque est celle du premier."),
    ],
    form: FormatOption = "text",
    set_: Set = None,
) -> None:
    """Dit ce que contient la bibliothèque, ce qui est périmé, ce qui n'a pas servi, ce qui se répète."""
    from pipeline import run
    from pipeline.workspace import open_dossier

    known_format(form, "text", "json")
    settings = settings_module.load(dossiers[0], set_ or [])
    folders = [open_dossier(path) for path in dossiers]
    found = run.library_of(folders, run.load_embedder(settings), settings)
    if form == "json":
        alike = [
            {"share": pair.share, "passages": [p.model_dump() for p in (pair.first, pair.second)]}
            for pair in found.alike
        ]
        print_json({"documents": [dataclasses.asdict(item) for item in found.items], "alike": alike})
        return
    show_library(found, len(folders))


@app.command()
def draft(
    dossier: DossierPath,
    section: Annotated[list[str] | None, typer.Option("--section", metavar="5.3", help="Section ou chapitre.")] = None,
    deliverable: Annotated[
        list[str] | None, typer.Option("--deliverable", metavar="L6", help="Livrable à rédiger au lieu du mémoire.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Rédige de nouveau même si rien n'a changé.")] = False,
    instruction: Annotated[
        str,
        typer.Option("--instruction", metavar="TEXTE", help="Comment l'écrire : « plus court ». N'ajoute aucun fait."),
    ] = "",
    set_: Set = None,
) -> None:
    """Rédige les sections ; reprend où il s'était arrêté ; n'écrase jamais un texte modifié à la main."""
    from pipeline.workspace import open_dossier

    folder, settings = open_dossier(dossier), settings_module.load(dossier, set_ or [])
    if section or not deliverable:
        _draft(folder, section or [], settings, force, instruction=instruction)
    for code in deliverable or []:
        _draft(folder, [], settings, force, code, instruction)


def _draft(
    dossier: Any,
    sections: list[str],
    settings: Settings,
    force: bool = False,
    deliverable: str | None = None,
    instruction: str = "",
) -> None:
    from pipeline import run

    started = time.monotonic()
    count = 0
    with stages() as choosing:
        choice = run.choose_apart(dossier, settings, deliverable, choosing)
    with SentenceBar() as progress:
        work = run.draft_dossier(
            dossier,
            choice,
            sections,
            lambda: run.load_model(settings),
            settings,
            force=force,
            progress=progress,
            instruction=instruction,
        )
        for done in work:
            count += 1
            drafted, path = done.section, done.path
            gaps = sum(p.gap is not None for p in drafted.paragraphs)
            note = f", {gaps} à compléter" if gaps else ""
            if done.locked_by:
                line = f"{drafted.number} {drafted.title} : verrouillée par {done.locked_by}, laissée telle quelle."
            elif path is None:
                line = f"{drafted.number} {drafted.title} : à jour."
            else:
                beside = f" (texte modifié à la main : proposé dans {path.name})" if "proposed" in path.name else ""
                said = sum(len(p.sentences) for p in drafted.paragraphs)
                points = len(drafted.brief.points)
                line = f"{drafted.number} {drafted.title} : {points} points, {said} phrases{note}{beside}."
            out.print(line, markup=False)
    out.print(f"{count} sections en {time.monotonic() - started:.0f} s.", markup=False)


SectionName = Annotated[str, typer.Argument(metavar="SECTION", help="Numéro de la section.")]
By = Annotated[str, typer.Option("--by", metavar="NOM", help="Qui le fait ; par défaut, le compte de la machine.")]


@app.command()
def lock(dossier: DossierPath, section: SectionName, by: By = "") -> None:
    """Garde une section pour soi : rien ne la rédige et personne d'autre ne l'écrit."""
    from pipeline import run
    from pipeline.workspace import open_dossier

    held = run.lock_section(open_dossier(dossier), section, by or getpass.getuser())
    out.print(f"Section {section} verrouillée par {held.by}.", markup=False)


@app.command()
def unlock(dossier: DossierPath, section: SectionName, by: By = "") -> None:
    """Déverrouille une section, qui que ce soit qui l'ait verrouillée."""
    from pipeline import run
    from pipeline.workspace import open_dossier

    held = run.unlock_section(open_dossier(dossier), section, by or getpass.getuser())
    told = f"Section {section} déverrouillée (elle l'était par {held.by})." if held else "Elle n'était pas verrouillée."
    out.print(told, markup=False)


@app.command()
def export(
    dossier: DossierPath,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FICHIER")] = None,
    form: Annotated[str, typer.Option("--format", help="docx, pdf, md ou html.")] = "docx",
    deliverable: Annotated[
        str | None, typer.Option("--deliverable", metavar="L6", help="Livrable à écrire au lieu du mémoire.")
    ] = None,
    chapter: Annotated[
        str | None, typer.Option("--chapter", metavar="4", help="Seulement ce chapitre ou cette section.")
    ] = None,
    set_: Set = None,
) -> None:
    """Écrit le document dans le plan de l'acheteur ; en Word et en PDF, sa table des matières a ses pages."""
    from pipeline import run
    from pipeline.workspace import open_dossier

    known_format(form, "docx", "pdf", "md", "html")
    folder, settings = open_dossier(dossier), settings_module.load(dossier, set_ or [])
    done = run.export_dossier(folder, output, form, settings, deliverable=deliverable, chapter=chapter)  # type: ignore[arg-type]
    _say_export(done)


def _say_export(done: Any) -> None:
    pages = "" if done.pages is None else f", {done.pages} pages"
    out.print(f"Document écrit : {done.path}{pages}", markup=False)
    if done.pages and done.limit:
        over = done.pages > done.limit
        told = f"Limite de l'acheteur : {done.limit} pages{' ; elle est dépassée.' if over else '.'}"
        out.print(told, markup=False, style="yellow" if over else None)
    if done.path.suffix == ".docx" and done.pages is None:
        told = "LibreOffice n'est pas installé : Word calculera les pages de la table des matières à l'ouverture."
        out.print(told, markup=False)


@app.command()
def template(
    path: Annotated[Path, typer.Argument(metavar="MODÈLE.docx", help="Où l'écrire.")],
) -> None:
    """Écrit le modèle Word livré, à mettre à votre charte puis à désigner par le réglage export.template."""
    from pipeline.export.template import shipped

    if path.exists():
        raise DossierError("Ce fichier existe déjà", where=path, remedy="Donnez un autre nom.")
    weights.write_whole(path, shipped())
    out.print(f"Modèle écrit : {path}", markup=False)


@app.command()
def pack(
    dossier: DossierPath,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FICHIER.zip", help="Par défaut : export/pli.zip.")
    ] = None,
    piece: Annotated[
        list[Path] | None,
        typer.Option(
            "--piece", metavar="FICHIER", help="Pièce à joindre, en plus de celles de DOSSIER/pieces/. Répétable."
        ),
    ] = None,
    candidate: Annotated[
        str, typer.Option("--candidate", metavar="NOM", help="Nom du candidat, pour les fichiers.")
    ] = "",
    lot: Annotated[str, typer.Option("--lot", metavar="N", help="Numéro du lot, pour les fichiers.")] = "",
    pdf: Annotated[bool, typer.Option("--pdf", help="Nos documents en PDF au lieu de Word.")] = False,
    form: FormatOption = "text",
    set_: Set = None,
) -> None:
    """Prépare le pli : les fichiers nommés comme l'acheteur le veut, en ZIP, et la liste des pièces à côté.

    Sort en 1 si une pièce obligatoire manque, reste à remplir ou est périmée, 0 sinon.
    """
    from pipeline import run
    from pipeline.export import checklist
    from pipeline.pack.names import Bidder
    from pipeline.workspace import open_dossier

    known_format(form, "text", "json")
    folder, settings = open_dossier(dossier), settings_module.load(dossier, set_ or [])
    kind: Literal["docx", "pdf"] = "pdf" if pdf else "docx"
    done = run.pack_dossier(folder, output, piece or [], Bidder(candidate, lot), settings, kind)
    if form == "json":
        print_json({**done.pack.model_dump(mode="json"), "complete": done.pack.complete, "zip": str(done.zip)})
    else:
        for style, line in checklist.lines(done.pack):
            out.print(line, markup=False, style=style or None)
        out.print(f"\nPli : {done.zip}\nListe des pièces : {done.page}", markup=False)
    if not done.pack.complete:
        raise typer.Exit(1)


@app.command()
def frames(
    dossier: DossierPath,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="CADRE…", help="Cadres de l'acheteur, DOCX ou XLSX ; par défaut ceux du dossier."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DOSSIER_DE_SORTIE", help="Par défaut : export/cadres.")
    ] = None,
    form: FormatOption = "text",
) -> None:
    """Remplit les cadres de l'acheteur avec le mémoire ; prix et signatures restent à une personne."""
    from pipeline import run
    from pipeline.workspace import open_dossier

    known_format(form, "text", "json")
    folder = open_dossier(dossier)
    named = [path if path.exists() or not (folder.dce / path).exists() else folder.dce / path for path in paths or []]
    chosen = named or run.frames_of(folder)
    if not chosen:
        raise DossierError(
            "Aucun cadre à remplir parmi les pièces lues",
            where=folder.dce,
            remedy="Nommez-le : « memoire frames DOSSIER FICHIER », ou corrigez « documents » dans consultation.yaml.",
        )
    reports = run.fill_frames(folder, chosen, output)
    if form == "json":
        print_json({"frames": [report.model_dump(mode="json") for report in reports]})
    for report in reports:
        if report.refused:
            err.print(report.refused, markup=False)
        elif form == "text":
            show_frame(report)
    if any(report.refused for report in reports) and (named or not any(report.written for report in reports)):
        raise typer.Exit(2)


@app.command("eval")
def evaluate(
    dossier: DossierPath,
    form: Annotated[str, typer.Option("--format", help="text, json, junit ou html.")] = "text",
    fail_under: Annotated[
        float | None,
        typer.Option("--fail-under", min=0, max=1, help="Sort en 1 si la couverture est inférieure."),
    ] = None,
    document: Annotated[
        Path | None,
        typer.Option("--document", metavar="FICHIER.docx", help="Un mémoire écrit ailleurs, au lieu des brouillons."),
    ] = None,
    attentive: Annotated[
        bool,
        typer.Option(
            "--attentive", help="Avec --document : lit aussi avec le modèle de rédaction ; plus juste, plus long."
        ),
    ] = False,
    judge: Annotated[
        bool, typer.Option("--judge", help="Montre aussi, à côté, ce qu'un modèle de langage dit de chaque point.")
    ] = False,
    runs: Annotated[
        int, typer.Option("--runs", metavar="N", min=1, max=6, help="Combien de fois le modèle est interrogé.")
    ] = 3,
    set_: Set = None,
) -> None:
    """Mesure la couverture du plan et des critères."""
    from pipeline import run
    from pipeline.handed import CAUTION, CAUTION_ATTENTIVE
    from pipeline.workspace import open_dossier

    known_format(form, "text", "json", "junit", "html")
    folder, settings = open_dossier(dossier), settings_module.load(dossier, set_ or [])
    if attentive and not document:
        raise SettingsError(
            "--attentive lit un mémoire écrit ailleurs ; les brouillons sont suivis par leurs citations",
            remedy="Donnez --document, ou retirez --attentive.",
        )
    if document:
        with contextlib.ExitStack() as stack:
            reader = stack.enter_context(run.attentive_reader(settings)) if attentive else None
            progress = stack.enter_context(stages()) if attentive else None
            report = run.evaluate_document(folder, document, run.load_embedder(settings), reader, progress)
        err.print(CAUTION_ATTENTIVE if attentive else CAUTION, markup=False, style="yellow")
    else:
        report = run.evaluate_dossier(folder, settings)
    if judge:
        with stages() as progress, contextlib.closing(run.load_model(settings)) as model:
            report = (
                run.judge_document(folder, document, report, model, runs, progress)
                if document
                else run.judge_dossier(folder, report, model, runs, progress)
            )
    if form == "json":
        print_json(report)
    elif form == "junit":
        sys.stdout.write(report_to_junit(report))
    elif form == "html":
        sys.stdout.write(report_to_html(report, dossier.name, [] if document else run.trend(folder)))
    else:
        show_report(report)
    metric = (
        report.metrics["weighted_coverage"]
        if report.metrics["weighted_coverage"].n
        else report.metrics["point_coverage"]
    )
    if fail_under is not None and (metric.value is None or metric.value < fail_under):
        err.print(f"Couverture {percent(metric.value)}, sous le seuil de {percent(fail_under)}.", markup=False)
        raise typer.Exit(1)


@app.command()
def diff(
    dossier: DossierPath,
    human: Annotated[Path, typer.Argument(metavar="HUMAIN.docx", help="Le document relu et corrigé.")],
    page: Annotated[Path | None, typer.Option("--html", metavar="FICHIER", help="Écrit aussi une page HTML.")] = None,
    tracked: Annotated[
        Path | None,
        typer.Option("--tracked", metavar="FICHIER.docx", help="Écrit un Word avec le suivi des modifications."),
    ] = None,
    form: FormatOption = "text",
    set_: Set = None,
) -> None:
    """Compare le texte généré avec le texte humain, paragraphe par paragraphe."""
    from pipeline import run
    from pipeline.workspace import open_dossier

    known_format(form, "text", "json")
    folder, settings = open_dossier(dossier), settings_module.load(dossier, set_ or [])
    found = run.review_dossier(folder, human, settings)
    if page:
        weights.write_whole(page, review_to_html(found, human.name))
    if tracked:
        run.track_changes(folder, human, tracked, settings)
    if form == "json":
        print_json(found)
        return
    for remark in found.remarks:
        out.print(remark, markup=False, style="yellow")
    for name, value in review_totals(found):
        out.print(f"{name} : {value}", markup=False)
    for section in found.sections:
        for row in section.paragraphs:
            for change in row.figures:
                line = f"Chiffre changé en {section.number} : {change.before or 'aucun'} → {change.after or 'aucun'}"
                out.print(line, markup=False, style="yellow")
            for comment in row.comments:
                who = comment.author or "Un relecteur"
                out.print(f"Commentaire en {section.number or 'tête'}, {who} : {comment.text}", markup=False)


@app.command()
def accept(
    dossier: DossierPath,
    human: Annotated[Path, typer.Argument(metavar="HUMAIN.docx", help="Le document relu et corrigé.")],
    section: Annotated[list[str] | None, typer.Option("--section", metavar="4.2", help="Section ou chapitre.")] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="NOM", help="Qui rend ce texte.")] = None,
    keep_answers: Annotated[
        bool,
        typer.Option("--keep-answers", help="Garde les réponses aux questions dans la bibliothèque de l'entreprise."),
    ] = False,
    validate: Annotated[
        bool, typer.Option("--validate", help="La personne nommée par --by valide ces sections.")
    ] = False,
    form: FormatOption = "text",
    set_: Set = None,
) -> None:
    """Reprend le texte humain dans le dossier ; il n'est plus jamais écrasé, et l'ancien reste dans les versions."""
    from pipeline import run
    from pipeline.workspace import open_dossier

    known_format(form, "text", "json")
    folder, settings = open_dossier(dossier), settings_module.load(dossier, set_ or [])
    done = run.accept_dossier(
        folder, human, section or [], by=by, validate=validate, keep=keep_answers, settings=settings
    )
    if form == "json":
        print_json(accepted_json(done))
        return
    for line in done.remarks:
        err.print(line, markup=False)
    say_accepted(done)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--folder", help="Où faire le dossier d'exemple.")] = Path("demo"),
    section: Annotated[
        list[str] | None, typer.Option("--section", metavar="4.3", help="Seulement ces sections.")
    ] = None,
) -> None:
    """Fait tout le travail sur le dossier d'exemple et dit où sont le document et le rapport."""
    from pipeline import run
    from pipeline.workspace import create, open_dossier

    settings = settings_module.load(folder if folder.is_dir() else None)
    corpus = ROOT / "corpus"
    if not (folder / "dossier.yaml").is_file():
        create(folder, [corpus / "dce"], [corpus / "library"])
    dossier = open_dossier(folder)
    tender = run.read_dossier(dossier).tender
    out.print(
        f"Lu : {len(tender.plan)} titres imposés, {len(tender.criteria)} critères, "
        f"{len(tender.requirements)} exigences."
    )
    started = time.monotonic()
    with stages() as progress:
        done = run.index_dossier(dossier, run.load_embedder(settings), settings, progress)
    say_index(done, time.monotonic() - started)
    _draft(dossier, section or [], settings)
    document = run.export_dossier(dossier, None, "docx", settings).path
    report = run.evaluate_dossier(dossier, settings)
    page = dossier.export / "couverture.html"
    weights.write_whole(page, report_to_html(report, tender.object or folder.name, run.trend(dossier)))
    show_report(report)
    out.print(f"\nDocument Word : {document.resolve()}\nRapport de couverture : {page.resolve()}", markup=False)


for command in (doctor, serve, worker):  # last in the help, after the work on a dossier
    app.command()(command)


def main() -> None:
    """Entry point: one clear line and the right exit code for every expected failure."""
    warnings.simplefilter("ignore")
    try:
        code = app(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except (KeyboardInterrupt, typer.Abort):
        err.print("Interrompu. Ce qui était terminé est enregistré ; relancez la même commande pour continuer.")
        sys.exit(130)
    except MemoireError as error:
        err.print(str(error), markup=False)
        sys.exit(2)
    except OSError as error:
        line = DossierError(f"Écriture ou lecture impossible : {error.strerror or error}", where=error.filename)
        err.print(str(line), markup=False)
        sys.exit(2)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        err.print(_usage(error), markup=False)
        sys.exit(2)


def _usage(error: Any) -> str:
    """typer's usage errors, whose texts are English, as one French line."""
    parameter = getattr(error, "param", None)
    name = getattr(parameter, "metavar", None) or next(iter(getattr(parameter, "opts", None) or []), "")
    said = {
        "MissingParameter": f"Il manque {name or 'un argument'}.",
        "NoSuchOption": f"Option inconnue : {getattr(error, 'option_name', '')}.",
        "BadParameter": f"Valeur refusée pour {name or 'un argument'}.",
        "BadOptionUsage": f"Option mal utilisée : {getattr(error, 'option_name', '')}.",
    }.get(type(error).__name__, "Commande inconnue ou mal écrite.")
    return f"{said} Voyez « memoire --help »."
