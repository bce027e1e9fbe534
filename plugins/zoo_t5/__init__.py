"""T5 and FLAN-T5: every task on text as a text that becomes another.

Imports no torch: the strings below say where each part lives, and zoo imports it when needed.
"""

from collections.abc import Iterable

from zoo.hookspecs import Architecture, hookimpl


@hookimpl
def zoo_architectures() -> Iterable[Architecture]:
    """One network: T5 1.0, 1.1 and FLAN-T5 differ in config."""
    yield Architecture(
        name="t5",
        model_types=("t5",),
        tasks=("text2text-generation",),
        config="zoo_t5.config:t5",
        build="zoo_t5.model:T5",
        weights="zoo_t5.weights:t5",
        preprocessor="zoo_t5.preprocessor:load_preprocessor",
        sample="zoo_t5.sample:t5",
    )
