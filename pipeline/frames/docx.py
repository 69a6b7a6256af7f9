"""Answer places of a Word frame: tables, dotted lines, content controls, form fields, boxes, and the space that is left
under a heading or after « Réponse : ».

Text boxes, headers, footers and notes are not searched. A protected document is filled only where Word would let it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pipeline.frames import words
from pipeline.frames.blocks import (
    BOX,
    CHECKBOX,
    CHECKED,
    TICKED,
    Around,
    Block,
    Cell,
    Control,
    Paragraph,
    Reader,
    Table,
    styles_of,
)
from pipeline.frames.package import Edit, Node, Package, escaped, qualified
from pipeline.frames.spot import Namer, Scan, Spot
from pipeline.frames.words import LEADER
from pipeline.french import fold_spaces
from pipeline.records import FrameKind

_TAB_LEADER = re.compile(r"(?:(?<=[:\w)?])[ \u00a0]*|^[ \u00a0]*)(\t+)(?=[ \u00a0]*(?:$|[,;.]))")
_TICKED = {"☐": "☒", "□": "■", "¨": "þ", "\uf0a8": "\uf0fe", "\uf06f": "\uf0fe", "\uf071": "\uf0fe"}
HEADER_ROWS = 5
"""Rows among which a table's header is looked for: titles above it are seldom more than two."""
_PRICE = "Prix, montant ou taux : à remplir par une personne."


def scan_docx(package: Package) -> Scan:
    """The answer places of a Word document, in reading order. Raises DocumentError where its XML is damaged."""
    main = package.main()
    targets = {kind.rpartition("/")[2]: path for kind, path in package.targets(main).values()}
    root = package.part(main)
    assert root is not None  # main() is the path of a member
    reader = Reader(package.members[main], styles_of(package.part(targets.get("styles", ""))))
    body = root.child("body") or root
    finder = _Finder(main, reader, _protection(package.part(targets.get("settings", ""))))
    finder.blocks(list(reader.blocks(body)))
    dotted = any(LEADER.search("".join(text.text for text in box.all("t"))) for box in root.all("txbxContent"))
    remark = "Des zones de texte ont des pointillés, que le logiciel ne remplit pas : à voir par une personne."
    return Scan(tuple(finder.spots), (remark,) if dotted else ())


def _protection(settings: Node | None) -> str:
    """« forms », « readOnly »…, or empty where the document may be edited."""
    found = settings.child("documentProtection") if settings else None
    if found is None or found.attributes.get("enforcement", "0") not in ("1", "true", "on"):
        return ""
    return found.attributes.get("edit", "readOnly")


# --- finding -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ask:
    """What a cell of a table answers."""

    label: str
    where: str
    kind: FrameKind
    reference: str = ""
    options: tuple[str, ...] = ()


class _Finder:
    """Walks blocks in order and keeps what stands before: titles, the last line, tables counted."""

    def __init__(self, part: str, reader: Reader, protection: str) -> None:
        self.spots: list[Spot] = []
        self._part, self._data, self._protection = part, reader.data, protection
        self._namer = Namer()
        self._title = ""
        self._another = False
        self._tables = 0

    def blocks(self, blocks: Sequence[Block], ask: _Ask | None = None) -> None:
        """Find the places of a run of blocks: the body, or a cell that ``ask`` tells about."""
        previous = ask.label if ask else ""
        joined: Spot | None = None
        for at, block in enumerate(blocks):
            if isinstance(block, Table):
                self._table(block, previous)
                joined = None
                continue
            if isinstance(block, Around):
                self._controlled(block.control, ask, previous)
                joined = None
                continue
            following = blocks[at + 1 :]
            if block.contents:
                joined = None
                continue
            if block.heading and not ask:
                self._titled(block)
            if block.empty:
                joined = joined if not block.text.strip("\t") and "\t" in block.text and block.leader else None
                if block.leader and "\t" in block.text:
                    joined = self._led(block, previous, ask, joined)
            else:
                joined = self._line(block, previous, ask, joined, following)
            if block.heading and not ask:
                self._space_under(block, following)
            marked = LEADER.fullmatch(block.text.strip()) or BOX.search(block.text) or words.prompt(block.text)
            if not block.empty and not marked:
                previous = block.text

    def _titled(self, block: Paragraph) -> None:
        self._title = fold_spaces(block.text)
        another = words.of_another(self._title)
        self._another = self._another if another is None else another

    def _line(
        self,
        block: Paragraph,
        previous: str,
        ask: _Ask | None,
        joined: Spot | None,
        following: Sequence[Block],
    ) -> Spot | None:
        """The places of a paragraph with text; the last one, where the next dotted line may go on with it."""
        for control in block.controls:
            if control.prompt:
                before = block.text[: control.start] if block.text[: control.start].strip() else previous
                self._controlled(control, ask, before)
        if BOX.search(block.text):
            self._boxes(block, previous, ask)
            return None
        if any(control.prompt for control in block.controls):
            return None
        if LEADER.search(block.text) or "\t" in block.text:
            return self._led(block, previous, ask, joined)
        after = next(iter(following), None)
        prompt = words.prompt(block.text) and not words.bare_answer(block.text)
        if prompt and not isinstance(after, Table) and not block.heading:
            self._add(ask, previous, self._replacing(block, [(0, len(block.text))]))
            return None
        self._below(block, previous, ask, following)
        return None

    def _below(self, block: Paragraph, previous: str, ask: _Ask | None, following: Sequence[Block]) -> None:
        """The empty paragraph under « Réponse : » or under a question."""
        after = next(iter(following), None)
        blank = after if isinstance(after, Paragraph) and after.empty and not after.controls else None
        text = block.text.strip()
        person = words.for_a_person(text)
        rest = next((b for b in following if not (isinstance(b, Paragraph) and b.empty and not b.text)), None)
        if isinstance(rest, Paragraph) and rest.empty and rest.leader:
            return  # dotted lines, found by themselves
        if words.bare_answer(text):
            question = previous if previous and not words.bare_answer(previous) else self._title
            answered = isinstance(after, Paragraph) and not after.empty and not _asks_anew(after)
            if not answered:
                self._add(ask, question, self._inserting(blank or block))
        elif blank is None:
            return
        elif (
            text.endswith((":", "?")) and len(text) < 700 and (words.asks(text) or (person and person[0] != "price"))
        ) or (person and person[0] == "signature" and len(text) < 60):
            self._add(ask, text, self._inserting(blank))

    def _space_under(self, title: Paragraph, following: Sequence[Block]) -> None:
        """The empty lines a buyer leaves under a title, with or without guidance before them."""
        if not title.sectioned:
            return
        blank: Paragraph | None = None
        guided = False
        for block in following:
            if not isinstance(block, Paragraph) or block.controls or (block.empty and "\t" in block.text):
                return
            if block.heading:
                break
            if block.empty:
                blank = blank or block
            elif blank is not None or not words.guides(block.text):
                return  # running text, or text after the space
            else:
                guided = True
                if LEADER.search(block.text) or block.text.rstrip().endswith(":"):
                    return  # found line by line
        if blank is not None and (guided or not words.for_a_person(title.text)):
            self._add(None, title.text, self._inserting(blank))

    def _led(self, block: Paragraph, previous: str, ask: _Ask | None, joined: Spot | None) -> Spot | None:
        """Places over dots, underscores or tabs with a leader; a line of nothing else goes on with the last place."""
        runs = [match.span() for match in LEADER.finditer(block.text)]
        runs += [m.span(1) for m in _TAB_LEADER.finditer(block.text) if block.leader or block.text[: m.start()].strip()]
        if not block.leader and not block.text.strip():
            return None
        runs.sort()
        if not runs:
            return None
        rest = "".join(
            block.text[a:b] for a, b in zip([0, *(r[1] for r in runs)], [*(r[0] for r in runs), None], strict=True)
        )
        alone = not rest.strip(" \u00a0\t.…_·‥")
        if alone and joined is not None:
            self.spots[-1] = _going_on(joined, self._replacing(block, runs))
            return self.spots[-1]
        if alone and set(block.text.strip()) == {"_"} and not previous.rstrip().endswith((":", "?")) and not ask:
            return None  # a rule across the page
        merged = [runs[0]]
        for start, end in runs[1:]:
            if block.text[merged[-1][1] : start].strip(" \u00a0\t.…_·‥"):
                merged.append((start, end))
            else:
                merged[-1] = merged[-1][0], end
        at = 0
        for number, (start, end) in enumerate(merged):
            said = block.text[at:start].strip(" \u00a0\t")
            stop = merged[number + 1][0] if number + 1 < len(merged) else len(block.text)
            label = said if re.search(r"\w", said) and not words.bare_answer(said) else previous
            self._add(ask, label, self._replacing(block, [(start, end)]), after=block.text[end:stop][:30])
            at = end
        return self.spots[-1] if not block.text[merged[-1][1] :].strip() else None

    def _boxes(self, block: Paragraph, previous: str, ask: _Ask | None) -> None:
        """One choice a paragraph: its boxes, each with the words after it."""
        marks = [match.start() for match in BOX.finditer(block.text)]
        spans = list(zip(marks, [*marks[1:], len(block.text)], strict=True))
        options = tuple(fold_spaces(block.text[start + 1 : end]).strip(" ;,.") for start, end in spans)
        before = block.text[: marks[0]].strip(" \u00a0\t:–-")
        led = previous if previous.rstrip().endswith((":", "?")) or len(options) > 1 else ", ".join(options)
        label = before if re.search(r"\w", before) else led
        conform = words.yes(options) is not None and len(options) > 1
        kind: FrameKind = "conformity" if conform else "choice"
        left = "" if conform else "Case à cocher : le choix revient à une personne."
        if any(option and LEADER.search(option) for option in options):
            left = "Case à cocher et mention à compléter : à remplir par une personne."

        def write(texts: Sequence[str]) -> list[Edit]:
            at = marks[options.index(texts[0])]
            node, index = block.sources[at]
            return self._tick(block, node, index)

        writable = all(self._tick(block, *block.sources[mark]) for mark in marks)
        ticked = any(block.text[mark] in TICKED for mark in marks)
        if conform and not writable and not ticked:
            left = "Cases d'un format que le logiciel ne coche pas : à cocher par une personne."
        self._add(ask, label, write, sort=kind, options=options, left=left, empty=not ticked)

    def _tick(self, block: Paragraph, node: Node, index: int) -> list[Edit]:
        """The edits that tick a box; none where it is of a kind that is left alone."""
        if index < 0 or node.text[index] not in _TICKED:
            return []
        edits = self._characters(node, index, index + 1, _TICKED[node.text[index]])
        for control in block.controls:
            checked = control.node.child("sdtPr", CHECKBOX, CHECKED)
            if checked is not None and control.node.start < node.start < control.node.end:
                tag = self._data[checked.start : checked.inner]
                edits.append(Edit(checked.start, checked.inner, re.sub(rb'(val=["\'])[^"\']*', rb"\g<1>1", tag)))
        return edits

    def _controlled(self, control: Control, ask: _Ask | None, before: str) -> None:
        """A content control or a form field that still shows its prompt."""
        label = control.label if control.label and not words.prompt(control.label) else before
        self._add(ask, label or self._title, self._in_control(control), options=control.options,
                  left=control.locked, form=True)  # fmt: skip

    def _table(self, table: Table, previous: str) -> None:
        self._tables += 1
        number = self._tables
        cells = [cell for row in table.rows for cell in row]
        if len(cells) == 1 and cells[0].empty and previous:  # a box under a title or a question
            if previous == self._title or words.asks(previous) or words.guides(previous):
                label = self._title if words.guides(previous) else previous
                self._cell(cells[0], _Ask(label, f"tableau {number}", "text", words.reference(label)))
            return
        head = next((at for at, row in enumerate(table.rows[:HEADER_ROWS]) if _is_header(row)), None)
        if head is None:
            self._form(table, number)
            return
        headers = {cell.column: cell.text for cell in table.rows[head]}
        for lower in table.rows[head + 1 : head + 2]:  # « Réponse » over « Conforme » and « Commentaire »
            if _is_header(lower) and any(cell.continues for cell in lower):
                headers |= {cell.column: cell.text for cell in lower if cell.text}
                head += 1
        roles = {column: words.role(text) for column, text in headers.items()}
        body = table.rows[head + 1 :]
        blank = {c for c in headers if _mostly(cell.empty for row in body for cell in row if cell.column == c)}
        above: dict[int, str] = {}
        for at, row in enumerate(body, start=head + 2):
            said = {c.column: above.get(c.column, "") if c.continues else c.text for c in row}
            above |= said
            asked = [
                said[c] for c in said if said[c] and roles.get(c) in ("question", None) and c not in blank
            ]  # fmt: skip
            named = next((said[c] for c in said if said[c] and roles.get(c) == "id"), "")
            question = max(asked, key=len, default=named)  # a theme beside it is shorter than the requirement
            for cell in row:
                column = roles.get(cell.column)
                title = headers.get(cell.column, "")
                where = f"tableau {number}, ligne {at}, colonne « {title} »"
                kind: FrameKind | None = {
                    "text": "text", "comment": "comment", "conformity": "conformity", "section": "section",
                    "price": "price",
                }.get(column or "")  # type: ignore[assignment]  # fmt: skip
                if kind is None and cell.empty and (cell.column in blank or not question) and column != "buyer":
                    kind = "other"
                if cell.continues or (len(row) == 1 and len(headers) > 1):
                    continue
                if kind is None:
                    self.blocks(cell.blocks)
                    continue
                label = question or title
                ask = _Ask(label, where, kind, words.reference(named) or words.reference(label), words.options(title))
                self._cell(cell, ask)

    def _form(self, table: Table, number: int) -> None:
        """A table without a header: labels with an empty cell on their right; empty rows under a row of titles."""
        first = table.rows[0] if table.rows else []
        titles = all(cell.text for cell in first) and len(first) > 1
        listing = titles and len(table.rows) > 1 and all(cell.empty for row in table.rows[1:] for cell in row)
        for at, row in enumerate(table.rows, start=1):
            for cell, left in zip(row, [None, *row], strict=False):
                where = f"tableau {number}, ligne {at}"
                if listing and at > 1:
                    title = next((c.text for c in first if c.column == cell.column), "")
                    self._cell(cell, _Ask(title, f"{where}, colonne « {title} »", "other"))
                elif left is None or not left.text or cell.continues:
                    self.blocks(cell.blocks)
                elif cell.empty or not _prose(cell):
                    self._cell(cell, _Ask(left.text, where, "text", words.reference(left.text)))
                else:
                    self.blocks(cell.blocks)

    def _cell(self, cell: Cell, ask: _Ask) -> None:
        """The place of an answer cell: its first empty paragraph, or the places it holds, or what it says already."""
        paragraphs = [block for block in cell.blocks if isinstance(block, Paragraph)]
        if cell.empty and paragraphs:
            self._add(ask, ask.label, self._inserting(paragraphs[0]))
            return
        known = len(self.spots)
        if any(isinstance(block, Table) for block in cell.blocks):
            self.blocks(cell.blocks)
        else:
            self.blocks(cell.blocks, ask)
        if len(self.spots) == known and words.unit(cell.text):
            self._add(ask, ask.label, lambda _: [], left=_PRICE)
        elif len(self.spots) == known and cell.text:
            self._add(ask, ask.label, lambda _: [], empty=False)

    def _add(
        self,
        ask: _Ask | None,
        label: str,
        write: Callable[[Sequence[str]], list[Edit]],
        *,
        sort: FrameKind = "text",
        options: tuple[str, ...] = (),
        left: str = "",
        after: str = "",
        empty: bool = True,
        form: bool = False,
    ) -> None:
        """Keep a place; in a cell that answers a question, what it asks is that question's."""
        kind = ask.kind if ask and sort != "choice" and not (sort == "conformity" and ask.kind == "text") else sort
        where = ask.where if ask else f"sous « {self._title} »" if self._title else "avant le premier titre"
        if kind == "price":
            left = left or _PRICE
        if self._protection and not (form and self._protection == "forms"):
            left = left or "Document protégé par l'acheteur : cette place n'y est pas ouverte à la saisie."
        made = self._namer.place(
            where=where,
            label=label.strip() or (ask.label if ask else self._title),
            kind=kind,
            empty=empty,
            reference=ask.reference if ask else "",
            options=options or (ask.options if ask else ()),
            left=left,
            after=after,
            heading="" if ask else self._title,
            of_another=self._another,
        )
        self.spots.append(Spot(made, self._part, write))

    # --- writing -------------------------------------------------------------------------------------------

    def _inserting(self, block: Paragraph) -> Callable[[Sequence[str]], list[Edit]]:
        """Write at the end of a paragraph; further paragraphs follow it with its properties."""
        data, node = self._data, block.node
        properties = node.child("pPr")
        marks = properties.child("rPr") if properties else None
        look = b"".join(
            data[n.start : n.end] for n in (marks.children if marks else ()) if n.name not in ("ins", "del")
        )

        def name(local: str) -> bytes:
            return qualified(data, node, local)

        def run(text: str) -> bytes:
            own = b"<%b>%b</%b>" % (name("rPr"), look, name("rPr")) if look else b""
            space = " " if block.text.strip() else ""
            content = b'<%b xml:space="preserve">%b</%b>' % (name("t"), escaped(space + text), name("t"))
            return b"<%b>%b%b</%b>" % (name("r"), own, content, name("r"))

        def write(texts: Sequence[str]) -> list[Edit]:
            sectioned = properties is not None and properties.child("sectPr") is not None
            shape = data[properties.start : properties.end] if properties and not sectioned else b""
            more = b"".join(b"<%b>%b%b</%b>" % (name("p"), shape, run(t), name("p")) for t in texts[1:])
            if node.single:
                return [Edit(node.inner - 2, node.inner, b">" + run(texts[0]) + b"</%b>" % name("p") + more)]
            edits = [Edit(node.close, node.close, run(texts[0]))]
            return [*edits, Edit(node.end, node.end, more)] if more else edits

        return write

    def _replacing(self, block: Paragraph, spans: Sequence[tuple[int, int]]) -> Callable[[Sequence[str]], list[Edit]]:
        """Write over characters of a paragraph; empty texts only take them away."""

        def write(texts: Sequence[str]) -> list[Edit]:
            edits: list[Edit] = []
            new = "\n".join(texts)
            for start, end in spans:
                at = start
                while at < end:
                    node, index = block.sources[at]
                    stop = at + 1
                    while stop < end and block.sources[stop][0] is node:
                        stop += 1
                    if index < 0:
                        edits.append(Edit(node.start, node.end, self._element(node, new)))
                    else:
                        space = " " if new and at == start and start and block.text[start - 1] in ":," else ""
                        edits += self._characters(node, index, index + stop - at, space + new)
                    new = ""
                    at = stop
            return edits

        return write

    def _element(self, node: Node, text: str) -> bytes:
        """A text in place of a tab."""
        tag = qualified(self._data, node, "t")
        lines = [b'<%b xml:space="preserve">%b</%b>' % (tag, escaped(line), tag) for line in text.split("\n")]
        return (b"<%b/>" % qualified(self._data, node, "br")).join(lines) if text else b""

    def _characters(self, node: Node, start: int, end: int, text: str) -> list[Edit]:
        """Write over characters of a ``w:t``; a new line closes it and opens another."""
        raw = self._data[node.inner : node.close].decode()
        tokens = [m.span() for m in re.finditer(r"&[^;]+;|.", raw.replace("\r\n", "\n "), re.DOTALL)]
        if "<" in raw or len(tokens) != len(node.text):
            return []  # a comment or CDATA inside a text: no program writes this
        tag = qualified(self._data, node, "t")
        again = b'</%b><%b/><%b xml:space="preserve">' % (tag, qualified(self._data, node, "br"), tag)
        new = again.join(escaped(line) for line in text.split("\n"))
        first = node.inner + len(raw[: tokens[start][0]].encode())
        last = node.inner + len(raw[: tokens[end - 1][1]].encode())
        return [Edit(first, last, new)]

    def _in_control(self, control: Control) -> Callable[[Sequence[str]], list[Edit]]:
        """Write in a content control, which then shows no prompt any more, or as the result of a form field."""

        def write(texts: Sequence[str]) -> list[Edit]:
            new = "\n".join(texts)
            edits: list[Edit] = []
            for node in control.result:
                if node.text:
                    edits += self._characters(node, 0, len(node.text), new)
                    new = ""
            if new and control.after is not None:
                tag = qualified(self._data, control.after, "r")
                text = self._element(control.after, new)
                return [Edit(control.after.end, control.after.end, b"<%b>%b</%b>" % (tag, text, tag))]
            if new:
                return []
            properties = control.node.child("sdtPr")
            prompt = properties.child("showingPlcHdr") if properties else None
            if prompt is not None:
                edits.append(Edit(prompt.start, prompt.end, b""))
                grey = [run.child("rPr", "rStyle") for run in control.node.all("r")]
                edits += [Edit(n.start, n.end, b"") for n in grey if n is not None]
            return edits

        return write


def _is_header(row: Sequence[Cell]) -> bool:
    """Whether a row names columns, one at least to be filled."""
    titles = [cell.text for cell in row if cell.text]
    if len(titles) < 2 or any(len(t) > words.MAX_HEADER or LEADER.search(t) or BOX.search(t) for t in titles):
        return False
    roles = [words.role(title) for title in titles]
    filled = sum(role in ("text", "comment", "conformity", "section", "price") for role in roles)
    return filled > 0 and not any(title.endswith(":") for title in titles)


def _asks_anew(block: Paragraph) -> bool:
    """Whether a paragraph under « Réponse : » is the next question, and so no answer."""
    return block.heading or bool(words.reference(block.text)) or block.text.rstrip().endswith(("?", ":"))


def _mostly(values: Iterable[bool]) -> bool:
    """Whether three in four are so: a row of totals may stand under a column left to the candidate."""
    found = list(values)
    return 4 * sum(found) >= 3 * len(found)


def _prose(cell: Cell) -> bool:
    """Whether a cell says something of its own, with no place in it."""
    return not (LEADER.search(cell.text) or BOX.search(cell.text) or words.prompt(cell.text)) and not any(
        isinstance(block, Around) or (isinstance(block, Paragraph) and block.controls) for block in cell.blocks
    )


def _going_on(spot: Spot, write: Callable[[Sequence[str]], list[Edit]]) -> Spot:
    """A place with one dotted line more, which its answer takes away."""
    return Spot(spot.place, spot.part, lambda texts: [*spot.write(texts), *write(())])
