"""A GGUF file in process, by llama.cpp's low-level calls.

Several answers are decoded together in one llama.cpp context, each in its own sequence: on two cores that doubles the
throughput of one after the other (FINDINGS: 10 -> 22 tokens a second with the default model). What all prompts share
(instructions and examples) is evaluated once, in sequence 0, and its keys and values are lent to the others.

Decoding is greedy. The same prompts in the same order with the same settings give the same texts; another schedule
may not, because batching changes the order of floating-point sums.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

from pipeline import machine
from pipeline.errors import MemoryShortError, ModelError
from pipeline.llm import Feed, Prompt, Reply, Style, Tick
from pipeline.weights import Chat

BATCH = 512
"""Tokens evaluated at once in prefill: llama.cpp's default, larger gained nothing on two cores."""


@dataclass
class Usage:
    """What a model has done since it was loaded; seconds are of llama.cpp alone."""

    prompt_tokens: int = 0
    """Tokens of the prompts, those they share counted for each."""
    evaluated: int = 0
    """Prompt tokens really evaluated: shared ones once."""
    prefill_seconds: float = 0.0
    decoded: int = 0
    decode_seconds: float = 0.0


@dataclass
class _Answer:
    key: int
    stop: bytes
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
        style: Style = "point",
        watch: Any = None,
    ) -> None:
        """``watch``: ggml's callback on each tensor that is computed (:mod:`pipeline.llm.hidden`)."""
        self.name = path.stem
        self.sha256 = sha256
        self.style = style
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
        self._watch = watch  # llama.cpp does not keep it alive
        if watch is not None:
            parameters.cb_eval = watch
        self._context: Any = llama_cpp.llama_init_from_model(self._model, parameters)
        if not self._context:
            raise ModelError(
                f"Le contexte de {context} jetons ne peut pas être créé",
                where=path,
                remedy="Réduisez le réglage llm.context.",
            )
        self._room = context
        self.size = path.stat().st_size
        """Bytes of the weights' file."""
        heads = int(llama_cpp.llama_model_n_head_kv(self._model))
        width = int(llama_cpp.llama_model_n_embd(self._model)) // int(llama_cpp.llama_model_n_head(self._model))
        self.cache_bytes = 2 * 2 * context * int(llama_cpp.llama_model_n_layer(self._model)) * heads * width
        """Bytes of keys and values, in half precision."""
        self._vocabulary: Any = llama_cpp.llama_model_get_vocab(self._model)
        self._words = int(llama_cpp.llama_vocab_n_tokens(self._vocabulary))
        self._memory: Any = llama_cpp.llama_get_memory(self._context)
        self._batch: Any = llama_cpp.llama_batch_init(BATCH, 0, 1)
        self._prefix: list[int] = []
        self.usage = Usage()

    def stream(self, feed: Feed, max_tokens: int, progress: Tick | None = None) -> Iterator[tuple[int, Reply]]:
        active: dict[int, _Answer] = {}
        held: tuple[int, Prompt] | None = None
        try:
            while True:
                held = self._admit(feed, held, active, max_tokens)
                if not active:
                    return
                finished = self._step(active, max_tokens)
                if progress:
                    progress(len(active) + len(finished))
                for slot, answer, complete in finished:
                    self._forget(slot, answer)
                    text = answer.data.decode("utf-8", "ignore").lstrip()
                    text = text.split(answer.stop.decode())[0] if answer.stop else text
                    yield answer.key, Reply(text=text.strip(), tokens=answer.tokens, complete=complete)
        finally:
            for slot, answer in active.items():
                self._forget(slot, answer)

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
        self, feed: Feed, held: tuple[int, Prompt] | None, active: dict[int, _Answer], max_tokens: int
    ) -> tuple[int, Prompt] | None:
        """Give free sequences to the next prompts, as many as the context has room for, and evaluate them. Returns the
        prompt there was no room for, if any."""
        rows: list[tuple[int, int, int, bool]] = []
        for slot in (slot for slot in range(1, self._parallel + 1) if slot not in active):
            held = held or feed()
            if held is None:
                break
            key, prompt = held
            shared, tokens = self._shared(prompt), self._request(prompt)
            if shared != self._prefix:
                if active:
                    break
                self._share(shared)
            start = len(shared)
            used = start + sum(answer.position - start + max_tokens - answer.tokens for answer in active.values())
            if used + len(tokens) + max_tokens > self._room:
                if active:
                    break
                raise ModelError(
                    f"Une demande de {start + len(tokens)} jetons ne tient pas dans le contexte de {self._room}",
                    remedy="Augmentez le réglage llm.context ou réduisez split.passage_chars.",
                )
            held = None
            self.usage.prompt_tokens += start + len(tokens)
            llama_cpp.llama_memory_seq_cp(self._memory, 0, slot, -1, -1)
            sampler = self._sampler(prompt.grammar)
            active[slot] = _Answer(key, prompt.stop.encode(), start + len(tokens), sampler=sampler)
            rows += [(token, start + i, slot, i == len(tokens) - 1) for i, token in enumerate(tokens)]
        for at in range(0, len(rows), BATCH):
            part = rows[at : at + BATCH]
            self._evaluate(part)
            for row, (_, _, slot, last) in enumerate(part):
                if last:
                    active[slot].last = self._best(row, active[slot].sampler)
        return held

    def _step(self, active: dict[int, _Answer], max_tokens: int) -> list[tuple[int, _Answer, bool]]:
        """Take each sequence's chosen token, end those that are done, evaluate the others together."""
        finished: list[tuple[int, _Answer, bool]] = []
        for slot, answer in list(active.items()):
            ended = llama_cpp.llama_vocab_is_eog(self._vocabulary, answer.last)
            if not ended:
                answer.data += self._piece(answer.last)
                answer.tokens += 1
                ended = bool(answer.stop) and answer.stop in answer.data.lstrip()
            if ended or answer.tokens >= max_tokens:
                finished.append((slot, active.pop(slot), bool(ended)))
        rows = [(answer.last, answer.position, slot, True) for slot, answer in active.items()]
        if rows:
            started = time.perf_counter()
            self._decode(rows)
            self.usage.decoded += len(rows)
            self.usage.decode_seconds += time.perf_counter() - started
            for row, answer in enumerate(active.values()):
                answer.last = self._best(row, answer.sampler)
                answer.position += 1
        return finished

    def _shared(self, prompt: Prompt) -> list[int]:
        """Tokens of instructions and examples."""
        tokens = self._turn(self._chat.system, prompt.system, first=True)
        for asked, answered in prompt.examples:
            tokens += self._turn(self._chat.user, asked) + self._turn(self._chat.assistant, answered)
        return tokens

    def _share(self, tokens: list[int]) -> None:
        """Evaluate them in sequence 0, whose keys and values the others borrow."""
        llama_cpp.llama_memory_clear(self._memory, True)
        self._prefix = []
        for at in range(0, len(tokens), BATCH):
            part = tokens[at : at + BATCH]
            self._evaluate([(token, at + i, 0, False) for i, token in enumerate(part)])
        self._prefix = tokens

    def _evaluate(self, rows: Sequence[tuple[int, int, int, bool]]) -> None:
        """Evaluate tokens of prompts, counted and timed."""
        started = time.perf_counter()
        self._decode(rows)
        self.usage.evaluated += len(rows)
        self.usage.prefill_seconds += time.perf_counter() - started

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

    def _forget(self, slot: int, answer: _Answer) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory, slot, -1, -1)
        if answer.sampler is not None:
            llama_cpp.llama_sampler_free(answer.sampler)

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
