"""The server as one command: the application here, and beside it the worker, begun again when it dies."""

from __future__ import annotations

import ipaddress
import multiprocessing
import os
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import uvicorn

from api.app import create_app
from api.server import Server, create_server
from api.worker import work_beside
from pipeline.errors import SettingsError
from pipeline.settings import Settings

Say = Callable[[str], None]

CLOSING = 3
"""Seconds that answers still being sent have to end; pages that watch a job would never let go by themselves."""
STOPPING = 10.0
"""Seconds the worker has to stop: more than it gives its jobs."""
PAUSES = (1.0, 30.0)
"""Seconds before a worker that died is begun again: the first time, and at most, each time twice the one before."""
SOUND = 60.0
"""Seconds after which a worker that lived counts as sound."""


def serve(root: Path, settings: Settings, say: Say, *, worker: bool = True) -> None:
    """Serve the dossiers of ``root``, made where it is absent, until SIGINT (KeyboardInterrupt) or SIGTERM (SystemExit
    with 0). Raises SettingsError where the address cannot be had."""
    given = settings.serve
    # uvicorn sends itself the signal again once it has closed: without this it would end us before the worker is told
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    with _listening(given.host, given.port) as listening:
        server = create_server(root, given.library, settings)
        kept = _Kept(root, settings, say) if worker else None
        try:
            for line in greeting(server, listening.getsockname()[1], worker):
                say(line)
            config = uvicorn.Config(
                create_app(server),
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=CLOSING,
            )
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            if kept:
                kept.stop()


def greeting(server: Server, port: int, worker: bool) -> list[str]:
    """What the person who starts the server reads."""
    host = server.settings.serve.host
    name = f"[{host}]" if ":" in host else host
    lines = [f"memoire est sur http://{name}:{port} ; dossiers dans {server.root}. Ctrl-C pour arrêter."]
    if not is_loopback(host):
        lines.append(
            "Attention : cette adresse est ouverte au réseau et rien n'y est chiffré, clés comprises ; "
            "mettez devant un serveur mandataire en TLS."
        )
    if not server.identity.users():
        where = f" --root {shlex.quote(str(server.root))}"
        lines.append(f"Aucun utilisateur encore. Créez le premier : memoire users add NOM{where}")
    if not worker:
        lines.append(f"Les tâches attendent un service : memoire worker {shlex.quote(str(server.root))}")
    return lines


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise SettingsError(
            f"Le serveur ne peut pas écouter sur {host}, port {port} : {os.strerror(error.errno or 0)}",
            remedy="Le port est peut-être pris : donnez-en un autre avec --port.",
        ) from error


class _Kept:
    """The worker, kept at work."""

    def __init__(self, root: Path, settings: Settings, say: Say) -> None:
        self._given, self._say = (root, settings), say
        self._context = multiprocessing.get_context("spawn")
        # it closes with this process, whatever ends it: so the worker knows
        self._theirs, self._ours = self._context.Pipe(duplex=False)
        self._stopped = threading.Event()
        self._begin()
        self._watch = threading.Thread(target=self._keep)
        self._watch.start()

    def _begin(self) -> None:
        self._process = self._context.Process(target=work_beside, args=(*self._given, self._theirs))
        self._process.start()

    def _keep(self) -> None:
        pause, most = PAUSES
        while True:
            began = time.monotonic()
            self._process.join()
            if self._stopped.is_set():
                return
            pause = PAUSES[0] if time.monotonic() - began > SOUND else pause
            self._say(
                f"Le service des tâches s'est arrêté (code {self._process.exitcode}) ; il repart dans {pause:.0f} s."
            )
            if self._stopped.wait(pause):
                return
            pause = min(2 * pause, most)
            self._begin()

    def stop(self) -> None:
        """Stop it; its jobs go back to the queue."""
        self._stopped.set()
        self._ours.close()
        self._process.join(STOPPING)
        self._process.kill()
        self._watch.join()
