"""A server over real dossiers, without its worker: what the tests of the API and of its edges share."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.app import create_app
from api.identity import Role
from api.server import Server, create_server
from pipeline import run, settings
from pipeline.export.word import to_docx
from pipeline.workspace import create, open_dossier
from tests.conftest import CORPUS

WORD = "memoire-relu.docx"


@dataclass(frozen=True)
class Served:
    """« ecole » is ana's: read, one section written and changed, one review, one export, one job that waits; « mairie »
    is ben's: made, not read. carla administers the server, rene reviews « ecole »."""

    server: Server
    app: FastAPI
    keys: dict[str, str]
    section: str
    """Number of the section of « ecole » that has a text."""

    def client(self, user: str = "", address: str = "127.0.0.1") -> TestClient:
        headers = {"Authorization": f"Bearer {self.keys[user]}"} if user else {}
        return TestClient(
            self.app, headers=headers, client=(address, 50000), follow_redirects=False, raise_server_exceptions=False
        )


def serve(root: Path, *overrides: str) -> Served:
    """The server in an empty folder."""
    loaded = settings.load(overrides=["serve.hosts=testserver", "serve.rate_burst=100000", *overrides])
    server = create_server(root, [], loaded)
    keys = {}
    for name in ("carla", "ana", "ben", "rene"):
        server.identity.add_user(name, admin=name == "carla")
        keys[name] = server.identity.add_key(name, "", None)[1]
    grants: tuple[tuple[str, str, Role], ...] = (
        ("ecole", "ana", "admin"),
        ("ecole", "rene", "reviewer"),
        ("mairie", "ben", "admin"),
    )
    for dossier, user, role in grants:
        server.identity.grant(dossier, user, role)
    ecole, _ = create(root / "ecole", [CORPUS / "dce" / "rc.pdf"], [])
    create(root / "mairie", [CORPUS / "dce" / "rc.pdf"], [])
    run.read_dossier(ecole)
    number = next(state.number for state in run.section_states(ecole) if state.points)
    for text in ("Nous tenons une astreinte de 6 techniciens.", "Nous tenons une astreinte de 8 techniciens."):
        run.write_text(ecole, number, text, by="ana")
    received = ecole.root / "reviews" / "recus" / WORD
    received.parent.mkdir()
    received.write_bytes(to_docx(run.memoire_of(ecole)))
    run.keep_review(ecole, received)
    (ecole.export / "memoire.md").write_text("# Mémoire\n", encoding="utf-8")
    server.jobs.submit("ecole", "draft", {"sections": [number]}, lane="llm:x", by="ana")
    return Served(server, create_app(server), keys, number)


def again(made: Served, root: Path, *overrides: str) -> Served:
    """The same world, copied, so that a test may change it."""
    shutil.copytree(made.server.root, root)
    loaded = settings.load(overrides=["serve.hosts=testserver", "serve.rate_burst=100000", *overrides])
    server = create_server(root, [], loaded)
    open_dossier(root / "ecole")
    return Served(server, create_app(server), made.keys, made.section)
