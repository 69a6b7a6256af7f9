from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.server import create_server
from pipeline import run, settings
from pipeline.workspace import create
from tests.conftest import CORPUS


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    dossier, _ = create(tmp_path / "slh", [CORPUS / "dce" / "rc.pdf"], [])
    run.read_dossier(dossier)
    create(tmp_path / "neuf", [CORPUS / "dce" / "rc.pdf"], [])
    return TestClient(create_app(create_server(tmp_path, [], settings.load())))


def test_health_and_list(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/v1/dossiers").json() == [{"name": "neuf", "drafted": 0}, {"name": "slh", "drafted": 0}]


def test_what_was_read_and_the_document(client: TestClient) -> None:
    assert client.get("/v1/dossiers/slh/tender").json()["plan"][0]["number"] == "1"
    assert client.get("/v1/dossiers/slh/coverage").json()["metrics"]["plan_conformity"]["value"] == 1.0
    assert client.get("/v1/dossiers/slh/export.docx").content.startswith(b"PK")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/dossiers/absent/tender", 404),
        ("/v1/dossiers/slh/sections/1.1", 404),
        ("/v1/dossiers/..%2Fslh/tender", 404),
        ("/v1/dossiers/neuf/tender", 409),
    ],
)
def test_refusals_are_problems_in_french(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
