"""The Word document: numbered by Word as the buyer numbers, live references, right pages, in the firm's template."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import docx
import pypdfium2
import pytest
from docx.oxml.ns import qn
from docx.shared import Cm
from hypothesis import given, settings
from hypothesis import strategies as st
from openxml_audit import OpenXmlValidator

from pipeline import run
from pipeline.errors import DocumentError, MemoireError
from pipeline.export import sources
from pipeline.export.numbering import levels_of
from pipeline.export.pages import LaidOut, available, bookmarks, lay_out
from pipeline.export.template import shipped
from pipeline.export.word import Layout, _widths, to_docx
from pipeline.french import fold_spaces, typeset
from pipeline.readers.docx import read_docx
from pipeline.records import (
    Block,
    Compliance,
    Memoire,
    Paragraph,
    Passage,
    PlanNode,
    Point,
    Requirement,
    Section,
    SectionBrief,
    Sentence,
)
from pipeline.settings import ExportSettings
from pipeline.workspace import Dossier, create
from tests.conftest import CORPUS
from tests.fakes import HashEmbedder, ScriptedModel
from tests.test_workspace import SETTINGS, echo

needs_libreoffice = pytest.mark.skipif(available() is None, reason="LibreOffice is absent: install libreoffice-writer")


def draft_all(root: Path, dce: Path) -> Memoire:
    """A tender read, and every section of its plan drafted by a model that repeats its sources."""
    dossier, _ = create(root, [dce], [CORPUS / "library"])
    run.read_dossier(dossier)
    run.index_dossier(dossier, HashEmbedder(), SETTINGS)
    choice = run.choose(dossier, HashEmbedder(), SETTINGS)
    list(run.draft_dossier(dossier, choice, [], lambda: ScriptedModel(echo), SETTINGS))
    return run.memoire_of(dossier)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Memoire:
    return draft_all(tmp_path_factory.mktemp("word") / "slh", CORPUS / "dce")


@pytest.fixture(scope="module")
def caih(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Memoire:
    return draft_all(tmp_path_factory.mktemp("word") / "caih", shared / "dce" / "caih" / "rc.pdf")


# --- the buyer's numbers -----------------------------------------------------------------------------------


def node(prefix: str, level: int, number: str | None = None) -> PlanNode:
    return PlanNode(
        number=prefix if number is None else number, title=f"Titre {prefix}".strip(), level=level, prefix=prefix
    )


REGULAR = [
    [node("CHAPITRE 1 –", 1, "1"), node("1.1", 2), node("1.2", 2), node("CHAPITRE 2 –", 1, "2"), node("2.1", 2)],
    [node("I.", 1, "I"), node("A)", 2, "A"), node("B)", 2, "B"), node("II.", 1, "II"), node("A)", 2, "A")],
    [node("4", 1), node("4.1", 2), node("4.1.1", 3), node("4.1.2", 3), node("4.2", 2), node("5", 1)],
    [node("01", 1), node("02", 1), node("03", 1)],
    [node("Article 1er :", 1, "1")],
    [node("a.", 1, "a"), node("b.", 1, "b"), node("", 1, ""), node("c.", 1, "c")],
    [node("Partie I -", 1, "I"), node("I.1", 2), node("I.2", 2), node("Partie II -", 1, "II"), node("II.1", 2)],
]
IRREGULAR = [
    [node("1", 1), node("2", 1), node("4", 1)],
    [node("1.1", 1), node("1.3", 1)],
    [node("I", 1), node("1.1", 2), node("II", 1), node("2.1", 2)],
    [node("1", 1), node("1", 1)],
]


def memoire_with(plan: Sequence[PlanNode], sections: Sequence[Section] = (), **more: object) -> Memoire:
    return Memoire(
        title="Objet", buyer="Acheteur", reference="2026-1", plan=tuple(plan), sections=tuple(sections), **more
    )  # type: ignore[arg-type]


@pytest.mark.parametrize("plan", REGULAR)
def test_word_counts_as_the_buyer_numbers(plan: list[PlanNode]) -> None:
    word = to_docx(memoire_with(plan))
    assert levels_of(plan) is not None
    typed = [
        p.text for p in docx.Document(io.BytesIO(word)).paragraphs if p.style and p.style.name.startswith("Heading")
    ]
    assert typed == [n.title for n in plan]
    assert headings(word) == [n.heading for n in plan]


@pytest.mark.parametrize("plan", IRREGULAR)
def test_numbers_that_word_would_not_give_are_typed(plan: list[PlanNode]) -> None:
    assert levels_of(plan) is None
    assert headings(to_docx(memoire_with(plan))) == [n.heading for n in plan]


def headings(word: bytes) -> list[str]:
    return [block.text for block in read_docx(word, "essai.docx")[0] if block.kind == "heading"]


# --- read back ---------------------------------------------------------------------------------------------

WORDS = st.text(
    alphabet=st.sampled_from("abcdeéèêàçœ’«»–%€0123456789 ,;()[]<>&\u00a0\u202f"), min_size=3, max_size=80
).map(lambda text: fold_spaces(f"Nous {text} ici."))


@st.composite
def memoires(draw: st.DrawFn) -> Memoire:
    plan: list[PlanNode] = []
    sections: list[Section] = []
    for chapter in range(1, draw(st.integers(1, 3)) + 1):
        plan.append(node(f"CHAPITRE {chapter} –", 1, str(chapter)))
        for number in range(1, draw(st.integers(1, 3)) + 1):
            name = f"{chapter}.{number}"
            plan.append(node(name, 2))
            sections.append(section(name, draw(st.lists(st.lists(WORDS, min_size=1, max_size=3), max_size=3))))
    return memoire_with(plan, sections)


def section(name: str, paragraphs: Sequence[Sequence[str]]) -> Section:
    """Each sentence has a passage of its own; each paragraph answers the one point."""
    passages = [
        Passage(id=f"{name}-{p}-{s}", kind="response", document="r.docx", page=p + 1, article=f"{s}", text=text)
        for p, sentences in enumerate(paragraphs)
        for s, text in enumerate(sentences)
    ]
    made = [
        Paragraph(
            id=f"{name}-{p}",
            point=0,
            sentences=tuple(
                Sentence(text=text, passages=(f"{name}-{p}-{s}",), claim="experience")
                for s, text in enumerate(sentences)
            ),
        )
        for p, sentences in enumerate(paragraphs)
    ]
    brief = SectionBrief(number=name, title="T", level=2, chapter="C", points=(Point(text="Le point"),))
    return Section(
        number=name, title="T", brief=brief, paragraphs=tuple(made), passages=tuple(passages), model="m",
        model_sha256="0", prompt_sha256="0", inputs_sha256="0", seconds=0, tokens=0,
    )  # fmt: skip


@given(memoires(), st.sampled_from(["brackets", "footnotes"]))
@settings(max_examples=60, deadline=None)
def test_reading_our_own_document_gives_it_back(memoire: Memoire, citations: str) -> None:
    word = to_docx(memoire, Layout(citations=citations))  # type: ignore[arg-type]
    blocks = [block for block in read_docx(word, "essai.docx")[0] if block.kind != "toc"]
    assert [block.text for block in blocks if block.kind == "heading"] == [node.heading for node in memoire.plan]
    numbered = sources(memoire)
    for section in memoire.sections:
        inside = under(blocks, next(node.heading for node in memoire.plan if node.name == section.number))
        texts = [block.text for block in inside if block.marker != "note" and block.text != "Le point"]
        notes = [block.text for block in inside if block.marker == "note"]
        marks = [[numbered.marks(s) for s in p.sentences] for p in section.paragraphs]
        if citations == "brackets":
            told = [
                " ".join(f"{s.text} {m}" for s, m in zip(p.sentences, row, strict=True))
                for p, row in zip(section.paragraphs, marks, strict=True)
            ]
        else:
            told = [" ".join(s.text for s in p.sentences) for p in section.paragraphs]
            places = [f"r.docx, « {s} », p. {p + 1}." for p, row in enumerate(marks) for s in range(len(row))]
            assert notes == [fold_spaces(typeset(place)) for place in places]
        assert [plain(text) for text in texts] == [plain(text) for text in told]


def under(blocks: Sequence[Block], heading: str) -> list[Block]:
    """The blocks of a heading, up to the next or to the pages that follow the plan."""
    at = next(n for n, block in enumerate(blocks) if block.kind == "heading" and block.text == heading)
    found = []
    for block in blocks[at + 1 :]:
        if block.kind == "heading" or block.text == "Liste des sources":
            break
        found.append(block)
    return found


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


# --- references --------------------------------------------------------------------------------------------


def test_every_reference_leads_somewhere(sample: Memoire) -> None:
    root = docx.Document(io.BytesIO(to_docx(sample))).element
    names = [mark.get(qn("w:name")) for mark in root.iter(qn("w:bookmarkStart"))]
    numbers = [mark.get(qn("w:id")) for mark in root.iter(qn("w:bookmarkStart"))]
    ends = [mark.get(qn("w:id")) for mark in root.iter(qn("w:bookmarkEnd"))]
    assert len(set(names)) == len(names)
    assert sorted(numbers) == sorted(ends) == sorted(set(numbers))
    codes = [code.text.split() for code in root.iter(qn("w:instrText"))]
    targets = [code[1] for code in codes if code[0] in ("REF", "PAGEREF")]
    targets += [item.get(qn("w:anchor")) for item in root.iter(qn("w:hyperlink"))]
    assert set(targets) <= set(names)
    assert {re.sub(r"\d+n?$", "", name) for name in targets} >= {
        "section", "figure", "tableau", "exigence", "paragraphe", "source",
    }  # fmt: skip


def test_requirement_and_answer_point_at_each_other() -> None:
    item = Requirement(id="EX-1", text="Le candidat tient une astreinte.", mandatory=True, document="pf.docx", page=4)
    made = section("1.1", [["Nous tenons une astreinte."]])
    sentence = made.paragraphs[0].sentences[0]
    row = Compliance(requirement=item, section="1.1", answer=sentence, paragraph="1.1-0", conformity="confirm")
    plan = [node("CHAPITRE 1 –", 1, "1"), node("1.1", 2)]
    document = docx.Document(io.BytesIO(to_docx(memoire_with(plan, [made], compliance=(row,)))))
    answer = next(p for p in document.paragraphs if "Répond à" in p.text)
    assert "REF exigence1" in " ".join(code.text for code in answer._p.iter(qn("w:instrText")))
    table = next(t for t in document.tables if t.rows[0].cells[2].text == "Notre réponse")
    back = table.rows[1].cells[2].paragraphs[0]._p
    assert [link.get(qn("w:anchor")) for link in back.iter(qn("w:hyperlink"))] == ["paragraphe1"]
    assert "REF section2" in " ".join(code.text for code in back.iter(qn("w:instrText")))


NO_LIST = "Numbering definition '0' referenced but not found"
"""Not an error: 0 takes an unnumbered heading out of its style's list (ECMA-376 part 1, §17.9.18)."""


@pytest.mark.parametrize("name", ["sample", "caih"])
@pytest.mark.parametrize("citations", ["brackets", "footnotes"])
def test_the_file_is_valid(name: str, citations: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    path = tmp_path / "memoire.docx"
    path.write_bytes(to_docx(request.getfixturevalue(name), Layout(citations=citations)))  # type: ignore[arg-type]
    found = OpenXmlValidator().validate(str(path))
    assert [error.description for error in found.errors if error.description != NO_LIST] == []


# --- laid out ----------------------------------------------------------------------------------------------


@needs_libreoffice
@pytest.mark.parametrize("name", ["sample", "caih"])
def test_the_pdf_has_every_heading_caption_and_page_of_the_contents_right(
    name: str, request: pytest.FixtureRequest
) -> None:
    memoire: Memoire = request.getfixturevalue(name)
    laid = lay_out(memoire, Layout(date=dt.date(2026, 1, 2)))
    texts = pages_of(laid)
    count, found = bookmarks(laid.pdf)
    assert count == laid.pages == len(texts)
    entries = contents_of(laid.word)
    assert len(entries) > len(memoire.plan)
    shown = {plain(text): page for text, page in entries}
    for n, item in enumerate(memoire.plan, start=1):
        page = found[f"section{n}"]
        assert shown[plain(item.heading)] == page, item.heading
        assert squeezed(item.heading) in squeezed(texts[page - 1]), item.heading
    outline = pypdfium2.PdfDocument(laid.pdf).get_toc()
    titles = [squeezed(entry.get_title()) for entry in outline]
    assert titles == [squeezed(item.heading) for item in memoire.plan]
    captions = [text for text in shown if re.match(r"(?:Figure|Tableau) \d+ –", text)]
    assert len(captions) == len([mark for mark in found if re.fullmatch(r"(?:figure|tableau)\d+", mark)]) >= 5
    for text in captions:
        assert squeezed(text) in squeezed(texts[shown[text] - 1]), text
    assert "Erreur" not in " ".join(texts)
    front = squeezed(" ".join(texts[:8]))
    for text, page in entries:
        assert f"{squeezed(text)}{page}" in re.sub(r"\.{3,}", "", front), text


def pages_of(laid: LaidOut) -> list[str]:
    return [page.get_textpage().get_text_bounded() for page in pypdfium2.PdfDocument(laid.pdf)]


def contents_of(word: bytes) -> list[tuple[str, int]]:
    """(text, page) of each entry of the tables of contents, figures and tables."""
    found = []
    for paragraph in docx.Document(io.BytesIO(word)).paragraphs:
        if paragraph.style is not None and paragraph.style.name.startswith(("toc", "table of figures")):
            text, _, page = paragraph.text.rpartition("\t")
            found.append((text, int(page)))
    return found


def squeezed(text: str) -> str:
    """Without white space or hyphens: lines are broken differently in a PDF."""
    return re.sub(r"[\s\u00ad\ufffe-]", "", text)


@needs_libreoffice
def test_a_footnote_stands_on_the_page_of_its_sentence(sample: Memoire) -> None:
    laid = lay_out(sample, Layout(citations="footnotes"))
    texts = [squeezed(text) for text in pages_of(laid)]
    numbered = sources(sample)
    checked = 0
    for section in sample.sections[:8]:
        first = section.paragraphs[0]
        if not first.sentences:
            continue
        sentence = first.sentences[0]
        known = {passage.id: passage for passage in numbered.passages}
        page = next((text for text in texts[5:] if squeezed(sentence.text) in text), None)
        if page is not None:
            assert squeezed(known[sentence.passages[0]].document) in page
            checked += 1
    assert checked >= 3


# --- parts and templates -----------------------------------------------------------------------------------


@pytest.fixture
def dossier(tmp_path: Path) -> Dossier:
    made, _ = create(tmp_path / "d", [CORPUS / "dce" / "rc.pdf"], [CORPUS / "library" / "entreprise"])
    run.read_dossier(made)
    return made


def test_a_chapter_alone_keeps_its_number(dossier: Dossier) -> None:
    done = run.export_dossier(dossier, None, "docx", SETTINGS, chapter="4")
    assert done.path.name == "memoire-chapitre-4.docx"
    found = headings(done.path.read_bytes())
    assert found[0].startswith("CHAPITRE 4 –")
    assert found[1].startswith("4.1 ")
    with pytest.raises(MemoireError, match="« 9 »"):
        run.export_dossier(dossier, None, "docx", SETTINGS, chapter="9")


def firm_template(path: Path, body: Sequence[str]) -> Path:
    """A firm's template as Word in French writes it: its own identifiers of styles, margins, header."""
    document = docx.Document()
    for name, identifier in (("Heading 1", "Titre1"), ("Heading 2", "Titre2"), ("Caption", "Lgende")):
        style = document.styles[name]
        style.element.set(qn("w:styleId"), identifier)
        style.font.name = "Georgia"
    document.sections[0].left_margin = Cm(4)
    document.sections[0].header.paragraphs[0].text = "Ostréane – {{reference}}"
    for text in body:
        document.add_paragraph(text)
    document.save(str(path))
    return path


def test_the_firms_template_is_used(tmp_path: Path) -> None:
    plan, made = [node("1", 1), node("1.1", 2)], section("1.1", [["Nous tenons une astreinte."]])
    path = firm_template(
        tmp_path / "m.docx", ["Couverture de {{objet}}", "Lot : {{date}}", "{{contenu}}", "Quatrième de couverture"]
    )
    document = docx.Document(io.BytesIO(to_docx(memoire_with(plan, [made]), Layout(template=path))))
    texts = [p.text for p in document.paragraphs]
    assert texts[0] == "Couverture de Objet"
    assert texts[-1] == "Quatrième de couverture"
    assert not any("{{" in text or text.startswith("Lot") for text in texts)
    assert any(text.startswith("Projet rédigé avec l’aide") for text in texts), "the notice is visible all the same"
    assert document.sections[0].header.paragraphs[0].text == "Ostréane – 2026-1"
    title = next(p for p in document.paragraphs if p.text == "Titre 1.1")
    assert (title.style.style_id, title.style.font.name) == ("Titre2", "Georgia")
    assert round(document.sections[0].left_margin.cm, 2) == 4


@needs_libreoffice
def test_a_name_that_word_cut_in_pieces_is_still_filled(tmp_path: Path) -> None:
    document = docx.Document()
    line = document.add_paragraph("Objet : {{ob")
    line.add_run("jet}}")
    path = tmp_path / "m.docx"
    document.save(str(path))
    laid = lay_out(memoire_with([node("1", 1)]), Layout(template=path))
    assert "Objet : Objet" in pages_of(laid)[0]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: folder / "absent.docx", "introuvable"),
        (lambda folder: firm_template(folder / "m.docx", ["{{client}}"]), "« {{client}} », qui n'existe pas"),
        (lambda folder: _text(folder / "m.docx"), "n'est pas une archive Word"),
    ],
)
def test_a_template_that_cannot_be_used_is_said_in_one_line(make: object, told: str, tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=re.escape(told)):
        to_docx(memoire_with([node("1", 1)]), Layout(template=make(tmp_path)))  # type: ignore[operator]


def _text(path: Path) -> Path:
    path.write_text("Ce n'est pas un Word.", encoding="utf-8")
    return path


def test_the_shipped_template_is_a_template(tmp_path: Path) -> None:
    path = tmp_path / "modele.docx"
    path.write_bytes(shipped())
    plan = [node("1", 1)]
    ours = to_docx(memoire_with(plan), Layout(template=path))
    assert headings(ours) == ["1 Titre 1"]
    assert body(ours) == body(to_docx(memoire_with(plan)))


def body(word: bytes) -> bytes:
    return zipfile.ZipFile(io.BytesIO(word)).read("word/document.xml")


def test_the_settings_choose_template_and_citations(dossier: Dossier) -> None:
    firm_template(dossier.root / "modele.docx", ["{{titre}} de la maison"])
    chosen = SETTINGS.model_copy(update={"export": ExportSettings(template="modele.docx")})
    texts = [p.text for p in docx.Document(str(run.export_dossier(dossier, None, "docx", chosen).path)).paragraphs]
    assert texts[0] == "Mémoire technique de la maison"


@pytest.mark.parametrize("points", [8.5, 10.0, 12.0])
def test_columns_stay_in_the_page_and_leave_room_for_their_words(points: float) -> None:
    header = ("Activité", "Réalise (R)", "Approuve (A)", "Consulté (C)", "Informé (I)", "Source")
    rows = [
        ("Plan de management du projet", "Direction", "Acheteur", "Architecture, sécurité", "Établissements", "[7]")
    ]
    wide = [column.cm for column in _widths(header, rows, Cm(16), points)]
    assert sum(wide) <= 16.001
    team = [
        column.cm for column in _widths(("Équipe", "Responsable", "Présence"), [("a", "b", "c" * 80)], Cm(16), points)
    ]
    assert team[1] >= 11 * 0.185 * points / 8.5
