"""What must hold of an architecture: it builds, its weights go both ways, its tasks obey laws."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from zoo import hub
from zoo.checkpoint import Files, published_configs, weights_name
from zoo.entry import Entry, Source
from zoo.errors import CheckpointError, ZooError
from zoo.loading import load, without_weights
from zoo.model import Model
from zoo.plugins import import_part
from zoo.tasks import PARTS, able
from zoo.testing.check import (
    Check,
    ContractError,
    NotReachedError,
    described,
    no_other_error,
)
from zoo.testing.tasks import CASES, checks_of_task

if TYPE_CHECKING:
    from zoo.hookspecs import Architecture

_PARTS = ("config", "build", "weights", "preprocessor")
_WEIGHTS = (".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json")
# What no field of a config may be, yet a file may say.
_ODD: tuple[object, ...] = (None, True, -1, 0, 2.5, 10**12, "odd", [], {}, ["odd"])


class Sample:
    """A tiny checkpoint of an architecture, made once; a step that failed is not tried again.

    Args:
        architecture: Whose.
        task: That it can do; empty if the architecture claims none.
        bundled: Models of the architecture that are on this disk.
    """

    def __init__(self, architecture: Architecture, task: str, bundled: Sequence[Entry]) -> None:
        self.architecture = architecture
        self.task = task
        self._bundled = [each for each in bundled if task in each.tasks or not task]
        self._made: dict[str, Any] = {}
        self._broken = ""  # the first step that failed

    @property
    def folder(self) -> Path:
        """Its files without weights."""
        return self._step("a sample", self._write)

    @property
    def published(self) -> tuple[str, dict[str, Any]]:
        """What its architecture takes it for, and the config that says so."""
        return self._step("finding the sample's config", self._published)

    @property
    def config(self) -> object:
        """The architecture's own config."""
        return self._step("reading config.json", lambda: self.part("config")(self.published[1]))

    @property
    def network(self) -> nn.Module:
        """Without weights."""
        return self._step("building", lambda: without_weights(self.part("build"), self.config))

    @property
    def weight_map(self) -> Any:  # noqa: ANN401 (the plugin made it)
        """The rules of its weights."""
        return self._step("the weight map", lambda: self.part("weights")(self.config))

    @property
    def model(self) -> Model:
        """Loaded as a user does, with random weights."""
        return self._step("loading", self._load)

    def part(self, name: str) -> Callable[..., Any]:
        """Import a part of the architecture."""
        return self._step(f"importing {name}", lambda: import_part(self.architecture, name))

    def random_state(self) -> dict[str, Tensor]:
        """Weights at which mistakes show: no bias is 0, no norm 1, no attention flat."""
        generator = torch.Generator().manual_seed(0)

        def draw(name: str, shape: torch.Size) -> Tensor:
            x = torch.randn(shape, generator=generator)
            if len(shape) > 1:
                return x * 2 / shape[1:].numel() ** 0.5
            return 0.2 * x + 1 if name.endswith("weight") else 0.2 * x

        state = {name: draw(name, x.shape) for name, x in self.network.state_dict().items()}
        tied: Mapping[str, str] = getattr(self.weight_map, "tied", {})  # not every layout has some
        for one, twin in tied.items():
            if one in state and twin in state:
                state[one] = state[twin]
        return state

    def _step(self, what: str, make: Callable[[], Any]) -> Any:  # noqa: ANN401 (as made)
        if self._broken:
            raise NotReachedError(f"{self._broken} fails, see above")
        if what not in self._made:
            try:
                with no_other_error(what):
                    self._made[what] = make()
            except ContractError:
                self._broken = self._broken or what  # an inner step may have been the first
                raise
        return self._made[what]

    def _write(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="zoo-contract-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        if self.architecture.sample:
            import_part(self.architecture, "sample")(folder, self.task)
        elif self._bundled:
            for name, path in hub.fetch(self._bundled[0]).files.items():
                if not name.endswith(_WEIGHTS):
                    target = folder / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, target)
        else:
            raise ContractError(
                f"there is no checkpoint to run {self.task or self.architecture.name} with; bundle "
                'one in the plugin\'s registry.yaml, or say sample="module:function" in the '
                "Architecture"
            )
        return folder

    def _published(self) -> tuple[str, dict[str, Any]]:
        paths = {path.name: path for path in self.folder.iterdir()}
        configs = published_configs(Files(paths, "the sample"))
        for kind, config in configs.items():
            if kind in self.architecture.model_types:
                return kind, config
        raise ContractError(
            f"the sample's config has model_type {next(iter(configs))!r}; model_types are "
            f"{', '.join(self.architecture.model_types) or 'empty'}"
        )

    def _load(self) -> Model:
        tensors = self.weight_map.dump(self.random_state())
        weights = self.folder / weights_name(self.published[0])
        save_file(tensors, weights, metadata={"format": "pt"})
        return load_folder(self.folder, self.architecture.name)


def load_folder(folder: Path, architecture: str) -> Model:
    """Load a checkpoint as a registry's entry would, in the numbers that laws are exact in."""
    entry = Entry(folder.name, architecture, Source("folder", str(folder)))
    return Model(**vars(load(entry, device="cpu", dtype="float32")))


def checks(architecture: Architecture, bundled: Sequence[Entry]) -> Iterator[Check]:
    """List the checks of one architecture, its tasks and its bundled models."""
    name = architecture.name
    samples = [Sample(architecture, task, bundled) for task in architecture.tasks or ("",)]
    first = samples[0]
    yield Check(name, "names parts that can be imported", partial(_parts_import, architecture))
    yield Check(name, "reads a config, and refuses a wrong one", partial(_reads_config, first))
    for sample in samples:
        about = f"{name}, {sample.task}" if sample.task else name
        yield Check(about, "builds without memory", partial(_builds, sample))
        yield Check(about, "maps weights both ways", partial(_maps_weights, sample))
        yield Check(about, "loads", partial(_loads, sample))
        if sample.task and sample.task in CASES:
            yield from checks_of_task(about, sample.task, sample)
        elif sample.task:
            yield Check(about, "is a task", partial(_is_task, sample.task))
    yield Check(name, "refuses incomplete files", partial(_refuses_incomplete, first))
    for entry in bundled:
        yield Check(name, f"loads {entry.name}", partial(_loads_bundled, entry))


def _parts_import(architecture: Architecture) -> None:
    for part in (*_PARTS, *(["sample"] if architecture.sample else [])):
        target = getattr(architecture, part)
        if not callable(import_part(architecture, part)):
            raise ContractError(f"{part} = {target!r} is no function; see zoo.hookspecs")


def _reads_config(sample: Sample) -> None:
    (_, published), read = sample.published, sample.part("config")
    config = sample.config
    parameters: Any = getattr(config, "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        raise ContractError(f"the config is a {type(config).__name__}; make it a frozen dataclass")
    try:
        read({**published, "zoo_contract": 1})
    except CheckpointError:
        pass
    else:
        raise ContractError(
            "a field that nobody knows is silently accepted, and might change numbers; read the "
            "config with zoo.config.Fields, and call finish() at the end"
        )
    for field in published:
        lacking = {name: value for name, value in published.items() if name != field}
        _read_or_refused(read, lacking, f"without {field!r}")
        for odd in _ODD:
            _read_or_refused(read, {**published, field: odd}, f"with {field!r}: {odd!r}")


def _read_or_refused(read: Callable[..., object], published: Mapping[str, Any], how: str) -> None:
    """A field that does not matter may be odd; one that does is refused, and with a ZooError."""
    try:
        read(published)
    except ZooError:
        pass
    except Exception as error:
        raise ContractError(
            f"a config.json {how} raises {described(error)}; users are to see a CheckpointError: "
            "read the field with zoo.config.Fields"
        ) from error


def _builds(sample: Sample) -> str:
    network = sample.network
    if not isinstance(network, nn.Module):
        raise ContractError(f"build returns {type(network).__name__}, not a torch.nn.Module")
    real = [name for name, x in network.state_dict().items() if not x.is_meta]
    if real:
        raise ContractError(
            f"{_shown(real)} took memory while the network was built; make tensors on the default "
            "device, which is then torch's meta device: no device=, no numpy, no .tolist()"
        )
    count = sum(x.numel() for x in network.parameters())
    return f"{count:,} parameters"


def _maps_weights(sample: Sample) -> str:
    network, weight_map = sample.network.state_dict(), sample.weight_map
    state = sample.random_state()
    with no_other_error("writing weights (WeightMap.dump)"):
        published = weight_map.dump(state)
    with no_other_error("reading weights (WeightMap.load)"):
        loaded = weight_map.load(published, network, source="the sample")
    _same_tensors(state, loaded, "are others after dump and load; is a rule's split its join?")
    with no_other_error("writing weights again"):
        _same_tensors(published, weight_map.dump(loaded), "are others after load and dump")
    left_over = {**published, "zoo.contract": torch.zeros(3)}
    _must_refuse(weight_map, left_over, network, "a tensor that no rule knows")
    for name in published:
        lacking = {key: x for key, x in published.items() if key != name}
        _must_refuse(weight_map, lacking, network, f"weights without {name!r}")
    return f"{len(published)} published tensor" + "s" * (len(published) != 1)


def _same_tensors(before: Mapping[str, Tensor], after: Mapping[str, Tensor], what: str) -> None:
    others = sorted(
        name
        for name in {*before, *after}
        if name not in before or name not in after or not torch.equal(before[name], after[name])
    )
    if others:
        raise ContractError(f"{_shown(others)} {what}")


def _must_refuse(
    weight_map: Any,  # noqa: ANN401 (the plugin made it)
    tensors: Mapping[str, Tensor],
    network: Mapping[str, Tensor],
    what: str,
) -> None:
    try:
        weight_map.load(tensors, network, source="the sample")
    except ZooError:
        return
    raise ContractError(f"{what} are accepted; let zoo.weights.WeightMap do the loading")


def _loads(sample: Sample) -> None:
    tasks = able(sample.model)
    if not sample.task:
        return
    if sample.task not in tasks:
        part = PARTS.get(sample.task)
        raise ContractError(
            f"the network has no {part!r}, which {sample.task} needs; it can do "
            f"{', '.join(tasks) or 'nothing'}: add it, or take the task out of the Architecture"
            if part
            else f"zoo has no task {sample.task!r}; it has {', '.join(PARTS)}"
        )


def _is_task(task: str) -> str:
    if task not in PARTS:
        raise ContractError(f"zoo has no task {task!r}; it has {', '.join(PARTS)}")
    return "zoo.testing has no checks for it"


def _refuses_incomplete(sample: Sample) -> None:
    """Each file but one that does without is missed, or damaged, with a ZooError."""
    assert sample.model is not None  # what is complete loads, or this check is not reached
    folder = sample.folder
    for name in sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*")):
        path = folder / name
        content = path.read_bytes()
        for how, damaged in (("without", None), ("with a damaged", content[: len(content) // 2])):
            try:
                if damaged is None:
                    path.unlink()
                else:
                    path.write_bytes(damaged)
                load_folder(folder, sample.architecture.name)
            except ZooError:
                pass
            except Exception as error:
                raise ContractError(
                    f"a checkpoint {how} {name} raises {described(error)}; users are to see a "
                    "CheckpointError that says what is wrong with which file"
                ) from error
            finally:
                path.write_bytes(content)


def _loads_bundled(entry: Entry) -> str:
    model = Model(**vars(load(entry, device="cpu", dtype="float32")))
    lacking = [task for task in entry.tasks if task not in able(model)]
    if lacking:
        raise ContractError(
            f"{entry.origin}: {entry.name} is said to do {', '.join(lacking)}, but its checkpoint "
            "has no head for it"
        )
    for task in entry.tasks:
        if task in CASES:
            CASES[task].run(model, CASES[task].inputs(model)[:1])
    return ", ".join(entry.tasks)


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(map(repr, names[:3])) + more
