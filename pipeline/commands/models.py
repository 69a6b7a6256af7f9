"""« memoire models »: which model files are known, where they come from, and that they are what was published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pipeline import settings as settings_module
from pipeline import weights
from pipeline.console import out
from pipeline.errors import ModelError

models_app = typer.Typer(help="Les fichiers de modèles et leur provenance.", no_args_is_help=True)


@models_app.command("list")
def models_list() -> None:
    """Liste les modèles connus et dit lesquels sont sur cette machine."""
    manifest = weights.load_manifest(settings_module.load().models.folder)
    table = Table("Nom", "Rôle", "Licence", "Éditeur", "Taille", "Présent")
    for model in manifest.models:
        present = "oui" if manifest.path(model).exists() else "non"
        table.add_row(
            model.name,
            {"llm": "rédaction", "embedder": "vecteurs"}[model.role],
            model.licence,
            f"{model.publisher} ({model.country})",
            f"{model.bytes / 1e6:,.0f} Mo".replace(",", " "),
            present,
        )
    out.print(table)


@models_app.command("fetch")
def models_fetch(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NOM…", help="Par défaut : les modèles par défaut.")
    ] = None,
) -> None:
    """Obtient des modèles et vérifie leur SHA-256 ; reprend un téléchargement interrompu."""
    manifest = weights.load_manifest(settings_module.load().models.folder)
    for name in names or [model.name for model in weights.defaults(manifest)]:
        model = manifest.find(name)
        if manifest.path(model).exists():
            path = weights.verified(manifest, name)
            out.print(f"{name} : présent et vérifié ({path}).", markup=False)
            continue
        out.print(f"{name} : téléchargement de {model.bytes / 1e6:,.0f} Mo…".replace(",", " "), markup=False)

        def progress(what: str, done: int, total: int) -> None:
            if total > 1:
                out.print(f"  {what} : partie {done} sur {total}", markup=False)

        path = weights.fetch(manifest, name, progress)
        out.print(f"{name} : obtenu et vérifié ({path}).", markup=False)


@models_app.command("verify")
def models_verify(
    names: Annotated[list[str] | None, typer.Argument(metavar="NOM…", help="Par défaut : tous ceux présents.")] = None,
) -> None:
    """Vérifie à nouveau le SHA-256 des modèles présents."""
    manifest = weights.load_manifest(settings_module.load().models.folder)
    chosen = names or [model.name for model in manifest.models if manifest.path(model).exists()]
    if not chosen:
        raise ModelError(
            "Aucun modèle sur cette machine", where=manifest.folder, remedy="Lancez « memoire models fetch »."
        )
    for name in chosen:
        weights.verified(manifest, name, again=True)
        out.print(f"{name} : SHA-256 conforme.", markup=False)


@models_app.command("add")
def models_add(
    path: Annotated[Path, typer.Argument(metavar="FICHIER", help="Fichier GGUF ou dossier sentence-transformers.")],
    licence: Annotated[str, typer.Option("--licence", prompt="Licence du modèle (SPDX)", help="Licence, en SPDX.")],
    publisher: Annotated[str, typer.Option("--publisher", prompt="Éditeur du modèle", help="Qui le publie.")],
    country: Annotated[str, typer.Option("--country", help="Pays de l'éditeur (ISO 3166).")] = "??",
    chat: Annotated[
        str, typer.Option("--chat", help="Gabarit de dialogue : chatml, llama3, mistral, gemma.")
    ] = "chatml",
    context: Annotated[int, typer.Option("--context", min=512, help="Longueur de contexte, en jetons.")] = 4096,
    name: Annotated[str | None, typer.Option("--name", help="Nom sous lequel le désigner.")] = None,
) -> None:
    """Enregistre un modèle que vous avez déjà (Mistral, Lucie, EuroLLM, Apertus, Qwen…)."""
    manifest = weights.load_manifest(settings_module.load().models.folder)
    model = weights.add(
        manifest,
        path,
        licence=licence,
        publisher=publisher,
        country=country,
        chat=chat,
        context=context,
        name=name,
    )
    setting = "llm.model" if model.role == "llm" else "embed.model"
    out.print(f"Modèle « {model.name} » enregistré. Pour l'utiliser : --set {setting}={model.name}", markup=False)
