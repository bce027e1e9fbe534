"""One vector for a text, from the vectors of its tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from zoo.checkpoint import Files
from zoo.errors import CheckpointError
from zoo.text.batch import TokenBatch

Mode = Literal["mean", "cls", "max"]

# The names of sentence-transformers' own kinds of module, whatever version wrote them.
_TRANSFORMER, _POOLING, _NORMALIZE = "Transformer", "Pooling", "Normalize"


@dataclass(frozen=True)
class Pooling:
    """How a model was trained to embed a text.

    Args:
        mode: The mean of all tokens, the first token, or the largest number in each place.
        normalize: Whether vectors are scaled to length 1.
        prompt: What the model was trained to see before each text.
    """

    mode: Mode = "mean"
    normalize: bool = False
    prompt: str = ""

    def __call__(self, hidden: Tensor, batch: TokenBatch) -> Tensor:
        """(B, T, C) of a batch of n texts -> (n, C) in float32."""
        pooled = torch.cat(
            [_POOL[self.mode](block.float(), mask) for block, mask in batch.blocks(hidden)]
        )
        if self.normalize:
            pooled = torch.nn.functional.normalize(pooled, dim=1)
        return pooled


def _mean(block: Tensor, mask: Tensor | None) -> Tensor:
    """(n, L, C), (n, L) -> (n, C)."""
    if mask is None:
        return block.mean(dim=1)
    weights = mask.unsqueeze(2)
    return (block * weights).sum(dim=1) / weights.sum(dim=1)


def _first(block: Tensor, mask: Tensor | None) -> Tensor:
    """(n, L, C) -> (n, C)."""
    return block[:, 0]


def _max(block: Tensor, mask: Tensor | None) -> Tensor:
    """(n, L, C), (n, L) -> (n, C)."""
    if mask is not None:
        block = block.masked_fill(~mask.unsqueeze(2), -math.inf)
    return block.amax(dim=1)


_POOL = {"mean": _mean, "cls": _first, "max": _max}


def load_pooling(files: Files) -> Pooling:
    """Read the pooling that sentence-transformers saved; the plain mean if it saved none.

    Raises:
        CheckpointError: The files ask for a step that zoo does not have.
    """
    modules = files.json_list("modules.json")
    if not modules:
        return Pooling()
    mode: Mode | None = None
    normalize = False
    for module in modules:
        kind = str(module.get("type", "")).rsplit(".", 1)[-1]
        if kind == _POOLING:
            mode = _mode(files, f"{module.get('path', '')}/config.json")
        elif kind == _NORMALIZE:
            normalize = True
        elif kind != _TRANSFORMER:
            raise CheckpointError(
                f"{files.source}: modules.json asks for a {kind!r} step; zoo has "
                f"{_TRANSFORMER}, {_POOLING} and {_NORMALIZE}"
            )
    if mode is None:
        raise CheckpointError(
            f"{files.source}: modules.json has no {_POOLING} step, without which "
            "sentence-transformers makes no vector of a text; add one, or remove modules.json"
        )
    settings = files.json("config_sentence_transformers.json")
    return Pooling(mode, normalize, _default_prompt(settings, files.source))


def _default_prompt(settings: Mapping[str, Any], source: str) -> str:
    """The prompt that the settings name as the default; none unless they do."""
    name = settings.get("default_prompt_name")
    if name is None:
        return ""
    prompts = settings.get("prompts")
    prompt = prompts.get(name) if isinstance(prompts, Mapping) else None
    if not isinstance(prompt, str):
        raise CheckpointError(
            f"{source}: config_sentence_transformers.json: default_prompt_name is {name!r}, "
            f"but prompts are {prompts!r:.60}"
        )
    return prompt


def _mode(files: Files, name: str) -> Mode:
    """The mode in a pooling config: one string today, a boolean for each mode before."""
    config = files.json(name)
    if not config:
        raise CheckpointError(f"{files.source}: modules.json names {name}, which is missing")
    if config.get("include_prompt") is False:
        raise CheckpointError(
            f"{files.source}: {name} leaves the prompt out of the pooling, which zoo cannot"
        )
    legacy = {"pooling_mode_cls_token": "cls", "pooling_mode_max_tokens": "max"}
    legacy["pooling_mode_mean_tokens"] = "mean"
    modes = config.get("pooling_mode") or [
        legacy.get(key, key)
        for key, value in config.items()
        if key.startswith("pooling_mode_") and value
    ]
    modes = modes if isinstance(modes, list) else [modes]
    for mode in get_args(Mode):
        if modes == [mode]:
            return mode
    raise CheckpointError(
        f"{files.source}: {name} asks for the pooling {' + '.join(map(str, modes)) or 'none'}; "
        f"zoo has {', '.join(get_args(Mode))}"
    )
