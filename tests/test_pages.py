"""The pages as a browser asks for them: the sample dossier and its absence, corrections, uploads, planted payloads."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.access import COOKIE
from api.app import create_app
from api.pages import library
from api.server import Server, create_server
from pipeline import run, settings
from pipeline.records import Hit, Inconsistency, Place
from pipeline.retrieve import Filters
from pipeline.workspace import Dossier, create, open_dossier, read_consultation, write_consultation
from tests.conftest import CORPUS
from tests.fakes import HashEmbedder

DOSSIER = "/dossiers/slh"
PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "<a href='javascript:alert(1)'>ici</a>",
    "</textarea><svg/onload=alert(1)>",
    "{{ 7 * 7 }}",
)


class Page(HTMLParser):
    """A page's elements, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def every(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]

    def value(self, name: str) -> str:
        """The value of the field of this name."""
        return next(item["value"] or "" for item in self.every("input") if item.get("name") == name)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample dossier, read and indexed once."""
    root = tmp_path_factory.mktemp("sample") / "slh"
    dossier, _ = create(root, [CORPUS / "dce"], [CORPUS / "library" / "entreprise"])
    run.read_dossier(dossier)
    run.index_dossier(dossier, HashEmbedder(), settings.load())
    return root


@pytest.fixture
def server(tmp_path: Path) -> Server:
    made = create_server(tmp_path / "dossiers", [CORPUS / "library" / "entreprise"], settings.load())
    made.identity.add_user("chef", admin=True)
    for name in ("camille", "noe", "lou"):
        made.identity.add_user(name)
    return made


@pytest.fixture
def dossier(server: Server, sample: Path) -> Dossier:
    shutil.copytree(sample, server.root / "slh")
    server.identity.grant("slh", "camille", "admin")
    server.identity.grant("slh", "noe", "reviewer")
    return open_dossier(server.root / "slh")


@pytest.fixture
def browse(server: Server) -> Callable[[str], TestClient]:
    """A browser in which someone is signed in."""

    def client(user: str) -> TestClient:
        token, _ = server.identity.open_session(user)
        return TestClient(create_app(server), "http://127.0.0.1", cookies={COOKIE: token})

    return client


@pytest.fixture
def camille(browse: Callable[[str], TestClient]) -> TestClient:
    return browse("camille")


def shown(client: TestClient, address: str, status: int = 200) -> Page:
    """A page, held to what every page owes: one title, one h1, landmarks, named fields, captions, nothing inline."""
    answer = client.get(address)
    assert answer.status_code == status, answer.text[:300]
    page = Page(answer.text)
    assert page.every("html")[0]["lang"] == "fr"
    assert len(page.every("h1")) == len(page.every("main")) == len(page.every("title")) == 1
    assert len(page.every("table")) == len(page.every("caption"))
    named = {item.get("for") for item in page.every("label")}
    for field in page.every("input", "select", "textarea"):
        alone = field.get("type") in ("hidden", "checkbox")
        assert alone or field.get("aria-label") or field.get("id") in named, f"a field has no label: {field}"
    posts = [item for item in page.every("form") if item.get("method") == "post"]
    assert len(posts) <= sum(item.get("name") == "_csrf" for item in page.every("input")), "a form has no CSRF field"
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers)), "an identifier is used twice"
    inert(page)
    return page


def inert(page: Page) -> None:
    """Nothing in the page runs but our two files, and nothing comes from elsewhere."""
    assert {item.get("src") for item in page.every("script")} <= {"/static/htmx.min.js", "/static/memoire.js"}
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)
        for name in ("href", "src", "action", "hx-get", "hx-post"):
            address = attributes.get(name) or "/"
            assert address.startswith(("/", "#", "?")), (tag, attributes)
            assert not address.startswith("//"), (tag, attributes)
    assert not page.every("img", "style", "iframe", "object", "embed")


SCREENS = (
    "/",
    DOSSIER,
    f"{DOSSIER}/acheteur",
    f"{DOSSIER}/acheteur/corriger?ou=/criteria/0",
    f"{DOSSIER}/piece?nom=rc.pdf&page=7",
    f"{DOSSIER}/piece?nom=cadre-de-prix.xlsx",
    "/modeles",
    "/compte",
)


@pytest.mark.parametrize("address", SCREENS)
def test_screens_of_the_sample_dossier(dossier: Dossier, camille: TestClient, address: str) -> None:
    assert shown(camille, address).text.strip()


def test_beginning_without_a_dossier(server: Server, camille: TestClient) -> None:
    page = shown(camille, "/")
    assert "Aucun dossier pour l’instant" in page.text
    assert "Déposez le DCE" in page.text


def test_a_dossier_that_is_not_read(server: Server, camille: TestClient) -> None:
    create(server.root / "neuf", [CORPUS / "dce" / "rc.pdf"], [])
    server.identity.grant("neuf", "camille", "writer")
    assert "Ensuite\u00a0: Lire le dossier" in shown(camille, "/dossiers/neuf").text
    assert "pas encore lu" in shown(camille, "/dossiers/neuf/acheteur").text
    assert "pas encore indexé" in shown(camille, "/dossiers/neuf/bibliotheque").text
    csrf = shown(camille, "/dossiers/neuf").value("_csrf")
    camille.post("/dossiers/neuf/lire", data={"_csrf": csrf})
    assert [job.kind for job in server.jobs.active("neuf")] == ["prepare"]
    assert "Lecture du dossier" in shown(camille, "/dossiers/neuf").text


def test_what_the_buyer_imposes_has_its_sources(dossier: Dossier, camille: TestClient) -> None:
    page = shown(camille, f"{DOSSIER}/acheteur")
    tender = read_consultation(dossier)
    assert all(item.label in page.text for item in tender.criteria[1:])
    assert "vendredi 12\u00a0février\u00a02027 à\u00a012\u00a0h\u00a000" in page.text
    assert "223\u00a0exigences" in page.text
    sources = [item["href"] or "" for item in page.every("a") if item.get("class") == "source"]
    assert any("nom=rc.pdf&page=7" in address for address in sources), "the criteria's page"
    marked = camille.get(next(address for address in sources if "nom=rc.pdf&page=7" in address)).text
    assert marked.count("<mark>") >= 1


def test_correcting_in_place(dossier: Dossier, camille: TestClient) -> None:
    address = f"{DOSSIER}/acheteur/corriger?ou=/criteria/0"
    htmx = {"HX-Request": "true"}
    form = Page(camille.get(address, headers=htmx).text)
    assert not form.every("html"), "only the row is sent"
    sent = {
        "_csrf": form.value("_csrf"),
        "etat": form.value("etat"),
        "/criteria/0/weight": "42,5",
        "/criteria/0/unit": "%",
    }
    answer = camille.post(address, data=sent, headers=htmx)
    assert "42,5\u00a0%" in answer.text
    assert "corrigé par camille" in answer.text
    assert answer.headers["HX-Trigger"] == "corrige"
    assert read_consultation(dossier).criteria[0].weight == 42.5
    assert "le total n’est pas 100" in camille.get(f"{DOSSIER}/acheteur/total?ou=criteria", headers=htmx).text
    again = camille.post(address, data={**sent, "/criteria/0/weight": "10"}, headers=htmx)
    assert "Quelqu’un a changé cette valeur" in again.text
    assert Page(again.text).value("/criteria/0/weight") == "42,5"
    assert read_consultation(dossier).criteria[0].weight == 42.5


def test_correcting_without_javascript(dossier: Dossier, camille: TestClient) -> None:
    address = f"{DOSSIER}/acheteur/corriger?ou=/object"
    form = shown(camille, address)
    sent = {"_csrf": form.value("_csrf"), "etat": form.value("etat"), "/object": "Fourniture de « barrières »"}
    page = Page(camille.post(address, data=sent).text)
    assert "La correction est enregistrée" in page.text
    assert "«\u00a0barrières\u00a0»" in page.text
    assert "La correction est enregistrée" not in shown(camille, f"{DOSSIER}/acheteur").text, "it is said once"
    assert read_consultation(dossier).object == "Fourniture de « barrières »"


def test_a_weight_that_is_no_number_is_asked_again(dossier: Dossier, camille: TestClient) -> None:
    address = f"{DOSSIER}/acheteur/corriger?ou=/criteria/0"
    form = shown(camille, address)
    sent = {"_csrf": form.value("_csrf"), "etat": form.value("etat"), "/criteria/0/weight": "beaucoup"}
    answer = camille.post(address, data=sent)
    assert answer.status_code == 422
    assert "Un nombre est attendu" in answer.text
    assert "beaucoup" in answer.text
    assert read_consultation(dossier).criteria[0].weight == 30


def test_removing_and_adding(dossier: Dossier, camille: TestClient) -> None:
    before = read_consultation(dossier).pieces
    form = shown(camille, f"{DOSSIER}/acheteur/corriger?ou=/pieces/0")
    common = {"_csrf": form.value("_csrf")}
    camille.post(
        f"{DOSSIER}/acheteur/corriger?ou=/pieces/0", data={**common, "etat": form.value("etat"), "retirer": "1"}
    )
    assert read_consultation(dossier).pieces == before[1:]
    camille.post(f"{DOSSIER}/acheteur/ajouter?ou=pieces", data={**common, "texte": "Attestation de visite"})
    assert read_consultation(dossier).pieces == (*before[1:], "Attestation de visite")
    camille.post(f"{DOSSIER}/acheteur/ajouter?ou=criteria", data={**common, "texte": "Délai de livraison"})
    assert read_consultation(dossier).criteria[-1].label == "Délai de livraison"


def test_inconsistencies_give_questions(dossier: Dossier, camille: TestClient) -> None:
    place = Place(document="rc.pdf", page=7, quote="au vu du chapitre 1")
    found = Inconsistency(message="Deux poids", places=(place, place), question="Lequel vaut ?")
    write_consultation(dossier, read_consultation(dossier).model_copy(update={"inconsistencies": (found,)}))
    page = shown(camille, f"{DOSSIER}/acheteur")
    assert "«\u00a0au vu du chapitre 1\u00a0»" in page.text
    answer = camille.get(f"{DOSSIER}/acheteur/questions.txt")
    assert answer.text == "1. Lequel vaut ?\n"
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_beginning_by_a_zip(server: Server, camille: TestClient) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted((CORPUS / "dce").iterdir()):
            archive.write(path, path.name)
    csrf = shown(camille, "/").value("_csrf")
    answer = camille.post(
        "/dossiers", data={"_csrf": csrf, "name": ""}, files={"files": ("Socle Hospitalier.zip", packed.getvalue())}
    )
    assert answer.url.path == "/dossiers/socle-hospitalier"
    assert "Le dossier est créé" in answer.text
    assert "Pièces du DCE" in answer.text
    assert all(path.name in answer.text for path in (CORPUS / "dce").iterdir())
    assert [job.kind for job in server.jobs.active("socle-hospitalier")] == ["prepare"]
    job = server.jobs.active("socle-hospitalier")[0]
    assert f'hx-get="/dossiers/socle-hospitalier/travaux/{job.id}" hx-trigger="every 1s"' in answer.text
    again = camille.post(
        "/dossiers",
        data={"_csrf": csrf, "name": "Socle hospitalier"},
        files={"files": ("a.zip", packed.getvalue())},
    )
    assert again.status_code == 409
    assert "existe déjà" in again.text


def test_the_source_of_a_passage(dossier: Dossier, camille: TestClient) -> None:
    index = run.load_index(dossier, HashEmbedder(), settings.load())
    passage = next(item for item in index.passages if item.document == "rc.pdf" and item.page == 7)
    page = shown(camille, f"{DOSSIER}/source/{passage.id}")
    assert "rc.pdf, page 7" in page.text
    assert len(page.every("mark")) == 1
    assert "n’existe pas" in shown(camille, f"{DOSSIER}/source/000000000000", 404).text


def test_originals_are_saved_never_shown(dossier: Dossier, camille: TestClient) -> None:
    answer = camille.get(f"{DOSSIER}/pieces/telecharger?nom=rc.pdf")
    assert answer.content == (CORPUS / "dce" / "rc.pdf").read_bytes()
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert camille.get(f"{DOSSIER}/pieces/telecharger?nom=../dossier.yaml").status_code == 404
    assert camille.get(f"{DOSSIER}/piece?nom=../dossier.yaml").status_code == 404


def test_the_library_and_its_search(
    dossier: Dossier, server: Server, camille: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = HashEmbedder()

    def found_in(server: Server, dossier: Dossier, question: str, k: int, filters: Filters) -> list[Hit]:
        return run.search_dossier(dossier, question, k, embedder, server.settings, filters)

    monkeypatch.setattr(library, "found_in", found_in)
    monkeypatch.setattr(library, "library_in", lambda s, d: run.library_of([d], embedder, s.settings))
    held = shown(camille, f"{DOSSIER}/bibliotheque")
    assert "Faits de l’entreprise" in held.text
    assert "jamais utilisé" in held.text
    found = shown(camille, f"{DOSSIER}/bibliotheque?q=copie de sauvegarde&nature=dce")
    assert "copie de sauvegarde" in found.text
    assert any("/source/" in (item.get("href") or "") for item in found.every("a"))
    assert "Fait de l’entreprise" not in found.text.partition("passages trouvés")[2], "only the buyer's documents"


def test_payloads_are_inert(server: Server, dossier: Dossier, camille: TestClient) -> None:
    tender = read_consultation(dossier)
    create(server.root / "neuf", [CORPUS / "dce" / "rc.pdf"], [])
    server.identity.grant("neuf", "camille", "writer")
    for number, payload in enumerate(PAYLOADS):
        name = f"{number}{payload.replace('/', '')}.txt"
        (dossier.dce / name).write_text(f"Texte planté : {payload}\n", encoding="utf-8")
        place = Place(document=name, page=1, quote=payload)
        planted = tender.model_copy(
            update={
                "object": payload,
                "buyer": payload,
                "reference": payload,
                "criteria": (tender.criteria[0].model_copy(update={"label": payload, "note": payload}),),
                "plan": (tender.plan[0].model_copy(update={"title": payload, "points": (payload,)}), *tender.plan[1:]),
                "pieces": (payload,),
                "format_rules": (payload,),
                "inconsistencies": (Inconsistency(message=payload, places=(place,), question=payload),),
            }
        )
        write_consultation(dossier, planted)
        dossier.note(payload, by=payload, section=payload)
        for address in ("/", DOSSIER, f"{DOSSIER}/acheteur", f"{DOSSIER}/acheteur/corriger?ou=/criteria/0"):
            assert "alert(1)" in shown(camille, address).text or number == len(PAYLOADS) - 1
        told = camille.get(f"{DOSSIER}/piece", params={"nom": name, "texte": payload})
        assert told.status_code == 200
        inert(Page(told.text))
        asked = camille.get("/dossiers/neuf/bibliotheque", params={"q": payload, "document": payload})
        assert asked.status_code == 200
        inert(Page(asked.text))


def test_who_may_do_what(dossier: Dossier, browse: Callable[[str], TestClient]) -> None:
    reviewer, stranger, boss = browse("noe"), browse("lou"), browse("chef")
    page = shown(reviewer, f"{DOSSIER}/acheteur")
    assert "Corriger" not in page.text
    assert reviewer.get(f"{DOSSIER}/acheteur/corriger?ou=/object").status_code == 403
    csrf = shown(reviewer, DOSSIER).value("_csrf")
    assert reviewer.post(f"{DOSSIER}/lire", data={"_csrf": csrf}).status_code == 403
    assert reviewer.post(f"{DOSSIER}/membres", data={"_csrf": csrf, "user": "lou", "role": "admin"}).status_code == 403
    for address in (item for item in SCREENS if item.startswith(DOSSIER)):
        shown(stranger, address, 404)
    assert "Aucun dossier" in shown(stranger, "/").text
    assert "Corriger" in shown(boss, f"{DOSSIER}/acheteur").text


def test_forms_without_the_session_s_word_are_refused(dossier: Dossier, camille: TestClient) -> None:
    for address in (f"{DOSSIER}/lire", f"{DOSSIER}/membres", f"{DOSSIER}/acheteur/ajouter?ou=pieces", "/compte/cles"):
        assert camille.post(address, data={"texte": "x"}).status_code == 403, address


def test_members(server: Server, dossier: Dossier, camille: TestClient) -> None:
    csrf = shown(camille, DOSSIER).value("_csrf")
    answer = camille.post(f"{DOSSIER}/membres", data={"_csrf": csrf, "user": "lou", "role": "writer"})
    assert "Le rôle de lou est enregistré" in answer.text
    assert server.identity.role("slh", "lou") == "writer"
    camille.post(f"{DOSSIER}/membres/retirer", data={"_csrf": csrf, "user": "lou"})
    assert server.identity.role("slh", "lou") is None
    assert camille.post(f"{DOSSIER}/membres", data={"_csrf": csrf, "user": "nul", "role": "writer"}).status_code == 422


def test_a_key_is_shown_once(server: Server, camille: TestClient) -> None:
    csrf = shown(camille, "/compte").value("_csrf")
    made = camille.post("/compte/cles", data={"_csrf": csrf, "label": "script", "days": "30"})
    secret = next(word for word in made.text.replace("<", " ").replace(">", " ").split() if word.startswith("mk_"))
    user = server.identity.by_secret(secret)
    assert user is not None
    assert user.name == "camille"
    assert secret not in camille.get("/compte").text
    key = server.identity.keys("camille")[0].id
    camille.post(f"/compte/cles/{key}/revoquer", data={"_csrf": csrf})
    assert server.identity.by_secret(secret) is None


def test_users_are_for_administrators(server: Server, browse: Callable[[str], TestClient]) -> None:
    boss = browse("chef")
    csrf = shown(boss, "/utilisateurs").value("_csrf")
    made = boss.post("/utilisateurs", data={"_csrf": csrf, "name": "zoe", "days": "30"})
    assert "La clé de zoe" in made.text
    assert boss.post("/utilisateurs/zoe/desactiver", data={"_csrf": csrf}).status_code == 200
    assert not next(user for user in server.identity.users() if user.name == "zoe").enabled
    assert boss.post("/utilisateurs/chef/desactiver", data={"_csrf": csrf}).status_code == 403
    shown(browse("camille"), "/utilisateurs", 404)
