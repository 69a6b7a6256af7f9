"""Sentences of our drafts with what they cite, labelled by hand: is the citation right, is the sentence all in it?

`python -m evals.citations FOLDER… [--count 130]` draws sentences at random from drafted dossiers into
evals/labels/citations.yaml, without labels; whoever reads fills « precise » and « supported ». The rule of labelling is
at the head of that file. Quotes of a real tender are not drawn: its wording stays out of this repository.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipeline import run
from pipeline.workspace import open_dossier

FILE = Path(__file__).parent / "labels" / "citations.yaml"
SEED = 20261122
RULE = """# Sentences drawn at random from whole drafts (sample dossier, CAIH; default model), with what they cite.
# Labelled by reading, without seeing what the verifier said.
#   precise:   true where every passage cited says part of what the sentence says; false where one is beside it.
#   supported: true where everything the sentence says is in the passages cited (figures with their unit, names, dates,
#              who did it, for whom, whether it is done or promised); false where anything is added, lost in such a way
#              that the meaning changes, or turned round. « Pour tel client » is right when the passage is his.
#   note:      what is wrong, where something is.
"""


@dataclass(frozen=True)
class Label:
    """A sentence and what a reader says of its citations."""

    sentence: str
    precise: bool
    supported: bool


def citations() -> list[Label]:
    """Every labelled sentence; none where the file is absent."""
    if not FILE.is_file():
        return []
    rows = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return [
        Label(row["sentence"], row["precise"], row["supported"])
        for row in rows
        if row["precise"] is not None and row["supported"] is not None
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=130)
    chosen = parser.parse_args()
    drawn = []
    for folder in chosen.folders:
        for section in run.memoire_of(open_dossier(folder)).sections:
            passages = {p.id: p for p in section.passages}
            for paragraph in section.paragraphs:
                for sentence in paragraph.sentences:
                    if sentence.claim == "asked":
                        continue
                    cited = [
                        {
                            "document": passages[name].document,
                            "client": passages[name].client_alias or passages[name].client,
                            "heading": " › ".join(passages[name].headings[-2:]),
                            "text": passages[name].text,
                        }
                        for name in sentence.passages
                    ]
                    drawn.append(
                        {
                            "dossier": folder.name,
                            "section": section.number,
                            "sentence": sentence.text,
                            "cited": cited,
                            "precise": None,
                            "supported": None,
                            "note": "",
                        }
                    )
    random.Random(SEED).shuffle(drawn)
    body = yaml.safe_dump(drawn[: chosen.count], allow_unicode=True, sort_keys=False, width=110)
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(RULE + body, encoding="utf-8")
    print(f"{min(chosen.count, len(drawn))} phrases sur {len(drawn)} : {FILE}")


if __name__ == "__main__":
    main()
