"""Reading: what a file says, and one clear line where it cannot be read."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import docx
import pypdfium2 as pdfium
import pytest
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import qn
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from pipeline.errors import DocumentError
from pipeline.readers import ocr, read, read_all, read_bytes
from pipeline.readers.docx import read_docx
from pipeline.readers.lines import Line, assemble
from pipeline.readers.text import read_markdown, read_text
from tests.conftest import CORPUS

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


def word(build: object) -> bytes:
    document = docx.Document()
    build(document)  # type: ignore[operator]
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("vide.pdf", b"", "vide"),
        ("photo.pdf", PNG, "image PNG"),
        ("tronque.pdf", b"%PDF-1.7\n%%EOF", "PDF lisible"),
        ("lettre.docx", b"ceci n'est pas un zip", "archive Word"),
        ("ancien.docx", b"\xd0\xcf\x11\xe0" + bytes(600), "ancien"),
        ("notes.txt", b"a\0b\0c", "pas du texte"),
        ("plan.dwg", b"AC1032", "non pris en charge"),
    ],
)
def test_bad_input_is_one_french_line(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(DocumentError) as caught:
        read(path)
    line = str(caught.value)
    assert says in line
    assert name in line
    assert "\n" not in line
    assert line.endswith(".")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="introuvable"):
        read(tmp_path / "absent.pdf")


def test_encrypted_pdf_says_so(tmp_path: Path) -> None:
    path = Path(__file__).parent / "documents" / "encrypted.pdf"
    with pytest.raises(DocumentError, match="mot de passe"):
        read(path)


def test_pdf_without_text_asks_for_ocr() -> None:
    import pypdfium2 as pdfium

    blank = pdfium.PdfDocument.new()
    blank.new_page(595, 842)
    stream = io.BytesIO()
    blank.save(stream)
    with pytest.raises(DocumentError, match="OCR"):
        read_bytes(stream.getvalue(), "scan.pdf", ".pdf")


def test_a_package_that_is_no_word_file_is_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as package:
        package.writestr("a.txt", "bonjour")
    with pytest.raises(DocumentError, match="pas un document Word"):
        read_docx(stream.getvalue(), "a.docx")


def test_a_package_that_swells_is_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", b"0" * 20_000_000)
    with pytest.raises(DocumentError, match="anormal"):
        read_docx(stream.getvalue(), "a.docx")


def test_sample_rc_pdf_has_headings_items_and_tables_on_their_pages() -> None:
    document = read(CORPUS / "dce" / "rc.pdf")
    headings = [block.text for block in document.blocks if block.kind == "heading"]
    assert "CHAPITRE 4 – SUPPORT ET EXPLOITATION" in headings
    tables = [block for block in document.blocks if block.kind == "table"]
    assert any("Pondération" in block.rows[0] for block in tables)
    assert document.pages == 12
    assert {block.page for block in document.blocks} == set(range(1, 13))
    assert not any(block.text.startswith(("•", "–")) for block in document.blocks if block.kind == "item")


def test_every_block_of_the_sample_pdf_stands_on_its_page() -> None:
    import pypdfium2 as pdfium

    document = read(CORPUS / "dce" / "rc.pdf")
    with pdfium.PdfDocument(CORPUS / "dce" / "rc.pdf") as pdf:
        pages = ["".join(page.get_textpage().get_text_range().split()) for page in pdf]
    for block in document.blocks:
        first = "".join((block.rows[0][0] if block.rows else block.text).split())[:12]
        assert first in pages[(block.page or 0) - 1], block


def test_word_automatic_numbers_are_computed() -> None:
    def build(document: docx.document.Document) -> None:
        numbering = document.part.numbering_part.element
        abstract = OxmlElement("w:abstractNum")
        abstract.set(qn("w:abstractNumId"), "77")
        for depth, text in enumerate(("CHAPITRE %1 –", "%1.%2")):
            level = OxmlElement("w:lvl")
            level.set(qn("w:ilvl"), str(depth))
            for tag, value in (("w:start", "1"), ("w:numFmt", "decimal"), ("w:lvlText", text)):
                child = OxmlElement(tag)
                child.set(qn("w:val"), value)
                level.append(child)
            abstract.append(level)
        numbering.insert(0, abstract)
        number = OxmlElement("w:num")
        number.set(qn("w:numId"), "77")
        link = OxmlElement("w:abstractNumId")
        link.set(qn("w:val"), "77")
        number.append(link)
        numbering.append(number)
        for level_number, depth in (("Heading 1", 0), ("Heading 2", 1)):
            properties = document.styles[level_number].element.get_or_add_pPr()
            reference = OxmlElement("w:numPr")
            for tag, value in (("w:ilvl", str(depth)), ("w:numId", "77")):
                child = OxmlElement(tag)
                child.set(qn("w:val"), value)
                reference.append(child)
            properties.append(reference)
        for text, level in (("Besoin", 1), ("Enjeux", 2), ("Contraintes", 2), ("Projet", 1), ("Pilotage", 2)):
            document.add_heading(text, level)

    blocks, pages = read_docx(word(build), "plan.docx")
    assert [block.text for block in blocks] == [
        "CHAPITRE 1 – Besoin",
        "1.1 Enjeux",
        "1.2 Contraintes",
        "CHAPITRE 2 – Projet",
        "2.1 Pilotage",
    ]
    assert pages is None
    assert all(block.page is None for block in blocks)


def test_word_keeps_insertions_and_drops_deletions() -> None:
    def build(document: docx.document.Document) -> None:
        paragraph = document.add_paragraph("Le délai est de ")
        for tag, text_tag, text in (("w:del", "w:delText", "8 heures"), ("w:ins", "w:t", "4 heures")):
            change = OxmlElement(tag)
            run = OxmlElement("w:r")
            node = OxmlElement(text_tag)
            node.text = text
            run.append(node)
            change.append(run)
            paragraph._p.append(change)

    blocks, _ = read_docx(word(build), "suivi.docx")
    assert blocks[0].text == "Le délai est de 4 heures"


def test_word_pages_come_from_rendered_breaks() -> None:
    document = read(CORPUS / "library" / "reponses" / "montferrac.docx")
    pages = [block.page for block in document.blocks]
    assert document.pages is not None
    assert document.pages >= 8
    assert pages == sorted(pages, key=lambda page: page or 0)


def test_text_joins_wrapped_lines_and_keeps_list_items() -> None:
    text = (
        "ARTICLE 1 – OBJET\n\n"
        "Le présent marché a pour objet la fourniture d'un service de messagerie aux agents des\n"
        "établissements du groupement.\n\n"
        "• premier point ;\n• second point.\n"
    )
    blocks, pages = read_text(text.encode(), "rc.txt")
    assert [(block.kind, block.text) for block in blocks] == [
        ("heading", "ARTICLE 1 – OBJET"),
        (
            "paragraph",
            "Le présent marché a pour objet la fourniture d'un service de messagerie aux agents des "
            "établissements du groupement.",
        ),
        ("item", "premier point ;"),
        ("item", "second point."),
    ]
    assert pages == 1


def test_form_feeds_count_pages() -> None:
    blocks, pages = read_text(b"Un.\n\fDeux.\n", "a.txt")
    assert [block.page for block in blocks] == [1, 2]
    assert pages == 2


def test_markdown_reads_headings_lists_and_tables() -> None:
    blocks, _ = read_markdown(
        b"# Titre\n\nTexte **fort**.\n\n- un\n- deux\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", "a.md"
    )
    assert [block.kind for block in blocks] == ["heading", "paragraph", "item", "item", "table"]
    assert blocks[1].text == "Texte fort."
    assert blocks[-1].rows == (("a", "b"), ("1", "2"))


def test_contents_lines_are_told_from_headings() -> None:
    lines = [Line(text, 1, 0, 80, 0) for text in ("1.1 Objet ........ 4", "1.2 Durée ........ 5")]
    assert [block.kind for block in assemble(lines)] == ["toc", "toc"]


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=400), suffix=st.sampled_from([".pdf", ".docx", ".txt", ".md"]))
def test_any_bytes_give_blocks_or_a_typed_error(data: bytes, suffix: str) -> None:
    try:
        blocks, _, _ = read_bytes(data, "x", suffix)
    except DocumentError:
        return
    again, _, _ = read_bytes(data, "x", suffix)
    assert blocks == again


BOX = """<w:r xmlns:w="{w}" xmlns:mc="{mc}"><mc:AlternateContent>
<mc:Choice Requires="wps"><w:drawing><w:txbxContent><w:p><w:r><w:t>Dans le cadre</w:t></w:r></w:p>
</w:txbxContent></w:drawing></mc:Choice>
<mc:Fallback><w:pict><w:txbxContent><w:p><w:r><w:t>Dans le cadre</w:t></w:r></w:p></w:txbxContent></w:pict>
</mc:Fallback></mc:AlternateContent></w:r>"""
NOTES = """<w:footnotes xmlns:w="{w}">
<w:footnote w:type="separator" w:id="-1"><w:p><w:r><w:t>filet</w:t></w:r></w:p></w:footnote>
<w:footnote w:id="2"><w:p><w:r><w:t>Hors jours fériés.</w:t></w:r></w:p></w:footnote></w:footnotes>"""
SPACES = {
    "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
}


def test_word_text_boxes_and_footnotes_follow_their_paragraph_once() -> None:
    def build(document: docx.document.Document) -> None:
        paragraph = document.add_paragraph("Le délai est de quatre heures.")
        paragraph._p.append(parse_xml(BOX.format(**SPACES)))
        paragraph._p.append(parse_xml('<w:r xmlns:w="{w}"><w:footnoteReference w:id="2"/></w:r>'.format(**SPACES)))
        document.add_paragraph("La suite.")
        notes = Part(
            PackURI("/word/footnotes.xml"),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml",
            NOTES.format(**SPACES).encode(),
            document.part.package,
        )
        document.part.relate_to(notes, RELATIONSHIP_TYPE.FOOTNOTES)

    blocks, _ = read_docx(word(build), "notes.docx")
    assert [block.text for block in blocks] == [
        "Le délai est de quatre heures.",
        "Dans le cadre",
        "Hors jours fériés.",
        "La suite.",
    ]


LEFT = (
    "Le titulaire assure le support en",
    "continu, sept jours sur sept, avec un",
    "temps de reponse de quatre heures.",
    "La plateforme est supervisee et les",
    "alertes sont traitees par une equipe",
    "dediee. Un rapport mensuel est remis",
    "au pouvoir adjudicateur, qui le valide",
    "sous huit jours. Les sauvegardes sont",
    "quotidiennes et verifiees.",
)
RIGHT = (
    "Tout retard donne lieu a une penalite",
    "de cent euros par jour ouvre apres",
    "mise en demeure restee sans effet.",
    "Les penalites sont plafonnees a dix",
    "pour cent du montant du marche hors",
    "taxes. Elles ne sont pas liberatoires",
    "et se cumulent entre elles selon les",
    "regles du cahier des clauses, sauf en",
    "cas de force majeure.",
)


def drawn(*runs: tuple[int, int, int, str], image: bytes = b"") -> bytes:
    """A PDF of one page with these (x, y, size, text), and a picture over the page where given as JPEG."""
    content = "".join(f"BT /F1 {size} Tf {x} {y} Td ({text}) Tj ET\n" for x, y, size, text in runs)
    content += "q 595 0 0 842 0 0 cm /Im Do Q\n" if image else ""
    picture = f"<< /Type /XObject /Subtype /Image /Width 1240 /Height 1754 /ColorSpace /DeviceGray /BitsPerComponent 8 /Filter /DCTDecode /Length {len(image)} >>\nstream\n".encode()  # noqa: E501
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> /XObject << /Im 6 0 R >> >> >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        picture + image + b"\nendstream",
    ]
    data = b"%PDF-1.4\n"
    for number, item in enumerate(objects, start=1):
        data += f"{number} 0 obj\n".encode() + item + b"\nendobj\n"
    return data + b"trailer << /Size 7 /Root 1 0 R >>\n%%EOF"


@pytest.mark.parametrize("by_row", [True, False])
def test_two_columns_are_read_one_after_the_other_however_they_are_drawn(by_row: bool) -> None:
    title = (60, 780, 14, "Reglement de la consultation, sur toute la largeur de la page imprimee")
    left = [(60, 740 - 14 * i, 10, text) for i, text in enumerate(LEFT)]
    right = [(320, 740 - 14 * i, 10, text) for i, text in enumerate(RIGHT)]
    body = [run for pair in zip(left, right, strict=True) for run in pair] if by_row else [*left, *right]
    text = " ".join(block.text for block in read_bytes(drawn(title, *body), "rc.pdf", ".pdf").blocks)
    assert text == " ".join((title[3], *LEFT, *RIGHT))


def test_a_table_without_rules_is_not_taken_for_columns() -> None:
    rows = [
        (60, 740 - 14 * i, 10, text)
        for i, text in enumerate(f"Critere numero {i} de la valeur technique" for i in range(12))
    ]
    weights = [(400, 740 - 14 * i, 10, f"{i + 5} points") for i in range(12)]
    body = [run for pair in zip(rows, weights, strict=True) for run in pair]
    text = " ".join(block.text for block in read_bytes(drawn(*body), "rc.pdf", ".pdf").blocks)
    assert "valeur technique 5 points" in text


def scan(*lines: str) -> bytes:
    """A JPEG of an A4 page at 150 dots an inch with these lines."""
    image = Image.new("L", (1240, 1754), 255)
    pen = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        pen.text((150, 200 + 60 * number), line, font=ImageFont.load_default(size=32), fill=0)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def test_a_scanned_page_among_others_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "available", lambda: False)
    stream = io.BytesIO()
    with pdfium.PdfDocument.new() as both:
        for page in (
            drawn((60, 700, 11, "Article 1 - Objet de la consultation et forme du marche")),
            drawn(image=scan("a")),
        ):
            with pdfium.PdfDocument(page) as source:
                both.import_pages(source)
        both.save(stream)
    path = tmp_path / "rc.pdf"
    path.write_bytes(stream.getvalue())
    documents, unread = read_all([path])
    assert documents[0].scanned == (2,)
    assert unread[0].startswith("rc.pdf : page 2 : image sans texte")


def test_a_scanned_page_is_recognised_where_tesseract_is_installed() -> None:
    if not ocr.available():
        pytest.skip("OCR is absent: pip install memoire[ocr] and apt-get install tesseract-ocr-fra")
    data = drawn(image=scan("Article 5 - Criteres de jugement", "Valeur technique : 60 points", "Prix : 40 points"))
    blocks, pages, scanned = read_bytes(data, "scan.pdf", ".pdf")
    assert (pages, scanned) == (1, ())
    text = " ".join(block.text for block in blocks)
    assert "Valeur technique : 60 points" in text
    assert all(block.page == 1 for block in blocks)
