"""The whole work in a real browser, on the real server, with a real model: from the buyer's ZIP to the evaluation.

`pytest tests/test_browser.py --screens FOLDER` keeps a picture of each screen at both widths.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import docx
import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.conftest import CORPUS

CHROMIUM = shutil.which("chromium")
MODEL = "qwen2.5-coder-0.5b-instruct-q4_k_m"
WIDTHS = {"large": (1280, 900), "etroit": (390, 844)}
SECTION = "4.3"
PATIENCE = 30_000
"""Milliseconds that a page may take to show something: machines are shared."""
pytestmark = [pytest.mark.weights, pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")]
MEMOIRE = str(Path(sys.executable).with_name("memoire"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A server as a new user starts it; its address, and the first user's key."""
    from pipeline import settings, weights
    from pipeline.errors import ModelError

    manifest = weights.load_manifest(settings.load().models.folder)
    try:
        for name in (MODEL, settings.load().embed.model):
            weights.verified(manifest, name)
    except ModelError as error:
        pytest.skip(str(error))
    root = tmp_path_factory.mktemp("navigateur") / "dossiers"
    added = subprocess.run(
        [MEMOIRE, "users", "add", "alice", "--root", str(root)], capture_output=True, text=True, check=True
    )
    key = re.search(r"mk_\S+", added.stdout)
    assert key, added
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [MEMOIRE, "serve", str(root), "--port", str(port), "--library", str(CORPUS / "library")],
        env={**os.environ, "MEMOIRE_LLM__MODEL": MODEL},
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                if httpx.get(f"{address}/health", trust_env=False).is_success:
                    break
            except httpx.TransportError:
                assert process.poll() is None, "the server ended"
            time.sleep(0.1)
        yield address, key[0]
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Screens:
    """Looks at each screen at both widths: nothing sticks out sideways, axe-core finds nothing serious."""

    def __init__(self, folder: str | None) -> None:
        self._folder = Path(folder) if folder else None
        self._axe = Axe()
        self.seen: list[str] = []
        self.problems: list[str] = []

    def look(self, page: Page, name: str) -> None:
        self.seen.append(name)
        for width, (wide, high) in WIDTHS.items():
            page.set_viewport_size({"width": wide, "height": high})
            page.wait_for_timeout(150)
            over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if over > 0:
                self.problems.append(f"{name} {width}: {over} pixels too wide")
            found = self._axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
            self.problems += [
                f"{name} {width}: {item['help']}: {item['nodes'][0]['html'][:200]}"
                for item in found
                if item["impact"] in ("serious", "critical")
            ]
            if self._folder:
                self._folder.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=self._folder / f"{len(self.seen):02}-{name}-{width}.png", full_page=True)
        page.set_viewport_size({"width": 1280, "height": 900})


@pytest.fixture
def screens(request: pytest.FixtureRequest) -> Screens:
    return Screens(request.config.getoption("--screens"))


def refused(line: ConsoleMessage) -> bool:
    """Whether chromium tells of an answer that the test asked for: a wrong key, an address that is not there."""
    at = str(line.location.get("url", ""))
    return at.endswith("/connexion") or "-absent/" in at


@pytest.fixture
def page(browser: Browser, server: tuple[str, str]) -> Iterator[Page]:
    """A page that is held to its own server: every request it makes, and every error it tells."""
    address, _ = server
    context = browser.new_context(locale="fr-FR", base_url=address, accept_downloads=True)
    page = context.new_page()
    elsewhere: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url) if not request.url.startswith(address) else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" and not refused(line) else None)
    page.set_default_timeout(PATIENCE)
    yield page
    context.close()
    assert [url for url in elsewhere if not url.startswith(("data:", "blob:"))] == []
    assert errors == []


def zipped() -> bytes:
    """The sample DCE as a buyer's platform gives it."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path in sorted((CORPUS / "dce").iterdir()):
            archive.write(path, f"DCE/{path.name}")
    return data.getvalue()


def ended(page: Page, seconds: float = 240) -> None:
    """Until no job of the page is under way."""
    expect(page.locator("article.job.queued, article.job.running")).to_have_count(0, timeout=seconds * 1000)
    expect(page.locator("article.job.done").first).to_be_visible()
    expect(page.locator("article.job.failed, article.job.cancelled")).to_have_count(0)


def press(page: Page, name: str) -> None:
    """A button that sends a form, until its answer is there: leaving the page sooner would drop what was sent."""
    with page.expect_navigation():
        page.get_by_role("button", name=name).first.click()


def test_from_the_buyer_s_zip_to_the_evaluation(
    page: Page, server: tuple[str, str], screens: Screens, tmp_path: Path
) -> None:
    _, key = server

    page.goto("/")
    screens.look(page, "connexion")
    page.get_by_label("Nom").fill("alice")
    page.get_by_label("Clé").fill("mk_fausse")
    press(page, "Se connecter")
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Nom").fill("alice")
    page.get_by_label("Clé").fill(key)
    press(page, "Se connecter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Dossiers")
    screens.look(page, "aucun-dossier")

    page.get_by_label("Fichiers du DCE").set_input_files(
        {"name": "DCE sauvegarde.zip", "mimeType": "application/zip", "buffer": zipped()}
    )
    press(page, "Créer et lire")
    page.wait_for_url("**/dossiers/*")
    screens.look(page, "lecture-en-cours")
    base = page.url.split("?")[0]
    ended(page)
    page.goto(base)
    screens.look(page, "vue-d-ensemble")
    page.goto("/")
    screens.look(page, "dossiers")

    page.goto(f"{base}/acheteur")
    screens.look(page, "acheteur")
    criterion = page.locator("#v-criteria-0").first
    criterion.get_by_role("link", name=re.compile("Corriger")).click()
    page.locator("input[name='/criteria/0/weight']").fill("55")
    page.get_by_role("button", name="Enregistrer").first.click()
    expect(page.locator("#v-criteria-0").first).to_contain_text("corrigé par alice")
    expect(page.locator("#v-criteria-0").first).to_contain_text("55")

    page.goto(f"{base}/plan")
    screens.look(page, "plan-vide")
    page.goto(f"{base}/sections/{SECTION}")
    screens.look(page, "section-vide")
    press(page, "Rédiger cette section")
    expect(page.locator("progress, [role=progressbar]").first).to_be_visible()
    screens.look(page, "redaction-en-cours")
    ended(page)
    page.goto(f"{base}/sections/{SECTION}")
    expect(page.locator("article.sheet .para").first).to_be_visible()
    screens.look(page, "section")

    page.locator("sup.cite a").first.click()
    expect(page.locator("#source mark").first).to_be_visible()
    screens.look(page, "section-et-source")
    page.goto(page.locator("sup.cite a").first.get_attribute("href") or "")
    expect(page.locator("mark").first).to_be_visible()
    screens.look(page, "source")

    page.goto(f"{base}/sections/{SECTION}/modifier")
    screens.look(page, "modifier")
    editor = page.get_by_label("Texte de la section")
    editor.fill("Notre équipe de six personnes tient ce service.\n\n" + editor.input_value())
    press(page, "Enregistrer")
    expect(page.locator("article.sheet")).to_contain_text("Notre équipe de six personnes tient ce service.")
    press(page, "Verrouiller")
    expect(page.get_by_text(re.compile("verrouillée par alice"))).to_be_visible()
    page.goto(f"{base}/sections/{SECTION}/versions")
    screens.look(page, "versions")
    page.goto(f"{base}/plan")
    screens.look(page, "plan")
    page.goto(f"{base}/conformite")
    screens.look(page, "conformite")

    page.goto(f"{base}/documents")
    press(page, "Exporter")
    ended(page)
    page.goto(f"{base}/documents")
    screens.look(page, "documents")
    with page.expect_download() as download:
        page.get_by_role("link", name="memoire.docx").first.click()
    exported = tmp_path / "memoire.docx"
    download.value.save_as(exported)
    corrected = tmp_path / "memoire-relu.docx"
    correct(exported, corrected)

    page.goto(f"{base}/relecture")
    page.locator("input[type=file]").set_input_files(corrected)
    press(page, "Comparer")
    ended(page)
    page.goto(f"{base}/relecture")
    screens.look(page, "relecture")
    page.get_by_role("link", name="memoire-relu.docx").click()
    expect(page.locator("ins").first).to_contain_text(re.compile("sept|huit"))
    screens.look(page, "comparaison")

    page.goto(f"{base}/evaluation")
    press(page, "Évaluer le document")
    ended(page)
    page.goto(f"{base}/evaluation")
    expect(page.get_by_role("heading", name="Couverture par critère")).to_be_visible()
    screens.look(page, "evaluation")

    for name in ("bibliotheque",):
        page.goto(f"{base}/{name}")
        screens.look(page, name)
    for name in ("modeles", "compte", "utilisateurs"):
        page.goto(f"/{name}")
        screens.look(page, name)
    missing = page.goto(f"{base}-absent/plan")
    assert missing is not None
    assert missing.status == 404
    assert len(screens.seen) >= 20
    assert screens.problems == []


def correct(exported: Path, corrected: Path) -> None:
    """What a reviewer does in Word: one figure is not right."""
    document = docx.Document(str(exported))
    paragraph = next(p for p in document.paragraphs if "six personnes" in p.text)
    for run in paragraph.runs:
        run.text = run.text.replace("six personnes", "sept personnes")
    assert "sept personnes" in paragraph.text
    document.save(str(corrected))
