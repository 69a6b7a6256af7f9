"""Memoire -> DOCX, Markdown, HTML. One module a format; what they share, numbering of sources, is here."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.records import Memoire, Paragraph, Passage, PlanNode, Section, Sentence

TO_DRAFT = "[À RÉDIGER : cette section n'a pas encore été rédigée.]"
NOTICE = (
    "Projet rédigé avec l'aide d'un modèle de langage exécuté sur les machines de l'entreprise ; chaque phrase "
    "renvoie à sa source. À relire et à valider par une personne avant remise."
)


@dataclass(frozen=True)
class Sources:
    """Cited passages in order of first citation; ``number`` counts from 1."""

    passages: tuple[Passage, ...]
    _numbers: dict[str, int]

    def marks(self, sentence: Sentence) -> str:
        """« [3] » or « [3, 5] »; empty where the sentence cites nothing."""
        numbers = sorted(self._numbers[name] for name in sentence.passages if name in self._numbers)
        return f"[{', '.join(map(str, numbers))}]" if numbers else ""


def sources(memoire: Memoire) -> Sources:
    """Number every cited passage by its first citation."""
    order: list[Passage] = []
    numbers: dict[str, int] = {}
    for section in memoire.sections:
        known = {passage.id: passage for passage in section.passages}
        for paragraph in section.paragraphs:
            for sentence in paragraph.sentences:
                for name in sentence.passages:
                    if name in known and name not in numbers:
                        order.append(known[name])
                        numbers[name] = len(order)
    return Sources(tuple(order), numbers)


def place(passage: Passage) -> str:
    """« pf.docx, article « 3.1 … », p. 5 »."""
    parts = [passage.document]
    if passage.article:
        parts.append(f"« {passage.article} »")
    if passage.page is not None:
        parts.append(f"p. {passage.page}")
    return ", ".join(parts)


def gaps(memoire: Memoire) -> list[tuple[Section, Paragraph]]:
    """Every paragraph a person must fill in."""
    return [(s, p) for s in memoire.sections for p in s.paragraphs if p.gap]


def section_of(memoire: Memoire, node: PlanNode) -> Section | None:
    return next((section for section in memoire.sections if section.number == node.name), None)


def is_leaf(memoire: Memoire, node: PlanNode) -> bool:
    """Whether a node carries text: it has points, or nothing stands below it."""
    index = memoire.plan.index(node)
    following = memoire.plan[index + 1] if index + 1 < len(memoire.plan) else None
    return bool(node.points or node.parts) or following is None or following.level <= node.level
