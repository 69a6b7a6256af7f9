"""Does a review find which paragraph became which? `python -m evals.alignment [--shown]`

A fictional mémoire (evals/cases/review_base.yaml) and thirty versions of it as a bid manager leaves them
(review_variants.yaml): rewritten by hand, cut, joined, moved, reordered, reworded. What became of each paragraph is
known from how the version was made. A paragraph of the version is right where it is found with just the paragraphs it
was made of, or with none where it was added; a dropped one is right where it is found with none. Ten versions, written
before anything was tuned, were not looked at while tuning. « touchés » leaves out what neither changed nor moved.

Exit code 1 under LEAST.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from pipeline.coverage import share
from pipeline.records import Block, PlanNode, Review
from pipeline.review import review
from pipeline.settings import ROOT

CASES = ROOT / "evals" / "cases"
LEAST = 0.95


@dataclass
class Text:
    """A paragraph of a version and the paragraphs it was made of."""

    text: str
    origins: tuple[str, ...]
    touched: bool = False


@dataclass
class Version:
    id: str
    held: bool
    what: str
    sections: list[tuple[str, list[Text]]]
    dropped: list[str] = field(default_factory=list)


def base() -> list[dict[str, Any]]:
    """The generated document: sections with their title and texts."""
    loaded: list[dict[str, Any]] = yaml.safe_load((CASES / "review_base.yaml").read_text(encoding="utf-8"))
    return loaded


def versions() -> list[Version]:
    """What was made of it."""
    told = yaml.safe_load((CASES / "review_variants.yaml").read_text(encoding="utf-8"))
    return [_made(item) for item in told]


def _made(item: dict[str, Any]) -> Version:
    sections = [
        (section["title"], [Text(text, (key,)) for key, text in section["texts"].items()]) for section in base()
    ]
    dropped = item.get("drop", [])
    for _, texts in sections:
        texts[:] = [text for text in texts if text.origins[0] not in dropped]

    def place(key: str) -> tuple[list[Text], int]:
        return next((texts, n) for _, texts in sections for n, text in enumerate(texts) if key in text.origins)

    for key, text in item.get("rewrite", {}).items():
        texts, n = place(key)
        texts[n] = Text(text, (key,), touched=True)
    for key, halves in item.get("split", {}).items():
        texts, n = place(key)
        texts[n : n + 1] = [Text(half, (key,), touched=True) for half in halves]
    for joined in item.get("merge", []):
        texts, n = place(joined["of"][0])
        size = len(joined["of"])
        whole = " ".join(text.text for text in texts[n : n + size])
        texts[n : n + size] = [Text(joined.get("text", whole), tuple(joined["of"]), touched=True)]
    for after, text in item.get("add", []):
        texts, n = place(after)
        texts.insert(n + 1, Text(text, (), touched=True))
    for key, after in item.get("move", []):
        texts, n = place(key)
        moved = texts.pop(n)
        moved.touched = True
        texts, n = place(after)
        texts.insert(n + 1, moved)
    order = item.get("order", range(1, len(sections) + 1))
    titles = item.get("titles", {})
    kept = [(titles.get(n, sections[n - 1][0]), sections[n - 1][1]) for n in order]
    left = [text for n, (_, texts) in enumerate(sections, 1) if n not in order for text in texts]
    assert not left, f"{item['id']} : {left}"
    return Version(item["id"], item.get("held", False), item["what"], kept, list(dropped))


def blocks(sections: Sequence[tuple[str, Sequence[str]]]) -> list[Block]:
    """Headings, paragraphs, and rows that follow each other as tables."""
    made: list[Block] = []
    for title, texts in sections:
        made.append(Block(kind="heading", text=title, level=1))
        rows: list[tuple[str, ...]] = []
        for text in [*texts, ""]:
            if " | " in text:
                rows.append(tuple(text.split(" | ")))
                continue
            if rows:
                made.append(Block(kind="table", text="\n".join(" | ".join(row) for row in rows), rows=tuple(rows)))
                rows = []
            if text:
                made.append(Block(kind="paragraph", text=text))
    return made


def compared(version: Version) -> Review:
    """The review of a version."""
    sections = base()
    plan = [
        PlanNode(number=number, title=title, level=1, prefix=f"{number}.")
        for number, title in (section["title"].split(". ", 1) for section in sections)
    ]
    ours = blocks([(section["title"], list(section["texts"].values())) for section in sections])
    theirs = blocks([(title, [text.text for text in texts]) for title, texts in version.sections])
    return review(plan, ours, theirs)


def verdicts(version: Version) -> list[tuple[str, bool, bool]]:
    """(what, whether it was found as it was made, whether people touched it) of each paragraph."""
    texts = {key: text for section in base() for key, text in section["texts"].items()}
    rows = [row for section in compared(version).sections for row in section.paragraphs]
    found = []
    for _, made in version.sections:
        for text in made:
            row = next((row for row in rows if row.human and text.text in row.human), None)
            said = row.generated or "" if row else ""
            origins = {key for key, known in texts.items() if known in said}
            found.append((text.text, origins == set(text.origins), text.touched))
    for key in version.dropped:
        row = next(row for row in rows if row.generated and texts[key] in row.generated)
        found.append((f"supprimé : {texts[key]}", row.human is None, True))
    return found


def main() -> int:
    shown = "--shown" in sys.argv
    enough = True
    for held, name in ((False, "réglage"), (True, "mis de côté")):
        chosen = [version for version in versions() if version.held == held]
        told = [(version, *verdict) for version in chosen for verdict in verdicts(version)]
        for version, text, right, _ in told:
            if shown and not held and not right:
                print(f"{version.id} ({version.what}) : {text}")
        for what, counted in (("tous", told), ("touchés", [row for row in told if row[3]])):
            metric = share([float(row[2]) for row in counted])
            low, high = metric.interval or (0.0, 0.0)
            print(
                f"{name}, {what} : {metric.value:.3f} sur {metric.n} paragraphes de {len(chosen)} versions "
                f"(Wilson 95 % : {low:.3f} à {high:.3f})"
            )
            enough = enough and (what != "tous" or (metric.value or 0.0) >= LEAST)
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
