"""How buyers word the naming of files: made-up wordings in tests/documents/naming.yaml, eight of them held out."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from pipeline.pack.kinds import kinds
from pipeline.pack.names import Bidder, Namer, Subject
from pipeline.pack.naming import read_naming
from pipeline.records import Block, Document, NamingRule
from tests.conftest import ROOT

CASES = yaml.safe_load((ROOT / "tests/documents/naming.yaml").read_text(encoding="utf-8"))
KIND = {kind.name: kind for kind in kinds()}
MEMOIRE = Subject(code="D1", kind=KIND["Memoire"], title="Mémoire technique", number=7, side="offre")


def read(*texts: str) -> NamingRule:
    blocks = tuple(Block(kind="paragraph", text=text, page=4) for text in texts)
    return read_naming([Document(name="rc.pdf", sha256="0" * 64, kind="dce", pages=9, blocks=blocks)])


def name(rule: NamingRule, subject: Subject = MEMOIRE, extension: str = ".pdf", candidate: str = "Ostréane") -> str:
    return Namer(rule, Bidder(candidate, "2"), "2026-17", "2027-02-12").name(subject, extension, ()).name


@pytest.mark.parametrize("case", CASES["known"] + CASES["held_out"], ids=lambda case: case["text"][:60])
def test_a_buyers_wording_gives_the_name_it_asks_for(case: dict[str, Any]) -> None:
    rule = read(case["text"])
    assert name(rule).lower() == case["name"].lower()
    assert rule.max_chars == case.get("max")
    assert list(rule.refused) == case.get("refused", [])
    assert rule.with_extension is case.get("extension", True)
