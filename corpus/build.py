"""Renders corpus/sources into the files of the sample dossier and writes corpus/manifest.yaml.

Needs Debian's pandoc and libreoffice-writer; run by `make corpus`, never by the tests. Word keeps in a DOCX where
its pages broke (``w:lastRenderedPageBreak``); LibreOffice does not, so the marks are put in here from the rendered
PDF, and the past responses cite pages as documents saved by Word do.
"""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

import docx
import openpyxl
import pypdfium2 as pdfium
import yaml
from docx.oxml import OxmlElement
from docx.shared import Cm, Pt
from openpyxl.styles import Font

CORPUS = Path(__file__).resolve().parent
SOURCES = CORPUS / "sources"
DATE = "2026-11-21"
FICTION = "Fiction écrite pour ce projet"
LICENCE = "Apache-2.0"


def main() -> int:
    (CORPUS / "dce").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        reference = reference_document(work)
        for name in ("rc", "ccap"):
            to_pdf(to_docx(SOURCES / f"{name}.md", work, reference), CORPUS / "dce")
        with_pages(to_docx(SOURCES / "pf.md", work, reference), CORPUS / "dce" / "pf.docx", work)
        for source in sorted(SOURCES.glob("reponse-*.md")):
            target = CORPUS / "library" / "reponses" / f"{source.stem.removeprefix('reponse-')}.docx"
            with_pages(to_docx(source, work, reference), target, work)
    price_frame(SOURCES / "prix.csv", CORPUS / "dce" / "cadre-de-prix.xlsx")
    write_manifest()
    return 0


def reference_document(work: Path) -> Path:
    """pandoc's own reference document, set to A4 and to fonts every system has metrics for."""
    path = work / "reference.docx"
    path.write_bytes(
        subprocess.run(
            ["pandoc", "--print-default-data-file", "reference.docx"], check=True, capture_output=True
        ).stdout
    )
    document = docx.Document(str(path))
    for style in document.styles:
        if hasattr(style, "font"):
            style.font.name = "Liberation Sans"
    document.styles["Normal"].font.size = Pt(10.5)
    for section in document.sections:
        section.page_width, section.page_height = Cm(21), Cm(29.7)
        section.left_margin = section.right_margin = Cm(2.2)
        section.top_margin = section.bottom_margin = Cm(2.2)
    document.save(str(path))
    return path


def to_docx(source: Path, work: Path, reference: Path) -> Path:
    target = work / f"{source.stem}.docx"
    run("pandoc", source, "-o", target, "--reference-doc", reference, "--metadata", "lang=fr-FR")
    document = docx.Document(str(target))
    for table in document.tables:
        rule(table)
    document.save(str(target))
    return target


def rule(table: docx.table.Table) -> None:
    """Draw the table's lines: buyers' tables have them, and readers of PDF look for them."""
    borders = OxmlElement("w:tblBorders")
    for side in ("top", "left", "bottom", "right", "insideH", "insideV"):
        line = OxmlElement(f"w:{side}")
        for key, value in (("val", "single"), ("sz", "4"), ("space", "0"), ("color", "808080")):
            line.set(f"{{http://schemas.openxmlformats.org/wordprocessingml/2006/main}}{key}", value)
        borders.append(line)
    table._tbl.tblPr.append(borders)


def to_pdf(source: Path, folder: Path) -> Path:
    run("soffice", "--headless", "--convert-to", "pdf", "--outdir", folder, source)
    return folder / f"{source.stem}.pdf"


def with_pages(source: Path, target: Path, work: Path) -> None:
    """Copy a DOCX, marking the paragraphs that begin a page."""
    pdf = pdfium.PdfDocument(to_pdf(source, work))
    pages = ["".join(page.get_textpage().get_text_range().split()) for page in pdf]
    document = docx.Document(str(source))
    current = 0
    for paragraph in document.element.body.iter("{*}p"):
        text = "".join("".join(node.text or "" for node in paragraph.iter("{*}t")).split())
        if len(text) < 12:
            continue
        key = text[:40]
        found = next((i for i in range(current, min(current + 2, len(pages))) if key in pages[i]), None)
        if found is not None and found > current and key not in pages[current]:
            first = next(paragraph.iter("{*}r"))
            first.insert(0, OxmlElement("w:lastRenderedPageBreak"))
            current = found
    if current != len(pages) - 1:
        raise SystemExit(f"{source.name}: {current + 1} pages marked of {len(pages)}")
    document.save(str(target))


def price_frame(source: Path, target: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Cadre de prix"
    with source.open(encoding="utf-8", newline="") as stream:
        for number, row in enumerate(csv.reader(stream, delimiter=";"), start=1):
            for column, value in enumerate(row, start=1):
                number_like = column == 4 and value.replace(",", "").isdigit()
                sheet.cell(number, column, float(value.replace(",", ".")) if number_like else value or None)
            if number > 1 and len(row) >= 4 and row[3]:
                sheet.cell(number, 6, f"=D{number}*E{number}")
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    for column, width in zip("ABCDEF", (10, 70, 16, 12, 14, 14), strict=True):
        sheet.column_dimensions[column].width = width
    sheet.freeze_panes = "A2"
    book.save(target)


def write_manifest() -> None:
    files = []
    for path in sorted([*(CORPUS / "dce").iterdir(), *(CORPUS / "library").rglob("*.*")]):
        component = path.parent.name == "composants"
        files.append(
            {
                "file": path.relative_to(CORPUS).as_posix(),
                "origin": "Rédigé pour ce projet d'après les sources nommées dans la fiche" if component else FICTION,
                "fictional": not component,
                "licence": LICENCE,
                "date": DATE,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
        )
    text = yaml.safe_dump(files, allow_unicode=True, sort_keys=False, width=110)
    (CORPUS / "manifest.yaml").write_text(
        "# Every file of the sample dossier: origin, licence, date, hash. Written by corpus/build.py.\n" + text,
        encoding="utf-8",
    )


def run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
