"""Do tracked changes say the truth? `python -m evals.tracked [--scripts N] [--seed N] [--libreoffice N] [FILE.docx …]`

Each script copies a real document (the sample dossier's export; tenders beside the project where they are there; the
files named) and edits the copy's XML at random as people do: words inserted, deleted, replaced, set in bold;
paragraphs added, dropped, moved, cut, joined; sections moved; rows and tables added, dropped, moved; in the body, in
lists and in cells. The two are compared, and the revisions then accepted and refused by the few lines here, which
share nothing with the code that wrote them. Accepted, every paragraph and every cell must be the edited copy's;
refused, the original's: text, tabs, line breaks and pictures, empty paragraphs included.

With --libreoffice, as many results are accepted and refused by LibreOffice too (Debian's python3-uno), and compared
with what it makes of the originals. Exit code 1 where anything differs.
"""

from __future__ import annotations

import argparse
import copy
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import qn
from lxml import etree

from pipeline import run, settings
from pipeline.export.tracked import write_tracked
from pipeline.export.word import to_docx
from pipeline.settings import ROOT
from pipeline.workspace import create

SHARED = ROOT.parent / "shared" / "dce"
FILES = ("caih/rc.docx", "ars-paca/cctp.docx", "vsgp/AE.docx")
MOST = 25
"""Edits a script, at most."""
PART = "word/document.xml"
Story = list[Any]
"""Paragraphs as strings, tables as lists of rows, rows as lists of cells, cells as stories."""


# --- what a document says, revisions accepted or refused ---------------------------------------------------


def story(path: Path, accept: bool = True) -> Story:
    """What a document says once every revision is accepted, or refused."""
    with zipfile.ZipFile(path) as package:
        body = parse_xml(package.read(PART)).find(qn("w:body"))
    dropped = ("del", "moveFrom") if accept else ("ins", "moveTo")
    return _told(body, tuple(qn(f"w:{name}") for name in dropped))


def _told(container: Any, dropped: tuple[str, ...]) -> Story:
    found: Story = []
    carried, joined = "", False
    for block in _flat(container, qn("w:p"), qn("w:tbl")):
        if block.tag == qn("w:p"):
            carried += _said(block, dropped)
            joined = any(block.find(f"{qn('w:pPr')}/{qn('w:rPr')}/{tag}") is not None for tag in dropped)
            if not joined:
                found.append(carried)
                carried = ""
            continue
        rows = [
            [_told(cell, dropped) for cell in _flat(row, qn("w:tc"))]
            for row in _flat(block, qn("w:tr"))
            if not any(row.find(f"{qn('w:trPr')}/{tag}") is not None for tag in dropped)
        ]
        if rows:
            if joined and carried:  # a joined paragraph that has no next one to join
                found.append(carried)
            carried, joined = "", False
            found.append(rows)
    return [*found, carried] if joined else found


def _flat(node: Any, *tags: str) -> Iterator[Any]:
    for child in node:
        if child.tag in tags:
            yield child
        elif child.tag in (qn("w:sdt"), qn("w:sdtContent"), qn("w:customXml")):
            yield from _flat(child, *tags)


def _said(paragraph: Any, dropped: tuple[str, ...]) -> str:
    """Text, tabs, breaks and pictures of a paragraph, but for what lies in a dropped revision."""
    said = ""
    for node in paragraph.iter(*(qn(f"w:{tag}") for tag in ("t", "delText", "tab", "br", "drawing", "pict"))):
        above = {parent.tag for parent in node.iterancestors()}
        if above & set(dropped) or qn("w:tabs") in above:
            continue
        if node.tag in (qn("w:t"), qn("w:delText")):
            said += node.text or ""
        else:
            said += {qn("w:tab"): "\t", qn("w:br"): "\n"}.get(node.tag, "￼")
    return said


# --- editing as people do ----------------------------------------------------------------------------------


class Editor:
    """Edits a document's XML at random."""

    def __init__(self, path: Path, random_: random.Random) -> None:
        with zipfile.ZipFile(path) as package:
            self.parts = {name: package.read(name) for name in package.namelist()}
        self.root = parse_xml(self.parts[PART])
        self.body = self.root.find(qn("w:body"))
        self.random = random_
        self.vocabulary = " ".join(node.text or "" for node in self.root.iter(qn("w:t"))).split() or ["mot"]
        self.edits: dict[str, Callable[[], bool]] = {
            "insérer": self.insert, "supprimer": self.delete, "remplacer": self.replace, "gras": self.embolden,
            "ajouter": self.add, "retirer": self.drop, "déplacer": self.move, "couper": self.cut, "joindre": self.join,
            "section déplacée": self.move_section, "ligne ajoutée": self.add_row, "ligne retirée": self.drop_row,
            "ligne déplacée": self.move_row, "tableau retiré": self.drop_table, "tableau ajouté": self.add_table,
            "colonne retirée": self.drop_column,
        }  # fmt: skip

    def edit(self, times: int) -> Counter[str]:
        """Make some edits; says which."""
        weights = [6, 6, 8, 2, 4, 4, 4, 4, 4, 0.5, 3, 3, 1, 0.3, 0.5, 0.3]
        done: Counter[str] = Counter()
        while done.total() < times:
            name = self.random.choices(list(self.edits), weights)[0]
            if self.edits[name]():
                done[name] += 1
        return done

    def save(self, path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
            for name, data in self.parts.items():
                package.writestr(name, etree.tostring(self.root) if name == PART else data)

    def _some(self, nodes: list[Any]) -> Any | None:
        return self.random.choice(nodes) if nodes else None

    def _paragraphs(self) -> list[Any]:
        """Those with words, in the body, lists and cells; one in three times only those in cells."""
        in_cells = self.random.random() < 1 / 3
        found = [
            p
            for p in self.root.iter(qn("w:p"))
            if any(len((t.text or "").split()) > 2 for t in p.iter(qn("w:t")))
            and (not in_cells or any(a.tag == qn("w:tc") for a in p.iterancestors()))
        ]
        return found

    def _text(self) -> Any | None:
        paragraph = self._some(self._paragraphs())
        return paragraph if paragraph is None else self._some([t for t in paragraph.iter(qn("w:t")) if t.text])

    def _phrase(self) -> str:
        return " ".join(self.random.choices(self.vocabulary, k=self.random.randint(1, 8)))

    def _set(self, node: Any, text: str) -> bool:
        node.text = text
        node.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
        return True

    def insert(self) -> bool:
        node = self._text()
        if node is None:
            return False
        at = self.random.randint(0, len(node.text))
        return self._set(node, f"{node.text[:at]} {self._phrase()} {node.text[at:]}")

    def delete(self) -> bool:
        node = self._text()
        if node is None:
            return False
        a, b = sorted(self.random.randint(0, len(node.text)) for _ in range(2))
        return self._set(node, node.text[:a] + node.text[b:])

    def replace(self) -> bool:
        node = self._text()
        if node is None:
            return False
        words = node.text.split(" ")
        for _ in range(self.random.randint(1, 4)):
            words[self.random.randrange(len(words))] = self._phrase()
        return self._set(node, " ".join(words))

    def embolden(self) -> bool:
        """Cut a run in three and set the middle in bold, with or without another word."""
        node = self._text()
        if node is None or node.getparent().tag != qn("w:r") or len(node.text) < 3:
            return False
        run_ = node.getparent()
        a, b = sorted(self.random.sample(range(len(node.text) + 1), 2))
        for text, bold in ((node.text[b:], False), (node.text[a:b] + self.random.choice(["", " non"]), True)):
            made = OxmlElement("w:r")
            if run_.find(qn("w:rPr")) is not None:
                made.append(copy.deepcopy(run_.find(qn("w:rPr"))))
            if bold:
                made.get_or_add_rPr().get_or_add_b()
            made.append(OxmlElement("w:t"))
            self._set(made[-1], text)
            run_.addnext(made)
        for later in list(node.itersiblings()):
            run_.getnext().getnext().append(later)
        return self._set(node, node.text[:a])

    def add(self) -> bool:
        place = self._some(self._paragraphs())
        if place is None:
            return False
        made = OxmlElement("w:p")
        if place.find(qn("w:pPr")) is not None:
            made.append(copy.deepcopy(place.find(qn("w:pPr"))))
            for section in made.iter(qn("w:sectPr")):
                section.getparent().remove(section)
        for _ in range(self.random.randint(1, 3)):
            made.append(OxmlElement("w:r"))
            made[-1].append(OxmlElement("w:t"))
            self._set(made[-1][0], f"{self._phrase()} ")
        (place.addnext if self.random.random() < 0.5 else place.addprevious)(made)
        return True

    def _removable(self, paragraph: Any | None) -> bool:
        """A body must keep a paragraph and its sections' ends; a cell must end with a paragraph."""
        if paragraph is None or paragraph.find(f"{qn('w:pPr')}/{qn('w:sectPr')}") is not None:
            return False
        following = paragraph.getnext()
        return following is not None and following.tag != qn("w:sectPr") and not _open_field(paragraph)

    def drop(self) -> bool:
        paragraph = self._some(self._paragraphs())
        if paragraph is None or not self._removable(paragraph):
            return False
        paragraph.getparent().remove(paragraph)
        return True

    def move(self) -> bool:
        paragraph, place = self._some(self._paragraphs()), self._some(self._paragraphs())
        if place is None or place is paragraph or not self._removable(paragraph):
            return False
        place.addprevious(paragraph)
        return True

    def cut(self) -> bool:
        """End a paragraph within one of its texts and begin another of the same properties."""
        paragraph = self._some(self._paragraphs())
        if paragraph is None or not self._removable(paragraph):
            return False
        runs = [r for r in paragraph.findall(qn("w:r")) if r.find(qn("w:t")) is not None and r.find(qn("w:t")).text]
        run_ = self._some(runs)
        if run_ is None:
            return False
        text = run_.find(qn("w:t"))
        at = self.random.randint(0, len(text.text))
        second = OxmlElement("w:p")
        if paragraph.find(qn("w:pPr")) is not None:
            second.append(copy.deepcopy(paragraph.find(qn("w:pPr"))))
        rest = copy.deepcopy(run_)
        for node in list(text.itersiblings()):
            run_.remove(node)
        for node in list(rest.find(qn("w:t")).itersiblings(preceding=True)):
            if node.tag != qn("w:rPr"):
                rest.remove(node)
        self._set(rest.find(qn("w:t")), text.text[at:].lstrip(" ") if self.random.random() < 0.5 else text.text[at:])
        self._set(text, text.text[:at])
        second.append(rest)
        for node in list(run_.itersiblings()):
            second.append(node)
        paragraph.addnext(second)
        return True

    def join(self) -> bool:
        paragraph = self._some(self._paragraphs())
        if paragraph is None or not self._removable(paragraph) or paragraph.getnext().tag != qn("w:p"):
            return False
        following = paragraph.getnext()
        if following.find(f"{qn('w:pPr')}/{qn('w:sectPr')}") is not None or _open_field(following):
            return False
        if self.random.random() < 0.7:
            paragraph.append(OxmlElement("w:r"))
            paragraph[-1].append(OxmlElement("w:t"))
            self._set(paragraph[-1][0], " ")
        for node in list(following):
            if node.tag != qn("w:pPr"):
                paragraph.append(node)
        following.getparent().remove(following)
        return True

    def move_section(self) -> bool:
        """A few blocks that follow each other, to another place of the body."""
        blocks = [b for b in self.body if b.tag in (qn("w:p"), qn("w:tbl"))]
        size = self.random.randint(3, 10)
        if len(blocks) < 3 * size:
            return False
        start = self.random.randrange(len(blocks) - size - 1)
        moved, rest = blocks[start : start + size], [*blocks[:start], *blocks[start + size : -1]]
        if any(_open_field(b) or b.find(f"{qn('w:pPr')}/{qn('w:sectPr')}") is not None for b in moved):
            return False
        place = self.random.choice(rest)
        for block in moved:
            place.addprevious(block)
        return True

    def _row(self) -> Any | None:
        return self._some([row for row in self.root.iter(qn("w:tr")) if len(row.getparent().findall(qn("w:tr"))) > 2])

    def add_row(self) -> bool:
        row = self._row()
        if row is None:
            return False
        made = copy.deepcopy(row)
        for text in made.iter(qn("w:t")):
            if self.random.random() < 0.8:
                self._set(text, self._phrase())
        row.addnext(made)
        return True

    def drop_row(self) -> bool:
        row = self._row()
        if row is None:
            return False
        row.getparent().remove(row)
        return True

    def move_row(self) -> bool:
        row = self._row()
        others = [] if row is None else [other for other in row.getparent().findall(qn("w:tr")) if other is not row]
        if row is None or not others:
            return False
        self.random.choice(others).addnext(row)
        return True

    def drop_table(self) -> bool:
        table = self._some([t for t in self.body if t.tag == qn("w:tbl")])
        if table is None or table.getprevious() is None or table.getprevious().tag != qn("w:p"):
            return False
        self.body.remove(table)
        return True

    def add_table(self) -> bool:
        table = self._some([t for t in self.body if t.tag == qn("w:tbl")])
        place = self._some([p for p in self._paragraphs() if p.getparent() is self.body])
        if table is None or place is None:
            return False
        made = copy.deepcopy(table)
        for text in made.iter(qn("w:t")):
            self._set(text, self._phrase())
        place.addnext(made)
        made.addnext(OxmlElement("w:p"))
        return True

    def drop_column(self) -> bool:
        tables = [t for t in self.body if t.tag == qn("w:tbl") and not list(t.iter(qn("w:gridSpan"), qn("w:vMerge")))]
        table = self._some(tables)
        if table is None or min(len(row.findall(qn("w:tc"))) for row in table.findall(qn("w:tr"))) < 3:
            return False
        for row in table.findall(qn("w:tr")):
            row.remove(row.findall(qn("w:tc"))[1])
        return True


def _open_field(block: Any) -> bool:
    """Whether a field begins here and ends elsewhere, or the reverse: people do not cut those by hand."""
    kinds = Counter(node.get(qn("w:fldCharType")) for node in block.iter(qn("w:fldChar")))
    return kinds["begin"] != kinds["end"]


# --- the documents -----------------------------------------------------------------------------------------


def sample(folder: Path) -> Path:
    """The sample dossier's Word document, its plan drafted by a model that repeats its excerpts."""
    from tests.fakes import HashEmbedder, ScriptedModel

    dossier, _ = create(folder / "dossier", [ROOT / "corpus" / "dce"], [ROOT / "corpus" / "library"])
    tree = settings.load()
    run.read_dossier(dossier)
    run.index_dossier(dossier, HashEmbedder(), tree)
    choice = run.choose(dossier, HashEmbedder(), tree)
    model = ScriptedModel(lambda prompt: prompt.request.split("Extrait : ")[1].split("\n")[0], style="point")
    list(run.draft_dossier(dossier, choice, [], lambda: model, tree))
    path = folder / "export.docx"
    path.write_bytes(to_docx(run.memoire_of(dossier)))
    return path


def documents(folder: Path, named: list[Path]) -> list[Path]:
    found = [sample(folder)]
    for path in named or [SHARED / name for name in FILES]:
        if path.is_file():
            found.append(path)
        else:
            print(f"{path.name} : absent, passé.")
    return found


def compared(ours: Path, theirs: Path, made: Path) -> list[str]:
    """What is wrong with the revisions between two documents."""
    write_tracked(ours, theirs, made, "Relecture", "2026-01-01T00:00:00Z")
    wrong = []
    for accept, wanted, what in ((True, theirs, "accepté"), (False, ours, "refusé")):
        said, expected = story(made, accept), story(wanted)
        if said != expected:
            first = next((pair for pair in zip(said, expected, strict=False) if pair[0] != pair[1]), ("longueur", ""))
            wrong.append(f"{what} : {first[0]!r:.300} au lieu de {first[1]!r:.300}")
    return wrong


def libreoffice(made: Path, ours: Path, theirs: Path, folder: Path) -> list[str]:
    """What is wrong once LibreOffice has accepted, or refused, every revision; it rewrites the originals too."""
    wrong = []
    for command, wanted in (("AcceptAllTrackedChanges", theirs), ("RejectAllTrackedChanges", ours)):
        results = []
        for path, order in ((made, command), (wanted, "")):
            target = folder / f"lo-{order}-{path.name}"
            script = ["/usr/bin/python3", str(ROOT / "evals" / "libreoffice.py"), str(path), str(target), order]
            subprocess.run(script, check=True, timeout=300, capture_output=True)
            results.append(story(target))
        if results[0] != results[1]:
            pair = next((p for p in zip(*results, strict=False) if p[0] != p[1]), ("longueur", ""))
            wrong.append(f"LibreOffice, {command} : {pair[0]!r:.300} au lieu de {pair[1]!r:.300}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--scripts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--libreoffice", type=int, default=0)
    asked = parser.parse_args()
    failures, by_edit, by_document, seconds = 0, Counter[str](), Counter[str](), 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = documents(folder, asked.files)
        for n in range(asked.scripts):
            random_ = random.Random(f"{asked.seed}/{n}")
            ours, theirs, made = files[n % len(files)], folder / "humain.docx", folder / "suivi.docx"
            editor = Editor(ours, random_)
            by_edit += editor.edit(random_.randint(1, MOST))
            editor.save(theirs)
            started = time.perf_counter()
            wrong = compared(ours, theirs, made)
            seconds += time.perf_counter() - started
            if n < asked.libreoffice:
                wrong += libreoffice(made, ours, theirs, folder)
            by_document[ours.name] += not wrong
            failures += bool(wrong)
            for line in wrong:
                print(f"script {n}, {ours.name} : {line}")
    print(f"{asked.scripts - failures} scripts justes sur {asked.scripts}, {seconds / asked.scripts:.2f} s chacun")
    print("  par document : " + ", ".join(f"{name} {count}" for name, count in by_document.items()))
    print("  retouches : " + ", ".join(f"{name} {count}" for name, count in by_edit.most_common()))
    if asked.libreoffice:
        print(f"  dont {min(asked.libreoffice, asked.scripts)} relus par LibreOffice")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
