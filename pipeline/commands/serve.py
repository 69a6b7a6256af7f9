"""« memoire serve » and « memoire worker »: the server, and what does its long work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import settings as settings_module
from pipeline.console import err
from pipeline.errors import DossierError
from pipeline.settings import Settings

Root = Annotated[Path, typer.Argument(metavar="RACINE", help="Où sont les dossiers ; créé s'il n'existe pas.")]
HERE = Path("dossiers")
Workers = Annotated[int | None, typer.Option("--workers", metavar="N", min=1, max=32, help="Tâches à la fois.")]


def serve(
    root: Root = HERE,
    host: Annotated[str | None, typer.Option("--host", metavar="ADRESSE", help="Par défaut : 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", metavar="PORT", min=1, max=65535, help="Par défaut : 8000.")
    ] = None,
    library: Annotated[
        list[Path] | None,
        typer.Option("--library", metavar="CHEMIN", help="Bibliothèque des nouveaux dossiers. Répétable."),
    ] = None,
    workers: Workers = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Laisse les tâches à un « memoire worker » à part.")
    ] = False,
) -> None:
    """Ouvre les dossiers de RACINE dans un navigateur et par l'API, et fait leurs tâches."""
    from api.serving import serve as serving

    absent = next((path for path in library or () if not path.exists()), None)
    if absent:
        raise DossierError("Chemin introuvable", where=absent, remedy="Vérifiez-le.")
    chosen = tuple(path.resolve() for path in library) if library else None
    settings = _settings(host=host, port=port, library=chosen, workers=workers)
    serving(root.resolve(), settings, lambda line: err.print(line, markup=False), worker=not no_worker)


def worker(root: Root = HERE, workers: Workers = None) -> None:
    """Fait les tâches de RACINE, sans le serveur."""
    from api.worker import run_worker

    settings = _settings(workers=workers)
    many = settings.serve.workers
    told = f"Tâches de {root.resolve()} : {many} à la fois. Ctrl-C pour arrêter."
    err.print(told, markup=False)
    run_worker(root.resolve(), settings)


def _settings(**given: Any) -> Settings:
    """The user's settings, with what the command line says of the server."""
    settings = settings_module.load()
    said = {name: value for name, value in given.items() if value is not None}
    return settings.model_copy(update={"serve": settings.serve.model_copy(update=said)})
