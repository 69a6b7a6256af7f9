"""The language model: one protocol, and llama.cpp in process behind it.

Several answers are decoded together in one llama.cpp context, each in its own sequence: on two cores that doubles the
throughput of one after the other (FINDINGS: 10 -> 22 tokens a second with the default model). What all prompts share
(instructions and examples) is evaluated once, in sequence 0, and its keys and values are lent to the others.

Decoding is greedy. The same prompts in the same order with the same settings give the same texts; another schedule
may not, because batching changes the order of floating-point sums.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import llama_cpp
import numpy as np

from pipeline import machine
from pipeline.errors import MemoryShortError, ModelError
from pipeline.weights import Chat

STOP = "\n"
"""Answers are one paragraph."""
BATCH = 512
"""Tokens evaluated at once in prefill: llama.cpp's default, larger gained nothing on two cores."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked. Prompts that share instructions and examples share their evaluation."""

    system: str
    examples: tuple[tuple[str, str], ...]
    """Earlier turns: (what the user said, what was answered)."""
    request: str
    grammar: str = ""
    """GBNF that the answer must obey; empty for free text."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What it answered. ``complete`` is False where the token limit cut it."""

    text: str
    tokens: int
    complete: bool


class LanguageModel(Protocol):
    """Writes one answer a prompt, in order. ``sha256`` identifies the weights."""

    name: str
    sha256: str

    def write(
        self, prompts: Sequence[Prompt], max_tokens: int, progress: Callable[[int], None] | None = None
    ) -> list[Reply]:
        """Answers of at most ``max_tokens`` tokens each; ``progress(n)`` after every n tokens decoded."""
        ...


@dataclass
class _Answer:
    index: int
    position: int
    """Next position in its sequence."""
    last: int = -1
    tokens: int = 0
    data: bytearray = field(default_factory=bytearray)
    sampler: Any = None
    """Picks the likeliest token that the prompt's grammar allows; ``None`` without grammar."""


class LlamaCpp:
    """A GGUF file in process.

    Raises MemoryShortError where the machine has too little free memory, ModelError where the file does not load or a
    prompt does not fit.
    """

    def __init__(
        self,
        path: Path,
        sha256: str,
        chat: Chat,
        *,
        context: int,
        threads: int = 0,
        parallel: int = 8,
        memory_margin: float = 1.2,
    ) -> None:
        self.name = path.stem
        self.sha256 = sha256
        self._chat = chat
        self._parallel = parallel
        need, free = int(path.stat().st_size * memory_margin), machine.memory_available()
        if free < need:
            raise MemoryShortError(
                f"Mémoire insuffisante pour le modèle « {self.name} » : {_gigabytes(need)} nécessaires, "
                f"{_gigabytes(free)} libres",
                where=path,
                remedy="Fermez d'autres programmes, ou choisissez un modèle plus petit (réglage llm.model).",
            )
        _silence()
        llama_cpp.llama_backend_init()
        model_parameters = llama_cpp.llama_model_default_params()
        self._model: Any = llama_cpp.llama_model_load_from_file(str(path).encode(), model_parameters)
        if not self._model:
            raise ModelError(
                f"Le modèle « {self.name} » ne se charge pas",
                where=path,
                remedy="Lancez « memoire models verify », puis « memoire doctor ».",
            )
        count = threads or machine.cores()
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = context
        parameters.n_batch = BATCH
        parameters.n_ubatch = BATCH
        parameters.n_seq_max = parallel + 1
        parameters.n_threads = count
        parameters.n_threads_batch = count
        parameters.kv_unified = True
        self._context: Any = llama_cpp.llama_init_from_model(self._model, parameters)
        if not self._context:
            raise ModelError(
                f"Le contexte de {context} jetons ne peut pas être créé",
                where=path,
                remedy="Réduisez le réglage llm.context.",
            )
        self._room = context
        self._vocabulary: Any = llama_cpp.llama_model_get_vocab(self._model)
        self._words = int(llama_cpp.llama_vocab_n_tokens(self._vocabulary))
        self._memory: Any = llama_cpp.llama_get_memory(self._context)
        self._batch: Any = llama_cpp.llama_batch_init(BATCH, 0, 1)
        self._prefix: list[int] = []
        self.evaluated = 0
        """Prompt tokens evaluated so far: shared ones count once."""

    def write(
        self, prompts: Sequence[Prompt], max_tokens: int, progress: Callable[[int], None] | None = None
    ) -> list[Reply]:
        replies: list[Reply | None] = [None] * len(prompts)
        shared: dict[tuple[object, ...], list[int]] = {}
        for index, prompt in enumerate(prompts):
            shared.setdefault((prompt.system, prompt.examples), []).append(index)
        for indexes in shared.values():
            self._share(prompts[indexes[0]])
            self._write_group(prompts, indexes, max_tokens, replies, progress)
        return [reply for reply in replies if reply is not None]

    def _write_group(
        self,
        prompts: Sequence[Prompt],
        indexes: Sequence[int],
        max_tokens: int,
        replies: list[Reply | None],
        progress: Callable[[int], None] | None,
    ) -> None:
        waiting = deque((index, self._request(prompts[index])) for index in indexes)
        samplers = {index: self._sampler(prompts[index].grammar) for index in indexes}
        active: dict[int, _Answer] = {}
        try:
            while waiting or active:
                self._admit(waiting, active, max_tokens, samplers)
                finished = self._step(active, max_tokens)
                if progress:
                    progress(len(active) + len(finished))
                for slot, answer, complete in finished:
                    text = bytes(answer.data).decode("utf-8", "ignore").split(STOP)[0].strip()
                    replies[answer.index] = Reply(text=text, tokens=answer.tokens, complete=complete)
                    self._forget(slot)
        finally:
            for slot in active:
                self._forget(slot)
            for sampler in samplers.values():
                if sampler is not None:
                    llama_cpp.llama_sampler_free(sampler)

    def _sampler(self, grammar: str) -> Any:
        if not grammar:
            return None
        held = llama_cpp.llama_sampler_init_grammar(self._vocabulary, grammar.encode(), b"root")
        if not held:
            raise ModelError("Grammaire refusée par llama.cpp", remedy="Corrigez-la : elle doit être en GBNF.")
        chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        llama_cpp.llama_sampler_chain_add(chain, held)
        llama_cpp.llama_sampler_chain_add(chain, llama_cpp.llama_sampler_init_greedy())
        return chain

    def _admit(
        self,
        waiting: deque[tuple[int, list[int]]],
        active: dict[int, _Answer],
        max_tokens: int,
        samplers: Mapping[int, Any],
    ) -> None:
        """Give free sequences to waiting prompts, as many as the context has room for, and evaluate them."""
        start = len(self._prefix)
        used = start + sum(answer.position - start + max_tokens - answer.tokens for answer in active.values())
        rows: list[tuple[int, int, int, bool]] = []
        for slot in range(1, self._parallel + 1):
            if slot in active or not waiting:
                continue
            index, tokens = waiting[0]
            if start + len(tokens) + max_tokens > self._room:
                raise ModelError(
                    f"Une demande de {start + len(tokens)} jetons ne tient pas dans le contexte de {self._room}",
                    remedy="Augmentez le réglage llm.context ou réduisez split.passage_chars.",
                )
            if used + len(tokens) + max_tokens > self._room:
                break
            waiting.popleft()
            used += len(tokens) + max_tokens
            llama_cpp.llama_memory_seq_cp(self._memory, 0, slot, -1, -1)
            active[slot] = _Answer(index, start + len(tokens), sampler=samplers[index])
            rows += [(token, start + i, slot, i == len(tokens) - 1) for i, token in enumerate(tokens)]
        for at in range(0, len(rows), BATCH):
            part = rows[at : at + BATCH]
            self._decode(part)
            self.evaluated += len(part)
            for row, (_, _, slot, last) in enumerate(part):
                if last:
                    active[slot].last = self._best(row, active[slot].sampler)

    def _step(self, active: dict[int, _Answer], max_tokens: int) -> list[tuple[int, _Answer, bool]]:
        """Take each sequence's chosen token, end those that are done, evaluate the others together."""
        finished: list[tuple[int, _Answer, bool]] = []
        for slot, answer in list(active.items()):
            ended = llama_cpp.llama_vocab_is_eog(self._vocabulary, answer.last)
            if not ended:
                answer.data += self._piece(answer.last)
                answer.tokens += 1
                ended = STOP.encode() in bytes(answer.data).lstrip()
            if ended or answer.tokens >= max_tokens:
                finished.append((slot, active.pop(slot), bool(ended)))
        rows = [(answer.last, answer.position, slot, True) for slot, answer in active.items()]
        if rows:
            self._decode(rows)
            for row, answer in enumerate(active.values()):
                answer.last = self._best(row, answer.sampler)
                answer.position += 1
        return finished

    def _share(self, prompt: Prompt) -> None:
        """Evaluate instructions and examples in sequence 0, unless they are there already."""
        tokens = self._turn(self._chat.system, prompt.system, first=True)
        for asked, answered in prompt.examples:
            tokens += self._turn(self._chat.user, asked) + self._turn(self._chat.assistant, answered)
        if tokens == self._prefix:
            return
        llama_cpp.llama_memory_clear(self._memory, True)
        self._prefix = []
        for at in range(0, len(tokens), BATCH):
            part = tokens[at : at + BATCH]
            self._decode([(token, at + i, 0, False) for i, token in enumerate(part)])
        self._prefix = tokens
        self.evaluated += len(tokens)

    def _request(self, prompt: Prompt) -> list[int]:
        return self._turn(self._chat.user, prompt.request) + self._tokens(self._chat.answer, special=True)

    def _turn(self, form: str, text: str, first: bool = False) -> list[int]:
        """A turn's tokens: marks as special tokens, what is said as plain text, so no document can forge a turn."""
        before, _, after = form.partition("{text}")
        return self._tokens(before, special=True, first=first) + self._tokens(text) + self._tokens(after, special=True)

    def _tokens(self, text: str, *, special: bool = False, first: bool = False) -> list[int]:
        data = text.encode()
        if not data:
            return []
        room = len(data) + 8
        buffer = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._vocabulary, data, len(data), buffer, room, first, special)
        return list(buffer[:count])

    def _piece(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(256)
        size = llama_cpp.llama_token_to_piece(self._vocabulary, token, buffer, 256, 0, False)
        return buffer.raw[:size]

    def _decode(self, rows: Sequence[tuple[int, int, int, bool]]) -> None:
        """Evaluate (token, position, sequence, wants logits) rows in one call."""
        batch = self._batch
        batch.n_tokens = len(rows)
        for i, (token, position, sequence, logits) in enumerate(rows):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = logits
        code = llama_cpp.llama_decode(self._context, batch)
        if code != 0:
            raise ModelError(
                f"llama.cpp a refusé un lot de {len(rows)} jetons (code {code})",
                remedy="Augmentez le réglage llm.context.",
            )

    def _best(self, row: int, sampler: Any) -> int:
        if sampler is not None:
            return int(llama_cpp.llama_sampler_sample(sampler, self._context, row))
        logits = llama_cpp.llama_get_logits_ith(self._context, row)
        return int(np.ctypeslib.as_array(logits, shape=(self._words,)).argmax())

    def _forget(self, slot: int) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory, slot, -1, -1)

    def close(self) -> None:
        """Free the context and the weights."""
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} Go".replace(".", ",")


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _quiet(level: int, text: bytes, data: object) -> None:
    """llama.cpp's own log says nothing a user can act on; failures come back as return codes."""


def _silence() -> None:
    llama_cpp.llama_log_set(_quiet, ctypes.c_void_p(0))
