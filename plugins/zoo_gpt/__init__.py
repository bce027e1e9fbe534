"""GPT-2, GPT-NeoX, OPT, Llama and Qwen continue a text; ImageGPT a picture, pixel by pixel.

Imports no torch: the strings below say where each part lives, and zoo imports it when needed.
"""

from collections.abc import Iterable

from zoo.hookspecs import Architecture, hookimpl


@hookimpl
def zoo_architectures() -> Iterable[Architecture]:
    """Seven families in five files; Llama and Qwen are one network."""
    for name, model_type, module in (
        ("gpt2", "gpt2", "gpt2"),
        ("gpt-neox", "gpt_neox", "neox"),
        ("opt", "opt", "opt"),
        ("llama", "llama", "llama"),
        ("qwen2", "qwen2", "llama"),
        ("qwen3", "qwen3", "llama"),
    ):
        yield Architecture(
            name=name,
            model_types=(model_type,),
            tasks=("text-generation",),
            config=f"zoo_gpt.config:{model_type}",
            build=f"zoo_gpt.{module}:build",
            weights=f"zoo_gpt.weights:{module}",
            preprocessor="zoo.text:load_prompts",
            sample=f"zoo_gpt.sample:{model_type}",
        )
    yield Architecture(
        name="imagegpt",
        model_types=("imagegpt",),
        tasks=("image-completion",),
        config="zoo_gpt.config:imagegpt",
        build="zoo_gpt.imagegpt:build",
        weights="zoo_gpt.weights:imagegpt",
        preprocessor="zoo_gpt.pictures:load",
        sample="zoo_gpt.sample:imagegpt",
    )
