"""PDF: text and fonts by pypdfium2, tables by pdfplumber on the pages that have ruling lines only.

pdfplumber costs about 0.2 s a page where pypdfium2 costs 2 ms, so a page is handed to it only when both vertical
and horizontal rules are drawn on it. Pages are closed as they are read: memory does not grow with the file.
"""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from pipeline.errors import DocumentError
from pipeline.french import fold_spaces
from pipeline.readers import ocr
from pipeline.readers.columns import LEAST_GUTTER, Box, gutter, in_reading_order
from pipeline.readers.lines import Line, assemble
from pipeline.readers.pdf_tables import Table, continues, is_ruled, read_tables, rows_to_append
from pipeline.readers.text import Content, table_block
from pipeline.records import Block

SCANNED_CHARS = 50
"""A page with fewer characters than this and an image is taken for a scan (FINDINGS, pitfall f)."""
COLUMNS_CHARS = 600
"""Two columns of LEAST_LINES lines hold at least this many characters: shorter pages need not be looked at."""
RIGHT_SLACK = 0.03
"""Share of the column's width within which the right margin counts as reached (ragged right, kerning)."""
MARGIN_SHARE = 0.12
"""Share of the page height at top and bottom in which a repeated line is a running header or footer."""


@dataclass(frozen=True, slots=True)
class _Placed:
    line: Line
    y0: float
    y1: float
    baseline: float
    right: float | None = None
    """The right edge of its column, where the page has two."""


def read_pdf(data: bytes, name: str) -> Content:
    """Blocks in reading order. Raises DocumentError: not a PDF, encrypted, no page, or no text at all (a scan)."""
    try:
        pdf = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if raw.FPDF_GetLastError() == raw.FPDF_ERR_PASSWORD:
            raise DocumentError(
                "Ce PDF est protégé par un mot de passe",
                where=name,
                remedy="Retirez la protection, puis recommencez.",
            ) from error
        raise DocumentError(
            "Ce fichier n'est pas un PDF lisible",
            where=name,
            remedy="Ouvrez-le pour vérifier, et demandez à l'acheteur un exemplaire intact.",
        ) from error
    try:
        pages: list[list[_Placed]] = []
        ruled, scanned = [], []
        for index in range(len(pdf)):
            page = pdf[index]
            has_rules = is_ruled(page)
            placed, count = _page_lines(page, index + 1, in_columns=not has_rules)
            if count < SCANNED_CHARS and _has_image(page):
                recognised = _recognised(page, index + 1) if ocr.available() else []
                placed = recognised or placed
                if not recognised:
                    scanned.append(index + 1)
            elif count and has_rules:
                ruled.append(index)
            pages.append(placed)
            page.close()
        total = len(pdf)
    except pdfium.PdfiumError as error:
        raise DocumentError(
            f"La page {len(pages) + 1} de ce PDF est endommagée",
            where=name,
            remedy="Demandez à l'acheteur un exemplaire intact.",
        ) from error
    finally:
        pdf.close()
    if not total:
        raise DocumentError("Ce PDF n'a aucune page", where=name, remedy="Donnez le document complet.")
    if not any(pages):
        raise DocumentError(
            f"Ce PDF ne contient aucun texte ({total} page{'s' if total > 1 else ''}, sans doute numérisées)",
            where=name,
            remedy="Passez-le à la reconnaissance de caractères (OCR), puis recommencez.",
        )
    tables = read_tables(data, ruled)
    blocks = _blocks(_without_hyphens(_without_running_lines(pages)), tables)
    return Content(blocks, total, tuple(scanned))


def _has_image(page: pdfium.PdfPage) -> bool:
    return next(iter(page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3)), None) is not None


def _recognised(page: pdfium.PdfPage, number: int) -> list[_Placed]:
    return [
        _Placed(Line(line.text, number, line.x0, line.x1, 0.0, size=line.size), line.y0, line.y1, line.y0)
        for line in ocr.recognise(page)
    ]


def _page_lines(page: pdfium.PdfPage, number: int, *, in_columns: bool) -> tuple[list[_Placed], int]:
    """Visual lines of a page in reading order, and how many characters it has; ``in_columns`` where it may have two."""
    textpage = page.get_textpage()
    text = textpage.get_text_range()
    placed: list[_Placed] = []
    if len(text) == textpage.count_chars():
        middle = gutter(_boxes(textpage)) if in_columns and len(text) >= COLUMNS_CHARS else None
        position = 0
        for piece in re.split(r"\r\n|\r|\n", text):
            stripped = piece.strip()
            if stripped:
                start = position + piece.index(stripped[0])
                for at, part in _split_at(textpage, stripped, start, middle):
                    placed.append(_placed(textpage, part, at, number))
            position += len(piece) + 2
        if middle is not None:
            placed = _by_column(placed, middle)
    else:  # characters outside the basic plane shift the indexes: place the lines by searching for them
        for piece in text.splitlines():
            if piece.strip():
                placed.append(_Placed(Line(piece.strip(), number, 0, 0, 0), 0, 0, 0))
    textpage.close()
    return [item for item in placed if item.line.size != 1.0], len(text.strip())


def _boxes(textpage: pdfium.PdfTextPage) -> list[Box]:
    """Runs of text as pdfium draws them, those of one line put together."""
    boxes: list[Box] = []
    for left, bottom, right, top in sorted(
        (textpage.get_rect(i) for i in range(textpage.count_rects())), key=lambda r: (-round((r[1] + r[3]) / 4), r[0])
    ):
        y = (bottom + top) / 2
        last = boxes[-1] if boxes else None
        if last and abs(last.y - y) < 2 and -1 <= left - last.x1 < LEAST_GUTTER:
            boxes[-1] = Box(last.x0, max(last.x1, right), last.y)
        else:
            boxes.append(Box(left, right, y))
    return boxes


def _split_at(textpage: pdfium.PdfTextPage, text: str, start: int, middle: float | None) -> Iterator[tuple[int, str]]:
    """The line, or its two halves where pdfium joined the lines of two columns over the gutter."""
    if middle is not None and textpage.get_charbox(start)[0] < middle < textpage.get_charbox(start + len(text) - 1)[2]:
        for match in re.finditer(r"\s+", text):
            before, after = textpage.get_charbox(start + match.start() - 1), textpage.get_charbox(start + match.end())
            if before[2] <= middle <= after[0] and after[0] - before[2] >= LEAST_GUTTER:
                yield start, text[: match.start()]
                yield start + match.end(), text[match.end() :]
                return
    yield start, text


def _by_column(placed: Sequence[_Placed], middle: float) -> list[_Placed]:
    sides = ([p.line.x1 for p in placed if p.line.x1 <= middle], [p.line.x1 for p in placed if p.line.x0 >= middle])
    left, right = (sorted(side)[int(len(side) * 0.9)] if side else None for side in sides)
    marked = [
        replace(p, right=left) if p.line.x1 <= middle else replace(p, right=right) if p.line.x0 >= middle else p
        for p in placed
    ]
    return in_reading_order([(Box(p.line.x0, p.line.x1, p.baseline), p) for p in marked], middle)


def _placed(textpage: pdfium.PdfTextPage, text: str, start: int, number: int) -> _Placed:
    inner = [i for i, c in enumerate(text) if c.isalnum()] or [0]
    sample = start + inner[min(len(inner) - 1, 3)]
    left = textpage.get_charbox(start)
    right = textpage.get_charbox(start + len(text) - 1)
    middle = textpage.get_charbox(sample)
    size = float(raw.FPDFText_GetFontSize(textpage.raw, sample))
    if size <= 1.01:  # the size is in the text matrix: the box of a letter tells it (about 0.72 em for a capital)
        size = round((middle[3] - middle[1]) / 0.72, 1)
    x, y = ctypes.c_double(), ctypes.c_double()
    raw.FPDFText_GetCharOrigin(textpage.raw, sample, x, y)
    # a title run into its paragraph is bold at its beginning only
    bold = _is_bold(textpage, sample) and _is_bold(textpage, start + inner[-1])
    line = Line(text=text, page=number, x0=left[0], x1=right[2], gap=0.0, size=size, bold=bold)
    return _Placed(line, middle[1], middle[3], y.value)


def _is_bold(textpage: pdfium.PdfTextPage, index: int) -> bool:
    buffer = ctypes.create_string_buffer(128)
    flags = ctypes.c_int()
    raw.FPDFText_GetFontInfo(textpage.raw, index, buffer, 128, flags)
    font = buffer.value.decode("utf-8", "replace").lower()
    return "bold" in font or "black" in font or raw.FPDFText_GetFontWeight(textpage.raw, index) >= 600


def _without_running_lines(pages: Sequence[list[_Placed]]) -> list[list[_Placed]]:
    """Drop running headers and footers: same words (digits apart) at the same height on at least half the pages."""
    if len(pages) < 3:
        return list(pages)
    heights = [max((p.y1 for p in page), default=0.0) for page in pages]
    full = max(heights)
    seen: Counter[tuple[str, int]] = Counter()

    def key(item: _Placed) -> tuple[str, int] | None:
        if MARGIN_SHARE * full < item.y0 < (1 - MARGIN_SHARE) * full:
            return None
        return re.sub(r"\d+", "0", fold_spaces(item.line.text)), round(item.y0 / 6)

    for page in pages:
        seen.update({k for k in map(key, page) if k})
    repeated = {k for k, n in seen.items() if n >= max(3, len(pages) / 2)}
    # what the header of the first page says of the tender (its reference) stays, once
    kept = {key(item) for item in pages[0] if key(item) in repeated and _names_the_tender(item.line.text)}
    return [
        [item for item in page if key(item) not in repeated or (number == 0 and key(item) in kept)]
        for number, page in enumerate(pages)
    ]


def _names_the_tender(text: str) -> bool:
    return bool(re.search(r"(?=\S*\d)(?=\S*[A-Z])\S{5,}", text)) and not re.search(r"\bpage\b", text, re.IGNORECASE)


_HYPHEN = re.compile(r"(\w+)[\ufffe\u00ad\u0002](\w+)")
_PREFIXES = frozenset(
    [
        "anti",
        "après",
        "arrière",
        "auto",
        "avant",
        "bi",
        "ci",
        "co",
        "contre",
        "demi",
        "ex",
        "extra",
        "hors",
        "inter",
        "mi",
        "multi",
        "non",
        "pré",
        "semi",
        "sous",
        "sur",
        "vice",
    ]
)


def _without_hyphens(pages: Sequence[list[_Placed]]) -> list[list[_Placed]]:
    """pdfium marks a hyphen at a line's end: drop it where it only cut a word, keep it in a compound.

    It only cut the word where the joined form stands elsewhere in the document, or where what precedes it is no
    word of the document nor a French prefix.
    """
    vocabulary = {word.lower() for page in pages for item in page for word in re.findall(r"\w+", item.line.text)}

    def join(match: re.Match[str]) -> str:
        left, right = match[1], match[2]
        cut = (left + right).lower() in vocabulary or (
            left.lower() not in vocabulary - {left.lower()}
            and left.lower() not in _PREFIXES
            and right.islower()
            and len(left) <= 3
        )
        return left + right if cut else f"{left}-{right}"

    return [
        [
            replace(item, line=replace(item.line, text=_HYPHEN.sub(join, item.line.text)))
            if _HYPHEN.search(item.line.text)
            else item  # a long file must not hold two of every line
            for item in page
        ]
        for page in pages
    ]


def _blocks(pages: Sequence[list[_Placed]], tables: Sequence[Table]) -> list[Block]:
    """Blocks in reading order: text lines outside tables, tables at their place, tables joined across pages."""
    right = _right_edge(pages)
    blocks: list[Block] = []
    pending: list[Line] = []
    open_table: list[tuple[str, ...]] = []
    row_pages: list[int] = []
    row_ends: list[int] = []

    def flush_lines() -> None:
        blocks.extend(assemble(pending))
        pending.clear()

    def flush_table() -> None:
        if open_table:
            blocks.append(table_block(open_table, row_pages[0], row_pages, row_ends))
            open_table.clear()
            row_pages.clear()
            row_ends.clear()

    for number, page in enumerate(pages, start=1):
        here = sorted((t for t in tables if t.page == number), key=lambda t: -t.top)
        previous: _Placed | None = None
        for item in _with_tables(page, here):
            if isinstance(item, Table):
                flush_lines()
                if open_table and previous is None and continues(open_table, item.rows):
                    open_table.extend(rows_to_append(open_table, item.rows))
                else:
                    flush_table()
                    open_table.extend(item.rows)
                for pages_of_rows in (row_pages, row_ends):
                    pages_of_rows.extend([number] * (len(open_table) - len(pages_of_rows)))
                previous = None
                continue
            if open_table and previous is None and here and _belongs(item, here[0], open_table):
                _append(open_table, item, here[0])
                row_ends[-1] = number
                continue
            flush_table()
            gap = 0.0 if previous is None else _gap(previous, item)
            edge = previous.right * (1 - RIGHT_SLACK) if previous and previous.right else right
            if pending:
                pending[-1] = replace(pending[-1], wrap=_was_wrapped(pending[-1], item.line, edge))
            pending.append(replace(item.line, gap=gap, new_page=previous is None and bool(pending)))
            previous = item
        page.clear()  # a page's lines are not needed again: a long file must not hold them and its blocks at once
    flush_table()
    flush_lines()
    return blocks


def _belongs(item: _Placed, below: Table, rows: Sequence[tuple[str, ...]]) -> bool:
    """Whether a line above a page's first table is the end of a cell that the page break cut: it lies within one
    column of that table, which goes on the table of the page before."""
    column = _column(item, below)
    return column is not None and len(rows[0]) == len(below.rows[0]) and item.y0 > below.top - 2


def _column(item: _Placed, table: Table) -> int | None:
    middle = (item.line.x0 + item.line.x1) / 2
    for number, (left, right) in enumerate(table.spans):
        if left - 3 <= item.line.x0 and item.line.x1 <= right + 3 and left <= middle <= right:
            return number
    return None


def _append(rows: list[tuple[str, ...]], item: _Placed, below: Table) -> None:
    column = _column(item, below) or 0
    rows[-1] = tuple(f"{cell} {item.line.text}".strip() if i == column else cell for i, cell in enumerate(rows[-1]))


def _with_tables(page: Sequence[_Placed], tables: Sequence[Table]) -> Iterator[_Placed | Table]:
    waiting = list(tables)
    for item in page:
        middle = (item.y0 + item.y1) / 2
        inside = next((t for t in tables if t.bottom <= middle <= t.top), None)
        while waiting and (inside is waiting[0] or (inside is None and item.y1 <= waiting[0].top)):
            yield waiting.pop(0)
        if inside is None:
            yield item
    yield from waiting


def _right_edge(pages: Sequence[list[_Placed]]) -> float:
    """The abscissa of the right margin, in points, less a slack."""
    long = [item.line for page in pages for item in page if len(item.line.text) > 40]
    if not long:
        return float("inf")
    right = sorted(line.x1 for line in long)[int(len(long) * 0.9)]
    left = sorted(line.x0 for line in long)[int(len(long) * 0.1)]
    return right - RIGHT_SLACK * (right - left)


def _gap(above: _Placed, below: _Placed) -> float:
    """Space between two baselines beyond one line's height, in line heights."""
    return max(0.0, (above.baseline - below.baseline) / max(below.line.size, 1.0) - 1.0)


def _was_wrapped(line: Line, following: Line, right: float) -> bool:
    """Whether the next line's first word would not have fitted at the end of this one."""
    word = following.text.split(None, 1)[0]
    width = (following.x1 - following.x0) / max(len(following.text), 1)
    return line.x1 + (len(word) + 1) * width >= right
