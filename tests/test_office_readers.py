"""ODT, XLSX and ODS: what they say as it reads on the screen, and one clear line where they cannot be read."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import odfdo
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import DocumentError
from pipeline.readers.docx import read_docx
from pipeline.readers.odt import read_odt
from pipeline.readers.sheets import read_sheet
from pipeline.records import Block, Criterion, Document
from pipeline.tender.criteria import read_criteria
from pipeline.tender.plan import read_plan
from tests.conftest import CORPUS

BREAK = "<text:soft-page-break/>"
BULLETS = (
    '<text:list-style style:name="Puces">'
    '<text:list-level-style-bullet text:level="1" text:bullet-char="-"/></text:list-style>'
)
NUMBERS = (
    '<text:list-style style:name="Nombres">'
    '<text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/>'
    '<text:list-level-style-number text:level="2" style:num-format="1" text:display-levels="2"/>'
    '<text:list-level-style-number text:level="3" style:num-format="a" style:num-suffix=")"/>'
    "</text:list-style>"
)
CHAPTERS = (
    '<text:list-style style:name="Chapitres">'
    '<text:list-level-style-number text:level="1" style:num-format="I" loext:num-list-format="Chapitre %1% –"/>'
    "</text:list-style>"
)


def text(*body: str, styles: Sequence[str] = ()) -> bytes:
    """An ODT with these elements."""
    return opendocument("text", body, styles)


def spreadsheet(*tables: str) -> bytes:
    """An ODS with these tables."""
    return opendocument("spreadsheet", tables, ())


def opendocument(kind: str, body: Sequence[str], styles: Sequence[str]) -> bytes:
    document = odfdo.Document(kind)
    document.body.clear()
    for xml in body:
        document.body.append(odfdo.Element.from_tag(xml))
    automatic = document.get_part("content.xml").root.get_element("//office:automatic-styles")  # type: ignore[union-attr]
    for xml in styles:
        automatic.append(odfdo.Element.from_tag(xml))  # type: ignore[union-attr]
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def workbook(build: Callable[[Any], None]) -> bytes:
    """An XLSX made by ``build(workbook)``."""
    book = openpyxl.Workbook()
    build(book)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def edited(data: bytes, part: str, edit: Callable[[bytes], bytes]) -> bytes:
    """The package with one part changed, or added."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, edit(old.read(name)) if name == part else old.read(name))
        if part not in old.namelist():
            new.writestr(part, edit(b""))
    return stream.getvalue()


def listed(*items: str, attributes: str = 'text:style-name="Nombres"') -> str:
    """A list of items, each given as XML."""
    return (
        f"<text:list {attributes}>{''.join(f'<text:list-item>{item}</text:list-item>' for item in items)}</text:list>"
    )


def p(words: str, style: str = "Standard") -> str:
    return f'<text:p text:style-name="{style}">{words}</text:p>'


def h(words: str, level: int = 1) -> str:
    return f'<text:h text:outline-level="{level}">{words}</text:h>'


def cell(words: str, attributes: str = "") -> str:
    return f"<table:table-cell {attributes}>{words}</table:table-cell>"


def row(*cells: str, attributes: str = "") -> str:
    return f"<table:table-row {attributes}>{''.join(cells)}</table:table-row>"


def table(*rows: str) -> str:
    return f'<table:table table:name="Prix">{"".join(rows)}</table:table>'


def seen(blocks: Sequence[Block]) -> list[tuple[str, str, str, int]]:
    return [(block.kind, block.marker, block.text, block.level) for block in blocks]


# --- ODT ---------------------------------------------------------------------------------------------------


def test_odt_headings_items_and_paragraphs_keep_their_level() -> None:
    inner = listed(p("sous-point"), attributes="")
    blocks, pages = read_odt(
        text(
            h("Objet"),
            p("Le <text:span>présent</text:span><text:s text:c='3'/>marché<text:tab/>porte<text:line-break/>sur :"),
            listed(p("premier point ;") + inner, p("second point."), attributes='text:style-name="Puces"'),
            h("Durée", 2),
            p("- tiret tapé"),
            p(""),
            styles=[BULLETS],
        ),
        "rc.odt",
    )
    assert seen(blocks) == [
        ("heading", "", "1. Objet", 1),
        ("paragraph", "", "Le présent marché porte sur :", 0),
        ("item", "•", "premier point ;", 1),
        ("item", "•", "sous-point", 2),
        ("item", "•", "second point.", 1),
        ("heading", "", "1.1. Durée", 2),
        ("item", "-", "tiret tapé", 1),
    ]
    assert pages is None
    assert {block.page for block in blocks} == {None}


def test_odt_numbers_are_computed_and_go_on_where_the_list_does() -> None:
    third = listed(p("c1"), p("c2"), attributes="")
    second = listed(p("b1"), p("b2") + third, attributes="")
    blocks, _ = read_odt(
        text(
            listed(p("a1"), p("a2") + second + p("suite de a2")),
            p("entre deux"),
            listed(p("a3"), attributes='text:style-name="Nombres" text:continue-numbering="true"'),
            listed(p("autre")),
            '<text:list text:style-name="Nombres"><text:list-item text:start-value="7"><text:p>sept</text:p>'
            "</text:list-item></text:list>",
            styles=[NUMBERS],
        ),
        "rc.odt",
    )
    assert [(block.marker, block.text, block.level) for block in blocks] == [
        ("1.", "a1", 1),
        ("2.", "a2", 1),
        ("2.1", "b1", 2),
        ("2.2", "b2", 2),
        ("a)", "c1", 3),
        ("b)", "c2", 3),
        ("", "suite de a2", 0),
        ("", "entre deux", 0),
        ("3.", "a3", 1),
        ("1.", "autre", 1),
        ("7.", "sept", 1),
    ]


def test_odt_list_goes_on_from_the_one_it_names() -> None:
    blocks, _ = read_odt(
        text(
            listed(p("un"), attributes='xml:id="l1" text:style-name="Nombres"'),
            listed(p("autre"), attributes='xml:id="l2" text:style-name="Nombres"'),
            listed(p("deux"), attributes='xml:id="l3" text:continue-list="l1" text:style-name="Nombres"'),
            listed(p("sans suite")),
            listed(p("sans suite")),
            styles=[NUMBERS],
        ),
        "rc.odt",
    )
    assert [block.marker for block in blocks] == ["1.", "1.", "2.", "1.", "1."]


def test_odt_numbered_headings_carry_their_number() -> None:
    title = listed(h("Besoin"), h("Projet"), attributes='text:style-name="Chapitres"')
    blocks, _ = read_odt(text(title, styles=[CHAPTERS]), "plan.odt")
    assert [block.text for block in blocks] == ["Chapitre I – Besoin", "Chapitre II – Projet"]

    none = '<style:style style:name="Sans" style:family="paragraph" style:list-style-name=""/>'
    heir = '<style:style style:name="Heritier" style:family="paragraph" style:parent-style-name="Sans"/>'
    bare = '<text:h text:style-name="Heritier" text:outline-level="1">Avant-propos</text:h>'
    again = '<text:h text:outline-level="1" text:restart-numbering="true" text:start-value="9">Annexe</text:h>'
    body = [h("Besoin"), h("Enjeux", 2), bare, h("Contraintes", 2), h("Projet"), h("Pilotage", 2), again]
    blocks, _ = read_odt(text(*body, styles=[none, heir]), "plan.odt")
    assert [block.text for block in blocks] == [
        "1. Besoin",
        "1.1. Enjeux",
        "Avant-propos",
        "1.2. Contraintes",
        "2. Projet",
        "2.1. Pilotage",
        "9. Annexe",
    ]


def test_odt_numbers_without_a_parent_are_those_libreoffice_prints() -> None:
    blocks, _ = read_odt(text(h("orphelin", 2), h("a"), h("b", 3), h("c", 2), h(""), h("d")), "plan.odt")
    assert [block.text for block in blocks] == ["1.1. orphelin", "2. a", "2.1.1. b", "2.2. c", "4. d"]


def test_odt_shows_the_final_text_only() -> None:
    changes = (
        '<text:tracked-changes><text:changed-region text:id="c1"><text:deletion><text:p>8 heures</text:p>'
        "</text:deletion></text:changed-region></text:tracked-changes>"
    )
    note = (
        '<text:note text:note-class="footnote"><text:note-citation>1</text:note-citation>'
        "<text:note-body><text:p>En bas de page.</text:p></text:note-body></text:note>"
    )
    comment = "<office:annotation><text:p>À revoir</text:p></office:annotation>"
    inserted = '<text:change-start text:change-id="c2"/>4 heures<text:change-end text:change-id="c2"/>'
    body = f'Le délai est de <text:change text:change-id="c1"/>{inserted}{note}{comment}<!-- xml -->.'
    blocks, _ = read_odt(text(changes, p(body)), "suivi.odt")
    assert [block.text for block in blocks] == ["Le délai est de 4 heures."]


def test_odt_pages_are_counted_from_soft_breaks_and_from_those_asked_for() -> None:
    forced = (
        '<style:style style:name="Saut" style:family="paragraph">'
        '<style:paragraph-properties fo:break-before="page"/></style:style>'
    )
    heir = '<style:style style:name="Heritier" style:family="paragraph" style:parent-style-name="Saut"/>'
    data = text(
        p("Un.", "Saut"),
        p(f"Encore un, {BREAK}puis deux."),
        p(f"{BREAK}Trois."),
        p("Quatre.", "Heritier"),
        table(row(cell(p("a"))), BREAK, row(cell(p("b")))),
        p("Cinq."),
        styles=[forced, heir],
    )
    blocks, pages = read_odt(data, "rc.odt")
    assert [(block.text, block.page) for block in blocks] == [
        ("Un.", 1),
        ("Encore un, puis deux.", 1),
        ("Trois.", 3),
        ("Quatre.", 4),
        ("a\nb", 4),
        ("Cinq.", 5),
    ]
    assert pages == 5


def test_odt_tables_keep_their_columns_under_merged_cells() -> None:
    covered = "<table:covered-table-cell><text:p>caché</text:p></table:covered-table-cell>"
    wide, tall = 'table:number-columns-spanned="2"', 'table:number-rows-spanned="2"'
    blank = cell("", 'table:number-columns-repeated="900"')
    header = row(cell(p("Critère"), wide), covered, cell(p("Poids")))
    whole = table(
        f"<table:table-header-rows>{header}</table:table-header-rows>",
        row(cell(p("Valeur"), tall), cell(p("A") + p("B")), cell(p("40 %")), blank),
        row(covered, cell(table(row(cell(p("x")), cell(p("y"))))), cell(listed(p("20 %")))),
        row(cell(""), cell(""), cell("")),
    )
    blocks, _ = read_odt(text(whole, styles=[NUMBERS]), "rc.odt")
    assert [block.rows for block in blocks] == [
        (("Critère", "", "Poids"), ("Valeur", "A\nB", "40 %"), ("", "x y", "1. 20 %")),
    ]
    assert blocks[0].text == "Critère | Poids\nValeur | A B | 40 %\nx y | 1. 20 %"


def test_odt_contents_are_told_from_headings_and_frames_follow_their_paragraph() -> None:
    contents = (
        '<text:table-of-content><text:index-body><text:index-title text:name="t"><text:p>Sommaire</text:p>'
        '</text:index-title><text:h text:outline-level="1">1. Objet<text:tab/>4</text:h></text:index-body>'
        "</text:table-of-content>"
    )
    frame = f"<draw:frame><draw:text-box>{p('dans le cadre')}</draw:text-box><svg:desc>image</svg:desc></draw:frame>"
    section = f"<text:section text:name='s'>{p('Voir ' + frame + 'ci-contre.')}</text:section>"
    blocks, _ = read_odt(text(contents, section), "rc.odt")
    assert [(block.kind, block.text) for block in blocks] == [
        ("toc", "Sommaire"),
        ("toc", "1. Objet 4"),
        ("paragraph", "Voir ci-contre."),
        ("paragraph", "dans le cadre"),
    ]


def test_odt_senseless_numbers_neither_fail_nor_fill_the_memory() -> None:
    def started(at: str) -> str:
        return listed(p("a")).replace("<text:list-item>", f'<text:list-item text:start-value="{at}">')

    repeated = cell(p("a"), 'table:number-columns-repeated="999999999"')
    long = table(row(repeated, attributes='table:number-rows-repeated="-3"'))
    romans = NUMBERS.replace('"1"', '"I"', 2).replace('text:level="I"', 'text:level="1"')
    body = [started("99999999999"), started("x"), h("a", 999), long]
    blocks, _ = read_odt(text(*body, styles=[romans]), "rc.odt")
    assert [block.marker for block in blocks] == ["MMMMMMMMMCMXCIX.", "I.", "", ""]
    assert blocks[2].level == 10
    assert len(blocks[3].rows[0]) == 1024


@pytest.mark.shared
def test_real_odt_gives_what_its_docx_gives(shared: Path) -> None:
    odt, pages = read_odt((shared / "dce" / "caih" / "rc.odt").read_bytes(), "rc.odt")
    docx, _ = read_docx((shared / "dce" / "caih" / "rc.docx").read_bytes(), "rc.docx")
    assert pages == 24
    ours = [document("rc", [block.model_copy(update={"page": None}) for block in odt])]
    theirs = [document("rc", docx)]
    assert read_plan(ours) == read_plan(theirs)
    assert len(read_plan(ours).nodes) == 26
    assert read_criteria(ours) == read_criteria(theirs)


def document(name: str, blocks: Sequence[Block]) -> Document:
    return Document(name=name, sha256="0" * 64, kind="dce", pages=None, blocks=tuple(blocks))


# --- XLSX and ODS ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "number_format", "reads"),
    [
        (0.3, "0%", "30%"),
        (0.07, "0.00%", "7%"),
        (0.125, "0.0%", "12,5%"),
        (1, "0%", "100%"),
        (0.3, "General", "0,3"),
        (30, '0" %"', "30"),
        (30, "0\\ \\%", "30"),
        (0.3, '[Red]0%;"néant"', "30%"),
        (12, "General", "12"),
        (1200000, "#,##0", "1200000"),
        (1e20, "General", "100000000000000000000"),
        (12.1 * 3, "0.00", "36,3"),
        (-0.5, "0.00", "-0,5"),
        (True, "General", "oui"),
        (False, "General", "non"),
        (datetime.date(2026, 3, 2), "dd/mm/yyyy", "2026-03-02"),
        (datetime.datetime(2026, 3, 2, 17, 20), "dd/mm/yyyy hh:mm", "2026-03-02T17:20"),
        (datetime.time(8, 10), "hh:mm", "08:10"),
        (datetime.timedelta(hours=26, minutes=30), "[h]:mm", "26:30"),
        ("  deux\nlignes ", "General", "deux\nlignes"),
    ],
)
def test_xlsx_values_read_as_they_are_shown(value: object, number_format: str, reads: str) -> None:
    def build(book: Any) -> None:
        book.active["B3"] = value
        book.active["B3"].number_format = number_format

    blocks, pages = read_sheet(workbook(build), "bpu.xlsx")
    assert blocks[1].rows == ((reads,),)
    assert pages == 1


def test_xlsx_gives_a_heading_a_sheet_and_a_table_a_region() -> None:
    def build(book: Any) -> None:
        first = book.active
        first.title = "Page de garde"
        for row in (["Bordereau"], [], ["Poste", "", "Prix"], ["A", "Étude", None], [" "], ["Total"]):
            first.append(row)
        first.merge_cells("A3:B3")
        first["F4"].number_format = "0%"
        book.create_sheet("Vide")
        book.create_chartsheet("Graphe")
        hidden = book.create_sheet("Cachée")
        hidden.sheet_state = "hidden"
        hidden["C5"] = "secret"

    blocks, pages = read_sheet(workbook(build), "bpu.xlsx")
    assert [(block.kind, block.page, block.level, block.rows or block.text) for block in blocks] == [
        ("heading", 1, 1, "Page de garde"),
        ("table", 1, 0, (("Bordereau",),)),
        ("table", 1, 0, (("Poste", "", "Prix"), ("A", "Étude", ""))),
        ("table", 1, 0, (("Total",),)),
        ("heading", 4, 1, "Cachée"),
        ("table", 4, 0, (("secret",),)),
    ]
    assert pages == 4


def test_xlsx_percentages_stay_with_their_sheet() -> None:
    def build(book: Any) -> None:
        book.active["A1"] = 0.2
        other = book.create_sheet("Remises", 0)
        other["B2"], other["C2"] = 0.2, 0.2
        other["C2"].number_format = "0%"

    blocks, _ = read_sheet(workbook(build), "bpu.xlsx")
    assert [block.rows for block in blocks if block.rows] == [(("0,2", "20%"),), (("0,2",),)]


def test_a_workbook_without_values_gives_no_block() -> None:
    assert read_sheet(workbook(lambda book: None), "vide.xlsx") == ([], 1)


def test_ods_reads_as_xlsx_does() -> None:
    def value(kind: str, value: str, more: str = "") -> str:
        name = f"{kind}-value" if kind in ("date", "boolean") else "value"
        return cell(p("affiché"), f'office:value-type="{kind}" office:{name}="{value}" {more}')

    twice = 'table:number-{}-repeated="2"'
    empty = row('<table:table-cell table:number-columns-repeated="9"/>', attributes=twice.format("rows"))
    first = row(
        cell(""),
        cell(p("Remise"), 'office:value-type="string"'),
        value("percentage", "0.3", twice.format("columns")),
        value("float", "0.3"),
        value("date", "2026-03-02"),
        value("boolean", "true"),
        value("currency", "12.5"),
    )
    prices = table(empty, first, empty, row(value("percentage", "0.05"), attributes=twice.format("rows")))
    blank = table(row(cell(""))).replace("Prix", "Vide")
    blocks, pages = read_sheet(spreadsheet(prices, blank), "bpu.ods")
    assert blocks[0].text == "Prix"
    assert [block.rows for block in blocks[1:]] == [
        (("", "Remise", "30%", "30%", "0,3", "2026-03-02", "oui", "12,5"),),
        (("5%",), ("5%",)),
    ]
    assert pages == 2


def test_sample_price_frame_is_one_table() -> None:
    blocks, pages = read_sheet((CORPUS / "dce" / "cadre-de-prix.xlsx").read_bytes(), "cadre-de-prix.xlsx")
    assert [(block.kind, len(block.rows)) for block in blocks] == [("heading", 0), ("table", 43)]
    assert blocks[1].rows[3][3] == "1"
    assert pages == 1


@pytest.mark.shared
def test_real_criteria_sheet_gives_its_weights(shared: Path) -> None:
    blocks, _ = read_sheet((shared / "dce" / "caih" / "criteres.xlsx").read_bytes(), "criteres.xlsx")
    criteria: tuple[Criterion, ...] = read_criteria([document("criteres.xlsx", blocks)])[0]
    assert [criterion.weight for criterion in criteria] == [30, 15, 15, 15, 10, 10, 5]


@pytest.mark.shared
@pytest.mark.parametrize(("name", "rows", "holds"), [("BPU.xlsx", 94, "TJM"), ("DPGF.xlsx", 70, "Réversibilité")])
def test_real_price_schedules_are_read_whole(shared: Path, name: str, rows: int, holds: str) -> None:
    blocks, pages = read_sheet((shared / "dce" / "vsgp" / name).read_bytes(), name)
    assert sum(len(block.rows) for block in blocks) == rows
    assert any(holds in block.text for block in blocks)
    assert pages == 2


# --- what cannot be read -----------------------------------------------------------------------------------

ODT = text(h("Objet"), p("Texte."))
ODS = spreadsheet(table(row(cell(p("30 %"), 'office:value-type="percentage" office:value="0.3"'))))
XLSX = workbook(lambda book: book.active.append(["a", 0.3, True]))
OLE = b"\xd0\xcf\x11\xe0" + bytes(600)
MANIFEST = "META-INF/manifest.xml"


def far_ods(xml: bytes) -> bytes:
    return xml.replace(b"<table:table-row>", b'<table:table-row table:number-rows-repeated="9999999">')


def encrypted(data: bytes) -> bytes:
    return edited(data, MANIFEST, lambda xml: xml + b"<manifest:encryption-data/>")


def swollen(data: bytes) -> bytes:
    return edited(data, "Pictures/a.bmp", lambda _: bytes(20_000_000))


def far(reference: bytes) -> bytes:
    data = workbook(lambda book: book.active.append([1, 2]))
    return edited(data, "xl/worksheets/sheet1.xml", lambda xml: xml.replace(b'r="B1"', b'r="' + reference + b'"'))


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("rc.odt", b"ceci n'est pas un zip", "archive est illisible"),
        ("rc.odt", ODT[:-100], "archive est illisible"),
        ("rc.odt", OLE, "chiffré"),
        ("rc.odt", encrypted(ODT), "mot de passe"),
        ("rc.odt", ODS, "pas un document texte OpenDocument (.odt) mais « application/vnd.oasis.opendocument.spread"),
        ("rc.odt", XLSX, "pas un document texte OpenDocument (.odt)"),
        ("rc.odt", swollen(ODT), "anormal"),
        ("rc.odt", edited(ODT, "content.xml", lambda xml: xml[:-40]), "XML"),
        ("rc.odt", edited(ODT, "content.xml", lambda xml: b""), "XML"),
        ("bpu.xlsx", b"ceci n'est pas un zip", "archive est illisible"),
        ("bpu.xlsx", OLE, "ancien (.doc, .xls) ou chiffré"),
        ("bpu.xlsx", ODT, "pas un classeur (.xlsx ou .ods) mais « application/vnd.oasis.opendocument.text »"),
        ("bpu.xlsx", swollen(XLSX), "anormal"),
        ("bpu.xlsx", edited(XLSX, "xl/worksheets/sheet1.xml", lambda xml: xml[:-40]), "endommagé"),
        ("bpu.xlsx", edited(XLSX, "xl/_rels/workbook.xml.rels", lambda xml: b""), "endommagé"),
        ("bpu.xlsx", far(b"XFD1048576"), "millions de cellules"),
        ("bpu.xlsx", far(b"ZZZZ99999999999"), "endommagé"),
        ("bpu.ods", encrypted(ODS), "mot de passe"),
        ("bpu.ods", edited(ODS, "content.xml", lambda xml: xml[:-40]), "endommagé"),
        ("bpu.ods", edited(ODS, "content.xml", far_ods), "millions de cellules"),
    ],
)
def test_bad_packages_are_one_french_line(name: str, data: bytes, says: str) -> None:
    with pytest.raises(DocumentError) as caught:
        (read_odt if name.endswith(".odt") else read_sheet)(data, name)
    line = str(caught.value)
    assert says in line
    assert f"({name})" in line
    assert "\n" not in line
    assert line.endswith(".")


def test_a_lone_value_within_reach_is_read() -> None:
    blocks, _ = read_sheet(far(b"A200000"), "bpu.xlsx")
    assert [block.rows for block in blocks if block.rows] == [(("1",),), (("2",),)]


PARTS = [
    (read_odt, ODT, "content.xml"),
    (read_odt, ODT, "styles.xml"),
    (read_sheet, ODS, "content.xml"),
    (read_sheet, XLSX, "xl/worksheets/sheet1.xml"),
    (read_sheet, XLSX, "xl/workbook.xml"),
    (read_sheet, XLSX, "xl/styles.xml"),
]


@settings(max_examples=80, deadline=None)
@given(
    case=st.sampled_from(PARTS),
    at=st.floats(0, 1, exclude_max=True),
    cut=st.integers(0, 12),
    put=st.binary(max_size=4) | st.sampled_from([b'"', b"<", b"-1", b"<text:p>", b"&x;", b"999999999"]),
)
def test_a_changed_part_gives_blocks_or_a_typed_error(
    case: tuple[Callable[[bytes, str], tuple[list[Block], int | None]], bytes, str], at: float, cut: int, put: bytes
) -> None:
    read, data, part = case

    def edit(xml: bytes) -> bytes:
        start = int(at * len(xml))
        return xml[:start] + put + xml[start + cut :]

    changed = edited(data, part, edit)
    try:
        blocks = read(changed, "x")
    except DocumentError:
        return
    assert read(changed, "x") == blocks
