"""What each kind of job is asked: the JSON routes take these records, jobs keep them, work reads them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.records import Record

Kind = Literal["prepare", "draft", "export", "frames", "pack", "evaluate", "review"]

Name = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^/\\\x00-\x1f]+$")]
"""A section, chapter or deliverable, as the buyer numbers it; never a path, as files are named after it."""


class PrepareParams(Record):
    """Read the buyer's documents, then index them with the library."""


class DraftParams(Record):
    """Draft sections."""

    sections: tuple[Name, ...] = Field(
        default=(),
        max_length=500,
        description="Numbers of sections, or of chapters for all they hold; empty: the whole plan.",
        examples=[["5.3"]],
    )
    force: bool = Field(default=False, description="Draft again what is up to date.")
    instruction: str = Field(
        default="", max_length=2000, description="What a person wants done differently, in French."
    )
    deliverable: Name | None = Field(
        default=None, description="Code of a deliverable to draft instead of the mémoire.", examples=["L6"]
    )


class ExportParams(Record):
    """Write the document."""

    format: Literal["docx", "pdf", "md", "html"] = Field(default="docx", description="Kind of file.")
    chapter: Name | None = Field(default=None, description="Only this chapter or section.", examples=["4"])
    deliverable: Name | None = Field(
        default=None, description="Code of a deliverable to write instead of the mémoire.", examples=["L6"]
    )


class FramesParams(Record):
    """Fill in the buyer's frames."""


class PackParams(Record):
    """Put together what is handed in."""

    candidate: str = Field(default="", max_length=200, description="The bidder's name, for the names of files.")
    lot: str = Field(default="", max_length=20, description="Number of the lot, for the names of files.")
    pdf: bool = Field(default=False, description="Our documents in PDF instead of Word.")


class EvaluateParams(Record):
    """Score the document as it stands."""


class ReviewParams(Record):
    """Compare an uploaded Word document with ours."""

    file: str = Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]*$",
        description="Name of the file among those received.",
        examples=["memoire-relu.docx"],
    )


Params = PrepareParams | DraftParams | ExportParams | FramesParams | PackParams | EvaluateParams | ReviewParams

PARAMS: dict[Kind, type[Params]] = {
    "prepare": PrepareParams,
    "draft": DraftParams,
    "export": ExportParams,
    "frames": FramesParams,
    "pack": PackParams,
    "evaluate": EvaluateParams,
    "review": ReviewParams,
}
