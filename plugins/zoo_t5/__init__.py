"""T5, FLAN-T5 and mT5: every task on text as a text that becomes another.

Imports no torch: the strings below say where each part lives, and zoo imports it when needed.
"""

from collections.abc import Iterable

from zoo.hookspecs import Architecture, hookimpl


@hookimpl
def zoo_architectures() -> Iterable[Architecture]:
    """One network: T5 1.0, 1.1, FLAN-T5 and mT5 differ in config."""
    for name in ("t5", "mt5"):
        yield Architecture(
            name=name,
            model_types=(name,),
            tasks=("text2text-generation",),
            config=f"zoo_t5.config:{name}",
            build="zoo_t5.model:T5",
            weights="zoo_t5.weights:t5",
            preprocessor="zoo_t5.preprocessor:load_preprocessor",
            sample=f"zoo_t5.sample:{name}",
        )
