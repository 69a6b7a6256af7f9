from pathlib import Path

import pytest

from pipeline import settings
from pipeline.errors import SettingsError


def test_the_command_line_wins_over_environment_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "settings.toml").write_text('[llm]\nmodel = "a"\nthreads = 3\n', encoding="utf-8")
    assert settings.load(tmp_path).llm.model == "a"
    monkeypatch.setenv("MEMOIRE_LLM__MODEL", "b")
    loaded = settings.load(tmp_path)
    assert (loaded.llm.model, loaded.llm.threads) == ("b", 3)
    assert settings.load(tmp_path, ["llm.model=c"]).llm.model == "c"


@pytest.mark.parametrize(
    ("file", "override", "says"),
    [
        ("[llm]\nmodell = 'a'\n", [], "modell"),
        ("[llm\n", [], "illisibles"),
        ("", ["llm.modell=a"], "llm.modell"),
        ("", ["llm.model"], "groupe.nom=valeur"),
        ("", ["split.passage_chars=3"], "passage_chars"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, file: str, override: list[str], says: str) -> None:
    (tmp_path / "settings.toml").write_text(file, encoding="utf-8")
    with pytest.raises(SettingsError, match=says):
        settings.load(tmp_path, override)
