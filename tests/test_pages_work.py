"""The screens of the work: plan, section, compliance, review, evaluation, documents, as a browser without JavaScript
and as htmx ask for them."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import docx
import pytest
import yaml
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from api import searching
from api.app import create_app
from api.identity import Role
from api.pages import assembly, compliance, evaluation
from api.server import Server, create_server
from api.worker import WORK, perform
from pipeline import run, settings
from pipeline.export.word import to_docx
from pipeline.french import typeset
from pipeline.records import Comment, Finding, Paragraph, Passage, Review, ReviewedParagraph, ReviewedSection, Sentence
from pipeline.workspace import Dossier, create, open_dossier, read_consultation, read_draft, write_draft
from tests.conftest import CORPUS
from tests.fakes import HashEmbedder, ScriptedModel
from tests.test_draft import echo
from tests.test_workspace import SETTINGS

QUESTION = "[À COMPLÉTER : qui restitue les données ? — à demander à : responsable du support]"
HOME = "/dossiers/essai"
PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "<svg/onload=alert(1)>",
    "{{ 7*7 }}",
    "<a href='javascript:alert(1)'>lien</a>",
)
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


# --- a server with one dossier, chapter 4 drafted, one of its points a question -----------------------------


@pytest.fixture(scope="module")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("travail")
    for folder in ("entreprise", "reponses"):
        shutil.copytree(CORPUS / "library" / folder, root / "library" / folder)
    (root / "dossiers").mkdir()
    for name in ("essai", "vide"):
        made, _ = create(
            root / "dossiers" / name, [CORPUS / "dce" / "rc.pdf", CORPUS / "dce" / "pf.docx"], [root / "library"]
        )
        run.read_dossier(made)
    made, _ = create(root / "dossiers" / "neuf", [CORPUS / "dce" / "rc.pdf"], [root / "library"])
    made = open_dossier(root / "dossiers" / "essai")
    run.index_dossier(made, HashEmbedder(), SETTINGS)
    choice = run.choose(made, HashEmbedder(), SETTINGS)
    list(run.draft_dossier(made, choice, ["4"], lambda: ScriptedModel(echo), SETTINGS))
    section = read_draft(made, "4.4")
    assert section is not None
    at = next(n for n, paragraph in enumerate(section.paragraphs) if paragraph.point == 1)
    gap = Paragraph(id=section.paragraphs[at].id, point=1, gap=typeset(QUESTION))
    others = [paragraph for paragraph in section.paragraphs if paragraph.point != 1]
    write_draft(made, section.model_copy(update={"paragraphs": (*others[:at], gap, *others[at:])}))
    return root


@dataclass
class Desk:
    """The server, and who sits before it."""

    server: Server
    app: FastAPI

    @property
    def dossier(self) -> Dossier:
        return open_dossier(self.server.root / "essai")

    def user(self, name: str, role: Role | None) -> Client:
        self.server.identity.add_user(name)
        for dossier in ("essai", "vide", "neuf"):
            if role:
                self.server.identity.grant(dossier, name, role)
        token, word = self.server.identity.open_session(name)
        browser = TestClient(self.app, base_url="http://localhost", follow_redirects=False)
        browser.cookies.set("memoire", token)
        return Client(browser, word)

    def work(self) -> None:
        """Do the jobs that wait, as the worker does."""
        while job := self.server.jobs.claim():
            result = perform(WORK, self.server.root, job, lambda *_: None)
            self.server.jobs.end(job.id, "done", result=result)


@dataclass
class Client:
    """A browser somebody is signed in with; ``post`` sends the session's word as the forms do."""

    browser: TestClient
    word: str

    def get(self, path: str, **options: Any) -> Response:
        return self.browser.get(path, **options)

    def page(self, path: str) -> str:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text[:500]
        return answer.text

    def post(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> Response:
        return self.browser.post(path, data={"_csrf": self.word, **(data or {})}, **options)


@pytest.fixture
def desk(drafted: Path, tmp_path: Path) -> Desk:
    shutil.copytree(drafted, tmp_path / "copie")
    root = tmp_path / "copie" / "dossiers"
    for path in root.glob("*/dossier.yaml"):
        description = yaml.safe_load(path.read_text(encoding="utf-8"))
        description["library"] = [str(tmp_path / "copie" / "library")]
        path.write_text(yaml.safe_dump(description), encoding="utf-8")
    server = create_server(root, [], settings.load())
    return Desk(server, create_app(server))


@pytest.fixture
def paul(desk: Desk) -> Client:
    """A writer."""
    return desk.user("paul", "writer")


@pytest.fixture
def rene(desk: Desk) -> Client:
    """A reviewer."""
    return desk.user("rene", "reviewer")


# --- what every page owes its readers ----------------------------------------------------------------------


class Audit(HTMLParser):
    """Faults of a page: of structure, of labels, and anything a browser would run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.count: dict[str, int] = {}
        self.labelled: set[str] = set()
        self.fields: list[dict[str, str]] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self._captions = [0]
        self._unnamed = False
        self.feed(text)
        self.faults += [f"id twice: {name}" for name in set(self.ids) if self.ids.count(name) > 1]
        for field in self.fields:
            if field.get("id") not in self.labelled and not field.get("aria-label") and "wrapped" not in field:
                self.faults.append(f"no label: {field}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.count[tag] = self.count.get(tag, 0) + 1
        self.ids += [given["id"]] if "id" in given else []
        if tag in ("script", "link", "img") and not given.get("src", given.get("href", "")).startswith("/"):
            self.faults.append(f"from elsewhere: {tag} {given}")
        for name, value in given.items():
            if name.startswith("on") or name == "style" or name.startswith("hx-on"):
                self.faults.append(f"runs: {tag} {name}={value}")
            if name in ("href", "src", "action", "hx-get") and not value.startswith(("/", "#", "?")) and value:
                self.faults.append(f"leads elsewhere: {tag} {name}={value}")
        if tag == "style":
            self.faults.append("a style sheet in the page")
        if "viewbox" in given and not re.fullmatch(r"[0-9 ]+", given["viewbox"]):
            self.faults.append(f"unreadable viewBox: {given['viewbox']!r}")
        if self._open[-1:] == ["svg"] and self._unnamed:
            self._unnamed = tag != "title"
            self.faults += [] if tag == "title" else ["svg without a name"]
        if tag == "svg":
            self._unnamed = "aria-label" not in given and "aria-hidden" not in given
        if tag == "th" and given.get("scope") not in ("col", "row"):
            self.faults.append(f"th without scope: {given}")
        if tag == "img" and "alt" not in given:
            self.faults.append(f"img without alt: {given}")
        if tag == "label" and "for" in given:
            self.labelled.add(given["for"])
        if tag in ("textarea", "select") or (tag == "input" and given.get("type") not in ("hidden", "submit")):
            self.fields.append(given | ({"wrapped": "1"} if "label" in self._open else {}))
        if tag not in ("input", "img", "link", "meta", "br", "hr", "rect", "line", "polyline", "circle"):
            self._open.append(tag)
        if tag == "table":
            self._captions.append(0)
        if tag == "caption":
            self._captions[-1] += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass
        if tag == "table" and not self._captions.pop():
            self.faults.append("table without caption")


DANGERS = ("from elsewhere", "runs", "leads elsewhere", "a style sheet")
"""The faults by which something planted would act."""


def sound(text: str) -> None:
    audit = Audit(text)
    assert not audit.faults
    assert audit.count.get("h1") == 1
    assert audit.count.get("main") == 1
    assert audit.count["nav"] >= 1
    assert '<html lang="fr">' in text


SCREENS = ("plan", "sections/4.4", "sections/2.1", "sections/4.4/modifier", "sections/4.4/versions",
           "sections/4.3/complements", "conformite", "relecture", "evaluation", "documents")  # fmt: skip


@pytest.mark.parametrize("screen", SCREENS)
def test_each_screen_is_sound(paul: Client, screen: str) -> None:
    sound(paul.page(f"{HOME}/{screen}"))


@pytest.mark.parametrize("dossier", ["vide", "neuf"])
@pytest.mark.parametrize("screen", ["plan", "conformite", "relecture", "evaluation", "documents"])
def test_each_screen_says_what_to_do_while_there_is_nothing(paul: Client, dossier: str, screen: str) -> None:
    text = paul.page(f"/dossiers/{dossier}/{screen}")
    sound(text)
    if screen in ("relecture", "evaluation", "documents") or dossier == "neuf":
        assert 'class="empty"' in text


def test_who_may_not_does_not_see_the_form_and_is_refused(desk: Desk, rene: Client) -> None:
    assert "<form" not in without_frame(rene.page(f"{HOME}/plan"))
    section = rene.page(f"{HOME}/sections/4.4")
    assert f"{HOME}/sections/4.4/modifier" not in section
    assert "/reponse" not in section
    assert "/verrou" in section
    for path in (
        "plan/rediger",
        "sections/4.4/texte",
        "sections/4.4/rediger",
        "sections/4.4/deverrou",
        "documents/pli",
    ):
        assert rene.post(f"{HOME}/{path}").status_code == 403, path
    assert desk.server.jobs.listed() == []
    stranger = desk.user("autre", None)
    for screen in SCREENS:
        assert stranger.get(f"{HOME}/{screen}").status_code == 404, screen


def without_frame(text: str) -> str:
    return text.partition("<main")[2].partition("</main>")[0]


def test_a_form_without_the_sessions_word_is_refused(desk: Desk, paul: Client) -> None:
    for path in (
        "plan/rediger",
        "sections/4.4/verrou",
        "sections/4.4/texte",
        "relecture",
        "evaluation",
        "documents/export",
    ):
        answer = paul.browser.post(f"{HOME}/{path}", data={"_csrf": "autre", "base": "", "text": "x"})
        assert answer.status_code == 403, path
    assert desk.server.jobs.listed() == []
    assert run.section_lock(desk.dossier, "4.4") is None


# --- plan and jobs -----------------------------------------------------------------------------------------


def test_the_plan_tells_where_each_section_stands(paul: Client) -> None:
    text = unescape(re.sub(r"<[^>]+>", " ", paul.page(f"{HOME}/plan")))
    row = next(line for line in re.split(r"(?=4\.\d )", " ".join(text.split())) if line.startswith("4.4 "))
    assert "rédigée" in row
    assert "1 sur 2" in row
    assert "1 question" in row


def test_drafting_is_asked_once_however_often_one_clicks(desk: Desk, paul: Client) -> None:
    for _ in range(2):
        answer = paul.post(f"{HOME}/plan/rediger", {"section": "2", "instruction": " Plus court. "})
        assert answer.status_code == 303
    (job,) = desk.server.jobs.listed("essai")
    assert (job.kind, job.by, job.params["sections"], job.params["instruction"]) == (
        "draft",
        "paul",
        ["2"],
        "Plus court.",
    )
    assert paul.post(f"{HOME}/plan/rediger", {"section": "99"}).status_code == 404
    text = paul.page(f"{HOME}/plan")
    assert f'hx-get="{HOME}/travaux/{job.id}"' in text
    assert "en attente" in text


def test_rows_come_again_only_once_a_section_has_landed(desk: Desk, paul: Client) -> None:
    paul.post(f"{HOME}/plan/rediger", {"section": "2.1"})
    seen = re.search(rf'hx-get="({HOME}/plan\?seen=\w+)"', paul.page(f"{HOME}/plan"))
    assert seen
    assert paul.get(seen[1], headers={"HX-Request": "true"}).status_code == 204
    section = read_draft(desk.dossier, "4.1")
    assert section is not None
    write_draft(desk.dossier, section.model_copy(update={"number": "2.1", "title": "Pilotage"}))
    again = paul.get(seen[1], headers={"HX-Request": "true"})
    assert again.status_code == 200
    assert again.text.strip().startswith("<tbody")
    desk.server.jobs.cancel("essai", desk.server.jobs.listed("essai")[0].id)
    last = paul.get(seen[1], headers={"HX-Request": "true"})
    assert "hx-trigger" not in last.text, "nothing is drafted any more: the page stops asking"


def test_a_job_is_followed_and_stopped(desk: Desk, paul: Client, rene: Client) -> None:
    paul.post(f"{HOME}/plan/rediger", {})
    job = desk.server.jobs.listed("essai")[0]
    sound(paul.page(f"{HOME}/travaux/{job.id}"))
    assert 'hx-trigger="every 1s"' in paul.get(f"{HOME}/travaux/{job.id}", headers={"HX-Request": "true"}).text
    assert rene.post(f"{HOME}/travaux/{job.id}/annuler").status_code == 403
    assert paul.post(f"{HOME}/travaux/{job.id}/annuler").status_code == 303
    over = paul.get(f"{HOME}/travaux/{job.id}", headers={"HX-Request": "true"})
    assert "arrêté" in over.text
    assert "hx-trigger" not in over.text
    assert paul.get(f"/dossiers/vide/travaux/{job.id}").status_code == 404


# --- a section ---------------------------------------------------------------------------------------------


def test_citations_open_their_source_with_the_passage_marked(desk: Desk, paul: Client) -> None:
    section = read_draft(desk.dossier, "4.4")
    assert section is not None
    text = paul.page(f"{HOME}/sections/4.4")
    name = section.paragraphs[0].sentences[0].passages[0]
    number = [passage.id for passage in section.passages].index(name) + 1
    link = re.search(rf'<a href="{HOME}/source/{name}" hx-get="([^"]+)"[^>]*>.*?{number}</a>', text)
    assert link
    panel = paul.get(link[1], headers={"HX-Request": "true"})
    assert panel.status_code == 200
    marked = re.search(r"<mark>(.*?)</mark>", panel.text, re.DOTALL)
    assert marked
    assert marked[1].strip()
    assert paul.get(f"{HOME}/sections/4.4/sources/absent").status_code == 404


def base_of(text: str) -> str:
    found = re.search(r'name="base" value="(\w*)"', text)
    assert found
    return found[1]


def text_of(page: str, name: str = "texte") -> str:
    found = re.search(rf'<textarea id="{name}"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    assert found
    return unescape(found[1])


def test_text_that_changed_meanwhile_is_shown_beside_and_neither_is_lost(desk: Desk, paul: Client) -> None:
    page = paul.page(f"{HOME}/sections/4.4/modifier")
    base, text = base_of(page), text_of(page)
    mine, theirs = f"{text}\n\nPhrase de Paul.", f"{text}\n\nPhrase de Marie."
    marie = desk.user("marie", "writer")
    assert marie.post(f"{HOME}/sections/4.4/texte", {"base": base, "text": theirs}).status_code == 303
    late = paul.post(f"{HOME}/sections/4.4/texte", {"base": base, "text": mine})
    assert late.status_code == 409
    sound(late.text)
    assert "Phrase de Paul." in text_of(late.text)
    assert "Phrase de Marie." in text_of(late.text, "leur-texte")
    assert "Phrase de Paul." not in paul.page(f"{HOME}/sections/4.4")
    assert paul.post(f"{HOME}/sections/4.4/texte", {"base": base_of(late.text), "text": mine}).status_code == 303
    shown = paul.page(f"{HOME}/sections/4.4")
    assert "Phrase de Paul." in shown
    assert "Phrase de Marie." not in shown


def test_an_answer_takes_the_place_of_its_question_and_may_be_kept(desk: Desk, paul: Client) -> None:
    page = paul.page(f"{HOME}/sections/4.4")
    assert "qui restitue les données" in page
    asked = re.search(r'name="paragraph" value="([^"]+)"', page)
    assert asked
    answer = paul.post(
        f"{HOME}/sections/4.4/reponse",
        {"paragraph": asked[1], "answer": "L’équipe support restitue les données.", "keep": "true"},
    )
    assert answer.status_code == 303
    page = paul.page(f"{HOME}/sections/4.4")
    assert "L’équipe support restitue les données." in page
    assert "qui restitue les données" not in page
    library = desk.server.root.parent / "library"
    assert any("équipe support restitue" in path.read_text(encoding="utf-8") for path in library.rglob("*.yaml"))
    again = paul.post(f"{HOME}/sections/4.4/reponse", {"paragraph": asked[1], "answer": "Encore."})
    assert again.status_code == 409
    sound(again.text)


def test_a_locked_section_is_nobody_elses_until_it_is_unlocked(desk: Desk, paul: Client, rene: Client) -> None:
    base = base_of(paul.page(f"{HOME}/sections/4.4/modifier"))
    assert rene.post(f"{HOME}/sections/4.4/verrou").status_code == 303
    page = paul.page(f"{HOME}/sections/4.4")
    assert "verrouillée par rene" in page
    assert f"{HOME}/sections/4.4/modifier" not in page
    assert "verrouillée par rene" in paul.page(f"{HOME}/plan")
    refused = paul.post(f"{HOME}/sections/4.4/texte", {"base": base, "text": "Mon texte à moi."})
    assert refused.status_code == 409
    assert text_of(refused.text) == "Mon texte à moi."
    assert paul.post(f"{HOME}/sections/4.4/deverrou").status_code == 303
    assert paul.post(f"{HOME}/sections/4.4/texte", {"base": base, "text": "Mon texte à moi."}).status_code == 303


def test_versions_are_compared_by_words_and_restored(desk: Desk, paul: Client) -> None:
    page = paul.page(f"{HOME}/sections/4.4/modifier")
    text = text_of(page)
    paul.post(f"{HOME}/sections/4.4/texte", {"base": base_of(page), "text": text + "\n\nUne phrase toute nouvelle."})
    compared = paul.page(f"{HOME}/sections/4.4/versions")
    sound(compared)
    assert "toute nouvelle" in re.sub(r"</?ins>", "", "".join(re.findall(r"<ins>.*?</ins>", compared)))
    version = re.search(r'name="version" value="([^"]+)"', compared)
    assert version
    assert paul.post(f"{HOME}/sections/4.4/versions/restaurer", {"version": version[1]}).status_code == 303
    assert "toute nouvelle" not in paul.page(f"{HOME}/sections/4.4")
    assert paul.get(f"{HOME}/sections/4.4/versions?a=autre").status_code == 404


def test_a_draft_proposed_beside_a_persons_text_is_adopted(desk: Desk, paul: Client) -> None:
    machine = read_draft(desk.dossier, "4.4")
    assert machine is not None
    page = paul.page(f"{HOME}/sections/4.4/modifier")
    paul.post(f"{HOME}/sections/4.4/texte", {"base": base_of(page), "text": "Le texte de Paul."})
    write_draft(desk.dossier, machine)
    page = paul.page(f"{HOME}/sections/4.4")
    assert "nouvelle rédaction est proposée" in page
    sound(paul.page(f"{HOME}/sections/4.4/versions?a=actuelle&b=proposee"))
    assert paul.post(f"{HOME}/sections/4.4/versions/restaurer", {"version": "proposee"}).status_code == 303
    page = paul.page(f"{HOME}/sections/4.4")
    assert "Le texte de Paul." not in page
    assert "nouvelle rédaction est proposée" not in page


def test_a_section_is_asked_again_with_an_instruction(desk: Desk, paul: Client) -> None:
    assert paul.post(f"{HOME}/sections/4.4/rediger", {"instruction": "Plus court."}).status_code == 303
    (job,) = desk.server.jobs.listed("essai")
    assert (job.params["sections"], job.params["force"], job.params["instruction"]) == (["4.4"], True, "Plus court.")
    assert job.id in paul.page(f"{HOME}/sections/4.4")
    assert job.id not in paul.page(f"{HOME}/sections/4.3")


def test_sections_lead_to_their_neighbours(paul: Client) -> None:
    page = paul.page(f"{HOME}/sections/4.4")
    assert re.search(rf'href="{HOME}/sections/4.3" data-key="p"', page)
    assert re.search(rf'href="{HOME}/sections/5.1" data-key="s"', page)
    assert paul.get(f"{HOME}/sections/99").status_code == 404


def test_diagrams_are_pictures_with_their_words(paul: Client) -> None:
    exhibits = paul.get(f"{HOME}/sections/4.4/complements", headers={"HX-Request": "true"}).text
    assert "<html" not in exhibits
    picture = re.search(r'<img src="([^"]+)" alt="[^"]{20,}"', exhibits)
    assert picture
    assert paul.get(picture[1]).content.startswith(b"\x89PNG")


# --- compliance --------------------------------------------------------------------------------------------


def test_the_matrix_is_filtered_and_exported_for_a_french_spreadsheet(desk: Desk, paul: Client) -> None:
    total = len(read_consultation(desk.dossier).requirements)
    assert total > 100

    def rows(query: str) -> list[list[str]]:
        answer = paul.get(f"{HOME}/conformite.csv{query}")
        assert answer.content.startswith(b"\xef\xbb\xbf")
        assert "attachment" in answer.headers["content-disposition"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))[1:]

    assert len(rows("")) == total
    filtered = rows("?conformite=open&section=4&texte=titulaire")
    assert 0 < len(filtered) < total
    assert {row[8] for row in filtered} == {"À traiter"}
    assert all(row[6].split(".")[0] == "4" and "titulaire" in f"{row[1]} {row[7]}".lower() for row in filtered)
    assert len(rows("?conformite=yes")) + len(rows("?conformite=confirm")) + len(rows("?conformite=open")) == total
    page = paul.page(f"{HOME}/conformite?conformite=open&section=4&texte=titulaire")
    assert page.count("<tr>") == 1 + len(filtered)
    assert "conformite.csv?conformite=open&amp;section=4&amp;texte=titulaire" in page
    assert "Aucune exigence" in paul.page(f"{HOME}/conformite?texte=zyzomys")
    assert paul.get(f"{HOME}/conformite?conformite=autre").status_code == 422


@pytest.mark.parametrize("cell", ["=1+1", "+33 1", "-2", "@SUM(A1)", "\t=1", " =1", "\r=1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert compliance.inert(cell) == f"'{cell}"
    assert compliance.inert("EX-12 = 3") == "EX-12 = 3"


# --- review ------------------------------------------------------------------------------------------------


def corrected(dossier: Dossier, change: Callable[[str], str]) -> bytes:
    """The document as exported, then changed by a person, paragraph by paragraph."""
    document = docx.Document(io.BytesIO(to_docx(run.memoire_of(dossier))))
    for paragraph in document.paragraphs:
        if paragraph.text and (text := change(paragraph.text)) != paragraph.text:
            paragraph.text = text
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def upload(client: Client, data: bytes, name: str = "relu.docx") -> Response:
    return client.post(f"{HOME}/relecture", files={"file": (name, data, WORD)})


def test_a_corrected_word_is_compared_read_and_taken_back(desk: Desk, rene: Client) -> None:
    section = read_draft(desk.dossier, "4.3")
    assert section is not None
    words = section.paragraphs[0].sentences[0].text.split()[:4]
    said = " ".join(words)
    answer = upload(rene, corrected(desk.dossier, lambda text: text.replace(said, f"{said} toujours et partout")))
    assert answer.status_code == 303
    desk.work()
    listing = rene.page(f"{HOME}/relecture")
    sound(listing)
    link = re.search(rf'href="({HOME}/relecture/[^"]+)"[^>]*>[^<]*relu\.docx', listing)
    assert link
    page = rene.page(link[1])
    sound(page)
    assert any("toujours et partout" in found for found in re.findall(r"<ins>(.*?)</ins>", page))
    assert rene.post(f"{link[1]}/reprendre", {"scope": "chosen"}).status_code == 422
    taken = rene.post(f"{link[1]}/reprendre", {"scope": "chosen", "section": ["4.3"], "validated": "true"})
    assert taken.status_code == 200
    sound(taken.text)
    accepted = read_draft(desk.dossier, "4.3")
    assert accepted is not None
    assert accepted.accepted is not None
    assert accepted.accepted.by == "rene"
    assert "toujours et partout" in rene.page(f"{HOME}/sections/4.3")
    other = read_draft(desk.dossier, "4.4")
    assert other is not None
    assert other.accepted is None, "only what was chosen is taken"
    kept = rene.page(f"{HOME}/relecture")
    assert "Par modèle et consigne" in kept
    assert "scripted" in kept
    tracked = rene.get(f"{link[1]}/suivi.docx")
    assert "attachment" in tracked.headers["content-disposition"]
    assert tracked.content.startswith(b"PK")


def test_what_is_no_word_document_is_refused_with_a_reason(desk: Desk, rene: Client) -> None:
    for name, data in (("relu.docx", b"%PDF-1.7 rien"), ("relu.pdf", b"PK\x03\x04")):
        answer = upload(rene, data, name)
        assert answer.status_code == 415
        sound(answer.text)
        assert "Un document Word est attendu" in answer.text
    assert desk.server.jobs.listed("essai") == []
    assert not list((desk.dossier.root / "reviews").glob("recus/*"))


def test_an_uploaded_name_stays_in_the_dossier(desk: Desk, rene: Client) -> None:
    assert upload(rene, corrected(desk.dossier, str), "../../../evade.docx").status_code == 303
    found = list(desk.server.root.parent.rglob("*evade.docx"))
    assert [path.parent for path in found] == [desk.dossier.root / "reviews" / "recus"]


# --- evaluation and documents ------------------------------------------------------------------------------


def test_the_evaluation_shows_the_mark_its_doubt_and_what_would_gain_most(desk: Desk, rene: Client) -> None:
    assert rene.get(f"{HOME}/evaluation/rapport.json").status_code == 404
    assert rene.post(f"{HOME}/evaluation").status_code == 303
    desk.work()
    page = rene.page(f"{HOME}/evaluation")
    sound(page)
    report = evaluation.last_report(desk.dossier)
    assert report is not None
    assert report.mark is not None
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())
    assert "Intervalle à 95" in text
    assert "pas le jugement du jury" in text
    assert page.count('<td data-label="Gain"') == min(10, len(report.gains)) > 0
    points = sum(len(section.points) for section in report.sections)
    heat = page.partition('class="heat"')[2].partition("</table>")[0]
    assert heat.count('class="cell') == points
    assert heat.count("visually-hidden") >= points, "each cell says its point and its state in words"
    for form, start in (("json", b"{"), ("html", b"<!doctype"), ("xml", b"<")):
        answer = rene.get(f"{HOME}/evaluation/rapport.{form}")
        assert answer.content.lower().startswith(start)
        assert "attachment" in answer.headers["content-disposition"]


def test_exports_are_asked_listed_and_downloaded_and_nothing_else_is(desk: Desk, rene: Client, paul: Client) -> None:
    assert rene.post(f"{HOME}/documents/export", {"what": "chapitre:4", "form": "md"}).status_code == 303
    assert rene.post(f"{HOME}/documents/export", {"what": "chapitre:77", "form": "md"}).status_code == 404
    assert rene.post(f"{HOME}/documents/export", {"what": "memoire", "form": "exe"}).status_code == 422
    desk.work()
    (desk.dossier.export / ".cache").write_text("x", encoding="utf-8")
    (desk.dossier.export / "lien").symlink_to(desk.dossier.consultation)
    page = rene.page(f"{HOME}/documents")
    sound(page)
    assert "memoire-chapitre-4.md" in page
    answer = rene.get(f"{HOME}/documents/fichiers/memoire-chapitre-4.md")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    for name in (".cache", "lien", "..%2Fconsultation.yaml", "../consultation.yaml", "%2Fetc%2Fpasswd", "absent"):
        assert rene.get(f"{HOME}/documents/fichiers/{name}").status_code == 404, name
    assert paul.post(f"{HOME}/documents/pli", {"candidate": "Deltaforge", "lot": "1"}).status_code == 303
    assert desk.server.jobs.listed("essai")[0].params == {"candidate": "Deltaforge", "lot": "1", "pdf": False}
    desk.work()
    page = rene.page(f"{HOME}/documents")
    sound(page)
    pieces = page.partition('id="pieces"')[2].partition("</table>")[0]
    assert pieces.count("<tr>") > 3
    assert "manquante" in pieces or "à remplir" in pieces


# --- nothing planted runs ----------------------------------------------------------------------------------


def plant(desk: Desk) -> tuple[Passage, ...]:
    """Payloads wherever a buyer, a model or a person puts words: the section 4.4 with its passages, the tender, a
    review, the names of files."""
    planted = " ".join(PAYLOADS)
    dossier = desk.dossier
    section = read_draft(dossier, "4.4")
    assert section is not None
    passages = tuple(
        passage.model_copy(update={"text": planted, "document": planted, "article": planted})
        for passage in section.passages
    )
    first = section.paragraphs[0]
    sentences = tuple(sentence.model_copy(update={"text": planted}) for sentence in first.sentences)
    paragraphs = (
        first.model_copy(update={"sentences": sentences, "distinction": planted}),
        Paragraph(id="4.4-90", point=0, rows=((planted, "b"), (planted, "d"))),
        Paragraph(id="4.4-91", point=0, gap=f"[À COMPLÉTER : {planted}]"),
        Paragraph(id="4.4-92", point=0, sentences=(Sentence(text=planted, passages=(), claim="stated"),)),
    )
    findings = (
        Finding(kind="figure", message=planted, paragraph=first.id),
        Finding(kind="comment", message=planted),
    )
    changed = section.model_copy(
        update={"paragraphs": paragraphs, "passages": passages, "findings": findings, "model": planted}
    )
    write_draft(dossier, changed)
    tender = yaml.safe_load(dossier.consultation.read_text(encoding="utf-8"))
    tender |= {"object": planted, "buyer": planted, "reference": planted, "format_rules": [planted]}
    tender["requirements"][0] |= {"text": planted, "document": planted}
    tender["criteria"][0]["label"] = tender["deadlines"][0]["label"] = tender["deliverables"][0]["title"] = planted
    tender["conditions"][0]["text"] = tender["pieces"][0] = tender["distinctions"][0] = planted
    tender["inconsistencies"] = [
        {"message": planted, "places": [{"document": planted, "page": 1, "quote": planted}], "question": planted}
    ]
    for node in tender["plan"]:
        if node["number"].startswith("4"):
            node["title"] = f"{node['title']} {planted}"
    dossier.consultation.write_text(yaml.safe_dump(tender, allow_unicode=True), encoding="utf-8")
    (dossier.export / "a<img src=x onerror=alert(1)>.md").write_text("x", encoding="utf-8")
    row = ReviewedParagraph(
        verdict="added", generated=None, human=planted, likeness=0.0,
        comments=(Comment(author=planted, date=None, text=planted, quote=planted),),
    )  # fmt: skip
    review = Review(
        sections=(ReviewedSection(number="4.4", title=planted, human_title=planted, paragraphs=(row,)),),
        acceptance=None, chrf=None, edit_distance=None, citations_lost=0, gaps_answered=0, remarks=(planted,),
    )  # fmt: skip
    (dossier.root / "reviews" / "piege.json").write_text(review.model_dump_json(), encoding="utf-8")
    dossier.note("review", file="piege.json", human=planted, acceptance=None)
    (dossier.export / "evaluation.json").write_text(run.evaluate_dossier(dossier).model_dump_json(), encoding="utf-8")
    (dossier.dce / '"><img src=x onerror=alert(1)>.txt').write_text(f"Article 1. {planted}", encoding="utf-8")
    job = desk.server.jobs.submit("essai", "draft", {"sections": ["4.4"]}, lane="llm", by="paul")
    desk.server.jobs.claim()
    desk.server.jobs.end(job.id, "failed", error=planted)
    return passages


def test_what_is_planted_in_texts_names_and_comments_is_inert(desk: Desk, paul: Client) -> None:
    passages = plant(desk)
    seen = 0
    for screen in (*SCREENS, "relecture/piege"):
        text = paul.page(f"{HOME}/{screen}")
        sound(text)
        seen += "&lt;script&gt;alert(1)" in text
        assert "49" not in re.findall(r"\{\{ 7\*7 \}\}|(?<=lien</a> )49", text)
    assert seen >= 8, "the texts are shown, as texts"
    panel = paul.get(f"{HOME}/sections/4.4/sources/{passages[0].id}", headers={"HX-Request": "true"})
    assert not Audit(panel.text).faults


def test_what_is_planted_is_inert_on_every_page_there_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """All the pages the application has, by its own list of routes."""
    monkeypatch.setattr(searching, "_models", lambda settings: (HashEmbedder(), None))
    passages = plant(desk)
    desk.server.identity.add_user("carla", admin=True)
    token, word = desk.server.identity.open_session("carla")
    browser = TestClient(desk.app, base_url="http://localhost", follow_redirects=False)
    browser.cookies.set("memoire", token)
    carla = Client(browser, word)
    names = {
        "dossier": "essai",
        "number": "4.4",
        "passage": passages[0].id,
        "job": desk.server.jobs.listed("essai")[0].id,
        "review": "piege",
        "name": "piege",
        "place": "1",
        "user": "carla",
    }
    queries = {
        "piece": {"nom": next(path.name for path in desk.dossier.dce_files() if path.suffix == ".txt")},
        "corriger": {"ou": "/criteria/0"},
        "total": {"ou": "criteria"},
        "bibliotheque": {"q": " ".join(PAYLOADS)},
        "conformite": {"texte": " ".join(PAYLOADS)},
        "versions": {"a": "actuelle", "b": "actuelle"},
        "connexion": {"suite": "/" + PAYLOADS[1]},
    }
    asked, shown, others = 0, 0, []
    for path in (route.path for screen in assembly.SCREENS for route in screen.router.routes if "GET" in route.methods):
        for name, value in names.items():
            path = path.replace(f"{{{name}}}", value)
        if "{" in path:
            others.append(path)
            continue
        for headers in ({}, {"HX-Request": "true"}):
            answer = carla.get(path, params=queries.get(path.rsplit("/", 1)[-1], {}), headers=headers)
            assert answer.status_code < 500, path
            if answer.headers.get("content-type", "").startswith("text/html") and "attachment" not in (
                answer.headers.get("content-disposition", "")
            ):
                dangers = [fault for fault in Audit(answer.text).faults if fault.startswith(DANGERS)]
                assert dangers == [], path
                shown += "&lt;script&gt;alert(1)" in answer.text
            asked += 1
    assert asked > 50
    assert shown > 20, "the texts are shown, as texts"
    assert len(others) < 8, others
