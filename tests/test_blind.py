"""Tenders written by people who had not seen the rules: what is read of them may not get worse."""

from __future__ import annotations

from collections import defaultdict

import pytest

from evals.read_blind import FOLDER, HELD_OUT, rows

BARS = {"criteria": 0.97, "plan titles": 0.91, "pieces": 0.9, "deadlines": 0.95, "selection_criteria": 1.0}
"""Recall measured on the tenders that were opened while the rules were written, less a little."""


@pytest.mark.parametrize("form", ["pdf", "docx"])
def test_what_is_read_of_known_layouts_stays_read(form: str) -> None:
    right: dict[str, int] = defaultdict(int)
    expected: dict[str, int] = defaultdict(int)
    for folder in sorted(FOLDER.iterdir()):
        if folder.name.startswith(HELD_OUT):
            continue
        for row in rows(folder, form):
            right[row.field] += row.right
            expected[row.field] += row.expected
            if row.field == "inconsistencies":
                assert row.found == 0, f"{folder.name}: a false inconsistency costs the firm's credit"
    short = {field: right[field] / expected[field] for field in BARS if right[field] < BARS[field] * expected[field]}
    assert short == {}
