"""What people made of a generated document: found wherever it stands, told paragraph by paragraph."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from typer.testing import CliRunner

from pipeline import run
from pipeline.cli import app
from pipeline.errors import DossierError
from pipeline.export.text import review_to_html
from pipeline.export.word import to_docx
from pipeline.readers.docx import read_docx
from pipeline.records import Block, Document, PlanNode
from pipeline.review import review, word_edits
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
    assert revised(tracked, keep="ins", drop="del") == texts(human)
    assert revised(tracked, keep="del", drop="ins") == texts_of(to_docx(run.memoire_of(drafted)))


def texts(path: Path) -> list[str]:
    return texts_of(path.read_bytes())


def texts_of(data: bytes) -> list[str]:
    return [p.text for p in docx.Document(io.BytesIO(data)).paragraphs if p.text.strip()]


def revised(path: Path, keep: str, drop: str) -> list[str]:
    """The paragraphs once every change is accepted (keep ``ins``) or rejected (keep ``del``)."""
    document = docx.Document(str(path))
    body = document.element.body
    space = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
    found, open_text = [], ""
    for paragraph in body.iter(f"{space}p"):
        if any(parent.tag == f"{space}tbl" for parent in paragraph.iterancestors()):
            continue
        said = ""
        for text in paragraph.iter(f"{space}t", f"{space}delText"):
            marks = {parent.tag for parent in text.iterancestors()}
            if f"{space}{drop}" not in marks:
                said += text.text or ""
        properties = paragraph.find(f"{space}pPr/{space}rPr/{space}{drop}")
        open_text += said
        if properties is None:
            found.append(open_text)
            open_text = ""
    return [text for text in [*found, open_text] if text.strip()]


def test_another_format_is_one_clear_line(drafted: Dossier, tmp_path: Path) -> None:
    path = tmp_path / "relu.pdf"
    path.write_bytes(b"%PDF-1.4")
    with pytest.raises(DossierError, match=r"\.docx"):
        run.review_dossier(drafted, path)


def test_the_page_escapes_what_people_write(make_document: Callable[..., Document]) -> None:
    found = review(PLAN, OURS, blocks(CHAPTER, FIRST, "<script>alert(1)</script>"))
    assert "<script>" not in review_to_html(found, "x")


def test_the_reader_finds_the_headings_of_our_own_export(drafted: Dossier) -> None:
    generated, _ = read_docx(to_docx(run.memoire_of(drafted)), "export")
    plan = run.memoire_of(drafted).plan
    found = review(plan, generated, generated)
    assert [section.number for section in found.sections if section.number] == [node.name for node in plan]
