"""Where each section stands, told without writing the document."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from pipeline import run
from pipeline.records import Acceptance, Section
from pipeline.workspace import Dossier, create, open_dossier, read_draft, write_accepted, write_draft
from tests.conftest import CORPUS
from tests.fakes import HashEmbedder
from tests.test_workspace import SETTINGS, draft

ACCEPTED = Acceptance(
    by="Alix Morvan",
    when="2026-11-22T10:00:00+01:00",
    file="relu.docx",
    sha256="0" * 64,
    verdicts={},
    words_kept=1.0,
    chrf=1.0,
)


@pytest.fixture(scope="module")
def dossier(tmp_path_factory: pytest.TempPathFactory) -> Dossier:
    """Chapter 4 drafted; 4.2 accepted, 4.3 validated, 4.4 changed on disk with a new draft beside."""
    root = tmp_path_factory.mktemp("etats") / "d"
    made, _ = create(root, [CORPUS / "dce" / "rc.pdf"], [CORPUS / "library" / "entreprise"])
    run.read_dossier(made)
    run.index_dossier(made, HashEmbedder(), SETTINGS)
    draft(made, "4")
    write_accepted(made, stands(made, "4.2").model_copy(update={"accepted": ACCEPTED}))
    signed = ACCEPTED.model_copy(update={"validated_by": "Noé Vidal"})
    write_accepted(made, stands(made, "4.3").model_copy(update={"accepted": signed}))
    path = made.draft("4.4")
    path.write_text(path.read_text(encoding="utf-8").replace(" ", "  ", 1), encoding="utf-8")
    write_draft(made, stands(made, "4.4"))
    return made


def stands(dossier: Dossier, number: str) -> Section:
    section = read_draft(dossier, number)
    assert section is not None
    return section


def test_every_heading_of_the_plan_says_where_it_stands(dossier: Dossier) -> None:
    states = {state.number: state for state in run.section_states(dossier)}
    assert [state.status for number, state in states.items() if number.startswith("4.")] == [
        "drafted",
        "edited",
        "validated",
        "edited",
    ]
    assert {state.status for number, state in states.items() if not number.startswith("4")} == {"empty"}
    assert (states["4.2"].accepted_by, states["4.3"].validated_by) == ("Alix Morvan", "Noé Vidal")
    assert [number for number, state in states.items() if state.proposed] == ["4.4"]
    section = stands(dossier, "4.1")
    gaps = [paragraph for paragraph in section.paragraphs if paragraph.gap]
    asked = [n for n, point in enumerate(section.brief.points) if not point.evidence]
    answered = {paragraph.point for paragraph in section.paragraphs if paragraph.sentences}
    assert states["4.1"].gaps == len(gaps)
    assert states["4.1"].covered == len(answered.intersection(asked))
    assert states["4.1"].points == len(asked)
    assert states["4.1"].words == sum(len(s.text.split()) for p in section.paragraphs for s in p.sentences) > 0
    assert (states["4"].points, states["4"].updated) == (0, None)
    assert states["4.1"].updated


def test_the_weight_of_a_section_is_its_share_of_the_criteria(dossier: Dossier) -> None:
    states = {state.number: state for state in run.section_states(dossier)}
    tender = run.read_dossier(dossier).tender
    total = sum(criterion.weight or 0 for criterion in tender.criteria)
    paid = {link.target: link.source for link in tender.links if link.kind == "criterion"}
    for chapter, label in paid.items():
        criterion = next(item for item in tender.criteria if item.label == label)
        below = [state for number, state in states.items() if number.startswith(f"{chapter}.")]
        assert states[chapter].weight == pytest.approx((criterion.weight or 0) / total)
        assert sum(state.weight or 0 for state in below) == pytest.approx(states[chapter].weight)
        per_point = {round((state.weight or 0) / state.points, 9) for state in below}
        assert len(per_point) == 1
    assert paid


def test_nothing_drafted_and_no_plan(tmp_path: Path) -> None:
    made, _ = create(tmp_path / "d", [CORPUS / "dce" / "rc.pdf"], [])
    run.read_dossier(made)
    states = run.section_states(made)
    assert states
    assert all(state.status == "empty" and not state.words and state.updated is None for state in states)
    told = yaml.safe_load(made.consultation.read_text(encoding="utf-8"))
    made.consultation.write_text(yaml.safe_dump({**told, "plan": []}), encoding="utf-8")
    assert run.section_states(open_dossier(made.root)) == []


def test_states_of_sixty_sections_are_told_at_once(dossier: Dossier) -> None:
    """Far under what a person notices; the bound is loose, for a busy machine."""
    told = yaml.safe_load(dossier.consultation.read_text(encoding="utf-8"))
    section = stands(dossier, "4.1")
    before = dossier.consultation.read_text(encoding="utf-8")
    names = [f"9.{n}" for n in range(1, 61)]
    plan = [{"number": name, "title": f"Section {name}", "level": 1, "points": ["Point"]} for name in names]
    try:
        dossier.consultation.write_text(yaml.safe_dump({**told, "plan": plan}), encoding="utf-8")
        for name in names:
            write_draft(dossier, section.model_copy(update={"number": name}))
        run.section_states(dossier)
        started = time.perf_counter()
        assert len(run.section_states(dossier)) == 60
        assert time.perf_counter() - started < 0.5
    finally:
        dossier.consultation.write_text(before, encoding="utf-8")
