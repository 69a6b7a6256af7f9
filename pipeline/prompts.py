"""Loads and renders the templates of prompts/. An undefined variable is an error, never a blank.

Each template has the blocks ``system``, ``example_<n>_user`` and ``example_<n>_answer``, and ``request``; its first
comment lists its variables and the reply it expects. Templates run in Jinja's sandbox.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined, Template, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from pipeline.errors import PromptError
from pipeline.llm import Prompt
from pipeline.settings import ROOT

FOLDER = ROOT / "prompts"


@cache
def _environment(folder: Path) -> SandboxedEnvironment:
    return SandboxedEnvironment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )


def render(name: str, folder: Path = FOLDER, **variables: object) -> Prompt:
    """The prompt of template ``name`` (« draft.point »). Raises PromptError."""
    with _usable(name, folder):
        template = _environment(folder).get_template(f"{name}.jinja")
        examples = []
        number = 1
        while f"example_{number}_user" in template.blocks:
            examples.append(
                (
                    _block(template, f"example_{number}_user", variables),
                    _block(template, f"example_{number}_answer", variables),
                )
            )
            number += 1
        return Prompt(
            system=_block(template, "system", variables),
            examples=tuple(examples),
            request=_block(template, "request", variables),
        )


def block(name: str, block: str, folder: Path = FOLDER, **variables: object) -> str:
    """One more block of a template, that its caller puts where it belongs. Raises PromptError."""
    with _usable(name, folder):
        return _block(_environment(folder).get_template(f"{name}.jinja"), block, variables)


@contextlib.contextmanager
def _usable(name: str, folder: Path) -> Iterator[None]:
    try:
        yield
    except (TemplateError, KeyError) as error:
        raise PromptError(
            f"Gabarit « {name} » inutilisable : {error}",
            where=folder / f"{name}.jinja",
            remedy="Corrigez ce gabarit.",
        ) from error


def _block(template: Template, name: str, variables: dict[str, object]) -> str:
    context = template.new_context(variables)
    return "".join(template.blocks[name](context)).strip()


def fingerprint(name: str, folder: Path = FOLDER) -> str:
    """SHA-256 of a template's text: part of what a draft depends on."""
    return hashlib.sha256((folder / f"{name}.jinja").read_bytes()).hexdigest()


@cache
def word_list(name: str, folder: Path = FOLDER) -> tuple[str, ...]:
    """The lines of prompts/lists/<name>.txt, comments and blank lines left out."""
    text = (folder / "lists" / f"{name}.txt").read_text(encoding="utf-8")
    return tuple(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))
