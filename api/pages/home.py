"""The dossiers one may see, and beginning another by dropping its files."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, UploadFile
from starlette.requests import Request
from starlette.responses import Response

from api.access import Caller, by_session, csrf, visible
from api.overview import overview
from api.pages.rendering import go, render
from api.problems import Conflict, Invalid, WrongType
from api.routes.dossiers import make_dossier
from api.server import Server, server_of
from pipeline.errors import MemoireError

router = APIRouter(include_in_schema=False)
Shared = Annotated[Server, Depends(server_of)]
Signed = Annotated[Caller, Depends(by_session)]


@router.get("/")
def home(request: Request, server: Shared, caller: Signed) -> Response:
    """The soonest closing first; what is past comes last."""
    return _page(request, server, caller)


@router.post("/dossiers", dependencies=[Depends(csrf)])
def begin(
    request: Request,
    server: Shared,
    caller: Signed,
    files: Annotated[list[UploadFile], File()],
    name: Annotated[str, Form(max_length=120)] = "",
) -> Response:
    """Make a dossier of the files, named after the first where no name is given, and begin to read it."""
    chosen = name.strip() or next((_stem(file.filename or "") for file in files if file.filename), "")
    try:
        made = make_dossier(server, caller, chosen, files)
    except (Conflict, Invalid, WrongType) as error:
        return _page(request, server, caller, name=chosen, error=error)
    said = f"Le dossier est créé. {' '.join(made.left_out[:3])}".strip()
    return go(request, f"/dossiers/{made.id}", said)


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _page(
    request: Request, server: Server, caller: Caller, name: str = "", error: MemoireError | None = None
) -> Response:
    today = dt.date.today()
    found = [overview(server, asked, today) for asked in visible(server, caller)]
    past = [item for item in found if item.days_left is not None and item.days_left < 0]
    coming = [item for item in found if item not in past]
    coming.sort(key=lambda item: (item.closing is None, item.closing or "", item.id))
    past.sort(key=lambda item: item.closing or "", reverse=True)
    return render(
        request,
        "dossiers.html.jinja",
        int(getattr(error, "status", 200)),
        coming=coming,
        past=past,
        library=[path.name for path in server.library],
        name=name,
        error=error,
    )
