"""BERT, RoBERTa and DistilBERT: encoders that read, classify and embed text.

Imports no torch: the strings below say where each part lives, and zoo imports it when needed.
"""

from collections.abc import Iterable

from zoo.hookspecs import Architecture, hookimpl

TASKS = ("fill-mask", "text-classification", "zero-shot-classification", "feature-extraction")


@hookimpl
def zoo_architectures() -> Iterable[Architecture]:
    """Three families that differ in config and names, on one network."""
    for name, model_types in (
        ("bert", ("bert",)),
        ("roberta", ("roberta", "xlm-roberta")),
        ("distilbert", ("distilbert",)),
    ):
        yield Architecture(
            name=name,
            model_types=model_types,
            tasks=TASKS,
            config=f"zoo_bert.config:{name}",
            build="zoo_bert.model:build",
            weights=f"zoo_bert.weights:{name}",
            preprocessor="zoo.text:load_preprocessor",
            sample=f"zoo_bert.sample:{name}",
        )
