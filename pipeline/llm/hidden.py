"""What a language model makes of a text, seen from within: the states of one layer, without decoding a word.

A small model that is asked for a verdict says « yes » to nearly anything; what tells a true answer from a mere
resemblance is nevertheless there in its middle layers, for a regression to read (linear probes: Alain and Bengio,
« Understanding intermediate layers using linear classifier probes », 2016). llama.cpp lets a callback see each tensor
as it is computed; once the layer is there the rest is not computed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError
from pipeline.llm import Prompt
from pipeline.llm.llamacpp import BATCH, LlamaCpp

TEXT = 1
"""The sequence that holds the instructions and the passage; 0 holds the instructions, the next ones a question each."""
AT_ONCE = 12
"""Questions read together."""


class HiddenStates(LlamaCpp):
    """A GGUF file of which one layer is read (``layer``, from 0). Takes what :class:`LlamaCpp` takes, raises what it
    raises."""

    def __init__(self, *given: Any, layer: int, **named: Any) -> None:
        self._wanted = f"l_out-{layer}".encode()
        self._ggml = _ggml()
        self._seen: list[npt.NDArray[np.float32]] = []
        super().__init__(
            *given, **named, parallel=TEXT + AT_ONCE, watch=llama_cpp.ggml_backend_sched_eval_callback(self._look)
        )
        self.width = int(llama_cpp.llama_model_n_embd(self._model))

    def states(self, passage: Prompt, questions: Sequence[str]) -> npt.NDArray[np.float32]:
        """Of each question asked after a passage (a prompt whose request it continues): the state at the last token,
        then the mean over the question's tokens. Shape (questions, 2 × width). The passage is computed once. Raises
        ModelError where one does not fit the context."""
        before, _, after = self._chat.user.partition("{text}")
        instructions = self._shared(passage)
        text = self._tokens(before, special=True) + self._tokens(passage.request + "\n\n")
        start = len(instructions) + len(text)
        ending = self._tokens(after, special=True) + self._tokens(self._chat.answer, special=True)
        asked = [self._tokens(question) + ending for question in questions]
        longest = max(map(len, asked), default=0)
        if longest > BATCH or start + min(len(asked), AT_ONCE) * longest > self._room:
            raise ModelError(
                f"Un paragraphe de {len(text)} jetons et ses questions dépassent le contexte de {self._room}",
                remedy="Augmentez le réglage llm.context.",
            )
        if instructions != self._prefix:
            self._share(instructions)
        llama_cpp.llama_memory_seq_rm(self._memory, TEXT, -1, -1)
        llama_cpp.llama_memory_seq_cp(self._memory, 0, TEXT, -1, -1)
        for at in range(0, len(text), BATCH):
            part = enumerate(text[at : at + BATCH], start=len(instructions) + at)
            self._evaluate([(token, position, TEXT, False) for position, token in part])
        found = np.empty((len(asked), 2 * self.width), np.float32)
        at = 0
        while at < len(asked):
            count = 1
            while at + count < len(asked) and count < AT_ONCE and sum(map(len, asked[at : at + count + 1])) <= BATCH:
                count += 1
            rows = []
            for slot, tokens in enumerate(asked[at : at + count], start=TEXT + 1):
                llama_cpp.llama_memory_seq_cp(self._memory, TEXT, slot, -1, -1)
                rows += [(token, start + i, slot, i == len(tokens) - 1) for i, token in enumerate(tokens)]
            self._seen = []
            self._evaluate(rows)
            if not self._seen:
                raise ModelError(f"Le modèle « {self.name} » n'a pas de couche « {self._wanted.decode()} »")
            row = 0
            for n, tokens in enumerate(asked[at : at + count], start=at):
                own = self._seen[0][row : row + len(tokens)]
                found[n] = np.concatenate([own[-1], own.mean(axis=0)])
                row += len(tokens)
                llama_cpp.llama_memory_seq_rm(self._memory, TEXT + 1 + n - at, -1, -1)
            at += count
        return found

    def _look(self, tensor: int, ask: bool, _: object) -> bool:
        """ggml's scheduler: whether a tensor is wanted (``ask``), then whether to go on once it is computed."""
        if self._ggml.ggml_get_name(tensor) != self._wanted:
            return not ask
        if ask:
            return True
        size = self._ggml.ggml_nbytes(tensor)
        held = np.empty(size // 4, np.float32)
        self._ggml.ggml_backend_tensor_get(tensor, held.ctypes.data, 0, size)
        self._seen.append(held.reshape(-1, int(llama_cpp.llama_model_n_embd(self._model))))
        return False


def _ggml() -> Any:
    """The calls of ggml that llama-cpp-python does not declare."""
    found = sorted((Path(llama_cpp.__file__).parent / "lib").glob("*ggml-base*"))
    if not found:
        raise ModelError("Bibliothèque ggml introuvable", remedy="Supprimez .venv et lancez « make setup ».")
    library = ctypes.CDLL(str(found[0]))
    library.ggml_get_name.restype, library.ggml_get_name.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    library.ggml_nbytes.restype, library.ggml_nbytes.argtypes = ctypes.c_size_t, [ctypes.c_void_p]
    library.ggml_backend_tensor_get.restype = None
    library.ggml_backend_tensor_get.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]
    return library
