"""A new user's first section, by the README alone and timed: `python -m evals.first_section [--model NAME]`

Does in Debian's chromium what « In a browser » of the README says, on a server of its own over an empty folder: users
add, serve, sign in, drop the files of corpus/dce, wait for the reading, ask for section 4.3 and wait for its text. The
models are there already, as after `make models`. Exit 1 over five minutes.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, expect, sync_playwright

from pipeline.settings import ROOT

MEMOIRE = str(Path(sys.executable).with_name("memoire"))
TARGET = 300.0
"""Seconds, from « memoire serve »."""
SECTION = "4.3"
_BUSY = "article.job.queued, article.job.running"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="", help="name in models/manifest.toml; by default that of the settings")
    chosen = parser.parse_args()
    environment = {**os.environ, **({"MEMOIRE_LLM__MODEL": chosen.model} if chosen.model else {})}
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        root = str(Path(folder) / "dossiers")
        added = subprocess.run([MEMOIRE, "users", "add", "alice", "--root", root], capture_output=True, check=True)
        key = added.stdout.decode().split()[-1]
        began = time.monotonic()
        command = [MEMOIRE, "serve", root, "--port", str(port), "--library", str(ROOT / "corpus" / "library")]
        server = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        try:
            seconds = _work(f"http://127.0.0.1:{port}", key, began)
        finally:
            server.terminate()
            server.wait(60)
    return int(seconds > TARGET)


def _work(address: str, key: str, began: float) -> float:
    """The steps, each told with the seconds since the server was begun; the last of them."""

    def told(step: str) -> float:
        seconds = time.monotonic() - began
        print(f"{seconds:6.1f} s  {step}", flush=True)
        return seconds

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(base_url=address)
        page.set_default_timeout(30_000)
        _open(page)
        told("the page answers")
        page.get_by_label("Nom").fill("alice")
        page.get_by_label("Clé").fill(key)
        page.get_by_role("button", name="Se connecter").click()
        page.get_by_label("Fichiers du DCE").set_input_files(sorted((ROOT / "corpus" / "dce").iterdir()))
        page.get_by_label("Nom du dossier").fill("Essai")
        page.get_by_role("button", name="Créer et lire").click()
        page.wait_for_url("**/dossiers/essai*")
        told("signed in, files sent")
        _ended(page)
        told("read and indexed")
        page.get_by_role("link", name="Plan et rédaction").click()
        page.get_by_role("link", name=re.compile(rf"^{re.escape(SECTION)} ")).click()
        page.get_by_role("button", name="Rédiger cette section").click()
        _ended(page)
        page.goto(f"/dossiers/essai/sections/{SECTION}")
        page.locator("article.sheet .para").first.wait_for()
        sentences = page.locator("sup.cite").count()
        seconds = told(f"section {SECTION} drafted, {sentences} citations to open")
        browser.close()
        return seconds


def _open(page: Page) -> None:
    """The first page, as soon as the server listens."""
    for _ in range(300):
        try:
            page.goto("/")
            return
        except PlaywrightError as error:
            if "ERR_CONNECTION_REFUSED" not in str(error):
                raise
            time.sleep(0.1)
    raise SystemExit("the server did not start within 30 s")


def _ended(page: Page) -> None:
    """Until no job of the page is under way."""
    expect(page.locator(_BUSY)).to_have_count(0, timeout=600_000)


if __name__ == "__main__":
    sys.exit(main())
