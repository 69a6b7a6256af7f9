"""The frozen records that cross stages. Imports no other module of the project.

Conventions: pages count from 1 and are ``None`` where the source has no pages; character counts are Unicode
code points; an empty tuple means "none found", never "not looked for".
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SourceKind = Literal["dce", "response", "component", "firm"]
"""What a passage may prove: what is asked; experience; a fact about software; a commitment of the firm."""

BlockKind = Literal["heading", "paragraph", "item", "table", "toc"]


class Record(BaseModel):
    """Immutable, and strict about the fields it knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- documents ---------------------------------------------------------------------------------------------


class Comment(Record):
    """A remark that a reviewer left beside the text of a Word document."""

    author: str
    """As the word processor signs it; empty where it does not."""
    date: str | None
    """ISO 8601, as the word processor wrote it; ``None`` where it did not."""
    text: str
    quote: str = ""
    """The words it is about; empty where it is put at a place and not on words."""
    row: int | None = None
    """In a table: the position of its row among ``Block.rows``, from 0."""


class Block(Record):
    """A paragraph, heading, list item or table, in reading order."""

    kind: BlockKind
    text: str
    """White space folded; list markers kept out of it (see ``marker``); table cells joined by « | »."""
    page: int | None = None
    level: int = 0
    """Heading: 1 is the outermost, 0 unknown. Item: 1 is the outermost. Otherwise 0."""
    marker: str = ""
    """The list marker or automatic number that precedes the text: « • », « a) », « 1.2 »."""
    rows: tuple[tuple[str, ...], ...] = ()
    """Table only: cells by row, the header row first where there is one; paragraphs of a cell on lines of their own."""
    row_pages: tuple[int, ...] = ()
    """Table only: the page each row begins on, where the table spans several; empty otherwise."""
    row_ends: tuple[int, ...] = ()
    """The page each row ends on, likewise."""
    until: str | None = None
    """Last day on which what it says is proof (a certificate's end), ISO 8601; ``None`` where it has no end."""
    comments: tuple[Comment, ...] = ()
    """Word only: reviewers' comments that begin in it."""


Piece = Literal["RC", "CCAP", "CCTP", "AE", "BPU", "DPGF", "DQE", "CADRE", "LETTRE", "NOTICE", "ANNEXE", "AUTRE"]
"""What a file of a tender is."""


class Document(Record):
    """One file, read."""

    name: str
    sha256: str
    kind: SourceKind
    pages: int | None
    blocks: tuple[Block, ...]
    scanned: tuple[int, ...] = ()
    """Pages that are images whose text is not read."""
    piece: Piece | None = None
    """Tender documents: the piece a person says it is; ``None`` where it is told from its content."""
    client: str | None = None
    """Past responses: who it was written for."""
    client_alias: str | None = None
    """How that client may be called in a document for another buyer; ``None`` where the name itself may be."""
    date: str | None = None
    """Date of the facts, ISO 8601 (year, year-month or day); empty where unknown."""

    @property
    def text(self) -> str:
        """All of it, a block a line (a table, a row a line); what the offsets of passages count in."""
        return "\n".join(block.text for block in self.blocks)


class Passage(Record):
    """A piece of a document small enough to prove one thing; the unit of search and of citation."""

    id: str
    """First 12 hexadecimal digits of SHA-256 over document hash, ordinal and text; stable across runs."""
    kind: SourceKind
    document: str
    page: int | None
    article: str | None
    """The nearest numbered heading, as written."""
    headings: tuple[str, ...] = ()
    """Heading path, outermost first."""
    text: str
    """As searched and drafted from: list items dashed, table cells with their column's name."""
    start: int = 0
    end: int = 0
    """``Document.text[start:end]`` is the exact source; equal where it is not known (drafts of before)."""
    lot: str | None = None
    """Tender documents: the only lot it is about, where its headings or its document say one."""
    until: str | None = None
    """Last day on which it is proof, ISO 8601; ``None`` where it has no end."""
    client: str | None = None
    client_alias: str | None = None
    date: str | None = None


class Hit(Record):
    """A passage found, with its fused score (reciprocal rank fusion: higher is better, at most 2/61)."""

    passage: Passage
    score: float
    similarity: float
    """Cosine between question and passage, both centred (pipeline/index.py), in [-1, 1]."""


class SourceView(Record):
    """A cited passage shown in the text it stands in."""

    kind: SourceKind
    document: str
    page: int | None
    article: str | None
    before: str
    """Up to 1,500 characters of the document; empty at its beginning, and where it is not found."""
    text: str
    """The exact words of the document; those that were cited where it is not found."""
    after: str
    notice: str
    """Why it is no proof, or an old one, in French; empty elsewhere."""
    confidential: str
    """How its client must be called, in French; empty where there is none or it may be named."""
    found: bool
    """Whether the index still has it; else the document has changed since it was cited, or is not indexed."""
    file: str | None
    """Path of its file, where it is still there and may be given out."""


# --- what the buyer imposes --------------------------------------------------------------------------------


class Criterion(Record):
    """An award or selection criterion in the buyer's words."""

    label: str
    weight: float | None = None
    unit: Literal["%", "points"] | None = None
    subcriteria: tuple[Criterion, ...] = ()
    page: int | None = None
    note: str = ""
    """What the buyer adds on how it is appreciated."""
    number: str = ""
    """The buyer's own: « 1.2 », « C1 »; empty where there is none."""
    lot: str | None = None
    """Number of the lot it is for, where lots have lists of their own."""


class PlanPart(Record):
    """A named part of a section that carries its own points."""

    title: str
    points: tuple[str, ...] = ()


class PlanNode(Record):
    """A chapter (level 1) or section (level 2…) of the imposed plan, in the buyer's order."""

    number: str
    title: str
    level: int
    prefix: str = ""
    """What the buyer prints before the title, separator included: « CHAPITRE 1 – », « 1.1 »."""
    points: tuple[str, ...] = ()
    parts: tuple[PlanPart, ...] = ()
    expected: str | None = None
    evidence: str | None = None
    page: int | None = None
    ref: str = ""
    """What names it here where the buyer gives no number, or one number twice; empty elsewhere."""

    @property
    def name(self) -> str:
        """What names it in commands, links and files; unique in the plan."""
        return self.ref or self.number

    @property
    def heading(self) -> str:
        """The title as the document must print it, the buyer's numbering before it."""
        return f"{self.prefix} {self.title}".strip()


class Deliverable(Record):
    """A document to hand in, with what it must contain."""

    code: str
    title: str
    points: tuple[str, ...] = ()


class Requirement(Record):
    """One atomic statement of what the solution or the firm must do."""

    id: str
    text: str
    mandatory: bool
    document: str
    page: int | None = None
    article: str | None = None


class Deadline(Record):
    """A date and what it closes."""

    label: str
    date: str | None
    """``YYYY-MM-DD`` or ``YYYY-MM-DDTHH:MM``; ``None`` where the text gives no full date."""
    text: str


Topic = Literal["lots", "variantes", "options", "penalites", "assurances", "certificats", "visite"]


class Condition(Record):
    """A sentence that binds on a topic, with its place."""

    topic: Topic
    text: str
    document: str
    page: int | None = None


class Change(Record):
    """A difference between two versions of a tender; ``before`` is ``None`` where added, ``after`` where removed."""

    field: str
    kind: Literal["added", "removed", "changed"]
    key: str
    before: str | None
    after: str | None


class Conflict(Record):
    """A value that a person corrected and that the buyer has since changed too; the person's is kept."""

    field: str
    key: str
    kept: str | None
    """The person's; ``None`` where they removed it."""
    read: str | None
    """What the new version of the tender says; ``None`` where it no longer says it."""


class Origin(Record):
    """Where a value comes from, when not from the rules of reading."""

    field: str
    """Name of the field of :class:`Tender`."""
    key: str
    """Which of its values: its label, number, code or words; the field's name for a single value."""
    by: Literal["model", "person"]


class Link(Record):
    """What a criterion pays, or where a requirement or a deliverable is answered in the imposed plan."""

    kind: Literal["criterion", "requirement", "deliverable"]
    source: str
    """Label of the criterion, identifier of the requirement, code of the deliverable."""
    target: str
    """Number of the chapter or section; empty where a person says that none answers."""
    reason: str


class Place(Record):
    """Where something stands, word for word."""

    document: str
    page: int | None
    quote: str


class TenderDocument(Record):
    """A file of the tender and the piece it is."""

    name: str
    piece: Piece


class Inconsistency(Record):
    """Two places of the tender that cannot both hold, with the question to ask."""

    message: str
    places: tuple[Place, ...]
    question: str


class Tender(Record):
    """Everything the buyer imposes (CONTRACTS, ``read --format json``)."""

    object: str | None = None
    buyer: str | None = None
    reference: str | None = None
    criteria: tuple[Criterion, ...] = ()
    selection_criteria: tuple[Criterion, ...] = ()
    plan: tuple[PlanNode, ...] = ()
    plan_rules: tuple[str, ...] = ()
    distinctions: tuple[str, ...] = ()
    deliverables: tuple[Deliverable, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    deadlines: tuple[Deadline, ...] = ()
    pieces: tuple[str, ...] = ()
    format_rules: tuple[str, ...] = ()
    inconsistencies: tuple[Inconsistency, ...] = ()
    documents: tuple[TenderDocument, ...] = ()
    conditions: tuple[Condition, ...] = ()
    links: tuple[Link, ...] = ()
    origins: tuple[Origin, ...] = ()
    """Values that come from a model or a person; all others come from the rules."""


class Correction(Record):
    """What a person changes in a tender."""

    pointer: str
    """Where, as a JSON pointer (RFC 6901) into ``read --format json``; « /- » after a list is its end."""
    value: Any = None
    op: Literal["set", "remove"] = "set"
    """« remove » takes an item out of its list."""


# --- what is drafted ---------------------------------------------------------------------------------------


class Point(Record):
    """One thing a section must answer."""

    text: str
    part: str | None = None
    """Title of the part of the section it belongs to."""
    evidence: bool = False
    """It is the evidence the buyer asks of the section, not one of the points of the plan."""


class SectionBrief(Record):
    """What a section has to say, before anything is written."""

    number: str
    title: str
    level: int
    chapter: str
    """Title of the level-1 heading it stands under (its own title at level 1)."""
    points: tuple[Point, ...]
    expected: str | None = None
    evidence: str | None = None
    distinctions: tuple[str, ...] = ()
    """What the buyer asks to keep apart, in the buyer's words."""
    words: int | None = None
    """Most words it may have, from the buyer's limit of pages; ``None`` where there is none."""


Claim = Literal["asked", "fact", "experience", "commitment", "method", "stated"]
"""What a sentence may claim, by the passage it rests on (pipeline/claims.py); « stated »: a person of the firm says it
and no passage founds it."""


class Sentence(Record):
    """One sentence and the passages that prove it: at least one, but where a person worded it and cites nothing."""

    text: str
    passages: tuple[str, ...]
    claim: Claim
    wording: Literal["model", "source", "person"] = "model"
    """Who worded it: the model, the passage itself, or a person of the firm."""


class Paragraph(Record):
    """The answer to one point, or the gap where nothing proves an answer."""

    id: str
    """``<section>-<ordinal>``, unique in the mémoire."""
    point: int | None
    """Index into the brief's points; ``None`` for a question about the whole section."""
    sentences: tuple[Sentence, ...] = ()
    gap: str | None = None
    """The « [À COMPLÉTER : …] » text where no sentence could be proven."""
    distinction: str | None = None
    """Which of the distinctions the buyer asks for it falls under, as printed; ``None`` where none is asked."""
    item: bool = False
    """A person made it an item of a list."""
    rows: tuple[tuple[str, ...], ...] = ()
    """A table that a person added, its header first; it then has no sentences."""


class Lock(Record):
    """A section that a person keeps for themselves: nothing drafts it, and nobody else writes it."""

    by: str
    when: str
    """ISO 8601, with its time zone."""


class VersionInfo(Record):
    """What tells a version of a section from the others."""

    id: str
    """« actuelle », « proposee » (a draft beside a person's text), or the name under which it was kept."""
    when: str | None
    """When it was written, ISO 8601; ``None`` where nothing tells."""
    by: str | None
    """Who handed it in; ``None`` for the machine's drafts, and where they did not say."""
    model: str
    """What drafted it at first; empty where a person wrote it all."""
    words: int
    accepted: bool
    """Whether it is a person's text."""
    validated_by: str | None = None


class Answer(Record):
    """How a section answers a requirement: by a paragraph of it, by a sentence of the library word for word, or not."""

    requirement: str
    """Its identifier."""
    sentence: Sentence | None
    """``None`` where the requirement belongs to the section and nothing answers it."""
    paragraph: str | None = None
    """The paragraph that holds the sentence; ``None`` where only the table of requirements does."""


class Exchange(Record):
    """What the model was given for one sentence, what it wrote, and why that was refused."""

    point: int
    passage: str
    excerpt: str
    replies: tuple[str, ...]
    refused: tuple[str, ...] = ()


FindingKind = Literal[
    "figure",
    "name",
    "claim",
    "language",
    "client",
    "empty",
    "citation",
    "gap",
    "echo",
    "stale",
    "repeat",
    "commitment",
    "comment",
]


class Finding(Record):
    """Something a check saw, in French, with the paragraph concerned."""

    kind: FindingKind
    message: str
    paragraph: str | None = None


ReviewVerdict = Literal["kept", "edited", "rewritten", "deleted", "added"]


class Acceptance(Record):
    """A person's text taken as a section's; nothing overwrites it from then on."""

    by: str | None
    """Who handed it in; ``None`` where they did not say."""
    when: str
    """ISO 8601, with its time zone."""
    file: str
    """Name of the Word document it comes from; empty where it was typed, or a version was taken back."""
    sha256: str
    """Of that document, or of the text typed; empty where a version was taken back."""
    verdicts: dict[ReviewVerdict, int]
    """Paragraphs by what became of them since the last machine draft; a verdict nobody gave is left out."""
    words_kept: float | None
    """Share of the machine's words in paragraphs kept as they were; ``None`` where a person wrote it all."""
    chrf: float | None
    """chrF of the machine's text against the person's, in [0, 1]."""
    validated_by: str | None = None
    """Who answers for the section as it stands; ``None`` where nobody does yet."""


class Section(Record):
    """A drafted section with everything needed to explain it. Where a person wrote it without a draft, what tells of a
    model is empty or zero."""

    number: str
    title: str
    brief: SectionBrief
    paragraphs: tuple[Paragraph, ...]
    passages: tuple[Passage, ...]
    """Every passage cited, so that the draft is readable without the index."""
    findings: tuple[Finding, ...] = ()
    model: str
    model_sha256: str
    prompt_sha256: str
    inputs_sha256: str
    """Hash of brief, model, prompts, settings and offered passages: equal means nothing to redo."""
    seconds: float = Field(ge=0)
    """From the first of its sentences asked to the last; sections advance together, so these overlap."""
    tokens: int = Field(ge=0)
    """Tokens decoded."""
    answers: tuple[Answer, ...] = ()
    """Requirements it answers."""
    exchanges: tuple[Exchange, ...] = ()
    """In the order of writing."""
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings of drafting, retrieval and model it was made with, by group."""
    accepted: Acceptance | None = None
    """``None`` while it is the machine's draft."""
    instruction: str = ""
    """How a person asked the model to write it; empty where they did not say."""


SectionStatus = Literal["empty", "drafted", "edited", "validated"]
"""Nothing yet; the machine's draft; a person's text; a person's text that somebody answers for."""


class SectionState(Record):
    """Where a heading of the plan stands, for those who follow the work."""

    number: str
    """The heading's name."""
    title: str
    level: int
    points: int
    """Points of the plan it must answer; 0 where it is only a title above others."""
    covered: int
    """Of these, how many have an answer, a sentence or a table; whether its sources bear it is measured by ``eval``."""
    gaps: int
    """Questions left open in it."""
    findings: int
    """What checks and readers say of it, open questions apart."""
    words: int
    """Of its sentences and tables."""
    status: SectionStatus
    locked_by: str | None = None
    accepted_by: str | None = None
    """Who handed its text in; ``None`` where nobody did or they did not say."""
    validated_by: str | None = None
    weight: float | None = None
    """Share of the award criteria, in [0, 1], that its points carry, and those of the headings under it: a criterion is
    shared by the points of the chapter it pays. ``None`` where no weighted criterion pays its chapter."""
    proposed: bool = False
    """Whether a new draft stands beside a person's text."""
    updated: str | None = None
    """When its text was last written, ISO 8601 in UTC; ``None`` where there is none."""


def unwritten(brief: SectionBrief) -> Section:
    """A section of which nothing is written."""
    return Section(
        number=brief.number,
        title=brief.title,
        brief=brief,
        paragraphs=(),
        passages=(),
        model="",
        model_sha256="",
        prompt_sha256="",
        inputs_sha256="",
        seconds=0,
        tokens=0,
    )


class TableRow(Record):
    """Cells, and what proves them; ``None`` where they only repeat what the buyer asks."""

    cells: tuple[str, ...]
    source: Passage | None = None


TableKind = Literal[
    "components",
    "support",
    "certificates",
    "service_levels",
    "teams",
    "responsibilities",
    "references",
    "risks",
    "planning",
    "deliverables",
]


class Table(Record):
    """What data says better than prose; made without a model."""

    kind: TableKind
    section: str
    """Name of the section it stands in."""
    title: str
    header: tuple[str, ...]
    rows: tuple[TableRow, ...]


Conformity = Literal["yes", "confirm", "open"]
"""Proven by a commitment of the firm with every figure asked; answered, to be confirmed by a person; not answered."""


FigureKind = Literal["hld", "lld", "planning"]


class Node(Record):
    """A component in a diagram."""

    name: str
    layer: str
    zone: str
    """Its environment: Production, Secours, Administration."""


class Bar(Record):
    """A stage of a planning, in months from the notification, the first being 1; ``end`` is its last month."""

    label: str
    start: int
    end: int


class Figure(Record):
    """A diagram as data; made without a model."""

    kind: FigureKind
    section: str
    """Name of the section it stands in."""
    title: str
    alt: str
    """What it shows, in words."""
    nodes: tuple[Node, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
    """(component, component it rests on)."""
    bars: tuple[Bar, ...] = ()
    sources: tuple[Passage, ...] = ()


class Compliance(Record):
    """A requirement and what the document makes of it."""

    requirement: Requirement
    section: str
    """Number of the section that answers it, or else where it belongs; empty where the plan has no place for it."""
    answer: Sentence | None = None
    paragraph: str | None = None
    """The paragraph that holds the answer; ``None`` where only the table of requirements does."""
    conformity: Conformity = "open"


class Memoire(Record):
    """The whole answer in the buyer's order; a node without a section is still to be drafted."""

    title: str
    """Object of the contract."""
    kind: str = "Mémoire technique"
    """What the document is, as printed."""
    buyer: str | None
    reference: str | None
    plan: tuple[PlanNode, ...]
    sections: tuple[Section, ...]
    """Drafted sections, in plan order."""
    tables: tuple[Table, ...] = ()
    """Of the drafted sections, in plan order."""
    figures: tuple[Figure, ...] = ()
    """Likewise."""
    compliance: tuple[Compliance, ...] = ()
    """Every requirement of the tender, in its order."""
    validated_by: tuple[str, ...] = ()
    """Who validated it, each once, in plan order; empty unless every drafted section is validated."""
    validated_on: str | None = None
    """Day of the last validation, ISO 8601; ``None`` likewise."""


# --- what is handed in -------------------------------------------------------------------------------------

Side = Literal["candidature", "offre", ""]
"""Which half of the answer a document belongs to; empty: either."""


class NamePattern(Record):
    """How the buyer wants a file called."""

    parts: tuple[str, ...]
    """In order: the buyer's own text, or a variable in braces (candidat, lot, piece, titre, numero, rang, reference,
    date, dossier); one in capitals is written in capitals."""
    separator: str
    scope: Side = ""
    """The documents it is for."""
    place: Place

    @property
    def text(self) -> str:
        """« {numero}_{CANDIDAT}_{titre} »."""
        return self.separator.join(self.parts)


class NamingRule(Record):
    """What the buyer imposes on the files, with where each thing stands; all empty where nothing is imposed."""

    patterns: tuple[NamePattern, ...] = ()
    values: tuple[str, ...] = ()
    """The buyer's own words for pieces inside names: « PRIX », « MT »."""
    max_chars: int | None = None
    """Longest name, in characters."""
    with_extension: bool = True
    """Whether the extension counts; the stricter reading where the buyer does not say."""
    refused: tuple[Literal["accents", "spaces", "special"], ...] = ()
    formats: tuple[str, ...] = ()
    """Extensions accepted, lower case, without the dot."""
    max_file_mb: float | None = None
    """Most megabytes (10^6 bytes) of a file."""
    max_pack_mb: float | None = None
    """The same for the whole answer."""
    folders: tuple[str, ...] = ()
    """Folders the files must lie in: the words for candidature and offre, as the buyer writes them."""
    places: tuple[Place, ...] = ()
    """Where the limits, the formats and the folders were read."""


class PackFile(Record):
    """A file of the pack."""

    source: str
    """Where it was taken from: a path, or what was exported."""
    name: str
    """In the ZIP, folder included."""
    rule: str
    """In French: which rule gave the name."""
    piece: str
    """What it answers in the list of pieces; empty where the buyer does not ask for it."""
    bytes: int
    pages: int | None
    """``None`` where the format does not tell (DOCX)."""
    issued: str | None = None
    """The day it was issued, ISO 8601, where it says so."""
    until: str | None = None
    """Its last day of validity, likewise."""


PieceStatus = Literal["present", "missing", "expired", "fill"]
"""There; not there; there or held but no longer proof on the day of submission; not there, and a person's to fill in
(prices, signature)."""


class PackPiece(Record):
    """A piece asked for, and what the pack has of it."""

    label: str
    """The buyer's words, or the code and title of a deliverable."""
    mandatory: bool
    """False where the buyer's words make it depend on a case, or where it is the buyer's own document."""
    status: PieceStatus
    files: tuple[str, ...] = ()
    """Names in the ZIP."""
    notes: tuple[str, ...] = ()
    """French lines: what to do, what could not be checked."""


class Pack(Record):
    """What is handed in, and what is not ready."""

    rule: NamingRule
    deadline: str | None
    """Day of submission that validity is counted to; ``None`` where the buyer gives none (then the present day)."""
    pieces: tuple[PackPiece, ...]
    files: tuple[PackFile, ...]
    remarks: tuple[str, ...] = ()
    """French lines that block nothing."""

    @property
    def complete(self) -> bool:
        """Whether every mandatory piece is there and valid."""
        return all(piece.status == "present" for piece in self.pieces if piece.mandatory)


# --- the buyer's own frames --------------------------------------------------------------------------------

FrameKind = Literal["text", "conformity", "section", "comment", "choice", "price", "signature", "bank", "other"]
"""What a place asks for. « choice » is boxes to tick; « other » a column or line whose heading says nothing we know."""


class FramePlace(Record):
    """A place of a buyer's frame that waits for an answer."""

    id: str
    """Stable from one reading of the same file to the next; unique in the file."""
    where: str
    """In French: « tableau 2, ligne 3, colonne « Réponse » », « feuille « Matrice », cellule D7 »."""
    label: str
    """What is asked, in the buyer's words, white space folded; empty where nothing says it."""
    kind: FrameKind
    empty: bool = True
    """Whether nothing is written there yet; dots, a prompt or a lone unit are nothing."""
    reference: str = ""
    """The buyer's own number of what is asked: « EX-012 »."""
    options: tuple[str, ...] = ()
    """The only values it takes, as the frame writes them; empty where it takes any or they are not known."""
    left: str = ""
    """Why only a person may fill it, in French; empty where it may be filled."""


class FrameFilling(Record):
    """What was written in a place."""

    place: FramePlace
    text: str
    source: str
    """Where it comes from, in French: the requirement and section of the mémoire, or the firm's fact."""
    score: float
    """Likeness of what the frame asks and what the source answers, in [0, 100]; 100 for the same identifier."""


class FrameLeft(Record):
    """A place left to a person."""

    place: FramePlace
    reason: str
    """In French."""


class FrameReport(Record):
    """What became of a frame."""

    frame: str
    """Name of the file."""
    written: str | None = None
    """Path of the filled copy; ``None`` where none was written."""
    filled: tuple[FrameFilling, ...] = ()
    left: tuple[FrameLeft, ...] = ()
    not_understood: tuple[FramePlace, ...] = ()
    """Places whose question or column says nothing we know; left to a person too."""
    remarks: tuple[str, ...] = ()
    """What else a person must know, a French line each."""
    refused: str = ""
    """Why the file could not be treated, one French line; empty otherwise."""


# --- what people made of it --------------------------------------------------------------------------------

ReviewedKind = Literal["paragraph", "item", "row", "caption", "heading"]
"""« row »: of a table; « caption »: of a table or figure; « heading »: one that is not of the plan."""


class WordEdit(Record):
    """A run of words of a comparison, its own white space included."""

    kind: Literal["kept", "deleted", "inserted"]
    text: str


class FigureChange(Record):
    """A figure that differs; ``None`` where one side has none."""

    before: str | None
    after: str | None


class ReviewedParagraph(Record):
    """A generated paragraph and what people made of it."""

    verdict: ReviewVerdict
    generated: str | None
    """``None`` where people added it."""
    human: str | None
    """``None`` where people dropped it."""
    likeness: float
    """In [0, 1], citations left out."""
    edits: tuple[WordEdit, ...] = ()
    figures: tuple[FigureChange, ...] = ()
    """Figures a person changed: an alarm about their source."""
    citations_lost: int = 0
    gap_answered: bool = False
    """It was a question to fill in, and it is no longer one."""
    kind: ReviewedKind = "paragraph"
    """What it is in the human document; in the generated one where it was dropped."""
    sure: bool = True
    """Whether the words say that the two are one paragraph; where false, its place suggests it: check."""
    moved_from: str | None = None
    """Number of the generated section it was taken from, the same where it was moved inside; ``None``: not moved."""
    split: bool = False
    """People made several paragraphs of it; ``human`` joins them by spaces."""
    merged: bool = False
    """People made one paragraph of several; ``generated`` joins them by spaces."""
    cells: tuple[tuple[WordEdit, ...], ...] = ()
    """A row that kept its number of columns: the edits of each cell."""
    comments: tuple[Comment, ...] = ()
    """Of reviewers, in the human document."""


class ReviewedSection(Record):
    """A section of the plan; its number is empty for what stands before the plan."""

    number: str
    title: str
    paragraphs: tuple[ReviewedParagraph, ...]
    missing: bool = False
    """The human document has no such heading."""
    human_title: str | None = None
    """The heading as the human document has it; ``None`` where it has none."""
    aligned: float | None = None
    """Share of its words, of both texts, in paragraphs that surely found each other; ``None``: no words."""
    sure: bool = True
    """Whether the verdicts can be believed: the heading was found, and most of the text found its counterpart."""


class Review(Record):
    """Generated against human text."""

    sections: tuple[ReviewedSection, ...]
    acceptance: float | None
    """Share of the generated words in paragraphs kept as they were."""
    chrf: float | None
    """chrF of the generated text against the human one, in [0, 1]."""
    edit_distance: float | None
    """Levenshtein distance in words, over the longer text's words."""
    citations_lost: int
    gaps_answered: int
    remarks: tuple[str, ...] = ()
    """What to know before believing it, a French line each: another plan, another language, revisions left open."""


class FirmAnswer(Record):
    """A person's answer to a « [À COMPLÉTER : …] »: a fact of the firm."""

    question: str
    answer: str
    by: str
    date: str
    """ISO 8601 day."""
    section: str
    """Number of the section that asked."""
    tender: str
    """Object of the contract it was answered for."""


# --- what is measured --------------------------------------------------------------------------------------


Verdict = Literal["covered", "partial", "missing", "unscored"]


class Metric(Record):
    """A share in [0, 1] over ``n`` scored items; ``None`` where nothing could be scored."""

    value: float | None
    n: int
    unscored: int = 0
    interval: tuple[float, float] | None = None
    """Wilson 95 % score interval."""


class PointCoverage(Record):
    text: str
    verdict: Verdict
    paragraphs: tuple[str, ...] = ()


class SectionCoverage(Record):
    number: str
    title: str
    points: tuple[PointCoverage, ...]
    findings: tuple[Finding, ...] = ()


class CriterionCoverage(Record):
    label: str
    weight: float | None
    coverage: float | None
    """Share of the points of its chapter that are covered (a partial counts half); ``None`` where none does."""
    points: float | None


class Mark(Record):
    """A simulated technical mark: coverage on the buyer's scale. It says what is answered, not the jury's taste."""

    value: float
    """Sum over the criteria of weight × coverage, in the buyer's unit."""
    out_of: float
    """Weights of the criteria that the document answers; the others (price…) are left out."""
    unit: Literal["%", "points"] | None
    interval: tuple[float, float]
    """95 %, the criteria taken as independent, each a binomial share of its points."""


class Gain(Record):
    """A point that is not covered, and what covering it would add to the mark."""

    section: str
    point: str
    verdict: Verdict
    criterion: str
    """The criterion that pays most for it."""
    gain: float
    """In the unit of the mark."""


class AcceptanceRate(Record):
    """How much of what a model wrote with a prompt people kept."""

    model: str
    model_sha256: str
    prompt_sha256: str
    kept: Metric
    """Mean share of words kept, over accepted sections."""
    chrf: float | None
    """Mean over the same sections, in [0, 1]."""


class Check(Record):
    """A fault that a scorer saw in the document as it stands."""

    metric: str
    """The metric it lowers."""
    section: str
    """Name of the section it is in; empty where it is about the whole document."""
    paragraph: str | None
    """``None`` where no paragraph is at fault: something is absent, or it is in a table."""
    message: str
    """In French."""


class DocumentForm(Record):
    """The form of a document to hand in, read from its file."""

    format: str
    """Extension, lower case, without the dot."""
    megabytes: float
    """10^6 bytes."""
    papers: tuple[tuple[int, int], ...]
    """Short and long side of its pages in millimetres, each size once; (0, 0) where the file does not say."""
    smallest: float | None
    """Size of its smallest text, tables and captions included, headers, footers and notes left out, in points; ``None``
    where there is no text."""
    smallest_style: str
    """The style that text is in."""
    fonts: tuple[str, ...]
    """Of the same text; an empty one stands for the theme's."""
    numbered: bool
    """Whether a header or footer has the page's number."""
    contents: bool
    """Whether it has a table of contents."""
    pages: int | None = None
    """Cover and contents included; ``None`` where nothing laid it out."""


class JudgedPoint(Record):
    """A point that a model judged, beside what the scorers say of it."""

    number: str
    section: str
    """Title of the section."""
    point: str
    scored: Verdict
    """The scorers'."""
    judged: Verdict
    """The judge's: the best that one of the point's paragraphs gets; ``unscored`` where no answer of it could be
    used."""
    agreement: float | None
    """Mean over its paragraphs of the share of runs that gave the most frequent verdict; ``None`` for a single run."""
    quotes: tuple[str, ...]
    """The proofs of the verdict, word for word, each once."""
    unscored: int
    """Answers that could not be used, over its paragraphs and the runs."""

    @property
    def differs(self) -> bool:
        """Whether scorers and judge both have a verdict, and not the same: no verdict differs from none."""
        return "unscored" not in (self.scored, self.judged) and self.scored != self.judged


class JudgeReport(Record):
    """A second opinion, which changes nothing else of the report. Points without a paragraph are not asked about."""

    model: str
    sha256: str
    """Of the model's file, or of its server's address and name."""
    prompt_sha256: str
    runs: int
    caution: str
    """In French: how far this judge agrees with people."""
    points: tuple[JudgedPoint, ...]
    """In the report's order."""
    agreement: float | None
    """Between runs: mean of the points' that have one."""
    spread: tuple[float, float] | None
    """Lowest and highest coverage that a run alone gives (a partial counts half); ``None`` for a single run."""

    @property
    def disagreements(self) -> tuple[JudgedPoint, ...]:
        """Points on which scorers and judge differ."""
        return tuple(point for point in self.points if point.differs)

    @property
    def unscored(self) -> int:
        """Points that the judge has no verdict on."""
        return sum(point.judged == "unscored" for point in self.points)


class CoverageReport(Record):
    """What the document answers, against plan and criteria (CONTRACTS, ``eval --format json``)."""

    metrics: dict[str, Metric]
    criteria: tuple[CriterionCoverage, ...]
    sections: tuple[SectionCoverage, ...]
    manifest: dict[str, str]
    checks: tuple[Check, ...] = ()
    """In the order of the metrics. A gap that asks its question is no fault."""
    acceptance: tuple[AcceptanceRate, ...] = ()
    """By model and prompt; empty where nothing was accepted."""
    mark: Mark | None = None
    """``None`` where no weighted criterion is answered."""
    gains: tuple[Gain, ...] = ()
    """Most first."""
    judge: JudgeReport | None = None
    """``None`` where no model was asked."""


# --- what a model judges -----------------------------------------------------------------------------------


class Asked(Record):
    """One question to the judge: does this paragraph answer this point?"""

    section: str
    """Title of the section."""
    point: str
    """The buyer's words."""
    text: str
    """The paragraph."""
    number: str = ""
    """Number of the section; with ``paragraph`` it finds the place in a report, and is not shown to the model."""
    paragraph: str = ""
    """Identifier of the paragraph."""


class JudgeRun(Record):
    """One answer of the judge, as it came, and what was made of it."""

    reply: str
    verdict: Verdict
    """``unscored`` where the reply could not be used."""
    quote: str = ""
    """Its proof, word for word from the paragraph; empty where it gave none or none that is found."""
    refused: str = ""
    """In French: why it could not be used; empty where it could."""


class Judgement(Record):
    """What the runs say together."""

    asked: Asked
    verdict: Verdict
    """That of more runs than any other; ``unscored`` where no run could be used, or where verdicts tie."""
    agreement: float | None
    """Share of the usable runs, in [0, 1], that gave the most frequent verdict; ``None`` where none is usable."""
    runs: tuple[JudgeRun, ...]
    shown: str
    """What the model read of the paragraph: less than all of it where it is too long."""

    @property
    def unscored(self) -> int:
        """Runs that could not be used."""
        return sum(run.verdict == "unscored" for run in self.runs)

    @property
    def quotes(self) -> tuple[str, ...]:
        """The proofs of the verdict, each once."""
        return tuple(dict.fromkeys(run.quote for run in self.runs if run.quote and run.verdict == self.verdict))
