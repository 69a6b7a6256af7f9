"""Models, built only here: the embedder, the reranker and the language model that the settings name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pipeline import weights
from pipeline.embed import FolderEmbedder
from pipeline.errors import ModelError
from pipeline.llm.hidden import HiddenStates
from pipeline.llm.llamacpp import LlamaCpp
from pipeline.llm.server import OpenAiServer
from pipeline.reader import LAYER, Reader
from pipeline.rerank import CrossEncoder, LateInteraction
from pipeline.retrieve import Reranker
from pipeline.settings import Settings


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


@contextlib.contextmanager
def attentive_reader(settings: Settings) -> Iterator[Reader]:
    """The language model the settings name, to read points from within. Raises ModelError where it is a server's, whose
    states cannot be seen."""
    llm = settings.llm
    if llm.url:
        raise ModelError(
            "La lecture attentive demande un modèle sur cette machine",
            remedy="Lisez sans --attentive, ou videz le réglage llm.url.",
        )
    manifest = weights.load_manifest(settings.models.folder)
    entry = manifest.find(llm.model)
    model = HiddenStates(
        weights.verified(manifest, llm.model),
        entry.sha256,
        manifest.chat(entry),
        context=min(llm.context, entry.context),
        threads=llm.threads,
        memory_margin=llm.memory_margin,
        layer=LAYER,
    )
    with contextlib.closing(model):
        yield Reader(model)
