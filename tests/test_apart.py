"""A function in a process of its own: result, progress and expected errors come back; a dead process is said."""

from __future__ import annotations

import os
import time

import pytest

from pipeline.apart import Child, Tell, apart
from pipeline.errors import DossierError, MemoireError


def adds(left: int, right: int, tell: Tell) -> int:
    tell("somme", 1, 2)
    return left + right


def refuses(tell: Tell) -> None:
    raise DossierError("Ce dossier est vide", where="/x", remedy="Remplissez-le.")


def dies(tell: Tell) -> None:
    os._exit(9)


def works_on(tell: Tell) -> None:
    for step in range(10_000):
        tell("essai", step, 10_000)
        time.sleep(0.002)


def test_work_asked_to_stop_stops_when_it_next_tells_progress() -> None:
    child = Child(works_on, pace=0.05)
    try:
        heard = [child.hear() for _ in range(3)]
        assert all(said.value[1] >= 10 * number for number, said in enumerate(heard)), "told at every step"
        child.stop()
        while (last := child.hear()).kind == "progress":
            pass
        assert last.kind == "stopped"
    finally:
        child.close()


def test_result_and_progress_come_back() -> None:
    said: list[tuple[str, int, int]] = []
    assert apart(adds, 2, 3, tell=lambda *told: said.append(told)) == 5
    assert said == [("somme", 1, 2)]


def test_an_expected_error_keeps_its_class_and_its_parts() -> None:
    with pytest.raises(DossierError, match="Remplissez-le") as caught:
        apart(refuses)
    assert caught.value.where == "/x"


def test_a_process_that_dies_is_one_clear_line() -> None:
    with pytest.raises(MemoireError, match="code 9"):
        apart(dies)
