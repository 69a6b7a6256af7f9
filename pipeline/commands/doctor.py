"""« memoire doctor »: what this machine can do."""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from typing import Any

import typer

from pipeline import machine, weights
from pipeline import settings as settings_module
from pipeline.console import FormatOption, known_format, out, print_json
from pipeline.errors import MemoireError
from pipeline.settings import Settings


def doctor(form: FormatOption = "text") -> None:
    """Dit ce que cette machine peut faire, et quoi faire quand elle ne peut pas."""
    known_format(form, "text", "json")
    settings = settings_module.load()
    checks = [_check_machine(), *_check_models(settings), _check_generation(settings)]
    if form == "json":
        print_json({"checks": checks})
    else:
        for check in checks:
            mark = "✔" if check["ok"] else "✘"
            out.print(f"{mark} {check['what']} : {check['found']}", markup=False)
            if not check["ok"]:
                out.print(f"  → {check['remedy']}", markup=False)
    if not all(check["ok"] for check in checks):
        raise typer.Exit(1)


def _check_machine() -> dict[str, Any]:
    total = machine.memory_total()
    found = (
        f"{platform.machine()}, {machine.cores()} cœurs, {machine.memory_available() / 1e9:.1f} Go libres"
        f"{f' sur {total / 1e9:.1f} Go' if total else ''}, jeux d'instructions : "
        f"{', '.join(machine.instruction_sets()) or 'aucun reconnu'}"
    )
    return {"what": "Machine", "ok": True, "found": found, "remedy": ""}


def _check_models(settings: Settings) -> list[dict[str, Any]]:
    manifest = weights.load_manifest(settings.models.folder)
    checks = []
    for what, name in (
        ("Modèle de rédaction", settings.llm.model),
        ("Modèle de vecteurs", settings.embed.model),
    ):
        try:
            path = weights.verified(manifest, name)
            checks.append({"what": what, "ok": True, "found": f"{name}, vérifié ({path})", "remedy": ""})
        except MemoireError as error:
            checks.append({"what": what, "ok": False, "found": error.what, "remedy": error.remedy})
    return checks


def _check_generation(settings: Settings) -> dict[str, Any]:
    """One token in a child process: a crash of the native code is seen, not suffered."""
    code = (
        "from pipeline import run, settings; from pipeline.llm import Prompt, answers; "
        f"m = run.load_model(settings.load(overrides=['llm.model={settings.llm.model}', 'llm.context=512'])); "
        "print(answers(m, [Prompt('Réponds.', (), 'Bonjour')], 1)[0].tokens)"
    )
    with tempfile.TemporaryDirectory() as folder:
        outcome = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False, timeout=300
        )
    what = "Génération d'un jeton"
    if outcome.returncode == 0:
        return {"what": what, "ok": True, "found": "réussie", "remedy": ""}
    if outcome.returncode < 0:
        return {
            "what": what,
            "ok": False,
            "found": f"le code natif s'est arrêté sur le signal {-outcome.returncode}",
            "remedy": "Supprimez .venv et ~/.cache/memoire/wheels, puis lancez « make setup ».",
        }
    last = next((line for line in reversed(outcome.stderr.splitlines()) if line.strip()), "échec sans message")
    return {
        "what": what,
        "ok": False,
        "found": last.split(": ", 1)[-1],
        "remedy": "Corrigez les points ci-dessus d'abord.",
    }
