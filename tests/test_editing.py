"""A section edited by a person: what they did not touch is as it was, what they wrote is theirs, nothing is lost."""

from __future__ import annotations

import multiprocessing
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline import run
from pipeline.accept import read_typed
from pipeline.accept.typed import printed, text_of
from pipeline.answers import FILE
from pipeline.cli import app
from pipeline.errors import DossierError, MemoireError, SectionLockedError, StaleTextError
from pipeline.export.word import to_docx
from pipeline.french import NARROW, NBSP, fold_spaces, typeset
from pipeline.records import Answer, Finding, Paragraph, Passage, Point, Section, SectionBrief, Sentence
from pipeline.run.editing import LONGEST
from pipeline.workspace import (
    Dossier,
    create,
    open_dossier,
    read_draft,
    read_proposed,
    read_version,
    versions,
    write_draft,
)
from tests.conftest import CORPUS
from tests.fakes import HashEmbedder, ScriptedModel
from tests.test_workspace import SETTINGS, echo

QUESTION = typeset("[À COMPLÉTER : qui restitue les données ? — à demander à : responsable du support]")
BY = "Alix Morvan"


@pytest.fixture(scope="module")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> Dossier:
    """Chapter 4; one point of 4.4 is a question, and 4.1 has a list, a table and an answered requirement."""
    root = tmp_path_factory.mktemp("saisie")
    for folder in ("entreprise", "reponses"):
        shutil.copytree(CORPUS / "library" / folder, root / "library" / folder)
    made, _ = create(root / "d", [CORPUS / "dce" / "rc.pdf", CORPUS / "dce" / "pf.docx"], [root / "library"])
    run.read_dossier(made)
    run.index_dossier(made, HashEmbedder(), SETTINGS)
    choice = run.choose(made, HashEmbedder(), SETTINGS)
    list(run.draft_dossier(made, choice, ["4"], lambda: ScriptedModel(echo), SETTINGS))
    section = stands(made, "4.4")
    at = next(n for n, paragraph in enumerate(section.paragraphs) if paragraph.point == 1)
    gap = Paragraph(id=section.paragraphs[at].id, point=1, gap=QUESTION)
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


def stands(dossier: Dossier, number: str) -> Section:
    section = read_draft(dossier, number)
    assert section is not None
    return section


def sentences(section: Section) -> list[Sentence]:
    return [sentence for paragraph in section.paragraphs for sentence in paragraph.sentences]


# --- the round trip ----------------------------------------------------------------------------------------

ODD = st.sampled_from(
    [
        "L'astreinte répond en 20 min",
        f"Délai{NBSP}: 4{NBSP}h, puis 12{NARROW}000 appels",
        "Voir [2024] et [12] dans le texte",
        "a|b \\ c <br> d",
        "Sigle : ### et | et - ici",
        "Œuvre « citée » à 99,95 %",
        "emoji \U0001f600 et e\u0301",
        "Répond à la demande",
    ]
)
ENDS = st.sampled_from([".", " ?", "…", " !", "."])


@st.composite
def sections(draw: st.DrawFn) -> Section:
    """Any section: sentences of all sources, questions, labels, lists, tables, requirements."""
    passages = tuple(
        Passage(id=f"{n:012x}", kind="firm", document="f.yaml", page=None, article=None, text=f"Fait {n}.")
        for n in range(draw(st.integers(0, 5)))
    )
    names = [passage.id for passage in passages]
    points = tuple(Point(text=f"Point {letter}") for letter in "ABC")
    paragraphs: list[Paragraph] = []
    for n in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["text", "text", "gap", "table"]))
        base = Paragraph(id=f"4.1-{n}", point=draw(st.sampled_from([None, 0, 1, 2])))
        if kind == "gap":
            paragraphs.append(base.model_copy(update={"gap": QUESTION}))
        elif kind == "table":
            rows = draw(st.lists(st.tuples(ODD, ODD), min_size=1, max_size=3))
            paragraphs.append(base.model_copy(update={"rows": tuple((f"{a}\n{b}", b) for a, b in rows)}))
        else:
            told = tuple(
                Sentence(
                    text=draw(ODD) + draw(ENDS),
                    passages=tuple(draw(st.lists(st.sampled_from(names), max_size=3, unique=True)) if names else ()),
                    claim="commitment",
                    wording=draw(st.sampled_from(["model", "source", "person"])),
                )
                for _ in range(draw(st.integers(1, 3)))
            )
            label = draw(st.sampled_from([None, None, "Existant"]))
            update = {"sentences": told, "distinction": label, "item": draw(st.booleans())}
            paragraphs.append(base.model_copy(update=update))
    said = [p for p in paragraphs if p.sentences]
    answers = tuple(
        Answer(requirement=f"EX-{n:03}", sentence=p.sentences[0], paragraph=p.id)
        for n, p in enumerate(said)
        if draw(st.booleans())
    )
    brief = SectionBrief(number="4.1", title="Support", level=2, chapter="Exploitation", points=points)
    return Section(
        number="4.1",
        title="Support",
        brief=brief,
        paragraphs=tuple(paragraphs),
        passages=passages,
        model="m",
        model_sha256="0" * 64,
        prompt_sha256="0" * 64,
        inputs_sha256="0" * 64,
        seconds=0,
        tokens=0,
        answers=answers,
    )


@given(section=sections(), crlf=st.booleans(), plain=st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_text_read_back_is_the_section(section: Section, crlf: bool, plain: bool) -> None:
    """Whatever a browser does to line ends and no-break spaces."""
    text = text_of(section)
    text = text.replace("\n", "\r\n") if crlf else text
    text = text.replace(NBSP, " ").replace(NARROW, " ") if plain else text
    read = read_typed(section, text)
    assert [item.same for item in read.told] == [paragraph.id for paragraph in section.paragraphs]
    assert read.remarks == ()


@given(section=sections(), data=st.data())
@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_what_a_person_did_not_touch_is_as_it_was(section: Section, data: st.DataObject, dossier: Dossier) -> None:
    dossier.draft("4.1").write_text(section.model_dump_json(indent=1), encoding="utf-8")
    shown = printed(section)
    at = data.draw(st.integers(0, len(shown)))
    added = "Une phrase que personne n'avait dite, sans source."
    blocks = [f"### {item.title}\n\n{item.text}" if item.title else item.text for item in shown]
    done = run.write_text(dossier, "4.1", "\n\n".join([*blocks[:at], added, *blocks[at:]]), by=BY)
    after = stands(dossier, "4.1")
    assert done.sections == (after,)
    assert [p for p in after.paragraphs if p.id in {item.paragraph.id for item in shown}] == list(section.paragraphs)
    (new,) = [p for p in after.paragraphs if p not in section.paragraphs]
    assert [(s.text, s.wording, s.passages) for s in new.sentences] == [(added, "person", ())]
    assert set(after.answers) == set(section.answers)


def test_saving_what_is_shown_changes_nothing(dossier: Dossier) -> None:
    for number in ("4.1", "4.2", "4.3", "4.4"):
        before = dossier.draft(number).read_bytes()
        done = run.write_text(dossier, number, run.text_of(stands(dossier, number)), by=BY)
        assert (done.sections, done.unchanged, done.remarks) == ((), (number,), ())
        assert dossier.draft(number).read_bytes() == before
    assert not any(line["what"] == "accept" for line in dossier.journal())


# --- what a person changes ---------------------------------------------------------------------------------


def test_a_changed_sentence_is_the_persons_and_the_others_keep_their_proof(dossier: Dossier) -> None:
    before = stands(dossier, "4.2")
    first = sentences(before)[0]
    changed = first.text.rstrip(".") + ", et nous l'écrivons."
    done = run.write_text(dossier, "4.2", run.text_of(before).replace(first.text, changed, 1), by=BY)
    after = stands(dossier, "4.2")
    assert done.remarks == ()
    (mine,) = [s for s in sentences(after) if s.wording == "person"]
    assert fold_spaces(mine.text) == fold_spaces(changed)
    assert mine.passages == first.passages
    assert [s for s in sentences(after) if s.wording != "person"] == sentences(before)[1:]
    assert after.accepted is not None
    assert (after.accepted.by, after.accepted.file, after.accepted.validated_by) == (BY, "", None)
    assert 0 < (after.accepted.words_kept or 0) < 1
    assert fold_spaces(changed).rstrip(".") in fold_spaces(" ".join(s.text for s in sentences(after)))
    to_docx(run.memoire_of(dossier))


def test_figures_and_sources_of_a_persons_words_are_checked(dossier: Dossier) -> None:
    section = stands(dossier, "4.2")
    extra = "Nous répondons en 987 minutes [1]. Le reste est su [77]. Le bilan de [2024] est public."
    done = run.write_text(dossier, "4.2", f"{run.text_of(section)}\n\n{extra}", by=BY)
    after = stands(dossier, "4.2")
    last = after.paragraphs[-1]
    assert [s.passages for s in last.sentences] == [(section.passages[0].id,), (), ()]
    assert "[2024]" in last.sentences[2].text
    assert "77" not in "".join(s.text for s in last.sentences)
    assert done.remarks == ("4.2 : la source [77] n'est pas reconnue ; ce renvoi n'est pas repris.",)
    assert [f.kind for f in after.findings if f.paragraph == last.id] == ["figure"]


def test_lists_tables_titles_and_wrapped_lines(dossier: Dossier) -> None:
    section = stands(dossier, "4.2")
    title = section.brief.points[1].text
    text = (
        "Une phrase\ncoupée par un retour.\n\n"
        f"### {title}\n\n- premier\n- second\n\n"
        "| Service | Délai |\n|---|---|\n| Appel \\| courriel | 4 h<br>ouvrées |\n\n"
        "### Un titre à moi\n\nFin.\x00\x0b"
    )
    done = run.write_text(dossier, "4.2", text, by=BY)
    paragraphs = stands(dossier, "4.2").paragraphs
    assert [(p.point, p.item, [s.text for s in p.sentences]) for p in paragraphs if not p.rows] == [
        (None, False, ["Une phrase coupée par un retour."]),
        (1, True, ["premier"]),
        (1, True, ["second"]),
        (1, False, ["Un titre à moi"]),
        (1, False, ["Fin."]),
    ]
    assert [p.rows for p in paragraphs if p.rows] == [
        (("Service", "Délai"), ("Appel | courriel", "4 h\nouvrées")),
    ]
    assert any("Un titre à moi" in remark for remark in done.remarks)
    shown = run.text_of(stands(dossier, "4.2"))
    assert run.write_text(dossier, "4.2", shown, by=BY).unchanged == ("4.2",)
    to_docx(run.memoire_of(dossier))


def test_a_link_to_a_requirement_follows_its_paragraph_and_goes_when_it_is_taken_out(dossier: Dossier) -> None:
    tender = run.read_dossier(dossier).tender
    wanted = next(item.id for item in tender.requirements if any(c.isdigit() for c in item.id))
    section = stands(dossier, "4.3")
    run.write_text(dossier, "4.3", f"{run.text_of(section)}\n\nNous le faisons. Répond à {wanted}.", by=BY)
    after = stands(dossier, "4.3")
    answer = next(item for item in after.answers if item.requirement == wanted)
    assert answer.paragraph == after.paragraphs[-1].id
    assert run.text_of(after).endswith(f"Répond à {wanted}.")
    reworded = run.text_of(after).replace("Nous le faisons.", "Nous le ferons bien.")
    run.write_text(dossier, "4.3", reworded, by=BY)
    kept = next(item for item in stands(dossier, "4.3").answers if item.requirement == wanted)
    assert kept.sentence is not None
    assert kept.sentence.text == "Nous le ferons bien."
    run.write_text(dossier, "4.3", reworded.replace(f" Répond à {wanted}.", " Vraiment."), by=BY)
    gone = next(item for item in stands(dossier, "4.3").answers if item.requirement == wanted)
    assert gone.sentence is None


def test_readers_comments_stand_while_their_paragraph_does(dossier: Dossier) -> None:
    section = stands(dossier, "4.2")
    first, last = section.paragraphs[0].id, section.paragraphs[-1].id
    remarks = tuple(Finding(kind="comment", message=f"Commentaire de Noé sur {p}", paragraph=p) for p in (first, last))
    write_draft(dossier, section.model_copy(update={"findings": (*section.findings, *remarks)}))
    shown = printed(section)
    text = run.text_of(section).replace(shown[0].text, "Tout autre chose, écrit de neuf.")
    run.write_text(dossier, "4.2", text, by=BY)
    told = [f.paragraph for f in stands(dossier, "4.2").findings if f.kind == "comment"]
    assert told == [last]


def test_a_section_never_drafted_can_be_written(dossier: Dossier) -> None:
    assert run.write_text(dossier, "1.1", " \n ", by=BY).unchanged == ("1.1",)
    run.write_text(dossier, "1.1", "Nous avons compris le besoin.", by=BY)
    section = stands(dossier, "1.1")
    assert [s.text for s in sentences(section)] == ["Nous avons compris le besoin."]
    assert section.model == ""
    assert section.brief.points


def test_what_is_refused_leaves_everything_as_it_was(dossier: Dossier) -> None:
    before = dossier.draft("4.2").read_bytes()
    for text, words in ((" \n\n ", "vide"), ("### Astreintes", "vide"), ("a" * (LONGEST + 1), "trop long")):
        if words == "vide" and text.startswith("###"):
            text = f"### {stands(dossier, '4.2').brief.points[0].text}"
        with pytest.raises(DossierError, match=words):
            run.write_text(dossier, "4.2", text, by=BY)
    with pytest.raises(DossierError, match="nom"):
        run.write_text(dossier, "4.2", "Un texte.", by=" ")
    with pytest.raises(MemoireError, match=r"« 9\.9 » n'est pas dans le plan"):
        run.write_text(dossier, "9.9", "Un texte.", by=BY)
    assert dossier.draft("4.2").read_bytes() == before


def test_a_draft_never_overwrites_what_was_typed(dossier: Dossier) -> None:
    run.write_text(dossier, "4.2", "Le texte d'une personne.", by=BY)
    choice = run.choose(dossier, HashEmbedder(), SETTINGS)
    steps = list(run.draft_dossier(dossier, choice, ["4.2"], lambda: ScriptedModel(echo), SETTINGS, force=True))
    assert [step.path.name for step in steps if step.path] == ["4.2.proposed.json"]
    assert [s.text for s in sentences(stands(dossier, "4.2"))] == ["Le texte d'une personne."]
    assert run.section_states(dossier)[[s.number for s in run.section_states(dossier)].index("4.2")].proposed


def test_a_text_begun_on_another_state_is_refused(dossier: Dossier) -> None:
    base = run.draft_sha256(dossier, "4.2")
    run.write_text(dossier, "4.2", "Premier.", by=BY, base=base)
    with pytest.raises(StaleTextError, match="a changé"):
        run.write_text(dossier, "4.2", "Second.", by="Noé", base=base)
    assert [s.text for s in sentences(stands(dossier, "4.2"))] == ["Premier."]
    run.write_text(dossier, "1.1", "Nouveau.", by=BY, base="")
    with pytest.raises(StaleTextError):
        run.write_text(dossier, "1.1", "Autre.", by=BY, base="")


# --- questions ---------------------------------------------------------------------------------------------


def test_an_answer_takes_the_place_of_its_question_and_may_become_a_fact(dossier: Dossier) -> None:
    before = stands(dossier, "4.4")
    gap = next(p for p in before.paragraphs if p.gap == QUESTION)
    answer = "La directrice des opérations les remet en 10 jours.\n\n- par clé chiffrée\n- puis les efface"
    done = run.answer_gap(dossier, "4.4", gap.id, answer, by=BY, keep=True)
    after = stands(dossier, "4.4")
    at = before.paragraphs.index(gap)
    assert [p for p in after.paragraphs if p in before.paragraphs] == [p for p in before.paragraphs if p is not gap]
    assert [(p.point, p.item) for p in after.paragraphs[at : at + 3]] == [(1, False), (1, True), (1, True)]
    assert {s.wording for p in after.paragraphs[at : at + 3] for s in p.sentences} == {"person"}
    assert (done.answered, done.kept) == (1, 1)
    (library,) = dossier.library()
    (fact,) = yaml.safe_load((library / FILE).read_text(encoding="utf-8"))
    assert (fact["question"], fact["par"]) == ("qui restitue les données ?", BY)
    assert fact["reponse"].startswith("La directrice des opérations")
    with pytest.raises(StaleTextError, match="n'est plus"):
        run.answer_gap(dossier, "4.4", gap.id, "Encore.", by=BY)


def test_a_person_answers_for_a_section_as_it_stands_unless_it_asks_something(dossier: Dossier) -> None:
    with pytest.raises(DossierError, match="question"):
        run.validate_section(dossier, "4.4", by=BY)
    gaps = [paragraph for paragraph in stands(dossier, "4.4").paragraphs if paragraph.gap]
    for paragraph in gaps:
        run.answer_gap(dossier, "4.4", paragraph.id, "Deux ingénieurs restituent les données.", by=BY)
    before = stands(dossier, "4.4")
    assert before.accepted is not None
    assert before.accepted.validated_by is None
    run.validate_section(dossier, "4.4", by="René")
    after = stands(dossier, "4.4")
    assert after.accepted is not None
    assert after.accepted.validated_by == "René"
    assert after.paragraphs == before.paragraphs
    assert next(state for state in run.section_states(dossier) if state.number == "4.4").status == "validated"
    with pytest.raises(DossierError, match="Rien n'est écrit"):
        run.validate_section(dossier, "2.1", by=BY)


def test_an_empty_answer_is_refused(dossier: Dossier) -> None:
    gap = next(p for p in stands(dossier, "4.4").paragraphs if p.gap == QUESTION)
    with pytest.raises(DossierError, match="vide"):
        run.answer_gap(dossier, "4.4", gap.id, " ", by=BY)
    assert gap in stands(dossier, "4.4").paragraphs


# --- locks -------------------------------------------------------------------------------------------------


def test_a_locked_section_is_its_keepers_alone(dossier: Dossier) -> None:
    before = dossier.draft("4.2").read_bytes()
    lock = run.lock_section(dossier, "4.2", "Noé")
    assert run.section_lock(dossier, "4.2") == lock
    assert run.lock_section(dossier, "4.2", "Noé") == lock
    for refused in (
        lambda: run.lock_section(dossier, "4.2", BY),
        lambda: run.write_text(dossier, "4.2", "Mien.", by=BY),
        lambda: run.restore_version(dossier, "4.2", "actuelle", by=BY),
    ):
        with pytest.raises(SectionLockedError, match="verrouillée par Noé"):
            refused()
    choice = run.choose(dossier, HashEmbedder(), SETTINGS)
    model = ScriptedModel(echo)
    (step,) = run.draft_dossier(dossier, choice, ["4.2"], lambda: model, SETTINGS, force=True)
    assert (step.path, step.locked_by, model.asked) == (None, "Noé", [])
    assert dossier.draft("4.2").read_bytes() == before
    assert read_proposed(dossier, "4.2") is None
    run.write_text(dossier, "4.2", "Le sien.", by="Noé")
    run.unlock_section(dossier, "4.2", BY)
    assert run.section_lock(dossier, "4.2") is None
    run.write_text(dossier, "4.2", "Mien.", by=BY)
    told = [(line["what"], line["by"]) for line in dossier.journal() if line["what"] in ("lock", "unlock")]
    assert told == [("lock", "Noé"), ("unlock", BY)]


def test_a_word_document_leaves_a_locked_section_alone(dossier: Dossier, tmp_path: Path) -> None:
    run.write_text(dossier, "4.2", "Le sien.", by="Noé")
    path = tmp_path / "relu.docx"
    path.write_bytes(to_docx(run.memoire_of(dossier)))
    run.lock_section(dossier, "4.2", "Noé")
    before = dossier.draft("4.2").read_bytes()
    done = run.accept_dossier(dossier, path, by=BY)
    assert dossier.draft("4.2").read_bytes() == before
    assert typeset("4.2 : verrouillée par Noé, section laissée telle quelle.") in done.remarks
    assert [section.number for section in done.sections] == ["4.1", "4.3", "4.4"]


def test_a_section_locked_while_it_is_drafted_is_not_written(dossier: Dossier) -> None:
    before = dossier.draft("4.3").read_bytes()
    choice = run.choose(dossier, HashEmbedder(), SETTINGS)
    locked = threading.Event()

    def late(prompt: object) -> str:
        if not locked.is_set():
            run.lock_section(dossier, "4.3", "Noé")
            locked.set()
        return echo(prompt)  # type: ignore[arg-type]

    (step,) = run.draft_dossier(dossier, choice, ["4.3"], lambda: ScriptedModel(late), SETTINGS, force=True)
    assert (step.path, step.locked_by) == (None, "Noé")
    assert step.section == stands(dossier, "4.3")
    assert dossier.draft("4.3").read_bytes() == before


# --- versions ----------------------------------------------------------------------------------------------


def test_versions_are_listed_compared_and_restored(dossier: Dossier) -> None:
    machine = stands(dossier, "4.2")
    first = printed(machine)[0]
    run.write_text(dossier, "4.2", run.text_of(machine).replace(first.text, "Tout autre chose, de neuf."), by=BY)
    typed = stands(dossier, "4.2")
    now, old = run.section_versions(dossier, "4.2")
    assert (now.id, now.by, now.accepted) == ("actuelle", BY, True)
    assert (old.by, old.accepted, old.model) == (None, False, "scripted")
    assert old.when
    rows = run.compare_versions(dossier, "4.2", old.id, "actuelle").paragraphs
    assert [row.verdict for row in rows if row.verdict != "kept"] in (["rewritten"], ["deleted", "added"])
    assert any(row.human == "Tout autre chose, de neuf." for row in rows)
    run.restore_version(dossier, "4.2", old.id, by="Noé")
    back = stands(dossier, "4.2")
    assert back.paragraphs == machine.paragraphs
    assert back.passages == machine.passages
    assert back.accepted is not None
    assert (back.accepted.by, back.accepted.words_kept) == ("Noé", 1.0)
    ids = [item.id for item in run.section_versions(dossier, "4.2")]
    assert run.section_version(dossier, "4.2", ids[1]) == typed
    assert len(ids) == 3


def test_the_draft_beside_is_adopted(dossier: Dossier) -> None:
    run.write_text(dossier, "4.2", "Mien.", by=BY)
    choice = run.choose(dossier, HashEmbedder(), SETTINGS)
    list(run.draft_dossier(dossier, choice, ["4.2"], lambda: ScriptedModel(echo), SETTINGS, force=True))
    beside = read_proposed(dossier, "4.2")
    assert beside is not None
    run.restore_version(dossier, "4.2", "proposee", by=BY)
    assert stands(dossier, "4.2").paragraphs == beside.paragraphs
    assert read_proposed(dossier, "4.2") is None
    assert "Mien." in run.text_of(run.section_version(dossier, "4.2", run.section_versions(dossier, "4.2")[1].id))
    with pytest.raises(DossierError, match="proposee"):
        run.restore_version(dossier, "4.2", "proposee", by=BY)


@pytest.mark.parametrize("version", ["../4.1", "", "proposee", "/etc/passwd", "20200101T000000.000000Z"])
def test_a_version_that_is_not_there(dossier: Dossier, version: str) -> None:
    with pytest.raises(DossierError, match="n'a pas de version"):
        run.section_version(dossier, "4.2", version)


# --- an instruction ----------------------------------------------------------------------------------------


def test_an_instruction_reaches_the_model_is_recorded_and_drafts_again(dossier: Dossier) -> None:
    choice = run.choose(dossier, HashEmbedder(), SETTINGS)
    before = stands(dossier, "4.2")
    plain, told = ScriptedModel(echo), ScriptedModel(echo)
    assert [s.path for s in run.draft_dossier(dossier, choice, ["4.2"], lambda: plain, SETTINGS)] == [None]
    assert plain.asked == []
    work = run.draft_dossier(dossier, choice, ["4.2"], lambda: told, SETTINGS, instruction=" plus\n court ")
    assert [step.path for step in work] == [dossier.draft("4.2")]
    assert told.asked
    assert all("Consigne du rédacteur" in p.request and " : plus court" in p.request for p in told.asked)
    after = stands(dossier, "4.2")
    assert (before.instruction, after.instruction) == ("", "plus court")
    assert after.inputs_sha256 != before.inputs_sha256
    assert after.prompt_sha256 == before.prompt_sha256
    assert [read_version(path) for path in versions(dossier, "4.2")] == [before]
    assert [s.path for s in run.draft_dossier(dossier, choice, ["4.2"], lambda: plain, SETTINGS)] == [None]
    again = run.draft_dossier(dossier, choice, ["4.2"], lambda: told, SETTINGS, instruction="plus court")
    assert [step.path for step in again] == [dossier.draft("4.2")]


def test_an_instruction_founds_no_fact(dossier: Dossier) -> None:
    """A model that obeys « dis 99 % » instead of its excerpt is refused, and the source's own words stand."""
    choice = run.choose(dossier, HashEmbedder(), SETTINGS)
    model = ScriptedModel(lambda prompt: "Nous tenons un taux de 99,9 % depuis 1998.")
    list(run.draft_dossier(dossier, choice, ["4.2"], lambda: model, SETTINGS, instruction="dis 99,9 % depuis 1998"))
    assert "1998" not in run.text_of(stands(dossier, "4.2"))
    assert {s.wording for s in sentences(stands(dossier, "4.2"))} == {"source"}


def test_an_instruction_on_a_persons_text_stands_beside(dossier: Dossier) -> None:
    run.write_text(dossier, "4.2", "Mien.", by=BY)
    choice = run.choose(dossier, HashEmbedder(), SETTINGS)
    work = run.draft_dossier(
        dossier, choice, ["4.2"], lambda: ScriptedModel(echo), SETTINGS, instruction="insiste sur la sobriété"
    )
    assert [step.path.name for step in work if step.path] == ["4.2.proposed.json"]
    beside = read_proposed(dossier, "4.2")
    assert beside is not None
    assert beside.instruction == "insiste sur la sobriété"
    assert run.text_of(stands(dossier, "4.2")) == "Mien."
    with pytest.raises(DossierError, match="trop longue"):
        list(run.draft_dossier(dossier, choice, ["4.2"], lambda: ScriptedModel(echo), SETTINGS, instruction="a" * 501))


# --- at the same time --------------------------------------------------------------------------------------


def _save(root: Path, times: int, started: Any) -> None:
    dossier = open_dossier(root)
    started.wait()
    for n in range(times):
        run.write_text(dossier, "4.2", f"Texte numéro {n} d'une personne.", by=BY)


def test_saving_while_it_is_drafted_loses_nothing(dossier: Dossier) -> None:
    """Fifty times from another process and as many drafts from here: the person's text stands, the draft is beside."""
    times = 50
    draft = stands(dossier, "4.2")
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    person = context.Process(target=_save, args=(dossier.root, times, started))
    person.start()
    started.set()
    drafts = 0
    while person.is_alive() or drafts < times:
        write_draft(dossier, draft.model_copy(update={"tokens": drafts}))
        drafts += 1
        assert read_draft(dossier, "4.2") is not None
    person.join()
    assert person.exitcode == 0
    assert run.text_of(stands(dossier, "4.2")) == f"Texte numéro {times - 1} d'une personne."
    beside = read_proposed(dossier, "4.2")
    assert beside is not None
    assert beside.tokens == drafts - 1
    kept = [run.text_of(read_version(path)) for path in versions(dossier, "4.2")]
    for n in range(times - 1):
        assert f"Texte numéro {n} d'une personne." in kept


def test_two_people_who_save_at_once_are_not_both_believed(dossier: Dossier) -> None:
    base = run.draft_sha256(dossier, "4.2")
    barrier = threading.Barrier(4)
    refused: list[str] = []

    def save(name: str) -> None:
        barrier.wait()
        try:
            run.write_text(dossier, "4.2", f"Le texte de {name}.", by=name, base=base)
        except StaleTextError:
            refused.append(name)

    threads = [threading.Thread(target=save, args=(name,)) for name in ("a", "b", "c", "d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = {"a", "b", "c", "d"} - set(refused)
    assert run.text_of(stands(dossier, "4.2")) == f"Le texte de {winner}."


def test_a_person_saves_while_a_job_holds_the_dossier(dossier: Dossier) -> None:
    with dossier.lock():
        run.write_text(dossier, "4.2", "Mien.", by=BY)
    assert run.text_of(stands(dossier, "4.2")) == "Mien."


# --- on the command line -----------------------------------------------------------------------------------


def test_lock_and_unlock(dossier: Dossier) -> None:
    runner = CliRunner()
    done = runner.invoke(app, ["lock", str(dossier.root), "4.2", "--by", "Noé"])
    assert (done.exit_code, done.output) == (0, "Section 4.2 verrouillée par Noé.\n")
    assert runner.invoke(app, ["lock", str(dossier.root), "4.2", "--by", BY]).exception is not None
    done = runner.invoke(app, ["unlock", str(dossier.root), "4.2", "--by", BY])
    assert "l'était par Noé" in done.output
    assert run.section_lock(dossier, "4.2") is None
