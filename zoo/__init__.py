"""zoo: one registry, one command, one plugin contract for every Transformer family.

::

    import zoo

    zoo.list_models("bert*", task="fill-mask")      # entries; imports no torch
    zoo.show("tiny-bert")
    model = zoo.load("tiny-bert")
    model.fill_mask("A man rides a [MASK].")
    zoo.evaluate(model, on="stsb", data="stsb/").headline
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.errors import ZooError, ZooWarning

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.entry import Entry
    from zoo.evaluation import Benchmark, Result
    from zoo.model import Model, load

__version__ = "0.1.0"
__all__ = [
    "Model",
    "ZooError",
    "ZooWarning",
    "__version__",
    "evaluate",
    "list_models",
    "load",
    "show",
]


def list_models(
    pattern: str = "*",
    *,
    task: str | None = None,
    language: str | None = None,
    license: str | None = None,
    architecture: str | None = None,
    tag: str | None = None,
    max_parameters: int | None = None,
    registries: Sequence[Path] = (),
) -> list[Entry]:
    """Return the registry's entries whose name or alias matches a glob, sorted by name.

    Args:
        pattern: ``*`` stands for any letters, ``?`` for one.
        task: One of the entry's tasks.
        language: One of its languages.
        license: A glob over licence identifiers.
        architecture: As the entry says it.
        tag: One of its tags.
        max_parameters: A count; an entry that does not say its own is left out.
        registries: Further registry files, of which the last counts most.

    Raises:
        RegistryError: A registry file breaks a rule.
        TaskError: No entry at all has this task.
    """
    from zoo.registry import load_registry

    return load_registry(registries).select(
        pattern,
        task=task,
        language=language,
        license=license,
        architecture=architecture,
        tag=tag,
        max_parameters=max_parameters,
    )


def show(name: str, *, registries: Sequence[Path] = ()) -> Entry:
    """Return one entry, by name or alias.

    Raises:
        UnknownModelError: No registry has it; the message suggests the close ones.
        RegistryError: A registry file breaks a rule.
    """
    from zoo.registry import load_registry

    return load_registry(registries).find(name)


def evaluate(
    model: Model | str,
    on: Benchmark | str,
    *,
    data: Path | str | None = None,
    protocol: str | None = None,
    limit: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    cache: bool = True,
) -> Result:
    """Measure a model on a benchmark.

    Example::

        result = zoo.evaluate("tiny-bert", on="stsb", data="stsb/")
        result.headline.value, result.headline.low, result.headline.high

    Args:
        model: From `load`, or a name, which is loaded.
        on: A benchmark's name, or the path of its YAML file.
        data: The file or folder with its rows; by default what comes with it, or the hub.
        protocol: How it is measured; by default the first of the benchmark's that suits the model.
        limit: Take only the first so many samples.
        batch_size: Ask at most so many questions at once; the numbers do not depend on it.
        seed: For whatever a protocol draws.
        cache: Whether answers are kept from one run to the next.

    Raises:
        ZooError: Of many kinds; see `zoo.evaluation.evaluate`.
    """
    from pathlib import Path

    from zoo.evaluation import evaluate as measure
    from zoo.evaluation import find_benchmark
    from zoo.model import load

    benchmark = find_benchmark(on) if isinstance(on, str) else on
    return measure(
        load(model) if isinstance(model, str) else model,
        benchmark,
        data=None if data is None else Path(data),
        protocol=protocol,
        limit=limit,
        batch_size=batch_size,
        seed=seed,
        cache=cache,
    )


def __getattr__(name: str) -> Any:  # noqa: ANN401 (whatever it is)
    # What needs torch is imported when it is first used.
    if name in ("Model", "load"):
        from zoo import model

        return getattr(model, name)
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")
