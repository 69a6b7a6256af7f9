"""The jobs of a dossier as its pages show them: followed while they run, stopped, and what comes after."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from api.access import Asked, csrf, page_dossier
from api.jobs import Job
from api.pages.rendering import go, is_fragment, render
from api.problems import Forbidden, NotFound
from api.server import Server, server_of

router = APIRouter(include_in_schema=False, prefix="/dossiers/{dossier}/travaux/{job}")
Reader = Annotated[Asked, Depends(page_dossier("read"))]
AtServer = Annotated[Server, Depends(server_of)]


def after(job: Job) -> tuple[str, str]:
    """(address, label) of where what a job did is seen."""
    home, result = f"/dossiers/{job.dossier}", job.result or {}
    if job.kind == "draft" and len(job.params["sections"]) == 1:
        return f"{home}/sections/{quote(job.params['sections'][0], safe='')}", "Lire le texte"
    if job.kind == "review" and "review" in result:
        return f"{home}/relecture/{quote(result['review'], safe='')}", "Lire la comparaison"
    if job.kind == "export" and "file" in result:
        return f"{home}/documents/fichiers/{quote(result['file'])}", "Télécharger"
    places = {
        "prepare": ("/acheteur", "Voir ce que l’acheteur impose"),
        "draft": ("/plan", "Voir le plan"),
        "evaluate": ("/evaluation", "Voir l’évaluation"),
        "review": ("/relecture", "Voir les relectures"),
    }
    end, label = places.get(job.kind, ("/documents", "Voir les documents"))
    return home + end, label


@router.get("")
def followed(request: Request, job: str, asked: Reader, server: AtServer) -> Response:
    """One job: a page, or the fragment that asks for itself while it runs."""
    found = _job(server, asked, job)
    template = "job_fragment.html.jinja" if is_fragment(request) else "job.html.jinja"
    return render(request, template, asked=asked, job=found, after=after)


@router.post("/annuler", dependencies=[Depends(csrf)])
def stop(request: Request, job: str, asked: Reader, server: AtServer) -> Response:
    """Stop a job: whoever asked for it may, and whoever may write here."""
    found = _job(server, asked, job)
    if found.by != asked.caller.user and not asked.may("write"):
        raise Forbidden("Seule la personne qui a demandé cette tâche peut l’arrêter")
    server.jobs.cancel(asked.dossier.root.name, found.id)
    server.journal.note(asked.caller.user, "cancel", dossier=asked.dossier.root.name, job=found.id)
    said = "L’arrêt est demandé : la phrase en cours se termine."
    return go(request, f"/dossiers/{asked.dossier.root.name}/travaux/{found.id}", said)


def _job(server: Server, asked: Asked, job: str) -> Job:
    found = server.jobs.get(asked.dossier.root.name, job)
    if found is None:
        raise NotFound("Cette tâche n’existe pas", where=job)
    return found
