"""What the buyer imposes: read beside its source, corrected in place."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from api.access import Asked, csrf, page_dossier
from api.jobs import Job
from api.pages.imposed import GROUPS, Entry, Group, entries, entry_at, weights_total
from api.pages.reading import documents_of, tender_of
from api.pages.rendering import go, is_fragment, render
from api.problems import Invalid, NotFound
from api.server import Server, server_of
from pipeline import run
from pipeline.errors import DossierError
from pipeline.french import typeset
from pipeline.records import Correction, Tender

router = APIRouter(prefix="/dossiers/{dossier}/acheteur", include_in_schema=False)
Reader = Annotated[Asked, Depends(page_dossier("read"))]
Writer = Annotated[Asked, Depends(page_dossier("write"))]
Shared = Annotated[Server, Depends(server_of)]
Pointer = Annotated[str, Query(alias="ou", max_length=300)]

ADDABLE: dict[Group, str] = {
    "deadlines": "une date",
    "criteria": "un critère",
    "selection_criteria": "un critère de sélection",
    "deliverables": "un livrable",
    "pieces": "une pièce à remettre",
    "format_rules": "une règle de forme",
    "distinctions": "une distinction",
}


@router.get("")
def buyer(request: Request, asked: Reader, server: Shared) -> Response:
    """Everything that was read."""
    tender = tender_of(asked.dossier)
    if tender is None:
        return render(
            request, "acheteur_vide.html.jinja", asked=asked, jobs=server.jobs.active(asked.dossier.root.name)
        )
    documents = documents_of(asked.dossier)
    return render(
        request,
        "acheteur.html.jinja",
        asked=asked,
        tender=tender,
        groups={group: entries(tender, documents, group) for group in GROUPS},
        addable=ADDABLE,
        totals={name: weights_total(getattr(tender, name)) for name in ("criteria", "selection_criteria")},
        correctors=correctors(asked),
        news=_last_reading(server, asked),
    )


@router.get("/questions.txt")
def questions(asked: Reader) -> Response:
    """The questions to ask the buyer, as a text to paste."""
    found = tender_of(asked.dossier) or Tender()
    lines = [f"{number}. {item.question}" for number, item in enumerate(found.inconsistencies, start=1)]
    headers = {"Content-Disposition": 'attachment; filename="questions.txt"', "X-Content-Type-Options": "nosniff"}
    return Response("\n\n".join(lines) + "\n", media_type="text/plain; charset=utf-8", headers=headers)


@router.get("/total")
def total(request: Request, asked: Reader, group: Annotated[Group, Query(alias="ou")]) -> Response:
    """The foot of a table of criteria."""
    if group not in ("criteria", "selection_criteria"):
        raise NotFound("Ce tableau n’a pas de total", where=group)
    found = weights_total(getattr(_read(asked), group))
    return render(request, "acheteur_total.html.jinja", asked=asked, group=group, total=found)


@router.get("/valeur")
def value(request: Request, asked: Reader, pointer: Pointer) -> Response:
    """One entry as it stands: where a person gives up correcting it."""
    entry = _entry(asked, pointer)
    if not is_fragment(request):
        return go(request, f"/dossiers/{asked.dossier.root.name}/acheteur#{entry.anchor}")
    return _row(request, asked, entry)


@router.get("/corriger")
def form(request: Request, asked: Writer, pointer: Pointer) -> Response:
    """The form that corrects an entry: in its place, or a page of its own."""
    return _form(request, asked, _entry(asked, pointer))


@router.post("/corriger", dependencies=[Depends(csrf)])
async def correct(request: Request, asked: Writer, server: Shared, pointer: Pointer) -> Response:
    """Take the corrections of an entry: only what the person changed."""
    sent = await request.form()
    entry = _entry(asked, pointer)
    texts = {item.pointer: str(sent.get(item.pointer, item.value))[:20_000] for item in entry.inputs}
    if sent.get("etat") != entry.state:
        return _form(request, asked, entry, {}, "Quelqu’un a changé cette valeur entre-temps : la voici.", 409)
    try:
        gone = [Correction(pointer=pointer, op="remove")]
        found = gone if sent.get("retirer") else _corrections(entry, texts)
        if found:
            _apply(server, asked, found)
    except ValueError:
        return _form(request, asked, entry, texts, "Un nombre est attendu pour le poids.", 422)
    except DossierError as error:
        return _form(request, asked, entry, texts, error.what, 422)
    back = f"/dossiers/{asked.dossier.root.name}/acheteur"
    if sent.get("retirer") or not is_fragment(request):
        return go(request, f"{back}#{entry.anchor}", "La correction est enregistrée." if found else "Rien n’a changé.")
    answer = _row(request, asked, _entry(asked, pointer))
    answer.headers["HX-Trigger"] = "corrige"
    return answer


@router.post("/ajouter", dependencies=[Depends(csrf)])
async def add(request: Request, asked: Writer, server: Shared, group: Annotated[Group, Query(alias="ou")]) -> Response:
    """Add what the reading missed."""
    text = str((await request.form()).get("texte", "")).strip()
    if group not in ADDABLE:
        raise NotFound("Rien ne s’ajoute ici", where=group)
    if not text:
        raise Invalid("Le texte est vide", remedy="Écrivez ce que demande l’acheteur.", field="texte")
    made: Any = {
        "deadlines": {"label": text, "date": None, "text": text},
        "criteria": {"label": text},
        "selection_criteria": {"label": text},
        "deliverables": {"code": "", "title": text},
    }.get(group, text)
    _apply(server, asked, [Correction(pointer=f"/{group}/-", value=made)])
    return go(request, f"/dossiers/{asked.dossier.root.name}/acheteur#{group}", "C’est ajouté : complétez-le.")


def _corrections(entry: Entry, texts: dict[str, str]) -> list[Correction]:
    changed = [item for item in entry.inputs if texts[item.pointer].strip().splitlines() != item.value.splitlines()]
    return [Correction(pointer=item.pointer, value=item.parsed(texts[item.pointer])) for item in changed]


def _apply(server: Server, asked: Asked, found: list[Correction]) -> None:
    run.correct_tender(asked.dossier, found, asked.caller.user)
    pointers = [item.pointer for item in found]
    server.journal.note(asked.caller.user, "correct", dossier=asked.dossier.root.name, fields=pointers)


def _read(asked: Asked) -> Tender:
    tender = tender_of(asked.dossier)
    if tender is None:
        raise NotFound("Ce dossier n’est pas encore lu")
    return tender


def _entry(asked: Asked, pointer: str) -> Entry:
    entry = entry_at(_read(asked), documents_of(asked.dossier), pointer)
    if entry is None:
        raise NotFound("Cette valeur n’existe pas ou plus", where=pointer)
    return entry


def _row(request: Request, asked: Asked, entry: Entry) -> Response:
    return render(request, "acheteur_ligne.html.jinja", asked=asked, entry=entry, correctors=correctors(asked))


def _form(
    request: Request,
    asked: Asked,
    entry: Entry,
    texts: dict[str, str] | None = None,
    error: str = "",
    status: int = 200,
) -> Response:
    template = "acheteur_corriger_ligne.html.jinja" if is_fragment(request) else "acheteur_corriger.html.jinja"
    status = 200 if is_fragment(request) else status  # htmx shows only what succeeds
    return render(request, template, status, asked=asked, entry=entry, texts=texts or {}, error=typeset(error))


def correctors(asked: Asked) -> dict[str, str]:
    """Who corrected what last, by pointer."""
    found: dict[str, str] = {}
    for line in asked.dossier.journal():
        if line["what"] == "correct" and line.get("by"):
            found |= {str(item["pointer"]): str(line["by"]) for item in line.get("changes", ())}
    return found


def _last_reading(server: Server, asked: Asked) -> Job | None:
    """The last reading that brought changes or conflicts."""
    done = [job for job in server.jobs.listed(asked.dossier.root.name) if job.kind == "prepare" and job.state == "done"]
    return next((job for job in done if job.result), None)
