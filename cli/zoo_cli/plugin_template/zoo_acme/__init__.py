"""Acme: what this plugin provides to zoo.

Imports no torch: the strings below say where each part lives, and zoo imports it when needed.
"""

from collections.abc import Iterable

from zoo.hookspecs import Architecture, hookimpl

zoo_api = 1  # the version of the plugin contract that this was written for


@hookimpl
def zoo_architectures() -> Iterable[Architecture]:
    """One architecture: the name that registry entries use, and where its parts are."""
    yield Architecture(
        name="acme",
        model_types=("acme",),
        tasks=("text-generation",),
        config="zoo_acme.model:read_config",
        build="zoo_acme.model:Acme",
        weights="zoo_acme.weights:weights",
        preprocessor="zoo.text:load_prompts",
    )
