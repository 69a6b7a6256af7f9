"""The whole pipeline on one screen: each function takes a dossier one stage further and leaves its record on disk."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline import weights
from pipeline.accept import Handed, accept
from pipeline.answers import keep_answers
from pipeline.apart import apart
from pipeline.attribute import Attribution, Sources, attribute
from pipeline.clients import secret_forms
from pipeline.coverage import compliance, cover, share
from pipeline.diagrams import section_figures, with_evidence
from pipeline.draft import Guard, Progress, draft_sections, inputs_fingerprint
from pipeline.embed import Embedder, FolderEmbedder
from pipeline.errors import (
    DocumentError,
    DossierError,
    IndexDamagedError,
    IndexMismatchError,
    MemoireError,
    PlanMissingError,
)
from pipeline.export.checklist import to_html as checklist_to_html
from pipeline.export.pages import available as libreoffice
from pipeline.export.pages import lay_out
from pipeline.export.text import to_html, to_markdown
from pipeline.export.tracked import write_tracked
from pipeline.export.word import Layout, to_docx
from pipeline.frames import FRAMES, Answers, fill, identity_of
from pipeline.handed import cover_document
from pipeline.index import Index
from pipeline.ingest import Files, Ingested, identity, ingest
from pipeline.ingest import Progress as IndexProgress
from pipeline.inventory import Inventory, inventory
from pipeline.library import read_facts
from pipeline.llm import LanguageModel
from pipeline.llm.llamacpp import LlamaCpp
from pipeline.llm.server import OpenAiServer
from pipeline.marks import with_mark
from pipeline.outline import branch, briefs_of, chosen, deliverable_plan, named, outline, page_limit
from pipeline.pack import Consultation, Given, certificates_of, given, still, taken_from, without_twins, zipped
from pipeline.pack.checklist import make_pack
from pipeline.pack.kinds import kinds_in
from pipeline.pack.names import Bidder
from pipeline.pack.wanted import MEMOIRE
from pipeline.propose import kept, propose
from pipeline.readers import read_all
from pipeline.readers.docx import OLE_MAGIC, pictures, read_docx
from pipeline.readers.lines import with_contents
from pipeline.readers.reviewed import Reviewed, read_reviewed
from pipeline.records import (
    AcceptanceRate,
    Block,
    Change,
    Compliance,
    Conflict,
    CoverageReport,
    Deliverable,
    Document,
    FirmAnswer,
    FrameReport,
    Hit,
    Memoire,
    Pack,
    PlanNode,
    Review,
    Section,
    SectionBrief,
    SourceKind,
    Tender,
)
from pipeline.rerank import CrossEncoder, LateInteraction
from pipeline.retrieve import EVERYTHING, Filters, Reranker, retrieve
from pipeline.review import review
from pipeline.settings import Settings, SplitSettings
from pipeline.store import FILE, Store
from pipeline.tables import Catalogue, read_catalogue, section_tables
from pipeline.tender import read_tender
from pipeline.tender.versions import compare, merge
from pipeline.workspace import (
    Dossier,
    last_reading,
    machine_draft,
    read_consultation,
    read_draft,
    read_proposed,
    write_accepted,
    write_consultation,
    write_draft,
    write_reading,
)

Format = Literal["docx", "pdf", "md", "html"]


@dataclass(frozen=True)
class Reading:
    """What a reading gave."""

    tender: Tender
    """What is believed: consultation.yaml, with a person's corrections."""
    unread: tuple[str, ...]
    """One French line a document that could not be read, or not whole."""
    changes: tuple[Change, ...]
    """What differs from the reading before: the buyer has sent a new version."""
    conflicts: tuple[Conflict, ...]
    """Corrections of values that the buyer has changed since; the corrections are kept."""


def read_dossier(
    dossier: Dossier,
    progress: Callable[[int, int], None] | None = None,
    model: Callable[[], LanguageModel] | None = None,
) -> Reading:
    """Read the buyer's documents and put them together with what people corrected.

    ``model`` proposes quotes where the rules find nothing. Raises DossierError where none can be read or
    consultation.yaml is wrong.
    """
    documents, unread = read_all(dossier.dce_files(), "dce", progress)
    if not documents:
        raise DossierError(unread[0] if unread else "Aucun document dans ce dossier", where=dossier.dce)
    with dossier.lock():
        before = last_reading(dossier)
        mine = read_consultation(dossier) if dossier.consultation.is_file() else None
        known = before.documents if before else ()
        corrected = {item.name: item.piece for item in (mine.documents if mine else ()) if item not in known}
        tender = read_tender(documents, corrected)
        tender = kept(before, tender) if before else tender
        tender = propose(tender, documents, model) if model else tender
        merged, conflicts = merge(before or tender, mine, tender) if mine else (tender, ())
        if mine is None or merged != mine.model_copy(update={"origins": merged.origins}):
            write_consultation(dossier, merged)
        write_reading(dossier, tender)
        changes = compare(before, tender) if before else ()
        dossier.note(
            "read", plan=len(merged.plan), criteria=len(merged.criteria), changes=len(changes), conflicts=len(conflicts)
        )
    return Reading(read_consultation(dossier), tuple(unread), changes, conflicts)


@dataclass(frozen=True)
class Indexed:
    """What indexing did."""

    counts: Mapping[SourceKind, int]
    """Passages of each kind."""
    ingested: Ingested
    set_aside: Path | None
    """Where the index before was put, if it was damaged or made by something else."""


def index_dossier(
    dossier: Dossier, embedder: Embedder, settings: Settings, progress: IndexProgress | None = None
) -> Indexed:
    """Bring the index up to date with the buyer's documents and the firm's library. Waits for its turn."""
    files = Files(dossier.root, dossier.dce_files(), dossier.library())
    size = settings.split.passage_chars
    with dossier.lock(waiting=lambda: progress and progress("attente d'une autre commande", 0, 1)):
        store, set_aside = _store_to_update(dossier, embedder, size)
        with contextlib.closing(store):
            ingested = ingest(store, files, embedder, size, dt.date.today(), progress)
            counts = store.counts()
        dossier.note("index", passages=sum(counts.values()), fresh=ingested.embedded, embedder=embedder.identity)
    return Indexed(counts, ingested, set_aside)


def _store_to_update(dossier: Dossier, embedder: Embedder, size: int) -> tuple[Store, Path | None]:
    """The dossier's store, sound and made by this embedder; another is put beside, whole, and an empty one begun."""
    path = dossier.index / FILE
    try:
        store = Store(path)
        store.check()
        store.claim(identity(embedder, size))
        return store, None
    except (IndexDamagedError, IndexMismatchError):
        aside = dossier.index.with_name(f"index.ecarte-{dt.datetime.now():%Y%m%d-%H%M%S}")
        dossier.index.rename(aside)
        return Store(path), aside


def search_dossier(
    dossier: Dossier,
    question: str,
    k: int,
    embedder: Embedder,
    settings: Settings,
    filters: Filters = EVERYTHING,
    reranker: Reranker | None = None,
) -> list[Hit]:
    """The ``k`` best passages for a question."""
    index = load_index(dossier, embedder, settings)
    return retrieve(question, index, embedder, settings.retrieve, k, filters, reranker)


def library_of(dossiers: Sequence[Dossier], embedder: Embedder, settings: Settings) -> Inventory:
    """What the library of the first dossier holds, and what the drafts of all of them used of it."""
    index = load_index(dossiers[0], embedder, settings)
    used = {
        name
        for dossier in dossiers
        for section in _drafted(dossier, read_consultation(dossier).plan)
        for paragraph in section.paragraphs
        for sentence in paragraph.sentences
        for name in sentence.passages
    }
    return inventory(index, used, dt.date.today(), settings.library.stale_months)


@dataclass(frozen=True)
class Drafted:
    """A section as it now stands."""

    section: Section
    path: Path | None
    """Where it was written; ``None`` where nothing had to be done."""


@dataclass(frozen=True)
class Choice:
    """What a document will say: the sections of its plan, and what each rests on."""

    briefs: tuple[SectionBrief, ...]
    attributions: Mapping[str, Attribution]


def choose(
    dossier: Dossier,
    embedder: Embedder,
    settings: Settings,
    deliverable: str | None = None,
    tell: IndexProgress | None = None,
) -> Choice:
    """Choose the passages of the mémoire, or of a deliverable: always of the whole, as sections share its sources."""
    tender = read_consultation(dossier)
    if deliverable is None:
        briefs = [with_evidence(brief) for brief in briefs_of(tender)]
    else:
        briefs = outline(deliverable_plan(_deliverable(tender, deliverable)))
    sources = Sources(load_index(dossier, embedder, settings), embedder, _secrets(dossier), dt.date.today())
    requirements = tender.requirements if deliverable is None else ()
    places = {link.source: link.target for link in tender.links if link.kind == "requirement"}
    return Choice(tuple(briefs), attribute(briefs, requirements, places, sources, settings, tell))


def choose_apart(
    dossier: Dossier, settings: Settings, deliverable: str | None = None, tell: IndexProgress | None = None
) -> Choice:
    """The same in a process of its own, with the embedder the settings name."""
    return apart(_choose, dossier, settings, deliverable, tell=tell)


def _choose(dossier: Dossier, settings: Settings, deliverable: str | None, tell: IndexProgress) -> Choice:
    return choose(dossier, load_embedder(settings), settings, deliverable, tell)


def _secrets(dossier: Dossier) -> tuple[tuple[str, str], ...]:
    """Spellings of the clients who may not be named, and how to call them."""
    return secret_forms(read_facts(dossier.library(), dt.date.today()).clients)


def draft_dossier(
    dossier: Dossier,
    choice: Choice,
    sections: Sequence[str],
    model: Callable[[], LanguageModel],
    settings: Settings,
    *,
    force: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Iterator[Drafted]:
    """Draft the sections named, or all; yields each as it is saved. Interrupting loses at most the sections in hand."""
    briefs = chosen(choice.briefs, sections)
    writer = model()
    with dossier.lock():
        wanted: list[SectionBrief] = []
        for brief in briefs:
            inputs = inputs_fingerprint(brief, choice.attributions[brief.number], writer, settings)
            known = (read_draft(dossier, brief.number), read_proposed(dossier, brief.number))
            previous = next((section for section in known if section and section.inputs_sha256 == inputs), None)
            if previous and not force:
                yield Drafted(previous, None)
            else:
                wanted.append(brief)
        if wanted:
            dossier.note("schedule", sections=[brief.number for brief in wanted], parallel=settings.llm.parallel)
        guard = Guard(tuple(form for form, _ in _secrets(dossier)), dt.date.today())
        for section in draft_sections(wanted, choice.attributions, guard, writer, settings, progress):
            yield Drafted(section, write_draft(dossier, section))


def _deliverable(tender: Tender, code: str) -> Deliverable:
    """The document to hand in of this code. Raises MemoireError where the buyer asks for none such."""
    found = next((item for item in tender.deliverables if item.code.lower() == code.lower()), None)
    if found is None:
        codes = ", ".join(item.code for item in tender.deliverables)
        raise MemoireError(f"Le livrable « {code} » n'est pas demandé", remedy=f"Livrables : {codes or 'aucun'}.")
    return found


def memoire_of(
    dossier: Dossier,
    passage_chars: int = SplitSettings().passage_chars,
    deliverable: str | None = None,
    chapter: str | None = None,
    today: dt.date | None = None,
) -> Memoire:
    """The answer as it stands, a chapter of it, or a deliverable: its plan, whatever is drafted, and the tables of what
    is drafted, as certificates are valid on ``today`` (the present day). Raises MemoireError where there is no such
    chapter or deliverable."""
    tender = read_consultation(dossier)
    item = _deliverable(tender, deliverable) if deliverable else None
    kind = f"{item.code} – {item.title}" if item else "Mémoire technique"
    plan = deliverable_plan(item) if item else tender.plan
    if chapter:
        plan = branch(plan, chapter)
        kind = f"{kind} : {plan[0].heading}"
    sections = _drafted(dossier, plan)
    catalogue = read_catalogue(dossier.library(), today or dt.date.today(), passage_chars) if sections else Catalogue()
    return Memoire(
        title=_capital(tender.object or dossier.root.name),
        kind=kind,
        buyer=tender.buyer,
        reference=tender.reference,
        plan=plan,
        sections=sections,
        tables=section_tables(sections, catalogue, tender),
        figures=section_figures(sections, catalogue),
        compliance=_kept(compliance(tender, sections), plan, chapter) if sections and not item else (),
        **_validated(sections),
    )


def _kept(rows: Sequence[Compliance], plan: Sequence[PlanNode], chapter: str | None) -> tuple[Compliance, ...]:
    """The requirements that a document of this plan is about: all of them, or its chapter's."""
    names = {node.name for node in plan}
    return tuple(row for row in rows if chapter is None or row.section in names)


def _drafted(dossier: Dossier, plan: Sequence[PlanNode]) -> tuple[Section, ...]:
    """The sections drafted so far, in plan order, with what people wrote under the titles of chapters. Raises
    PlanMissingError where the plan is empty."""
    outline(plan)
    found = (read_draft(dossier, node.name) for node in plan)
    return tuple(section for section in found if section is not None)


def _validated(sections: Sequence[Section]) -> dict[str, Any]:
    """Who validated the document and when, where every section that is drafted was."""
    signed = [(s.accepted.validated_by, s.accepted.when) for s in sections if s.accepted and s.accepted.validated_by]
    if not signed or len(signed) < len(sections):
        return {}
    return {
        "validated_by": tuple(dict.fromkeys(by for by, _ in signed)),
        "validated_on": max(w for _, w in signed)[:10],
    }


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@dataclass(frozen=True)
class Exported:
    """A document written."""

    path: Path
    pages: int | None
    """``None`` where nothing laid it out: LibreOffice is not installed, or the format has no pages."""
    limit: int | None
    """Most pages the buyer allows the mémoire; ``None`` where nothing is said."""


def export_dossier(
    dossier: Dossier,
    target: Path | None,
    form: Format,
    settings: Settings,
    *,
    deliverable: str | None = None,
    chapter: str | None = None,
) -> Exported:
    """Write the document whole: the mémoire, a chapter of it or a deliverable."""
    name = "-".join(filter(None, (deliverable or "memoire", chapter and f"chapitre-{chapter}")))
    path = target or dossier.export / f"{name}.{form}"
    if not path.parent.is_dir():
        raise DossierError("Ce dossier n'existe pas", where=path.parent, remedy="Créez-le, ou donnez un autre -o.")
    content, pages = rendered(
        memoire_of(dossier, deliverable=deliverable, chapter=chapter), form, _layout(dossier, settings)
    )
    weights.write_whole(path, content)
    dossier.note("export", file=str(path), format=form, pages=pages)
    whole = deliverable is None and chapter is None
    return Exported(path, pages, page_limit(read_consultation(dossier)) if whole else None)


def rendered(memoire: Memoire, form: Format, layout: Layout) -> tuple[bytes, int | None]:
    """The document as bytes, and its pages where LibreOffice laid it out."""
    if form == "md":
        return to_markdown(memoire).encode(), None
    if form == "html":
        return to_html(memoire).encode(), None
    if form == "docx" and not libreoffice():
        return to_docx(memoire, layout), None
    laid = lay_out(memoire, layout)
    return (laid.pdf if form == "pdf" else laid.word), laid.pages


def _layout(dossier: Dossier, settings: Settings) -> Layout:
    """The firm's template, a path from the dossier's folder where it is not absolute."""
    template = Path(settings.export.template).expanduser() if settings.export.template else None
    return Layout(template and dossier.root / template, settings.export.citations, dt.date.today())


@dataclass(frozen=True)
class Packed:
    """A pack as written."""

    pack: Pack
    zip: Path
    page: Path
    """The list of pieces, for the firm: beside the ZIP, never in it."""


def pack_dossier(
    dossier: Dossier,
    target: Path | None,
    pieces: Sequence[Path],
    bidder: Bidder,
    settings: Settings,
    form: Literal["docx", "pdf"] = "docx",
) -> Packed:
    """Write the ZIP to hand in and, beside it, the list of pieces. Raises DossierError or DocumentError, and writes
    nothing, where a piece is not there, two have one name, or the target cannot be written."""
    path = target or dossier.export / "pli.zip"
    if not path.parent.is_dir():
        raise DossierError("Ce dossier n'existe pas", where=path.parent, remedy="Créez-le, ou donnez un autre -o.")
    if path.suffix.lower() != ".zip" or path.is_dir():
        raise DossierError("Le pli est un fichier .zip", where=path, remedy="Donnez un nom en .zip à -o.")
    files = [taken_from(piece, "asked") for piece in pieces]
    files += [taken_from(piece, "pieces") for piece in _lying(dossier.root / "pieces")]
    files += [taken_from(piece, "cadres") for piece in _lying(dossier.export / "cadres")]
    files = without_twins(files)
    tender = read_consultation(dossier)
    ruling = {item.name for item in tender.documents if item.piece in ("RC", "LETTRE")}
    documents, _ = read_all([file for file in dossier.dce_files() if file.name in ruling], "dce")
    facts = read_facts(dossier.library(), dt.date.today())
    told = Consultation(
        tender=tender,
        documents=documents,
        models={file.name: file.read_bytes() for file in dossier.dce_files()},
        certificates=certificates_of([record for records in facts.records.values() for record in records]),
        today=dt.date.today().isoformat(),
    )
    pack, members = make_pack(told, [*files, *_exports(dossier, tender, form, _layout(dossier, settings))], bidder)
    page = path.with_name(f"{path.stem}.liste-des-pieces.html")
    try:
        weights.write_whole(path, zipped(members))
        weights.write_whole(page, checklist_to_html(pack, tender, path.name))
    except PermissionError as error:
        raise DossierError(
            "Écriture refusée", where=path, remedy="Vérifiez les droits, ou donnez un autre -o."
        ) from error
    dossier.note("pack", file=str(path), files=len(pack.files), complete=pack.complete)
    return Packed(pack, path, page)


def _lying(folder: Path) -> list[Path]:
    """The files of a folder of the dossier, where there is one; hidden and temporary ones left out."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".", "~")))


def _exports(dossier: Dossier, tender: Tender, form: Literal["docx", "pdf"], layout: Layout) -> list[Given]:
    """The documents that have drafted sections: the mémoire, under the code of the deliverable it is, and the other
    deliverables."""
    main = next((d for d in tender.deliverables if MEMOIRE in {kind.name for kind in kinds_in(d.title)}), None)
    wanted: list[tuple[str, str, str | None]] = []
    if tender.plan:
        wanted.append(("memoire", main.code if main else "", None))
    wanted += [(item.title, item.code, item.code) for item in tender.deliverables if item != main or not tender.plan]
    found = []
    for stem, code, deliverable in wanted:
        memoire = memoire_of(dossier, deliverable=deliverable)
        if memoire.sections:
            data, _ = rendered(memoire, form, layout)
            told = still(data) if form == "docx" else data
            found.append(given(told, f".{form}", "export", f"export ({code or stem})", stem, code))
    return found


FRAME_PIECES = ("CADRE", "AE", "BPU", "DPGF", "DQE")
"""Pieces of a tender that a candidate fills in."""


def frames_of(dossier: Dossier) -> list[Path]:
    """The frames among the buyer's documents, by the piece each is, whatever their format."""
    frames = {item.name for item in read_consultation(dossier).documents if item.piece in FRAME_PIECES}
    return [path for path in dossier.dce_files() if path.name in frames]


def fill_frames(dossier: Dossier, frames: Sequence[Path], target: Path | None) -> list[FrameReport]:
    """Write filled copies of the buyer's frames and tell what became of each; the originals stay as they are.

    A frame that cannot be treated is told in its report, and the others go on. Raises DossierError where the dossier
    is unread, the target folder does not exist or is where the frames are.
    """
    folder = target or dossier.export / "cadres"
    if target is not None and not target.is_dir():
        raise DossierError("Ce dossier n'existe pas", where=target, remedy="Créez-le, ou donnez un autre -o.")
    if any(frame.resolve().parent == folder.resolve() for frame in frames):
        raise DossierError("Les cadres seraient écrasés", where=folder, remedy="Donnez un autre -o.")
    facts = read_facts(dossier.library(), dt.date.today())
    records = [record for held in facts.records.values() for record in held]
    tender = read_consultation(dossier)
    empty = Memoire(title="", buyer=tender.buyer, reference=tender.reference, plan=(), sections=())
    answers = Answers(memoire_of(dossier) if tender.plan else empty, identity_of(records))
    folder.mkdir(exist_ok=True)
    reports = [_fill_frame(frame, answers, folder) for frame in frames]
    written = {report.frame: len(report.filled) for report in reports if report.written}
    dossier.note("frames", filled=written, refused=[report.frame for report in reports if report.refused])
    return reports


def _fill_frame(frame: Path, answers: Answers, folder: Path) -> FrameReport:
    try:
        if not frame.is_file():
            raise DocumentError("Cadre introuvable", where=frame, remedy="Vérifiez le chemin.")
        data = frame.read_bytes()
        if frame.suffix.lower() not in FRAMES and not data.startswith((b"PK", OLE_MAGIC)):
            raise DocumentError(
                f"Un fichier {frame.suffix or 'sans extension'} ne se remplit pas",
                where=frame,
                remedy="Demandez à l'acheteur le fichier DOCX ou XLSX.",
            )
        done = fill(data, frame.name, answers)
    except DocumentError as error:
        return FrameReport(frame=frame.name, refused=str(error))
    path = folder / frame.name
    weights.write_whole(path, done.data)
    return done.report.model_copy(update={"written": str(path)})


def review_dossier(dossier: Dossier, human: Path, settings: Settings | None = None) -> Review:
    """Compare the document as it would be exported with what people made of it; kept in the dossier's reviews/. The day
    on the cover is not compared: it is the export's."""
    theirs = _human(human)
    memoire = memoire_of(dossier)
    ours, _ = read_docx(to_docx(memoire, _layout(dossier, settings or Settings())), "export")
    found = review(memoire.plan, _undated(with_contents(ours)), _undated(theirs.blocks), theirs.remarks)
    path = dossier.root / "reviews" / f"{dt.datetime.now():%Y%m%d-%H%M%S}-{human.stem}.json"
    weights.write_whole(path, found.model_dump_json(indent=1))
    dossier.note("review", file=path.name, human=human.name, acceptance=found.acceptance)
    return found


def _undated(blocks: Sequence[Block]) -> list[Block]:
    """Without the lines that are only a day."""
    return [block for block in blocks if not re.fullmatch(r"\d{2}/\d{2}/\d{4}", block.text)]


def track_changes(dossier: Dossier, human: Path, target: Path, settings: Settings | None = None) -> None:
    """Write the human document with the revisions that lead to it from the exported one: accepting all gives the
    former, rejecting all the latter. Raises DossierError or DocumentError where the two cannot be compared."""
    _human(human)
    if not target.parent.is_dir():
        raise DossierError("Ce dossier n'existe pas", where=target.parent, remedy="Créez-le, ou changez --tracked.")
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder) / "genere.docx"
        ours.write_bytes(rendered(memoire_of(dossier), "docx", _layout(dossier, settings or Settings()))[0])
        write_tracked(ours, human, target, "Relecture", f"{dt.datetime.now():%Y-%m-%dT%H:%M:%SZ}")


def _human(path: Path) -> Reviewed:
    """The document people worked on. Raises DossierError where it is no Word document of today."""
    if path.suffix.lower() != ".docx":
        raise DossierError("Un document Word est attendu", where=path, remedy="Enregistrez-le au format .docx.")
    return read_reviewed(path)


def _document(path: Path) -> Document:
    """The same, with what names it."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Document(name=path.name, sha256=digest, kind="response", pages=None, blocks=_human(path).blocks)


@dataclass(frozen=True)
class Taken:
    """What a person's document changed in a dossier."""

    sections: tuple[Section, ...]
    """Written, in plan order."""
    unchanged: tuple[str, ...]
    """Numbers of those that already said the same."""
    remarks: tuple[str, ...]
    """One French line for each thing that was left alone."""
    answered: int
    """Questions of the draft that the document answers."""
    kept: int
    """Of these, how many were added to the library."""


def accept_dossier(
    dossier: Dossier,
    human: Path,
    sections: Sequence[str] = (),
    *,
    by: str | None = None,
    validate: bool = False,
    keep: bool = False,
    settings: Settings | None = None,
) -> Taken:
    """Take the text of a Word document back into the sections named, or all; ``keep`` makes its answers facts of the
    firm. Everything is prepared before anything is written. Raises DossierError where the document is of no use, or
    somebody must sign and ``by`` is empty."""
    if (validate or keep) and not (by and by.strip()):
        raise DossierError(
            "Une réponse gardée ou une validation porte un nom", remedy="Ajoutez « --by » et le nom de la personne."
        )
    with dossier.lock():
        found = review_dossier(dossier, human, settings)
        memoire, tender, now = memoire_of(dossier), read_consultation(dossier), dt.datetime.now().astimezone()
        briefs = {brief.number: with_evidence(brief) for brief in briefs_of(tender)}
        machine = {s.number: draft for s in memoire.sections if (draft := machine_draft(dossier, s.number))}
        done = accept(
            memoire,
            briefs,
            machine,
            _document(human),
            found,
            named(memoire.plan, sections),
            [form for form, _ in _secrets(dossier)],
            Handed(by and by.strip(), now.isoformat(timespec="seconds"), validate),
        )
        written = tuple(section for section in done.sections if not _same(read_draft(dossier, section.number), section))
        day, subject = now.date().isoformat(), tender.object or dossier.root.name
        answers = [
            FirmAnswer(
                question=item.question, answer=item.answer, by=by or "", date=day, section=item.section, tender=subject
            )
            for item in done.answers
        ]
        kept = keep_answers(dossier.library(), answers)[1] if keep and answers else 0
        for section in written:
            write_accepted(dossier, section)
    unchanged = tuple(section.number for section in done.sections if section not in written)
    added = pictures(human.read_bytes()) - len(memoire.figures)
    seen = (f"Images ajoutées au document : {added} ; elles ne sont pas reprises.",) if added > 0 else ()
    return Taken(written, unchanged, (*done.remarks, *seen), len(answers), kept)


def _same(before: Section | None, after: Section) -> bool:
    """Whether a section was accepted just so already, but for the hour."""
    if before is None or before.accepted is None or after.accepted is None:
        return False
    return before == after.model_copy(
        update={"accepted": after.accepted.model_copy(update={"when": before.accepted.when})}
    )


def acceptance(dossier: Dossier) -> tuple[AcceptanceRate, ...]:
    """How much people kept of what each model wrote with each prompt; a section counts once for each, as it was last
    accepted."""
    last = {
        (line["model"], line["model_sha256"], line["prompt_sha256"], line["section"]): line
        for line in dossier.journal()
        if line["what"] == "accept" and line["words_kept"] is not None
    }
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for (*made_with, _), line in last.items():
        groups.setdefault((made_with[0], made_with[1], made_with[2]), []).append(line)
    return tuple(
        AcceptanceRate(
            model=model,
            model_sha256=sha256,
            prompt_sha256=prompt,
            kept=share([line["words_kept"] for line in lines]),
            chrf=share([line["chrf"] for line in lines]).value,
        )
        for (model, sha256, prompt), lines in sorted(groups.items())
    )


def evaluate_dossier(dossier: Dossier) -> CoverageReport:
    """Score the answer as it would be handed in: the exported document is read back for its headings."""
    tender = read_consultation(dossier)
    memoire = memoire_of(dossier)
    blocks, _ = read_docx(to_docx(memoire), "export")
    headings = [block.text for block in blocks if block.kind == "heading"]
    models = sorted({f"{s.model}@{s.model_sha256[:12]}" for s in memoire.sections if s.model})
    prompts = sorted({s.prompt_sha256[:12] for s in memoire.sections if s.prompt_sha256})
    manifest = {"dossier": dossier.root.name, "models": ", ".join(models), "prompts": ", ".join(prompts)}
    report = with_mark(cover(tender, memoire, headings, manifest, [form for form, _ in _secrets(dossier)]), tender)
    _note_scores(dossier, report)
    return report.model_copy(update={"acceptance": acceptance(dossier)})


def evaluate_document(dossier: Dossier, path: Path, embedder: Embedder) -> CoverageReport:
    """Score any Word document against the buyer's plan and criteria, whoever wrote it. No mark is simulated from it, as
    the reading of points is only indicative (pipeline/handed.py). Raises DocumentError."""
    tender = read_consultation(dossier)
    if not tender.plan:
        raise PlanMissingError(
            "Aucun plan imposé : il n'y a rien à quoi comparer ce document", where=dossier.consultation
        )
    blocks = [block for block in with_contents(_human(path).blocks) if block.kind != "toc"]
    manifest = {"dossier": dossier.root.name, "document": path.name, "embedder": embedder.identity}
    return cover_document(tender, blocks, embedder, manifest)


def _note_scores(dossier: Dossier, report: CoverageReport) -> None:
    """Keep the scores in the journal, once for each state of the drafts: what the trend is drawn from."""
    scores = {name: round(m.value, 6) for name, m in report.metrics.items() if m.value is not None}
    last = next((line for line in reversed(dossier.journal()) if line["what"] == "eval"), None)
    if last is None or last["scores"] != scores:
        dossier.note("eval", scores=scores, **report.manifest)


def trend(dossier: Dossier) -> list[tuple[str, float]]:
    """(when, weighted coverage, or coverage of points where no criterion weighs) of each evaluation kept."""
    kept = [line for line in dossier.journal() if line["what"] == "eval"]
    told = [
        (line["when"], line["scores"].get("weighted_coverage", line["scores"].get("point_coverage"))) for line in kept
    ]
    return [(when, value) for when, value in told if value is not None]


def load_index(dossier: Dossier, embedder: Embedder, settings: Settings) -> Index:
    """The dossier's index; a damaged one is set aside and made again. Raises DossierError where there is none yet,
    IndexMismatchError where another embedder or another way of cutting made it."""
    path = dossier.index / FILE
    if not path.is_file():
        raise DossierError(
            "Ce dossier n'a pas encore d'index",
            where=dossier.root,
            remedy=f"Lancez « memoire index {dossier.root} ».",
        )
    try:
        return _opened(path, embedder, settings)
    except IndexDamagedError:
        index_dossier(dossier, embedder, settings)
        return _opened(path, embedder, settings)


def _opened(path: Path, embedder: Embedder, settings: Settings) -> Index:
    store = Store(path)
    store.claim(identity(embedder, settings.split.passage_chars))
    return Index(store)


def load_embedder(settings: Settings) -> FolderEmbedder:
    """The embedder the settings name: one of the manifest, verified, or any sentence-transformers folder."""
    precision = None if settings.embed.precision == "auto" else settings.embed.precision
    folder = Path(settings.embed.model).expanduser()
    if folder.is_absolute() or len(folder.parts) > 1:
        return FolderEmbedder(folder, weights.folder_digest(folder), settings.embed.batch, precision)
    manifest = weights.load_manifest(settings.models.folder)
    path = weights.verified(manifest, settings.embed.model)
    return FolderEmbedder(path, manifest.find(settings.embed.model).sha256, settings.embed.batch, precision)


def load_reranker(embedder: FolderEmbedder, settings: Settings) -> Reranker | None:
    """What the settings want the best candidates to be read again by."""
    name = settings.retrieve.reranker
    if name == "none":
        return None
    return LateInteraction(embedder) if name == "late" else CrossEncoder(Path(name).expanduser())


def load_model(settings: Settings) -> LlamaCpp | OpenAiServer:
    """The language model the settings name: a server's, or a verified file in process."""
    llm = settings.llm
    if llm.url:
        return OpenAiServer(
            llm.url,
            llm.model,
            key=llm.key.get_secret_value(),
            parallel=llm.parallel,
            timeout=llm.timeout,
            retries=llm.retries,
            style="section" if llm.style == "auto" else llm.style,
        )
    manifest = weights.load_manifest(settings.models.folder)
    entry = manifest.find(llm.model)
    path = weights.verified(manifest, llm.model)
    return LlamaCpp(
        path,
        entry.sha256,
        manifest.chat(entry),
        context=min(llm.context, entry.context),
        threads=llm.threads,
        parallel=llm.parallel,
        memory_margin=llm.memory_margin,
        style=entry.style if llm.style == "auto" else llm.style,
    )
