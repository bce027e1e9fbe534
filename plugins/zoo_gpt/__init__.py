"""GPT-2: a decoder that continues a text.

Imports no torch: the strings below say where each part lives, and zoo imports it when needed.
"""

from collections.abc import Iterable

from zoo.hookspecs import Architecture, hookimpl


@hookimpl
def zoo_architectures() -> Iterable[Architecture]:
    """GPT-2's family."""
    for name, model_type, module in (
        ("gpt2", "gpt2", "gpt2"),
    ):
        yield Architecture(
            name=name,
            model_types=(model_type,),
            tasks=("text-generation",),
            config=f"zoo_gpt.config:{model_type}",
            build=f"zoo_gpt.{module}:build",
            weights=f"zoo_gpt.weights:{module}",
            preprocessor="zoo.text.prompts:load_prompts",
        )
