"""Damaged documents: whatever the bytes, reading gives blocks or a DocumentError, in bounded time and memory.

    python -m evals.fuzz [--seconds 600] [--seed 0] [--keep FOLDER]

Document number n of a seed is the same on every run: a real document with one to four mutations. It is read in a
child process, so that a crash, a hang or a memory that runs away is a finding like any other. The first document of
each kind of finding is kept; exit code 1 where there is one.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import io
import multiprocessing
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from pipeline.errors import DocumentError
from pipeline.readers import archive, read_bytes

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (
    (ROOT / "corpus" / "dce", "*"),
    (ROOT / "corpus" / "library" / "reponses", "*.docx"),
    (ROOT / "tests" / "documents", "*"),
    (ROOT.parent / "shared" / "dce", "**/*"),
)
MAX_SEED_BYTES = 400_000
"""Larger documents are slower and reach no other line."""
SECONDS = 30.0
"""A document may take; the slowest intact one takes 0.7."""
MEMORY = 2 << 30
"""Address space a document may take beyond what the process has at its start."""
INTERESTING = (
    b"0",
    b"-1",
    b"1",
    b"255",
    b"65536",
    b"2147483648",
    b"99999999999999999999",
    b"1e9",
    b"",
    b"a",
    b"\xc3\xa9",
)
"""What a number or an attribute is replaced by: limits of integers, no integer, nothing."""

Mutation = Callable[[random.Random, bytes, bytes], bytes]


@dataclass(frozen=True)
class Seed:
    """An intact document."""

    name: str
    data: bytes

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix.lower()


@dataclass(frozen=True)
class Case:
    """A document to read."""

    number: int
    name: str
    data: bytes
    suffix: str
    recipe: str
    """The document it comes from and what was done to it."""


@dataclass(frozen=True)
class Outcome:
    """What reading gave; ``place`` and ``detail`` are empty unless it is a finding."""

    kind: str
    """« read », « refused », else the exception's type, « hang » or the signal that killed the process."""
    place: str = ""
    """The innermost line of the project."""
    detail: str = ""

    @property
    def is_finding(self) -> bool:
        return self.kind not in ("read", "refused")


# --- documents ---------------------------------------------------------------------------------------------


def seeds() -> list[Seed]:
    """The intact documents, always in the same order, and two archives made of them."""
    found = [
        Seed(path.relative_to(ROOT.parent).as_posix(), path.read_bytes())
        for folder, pattern in SOURCES
        for path in sorted(folder.glob(pattern))
        if path.is_file() and 0 < path.stat().st_size < MAX_SEED_BYTES
    ]
    small = sorted(found, key=lambda seed: (len(seed.data), seed.name))[:6]
    inner = _zip([(f"lot 1/{Path(seed.name).name}", seed.data) for seed in small[:3]])
    outer = _zip([("DCE/", b""), *((f"DCE/é{n} {Path(s.name).name}", s.data) for n, s in enumerate(small))])
    return [*found, Seed("pieces.zip", outer), Seed("imbrique.zip", _zip([("a.zip", inner), ("b/c.zip", outer)]))]


def make_case(seed: int, number: int, intact: Sequence[Seed]) -> Case:
    """Document ``number`` of a seed: which document, and which mutations of it, follow from the two alone."""
    rng = random.Random(f"{seed}:{number}")
    base, other = rng.choice(intact), rng.choice(intact)
    data, done = base.data, []
    for _ in range(rng.choice((1, 1, 2, 4))):
        inner = rng.random() < 0.75 and data.startswith(b"PK") and _mutate_member(rng, data, other.data)
        if inner:
            data, how = inner
        else:
            mutation = rng.choice(BYTES)
            data, how = mutation(rng, data, other.data), mutation.__name__
        done.append(how)
    suffix = rng.choice((".txt", ".md", ".pdf", ".docx")) if rng.random() < 0.05 else base.suffix
    return Case(number, Path(base.name).with_suffix(suffix).name, data, suffix, f"{base.name}: {', '.join(done)}")


def flip_bits(rng: random.Random, data: bytes, _: bytes) -> bytes:
    changed = bytearray(data)
    for _time in range(rng.choice((1, 4, 32)) if data else 0):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncate(rng: random.Random, data: bytes, _: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def copy_block(rng: random.Random, data: bytes, _: bytes) -> bytes:
    start, end = _span(rng, data)
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[start:end] * rng.choice((1, 1, 2, 50)) + data[at:]


def delete_block(rng: random.Random, data: bytes, _: bytes) -> bytes:
    start, end = _span(rng, data)
    return data[:start] + data[end:]


def splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def replace_number(rng: random.Random, data: bytes, _: bytes) -> bytes:
    return _replace(rng, data, rb"\d+", lambda _found: rng.choice(INTERESTING))


def replace_attribute(rng: random.Random, data: bytes, _: bytes) -> bytes:
    return _replace(rng, data, rb'="[^"<>]{0,80}"', lambda _found: b'="' + rng.choice(INTERESTING) + b'"')


def drop_attribute(rng: random.Random, data: bytes, _: bytes) -> bytes:
    return _replace(rng, data, rb'\s[\w:]+="[^"<>]{0,80}"', lambda _found: b"")


def drop_element(rng: random.Random, data: bytes, _: bytes) -> bytes:
    return _replace(rng, data, rb"<([\w:]+)(?: [^<>]*)?(?:/>|>.{0,4000}?</\1>)", lambda _found: b"")


def move_element(rng: random.Random, data: bytes, _: bytes) -> bytes:
    """Copy an element to where another one begins."""
    found = _pick(rng, data, rb"<([\w:]+)(?: [^<>]*)?(?:/>|>.{0,4000}?</\1>)")
    place = _pick(rng, data, rb"<[\w:]+[ />]")
    return data[: place.start()] + found[0] + data[place.start() :] if found and place else data


def rename_element(rng: random.Random, data: bytes, _: bytes) -> bytes:
    """Give all elements of a name the name of others."""
    first, second = (_pick(rng, data, rb"<([\w:]+)") for _time in range(2))
    if not first or not second:
        return data
    return re.sub(rb"(</?)" + first[1] + rb"(?=[\s/>])", lambda found: found[1] + second[1], data)


BYTES: tuple[Mutation, ...] = (flip_bits, truncate, copy_block, delete_block, splice, replace_number)
XML: tuple[Mutation, ...] = (replace_attribute, drop_attribute, drop_element, move_element, rename_element)


def _mutate_member(rng: random.Random, data: bytes, other: bytes) -> tuple[bytes, str] | None:
    """A ZIP of the same members with one of them mutated or left out; ``None`` where it can no longer be opened."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            members = [(entry.filename, package.read(entry)) for entry in package.infolist()]
    except Exception:  # noqa: BLE001 - an earlier mutation broke it, in any of the ways zipfile knows
        return None
    if not members:
        return None
    parts = [n for n, (name, _) in enumerate(members) if name.endswith((".xml", ".rels"))]
    main = [n for n in parts if re.search(r"document|content|numbering|styles|sheet|workbook", members[n][0])]
    at = rng.choice(rng.choice((main or parts, parts)) or range(len(members)))
    name, content = members[at]
    if rng.random() < 0.05:
        return _zip(members[:at] + members[at + 1 :]), f"without {name}"
    if rng.random() < 0.05:
        return _zip([*members[:at], (name, rng.choice(members)[1]), *members[at + 1 :]]), f"other {name}"
    mutation = rng.choice(BYTES if at not in parts or rng.random() < 0.3 else XML)
    members[at] = name, mutation(rng, content, other)
    return _zip(members), f"{mutation.__name__} in {name}"


def _zip(members: Sequence[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        for name, data in members:
            package.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _span(rng: random.Random, data: bytes) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice((1, 16, 256, 4096)))


def _pick(rng: random.Random, data: bytes, pattern: bytes) -> re.Match[bytes] | None:
    """The next match after a random place, else the first."""
    compiled = re.compile(pattern, re.DOTALL)
    return compiled.search(data, rng.randrange(len(data) + 1)) or compiled.search(data)


def _replace(rng: random.Random, data: bytes, pattern: bytes, by: Callable[[re.Match[bytes]], bytes]) -> bytes:
    found = _pick(rng, data, pattern)
    return data[: found.start()] + by(found) + data[found.end() :] if found else data


# --- reading, in a child process ---------------------------------------------------------------------------


class Reader:
    """A child process that reads documents one by one; started again after each finding."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stacks = folder / "stacks.txt"
        self._process: multiprocessing.process.BaseProcess | None = None

    def read(self, case: Case) -> Outcome:
        """What reading the document gives, the end of the process included."""
        if self._process is None:
            self._start()
        assert self._process is not None
        with contextlib.suppress(BrokenPipeError):
            self._connection.send(case)
        try:
            if self._connection.poll(SECONDS):
                outcome: Outcome = self._connection.recv()
            else:
                os.kill(self._process.pid or 0, signal.SIGUSR1)
                time.sleep(0.5)
                outcome = self._ended("hang")
        except (EOFError, ConnectionResetError):
            self._process.join()
            code = self._process.exitcode or 0
            outcome = self._ended(signal.Signals(-code).name if code < 0 else f"exit {code}")
        if outcome.is_finding:
            self.close()
        return outcome

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None

    def _start(self) -> None:
        context = multiprocessing.get_context("fork")  # the readers are imported already
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._folder, self._stacks), daemon=True)
        self._process.start()
        theirs.close()

    def _ended(self, kind: str) -> Outcome:
        """The outcome where the process could not tell it: its stack was written as it died."""
        stack = self._stacks.read_text(encoding="utf-8", errors="replace") if self._stacks.is_file() else ""
        lines = re.findall(r'File "([^"]+)", line (\d+) in', stack)
        return Outcome(kind, next((_place(Path(file), int(n)) for file, n in lines if _is_ours(file)), ""), stack)


def _serve(connection: Connection, folder: Path, stacks: Path) -> None:
    """The child's life: read what comes, say what it gave."""
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    started_with = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (started_with + MEMORY, started_with + MEMORY))
    with stacks.open("w", encoding="utf-8") as stream:
        faulthandler.enable(stream)
        faulthandler.register(signal.SIGUSR1, stream)
        while True:
            try:
                case: Case = connection.recv()
            except EOFError:
                return
            connection.send(_outcome(case, folder))


def _outcome(case: Case, folder: Path) -> Outcome:
    try:
        _read(case, folder)
    except DocumentError as error:
        line = str(error)
        return Outcome("refused") if "\n" not in line else Outcome("several lines", "", line)
    except Exception as error:  # noqa: BLE001 - to be told, whatever it is
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_ours(frame.filename)]
        place = _place(Path(frames[-1].filename), frames[-1].lineno or 0) if frames else ""
        kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
        return Outcome(kind, place, "".join(traceback.format_exception(error)))
    return Outcome("read")


def _read(case: Case, folder: Path) -> None:
    """Read a document as its kind asks for. Raises AssertionError where an archive breaks what unpack promises."""
    if not case.data.startswith(b"PK"):
        read_bytes(case.data, case.name, case.suffix)
        return
    with tempfile.TemporaryDirectory(dir=folder) as place:
        source, target = Path(place) / "source", Path(place) / "target"
        source.write_bytes(case.data)
        if not archive.is_archive(source) and case.suffix != ".zip":
            read_bytes(case.data, case.name, case.suffix)
            return
        try:
            unpacked = archive.unpack(source, target)
        except DocumentError:
            assert os.listdir(place) == ["source"], "a refused archive left something"  # noqa: PTH208
            raise
        on_disk = {path for path in target.rglob("*") if not path.is_dir() or path.is_symlink()}
        assert set(unpacked.files) == on_disk, "files written are not those named"
        assert sorted(os.listdir(place)) == ["source", "target"], "something was written beside the target"  # noqa: PTH208


def _is_ours(file: str) -> bool:
    return file.startswith(str(ROOT / "pipeline"))


def _place(file: Path, line: int) -> str:
    return f"{file.relative_to(ROOT).as_posix()}:{line}"


# --- the command -------------------------------------------------------------------------------------------


def run(seconds: float, seed: int, keep: Path) -> tuple[Counter[str], list[Outcome]]:
    """Read damaged documents for so long: how many gave each kind of outcome, and the first of each finding."""
    intact = seeds()
    counts: Counter[str] = Counter()
    found: dict[tuple[str, str], Outcome] = {}
    ends = time.monotonic() + seconds
    with (
        tempfile.TemporaryDirectory(prefix="memoire-fuzz-") as folder,
        contextlib.closing(Reader(Path(folder))) as reader,
    ):
        number = 0
        while time.monotonic() < ends:
            case = make_case(seed, number, intact)
            outcome = reader.read(case)
            counts[outcome.kind] += 1
            key = (outcome.kind, outcome.place)
            if outcome.is_finding and key not in found:
                found[key] = outcome
                path = keep / f"{seed}-{number}-{outcome.kind.rsplit('.')[-1].replace(' ', '-')}{case.suffix}"
                keep.mkdir(parents=True, exist_ok=True)
                path.write_bytes(case.data)
                path.with_name(f"{path.name}.log").write_text(f"{case.recipe}\n{outcome.detail}", encoding="utf-8")
                print(f"{outcome.kind} at {outcome.place or '?'}: {path} ({case.recipe})", flush=True)
            number += 1
    return counts, list(found.values())


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Read damaged documents; exit code 1 where one is not refused properly."
    )
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=ROOT / "build" / "fuzz", help="where findings are kept")
    options = parser.parse_args()
    counts, found = run(options.seconds, options.seed, options.keep)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    print(f"seed {options.seed}: {counts.total()} documents: {told or 'none'}; {len(found)} distinct findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
