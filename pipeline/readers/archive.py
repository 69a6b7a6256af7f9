"""ZIP: what a buyer's portal sends, unpacked into a folder without trusting a byte of it.

The archive's own figures are used only to refuse early; what counts is what comes out while it is being written.
Names that would leave the folder are left out and named. Archives within archives are unpacked beside themselves,
into a folder of their name. All is written in a folder beside the target and renamed at the end: whole or not at all.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from pipeline.errors import DocumentError
from pipeline.records import Record

MAX_RATIO = 100
"""Bytes out for a byte in, for an entry and for the whole file; the real tenders and the corpus stay under 4."""
RATIO_FLOOR = 1 << 16
"""Bytes an entry may give before its ratio counts: an empty form of 64 kB that packs into 300 bytes harms nobody."""
MAX_ENTRIES = 20_000
"""Entries, nested archives included; the real tenders at hand have under 20 files."""
MAX_FOLDERS = 2_000
"""Folders made; taking one away again took up to 3 ms (ext4 on a virtual disk): 20,000 made a refusal last a minute."""
MAX_TOTAL = 2 << 30
"""Bytes written, nested archives included."""
MAX_ENTRY = 500 << 20
"""Bytes of one entry, a nested archive included."""
MAX_DEPTH = 3
"""Archives within archives, the outermost being 1: portal, lot, annexes."""
MAX_DIRECTORY = 16 << 20
"""Bytes of the table of entries, which is read at once: 800 an entry, where a header takes 46 and the name."""
MAX_PART_BYTES = 240
"""Bytes of a file or folder name: what file systems allow (255), less the suffix of a duplicate."""
MAX_PATH_BYTES = 1000
"""Bytes of a path within the folder; Linux allows 4,096 with the folder's own."""
MAX_PARTS = 32
"""Folders in a path, the file included; a bound on what a refusal has to clean up."""
CHUNK = 1 << 16

_LOCAL, _CENTRAL, _EMPTY = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_ENCRYPTED = 0x1 | 0x40
_UTF8 = 0x800
_OFFICE_FIRST = (b"[Content_Types].xml", b"mimetype", b"_rels/", b"docProps/", b"word/", b"xl/", b"ppt/")
"""What the first entry of an office file is called, where the table of entries cannot be read."""
_FRENCH = frozenset("àâäçéèêëîïôöùûüœÀÂÄÇÉÈÊËÎÏÔÖÙÛÜŒ°’«»")
_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that make a name read otherwise than it is written."""


class Unpacked(Record):
    """What came out of an archive."""

    files: tuple[Path, ...]
    """In the archive's order, under the target folder; empty where it holds none that can be written."""
    left_out: tuple[str, ...]
    """One French line an entry not written: its name, and why."""


class _DamagedError(DocumentError):
    """The bytes are not those of a whole archive: fatal for the file given, not for one nested in it."""


def is_archive(path: Path) -> bool:
    """Whether a file is a ZIP to unpack, by its content: office files (OOXML, ODF) are ZIP too, and are not.

    Raises DocumentError where the file cannot be opened.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(30 + 64)
    except OSError as error:
        raise _unreadable(path, error) from error
    if not head.startswith((_LOCAL, _EMPTY)):
        return False
    try:
        with _opened(path, str(path)) as package:
            names = set(package.namelist())
    except DocumentError:
        return not head[30:].startswith(_OFFICE_FIRST)
    return "[Content_Types].xml" not in names and not {"mimetype", "META-INF/manifest.xml"} <= names


def unpack(source: Path, target: Path) -> Unpacked:
    """Unpack a ZIP into ``target``, a folder that does not exist yet or is empty.

    Raises DocumentError, with nothing written, where the archive is damaged, passes a limit above, or cannot be
    written. Memory does not grow with what it holds. Encrypted entries, links and unsafe names are left out.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DocumentError("Ce dossier existe déjà", where=target, remedy="Choisissez un autre nom.")
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        job = _Job(source, partial)
        job.unpack(source, PurePath(), trail=())
        partial.rename(target)
    except OSError as error:
        raise DocumentError(
            f"Cette archive ne peut pas être décompressée : {error.strerror or error}",
            where=source,
            remedy="Vérifiez la place libre et les droits d'accès.",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Unpacked(files=tuple(target / name for name in job.files), left_out=tuple(job.left_out))


@dataclass
class _Job:
    """What one call has written so far, nested archives included; paths are relative to ``root``."""

    source: Path
    root: Path
    files: list[PurePath] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    entries: int = 0
    folders: int = 0
    written: int = 0
    _folders: dict[str, PurePath] = field(default_factory=dict)
    """Folders made for entries, by folded path (not those of nested archives: their content stays apart)."""
    _next: dict[str, int] = field(default_factory=dict)
    """Paths taken, folded, with the number that the next entry of this name gets."""

    def __post_init__(self) -> None:
        try:
            self._allowed = max(RATIO_FLOOR, MAX_RATIO * self.source.stat().st_size)
        except OSError as error:
            raise _unreadable(self.source, error) from error

    def unpack(self, path: Path, into: PurePath, trail: tuple[str, ...]) -> None:
        """Write the entries of one archive into a folder; ``trail`` names the archives it was found in."""
        where = " › ".join((str(self.source), *trail))
        with _opened(path, where) as package:
            entries = package.infolist()
            self.entries += len(entries)
            if self.entries > MAX_ENTRIES:
                raise _too_many(where)
            if self.written + sum(entry.file_size for entry in entries) > MAX_TOTAL:
                raise _too_large(where)
            for entry in entries:
                name = _name(entry)
                shown = " › ".join((*trail, _shown(name)))
                parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
                reason = _refusal(entry, name, parts)
                if not reason and _is_long(into.joinpath(*parts)):
                    reason = "nom trop long"
                if reason:
                    self.left_out.append(f"{shown} : {reason}, laissé de côté.")
                elif name.endswith(("/", "\\")):
                    self._folder(into, parts, where)
                else:
                    place = self._free(self._folder(into, parts[:-1], where), parts[-1])
                    self._write(package, entry, place, where)
                    if is_archive(self.root / place):
                        self._unpack_nested(place, shown, trail)
                    else:
                        self.files.append(place)

    def _unpack_nested(self, place: PurePath, shown: str, trail: tuple[str, ...]) -> None:
        """Replace an archive that was written by a folder of its content."""
        trail = (*trail, place.name)
        where = " › ".join((str(self.source), *trail))
        if len(trail) == MAX_DEPTH:
            raise DocumentError(
                f"Cette archive en contient d'autres sur plus de {MAX_DEPTH} niveaux",
                where=where,
                remedy="Décompressez-la et donnez seulement les pièces utiles.",
            )
        folder = self._free(place.parent, place.stem.strip(". ") or "archive")
        self._make(folder, where)
        kept, named = len(self.files), len(self.left_out)
        try:
            self.unpack(self.root / place, folder, trail)
        except _DamagedError:
            shutil.rmtree(self.root / folder)
            del self.files[kept:], self.left_out[named:]
            self.left_out.append(f"{shown} : archive endommagée, laissée de côté.")
        (self.root / place).unlink()

    def _write(self, package: zipfile.ZipFile, entry: zipfile.ZipInfo, place: PurePath, where: str) -> None:
        where = f"{where} › {place.name}"
        if entry.file_size > MAX_ENTRY:
            raise _too_large(where)
        size, allowed = 0, max(RATIO_FLOOR, MAX_RATIO * entry.compress_size)
        with (self.root / place).open("xb") as out:
            for piece in _pieces(package, entry, where):
                size += len(piece)
                self.written += len(piece)
                if size > allowed or self.written > self._allowed:
                    raise DocumentError(
                        f"Cette archive se décompresse en un volume anormal (plus de {MAX_RATIO} fois sa taille)",
                        where=where,
                        remedy="Vérifiez sa provenance.",
                    )
                if size > MAX_ENTRY or self.written > MAX_TOTAL:
                    raise _too_large(where)
                out.write(piece)

    def _folder(self, into: PurePath, parts: Sequence[str], where: str) -> PurePath:
        """The folder of this path, made where absent; folders whose names differ by case only are one."""
        for part in parts:
            found = self._folders.get(_folded(into / part))
            if found is None:
                found = self._free(into, part)
                self._folders[_folded(into / part)] = self._folders[_folded(found)] = found
                self._make(found, where)
            into = found
        return into

    def _free(self, folder: PurePath, name: str) -> PurePath:
        """A path no entry has taken, case apart: the name itself, else « name (2) », « name (3) »…"""
        path = folder / name
        first = _folded(path)
        while _folded(path) in self._next:
            self._next[first] += 1
            path = folder / f"{PurePath(name).stem} ({self._next[first]}){PurePath(name).suffix}"
        self._next[_folded(path)] = 1
        return path

    def _make(self, folder: PurePath, where: str) -> None:
        self.folders += 1
        if self.folders > MAX_FOLDERS:
            raise _too_many(where)
        (self.root / folder).mkdir()


class _Stream(io.BufferedReader):
    """A file that will not hand over an endless table of entries: zipfile reads it whole, before any check."""

    def __init__(self, path: Path, where: str) -> None:
        super().__init__(io.FileIO(path))
        self._where = where

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_DIRECTORY:
            raise _too_many(self._where)
        data = super().read(size)
        if data.startswith(_CENTRAL) and data.count(_CENTRAL) > MAX_ENTRIES:
            raise _too_many(self._where)
        return data


@contextlib.contextmanager
def _opened(path: Path, where: str) -> Iterator[zipfile.ZipFile]:
    """The archive, its table of entries read. Raises DocumentError."""
    try:
        stream = _Stream(path, where)
    except OSError as error:
        raise _unreadable(path, error) from error
    with stream:
        try:
            package = zipfile.ZipFile(stream)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, OSError, struct.error) as error:
            raise _damaged(where) from error
        with package:
            yield package


def _pieces(package: zipfile.ZipFile, entry: zipfile.ZipInfo, where: str) -> Iterator[bytes]:
    """An entry's content, a piece at a time. Raises _DamagedError, also where the checksum is not the one written."""
    try:
        with package.open(entry) as stream:
            while piece := stream.read(CHUNK):
                yield piece
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OverflowError, OSError) as error:
        raise _damaged(where) from error


def _name(entry: zipfile.ZipInfo) -> str:
    """The entry's name as its author wrote it, accents composed.

    UTF-8 where the entry says so or the bytes allow it. Else the reading with the more French letters: the OEM page
    of French Windows (850; 437 has no French letter that it writes otherwise), or Windows-1252, which some portals use.
    """
    name = entry.orig_filename
    if not entry.flag_bits & _UTF8:
        raw = name.encode("cp437")
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            readings = [raw.decode("cp850")]
            with contextlib.suppress(UnicodeDecodeError):
                readings.append(raw.decode("cp1252"))
            name = max(readings, key=lambda text: sum(letter in _FRENCH for letter in text))
    return unicodedata.normalize("NFC", name)


def _refusal(entry: zipfile.ZipInfo, name: str, parts: Sequence[str]) -> str:
    """Why an entry is not written; empty where it is."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if any(_is_control(letter) for letter in name):
        return "nom contenant des caractères de commande"
    if name.startswith(("/", "\\")) or re.match("[A-Za-z]:", name):
        return "chemin absolu"
    if ".." in parts:
        return "chemin qui sort du dossier"
    if not parts:
        return "entrée sans nom"
    if kind == stat.S_IFLNK:
        return "lien symbolique"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "fichier spécial"
    if entry.flag_bits & _ENCRYPTED:
        return "fichier protégé par un mot de passe"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # zipfile reads the others unbounded
        return "compression non prise en charge"
    return ""


def _is_long(path: PurePath) -> bool:
    longest = max(len(os.fsencode(part)) for part in path.parts)
    return longest > MAX_PART_BYTES or len(path.parts) > MAX_PARTS or len(os.fsencode(path)) > MAX_PATH_BYTES


def _is_control(letter: str) -> bool:
    return letter in _BIDIRECTIONAL or unicodedata.category(letter) in ("Cc", "Zl", "Zp")


def _shown(name: str) -> str:
    """A name that holds on one line, whatever it is made of."""
    text = "".join("�" if _is_control(letter) else letter for letter in name)
    return text if len(text) <= 150 else f"{text[:149]}…"


def _folded(path: PurePath) -> str:
    return str(path).casefold()


def _unreadable(path: Path, error: OSError) -> DocumentError:
    return DocumentError(
        f"Fichier illisible : {error.strerror or error}", where=path, remedy="Vérifiez les droits d'accès."
    )


def _damaged(where: str) -> _DamagedError:
    return _DamagedError("Cette archive est endommagée ou incomplète", where=where, remedy="Téléchargez-la de nouveau.")


def _too_many(where: str) -> DocumentError:
    return DocumentError(
        f"Cette archive contient trop de fichiers ou de dossiers (plus de {MAX_ENTRIES} ou {MAX_FOLDERS})",
        where=where,
        remedy="Décompressez-la et donnez seulement les pièces utiles.",
    )


def _too_large(where: str) -> DocumentError:
    return DocumentError(
        f"Cette archive est trop volumineuse une fois décompressée (au plus {MAX_ENTRY >> 20} Mo par fichier "
        f"et {MAX_TOTAL >> 30} Go en tout)",
        where=where,
        remedy="Décompressez-la et donnez seulement les pièces utiles.",
    )
