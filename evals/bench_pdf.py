"""Speed and memory of PDF reading: `python -m evals.bench_pdf [FILE.pdf]`.

Baseline, in the same run and turn by turn: pypdfium2's text of every page plus pdfplumber's tables on the ruled pages,
the least any reader of these two must do. Then a 2,000-page file made of the same pages' text, whose memory must not
follow its length. Exit code 1 over RATIO or MEMORY.
"""

from __future__ import annotations

import io
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pdfplumber
import pypdfium2 as pdfium

from pipeline.readers import pdf as reader
from pipeline.readers.pdf_tables import is_ruled
from pipeline.settings import ROOT

RATIO = 1.3
MEMORY = 400 << 20
"""Bytes a reading may take at its peak, interpreter and libraries included."""
RUNS = 5
PAGES = 2000


def baseline(data: bytes) -> None:
    """Text of every page, tables of the ruled ones."""
    ruled = []
    with pdfium.PdfDocument(data) as pdf:
        for number in range(len(pdf)):
            page = pdf[number]
            text = page.get_textpage()
            text.get_text_range()
            text.close()
            if is_ruled(page):
                ruled.append(number + 1)
            page.close()
    with pdfplumber.open(io.BytesIO(data), pages=ruled) as document:
        for ruled_page in document.pages:
            for table in ruled_page.find_tables():
                table.extract()
            ruled_page.close()


def seconds(work: Callable[[bytes], object], data: bytes) -> float:
    started = time.process_time()
    work(data)
    return time.process_time() - started


def _peak(data: bytes, pipe: multiprocessing.connection.Connection) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    blocks, pages, _ = reader.read_pdf(data, "bench.pdf")
    pipe.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, before * 1024, len(blocks), pages))


def peak(data: bytes) -> tuple[int, int, int, int]:
    """``(peak bytes, bytes before, blocks, pages)`` of one reading in a fresh process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_peak, args=(data, theirs))
    child.start()
    theirs.close()  # so that a child that dies ends the wait
    result: tuple[int, int, int, int] = ours.recv()
    child.join()
    return result


def long_pdf(source: bytes, pages: int) -> bytes:
    """A file of ``pages`` pages: the unruled pages of ``source`` over and over."""
    with pdfium.PdfDocument(source) as pdf, pdfium.PdfDocument.new() as made:
        plain = [number for number in range(len(pdf)) if not is_ruled(pdf[number])]
        while len(made) < pages:
            made.import_pages(pdf, plain[: pages - len(made)])
        stream = io.BytesIO()
        made.save(stream)
    return stream.getvalue()


def main() -> int:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "dce" / "vsgp" / "CCTP.pdf"
    if not path.is_file():
        path = ROOT / "corpus" / "dce" / "rc.pdf"
    data = path.read_bytes()
    baseline(data)
    reader.read_pdf(data, path.name)
    pairs = [(seconds(lambda d: reader.read_pdf(d, path.name), data), seconds(baseline, data)) for _ in range(RUNS)]
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    used, before, blocks, pages = peak(data)
    print(f"{path.name} : {pages} pages, {blocks} blocs")
    print(f"temps processeur médian : {statistics.median(p[0] for p in pairs):.2f} s, ", end="")
    print(f"référence {statistics.median(p[1] for p in pairs):.2f} s, rapport {ratio:.2f} (limite {RATIO})")
    print(f"mémoire au plus : {used / 2**20:.0f} Mio dont {before / 2**20:.0f} avant lecture (limite {MEMORY >> 20})")
    short_used, *_ = peak(long_pdf(data, PAGES // 10))
    long_used, _, long_blocks, long_pages = peak(long_pdf(data, PAGES))
    print(
        f"{long_pages} pages, {long_blocks} blocs : {long_used / 2**20:.0f} Mio au plus, contre "
        f"{short_used / 2**20:.0f} Mio pour {PAGES // 10} pages"
    )
    return 1 if ratio > RATIO or max(used, long_used) > MEMORY else 0


if __name__ == "__main__":
    sys.exit(main())
