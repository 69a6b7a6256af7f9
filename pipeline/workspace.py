"""One folder a dossier: everything a tender's answer is made of, readable without the tool.

    dossier.yaml        name, where the library is
    dce/                the buyer's documents, copied; in .versions/, those that another of their name replaced
    consultation.yaml   what the buyer imposes; corrected by hand, and then believed
    index/              passages and vectors
    drafts/<number>.json            a drafted section, with its sources
    drafts/<number>.proposed.json   a new draft beside one that a person has changed
    drafts/versions/<number>/       what a section was before each time a person's text was taken back, or a person
                                    asked for another draft
    drafts/<number>.lock.json       who keeps the section for themselves
    export/  reviews/
    journal.jsonl       one line a thing done: when, what, hashes

Every file is written whole or not at all. One command at a time writes in a dossier.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipeline.errors import DossierError, SectionLockedError
from pipeline.readers import SUPPORTED
from pipeline.readers.archive import is_archive, unpack
from pipeline.records import Lock, Section, Tender
from pipeline.tender.plan import with_refs
from pipeline.tender.versions import with_origins
from pipeline.weights import write_whole

LAST_READING = ".lecture.json"
"""The last reading, untouched by people: what corrections and a new version of the tender are compared with."""

_HELD = threading.local()
"""The dossiers whose editing the present thread holds."""
VERSIONS = ".versions"
"""Folder of dce/ where documents are kept that others replaced; not read."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where PyYAML was built with it: it reads a tender ten times faster."""
_HEADER = """\
# Ce que l'acheteur impose, tel que memoire l'a lu. Corrigez ce fichier à la main : il fait foi ensuite.
# Une nouvelle lecture garde vos corrections, prend ce que l'acheteur a changé, et signale les conflits.
"""
_PLAN_EXAMPLE = """\
# Aucun plan imposé n'a été trouvé. Pour en donner un, remplacez « plan: [] » par exemple par :
# plan:
# - number: '1'
#   title: Compréhension du besoin
#   level: 1
# - number: '1.1'
#   title: Enjeux
#   level: 2
#   points: [Objectifs de l'acheteur, Contraintes]
"""


@dataclass(frozen=True)
class Dossier:
    """A dossier's folder. ``open`` and ``create`` are the ways to get one."""

    root: Path

    @property
    def dce(self) -> Path:
        return self.root / "dce"

    @property
    def index(self) -> Path:
        return self.root / "index"

    @property
    def consultation(self) -> Path:
        return self.root / "consultation.yaml"

    @property
    def export(self) -> Path:
        return self.root / "export"

    def draft(self, number: str) -> Path:
        return self.root / "drafts" / f"{_safe(number)}.json"

    def library(self) -> list[Path]:
        """Where the firm's library is. Raises DossierError where the description is unreadable."""
        value = _yaml(self.root / "dossier.yaml")
        return [Path(item) for item in value.get("library", [])]

    def dce_files(self) -> list[Path]:
        """The buyer's documents that can be read, sorted by name."""
        found = (path for path in self.dce.rglob("*") if path.is_file() and path.suffix.lower() in SUPPORTED)
        return sorted(path for path in found if VERSIONS not in path.relative_to(self.dce).parts)

    @contextlib.contextmanager
    def lock(self, waiting: Callable[[], None] | None = None) -> Iterator[None]:
        """Hold the dossier for writing. Where another command holds it: ``waiting`` is called and its end waited for;
        without ``waiting``, raises DossierError."""
        with (self.root / ".lock").open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if waiting is None:
                    raise DossierError(
                        "Une autre commande travaille sur ce dossier",
                        where=self.root,
                        remedy="Attendez qu'elle finisse.",
                    ) from error
                waiting()
                fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def editing(self) -> Iterator[None]:
        """Hold what people edit (drafts, locks of sections, consultation.yaml) while it is read, checked and written:
        an instant, so whoever comes second waits. Within itself, part of the outer one. Never take :meth:`lock` inside.
        """
        held = _HELD.__dict__.setdefault("roots", set())
        root = self.root.resolve()
        if root in held:
            yield
            return
        with (self.root / ".edition.lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            held.add(root)
            try:
                yield
            finally:
                held.discard(root)

    def note(self, what: str, **details: Any) -> None:
        """Append a line to the journal."""
        line = {"when": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), "what": what, **details}
        with (self.root / "journal.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")

    def journal(self) -> list[dict[str, Any]]:
        """The journal's lines, oldest first; a last line cut by a power failure is left out."""
        path = self.root / "journal.jsonl"
        lines = []
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
            with contextlib.suppress(json.JSONDecodeError):
                lines.append(json.loads(line))
        return lines


def create(root: Path, dce: Sequence[Path], library: Sequence[Path]) -> tuple[Dossier, list[str]]:
    """A new dossier with copies of the buyer's documents, and one line a file left out.

    Raises DossierError where the folder exists or a path does not.
    """
    if root.exists() and any(root.iterdir()):
        raise DossierError("Ce dossier existe déjà", where=root, remedy="Choisissez un autre nom.")
    for path in [*dce, *library]:
        if not path.exists():
            raise DossierError("Chemin introuvable", where=path, remedy="Vérifiez-le.")
    with tempfile.TemporaryDirectory() as folder:
        return _create(root, *_unpacked(dce, Path(folder)), library)


def _unpacked(dce: Sequence[Path], folder: Path) -> tuple[list[Path], list[str]]:
    """The paths given, archives replaced by what they hold, and what was left out of them."""
    paths: list[Path] = []
    left: list[str] = []
    for path in dce:
        archives = [item for item in _files(path) if is_archive(item)]
        for archive in archives:
            target = folder / str(len(paths))
            target.mkdir()
            left += unpack(archive, target / archive.stem).left_out
            paths.append(target)
        if path.is_dir() or not archives:
            paths.append(path)
    return paths, left


def _readable(paths: Sequence[Path]) -> tuple[list[tuple[Path, str]], list[str]]:
    """The files that can be read, each with its name in the dossier, and a French line for each other."""
    files = [
        (item, item.name if path.is_file() else item.relative_to(path).as_posix())
        for path in paths
        for item in _files(path)
        if not is_archive(item)
    ]
    kept = [(item, name) for item, name in files if item.suffix.lower() in SUPPORTED]
    return kept, [
        f"{name} : format non lu, laissé de côté." for item, name in files if item.suffix.lower() not in SUPPORTED
    ]


def add_pieces(dossier: Dossier, paths: Sequence[Path], folder: Path, now: dt.datetime) -> list[str]:
    """Copy documents into dce/, archives unpacked in ``folder`` first: a French line a file left out, known already or
    put in the place of another, which is kept under the time of ``now``."""
    for path in paths:
        if not path.exists():
            raise DossierError("Chemin introuvable", where=path, remedy="Vérifiez-le.")
    unpacked, left = _unpacked(paths, folder)
    files, unread = _readable(unpacked)
    told = [*left, *unread]
    with dossier.editing():
        for item, name in files:
            target, content = dossier.dce / name, item.read_bytes()
            if target.is_dir() or any(parent.is_file() for parent in target.parents):
                told.append(f"{name} : un dossier ou un fichier porte déjà ce nom, laissé de côté.")
                continue
            before = target.read_bytes() if target.is_file() else None
            if before == content:
                told.append(f"{name} : déjà dans le dossier, à l'identique.")
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if before is not None:
                aside = dossier.dce / VERSIONS / f"{now:%Y%m%dT%H%M%S.%fZ}" / name
                aside.parent.mkdir(parents=True, exist_ok=True)
                write_whole(aside, before)
                told.append(f"{name} : nouvelle version ; la précédente est gardée.")
            write_whole(target, content)
            dossier.note("add", file=name, sha256=hashlib.sha256(content).hexdigest(), replaces=before is not None)
    return told


def _create(root: Path, dce: Sequence[Path], left: list[str], library: Sequence[Path]) -> tuple[Dossier, list[str]]:
    kept, unread = _readable(dce)
    left = [*left, *unread]
    if not kept:
        raise DossierError(
            "Aucun document lisible dans le DCE",
            where=", ".join(map(str, dce)),
            remedy=f"Formats lus : {', '.join(SUPPORTED)}.",
        )
    partial = root.with_name(f".{root.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for folder in ("dce", "drafts", "reviews", "export"):
        (partial / folder).mkdir(parents=True)
    for item, name in kept:
        target = partial / "dce" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(item, target)
    description = {"name": root.name, "library": [str(path.resolve()) for path in library]}
    write_whole(partial / "dossier.yaml", yaml.safe_dump(description, allow_unicode=True, sort_keys=False))
    if root.exists():
        root.rmdir()
    partial.rename(root)
    dossier = Dossier(root)
    dossier.note("new", dce=[name for _, name in kept], library=description["library"])
    return dossier, left


def open_dossier(root: Path) -> Dossier:
    """An existing dossier. Raises DossierError where the folder is none."""
    if not (root / "dossier.yaml").is_file():
        raise DossierError(
            "Ce n'est pas un dossier memoire",
            where=root,
            remedy="Créez-en un avec « memoire new DOSSIER --dce … ».",
        )
    return Dossier(root)


# --- consultation.yaml -------------------------------------------------------------------------------------


def write_consultation(dossier: Dossier, tender: Tender) -> None:
    """Write consultation.yaml; the text it replaces, comments included, stays as consultation.precedente.yaml."""
    body = yaml.safe_dump(tender.model_dump(mode="json"), allow_unicode=True, sort_keys=False, width=110)
    if dossier.consultation.is_file():
        before = dossier.consultation.read_text(encoding="utf-8")
        write_whole(dossier.root / "consultation.precedente.yaml", before)
    write_whole(dossier.consultation, f"{_HEADER}{'' if tender.plan else _PLAN_EXAMPLE}{body}")


def write_reading(dossier: Dossier, tender: Tender) -> None:
    """Remember what was read, corrections apart."""
    write_whole(dossier.root / LAST_READING, tender.model_dump_json())


def last_reading(dossier: Dossier) -> Tender | None:
    """What the rules read last time, corrections apart; ``None`` before the first reading or after a new format."""
    path = dossier.root / LAST_READING
    try:
        return Tender.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def read_consultation(dossier: Dossier) -> Tender:
    """What consultation.yaml says, with where each value comes from. Raises DossierError, with the field, where it is
    absent or wrong."""
    if not dossier.consultation.is_file():
        raise DossierError(
            "Ce dossier n'a pas encore été lu",
            where=dossier.root,
            remedy=f"Lancez « memoire read {dossier.root} ».",
        )
    return _consultation(dossier, stamp(dossier.consultation), stamp(dossier.root / LAST_READING))


@lru_cache(maxsize=32)  # parsing the YAML of a real tender takes 0.15 s, and every page asks for it
def _consultation(dossier: Dossier, *_stamps: tuple[int, ...]) -> Tender:
    try:
        tender = Tender.model_validate(_yaml(dossier.consultation))
    except ValidationError as error:
        first = error.errors()[0]
        place = " → ".join(str(part) for part in first["loc"])
        raise DossierError(
            f"consultation.yaml : « {place} » : {first['msg']}",
            where=dossier.consultation,
            remedy="Corrigez ce champ.",
        ) from error
    tender = tender.model_copy(update={"plan": with_refs(tender.plan)})
    reading = last_reading(dossier)
    return with_origins(tender, reading) if reading else tender


def stamp(path: Path) -> tuple[int, ...]:
    """What changes whenever a file does; empty where there is none."""
    try:
        told = path.stat()
    except FileNotFoundError:
        return ()
    return told.st_ino, told.st_mtime_ns, told.st_size


# --- drafts ------------------------------------------------------------------------------------------------


def read_draft(dossier: Dossier, number: str) -> Section | None:
    """A drafted section, or ``None``. Raises DossierError where the file is unreadable."""
    return _section(dossier.draft(number))


def read_proposed(dossier: Dossier, number: str) -> Section | None:
    """The draft that stands beside a person's text, or ``None``. Raises DossierError where the file is unreadable."""
    return _section(_proposed(dossier.draft(number)))


def has_proposed(dossier: Dossier, number: str) -> bool:
    """Whether a draft stands beside a person's text."""
    return _proposed(dossier.draft(number)).is_file()


def _proposed(path: Path) -> Path:
    return path.with_suffix(".proposed.json")


def _section(path: Path) -> Section | None:
    if not path.is_file():
        return None
    try:
        return Section.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise DossierError(
            "Section illisible",
            where=path,
            remedy="Corrigez ce fichier, ou déplacez-le pour la rédiger de nouveau.",
        ) from error


def write_draft(dossier: Dossier, section: Section) -> Path | None:
    """Save a section; beside the present one where a person has changed it; not at all, and ``None``, where a person
    keeps the section for themselves."""
    path = dossier.draft(section.number)
    with dossier.editing():
        if section_lock(dossier, section.number):
            return None
        if path.is_file() and edited_by_hand(dossier, section.number):
            path = _proposed(path)
        elif section.instruction:  # a person asked for another: they may want the one before
            _keep(dossier, section.number)
        text = section.model_dump_json(indent=1)
        write_whole(path, text)
        dossier.note(
            "draft",
            section=section.number,
            file=path.name,
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            model=section.model,
            inputs=section.inputs_sha256,
            seconds=round(section.seconds, 1),
            tokens=section.tokens,
        )
    return path


def write_accepted(dossier: Dossier, section: Section) -> Path:
    """Save a section as a person wants it; what it replaces becomes a version. Nothing drafts over it from then on, as
    it is not what drafting last saved (:func:`edited_by_hand`). Raises SectionLockedError where another person keeps
    the section."""
    path, accepted = dossier.draft(section.number), section.accepted
    if accepted is None:
        raise ValueError("only what a person handed in is accepted")
    with dossier.editing():
        refuse_locked(dossier, section.number, accepted.by)
        _keep(dossier, section.number)
        text = section.model_dump_json(indent=1)
        write_whole(path, text)
        dossier.note(
            "accept",
            section=section.number,
            file=path.name,
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            by=accepted.by,
            human=accepted.file,
            model=section.model,
            model_sha256=section.model_sha256,
            prompt_sha256=section.prompt_sha256,
            words_kept=accepted.words_kept,
            chrf=accepted.chrf,
            validated_by=accepted.validated_by,
        )
    return path


def _keep(dossier: Dossier, number: str) -> None:
    """Make a version of a section as it stands, if it does."""
    path = dossier.draft(number)
    if path.is_file():
        folder = _versions(dossier, number)
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S.%fZ}.json", path.read_bytes())


def draft_sha256(dossier: Dossier, number: str) -> str:
    """What tells a section's saved text from any other: the SHA-256 of its file; empty where nothing is written."""
    path = dossier.draft(number)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def drop_proposed(dossier: Dossier, number: str) -> None:
    """Remove the draft that stands beside a person's text."""
    _proposed(dossier.draft(number)).unlink(missing_ok=True)


def versions(dossier: Dossier, number: str) -> tuple[Path, ...]:
    """What a section was before, oldest first; :func:`read_version` reads one."""
    return tuple(sorted(_versions(dossier, number).glob("*.json")))


def read_version(path: Path) -> Section:
    """A section as it was. Raises DossierError where the file is unreadable."""
    try:
        return Section.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise DossierError("Version illisible", where=path, remedy="Retirez ce fichier.") from error


def machine_draft(dossier: Dossier, number: str) -> Section | None:
    """The last draft of a section that no person had changed; ``None`` where there never was one."""
    stands = read_draft(dossier, number)
    before = (read_version(path) for path in reversed(versions(dossier, number)))
    return next((s for s in (stands, *before) if s and s.accepted is None and s.model), None)


def _versions(dossier: Dossier, number: str) -> Path:
    path = dossier.draft(number)
    return path.parent / "versions" / path.stem


def edited_by_hand(dossier: Dossier, number: str, journal: Sequence[dict[str, Any]] | None = None) -> bool:
    """Whether a draft differs from what was last saved under its name. ``journal``: the dossier's, where it was read
    already."""
    path = dossier.draft(number)
    if not path.is_file():
        return False
    lines = dossier.journal() if journal is None else journal
    saved = [line["sha256"] for line in lines if line["what"] == "draft" and line.get("file") == path.name]
    return not saved or saved[-1] != hashlib.sha256(path.read_bytes()).hexdigest()


# --- locks -------------------------------------------------------------------------------------------------


def section_lock(dossier: Dossier, number: str) -> Lock | None:
    """Who keeps a section for themselves; ``None`` where nobody does. Raises DossierError where the file is
    unreadable."""
    path = _lock(dossier, number)
    try:
        return Lock.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError) as error:
        raise DossierError("Verrou illisible", where=path, remedy="Retirez ce fichier.") from error


def lock_section(dossier: Dossier, number: str, by: str) -> Lock:
    """Keep a section for a person: nothing drafts it and nobody else writes it until it is unlocked. Raises
    SectionLockedError where another person keeps it."""
    with dossier.editing():
        refuse_locked(dossier, number, by)
        held = section_lock(dossier, number)
        if held:
            return held
        lock = Lock(by=by, when=dt.datetime.now().astimezone().isoformat(timespec="seconds"))
        write_whole(_lock(dossier, number), lock.model_dump_json())
        dossier.note("lock", section=number, by=by)
    return lock


def unlock_section(dossier: Dossier, number: str, by: str) -> Lock | None:
    """Free a section, whoever kept it: what the lock was, or ``None`` where there was none."""
    with dossier.editing():
        held = section_lock(dossier, number)
        if held:
            _lock(dossier, number).unlink()
            dossier.note("unlock", section=number, by=by, of=held.by)
    return held


def refuse_locked(dossier: Dossier, number: str, by: str | None) -> None:
    """Raise SectionLockedError where somebody else than ``by`` keeps the section."""
    held = section_lock(dossier, number)
    if held and held.by != by:
        raise SectionLockedError(
            f"La section {number} est verrouillée par {held.by}",
            where=dossier.root,
            remedy="Demandez-lui de la déverrouiller, ou déverrouillez-la (« memoire unlock »).",
        )


def _lock(dossier: Dossier, number: str) -> Path:
    return dossier.draft(number).with_suffix(".lock.json")


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith((".", "~")))


def _safe(number: str) -> str:
    """A section number as a file name: nothing in a tender may leave the folder."""
    kept = "".join(c if c.isalnum() or c in ".-_" else "_" for c in number).strip(".")
    return kept or "section"


def _yaml(path: Path) -> dict[str, Any]:
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise DossierError(
            f"Fichier illisible : {str(error).splitlines()[0]}", where=path, remedy="Corrigez ce YAML."
        ) from error
    if not isinstance(value, dict):
        raise DossierError("Un ensemble de champs est attendu", where=path, remedy="Corrigez ce YAML.")
    return value
