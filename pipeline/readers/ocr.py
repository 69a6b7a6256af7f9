"""Scanned pages, by tesseract where it is installed: `pip install memoire[ocr]` and Debian's tesseract-ocr-fra."""

from __future__ import annotations

import importlib.util
import shutil
import statistics
from functools import cache
from typing import NamedTuple

import pypdfium2 as pdfium

from pipeline.french import fold_spaces

LANGUAGE = "fra"
DPI = 200
"""Resolution pages are rendered at: tesseract wants capitals of 20 pixels or more, 7 points at 200 dots an inch."""
MOST_PIXELS = 4000
"""Longest side rendered, for pages drawn larger than A3."""
SECONDS_A_PAGE = 60
LEAST_CONFIDENCE = 30
"""Words tesseract is less sure of than this (of 100) are specks and stamps."""


class ScannedLine(NamedTuple):
    """A line of text recognised on a page; lengths in points, from the page's bottom left corner."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    """Font size estimated from the height; the page's usual one where it is near it."""


@cache
def available() -> bool:
    """Whether the extra, the program and its French data are installed."""
    if importlib.util.find_spec("pytesseract") is None or shutil.which("tesseract") is None:
        return False
    import pytesseract  # here and below: it brings 20 MB that a PDF with text never needs

    return LANGUAGE in pytesseract.get_languages()


def recognise(page: pdfium.PdfPage) -> list[ScannedLine]:
    """The lines of a scanned page, top to bottom; empty where none is legible within SECONDS_A_PAGE."""
    import pytesseract

    width, height = page.get_size()
    scale = min(DPI / 72, MOST_PIXELS / max(width, height, 1))
    image = page.render(scale=scale, grayscale=True).to_pil()
    try:
        data = pytesseract.image_to_data(
            image, lang=LANGUAGE, timeout=SECONDS_A_PAGE, output_type=pytesseract.Output.DICT
        )
    except (pytesseract.TesseractError, RuntimeError):  # RuntimeError is how it says that time is up
        return []
    lines: dict[tuple[int, int, int], list[int]] = {}
    for i, word in enumerate(data["text"]):
        if word.strip() and float(data["conf"][i]) >= LEAST_CONFIDENCE:
            lines.setdefault((data["block_num"][i], data["par_num"][i], data["line_num"][i]), []).append(i)
    found = []
    for words in lines.values():
        x0, x1 = min(data["left"][i] for i in words), max(data["left"][i] + data["width"][i] for i in words)
        top, bottom = min(data["top"][i] for i in words), max(data["top"][i] + data["height"][i] for i in words)
        text = fold_spaces(" ".join(data["text"][i] for i in words))
        y0, y1 = height - bottom / scale, height - top / scale
        found.append(ScannedLine(text, x0 / scale, y0, x1 / scale, y1, y1 - y0))
    return _usual_size(found)


def _usual_size(lines: list[ScannedLine]) -> list[ScannedLine]:
    """Heights vary with ascenders and descenders: a line within a third of the median has the body's size."""
    if not lines:
        return []
    body = round(statistics.median(line.size for line in lines), 1)
    return [line._replace(size=body if abs(line.size - body) <= body / 3 else round(line.size, 1)) for line in lines]
