"""A dossier at a glance: what to do next, how far it is, its pieces, its members."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, get_args

from fastapi import APIRouter, Depends, File, Form, Query, UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from api.access import Asked, csrf, page_dossier
from api.asking import ask
from api.identity import Role
from api.overview import overview
from api.pages.reading import tender_of
from api.pages.rendering import go, render
from api.problems import Invalid
from api.routes.dossiers import download
from api.schemas import DossierInfo
from api.server import Server, server_of
from api.uploads import received
from pipeline import run
from pipeline.records import PlanNode, Tender

router = APIRouter(prefix="/dossiers/{dossier}", include_in_schema=False)
Reader = Annotated[Asked, Depends(page_dossier("read"))]
Writer = Annotated[Asked, Depends(page_dossier("write"))]
Manager = Annotated[Asked, Depends(page_dossier("manage"))]
Shared = Annotated[Server, Depends(server_of)]

EVENTS = {
    "new": "Dossier créé",
    "read": "Dossier lu",
    "index": "Passages indexés",
    "draft": "Section rédigée",
    "accept": "Texte d’une personne repris",
    "correct": "Valeur de l’acheteur corrigée",
    "review": "Document relu comparé",
    "export": "Document exporté",
    "frames": "Cadres de l’acheteur remplis",
    "pack": "Pli assemblé",
    "answer": "Question complétée",
    "lock": "Section verrouillée",
    "unlock": "Section déverrouillée",
    "files": "Pièces ajoutées",
}
"""What the dossier's journal calls its lines, in French; others are shown as they are."""
LAST = 12
"""Lines of the journal shown."""


@dataclass(frozen=True)
class Chapter:
    """A chapter of the plan and how far it is."""

    node: PlanNode
    sections: int
    drafted: int
    points: int
    covered: int
    gaps: int


@dataclass(frozen=True)
class Step:
    """What is to be done next."""

    title: str
    why: str
    address: str
    label: str
    form: bool = False
    """Whether it is asked by a form rather than opened."""


@dataclass(frozen=True)
class Event:
    """A line of the journal."""

    when: str
    what: str
    about: str
    by: str


@router.get("")
def dossier(request: Request, asked: Reader, server: Shared) -> Response:
    """The overview."""
    info = overview(server, asked, dt.date.today())
    tender = tender_of(asked.dossier)
    name = asked.dossier.root.name
    jobs = server.jobs.listed(name)
    ended = [job for job in jobs if job.finished]
    return render(
        request,
        "dossier_vue.html.jinja",
        asked=asked,
        info=info,
        step=next_step(info, tender),
        chapters=chapters(asked, tender) if tender else [],
        events=events(asked),
        jobs=[*server.jobs.active(name), *[job for job in ended if job.state == "failed"][:1]],
        pieces=[
            (path.relative_to(asked.dossier.dce).as_posix(), path.stat().st_size) for path in asked.dossier.dce_files()
        ],
        members=server.identity.grants(name),
        people=[user.name for user in server.identity.users() if user.enabled] if asked.role == "admin" else [],
        roles=get_args(Role),
    )


def next_step(info: DossierInfo, tender: Tender | None) -> Step | None:
    """The one thing that moves the dossier on; ``None`` while it is being read."""
    here = f"/dossiers/{info.id}"
    if tender is None or not info.indexed:
        if any(job.kind == "prepare" for job in info.active):
            return None
        return Step("Lire le dossier", "Ses pièces ne sont pas encore lues et indexées.", f"{here}/lire", "Lire", True)
    if not tender.plan:
        why = "Aucun plan imposé n’a été trouvé : vérifiez la nature des pièces, ou donnez un plan."
        return Step("Donner un plan", why, f"{here}/acheteur#documents", "Voir les pièces")
    if info.drafted == 0:
        why = "Relisez ce qui a été lu, corrigez au besoin, puis faites rédiger une première section."
        return Step("Vérifier ce que l’acheteur impose", why, f"{here}/acheteur", "Vérifier")
    if info.drafted < info.sections:
        why = f"{info.drafted} sections sur {info.sections} sont rédigées."
        return Step("Continuer la rédaction", why, f"{here}/plan", "Ouvrir le plan")
    if info.gaps:
        why = f"{info.gaps} questions attendent une réponse de l’entreprise."
        return Step("Compléter ce qui manque", why, f"{here}/plan", "Ouvrir le plan")
    why = "Tout est rédigé : évaluez, relisez, puis exportez."
    return Step("Relire et exporter", why, f"{here}/documents", "Exporter")


def chapters(asked: Asked, tender: Tender) -> list[Chapter]:
    """The chapters of the plan with what their sections have."""
    states = {state.number: state for state in run.section_states(asked.dossier)}
    found: list[Chapter] = []
    groups: list[tuple[PlanNode, list[PlanNode]]] = []
    for node in tender.plan:
        if node.level == 1 or not groups:
            groups.append((node, []))
        groups[-1][1].append(node)
    for head, nodes in groups:
        mine = [
            state for node in nodes if (state := states.get(node.name)) and (state.points or state.status != "empty")
        ]
        found.append(
            Chapter(
                head,
                len(mine),
                sum(state.status != "empty" for state in mine),
                sum(state.points for state in mine),
                sum(state.covered for state in mine),
                sum(state.gaps for state in mine),
            )
        )
    return found


def events(asked: Asked) -> list[Event]:
    """The last lines of the dossier's journal, newest first."""
    return [
        Event(
            str(line.get("when", "")),
            EVENTS.get(str(line["what"]), str(line["what"])),
            str(line.get("section") or line.get("human") or ""),
            str(line.get("by") or ""),
        )
        for line in reversed(asked.dossier.journal()[-LAST:])
    ]


@router.post("/lire", dependencies=[Depends(csrf)])
def read(request: Request, asked: Writer, server: Shared) -> Response:
    """Read and index again."""
    ask(server, asked, "prepare", {})
    return go(request, f"/dossiers/{asked.dossier.root.name}")


@router.post("/pieces", dependencies=[Depends(csrf)])
def add_pieces(request: Request, asked: Writer, server: Shared, files: Annotated[list[UploadFile], File()]) -> Response:
    """More of the DCE: kept beside what is there, then read."""
    with received(server, files) as paths:
        told = run.add_files(asked.dossier, paths)
    name = asked.dossier.root.name
    server.journal.note(asked.caller.user, "files", dossier=name, files=len(files))
    ask(server, asked, "prepare", {})
    return go(request, f"/dossiers/{name}", " ".join(["Les pièces sont reçues ; elles vont être lues.", *told[:3]]))


@router.get("/pieces/telecharger")
def piece(asked: Reader, nom: Annotated[str, Query(max_length=500)]) -> FileResponse:
    """A document of the buyer, as it was sent: always to save, never shown."""
    answer = download(asked.dossier.dce, asked.dossier.dce_files(), nom)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


@router.post("/membres", dependencies=[Depends(csrf)])
def set_member(
    request: Request,
    asked: Manager,
    server: Shared,
    user: Annotated[str, Form(max_length=100)],
    role: Annotated[Role, Form()],
) -> Response:
    """Give someone a role in the dossier."""
    if user not in {person.name for person in server.identity.users()}:
        raise Invalid("Cette personne n’existe pas", where=user, remedy="Choisissez-la dans la liste.", field="user")
    name = asked.dossier.root.name
    server.identity.grant(name, user, role)
    server.journal.note(asked.caller.user, "grant", dossier=name, user=user, role=role)
    return go(request, f"/dossiers/{name}#membres", f"Le rôle de {user} est enregistré.")


@router.post("/membres/retirer", dependencies=[Depends(csrf)])
def remove_member(
    request: Request, asked: Manager, server: Shared, user: Annotated[str, Form(max_length=100)]
) -> Response:
    """Take someone out of the dossier."""
    name = asked.dossier.root.name
    server.identity.ungrant(name, user)
    server.journal.note(asked.caller.user, "ungrant", dossier=name, user=user)
    return go(request, f"/dossiers/{name}#membres", f"{user} n’a plus accès au dossier.")
