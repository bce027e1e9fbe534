"""A language model without attention: the LSTM, as a plugin of zoo.

Imports no torch: the strings below say where each part lives, and zoo imports it when needed.
"""

from collections.abc import Iterable

from zoo.hookspecs import Architecture, hookimpl

zoo_api = 1  # the version of the plugin contract that this was written for


@hookimpl
def zoo_architectures() -> Iterable[Architecture]:
    """One network."""
    yield Architecture(
        name="lstm",
        model_types=("lstm",),
        tasks=("text-generation",),
        config="zoo_lstm.model:read_config",
        build="zoo_lstm.model:LSTM",
        weights="zoo_lstm.weights:weights",
        preprocessor="zoo.text:load_prompts",
    )
