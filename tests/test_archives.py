"""Archives and office files made to harm: each is refused in one French line, or what is harmful in it is left out."""

from __future__ import annotations

import io
import json
import os
import stat
import struct
import subprocess
import sys
import time
import tracemalloc
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest

from pipeline.errors import DocumentError
from pipeline.readers import archive
from pipeline.readers.archive import is_archive, unpack
from tests.conftest import CORPUS, ROOT

Entry = tuple[str, bytes]
ZEROS = bytes(20_000_000)


def zipped(*entries: Entry, how: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", how) as package:
        for name, data in entries:
            package.writestr(name, data)
    return stream.getvalue()


def named(raw: bytes, data: bytes = b"texte") -> bytes:
    """An archive of one entry whose name is these very bytes, without the UTF-8 flag."""
    place = "x" * len(raw)
    return zipped((place, data)).replace(place.encode(), raw)


def patched(data: bytes, at_local: int, at_central: int, value: bytes) -> bytes:
    """The same archive with a field of every local and central header replaced."""
    changed = bytearray(data)
    for magic, offset in ((b"PK\x03\x04", at_local), (b"PK\x01\x02", at_central)):
        start = data.find(magic)
        while start >= 0:
            changed[start + offset : start + offset + len(value)] = value
            start = data.find(magic, start + 4)
    return bytes(changed)


def repeated(count: int, data: bytes) -> bytes:
    """An archive of many entries that all stand at one place of the file (zip64, as so many need)."""
    one = zipped(("a", data))
    local, central = one[: one.find(b"PK\x01\x02")], one[one.find(b"PK\x01\x02") : one.find(b"PK\x05\x06")]
    size, end = len(central) * count, len(local) + len(central) * count
    return (
        local
        + central * count
        + struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, len(local))
        + struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
        + struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    )


def nested(depth: int) -> bytes:
    """Archives within archives, ``depth`` of them, a text in the innermost."""
    data = zipped(("piece.txt", b"texte"))
    for level in range(depth - 1, 0, -1):
        data = zipped((f"niveau{level + 1}.zip", data))
    return data


@pytest.fixture
def source(tmp_path: Path) -> Callable[[bytes], Path]:
    """Writes an archive in a folder of its own."""

    def write(data: bytes) -> Path:
        (tmp_path / "recu").mkdir(exist_ok=True)
        path = tmp_path / "recu" / "dce.zip"
        path.write_bytes(data)
        return path

    return write


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def refused(source: Path, target: Path, says: str) -> None:
    """Unpacking fails in one French line and writes nothing, neither in the target nor beside it."""
    before = written(target.parent)
    with pytest.raises(DocumentError) as caught:
        unpack(source, target)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "dce.zip" in str(caught.value)
    assert written(target.parent) == before
    assert not target.exists()


# --- what comes out ----------------------------------------------------------------------------------------


def test_folders_bytes_and_order_are_kept(source: Callable[[bytes], Path], tmp_path: Path) -> None:
    rc = (CORPUS / "dce" / "rc.pdf").read_bytes()
    path = source(zipped(("DCE/rc.pdf", rc), ("DCE/lot 1/", b""), ("Annexe.txt", b"a")))
    out = unpack(path, tmp_path / "dce")
    assert out.files == (tmp_path / "dce" / "DCE" / "rc.pdf", tmp_path / "dce" / "Annexe.txt")
    assert out.left_out == ()
    assert out.files[0].read_bytes() == rc
    assert (tmp_path / "dce" / "DCE" / "lot 1").is_dir()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_archive_without_entries_gives_an_empty_folder(source: Callable[[bytes], Path], tmp_path: Path) -> None:
    assert unpack(source(zipped()), tmp_path / "dce").files == ()
    assert list((tmp_path / "dce").iterdir()) == []


def test_a_folder_that_holds_something_is_never_touched(source: Callable[[bytes], Path], tmp_path: Path) -> None:
    path = source(zipped(("a.txt", b"a")))
    with pytest.raises(DocumentError, match="existe déjà"):
        unpack(path, path.parent)
    assert written(path.parent) == ["dce.zip"]


def test_nested_archives_become_folders(source: Callable[[bytes], Path], tmp_path: Path) -> None:
    data = zipped(("annexes/plans.zip", nested(2)), ("annexes/plans/a.txt", b"a"), ("lettre.docx", letter()))
    out = unpack(source(data), tmp_path / "dce")
    assert written(tmp_path / "dce") == [
        "annexes/plans (2)/a.txt",
        "annexes/plans/niveau2/piece.txt",
        "lettre.docx",
    ]
    assert [path.relative_to(tmp_path / "dce").as_posix() for path in out.files] == [
        "annexes/plans/niveau2/piece.txt",
        "annexes/plans (2)/a.txt",
        "lettre.docx",
    ]


def test_a_nested_archive_whose_name_is_dots_stays_inside(source: Callable[[bytes], Path], tmp_path: Path) -> None:
    unpack(source(zipped(("a/...zip", nested(1)))), tmp_path / "dce")
    assert written(tmp_path / "dce") == ["a/archive/piece.txt"]


def test_a_damaged_nested_archive_is_named_and_the_rest_kept(source: Callable[[bytes], Path], tmp_path: Path) -> None:
    broken = bytearray(zipped(("a.txt", b"a" * 50), ("b.txt", b"b" * 50), how=zipfile.ZIP_STORED))
    broken[broken.rfind(b"bbb")] ^= 1
    data = zipped(("plans.zip", bytes(broken)), ("coupe.zip", nested(1)[:-30]), ("plans/rc.txt", b"rc"))
    out = unpack(source(data), tmp_path / "dce")
    assert [path.name for path in out.files] == ["rc.txt"]
    assert [line.split(" : ")[0] for line in out.left_out] == ["plans.zip", "coupe.zip"]
    assert all("endommagée" in line for line in out.left_out)
    assert [name.rsplit("/")[-1] for name in written(tmp_path / "dce")] == ["rc.txt"]


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("Règlement à été reçu.pdf".encode("cp437"), "Règlement à été reçu.pdf"),
        ("ÉTAT DES LIEUX À FÊTER.pdf".encode("cp850"), "ÉTAT DES LIEUX À FÊTER.pdf"),
        ("Pièces n° 3 « août ».pdf".encode("cp850"), "Pièces n° 3 « août ».pdf"),
        ("Règlement de l’été.pdf".encode("cp1252"), "Règlement de l’été.pdf"),
        ("Cœur de métier.pdf".encode(), "Cœur de métier.pdf"),
        (unicodedata.normalize("NFD", "Mémoire.pdf").encode(), "Mémoire.pdf"),
    ],
)
def test_accents_of_names_without_the_utf8_flag(
    source: Callable[[bytes], Path], tmp_path: Path, raw: bytes, name: str
) -> None:
    out = unpack(source(named(raw)), tmp_path / "dce")
    assert [path.name for path in out.files] == [name]


def test_accents_of_names_with_the_utf8_flag(source: Callable[[bytes], Path], tmp_path: Path) -> None:
    out = unpack(source(zipped(("Pièces/Cœur œuvré – été.pdf", b"a"))), tmp_path / "dce")
    assert out.files == (tmp_path / "dce" / "Pièces" / "Cœur œuvré – été.pdf",)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_differ_by_case_get_a_suffix(source: Callable[[bytes], Path], tmp_path: Path) -> None:
    data = zipped(
        ("DCE/rc.pdf", b"1"), ("dce/RC.PDF", b"2"), ("DCE/rc.pdf", b"3"), ("DCE", b"4"), ("DCE/rc.pdf/a", b"5")
    )
    out = unpack(source(data), tmp_path / "dce")
    names = ["DCE/rc.pdf", "DCE/RC (2).PDF", "DCE/rc (3).pdf", "DCE (2)", "DCE/rc (4).pdf/a"]
    assert [path.relative_to(tmp_path / "dce").as_posix() for path in out.files] == names
    assert [path.read_bytes() for path in out.files] == [b"1", b"2", b"3", b"4", b"5"]


def test_many_entries_of_one_name_take_no_time(source: Callable[[bytes], Path], tmp_path: Path) -> None:
    started = time.monotonic()
    out = unpack(source(repeated(5_000, b"a")), tmp_path / "dce")
    assert len(set(out.files)) == 5_000
    assert time.monotonic() - started < 30


def test_an_entry_is_never_held_in_memory(source: Callable[[bytes], Path], tmp_path: Path) -> None:
    path = source(zipped(("plan.bin", os.urandom(1 << 20) * 24)))
    tracemalloc.start()
    unpack(path, tmp_path / "dce")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


# --- what is left out --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("../evil.txt", "sort du dossier"),
        ("a/../../evil.txt", "sort du dossier"),
        ("..\\evil.txt", "sort du dossier"),
        ("/tmp/evil.txt", "absolu"),
        ("\\\\serveur\\evil.txt", "absolu"),
        ("C:\\evil.txt", "absolu"),
        ("c:evil.txt", "absolu"),
        ("evil\n.txt", "caractères de commande"),
        ("evil\x1b[2J.txt", "caractères de commande"),
        ("evil\u202etxt.exe", "caractères de commande"),
        ("evil\u2028.txt", "caractères de commande"),
        ("é" * 130 + ".pdf", "trop long"),
        ("a/" * 32 + "b.txt", "trop long"),
        (f"{'a' * 200}/" * 5 + "b.txt", "trop long"),
        ("./", "sans nom"),
    ],
)
def test_names_that_would_harm_are_left_out(
    source: Callable[[bytes], Path], tmp_path: Path, name: str, says: str
) -> None:
    out = unpack(source(zipped((name, b"mal"), ("bon.txt", b"bien"))), tmp_path / "dce")
    assert written(tmp_path) == ["dce/bon.txt", "recu/dce.zip"]
    assert len(out.left_out) == 1
    assert says in out.left_out[0]
    assert out.left_out[0].isprintable()
    assert len(out.left_out[0]) < 250


def test_a_zero_byte_does_not_cut_a_name(source: Callable[[bytes], Path], tmp_path: Path) -> None:
    out = unpack(source(named(b"a.txt\0.exe")), tmp_path / "dce")
    assert out.files == ()
    assert out.left_out == ("a.txt�.exe : nom contenant des caractères de commande, laissé de côté.",)


@pytest.mark.parametrize(("kind", "says"), [(stat.S_IFLNK, "lien symbolique"), (stat.S_IFIFO, "fichier spécial")])
def test_links_and_special_files_are_left_out(
    source: Callable[[bytes], Path], tmp_path: Path, kind: int, says: str
) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as package:
        link = zipfile.ZipInfo("lien")
        link.create_system, link.external_attr = 3, (kind | 0o777) << 16
        package.writestr(link, "/etc")
        package.writestr("lien/passwd", "mal")
    out = unpack(source(stream.getvalue()), tmp_path / "dce")
    assert says in out.left_out[0]
    assert written(tmp_path / "dce") == ["lien/passwd"]
    assert not (tmp_path / "dce" / "lien").is_symlink()


def test_encrypted_entries_are_left_out(source: Callable[[bytes], Path], tmp_path: Path) -> None:
    out = unpack(source(patched(zipped(("prix.pdf", b"a" * 40)), 6, 8, b"\x01\x00")), tmp_path / "dce")
    assert out.files == ()
    assert out.left_out == ("prix.pdf : fichier protégé par un mot de passe, laissé de côté.",)


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_that_cannot_be_bounded_are_left_out(
    source: Callable[[bytes], Path], tmp_path: Path, how: int
) -> None:
    out = unpack(source(zipped(("a.bin", ZEROS), how=how)), tmp_path / "dce")
    assert out.files == ()
    assert "compression" in out.left_out[0]


def test_entries_of_nested_archives_are_named_with_their_archive(
    source: Callable[[bytes], Path], tmp_path: Path
) -> None:
    out = unpack(source(zipped(("lot/annexes.zip", zipped(("../a", b"a"))))), tmp_path / "dce")
    assert out.left_out == ("annexes.zip › ../a : chemin qui sort du dossier, laissé de côté.",)


# --- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(zipped(("zeros.txt", ZEROS)), "volume anormal", id="ratio"),
        pytest.param(zipped(("a.zip", zipped(("zeros.txt", ZEROS)))), "volume anormal", id="nested ratio"),
        pytest.param(repeated(4_000, b"%PDF" + os.urandom(40_000)), "volume anormal", id="entries that overlap"),
        pytest.param(nested(4), "plus de 3 niveaux", id="depth 4"),
        pytest.param(repeated(100_000, b"a"), "trop de fichiers", id="100,000 entries"),
        pytest.param(
            zipped(("a.zip", repeated(100_000, b"a")), how=zipfile.ZIP_STORED),
            "trop de fichiers",
            id="nested 100,000 entries",
        ),
        pytest.param(
            zipped(*((f"{n}/" + "a/" * 28 + "b", b"") for n in range(80))), "trop de fichiers", id="2,000 folders"
        ),
        pytest.param(
            patched(zipped(("a", b"a")), 22, 24, struct.pack("<L", 600 << 20)), "trop volumineuse", id="large entry"
        ),
        pytest.param(
            patched(zipped(*((f"{n}", b"a") for n in range(5))), 22, 24, struct.pack("<L", 450 << 20)),
            "trop volumineuse",
            id="large in all",
        ),
        pytest.param(
            patched(zipped(("a", ZEROS)), 22, 24, struct.pack("<L", 60_000)), "endommagée", id="size that lies"
        ),
        pytest.param(b"", "endommagée", id="empty"),
        pytest.param(b"PK\x03\x04" + bytes(400), "endommagée", id="no directory"),
        pytest.param(
            b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 1, 1, 0xFFFFFFF0, 0, 0),
            "endommagée",
            id="directory larger than the file",
        ),
    ],
)
def test_archives_that_would_harm_are_refused(
    source: Callable[[bytes], Path], tmp_path: Path, data: bytes, says: str
) -> None:
    path = source(data)
    started = time.monotonic()
    refused(path, tmp_path / "dce", says)
    assert time.monotonic() - started < 30


def test_depth_3_is_accepted(source: Callable[[bytes], Path], tmp_path: Path) -> None:
    unpack(source(nested(archive.MAX_DEPTH)), tmp_path / "dce")
    assert written(tmp_path / "dce") == ["niveau2/niveau3/piece.txt"]


def test_a_truncated_archive_is_refused_wherever_it_is_cut(source: Callable[[bytes], Path], tmp_path: Path) -> None:
    data = zipped(("rc.txt", os.urandom(300)), ("cctp.txt", os.urandom(300)))
    for length in range(0, len(data), 7):
        refused(source(data[:length]), tmp_path / "dce", "endommagée")


def test_a_damaged_byte_of_content_is_refused(source: Callable[[bytes], Path], tmp_path: Path) -> None:
    data = bytearray(zipped(("bon.txt", b"bien"), ("rc.txt", b"\0" * 400), how=zipfile.ZIP_STORED))
    data[300] ^= 1
    refused(source(bytes(data)), tmp_path / "dce", "endommagée")


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"illisible.*absent\.zip"):
        unpack(tmp_path / "absent.zip", tmp_path / "dce")


# --- what is an archive ------------------------------------------------------------------------------------


def letter() -> bytes:
    stream = io.BytesIO()
    docx.Document().save(stream)
    return stream.getvalue()


ODF = zipped(
    ("mimetype", b"application/vnd.oasis.opendocument.text"), ("content.xml", b"<a/>"), ("META-INF/manifest.xml", b"")
)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(zipped(("rc.txt", b"a")), True, id="zip"),
        pytest.param(zipped(), True, id="empty zip"),
        pytest.param(zipped(("rc.txt", b"a"))[:-10], True, id="zip cut short"),
        pytest.param(repeated(100_000, b"a"), True, id="zip of 100,000"),
        pytest.param(letter(), False, id="docx"),
        pytest.param(letter()[:-10], False, id="docx cut short"),
        pytest.param(ODF, False, id="odt"),
        pytest.param(ODF[:-10], False, id="odt cut short"),
        pytest.param((CORPUS / "dce" / "cadre-de-prix.xlsx").read_bytes(), False, id="xlsx"),
        pytest.param((CORPUS / "dce" / "rc.pdf").read_bytes(), False, id="pdf"),
        pytest.param(b"", False, id="empty"),
        pytest.param(b"PK", False, id="two letters"),
    ],
)
def test_archives_are_known_by_their_content(source: Callable[[bytes], Path], data: bytes, expected: bool) -> None:
    assert is_archive(source(data)) is expected


# --- office files made to harm -----------------------------------------------------------------------------

WORD = b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>%s</w:body></w:document>'
PARAGRAPH = b"<w:p><w:r><w:t>%s</w:t></w:r></w:p>"


def word(body: bytes, doctype: bytes = b"") -> bytes:
    """A Word file whose document.xml is this body, after this DOCTYPE."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(letter())) as model, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package:
        for entry in model.infolist():
            main = entry.filename == "word/document.xml"
            package.writestr(entry, doctype + WORD % body if main else model.read(entry))
    return stream.getvalue()


def swollen() -> bytes:
    stream = io.BytesIO(letter())
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as package:
        package.writestr("word/media/image1.bmp", bytes(200 << 20))
    return stream.getvalue()


LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
TRAPS: dict[str, Callable[[], bytes]] = {
    "billion laughs": lambda: word(PARAGRAPH % b"&l9;", b'<!DOCTYPE d [<!ENTITY l0 "ah">' + LAUGHS + b"]>"),
    "external entity": lambda: word(
        PARAGRAPH % b"avant &x; apres", b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    ),
    "10,000 deep": lambda: word(b"<w:sdt>" * 10_000 + PARAGRAPH % b"fond" + b"</w:sdt>" * 10_000),
    "10,000 deep tables": lambda: word(
        b"<w:tbl><w:tr><w:tc>" * 3_334 + PARAGRAPH % b"fond" + b"</w:tc></w:tr></w:tbl>" * 3_334
    ),
    "ratio": swollen,
}

CHILD = """
import json, resource, sys, time
from pathlib import Path
from pipeline.errors import DocumentError
from pipeline.readers import read_bytes

def kilobytes(field):
    return int(Path("/proc/self/status").read_text().split(field + ":")[1].split()[0])

data = Path(sys.argv[1]).read_bytes()
limit = (kilobytes("VmSize") << 10) + (512 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
started, outcome, line = time.monotonic(), "read", ""
try:
    read_bytes(data, "piege.docx", ".docx")
except Exception as error:
    outcome, line = type(error).__name__, str(error)
print(json.dumps([outcome, line, time.monotonic() - started, kilobytes("VmHWM") / 1024]))
"""


@pytest.mark.parametrize("trap", TRAPS)
def test_office_files_that_would_harm_are_refused_in_30_s_and_512_mb(tmp_path: Path, trap: str) -> None:
    path = tmp_path / "piege.docx"
    path.write_bytes(TRAPS[trap]())
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert child.returncode == 0, child.stderr[-2000:]
    outcome, line, seconds, megabytes = json.loads(child.stdout)
    assert outcome == "DocumentError", line
    assert line.endswith(".")
    assert "piege.docx" in line
    assert seconds < 30
    assert megabytes < 512
