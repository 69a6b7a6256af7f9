"""A section: read with its sources, answered, edited, locked, compared with what it was, asked for again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query
from starlette.requests import Request
from starlette.responses import Response

from api.access import Asked, csrf, page_dossier
from api.pages.rendering import go, is_fragment, render
from api.pages.section_view import exhibits, view
from api.pages.sources import KINDS
from api.pages.working import asked_for, line, shown
from api.problems import NotFound
from api.server import Server, server_of
from pipeline import run
from pipeline.errors import MemoireError, StaleTextError
from pipeline.export.figures import to_png
from pipeline.outline import briefs_of
from pipeline.records import PlanNode, Section, Tender
from pipeline.workspace import read_consultation, read_draft

router = APIRouter(include_in_schema=False, prefix="/dossiers/{dossier}/sections/{number}")
Reader = Annotated[Asked, Depends(page_dossier("read"))]
Reviewer = Annotated[Asked, Depends(page_dossier("review"))]
Writer = Annotated[Asked, Depends(page_dossier("write"))]
AtServer = Annotated[Server, Depends(server_of)]
LONGEST = 400_000
"""Characters of a form; the pipeline refuses a text of half of it with its own words, and the text is not lost."""


@router.get("")
def section(request: Request, number: str, asked: Reader, server: AtServer) -> Response:
    """The text with its sources."""
    return _page(request, asked, server, number)


def _page(
    request: Request, asked: Asked, server: Server, number: str, error: str = "", answered: dict[str, str] | None = None
) -> Response:
    """The page; ``answered``: an answer that was refused, by its paragraph, so that it is not lost."""
    dossier = asked.dossier
    tender = read_consultation(dossier)
    node = _known(tender, number)
    briefs = {brief.number: brief for brief in briefs_of(tender)}
    names = list(briefs)
    at = names.index(number) if number in briefs else None
    found = read_draft(dossier, number)
    jobs = [j for j in shown(server, dossier, "draft") if _concerns(j.params["sections"], number)]
    return render(
        request,
        "section.html.jinja",
        409 if error else 200,
        asked=asked,
        node=node,
        brief=found.brief if found else briefs.get(number),
        section=found,
        view=view(found, tender) if found else None,
        previous=names[at - 1] if at else None,
        following=names[at + 1] if at is not None and at + 1 < len(names) else None,
        lock=run.section_lock(dossier, number),
        versions=run.section_versions(dossier, number),
        jobs=jobs,
        error=error,
        answered=answered or {},
    )


def _concerns(sections: list[str], number: str) -> bool:
    return not sections or any(number == name or number.startswith(f"{name}.") for name in sections)


def _known(tender: Tender, number: str) -> PlanNode:
    node = next((node for node in tender.plan if node.name == number), None)
    if node is None:
        raise NotFound("Cette section n’est pas dans le plan", where=number)
    return node


def _drafted(asked: Asked, number: str) -> Section:
    _known(read_consultation(asked.dossier), number)
    found = read_draft(asked.dossier, number)
    if found is None:
        raise NotFound("Cette section n’est pas rédigée", where=number)
    return found


def _address(asked: Asked, number: str) -> str:
    return f"/dossiers/{asked.dossier.root.name}/sections/{number}"


# --- tables and diagrams -----------------------------------------------------------------------------------


@router.get("/complements")
def complements(request: Request, number: str, asked: Reader) -> Response:
    """The tables and diagrams of the section, apart: they need the whole document put together."""
    found = exhibits(run.memoire_of(asked.dossier), _drafted(asked, number))
    return render(
        request,
        "section_exhibits.html.jinja",
        asked=asked,
        number=number,
        exhibits=found,
        whole=not is_fragment(request),
    )


@router.get("/sources/{passage}")
def source_panel(request: Request, number: str, passage: str, asked: Reader) -> Response:
    """A passage the section cites in the text of its page, to be read beside the section."""
    found = next((item for item in _drafted(asked, number).passages if item.id == passage), None)
    if found is None:
        raise NotFound("Cette section ne cite pas ce passage", where=passage)
    return render(
        request, "source_panel.html.jinja", asked=asked, passage=found, view=run.source_of(asked.dossier, found),
        kinds=KINDS,
    )  # fmt: skip


@router.get("/figures/{place}.png")
def figure(number: str, place: int, asked: Reader) -> Response:
    """A diagram of the section; ``place`` counts from 1."""
    found = exhibits(run.memoire_of(asked.dossier), _drafted(asked, number)).figures
    if not 1 <= place <= len(found):
        raise NotFound("Ce schéma n’existe pas", where=place)
    headers = {"Cache-Control": "private, max-age=60", "X-Content-Type-Options": "nosniff"}
    return Response(to_png(found[place - 1]), media_type="image/png", headers=headers)


# --- what people write -------------------------------------------------------------------------------------


@router.get("/modifier")
def edit(request: Request, number: str, asked: Writer) -> Response:
    """The text to change."""
    return _editor(request, asked, number, _text(asked, number))


def _text(asked: Asked, number: str) -> str:
    found = read_draft(asked.dossier, number)
    return run.text_of(found) if found else ""


def _editor(
    request: Request, asked: Asked, number: str, text: str, theirs: str | None = None, error: str = ""
) -> Response:
    """The editor; ``theirs``: what the section says by now, where it is no longer what ``text`` was begun from."""
    tender = read_consultation(asked.dossier)
    found = read_draft(asked.dossier, number)
    return render(
        request,
        "section_edit.html.jinja",
        409 if error or theirs is not None else 200,
        asked=asked,
        node=_known(tender, number),
        text=text,
        base=run.draft_sha256(asked.dossier, number),
        theirs=theirs,
        error=error,
        view=view(found, tender) if found else None,
        lock=run.section_lock(asked.dossier, number),
    )


@router.post("/texte", dependencies=[Depends(csrf)])
def write(
    request: Request,
    number: str,
    asked: Writer,
    server: AtServer,
    base: Annotated[str, Form(max_length=64)],
    text: Annotated[str, Form(max_length=LONGEST)] = "",
) -> Response:
    """Take a person's text. Where the section is no longer what they began from, both texts are shown instead."""
    _known(read_consultation(asked.dossier), number)
    text = text.replace("\r\n", "\n")
    try:
        taken = run.write_text(asked.dossier, number, text, by=asked.caller.user, base=base)
    except StaleTextError:
        return _editor(request, asked, number, text, theirs=_text(asked, number))
    except MemoireError as error:
        return _editor(request, asked, number, text, error=line(error))
    _note(server, asked, "text", number)
    told = "Votre texte est enregistré ; celui d’avant est dans les versions."
    if not taken.sections:
        told = "Rien n’a changé : c’était déjà le texte de la section."
    return go(request, _address(asked, number), " ".join([told, *taken.remarks]))


def _note(server: Server, asked: Asked, what: str, number: str) -> None:
    server.journal.note(asked.caller.user, what, dossier=asked.dossier.root.name, section=number)


@router.post("/reponse", dependencies=[Depends(csrf)])
def answer_gap(
    request: Request,
    number: str,
    asked: Writer,
    server: AtServer,
    paragraph: Annotated[str, Form(max_length=200)],
    answer: Annotated[str, Form(max_length=LONGEST)] = "",
    keep: Annotated[bool, Form()] = False,
) -> Response:
    """Answer a question of the draft where it stands."""
    _known(read_consultation(asked.dossier), number)
    try:
        taken = run.answer_gap(asked.dossier, number, paragraph, answer, by=asked.caller.user, keep=keep)
    except MemoireError as error:
        return _page(request, asked, server, number, line(error), {paragraph: answer})
    _note(server, asked, "answer", number)
    kept = " et gardée dans la bibliothèque" if taken.kept else ""
    return go(request, f"{_address(asked, number)}#p-{paragraph}", f"Votre réponse est dans la section{kept}.")


@router.post("/valider", dependencies=[Depends(csrf)])
def validate(request: Request, number: str, asked: Reviewer, server: AtServer) -> Response:
    """Answer for the section."""
    told = "La section est validée en votre nom."
    return _done(
        request, asked, server, number, "validate", told,
        lambda: run.validate_section(asked.dossier, number, by=asked.caller.user),
    )  # fmt: skip


@router.post("/verrou", dependencies=[Depends(csrf)])
def lock(request: Request, number: str, asked: Reviewer, server: AtServer) -> Response:
    """Lock the section."""
    told = "La section est verrouillée : rien ne la récrira."
    return _done(
        request, asked, server, number, "lock", told,
        lambda: run.lock_section(asked.dossier, number, asked.caller.user),
    )  # fmt: skip


@router.post("/deverrou", dependencies=[Depends(csrf)])
def unlock(request: Request, number: str, asked: Writer, server: AtServer) -> Response:
    """Unlock it."""
    told = "La section n’est plus verrouillée."
    return _done(
        request, asked, server, number, "unlock", told,
        lambda: run.unlock_section(asked.dossier, number, asked.caller.user),
    )  # fmt: skip


def _done(
    request: Request, asked: Asked, server: Server, number: str, what: str, told: str, work: Callable[[], object]
) -> Response:
    _known(read_consultation(asked.dossier), number)
    try:
        work()
    except MemoireError as error:
        return _page(request, asked, server, number, line(error))
    _note(server, asked, what, number)
    return go(request, _address(asked, number), told)


@router.post("/rediger", dependencies=[Depends(csrf)])
def draft_again(
    request: Request,
    number: str,
    asked: Writer,
    server: AtServer,
    instruction: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Ask for the section, again where it is drafted."""
    _known(read_consultation(asked.dossier), number)
    params = {"sections": [number], "force": True, "instruction": instruction.strip()}
    asked_for(server, asked, "draft", params)
    return go(request, f"{_address(asked, number)}#travaux")


# --- versions ----------------------------------------------------------------------------------------------


@router.get("/versions")
def versions(
    request: Request,
    number: str,
    asked: Reader,
    a: Annotated[str, Query(max_length=80)] = "",
    b: Annotated[str, Query(max_length=80)] = "",
) -> Response:
    """What the section was, and two of its versions side by side: the last two where none is named."""
    node = _known(read_consultation(asked.dossier), number)
    listed = run.section_versions(asked.dossier, number)
    names = [version.id for version in listed]
    unknown = next((name for name in (a, b) if name and name not in names), None)
    if unknown:
        raise NotFound("Cette version n’existe pas", where=unknown)
    after = b or ("proposee" if len(names) == 2 and "proposee" in names else "actuelle")
    before = a or next((name for name in names if name not in (after, "proposee")), "")
    both = before in names and after in names and before != after
    return render(
        request,
        "section_versions.html.jinja",
        asked=asked,
        node=node,
        versions=listed,
        a=before,
        b=after,
        compared=run.compare_versions(asked.dossier, number, before, after).paragraphs if both else None,
        lock=run.section_lock(asked.dossier, number),
    )


@router.post("/versions/restaurer", dependencies=[Depends(csrf)])
def restore(
    request: Request, number: str, asked: Writer, server: AtServer, version: Annotated[str, Form(max_length=80)]
) -> Response:
    """Make a version the section again; « proposee » adopts the draft proposed beside a person's text."""
    told = "Cette version est de nouveau le texte de la section ; celui d’avant est dans les versions."
    return _done(
        request, asked, server, number, "restore", told,
        lambda: run.restore_version(asked.dossier, number, version, by=asked.caller.user),
    )  # fmt: skip
