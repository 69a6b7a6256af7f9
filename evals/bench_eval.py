"""Speed of scoring: `python -m evals.bench_eval`

Ours: the kept mémoire (evals/kept.py) with each paragraph of every section many times over, the sentences made
different so that nothing is computed once for all, up to a hundred pages and ten times as many paragraphs again, in
seconds of processor, and how they grow. Any document: a hundred pages of 500 words made of the sample library's
sentences (evals/bench_diff.py), read against the sample's plan by the default embedder. Exit code 1 over LIMIT seconds
for a hundred pages, or over GROWTH times the time for ten times the paragraphs.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable

from evals.bench_diff import paragraphs
from evals.kept import Kept, kept
from pipeline import coverage, run, settings
from pipeline.handed import cover_document
from pipeline.records import Block, Memoire, Paragraph, Section

LIMIT, GROWTH = 60.0, 12.0
PAGE_PARAGRAPHS = 5
"""Drafted paragraphs a page, as in the sample's document; the rest are titles and tables."""


def grown(memoire: Memoire, times: int) -> Memoire:
    """Every paragraph ``times`` over, its sentences told apart by a number that nothing holds."""

    def copies(section: Section) -> Section:
        made = tuple(_copy(p, n) for n in range(times) for p in section.paragraphs)
        return section.model_copy(update={"paragraphs": made})

    return memoire.model_copy(update={"sections": tuple(copies(section) for section in memoire.sections)})


def _copy(paragraph: Paragraph, n: int) -> Paragraph:
    told = tuple(s.model_copy(update={"text": f"{s.text[:-1]} ({n})."}) for s in paragraph.sentences)
    return paragraph.model_copy(update={"id": f"{paragraph.id}x{n}", "sentences": told})


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def scoring(case: Kept, times: int) -> tuple[int, float]:
    """Paragraphs, and seconds to score them."""
    memoire = grown(case.memoire, times)
    size = sum(len(section.paragraphs) for section in memoire.sections)
    return size, seconds(lambda: coverage.cover(case.tender, memoire, case.headings, {}, case.secrets))


def main() -> int:
    case = kept()
    once = sum(len(section.paragraphs) for section in case.memoire.sections)
    times = -(-100 * PAGE_PARAGRAPHS // once)
    size, hundred = scoring(case, times)
    more, thousand = scoring(case, 10 * times)
    growth = thousand / hundred * (10 * size / more)
    print(
        f"ours, a hundred pages: {size} paragraphs in {hundred:.1f} s; {more} in {thousand:.1f} s, {growth:.1f} times"
    )
    embedder = run.load_embedder(settings.load())
    embedder.embed(["prêt"], "query")
    texts = paragraphs(random.Random(0))
    nodes = list(case.tender.plan)
    blocks = []
    for n, text in enumerate(texts):
        if n % (len(texts) // len(nodes) + 1) == 0:
            blocks.append(Block(kind="heading", text=nodes[n // (len(texts) // len(nodes) + 1)].heading))
        blocks.append(Block(kind="paragraph", text=text))
    handed = seconds(lambda: cover_document(case.tender, blocks, embedder, {}))
    print(f"any document, a hundred pages: {len(texts)} paragraphs of {sum(len(t.split()) for t in texts)} words in "
          f"{handed:.1f} s of processor")  # fmt: skip
    print(f"limits: {LIMIT:.0f} s, {GROWTH:.0f} times")
    return int(max(hundred, handed) > LIMIT or growth > GROWTH)


if __name__ == "__main__":
    sys.exit(main())
