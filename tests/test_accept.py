"""A person's document taken back: what they wrote is what the dossier says, and nothing of theirs is lost."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docx
import pytest
import yaml
from docx.document import Document as WordDocument
from docx.oxml.ns import qn
from docx.text.paragraph import Paragraph as WordParagraph
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline import run
from pipeline.accept import Handed, accept
from pipeline.answers import FILE, keep_answers
from pipeline.cli import app
from pipeline.errors import DossierError, MemoireError
from pipeline.export import NOTICE, notice
from pipeline.export.figures import to_png
from pipeline.export.text import report_to_html, to_html, to_markdown
from pipeline.export.word import to_docx
from pipeline.french import fold_spaces, no_break, typeset
from pipeline.readers.docx import read_docx
from pipeline.records import (
    Comment,
    Document,
    Figure,
    FirmAnswer,
    Memoire,
    Node,
    Paragraph,
    Review,
    ReviewedParagraph,
    ReviewedSection,
    Section,
)
from pipeline.retrieve import Filters
from pipeline.workspace import (
    Dossier,
    create,
    open_dossier,
    read_draft,
    read_version,
    versions,
    write_draft,
)
from tests.conftest import CORPUS
from tests.fakes import HashEmbedder, ScriptedModel
from tests.test_draft import echo
from tests.test_workspace import SETTINGS

NODES = (Node(name="a", layer="1", zone="Production"), Node(name="b", layer="2", zone="Production"))
QUESTION = "[À COMPLÉTER : qui restitue les données ? — à demander à : responsable du support]"
NOTHING = Review(sections=(), acceptance=None, chrf=None, edit_distance=None, citations_lost=0, gaps_answered=0)
MARK = re.compile(r"\s*\[\d{1,2}(?:[-,]\s*\d{1,2})*\]")
"""Citations; « [2024] » is none."""


@pytest.fixture(scope="module")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> Dossier:
    """Chapter 4, one of its points a question."""
    root = tmp_path_factory.mktemp("reprise")
    for folder in ("entreprise", "reponses"):
        shutil.copytree(CORPUS / "library" / folder, root / "library" / folder)
    made, _ = create(root / "d", [CORPUS / "dce" / "rc.pdf"], [root / "library"])
    run.read_dossier(made)
    run.index_dossier(made, HashEmbedder(), SETTINGS)
    choice = run.choose(made, HashEmbedder(), SETTINGS)
    list(run.draft_dossier(made, choice, ["4"], lambda: ScriptedModel(echo), SETTINGS))
    section = read_draft(made, "4.4")
    assert section is not None
    at = next(n for n, paragraph in enumerate(section.paragraphs) if paragraph.point == 1)
    gap = Paragraph(id=section.paragraphs[at].id, point=1, gap=typeset(QUESTION))
    others = [paragraph for paragraph in section.paragraphs if paragraph.point != 1]
    write_draft(made, section.model_copy(update={"paragraphs": (*others[:at], gap, *others[at:])}))
    return made


@pytest.fixture
def dossier(drafted: Dossier, tmp_path: Path) -> Dossier:
    """A copy of its own, library included."""
    shutil.copytree(drafted.root.parent, tmp_path / "copie")
    description = yaml.safe_load((tmp_path / "copie" / "d" / "dossier.yaml").read_text(encoding="utf-8"))
    description["library"] = [str(tmp_path / "copie" / "library")]
    (tmp_path / "copie" / "d" / "dossier.yaml").write_text(yaml.safe_dump(description), encoding="utf-8")
    return open_dossier(tmp_path / "copie" / "d")


# --- what a reader sees: told apart by styles, which the tool itself does not look at -----------------------


def body(document: WordDocument) -> Iterator[tuple[str, WordParagraph]]:
    """(heading, paragraph) of the text of the plan; the numbers are Word's own, so they are counted here."""
    heading, chapter, section = "", 0, 0
    for paragraph in document.paragraphs:
        style = paragraph.style.name if paragraph.style is not None else ""
        if style == "Heading 1":
            chapter, section = chapter + 1, 0
            heading = f"CHAPITRE {chapter} – {paragraph.text}"
        elif style == "Heading 2":
            section += 1
            heading = f"{chapter}.{section} {paragraph.text}"
        elif style == "Titre liminaire" and heading:
            return
        elif (
            heading
            and style in ("Normal", "List Bullet")
            and paragraph.text.strip()
            and not paragraph.text.startswith(("[À RÉDIGER", "Voir le"))
        ):
            yield heading, paragraph


def said(text: str) -> str:
    """What a person reads of a paragraph, citations and links apart."""
    return fold_spaces(re.sub(r"\s*Répond à .*\d.*\.$", "", MARK.sub("", fold_spaces(text))))


def texts(document: WordDocument) -> list[tuple[str, str]]:
    return [(heading, text) for heading, paragraph in body(document) if (text := said(paragraph.text))]


def word(memoire: Memoire) -> WordDocument:
    return docx.Document(io.BytesIO(to_docx(memoire)))


def under(document: WordDocument, number: str) -> list[WordParagraph]:
    return [paragraph for heading, paragraph in body(document) if heading.startswith(f"{number} ")]


def saved(document: WordDocument, path: Path) -> Path:
    document.save(str(path))
    return path


def marks(paragraph: WordParagraph) -> list[list[Any]]:
    """The elements of each citation: « [ », a link a source, « ] »."""
    found: list[list[Any]] = []
    inside = False
    for child in paragraph._p:
        text = "".join(node.text or "" for node in child.iter(qn("w:t")))
        if text.strip() == "[":
            found.append([])
            inside = True
        if inside:
            found[-1].append(child)
        inside = inside and text != "]"
    return found


def unmark(mark: list[Any]) -> None:
    for child in mark:
        child.getparent().remove(child)


def heading(document: WordDocument, title: str) -> WordParagraph:
    return next(p for p in document.paragraphs if p.text == title and "Heading" in p.style.name)  # type: ignore[union-attr]


def drop(paragraph: WordParagraph) -> None:
    paragraph._p.getparent().remove(paragraph._p)


def edit(document: WordDocument) -> None:
    """One of each thing that people do."""
    first = under(document, "4.2")
    said = first[0].runs[1].text.replace("ont simulé", "ont bien simulé", 1)
    first[0].runs[1].text = said + " C'est un fait\u00a0: voyez."
    under(document, "4.1")[2].insert_paragraph_before("Notre équipe connaît les lieux ; elle répond en 12 minutes.")
    drop(under(document, "4.3")[1])
    under(document, "4.4")[0]._p.addprevious(under(document, "4.1")[0]._p)
    next(p for p in under(document, "4.4") if p.text.startswith("[À COMPLÉTER")).runs[
        0
    ].text = "La directrice des opérations remet les données en 10 jours."
    unmark(next(mark for p in under(document, "4.3") for mark in marks(p)))


def stands(dossier: Dossier, number: str) -> Section:
    section = read_draft(dossier, number)
    assert section is not None
    return section


# --- the round trip ----------------------------------------------------------------------------------------


@pytest.fixture
def taken(dossier: Dossier, tmp_path: Path) -> tuple[Dossier, Path, run.Taken]:
    document = word(run.memoire_of(dossier))
    edit(document)
    path = saved(document, tmp_path / "relu.docx")
    return dossier, path, run.accept_dossier(dossier, path, by="Alix Morvan")


def test_the_document_handed_in_is_the_document_exported(taken: tuple[Dossier, Path, run.Taken]) -> None:
    dossier, path, done = taken
    assert done.remarks == ()
    assert texts(word(run.memoire_of(dossier))) == texts(docx.Document(str(path)))
    for form in (to_markdown, to_html):
        page = fold_spaces(form(run.memoire_of(dossier)))
        assert "Notre équipe connaît les lieux" in page
        assert "La directrice des opérations" in page


def test_an_untouched_document_changes_nothing(dossier: Dossier, tmp_path: Path) -> None:
    before = run.memoire_of(dossier)
    done = run.accept_dossier(dossier, saved(word(before), tmp_path / "meme.docx"))
    after = run.memoire_of(dossier)
    assert done.remarks == ()
    for old, new in zip(before.sections, after.sections, strict=True):
        assert new.paragraphs == old.paragraphs
        assert set(new.answers) == set(old.answers)
        assert new.findings == old.findings
        assert new.accepted is not None
        assert new.accepted.words_kept == 1.0
    again = run.accept_dossier(dossier, tmp_path / "meme.docx")
    assert (again.sections, again.unchanged) == ((), ("4.1", "4.2", "4.3", "4.4"))


def test_sentences_left_as_they_were_keep_their_proof(taken: tuple[Dossier, Path, run.Taken]) -> None:
    dossier, _, _ = taken
    memoire = run.memoire_of(dossier)
    machine = {
        fold_spaces(sentence.text): sentence
        for number in ("4.1", "4.2", "4.3", "4.4")
        for paragraph in read_version(versions(dossier, number)[0]).paragraphs
        for sentence in paragraph.sentences
    }
    persons = []
    for section in memoire.sections:
        held = {passage.id for passage in section.passages}
        for paragraph in section.paragraphs:
            for sentence in paragraph.sentences:
                assert held >= set(sentence.passages)
                known = machine.get(fold_spaces(sentence.text))
                if known:
                    assert sentence == known
                else:
                    persons.append(sentence)
    assert {sentence.wording for sentence in persons} == {"person"}
    changed = next(sentence for sentence in persons if "ont bien simulé" in sentence.text)
    assert changed.passages
    assert "fait\u00a0:" in next(s.text for s in persons if "voyez" in s.text)
    alone = next(sentence for sentence in persons if "12 minutes" in sentence.text.replace("\u00a0", " "))
    assert (alone.passages, alone.claim) == ((), "stated")
    moved = next(s for s in memoire.sections if s.number == "4.4").paragraphs[0]
    assert moved.id.startswith("4.4-")
    assert all(sentence.passages for sentence in moved.sentences)


def test_what_answers_a_requirement_follows_its_paragraph(dossier: Dossier, tmp_path: Path) -> None:
    memoire = run.memoire_of(dossier)
    row = next(row for row in memoire.compliance if row.paragraph)
    assert row.section == "4.3"
    document = word(memoire)
    printed = next(p for p in under(document, "4.3") if row.requirement.id in p.text)
    under(document, "4.2")[0]._p.addprevious(printed._p)
    run.accept_dossier(dossier, saved(document, tmp_path / "relu.docx"))
    (after,) = [item for item in run.memoire_of(dossier).compliance if item.requirement == row.requirement]
    assert (after.section, after.answer) == ("4.2", row.answer)
    assert after.paragraph == stands(dossier, "4.2").paragraphs[0].id
    drop(printed)
    run.accept_dossier(dossier, saved(document, tmp_path / "relu.docx"))
    (after,) = [item for item in run.memoire_of(dossier).compliance if item.requirement == row.requirement]
    assert (after.answer, after.conformity) == (None, "open")


def test_nothing_drafts_over_a_persons_text(taken: tuple[Dossier, Path, run.Taken]) -> None:
    dossier, path, _ = taken
    held = dossier.draft("4.2").read_bytes()
    choice = run.choose(dossier, HashEmbedder(), SETTINGS)

    def draft(force: bool) -> Path | None:
        work = run.draft_dossier(dossier, choice, ["4.2"], lambda: ScriptedModel(echo), SETTINGS, force=force)
        (path,) = [step.path for step in work]
        return path

    written = draft(force=True)
    assert written is not None
    assert written.name == "4.2.proposed.json"
    assert dossier.draft("4.2").read_bytes() == held
    assert draft(force=False) is None, "the draft beside is the one that would be made"
    assert texts(word(run.memoire_of(dossier))) == texts(docx.Document(str(path)))


def test_what_was_replaced_is_kept_as_a_version(taken: tuple[Dossier, Path, run.Taken], tmp_path: Path) -> None:
    dossier, _, _ = taken
    (first,) = versions(dossier, "4.2")
    assert read_version(first).accepted is None
    document = word(run.memoire_of(dossier))
    drop(under(document, "4.2")[0])
    run.accept_dossier(dossier, saved(document, tmp_path / "encore.docx"), ["4.2"])
    assert [read_version(path).accepted is None for path in versions(dossier, "4.2")] == [True, False]
    section = stands(dossier, "4.2")
    assert section.accepted is not None
    assert (section.accepted.words_kept or 1) < 1, "measured against the machine's draft, not the person's"


def test_a_persons_own_word_is_not_scored(taken: tuple[Dossier, Path, run.Taken]) -> None:
    dossier, _, _ = taken
    report = run.evaluate_dossier(dossier)
    alone = sum(
        sentence.wording == "person" and not sentence.passages
        for section in run.memoire_of(dossier).sections
        for paragraph in section.paragraphs
        for sentence in paragraph.sentences
    )
    assert alone == 2
    assert report.metrics["citation_recall"].unscored == alone
    assert report.metrics["citation_recall"].value == 1.0
    assert report.metrics["citation_precision"].unscored == alone
    assert report.metrics["figure_support"].unscored == 2, "12 minutes, 10 jours"
    verdicts = {point.text: point.verdict for s in report.sections if s.number == "4.4" for point in s.points}
    assert "unscored" in verdicts.values()
    assert report.metrics["point_coverage"].unscored == 1


# --- any edit ----------------------------------------------------------------------------------------------

WORDS = ["astreinte", "équipe", "l'agent", "délai", "32 postes", "« site »", "jour et nuit :", "RTO", "bien", "[2024]"]
PLACE = st.integers(0, 30)
SENTENCE = st.lists(st.sampled_from(WORDS), min_size=3, max_size=9).map(lambda words: f"Nous {' '.join(words)} oui.")
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), PLACE, SENTENCE),
        st.tuples(st.just("append"), PLACE, SENTENCE),
        st.tuples(st.just("begin"), PLACE, SENTENCE),
        st.tuples(st.just("word"), PLACE, st.sampled_from(WORDS)),
        st.tuples(st.just("drop"), PLACE, st.none()),
        st.tuples(st.just("unmark"), PLACE, st.none()),
        st.tuples(st.just("move"), PLACE, PLACE),
        st.tuples(st.just("join"), PLACE, st.none()),
        st.tuples(st.just("cut"), PLACE, st.none()),
    ),
    max_size=6,
)


def apply(document: WordDocument, kind: str, at: int, what: str | int | None) -> None:
    """One edit, wherever the document still has a paragraph for it."""
    paragraphs = [paragraph for _, paragraph in body(document)]
    if not paragraphs:
        return
    here = paragraphs[at % len(paragraphs)]
    if kind == "write":
        here.insert_paragraph_before(str(what))
    elif kind == "append":
        here.add_run(f" {what}")
    elif kind == "begin":
        here.runs[0].text = f"{what} {here.runs[0].text}"
    elif kind == "word":
        here.runs[-1 if len(here.runs) < 2 else 1].text += f" {what}"
    elif kind == "drop":
        drop(here)
    elif kind == "unmark":
        for mark in marks(here):
            unmark(mark)
    elif kind == "move":
        here._p.addprevious(paragraphs[int(what or 0) % len(paragraphs)]._p)
    elif kind == "join" and paragraphs[-1] is not here:
        after = paragraphs[paragraphs.index(here) + 1]
        here.add_run(f" {after.text}")
        drop(after)
    elif kind == "cut" and len(here.runs) > 3:
        here.insert_paragraph_before("".join(part.text for part in here.runs[:2]))
        for part in here.runs[:2]:
            part.text = ""


@settings(
    max_examples=12,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(edits=EDITS)
def test_whatever_people_do_their_text_is_what_is_printed(
    drafted: Dossier, edits: list[tuple[str, int, object]]
) -> None:
    memoire = run.memoire_of(drafted)
    document = word(memoire)
    for kind, at, what in edits:
        apply(document, kind, at, what)  # type: ignore[arg-type]
    stream = io.BytesIO()
    document.save(stream)
    done = accepted(memoire, stream.getvalue())
    after = memoire.model_copy(update={"sections": done})
    assert texts(word(after)) == texts(document)
    stream = io.BytesIO()
    word(after).save(stream)
    again = accepted(after, stream.getvalue())
    assert [section.paragraphs for section in again] == [section.paragraphs for section in done]
    names = [paragraph.id for section in done for paragraph in section.paragraphs]
    assert len(set(names)) == len(names)


def accepted(memoire: Memoire, data: bytes) -> tuple[Section, ...]:
    """What accepting a Word file gives, without a folder."""
    blocks, _ = read_docx(data, "relu.docx")
    document = Document(name="relu.docx", sha256="0" * 64, kind="response", pages=None, blocks=tuple(blocks))
    wanted = [node.name for node in memoire.plan]
    return accept(memoire, {}, {}, document, NOTHING, wanted, (), Handed(None, "2026-11-22T10:00:00+01:00")).sections


# --- what is written by itself, and what people add beside -------------------------------------------------


def test_a_section_written_by_a_person_alone_is_taken(dossier: Dossier, tmp_path: Path) -> None:
    document = word(run.memoire_of(dossier))
    empty = next(p for p in document.paragraphs if p.text.startswith("[À RÉDIGER"))
    empty.runs[0].text = "Nous avons lu tout le programme."
    chapter = heading(document, "ACCOMPAGNEMENT DES ÉTABLISSEMENTS")
    chapter._p.addnext(empty.insert_paragraph_before("Ce chapitre dit comment nous accompagnons.")._p)
    path = saved(document, tmp_path / "relu.docx")
    run.accept_dossier(dossier, path)
    memoire = run.memoire_of(dossier)
    assert texts(word(memoire)) == texts(document)
    assert [s.number for s in memoire.sections if not s.model] == ["1.1", "5"]
    verdicts = [p.verdict for s in run.evaluate_dossier(dossier).sections if s.number == "1.1" for p in s.points]
    assert set(verdicts) == {"unscored"}
    assert [rate.kept.n for rate in run.acceptance(dossier)] == [4], "no machine wrote these"


def test_a_table_and_a_list_that_people_add_are_kept(dossier: Dossier, tmp_path: Path) -> None:
    document = word(run.memoire_of(dossier))
    here = under(document, "4.2")[1]
    here.insert_paragraph_before("Un agent de nuit", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(
        [c for row in table.rows for c in row.cells], ["Site", "Agents", "Brumeval", "4"], strict=True
    ):
        cell.text = text
    here._p.addprevious(table._tbl)
    done = run.accept_dossier(dossier, saved(document, tmp_path / "relu.docx"))
    assert done.remarks == ()
    section = stands(dossier, "4.2")
    assert [p.rows for p in section.paragraphs if p.rows] == [(("Site", "Agents"), ("Brumeval", "4"))]
    memoire = run.memoire_of(dossier)
    again = word(memoire)
    assert ["Brumeval", "4"] in [[cell.text for cell in row.cells] for table in again.tables for row in table.rows]
    assert [p.style.name for p in under(again, "4.2") if "agent de nuit" in p.text] == ["List Bullet"]  # type: ignore[union-attr]
    assert "| Brumeval | 4 |" in to_markdown(memoire)
    assert "<td>Brumeval</td>" in to_html(memoire)
    assert run.accept_dossier(dossier, saved(again, tmp_path / "encore.docx"), ["4.2"]).remarks == ()
    assert stands(dossier, "4.2").paragraphs == section.paragraphs


def test_what_is_not_taken_back_is_said(dossier: Dossier, tmp_path: Path) -> None:
    document = word(run.memoire_of(dossier))
    table = next(t for t in document.tables if t.rows[0].cells[0].text == "Service")
    table.rows[1].cells[2].text = "5 minutes"
    title = next(p for p in document.paragraphs if p.text == "Outils de supervision")
    title.runs[0].text = "Les outils de supervision"
    document.paragraphs[-1].insert_paragraph_before("Une annexe de plus.")
    document.paragraphs[0].insert_paragraph_before("Une page de garde à nous.")
    figure = Figure(kind="hld", section="4.2", title="Vue", alt="Deux nœuds.", edges=(("a", "b"),), nodes=NODES)
    document.paragraphs[-1].add_run().add_picture(io.BytesIO(to_png(figure)))
    done = run.accept_dossier(dossier, saved(document, tmp_path / "relu.docx"))
    told = "\n".join(done.remarks)
    assert "« Engagements de service » vient des fiches" in told
    assert "« Les outils de supervision » n'est pas repris" in told
    assert "« Une annexe de plus. » est après la fin du plan" in told
    assert "« Une page de garde à nous. »" in told
    assert "Images ajoutées au document : 1" in told
    assert len(done.remarks) == 5


# --- what is not sure --------------------------------------------------------------------------------------


def test_a_section_whose_heading_is_gone_is_left_alone(dossier: Dossier, tmp_path: Path) -> None:
    document = word(run.memoire_of(dossier))
    drop(heading(document, "Continuité et reprise d’activité"))
    under(document, "4.1")[0].add_run(" Ajout.")
    before = {number: dossier.draft(number).read_bytes() for number in ("4.2", "4.3")}
    done = run.accept_dossier(dossier, saved(document, tmp_path / "relu.docx"))
    assert {number: dossier.draft(number).read_bytes() for number in before} == before
    assert [section.number for section in done.sections] == ["4.1", "4.4"]
    assert len(done.remarks) == 2
    assert "4.3 Continuité et reprise d’activité » : titre introuvable" in done.remarks[0].replace("'", "’")
    assert "4.2" in done.remarks[1]


def test_a_heading_renamed_beyond_knowing_swallows_nothing(dossier: Dossier, tmp_path: Path) -> None:
    document = word(run.memoire_of(dossier))
    heading(document, "Conduite du changement").runs[0].text = "Comment nous aidons"
    chapter = run.accept_dossier(dossier, saved(document, tmp_path / "relu.docx"), ["5"])
    assert chapter.sections == ()
    assert any("ne se distinguent pas" in line for line in chapter.remarks)


def test_a_title_that_people_add_is_kept_as_a_paragraph(dossier: Dossier, tmp_path: Path) -> None:
    document = word(run.memoire_of(dossier))
    under(document, "4.2")[0].insert_paragraph_before("Nos outils en détail", style="Heading 3")
    done = run.accept_dossier(dossier, saved(document, tmp_path / "relu.docx"))
    assert done.remarks == (
        "4.2 : l'intertitre « Nos outils en détail » n'est pas du plan ; il est repris comme un paragraphe.",
    )
    assert "Nos outils en détail" in [text for _, text in texts(word(run.memoire_of(dossier)))]


def test_only_the_sections_named_and_moves_between_them_are_said(dossier: Dossier, tmp_path: Path) -> None:
    document = word(run.memoire_of(dossier))
    under(document, "4.3")[0]._p.addprevious(under(document, "4.2")[0]._p)
    under(document, "4.1")[0].add_run(" Ajout.")
    held = dossier.draft("4.1").read_bytes()
    done = run.accept_dossier(dossier, saved(document, tmp_path / "relu.docx"), ["4.2"])
    assert [section.number for section in done.sections] == ["4.2"]
    assert dossier.draft("4.1").read_bytes() == held
    (line,) = done.remarks
    assert "passe de 4.2 à 4.3, qui n'est pas reprise" in line
    with pytest.raises(MemoireError, match=r"« 9\.9 »"):
        run.accept_dossier(dossier, tmp_path / "relu.docx", ["9.9"])


def test_numbers_of_an_older_export_are_read_by_its_own_list(dossier: Dossier, tmp_path: Path) -> None:
    document = word(run.memoire_of(dossier))  # what a second reader received
    other = word(run.memoire_of(dossier))
    for paragraph in under(other, "4.1"):
        drop(paragraph)
    run.accept_dossier(dossier, saved(other, tmp_path / "un.docx"), ["4.1"])
    cited = under(document, "4.2")[0]
    cited.runs[1].text = cited.runs[1].text.replace("ont simulé", "ont bien simulé", 1)
    before = stands(dossier, "4.2")
    run.accept_dossier(dossier, saved(document, tmp_path / "deux.docx"), ["4.2"])
    after = stands(dossier, "4.2")
    assert "ont bien simulé" in after.paragraphs[0].sentences[0].text
    assert after.paragraphs[0].sentences[0].passages == before.paragraphs[0].sentences[0].passages


# --- checks, comments --------------------------------------------------------------------------------------


def test_the_checks_tell_and_do_not_refuse(dossier: Dossier, tmp_path: Path) -> None:
    document = word(run.memoire_of(dossier))
    numbered = next(
        (p, part)
        for p in under(document, "4.1")
        for part in p.runs
        if "15\u00a0minutes" in part.text and "N2" in part.text
    )
    numbered[1].text = numbered[1].text.replace("15\u00a0minutes", "7\u00a0minutes", 1)
    under(document, "4.2")[0].insert_paragraph_before("La Mutuelle Hospitalis Corvane en est contente.")
    run.accept_dossier(dossier, saved(document, tmp_path / "relu.docx"))
    found = {
        (finding.kind, finding.message) for number in ("4.1", "4.2") for finding in stands(dossier, number).findings
    }
    assert ("figure", "« 7 minutes » n'est pas dans la source.") in {(k, m.replace("\u00a0", " ")) for k, m in found}
    assert ("client", "Le nom d'un client confidentiel apparaît.") in found


def test_comments_become_findings(drafted: Dossier) -> None:
    memoire = run.memoire_of(drafted)
    document = word(memoire)
    text = fold_spaces(under(document, "4.2")[1].text)
    stream = io.BytesIO()
    document.save(stream)
    blocks, _ = read_docx(stream.getvalue(), "relu.docx")
    file = Document(name="relu.docx", sha256="0" * 64, kind="response", pages=None, blocks=tuple(blocks))
    comment = Comment(author="A. Morvan", date="2026-11-20T09:30:00Z", text="À chiffrer.")
    row = ReviewedParagraph(verdict="kept", generated=text, human=text, likeness=1.0, comments=(comment,))
    section = ReviewedSection(number="4.2", title="Supervision", paragraphs=(row,))
    told = NOTHING.model_copy(update={"sections": (section,)})
    done = accept(memoire, {}, {}, file, told, ["4.2"], (), Handed(None, "2026-11-22T10:00:00+01:00"))
    (finding,) = [finding for finding in done.sections[0].findings if finding.kind == "comment"]
    assert finding.message == "Commentaire de A. Morvan, 20 novembre 2026 : À chiffrer."
    assert finding.paragraph == done.sections[0].paragraphs[1].id


# --- answers to questions ----------------------------------------------------------------------------------


def test_answers_are_kept_once_and_can_be_cited(dossier: Dossier, tmp_path: Path) -> None:
    document = word(run.memoire_of(dossier))
    edit(document)
    path = saved(document, tmp_path / "relu.docx")
    library = Path(yaml.safe_load((dossier.root / "dossier.yaml").read_text(encoding="utf-8"))["library"][0])
    (library / FILE).write_text("# Relu chaque année\n- question: Où ?\n  reponse: À Brumeval.\n", encoding="utf-8")
    done = run.accept_dossier(dossier, path, by="Alix Morvan", keep=True)
    assert (done.answered, done.kept) == (1, 1)
    text = (library / FILE).read_text(encoding="utf-8")
    assert text.startswith("# Relu chaque année\n- question: Où ?")
    first, record = yaml.safe_load(text)
    assert first == {"question": "Où ?", "reponse": "À Brumeval."}
    assert record["question"] == "qui restitue les données ?"
    assert record["reponse"] == "La directrice des opérations remet les données en 10 jours."
    assert (record["par"], record["section"]) == ("Alix Morvan", "4.4")
    assert record["consultation"]
    run.index_dossier(dossier, HashEmbedder(), SETTINGS)
    hits = run.search_dossier(dossier, "qui restitue les données ?", 5, HashEmbedder(), SETTINGS, Filters(("firm",)))
    hit = next(hit for hit in hits if hit.passage.document == FILE)
    assert hit.passage.text == record["reponse"]
    assert "Alix Morvan" in (hit.passage.article or "")
    later = word(run.memoire_of(dossier))
    assert run.accept_dossier(dossier, saved(later, tmp_path / "encore.docx"), by="X", keep=True).kept == 0
    answer = FirmAnswer(
        question=record["question"], answer=record["reponse"], by="B", date="2027-01-01", section="1",
        tender=record["consultation"],
    )  # fmt: skip
    assert keep_answers([library], [answer])[1] == 0
    assert (library / FILE).read_text(encoding="utf-8") == text


def test_a_question_left_open_is_no_answer(dossier: Dossier, tmp_path: Path) -> None:
    document = word(run.memoire_of(dossier))
    asked = next(p for p in under(document, "4.4") if p.text.startswith("[À COMPLÉTER"))
    asked.runs[0].text = "La directrice s'en charge. [À COMPLÉTER : en combien de jours ?]"
    done = run.accept_dossier(dossier, saved(document, tmp_path / "relu.docx"))
    assert done.answered == 0
    assert "gap" in {finding.kind for finding in stands(dossier, "4.4").findings}


@pytest.mark.parametrize("content", ["clef: valeur\n", "[", "  - question: Où ?\n    reponse: Ici.\n"])
def test_a_file_that_cannot_be_added_to_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content, encoding="utf-8")
    answer = FirmAnswer(question="Qui ?", answer="Nous.", by="A", date="2026-11-22", section="1", tender="T")
    with pytest.raises(DossierError, match="liste de fiches"):
        keep_answers([tmp_path], [answer])
    assert (tmp_path / FILE).read_text(encoding="utf-8") == content


# --- validation, acceptance --------------------------------------------------------------------------------


def test_the_notice_changes_once_everything_is_validated(dossier: Dossier, tmp_path: Path) -> None:
    document = word(run.memoire_of(dossier))
    for paragraph in [p for _, p in body(document) if p.text.startswith("[À COMPLÉTER")][1:]:
        drop(paragraph)
    path = saved(document, tmp_path / "relu.docx")
    done = run.accept_dossier(dossier, path, by="Alix Morvan", validate=True)
    assert done.remarks == ("4.1 : il y reste une question, elle n'est pas validée.",)
    assert notice(run.memoire_of(dossier)) == typeset(NOTICE)
    drop(next(p for _, p in body(document) if p.text.startswith("[À COMPLÉTER")))
    run.accept_dossier(dossier, saved(document, path), ["4.1"], by="Noé Le Gall", validate=True)
    memoire = run.memoire_of(dossier)
    assert memoire.validated_by == ("Noé Le Gall", "Alix Morvan")
    assert "relu et validé par Noé Le Gall et Alix Morvan le" in notice(memoire)
    assert notice(memoire) in to_html(memoire)
    again = run.accept_dossier(dossier, path)
    assert {s.accepted.validated_by for s in again.sections if s.accepted} == {"Alix Morvan", "Noé Le Gall"}, (
        "same text"
    )
    document.paragraphs[-1].insert_paragraph_before("")
    under(document, "4.2")[0].add_run(" Une phrase de plus.")
    run.accept_dossier(dossier, saved(document, path), ["4.2"])
    assert notice(run.memoire_of(dossier)) == typeset(NOTICE), "what was validated has changed"


def test_acceptance_is_told_by_model_and_prompt(taken: tuple[Dossier, Path, run.Taken]) -> None:
    dossier, _, done = taken
    (rate,) = run.acceptance(dossier)
    shares = [section.accepted.words_kept for section in done.sections if section.accepted]
    assert (rate.model, rate.kept.n) == ("scripted", 4)
    assert rate.kept.value == pytest.approx(sum(share or 0 for share in shares) / 4)
    assert 0 < (rate.kept.value or 0) < 1
    assert rate.kept.interval is not None
    result = CliRunner().invoke(app, ["eval", str(dossier.root), "--format", "json"])
    assert json.loads(result.stdout)["acceptance"][0]["model"] == "scripted"
    assert "Mots conservés (scripted" in CliRunner().invoke(app, ["eval", str(dossier.root)]).stdout
    assert "Mots conservés (scripted" in report_to_html(run.evaluate_dossier(dossier), "x")


# --- the command -------------------------------------------------------------------------------------------


def test_the_command_tells_what_was_done(dossier: Dossier, tmp_path: Path) -> None:
    document = word(run.memoire_of(dossier))
    edit(document)
    path = saved(document, tmp_path / "relu.docx")
    result = CliRunner().invoke(app, ["accept", str(dossier.root), str(path), "--format", "json", "--section", "4"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [section["number"] for section in told["sections"]] == ["4.1", "4.2", "4.3", "4.4"]
    assert told["sections"][1]["verdicts"]["edited"] == 1
    assert told["answers"] == {"found": 1, "kept": 0}
    plain = CliRunner().invoke(app, ["accept", str(dossier.root), str(path)])
    assert "Déjà reprises : 4.1, 4.2, 4.3, 4.4." in plain.stdout


def test_bad_input_is_one_line_and_writes_nothing(dossier: Dossier, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in (dossier.root / "drafts").rglob("*") if path.is_file()}
    other = docx.Document()
    other.add_heading("Un autre document", 1)
    other.add_paragraph("Sans rapport.")
    broken = tmp_path / "casse.docx"
    broken.write_bytes(b"PK\x03\x04 rien")
    whole = saved(word(run.memoire_of(dossier)), tmp_path / "tout.docx")
    cases: list[tuple[Path, str, Callable[[Path], object]]] = [
        (saved(other, tmp_path / "autre.docx"), "Aucun titre du plan", lambda p: run.accept_dossier(dossier, p)),
        (tmp_path / "relu.pdf", r"\.docx", lambda p: run.accept_dossier(dossier, p)),
        (broken, "Word", lambda p: run.accept_dossier(dossier, p)),
        (tmp_path / "absent.docx", "introuvable", lambda p: run.accept_dossier(dossier, p)),
        (whole, "--by", lambda p: run.accept_dossier(dossier, p, keep=True)),
        (whole, "--by", lambda p: run.accept_dossier(dossier, p, by=" ", validate=True)),
    ]
    for path, line, call in cases:
        with pytest.raises(MemoireError, match=line):
            call(path)
    with dossier.lock(), pytest.raises(DossierError, match="Une autre commande"):
        run.accept_dossier(dossier, whole)
    assert {path: path.read_bytes() for path in (dossier.root / "drafts").rglob("*") if path.is_file()} == before


def test_no_break_spaces_change_nothing_else() -> None:
    text = 'Dit: "oui" ; l\'agent : 21 500 postes, 99 % « ici »'
    assert fold_spaces(no_break(text)) == text
    assert no_break(text).count("\u00a0") + no_break(text).count("\u202f") == 6
