"""What else binds: lots, variants, options, penalties, insurance, certificates, visits, in the buyer's words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipeline.french import fold, fold_spaces, sentences
from pipeline.records import Condition, Document, Topic
from pipeline.tender.classify import of_kind

_TOPICS: tuple[tuple[Topic, re.Pattern[str]], ...] = (
    ("lots", re.compile(r"\ballot|\blots?\b.{0,60}\b(?:unique|suivants?|candidat|attribu)|decompos\w+ en lots")),
    ("variantes", re.compile(r"\bvariantes?\b")),
    (
        "options",
        re.compile(
            r"prestations? supplementaires? eventuelles?|\bpse\b|\btranches? (?:optionnelles?|conditionnelles?)"
            r"|\boptions?\b"
        ),
    ),
    ("penalites", re.compile(r"\bpenalites?\b")),
    ("assurances", re.compile(r"\bassurances?\b|responsabilite civile|\bdecennale\b")),
    (
        "certificats",
        re.compile(
            r"\bcertifi(?:cat|cation|e|es)\b|\bqualibat\b|\biso[\s/]?(?:iec)?\s?\d{4,5}|\bhds\b|secnumcloud|\bhabilitation\b"
        ),
    ),
    ("visite", re.compile(r"\bvisites?\b.{0,60}\b(?:obligatoire|facultati|site|lieux)")),
)
MOST_PER_TOPIC = 12
"""Sentences kept a topic: penalties alone fill pages of a CCAP, and the reader wants the first ones."""


def read_conditions(documents: Sequence[Document]) -> tuple[Condition, ...]:
    """Sentences of the RC and the CCAP that bind on these topics, once each, in order."""
    found: dict[tuple[Topic, str], Condition] = {}
    for condition in _conditions(of_kind(documents, "RC", "CCAP")):
        count = sum(topic == condition.topic for topic, _ in found)
        if count < MOST_PER_TOPIC:
            found.setdefault((condition.topic, fold(condition.text)), condition)
    return tuple(found.values())


def _conditions(documents: Sequence[Document]) -> Iterator[Condition]:
    for document in documents:
        for block in document.blocks:
            if block.kind not in ("paragraph", "item"):
                continue
            for sentence in sentences(block.text):
                folded = fold(sentence)
                if not 15 < len(sentence) < 500 or sentence.endswith(":"):
                    continue
                for topic, pattern in _TOPICS:
                    if pattern.search(folded):
                        yield Condition(
                            topic=topic, text=fold_spaces(sentence), document=document.name, page=block.page
                        )
                        break
