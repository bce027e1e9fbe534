"""The Transformer of "Attention Is All You Need", and the translators that are built so.

Imports no torch: the strings below say where each part lives, and zoo imports it when needed.
"""

from collections.abc import Iterable

from zoo.hookspecs import Architecture, hookimpl


@hookimpl
def zoo_architectures() -> Iterable[Architecture]:
    """Marian's translators, and the bare stacks that torch.nn.Transformer saves."""
    yield Architecture(
        name="transformer",
        model_types=("marian",),
        tasks=("translation",),
        config="zoo_transformer.config:marian",
        build="zoo_transformer.model:build",
        weights="zoo_transformer.weights:marian",
        preprocessor="zoo_transformer.tokenizer:load_preprocessor",
        sample="zoo_transformer.sample:marian",
    )
    yield Architecture(
        name="torch-transformer",
        model_types=("torch-transformer",),
        tasks=(),
        config="zoo_transformer.config:torch",
        build="zoo_transformer.model:build",
        weights="zoo_transformer.weights:torch",
        preprocessor="zoo_transformer.tokenizer:none",
        sample="zoo_transformer.sample:torch",
    )
