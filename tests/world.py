"""A small server of two dossiers and four users, whose time only the test moves."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, File, Form, Response, UploadFile
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel

from api.access import (
    Asked,
    Caller,
    Permission,
    SignInNeeded,
    api_dossier,
    by_key,
    by_session,
    csrf,
    page_dossier,
    signed_in,
)
from api.identity import Identity, Role, Session
from api.limits import guarded
from api.pages import signin
from api.problems import MEDIA_TYPE, Refusal, problem_of
from api.routes import users
from api.server import Server, create_server
from pipeline import settings
from pipeline.errors import MemoireError

START = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


class Clock:
    """A time that only the test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> dt.datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()

    def pass_(self, **time: float) -> None:
        self.now += dt.timedelta(**time)


PERMISSIONS: tuple[Permission, ...] = ("read", "review", "write", "manage")
API = {wanted: Depends(api_dossier(wanted)) for wanted in PERMISSIONS}
PAGE = {wanted: Depends(page_dossier(wanted)) for wanted in PERMISSIONS}


class Text(BaseModel):
    text: str


def application(server: Server, clock: Clock) -> FastAPI:
    """The routes of this module and a few that stand for the others'."""
    app = FastAPI()
    app.state.server = server
    app.include_router(users.router)
    app.include_router(signin.router)
    app.add_exception_handler(SignInNeeded, signin.to_sign_in)

    @app.exception_handler(MemoireError)
    def refused(request: object, error: MemoireError) -> JSONResponse:
        headers = error.headers if isinstance(error, Refusal) else {}
        problem = problem_of(error)
        return JSONResponse(problem.model_dump(), problem.status, headers, media_type=MEDIA_TYPE)

    def permissions(wanted: Permission) -> None:
        @app.get(f"/v1/dossiers/{{dossier}}/{wanted}")
        def api(asked: Asked = API[wanted]) -> str:
            return asked.role

        @app.get(f"/dossiers/{{dossier}}/{wanted}")
        def page(asked: Asked = PAGE[wanted]) -> str:
            return asked.role

    for wanted in PERMISSIONS:
        permissions(wanted)

    @app.get("/health")
    def health() -> str:
        return "ok"

    @app.get("/v1/broken")
    def broken() -> None:
        raise ZeroDivisionError("le texte d'un marché")

    @app.get("/moi")
    def mine(session: Annotated[Session, Depends(signed_in)]) -> str:
        return session.csrf

    @app.get("/static/memoire.css")
    def style() -> Response:
        return Response("", media_type="text/css")

    @app.post("/ecrire", dependencies=[Depends(csrf)])
    def write(caller: Annotated[Caller, Depends(by_session)], text: Annotated[str, Form()] = "") -> str:
        return f"{caller.user} {text}"

    @app.post("/v1/echo")
    def echo(caller: Annotated[Caller, Depends(by_key)], body: Text) -> int:
        return len(body.text)

    @app.post("/v1/dossiers")
    def upload(caller: Annotated[Caller, Depends(by_key)], file: Annotated[UploadFile, File()]) -> int:
        return len(file.file.read())

    guarded(app, server, clock.seconds)
    return app


class World:
    """A server with two dossiers: of « ecole » paul is writer, rene reviewer, ada admin; jeanne administers all."""

    def __init__(self, root: Path, clock: Clock, *overrides: str) -> None:
        self.clock = clock
        loaded = settings.load(overrides=["serve.hosts=testserver", *overrides])
        self.server = create_server(root, [], loaded)
        self.identity = Identity(root / ".serveur" / "memoire.db", session_hours=loaded.serve.session_hours, now=clock)
        self.server = dataclasses.replace(self.server, identity=self.identity)
        for name in ("ecole", "mairie"):
            (root / name).mkdir(exist_ok=True)
            (root / name / "dossier.yaml").write_text("library: []\n", encoding="utf-8")
        self.keys = {}
        for name in ("jeanne", "paul", "rene", "ada"):
            self.identity.add_user(name, admin=name == "jeanne")
            self.keys[name] = self.identity.add_key(name, "", None)[1]
        roles: dict[str, Role] = {"paul": "writer", "rene": "reviewer", "ada": "admin"}
        for name, role in roles.items():
            self.identity.grant("ecole", name, role)
        self.app = application(self.server, clock)

    def client(self, user: str | None = None, session: str | None = None, **options: Any) -> TestClient:
        made = TestClient(self.app, follow_redirects=False, **options)
        if user:
            made.headers["Authorization"] = f"Bearer {self.keys[user]}"
        if session:
            made.cookies.set("memoire", self.identity.open_session(session)[0])
        return made

    def journal(self) -> str:
        return (self.server.state / "journal.jsonl").read_text(encoding="utf-8")


def sign_in(client: TestClient, name: str, key: str, suite: str = "/", **options: Any) -> Any:
    word = re.search(r'name="_csrf" value="([^"]+)"', client.get("/connexion").text)
    assert word
    data = {"username": name, "password": key, "suite": suite, "_csrf": word[1]}
    return client.post("/connexion", data=data, **options)
