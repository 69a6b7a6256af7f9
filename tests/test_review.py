"""What people made of a generated document: found wherever it stands, told paragraph by paragraph."""

from __future__ import annotations

import base64
import io
import json
import random
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from docx.oxml.ns import qn
from typer.testing import CliRunner

from evals.alignment import LEAST, versions
from evals.alignment import verdicts as verdicts_of
from evals.tracked import Editor, compared, story
from pipeline import run
from pipeline.cli import app
from pipeline.errors import DocumentError, DossierError
from pipeline.export.text import review_to_html
from pipeline.export.tracked import write_tracked
from pipeline.export.word import to_docx
from pipeline.readers.docx import read_docx
from pipeline.readers.reviewed import read_reviewed
from pipeline.records import Block, Document, PlanNode
from pipeline.review import review, word_edits
from pipeline.run.document import layout_of
from pipeline.settings import ExportSettings, Settings
from pipeline.workspace import Dossier, create
from tests.conftest import CORPUS
from tests.fakes import HashEmbedder, ScriptedModel
from tests.test_draft import echo
from tests.test_workspace import SETTINGS

PLAN = [
    PlanNode(number="1", title="SUPPORT", level=1, prefix="CHAPITRE 1 –"),
    PlanNode(number="1.1", title="Astreintes", level=2, prefix="1.1"),
    PlanNode(number="1.2", title="Délais", level=2, prefix="1.2"),
]
ON_CALL = "Nous tenons une astreinte de 8 exploitants, jour et nuit, toute l'année. [1]"
DELAY = "Le délai de prise en compte d'un incident critique est de 15 minutes. [2]"
SECOND = "Le délai de rétablissement d'un incident critique est de 4 heures. [3]"
GAP = "[À COMPLÉTER : qui décide de la bascule ? — à demander à : responsable du support]"


def blocks(*texts: str) -> list[Block]:
    """Headings are the plan's; everything else is a paragraph."""
    headings = {node.heading for node in PLAN}
    return [Block(kind="heading" if text in headings else "paragraph", text=text, level=1) for text in texts]


PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGD4DwABBAEAX+XDSwAAAABJRU5ErkJggg=="
)
CHAPTER, FIRST, LAST = (node.heading for node in PLAN)
OURS = blocks(CHAPTER, FIRST, ON_CALL, LAST, DELAY, SECOND, GAP)


def verdicts(*human: str) -> dict[str, list[str]]:
    found = review(PLAN, OURS, blocks(*human))
    return {section.number: [row.verdict for row in section.paragraphs] for section in found.sections}


def test_an_untouched_document_is_kept_whole() -> None:
    found = review(PLAN, OURS, OURS)
    assert {row.verdict for section in found.sections for row in section.paragraphs} == {"kept"}
    assert (found.acceptance, found.chrf, found.edit_distance) == (1.0, 1.0, 0.0)
    assert found.citations_lost == found.gaps_answered == 0


@pytest.mark.parametrize(
    ("second", "verdict"),
    [
        ("Le délai de rétablissement d'un incident critique est de 4 heures au plus.", "edited"),
        ("Pour un incident critique, le rétablissement est fait en 4 heures de délai.", "rewritten"),
        ("Nous formons tous les agents.", "added"),
    ],
)
def test_the_verdict_follows_the_likeness(second: str, verdict: str) -> None:
    assert verdict in verdicts(CHAPTER, FIRST, ON_CALL, LAST, DELAY, second, GAP)["1.2"]


def test_sections_are_found_where_they_were_moved_and_renumbered() -> None:
    found = verdicts(CHAPTER, LAST, DELAY, SECOND, GAP, FIRST, ON_CALL)
    assert found == {"1": [], "1.1": ["kept"], "1.2": ["kept", "kept", "kept"]}


def test_a_moved_paragraph_is_no_deletion() -> None:
    found = verdicts(CHAPTER, FIRST, ON_CALL, SECOND, LAST, DELAY, GAP)
    assert found["1.1"] == ["kept", "kept"]
    assert found["1.2"] == ["kept", "kept"]


def test_a_paragraph_cut_in_two_or_joined_is_one_edit() -> None:
    cut = verdicts(
        CHAPTER, FIRST, "Nous tenons une astreinte de 8 exploitants,", "jour et nuit, toute l'année.", LAST,
        DELAY, SECOND, GAP,
    )  # fmt: skip
    assert cut["1.1"] == ["kept"]
    joined = verdicts(CHAPTER, FIRST, ON_CALL, LAST, f"{DELAY} {SECOND}", GAP)
    assert joined["1.2"] == ["kept", "kept"]


def test_a_missing_section_is_said() -> None:
    found = review(PLAN, OURS, blocks(CHAPTER, FIRST, ON_CALL))
    last = next(section for section in found.sections if section.number == "1.2")
    assert last.missing
    assert {row.verdict for row in last.paragraphs} == {"deleted"}


def test_a_figure_changed_a_source_lost_and_a_question_answered_are_told() -> None:
    human = blocks(
        CHAPTER, FIRST, ON_CALL, LAST, "Le délai de prise en compte d'un incident critique est de 30 minutes.", SECOND,
        "La bascule est décidée par le responsable du support, à demander par téléphone.",
    )  # fmt: skip
    found = review(PLAN, OURS, human)
    rows = next(section for section in found.sections if section.number == "1.2").paragraphs
    assert [(change.before, change.after) for change in rows[0].figures] == [("15 minutes", "30 minutes")]
    assert rows[0].citations_lost == 1
    assert found.citations_lost == 1
    assert found.acceptance is not None
    assert 0 < found.acceptance < 1


def test_edits_rebuild_both_texts() -> None:
    edits = list(word_edits("Le RTO est de 4 heures.", "Le RTO mesuré est de 2 heures."))
    assert "".join(e.text for e in edits if e.kind != "inserted") == "Le RTO est de 4 heures."
    assert "".join(e.text for e in edits if e.kind != "deleted") == "Le RTO mesuré est de 2 heures."
    assert [e.text.strip() for e in edits if e.kind == "deleted"] == ["4"]


# --- on a real document ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> Dossier:
    made, _ = create(tmp_path_factory.mktemp("revue") / "d", [CORPUS / "dce"], [CORPUS / "library"])
    run.read_dossier(made)
    run.index_dossier(made, HashEmbedder(), SETTINGS)
    choice = run.choose(made, HashEmbedder(), SETTINGS)
    list(run.draft_dossier(made, choice, ["4.2"], lambda: ScriptedModel(echo), SETTINGS))
    return made


@pytest.fixture
def human(drafted: Dossier, tmp_path: Path) -> Path:
    """The exported document, with one paragraph changed, one dropped, one added."""
    document = docx.Document(io.BytesIO(to_docx(run.memoire_of(drafted))))
    body = [p for p in document.paragraphs if p.style is not None and p.style.name == "Normal" and len(p.text) > 120]
    body[0].runs[0].text = body[0].runs[0].text.replace("L", "Hier, l", 1)
    body[1]._p.getparent().remove(body[1]._p)
    body[2].insert_paragraph_before("Notre équipe connaît les lieux.")
    path = tmp_path / "relu.docx"
    document.save(str(path))
    return path


def test_the_exported_document_compared_with_itself_is_kept(drafted: Dossier, tmp_path: Path) -> None:
    path = tmp_path / "meme.docx"
    path.write_bytes(to_docx(run.memoire_of(drafted)))
    found = run.review_dossier(drafted, path)
    assert found.acceptance == 1.0
    assert list((drafted.root / "reviews").glob("*-meme.json"))


def test_the_command_says_what_changed(drafted: Dossier, human: Path, tmp_path: Path) -> None:
    page, tracked = tmp_path / "revue.html", tmp_path / "suivi.docx"
    outputs = ["--html", str(page), "--tracked", str(tracked), "--format", "json"]
    arguments = ["diff", str(drafted.root), str(human), *outputs]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    rows = [row for section in told["sections"] for row in section["paragraphs"]]
    assert [row["verdict"] for row in rows].count("added") == 1
    assert [row["verdict"] for row in rows].count("deleted") == 1
    text = page.read_text(encoding="utf-8")
    assert "<ins>" in text
    assert "http" not in text
    ours = tmp_path / "genere.docx"
    ours.write_bytes(run.rendered(run.memoire_of(drafted), "docx", layout_of(drafted, Settings()))[0])
    assert story(tracked, accept=True) == story(human)
    assert story(tracked, accept=False) == story(ours)


def test_the_revisions_hold_in_every_paragraph_and_cell(drafted: Dossier, tmp_path: Path) -> None:
    """A small run of `python -m evals.tracked`: random edits over the export, accepted and refused by other code."""
    ours = tmp_path / "genere.docx"
    ours.write_bytes(to_docx(run.memoire_of(drafted)))
    theirs, made = tmp_path / "humain.docx", tmp_path / "suivi.docx"
    for n in range(12):
        editor = Editor(ours, random.Random(n))
        editor.edit(15)
        editor.save(theirs)
        assert compared(ours, theirs, made) == []
        assert story(made, accept=True) != story(made, accept=False)


def test_tracked_changes_keep_what_words_do_not_say(drafted: Dossier, tmp_path: Path) -> None:
    """Formats, fields and links of the human document; pictures that people took away come back as deleted."""
    ours = tmp_path / "genere.docx"
    document = docx.Document(io.BytesIO(to_docx(run.memoire_of(drafted))))
    document.add_paragraph("Un schéma :").add_run().add_picture(io.BytesIO(PNG))
    document.add_paragraph("Fin.")
    document.save(str(ours))
    document.paragraphs[-2]._p.getparent().remove(document.paragraphs[-2]._p)
    line = document.paragraphs[-1]
    line.runs[0].text = "Fin du document, "
    line.add_run("en gras").bold = True
    theirs, made = tmp_path / "humain.docx", tmp_path / "suivi.docx"
    document.save(str(theirs))
    write_tracked(ours, theirs, made, "Relecture", "2026-01-01T00:00:00Z")
    body = docx.Document(str(made)).element.body
    pictures = [node for node in body.iter(qn("w:drawing")) if any(a.tag == qn("w:del") for a in node.iterancestors())]
    assert len(pictures) == 1
    bold = [run_ for run_ in body.iter(qn("w:r")) if "gras" in "".join(run_.itertext())]
    assert bold[0].find(f"{qn('w:rPr')}/{qn('w:b')}") is not None
    identifier = next(pictures[0].iter(qn("a:blip"))).get(qn("r:embed"))
    assert docx.Document(str(made)).part.related_parts[identifier].blob == PNG


def test_another_format_is_one_clear_line(drafted: Dossier, tmp_path: Path) -> None:
    path = tmp_path / "relu.pdf"
    path.write_bytes(b"%PDF-1.4")
    with pytest.raises(DossierError, match=r"\.docx"):
        run.review_dossier(drafted, path)


# --- what people send ----------------------------------------------------------------------------------------


def word(path: Path, *texts: str) -> Path:
    """A Word document; texts that are headings of the plan have the style of one."""
    document = docx.Document()
    headings = {node.heading for node in PLAN}
    for text in texts:
        document.add_paragraph(text, style="Heading 1" if text in headings else None)
    document.save(str(path))
    return path


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: data[: len(data) // 2], "tronqué"),
        (lambda data: b"\xd0\xcf\x11\xe0" + data, r"\.doc"),
        (lambda data: b"", "Word entier"),
        (lambda data: b"%PDF-1.7 rien", "Word entier"),
    ],
)
def test_a_spoilt_document_is_one_clear_line(spoil: Callable[[bytes], bytes], said: str, tmp_path: Path) -> None:
    path = word(tmp_path / "relu.docx", CHAPTER, ON_CALL)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(DocumentError, match=said):
        read_reviewed(path)


def test_a_spoilt_document_leaves_no_file(drafted: Dossier, tmp_path: Path) -> None:
    path = tmp_path / "relu.docx"
    path.write_bytes(b"PK\x03\x04 rien")
    with pytest.raises(DocumentError):
        run.track_changes(drafted, path, tmp_path / "suivi.docx")
    assert [item.name for item in tmp_path.iterdir()] == ["relu.docx"]


def test_a_document_without_headings_is_aligned_by_its_words() -> None:
    found = review(PLAN, OURS, blocks(ON_CALL, DELAY, SECOND, GAP))
    assert {row.verdict for section in found.sections for row in section.paragraphs} == {"kept"}
    assert not any(section.sure for section in found.sections if section.paragraphs)
    assert "Aucun titre du plan" in found.remarks[0]


def test_headings_without_style_are_told_by_their_words() -> None:
    human = [Block(kind="paragraph", text=block.text) for block in [*OURS[:2], *OURS]]
    found = review(PLAN, OURS, human)
    assert [section.missing for section in found.sections if section.number] == [False, False, False]
    assert "n’ont pas de style de titre" in found.remarks[0]


OTHER = (
    "Le nettoyage des vitres est assuré chaque semaine par deux équipes équipées de nacelles.",
    "Les produits employés sont écologiques et les dosages sont vérifiés par le chef de chantier.",
)


def test_another_document_is_never_a_sure_alignment() -> None:
    other = [Block(kind="heading", text="I. Propreté des locaux", level=1), *blocks(*OTHER)]
    found = review(PLAN, OURS, other)
    assert not any(section.sure for section in found.sections)
    assert all(row.generated is None or row.human is None for s in found.sections for row in s.paragraphs)
    assert any("presque rien de commun" in remark for remark in found.remarks)
    assert any("il en suit un autre" in remark for remark in found.remarks)


@pytest.mark.parametrize(
    "text",
    [
        "We keep eight operators on call by day and by night, and the incidents are taken in fifteen minutes. " * 4,
        "Mantenemos ocho operadores de guardia día y noche durante todo el año y los incidentes críticos se toman en "
        "cuenta en quince minutos como máximo para todos los servicios prestados al hospital según el contrato. " * 3,
    ],
)  # fmt: skip
def test_another_language_is_said(text: str) -> None:
    found = review(PLAN, OURS, blocks(CHAPTER, FIRST, text, LAST, text))
    assert any("se comparent pas mot à mot" in remark for remark in found.remarks)
    assert not any(section.sure for section in found.sections)


def test_open_revisions_are_read_as_accepted_and_said(drafted: Dossier, tmp_path: Path) -> None:
    """The human document is itself full of revisions: reading it gives what accepting them gives."""
    ours = tmp_path / "genere.docx"
    ours.write_bytes(to_docx(run.memoire_of(drafted)))
    theirs, made = tmp_path / "humain.docx", tmp_path / "suivi.docx"
    editor = Editor(ours, random.Random(5))
    editor.edit(20)
    editor.save(theirs)
    write_tracked(ours, theirs, made, "Anne Morel", "2026-01-01T00:00:00Z")
    read, plain = read_reviewed(made), read_reviewed(theirs)
    assert [block.text for block in read.blocks] == [block.text for block in plain.blocks]
    assert "Anne Morel" in read.remarks[0]
    assert plain.remarks == ()


def test_comments_come_with_their_author_and_their_words(tmp_path: Path) -> None:
    path = word(tmp_path / "relu.docx", CHAPTER, FIRST, ON_CALL, LAST, DELAY)
    document = docx.Document(str(path))
    line = document.paragraphs[2]
    line.runs[0].text, words = "Nous tenons une astreinte ", line.add_run("de 8 exploitants")
    document.add_comment(words, text="Vraiment huit ?", author="Anne Morel", initials="AM")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip([c for row in table.rows for c in row.cells], ("Rôle", "Nom", "Chef", "Zoé"), strict=True):
        cell.paragraphs[0].add_run(text)
    document.add_comment(table.rows[1].cells[1].paragraphs[0].runs, text="Nom à confirmer", author="")
    document.save(str(path))
    found = review(PLAN, OURS, read_reviewed(path).blocks)
    rows = [row for section in found.sections for row in section.paragraphs if row.comments]
    assert [(c.author, c.text, c.quote) for row in rows for c in row.comments] == [
        ("Anne Morel", "Vraiment huit ?", "de 8 exploitants"),
        ("", "Nom à confirmer", "Zoé"),
    ]
    assert rows[0].comments[0].date
    assert [row.human for row in rows] == ["Nous tenons une astreinte de 8 exploitants", "Chef | Zoé"]
    page = review_to_html(found, "x")
    assert "Anne Morel" in page
    assert "Vraiment huit" in page


def test_pictures_are_not_read(tmp_path: Path) -> None:
    """Thirty megabytes of pictures; a document of 300 is read in no more (memory of the text alone)."""
    path = word(tmp_path / "relu.docx", CHAPTER, ON_CALL)
    with zipfile.ZipFile(path, "a") as package:
        for n in range(3):
            package.writestr(f"word/media/photo{n}.png", random.Random(n).randbytes(10 << 20))
    tracemalloc.start()
    read = read_reviewed(path)
    made = tmp_path / "suivi.docx"
    write_tracked(path, path, made, "Relecture", "2026-01-01T00:00:00Z")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [block.text for block in read.blocks] == [CHAPTER, ON_CALL]
    assert peak < 10 << 20
    assert made.stat().st_size > 30 << 20


# --- what became of a paragraph ------------------------------------------------------------------------------


def test_the_alignment_is_that_of_the_hand_made_versions() -> None:
    """`python -m evals.alignment`, on the versions it was tuned on."""
    told = [verdict for version in versions() if not version.held for verdict in verdicts_of(version)]
    assert len(told) > 1000
    assert sum(right for _, right, _ in told) >= LEAST * len(told)


def test_moved_cut_and_joined_paragraphs_are_said() -> None:
    found = review(PLAN, OURS, blocks(CHAPTER, FIRST, SECOND, ON_CALL, LAST, GAP, DELAY))
    rows = {row.generated: row for section in found.sections for row in section.paragraphs}
    assert rows[SECOND].moved_from == "1.2"
    assert rows[ON_CALL].moved_from is None
    assert {rows[GAP].moved_from, rows[DELAY].moved_from} == {"1.2", None}
    cut = "Nous tenons une astreinte de 8 exploitants,", "jour et nuit, toute l'année."
    found = review(PLAN, OURS, blocks(CHAPTER, FIRST, *cut, LAST, f"{DELAY} {SECOND}", GAP))
    rows = {row.generated: row for section in found.sections for row in section.paragraphs}
    assert rows[ON_CALL].split
    assert rows[f"{DELAY} {SECOND}"].merged
    assert not rows[GAP].split


def test_a_reworded_heading_is_the_section_of_its_text() -> None:
    reworded = "Temps de réponse"
    human = [
        Block(kind="heading", text=reworded, level=1) if block.text == reworded else block
        for block in blocks(CHAPTER, FIRST, ON_CALL, reworded, DELAY, SECOND)
    ]
    last = next(section for section in review(PLAN, OURS, human).sections if section.number == "1.2")
    assert (last.missing, last.human_title, last.sure) == (False, "Temps de réponse", True)


def table(*rows: tuple[str, ...]) -> Block:
    return Block(kind="table", text="\n".join(" | ".join(row) for row in rows), rows=rows)


def test_tables_are_compared_by_row_and_cell() -> None:
    before = table(("Gravité", "Délai"), ("Critique", "15 minutes"), ("Mineure", "4 heures"))
    after = table(("Gravité", "Délai"), ("Critique", "10 minutes"), ("Demande", "3 jours"))
    found = review(PLAN, [*OURS, before], [*OURS, after])
    rows = [row for section in found.sections for row in section.paragraphs if row.kind == "row"]
    assert [row.verdict for row in rows] == ["kept", "edited", "deleted", "added"]
    first, second = rows[1].cells
    assert [edit.kind for edit in first] == ["kept"]
    assert [(edit.kind, edit.text.strip()) for edit in second] == [
        ("deleted", "15"), ("inserted", "10"), ("kept", "minutes"),
    ]  # fmt: skip
    assert [(change.before, change.after) for change in rows[1].figures] == [("15 minutes", "10 minutes")]


def test_the_page_escapes_what_people_write(make_document: Callable[..., Document]) -> None:
    found = review(PLAN, OURS, blocks(CHAPTER, FIRST, "<script>alert(1)</script>"))
    assert "<script>" not in review_to_html(found, "x")


def test_the_reader_finds_the_headings_of_our_own_export(drafted: Dossier) -> None:
    generated, _ = read_docx(to_docx(run.memoire_of(drafted)), "export")
    plan = run.memoire_of(drafted).plan
    found = review(plan, generated, generated)
    assert [section.number for section in found.sections if section.number] == [node.name for node in plan]


def test_an_exported_document_handed_back_as_it_is_changes_nothing(drafted: Dossier, tmp_path: Path) -> None:
    """With its pages, its day on the cover and the firm's template: none of these is a person's."""
    document = docx.Document()
    document.add_paragraph("Réponse de la maison")
    document.add_paragraph("{{objet}}")
    document.save(str(drafted.root / "modele.docx"))
    chosen = SETTINGS.model_copy(update={"export": ExportSettings(template="modele.docx")})
    path = run.export_dossier(drafted, tmp_path / "remis.docx", "docx", chosen).path
    found = run.review_dossier(drafted, path, chosen)
    assert {row.verdict for section in found.sections for row in section.paragraphs} == {"kept"}
    assert found.acceptance == 1.0
    run.track_changes(drafted, path, tmp_path / "suivi.docx", chosen)
    xml = zipfile.ZipFile(tmp_path / "suivi.docx").read("word/document.xml")
    assert b"<w:ins " not in xml
    assert b"<w:del " not in xml
