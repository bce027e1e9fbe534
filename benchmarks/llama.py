"""llama.cpp as a contender: a GPT-2 of transformers as a GGUF file, and greedy decoding of it."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import llama_cpp
import numpy as np
import torch
from torch import Tensor

_TYPES = {
    "float32": gguf.GGMLQuantizationType.F32,
    "bfloat16": gguf.GGMLQuantizationType.BF16,
}


def write_gguf(peer: Any, path: Path, dtype: str) -> Path:  # noqa: ANN401 (transformers' model)
    """Write a GPT-2 with its matrices in a number format, and no vocabulary; return the path."""
    config = peer.config
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_context_length(config.n_positions)
    writer.add_embedding_length(config.n_embd)
    writer.add_block_count(config.n_layer)
    writer.add_feed_forward_length(4 * config.n_embd)
    writer.add_head_count(config.n_head)
    writer.add_layer_norm_eps(config.layer_norm_epsilon)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("no_vocab")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GPT2, config.n_layer)
    weights: Mapping[str, Tensor] = peer.transformer.state_dict()
    for name, weight in weights.items():
        module, _, kind = name.rpartition(".")
        values = weight.float()
        if ".attn." in name or ".mlp." in name:
            values = values.t()  # GPT-2's matrices are stored the other way round; biases are rows
        # llama.cpp adds positions and norms in float32 only.
        plain = values.ndim == 1 or module == "wpe"
        kind_of_number = _TYPES["float32" if plain else dtype]
        data = gguf.quants.quantize(np.ascontiguousarray(values.numpy()), kind_of_number)
        writer.add_tensor(f"{names.get_name(module)}.{kind}", data, raw_dtype=kind_of_number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


class Llama:
    """A GGUF file, and rows that it decodes side by side; as many threads as torch has."""

    def __init__(self, path: Path, rows: int, length: int) -> None:
        llama_cpp.llama_log_set(_SILENT, None)
        llama_cpp.llama_backend_init()
        self._model = llama_cpp.llama_model_load_from_file(
            str(path).encode(), llama_cpp.llama_model_default_params()
        )
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = rows * length
        parameters.n_seq_max = rows
        parameters.n_threads = parameters.n_threads_batch = torch.get_num_threads()
        self._context = llama_cpp.llama_init_from_model(self._model, parameters)
        if not self._context:
            raise RuntimeError(f"llama.cpp cannot use {path}")
        vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self._words = llama_cpp.llama_vocab_n_tokens(vocabulary)
        self._batch = llama_cpp.llama_batch_init(rows * length, 0, 1)

    def generate(self, prompts: Sequence[Sequence[int]], new: int) -> list[list[int]]:
        """New tokens of each row, the most probable each time."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), True)
        rows: list[list[int]] = [[] for _ in prompts]
        fresh = [list(prompt) for prompt in prompts]
        start = 0
        for _ in range(new):
            chosen = self._step(fresh, start)
            start += len(fresh[0])
            for row, token in zip(rows, chosen, strict=True):
                row.append(token)
            fresh = [[token] for token in chosen]
        return rows

    def _step(self, fresh: Sequence[Sequence[int]], start: int) -> list[int]:
        """Read each row's new tokens, all rows of one length; return the best next ones."""
        batch, place = self._batch, 0
        last = []
        for number, tokens in enumerate(fresh):
            for position, token in enumerate(tokens, start=start):
                batch.token[place] = token
                batch.pos[place] = position
                batch.n_seq_id[place] = 1
                batch.seq_id[place][0] = number
                batch.logits[place] = position == start + len(tokens) - 1
                place += 1
            last.append(place - 1)
        batch.n_tokens = place
        if llama_cpp.llama_decode(self._context, batch):
            raise RuntimeError("llama.cpp could not decode")
        logits = (llama_cpp.llama_get_logits_ith(self._context, each) for each in last)
        return [int(np.ctypeslib.as_array(each, (self._words,)).argmax()) for each in logits]


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]  # of ctypes
def _SILENT(_level: int, _text: bytes, _data: ctypes.c_void_p) -> None:  # noqa: N802
    """Say nothing: the library reports each tensor it reads."""
