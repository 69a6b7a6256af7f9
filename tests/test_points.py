"""Points read in any document: what is generic scores low, what is empty is missing, the same gives the same."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import docx
import numpy as np
import pytest

from evals.points import LABELS, TARGET, interval, kappa, second_reading
from pipeline import run, settings, weights
from pipeline.embed import FolderEmbedder
from pipeline.handed import cover_document, said_in
from pipeline.marks import gains, mark
from pipeline.points import FEATURES, Asked, Corpus, Reading, Said, calibration, read_points, verdict_of
from pipeline.readers.docx import read_docx
from pipeline.records import (
    Block,
    CoverageReport,
    Criterion,
    Link,
    Metric,
    PlanNode,
    PointCoverage,
    SectionCoverage,
    Tender,
    Verdict,
)
from tests.conftest import CORPUS
from tests.fakes import HashEmbedder


@pytest.fixture(scope="module")
def embedder(manifest: weights.Manifest) -> FolderEmbedder:
    name = settings.load().embed.model
    if not manifest.path(manifest.find(name)).exists():
        pytest.skip(f"weights are absent: run `memoire models fetch {name}`")
    return run.load_embedder(settings.load())


PLAN = (
    PlanNode(number="1", title="SUPPORT", level=1, prefix="1"),
    PlanNode(number="1.1", title="Astreinte", level=2, prefix="1.1", points=("Organisation de l'astreinte",)),
    PlanNode(number="1.2", title="Délais", level=2, prefix="1.2", points=("Délais de rétablissement", "Pénalités")),
    PlanNode(number="2", title="CONTINUITÉ", level=1, prefix="2", points=("Plan de reprise",)),
)
TENDER = Tender(
    plan=PLAN,
    criteria=(
        Criterion(label="Support (chapitre 1)", weight=40, unit="%"),
        Criterion(label="Continuité (chapitre 2)", weight=20, unit="%"),
        Criterion(label="Prix", weight=40, unit="%"),
    ),
    links=(
        Link(kind="criterion", source="Support (chapitre 1)", target="1", reason="nommé"),
        Link(kind="criterion", source="Continuité (chapitre 2)", target="2", reason="nommé"),
    ),
)


# --- the mark ----------------------------------------------------------------------------------------------


def report(*verdicts: Verdict) -> CoverageReport:
    """1.1 has one point, 1.2 two, 2 one."""
    names = iter(verdicts)
    sections = tuple(
        SectionCoverage(
            number=node.number,
            title=node.title,
            points=tuple(PointCoverage(text=point, verdict=next(names)) for point in node.points),
        )
        for node in PLAN
        if node.points
    )
    return CoverageReport(metrics={"point_coverage": Metric(value=1, n=4)}, criteria=(), sections=sections, manifest={})


def test_the_mark_is_the_coverage_on_the_buyers_scale() -> None:
    told = mark(report("covered", "partial", "missing", "covered"), TENDER)
    assert told is not None
    assert (told.value, told.out_of, told.unit) == (pytest.approx(40 * 0.5 + 20), 60, "%")
    assert told.interval[0] < told.value < told.interval[1] <= 60
    assert mark(report("covered", "partial", "missing", "covered"), Tender(plan=PLAN)) is None


def test_what_is_not_scored_is_no_zero() -> None:
    told = mark(report("covered", "unscored", "unscored", "covered"), TENDER)
    assert told is not None
    assert told.value == pytest.approx(60)
    told = mark(report("unscored", "unscored", "unscored", "covered"), TENDER)
    assert told is not None
    assert told.out_of == 20


def test_what_gains_most_comes_first() -> None:
    found = gains(report("covered", "partial", "missing", "missing"), TENDER)
    assert [(gain.section, gain.point, gain.gain) for gain in found] == [
        ("2", "Plan de reprise", 20),
        ("1.2", "Pénalités", pytest.approx(40 / 3)),
        ("1.2", "Délais de rétablissement", pytest.approx(20 / 3)),
    ]


# --- reading -----------------------------------------------------------------------------------------------


def test_a_point_is_covered_by_its_best_paragraph() -> None:
    model = calibration()
    sure = Reading(0, 3, (0.05, 0.1, 0.85))
    near = Reading(0, 4, (0.15, 0.8, 0.05))
    far = Reading(0, 5, (0.97, 0.02, 0.01))
    assert sure.probabilities[2] >= model.covered_from
    assert verdict_of([far, near, sure]) == ("covered", [3])
    assert verdict_of([far, near])[0] == "partial"
    assert verdict_of([far]) == ("missing", [])
    assert verdict_of([]) == ("missing", [])


def test_every_signal_has_its_place_and_is_finite() -> None:
    asked = [Asked("1.1", "Organisation de l'astreinte"), Asked("1.2", "?")]
    said = [Said("1.1", "Nous tenons une astreinte de 8 agents."), Said("", "…"), Said("1.2", "N'est pas prévu.")]
    corpus = Corpus(asked, said, HashEmbedder(), whole=True)
    table = np.array([corpus.features(p, n) for p in range(2) for n in range(3)])
    assert table.shape == (6, len(FEATURES))
    assert np.isfinite(table).all()
    assert corpus.candidates(0)[0] == 0
    assert read_points([], said, HashEmbedder()) == read_points(asked, [], HashEmbedder()) == []


def test_paragraphs_are_found_under_their_headings_wherever_they_stand() -> None:
    blocks = [
        Block(kind="heading", text="1.2 Délais", level=2),
        Block(kind="paragraph", text="Nous rétablissons un incident critique en quatre heures au plus."),
        Block(kind="heading", text="1.1 Astreinte", level=2),
        Block(kind="paragraph", text="Tableau 1 – Une légende qui dit beaucoup de mots sans rien répondre."),
        Block(
            kind="table",
            text="",
            rows=(("Rôle", "Nom"), ("Chef d'astreinte la nuit et le dimanche", "A. Morvan, B. Le")),
        ),
    ]
    found = said_in(TENDER, blocks)
    assert [(paragraph.section, paragraph.text.split()[0]) for paragraph in found] == [("1.2", "Nous"), ("1.1", "Chef")]


def test_kappa_is_cohens() -> None:
    truth, told = ["a"] * 20 + ["a"] * 5 + ["b"] * 10 + ["b"] * 15, ["a"] * 20 + ["b"] * 5 + ["a"] * 10 + ["b"] * 15
    assert kappa(truth, told) == pytest.approx(0.4)
    low, high = interval(truth, told)
    assert low < 0.4 < high


def test_two_readers_agree_on_the_labels() -> None:
    assert kappa(*second_reading()) > TARGET


def test_the_labels_are_sound() -> None:
    import yaml

    count = 0
    for path in sorted(LABELS.glob("[ab]*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        points = {(s["number"], n) for s in document["sections"] for n in range(len(s["points"]))}
        names = [p["id"] for s in document["sections"] for p in s["paragraphs"]]
        assert len(names) == len(set(names))
        pairs = [(str(p["section"]), p["point"], p["paragraph"]) for p in document["pairs"]]
        assert len(set(pairs)) == len(pairs)
        assert all((section, point) in points and name in names for section, point, name in pairs)
        assert {p["label"] for p in document["pairs"]} == {"covered", "partial", "missing"}
        count += len(pairs)
    assert count >= 300


# --- any document ------------------------------------------------------------------------------------------


def sample_tender(tmp_path: Path) -> Tender:
    from pipeline.workspace import create

    made, _ = create(tmp_path / "d", [CORPUS / "dce" / "rc.pdf"], [CORPUS / "library" / "entreprise"])
    return run.read_dossier(made).tender


def generic(title: str, point: str) -> str:
    """Fluent, full of the point's words, and empty."""
    subject = point[:1].lower() + point[1:]
    return (
        f"{title} : notre démarche globale place {subject} au cœur de l'ensemble de nos valeurs. L'excellence, "
        f"l'écoute et la réactivité sont le pilier de notre engagement sur {subject}, avec la rigueur et la maîtrise "
        "reconnues d'une entreprise attachée à la satisfaction, dans une culture de la qualité et de la performance."
    )


@pytest.mark.weights
def test_a_generic_text_full_of_the_right_words_scores_low_in_every_chapter(
    embedder: FolderEmbedder, tmp_path: Path
) -> None:
    tender = sample_tender(tmp_path)
    document = docx.Document()
    for node in tender.plan:
        document.add_heading(node.heading, level=node.level)
        for point in (*node.points, *(p for part in node.parts for p in part.points)):
            document.add_paragraph(generic(node.title, point))
    stream = io.BytesIO()
    document.save(stream)
    blocks, _ = read_docx(stream.getvalue(), "generique.docx")
    found = cover_document(tender, blocks, embedder, {})
    assert found.metrics["plan_conformity"].value == 1.0
    chapters: dict[str, list[float]] = {}
    for section in found.sections:
        worth = {"covered": 1.0, "partial": 0.5}
        chapters.setdefault(section.number.split(".")[0], []).extend(worth.get(p.verdict, 0.0) for p in section.points)
    low = {chapter: sum(values) / len(values) for chapter, values in chapters.items()}
    assert all(value <= 0.5 for value in low.values()), low


@pytest.mark.weights
def test_a_document_written_elsewhere_is_scored_without_drafts(
    embedder: FolderEmbedder, tmp_path: Path, model_path: Callable[[str], Path]
) -> None:
    tender = sample_tender(tmp_path)
    blocks, _ = read_docx(_past_response(tmp_path), "reponse.docx")
    found = cover_document(tender, blocks, embedder, {"document": "reponse.docx"})
    assert cover_document(tender, blocks, embedder, {"document": "reponse.docx"}) == found
    assert found.metrics["citation_recall"].value is None
    assert found.metrics["citation_recall"].unscored > 0
    assert found.metrics["point_coverage"].n == 56


def _past_response(tmp_path: Path) -> bytes:
    path = next(iter(sorted((CORPUS / "library" / "reponses").glob("*.docx"))))
    return path.read_bytes()
