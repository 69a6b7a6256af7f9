"""One frozen settings tree, grouped by stage. Unknown keys are rejected.

Sources, later ones win: the defaults below; ``settings.toml`` in the user's configuration folder; ``settings.toml``
in the dossier; environment variables ``MEMOIRE_<GROUP>__<KEY>``; ``--set group.key=value`` on the command line.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from pipeline.errors import SettingsError

ROOT = Path(__file__).resolve().parents[1]
"""The checkout: prompts/, models/ and corpus/ live beside the code."""


def _user_folder(variable: str, fallback: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / fallback) / "memoire"


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelsSettings(_Group):
    folder: Path = Field(default_factory=lambda: _user_folder("XDG_DATA_HOME", ".local/share") / "models")
    """Where verified model files live; shared by all dossiers and checkouts."""


class LibrarySettings(_Group):
    stale_months: int = Field(default=12, ge=1)
    """Age from which the facts of a component sheet are to be checked again: most projects release once a year."""


class SplitSettings(_Group):
    passage_chars: int = Field(default=700, ge=200, le=4000)
    """Longest passage, in characters (about 175 tokens; the default embedder reads 512)."""


class EmbedSettings(_Group):
    model: str = "multilingual-e5-small"
    """A name of models/manifest.toml, or the path of any sentence-transformers folder."""
    batch: int = Field(default=16, ge=1)
    """Texts computed together: 8 to 16 is fastest on two cores (evals/LOG.md)."""
    precision: Literal["auto", "bfloat16", "float32", "int8"] = "auto"
    """auto: what the processor does best (pipeline/embed.py)."""


class RetrieveSettings(_Group):
    candidates: int = Field(default=100, ge=1)
    """Passages taken from each of the two indexes: nine answers in ten are among them (evals/LOG.md)."""
    reranker: str = "late"
    """What reads the best candidates again: « late » (the embedder's vectors of words, half a second), « none », or the
    path of a sentence-transformers cross-encoder."""
    reread: int = Field(default=40, ge=1)
    """Candidates read again."""
    floor: float = Field(default=0.3, ge=-1, le=2)
    """Centred cosine of the nearest passage, plus what its known words add (pipeline/retrieve.py), under which nothing
    is about the question: it loses 1.5 % of the answerable questions and refuses three in four of another trade."""
    per_page: int = Field(default=4, ge=1)
    """Passages of one page among the first; the others come after."""
    spare: int = Field(default=20, ge=0)
    """Passages looked at beyond those asked for, to spread them over pages."""


class LlmSettings(_Group):
    model: str = "qwen2.5-coder-1.5b-instruct-q4_k_m"
    threads: int = Field(default=0, ge=0)
    """0: as many as the process may use."""
    context: int = Field(default=12288, ge=512)
    """Tokens held at once by all the answers being written (0.35 GB of keys and values with the default model)."""
    parallel: int = Field(default=32, ge=1, le=64)
    """Answers decoded together: on two AVX-512 cores 8 decode no faster than 1, 16 gain 1.5 times, 32 twice, 64 lose
    again (evals/LOG.md)."""
    style: Literal["auto", "point", "section"] = "auto"
    """How the model is asked (pipeline/llm); auto: as its manifest entry says, « section » for a server."""
    url: str = ""
    """Root of a server of the OpenAI protocol (llama-server, vLLM) on the firm's machines; empty: in process."""
    key: SecretStr = SecretStr("")
    """The server's key; best given by the environment variable MEMOIRE_LLM__KEY."""
    timeout: float = Field(default=60.0, gt=0)
    """Longest wait for one token of a server, in seconds."""
    retries: int = Field(default=3, ge=0)
    """How often a request that a server could not take is sent again."""
    memory_margin: float = Field(default=1.2, ge=1.0)
    """Free memory asked for, as a multiple of the file's size (weights plus keys, values and buffers)."""


class DraftSettings(_Group):
    sources_per_point: int = Field(default=3, ge=1, le=8)
    """Passages a point may rest on: one sentence each."""
    relevance_floor: float = Field(default=0.31, ge=-1, le=2)
    """Relevance (pipeline/retrieve.py) under which a passage does not speak of the point; evals/LOG.md says why."""
    answer_floor: float = Field(default=0.43, ge=-1, le=2)
    """The same for the answer to a requirement: of 82 answers read on the sample dossier nearly all above it are right,
    one in two from the other floor to this one."""
    max_tokens: int = Field(default=96, ge=16)
    """Longest answer to one passage, in tokens."""
    section_tokens: int = Field(default=1200, ge=128)
    """The same for a section at once, for models asked so."""
    retries: int = Field(default=1, ge=0)
    """How often a sentence that fails a check is asked again with the finding told to the model."""


class ExportSettings(_Group):
    template: str = ""
    """The firm's Word template (pipeline/export/template.py); a path from the dossier's folder, or an absolute one.
    Empty: the one shipped."""
    citations: Literal["brackets", "footnotes"] = "brackets"
    """Sources as « [3] » and a list at the end, or as footnotes."""


def _listed(value: object) -> object:
    """« a,b » of the command line as a list; files and the environment give real ones."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class ServeSettings(_Group):
    host: str = "127.0.0.1"
    """Where the server listens. Anything but this machine's own address opens it to the network."""
    port: int = Field(default=8000, ge=0, le=65535)
    library: Annotated[tuple[Path, ...], BeforeValidator(_listed)] = ()
    """The firm's library, given to new dossiers."""
    workers: int = Field(default=2, ge=1, le=16)
    """Jobs that run at once (never two on one model)."""
    queue: str = ""
    """Where jobs wait: empty for a SQLite file, or « redis://… », « postgresql://… »."""
    upload_mb: int = Field(default=300, ge=1)
    """Largest file or archive that may be sent, in megabytes (10⁶ bytes)."""
    session_hours: float = Field(default=12.0, gt=0)
    """How long a person may stay away before signing in again: a working day."""
    rate_per_second: float = Field(default=50.0, gt=0)
    """Requests a caller may keep sending each second; a page with its style sheet and script is three."""
    rate_burst: int = Field(default=300, ge=1)
    """Requests a caller may send at once after a rest."""
    hosts: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    """Names by which the server may be called, besides localhost; without port."""
    oidc_issuer: str = ""
    """The firm's identity provider (OpenID Connect), as it names itself; empty: none."""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")
    """Best given by the environment variable MEMOIRE_SERVE__OIDC_CLIENT_SECRET."""
    oidc_claim: str = "preferred_username"
    """The claim that holds the user's name: of those made with « memoire users add »."""


class Settings(BaseSettings):
    """The whole tree; build it with :func:`load`."""

    model_config = SettingsConfigDict(env_prefix="MEMOIRE_", env_nested_delimiter="__", frozen=True, extra="forbid")

    models: ModelsSettings = ModelsSettings()
    library: LibrarySettings = LibrarySettings()
    split: SplitSettings = SplitSettings()
    embed: EmbedSettings = EmbedSettings()
    retrieve: RetrieveSettings = RetrieveSettings()
    llm: LlmSettings = LlmSettings()
    draft: DraftSettings = DraftSettings()
    export: ExportSettings = ExportSettings()
    serve: ServeSettings = ServeSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (env_settings, init_settings)


def load(dossier: Path | None = None, overrides: Sequence[str] = ()) -> Settings:
    """Read the settings that apply to ``dossier``.

    ``overrides`` are ``group.key=value`` strings. Raises SettingsError on an unknown key or a refused value.
    """
    files = [_user_folder("XDG_CONFIG_HOME", ".config") / "settings.toml"]
    if dossier is not None:
        files.append(dossier / "settings.toml")
    values: dict[str, Any] = {}
    for path in files:
        if path.is_file():
            try:
                _merge(values, tomllib.loads(path.read_text(encoding="utf-8")))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise SettingsError(
                    f"Réglages illisibles : {error}", where=path, remedy="Corrigez ce fichier TOML."
                ) from error
    try:
        tree = Settings(**values)
        for override in overrides:
            key, sign, value = override.partition("=")
            group, dot, name = key.strip().partition(".")
            if not sign or not dot:
                raise SettingsError(f"Réglage « {override} » mal écrit", remedy="Écrivez --set groupe.nom=valeur.")
            tree = _with(tree, group, name, value.strip())
        return tree
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"Réglage « {name} » refusé : {first['msg']}",
            remedy="Les réglages connus sont décrits dans pipeline/settings.py.",
        ) from error


def _with(tree: Settings, group: str, name: str, value: str) -> Settings:
    dump = tree.model_dump()
    if group not in dump or name not in dump[group]:
        raise SettingsError(
            f"Réglage « {group}.{name} » inconnu",
            remedy=f"Groupes connus : {', '.join(sorted(dump))}.",
        )
    model = type(getattr(tree, group))
    return tree.model_copy(update={group: model.model_validate({**dump[group], name: value})})


def _merge(into: dict[str, Any], new: Mapping[str, Any]) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
