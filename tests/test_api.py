"""The JSON API, held to its own description: who is let in, what is refused and how, and that nothing breaks it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api import searching
from api.client import Client, RefusedError
from tests.conftest import CORPUS
from tests.fakes import HashEmbedder
from tests.served import WORD, Served, again, serve

OPEN = ("/health", "/ready")
EXAMPLES = 15
"""Requests to each operation."""
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
UNSAFE_FILE = ("relu.docx", b"PK\x03\x04", "application/octet-stream")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return serve(tmp_path_factory.mktemp("made") / "dossiers")


@pytest.fixture
def served(made: Served, tmp_path: Path) -> Served:
    return again(made, tmp_path / "dossiers")


def operations(served: Served) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation) of the whole description."""
    told = served.client("carla").get("/v1/openapi.json").json()
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def address(served: Served, path: str, dossier: str = "ecole") -> str:
    """The path with names that exist in « ecole »."""
    jobs = served.server.jobs.listed("ecole")
    ecole = served.server.root / "ecole"
    names = {
        "dossier": dossier,
        "number": served.section,
        "version": "actuelle",
        "other": "actuelle",
        "job": jobs[0].id,
        "review": next(path.stem for path in (ecole / "reviews").glob("*.json")),
        "passage": "0" * 12,
        "user": "ana",
        "key": "0" * 12,
    }
    for name, value in names.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path, path
    return path


def send(client: TestClient, method: str, path: str, operation: dict[str, Any], **more: Any) -> Any:
    """A request of the content type the operation wants, whose fields may be wrong."""
    content = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in content:
        return client.request(method, path, files={"file": UNSAFE_FILE, "files": UNSAFE_FILE}, **more)
    if "application/json" in content:
        return client.request(method, path, json={}, **more)
    return client.request(method, path, **more)


# --- who is let in -----------------------------------------------------------------------------------------


def test_nothing_answers_without_a_key_but_health(made: Served) -> None:
    asked = 0
    for number, (method, path, operation) in enumerate(operations(made)):
        if path in OPEN:
            continue
        stranger = made.client(address=f"10.0.0.{number % 250}")
        where = address(made, path)
        assert send(stranger, method, where, operation).status_code == 401, (method, path)
        wrong = {"Authorization": "Bearer mk_000000000000_" + "x" * 43}
        answer = send(stranger, method, where, operation, headers=wrong)
        assert (answer.status_code, answer.json()["code"]) == (401, "cle-absente-ou-refusee"), (method, path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Bearer" in answer.headers["www-authenticate"]
        asked += 1
    assert asked > 40
    for path in ("/metrics", "/v1/openapi.json"):
        assert made.client(address="10.0.1.1").get(path).status_code == 401


def test_another_s_dossier_is_not_there(made: Served) -> None:
    """Every route of a dossier, with every name that exists in it, for somebody it is not open to."""
    stranger, asked = made.client("ben"), 0
    absent = {
        send(stranger, "GET", "/v1/dossiers/nulle-part", {}).content,
    }
    for method, path, operation in operations(made):
        if "{dossier}" not in path:
            continue
        answer = send(stranger, method, address(made, path), operation)
        assert answer.status_code == 404, (method, path, answer.text)
        assert answer.content in absent, "the refusal must not tell an existing dossier from another"
        asked += 1
    assert asked > 30


def test_names_of_another_dossier_are_not_there_in_mine(made: Served) -> None:
    """ben in his own dossier, with the names of ana's: her jobs, reviews, sections, passages."""
    mine, asked = made.client("ben"), 0
    for method, path, operation in operations(made):
        if not path.startswith("/v1/dossiers/{dossier}/") or path.count("{") < 2 or "{user}" in path:
            continue
        answer = send(mine, method, address(made, path, "mairie"), operation)
        assert answer.status_code in (404, 409, 422), (method, path, answer.text)
        assert "techniciens" not in answer.text
        asked += 1
    assert asked > 10


def test_a_reviewer_reads_and_reviews_and_no_more(served: Served) -> None:
    rene, base = served.client("rene"), "/v1/dossiers/ecole"
    assert rene.get(f"{base}/sections").status_code == 200
    text = {"text": "Autre chose."}
    assert rene.put(f"{base}/sections/{served.section}/text", json=text).json()["code"] == "interdit"
    assert rene.post(f"{base}/jobs", json={"kind": "draft"}).status_code == 403
    assert rene.post(f"{base}/jobs", json={"kind": "evaluate"}).status_code == 202
    assert rene.put(f"{base}/sections/{served.section}/lock").status_code == 200
    assert rene.put(f"{base}/members/ben", json={"role": "reader"}).status_code in (403, 422)


# --- what is refused, and how ------------------------------------------------------------------------------


def test_too_large_is_413(tmp_path: Path) -> None:
    served = serve(tmp_path / "dossiers", "serve.upload_mb=2")
    ana = served.client("ana")
    big = {"files": ("rc.pdf", b"0" * 2_100_000, "application/pdf")}
    answer = ana.post("/v1/dossiers", data={"name": "trop"}, files=big)
    assert (answer.status_code, answer.json()["code"]) == (413, "trop-volumineux")
    text = {"text": "a" * 2_000_000}
    assert ana.put(f"/v1/dossiers/ecole/sections/{served.section}/text", json=text).status_code == 413
    assert not (served.server.root / "trop").exists()


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""])
def test_another_content_type_is_415(made: Served, content_type: str) -> None:
    ana = made.client("ana")
    for method, path, operation in operations(made):
        if "application/json" in operation.get("requestBody", {}).get("content", {}):
            headers = {"Content-Type": content_type} if content_type else {}
            answer = ana.request(method, address(made, path), content=b"{}", headers=headers)
            assert answer.status_code in (403, 415), (method, path, answer.text)


def test_a_review_wants_a_word_document(made: Served) -> None:
    for name, data in (("relu.docx", b"%PDF-1.7"), ("relu.pdf", b"PK\x03\x04")):
        answer = made.client("ana").post("/v1/dossiers/ecole/reviews", files={"file": (name, data)})
        assert (answer.status_code, answer.json()["code"]) == (415, "type-refuse")


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "jobs", {"kind": "rien"}, "kind"),
        ("POST", "jobs", {"kind": "draft", "sections": "1"}, "sections"),
        ("POST", "jobs", {"kind": "draft", "sections": ["../.."]}, "sections"),
        ("POST", "jobs", {"kind": "export", "format": "exe"}, "format"),
        ("POST", "jobs", {"kind": "draft", "inconnu": 1}, "inconnu"),
        ("PATCH", "tender", {"corrections": []}, "corrections"),
        ("PATCH", "tender", {"corrections": [{"pointer": 3}]}, "pointer"),
        ("PUT", "sections/{section}/text", {}, "text"),
        ("PUT", "sections/{section}/text", {"text": 3}, "text"),
        ("POST", "sections/{section}/answers", {"paragraph": "1-1"}, "answer"),
    ],
)
def test_a_bad_body_is_422_and_names_the_field(
    made: Served, method: str, path: str, body: dict[str, Any], field: str
) -> None:
    where = f"/v1/dossiers/ecole/{path}".replace("{section}", made.section)
    answer = made.client("ana").request(method, where, json=body)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (422, "demande-invalide")
    assert any(field in error["field"].split(".") for error in told["errors"]), told
    assert not any(word in answer.text for word in ("Field required", "Input should", "String should"))


def test_what_the_pipeline_refuses_is_told_without_the_server_s_paths(made: Served) -> None:
    answer = made.client("ben").get("/v1/dossiers/mairie/tender")
    assert answer.status_code == 409
    assert answer.json()["code"] == "dossier-pas-pret"
    assert str(made.server.root) not in answer.text


def test_uploads_stay_in_their_dossier(served: Served) -> None:
    packed = io.BytesIO()
    rc = (CORPUS / "dce" / "rc.pdf").read_bytes()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("../../dehors.pdf", "/absolu.pdf", "dedans/../../../autre.pdf", "bon/rc.pdf"):
            archive.writestr(name, rc)
    names = ("../../../evade.pdf", "..\\..\\evade2.pdf", "/etc/evade3.pdf", "a\x00b.pdf", "." * 20 + "/x.pdf")
    files = [("files", (name, rc)) for name in names] + [("files", ("dce.zip", packed.getvalue()))]
    before = {path for path in served.server.root.parent.rglob("*") if path.is_file()}
    answer = served.client("ana").post("/v1/dossiers", data={"name": "Évasion ../.."}, files=files)
    assert answer.status_code == 201, answer.text
    assert answer.json()["id"] == "evasion"
    new = {path for path in served.server.root.parent.rglob("*") if path.is_file()} - before
    inside = [path for path in new if path.is_relative_to(served.server.root / "evasion")]
    state = [path for path in new if path.is_relative_to(served.server.state)]
    assert len(inside) + len(state) == len(new)
    assert not list((served.server.state / "uploads").iterdir())
    assert sum(path.suffix == ".pdf" for path in inside) >= len(names)
    for name in ("..%2Fmairie", "%2e%2e", "ecole%2F..%2Fmairie", ".serveur", "%00"):
        assert served.client("carla").get(f"/v1/dossiers/{name}/files").status_code in (404, 405)
    download = served.client("ana").get("/v1/dossiers/ecole/files/content", params={"name": "../consultation.yaml"})
    assert download.status_code == 404


# --- what it does ------------------------------------------------------------------------------------------


@pytest.fixture
def client(served: Served) -> Client:
    """The Python client, over the application itself."""
    made = Client("http://testserver", served.keys["ana"])
    made._http = served.client("ana")
    return made


def test_from_the_buyer_s_files_to_a_corrected_reading(served: Served, client: Client) -> None:
    made = client.create("Gestion des actes", [CORPUS / "dce" / "rc.pdf", CORPUS / "dce" / "pf.docx"])
    assert made["id"] == "gestion-des-actes"
    assert made["job"]["kind"] == "prepare"
    assert made["job"]["state"] == "queued"
    with pytest.raises(RefusedError) as refused:
        client.create("Gestion des actes", [CORPUS / "dce" / "rc.pdf"])
    assert (refused.value.status, refused.value.code) == (409, "conflit")
    weight = client.tender("ecole")["criteria"][0]["weight"]
    assert weight != 55
    assert client.correct("ecole", "/criteria/0/weight", 55)["criteria"][0]["weight"] == 55
    assert client.tender("ecole")["criteria"][0]["weight"] == 55
    with pytest.raises(RefusedError) as wrong:
        client.correct("ecole", "/criteria/0/weight", "beaucoup")
    assert wrong.value.status in (409, 422)
    who = [entry.who for entry in served.server.journal.read("ecole") if entry.what == "correct"]
    assert who == ["ana"]


def test_a_section_s_text_its_base_its_lock_and_its_versions(served: Served, client: Client) -> None:
    number = served.section
    known = client.text("ecole", number)
    assert "8 techniciens" in known["text"]
    taken = client.put_text("ecole", number, "Nous tenons une astreinte de 9 techniciens.", known["sha256"])
    assert taken["sections"] == [number]
    with pytest.raises(RefusedError) as stale:
        client.put_text("ecole", number, "Trop tard.", known["sha256"])
    assert stale.value.status == 409
    assert client.lock("ecole", number)["by"] == "ana"
    versions = client._json("GET", f"/v1/dossiers/ecole/sections/{number}/versions")
    assert len(versions) == 3
    oldest = versions[-1]["id"]
    compared = client._json("GET", f"/v1/dossiers/ecole/sections/{number}/versions/{oldest}/compare/actuelle")
    assert {row["verdict"] for row in compared["paragraphs"]} <= {"edited", "rewritten", "kept"}
    client._json("POST", f"/v1/dossiers/ecole/sections/{number}/versions/{oldest}/restore")
    assert "6 techniciens" in client.text("ecole", number)["text"]


def test_two_hundred_requests_are_two_hundred_jobs_and_a_key_makes_one(served: Served, client: Client) -> None:
    made = [client.ask("ecole", "draft", sections=[served.section]) for _ in range(200)]
    assert len({job["id"] for job in made}) == 200
    once = [client.ask("ecole", "draft", key="k", sections=[served.section])["id"] for _ in range(3)]
    assert len(set(once)) == 1
    with pytest.raises(RefusedError) as other:
        client.ask("ecole", "draft", key="k", force=True)
    assert other.value.status == 409
    assert client.cancel("ecole", made[0]["id"])["state"] == "cancelled"
    assert [job["state"] for job in client.follow("ecole", made[0]["id"])] == ["cancelled"]


def test_reviews_are_listed_read_and_taken_back(served: Served, client: Client) -> None:
    (found,) = client._json("GET", "/v1/dossiers/ecole/reviews")
    assert found["human"] == WORD
    assert client._json("GET", f"/v1/dossiers/ecole/reviews/{found['id']}")["sections"]
    taken = client._json(
        "POST", f"/v1/dossiers/ecole/reviews/{found['id']}/accept", json={"sections": [served.section]}
    )
    assert taken["sections"] + taken["unchanged"] == [served.section]
    document = served.server.root / "ecole" / "reviews" / "recus" / WORD
    assert client.review("ecole", document)["kind"] == "review"


def test_metrics_name_routes_not_dossiers(served: Served, client: Client) -> None:
    client.sections("ecole")
    told = served.client("carla").get("/metrics").text
    assert 'route="/v1/dossiers/{dossier}/sections"' in told
    assert 'memoire_jobs{state="queued"} 1.0' in told
    assert "ecole" not in told


# --- held to its description -------------------------------------------------------------------------------


def test_no_request_breaks_it_or_its_description(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests made from the description, right and wrong ones, to every operation: no 500, no status, header or body
    that the description does not tell."""
    embedder = HashEmbedder()
    monkeypatch.setattr(searching, "_models", lambda settings: (embedder, None))
    headers = {"Authorization": f"Bearer {served.keys['carla']}", "Host": "testserver"}
    described = schemathesis.openapi.from_asgi("/v1/openapi.json", served.app, headers=headers)
    answered: set[int] = set()
    count = 0
    for found in described.get_all_operations():
        operation = found.ok()
        if operation.path == "/ready":  # it says 503 where no worker runs, as here
            continue

        @given(case=operation.as_strategy())
        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        def hold(case: Any) -> None:
            if "dossier" in case.path_parameters and len(str(case.path_parameters["dossier"])) % 4:
                names = {"dossier": "ecole", "number": served.section}
                case.path_parameters.update({k: v for k, v in names.items() if k in case.path_parameters})
            answer = case.call(headers=headers)
            case.validate_response(answer, checks=CHECKS)
            answered.add(answer.status_code)

        hold()
        count += 1
    assert count > 50
    assert {200, 201, 202, 404, 422} <= answered
