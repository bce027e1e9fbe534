"""Plugins that break the contract, each in one place: the check that finds it, and what it says."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoo.errors import UsageError
from zoo.testing import ContractError, NotReachedError, contract
from zoo_cli.new_plugin import write_plugin

_NUMBERS = itertools.count()


class Site:
    """A folder on ``sys.path`` with plugins made from the template, laid out as pip does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, *changes: tuple[str, str, str]) -> str:
        """Install a plugin after (file, old, new) changes; return its module.

        Each has a name of its own, since Python keeps modules, and zoo what it measured of them.
        """
        name = f"case{next(_NUMBERS)}"
        module = f"zoo_{name}"
        made = write_plugin(name, self.folder)
        for file, old, new in changes:
            path = made / module / file
            text = path.read_text()
            assert old in text, f"{old!r} is not in {file}"
            path.write_text(text.replace(old, new))
        (made / module).rename(self.folder / module)
        metadata = self.folder / f"zoo_{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "entry_points.txt").write_text(
            f"[zoo.plugins]\n{name} = {module}\n[zoo.registries]\n{name} = {module}:registry.yaml\n"
        )
        return module


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Site(tmp_path)
    for name, module in list(sys.modules.items()):
        if str(tmp_path) in str(getattr(module, "__file__", "")):
            del sys.modules[name]


def failures(module: str) -> dict[str, str]:
    """What fails: the check's name -> its message."""
    found = {}
    for check in contract(module):
        try:
            check.run()
        except NotReachedError:
            continue
        except ContractError as error:
            found[check.what] = str(error)
    return found


def test_the_template_keeps_the_contract(site: Site) -> None:
    assert failures(site.install()) == {}


IMPORT = "is imported fast, and without torch"
HOOKS = "has valid hooks"
REGISTRY = "is valid"
CONFIG = "reads a config, and refuses a wrong one"
FORWARD = "        return self.norm(x)"

# What is changed, the first check that fails, and what it says.
BROKEN = {
    "imports torch": (
        [("__init__.py", "from zoo.hookspecs", "import torch\nfrom zoo.hookspecs")],
        IMPORT,
        "imports numpy, torch; name the parts that need them as \"module:attribute\"",
    ),
    "uses what is not public": (
        [("weights.py", "from zoo.weights", "import zoo.hub\nfrom zoo.weights")],
        "imports only what is public",
        "weights.py, line 3: zoo.hub is no public part of zoo, and may change without notice",
    ),
    "is slow": (
        [("__init__.py", "zoo_api = 1", "import time; time.sleep(0.15)\nzoo_api = 1")],
        IMPORT,
        "ms, the best of 5; at most 100 are allowed: move imports",
    ),
    "misspells a hook": (
        [("__init__.py", "def zoo_architectures", "def zoo_architecture")],
        HOOKS,
        "unknown hook 'zoo_architecture'",
    ),
    "misspells a hook, and is helped": (
        [("__init__.py", "def zoo_architectures", "def zoo_architecture")],
        HOOKS,
        "did you mean 'zoo_architectures'?",
    ),
    "forgets the mark of a hook": (
        [("__init__.py", "@hookimpl\n", "")],
        HOOKS,
        "define zoo_architectures() in it, under @hookimpl of zoo.hookspecs",
    ),
    "is for a newer zoo": (
        [("__init__.py", "zoo_api = 1", "zoo_api = 2")],
        HOOKS,
        "is incompatible: written for version 2 of the plugin contract; this zoo has version 1",
    ),
    "promises another name": (
        [("__init__.py", 'name="case', 'name="other')],
        HOOKS,
        'let the names under [project.entry-points."zoo.plugins"] be the architectures\'',
    ),
    "has an invalid registry": (
        [("registry.yaml", "summary:", "sumary:")],
        REGISTRY,
        "has an unknown key 'sumary'; did you mean 'summary'?",
    ),
    "says what it cannot do": (
        [("registry.yaml", "[text-generation]", "[text-generation, translation]")],
        REGISTRY,
        "is said to do translation, but architecture",
    ),
    "bundles nothing": (
        [("registry.yaml", "/tiny", "/gone")],
        REGISTRY,
        "has no folder 'gone' of its own",
    ),
    "names a part that is not there": (
        [("__init__.py", ":read_config", ":reed_config")],
        "names parts that can be imported",
        "the module has no 'reed_config'",
    ),
    "accepts what it does not know": (
        [("model.py", "    fields.finish()\n", "")],
        CONFIG,
        "a field that nobody knows is silently accepted",
    ),
    "reads a config without checks": (
        [
            ("model.py", "fields.finish()", 'fields.unused("hidden_size"); fields.finish()'),
            ("model.py", 'fields.size("hidden_size")', 'int(published["hidden_size"])'),
        ],
        CONFIG,
        "a config.json without 'hidden_size' raises KeyError: 'hidden_size'; users are to see a "
        "CheckpointError",
    ),
    "has a config that can change": (
        [("model.py", "@dataclass(frozen=True)", "@dataclass")],
        CONFIG,
        "make it a frozen dataclass",
    ),
    "builds in memory": (
        [("model.py", "vocabulary, bias=False)", 'vocabulary, bias=False, device="cpu")')],
        "builds without memory",
        "'head.weight' took memory while the network was built",
    ),
    "lacks a rule": (
        [("weights.py", '            same("norm.{p}", "norm.{p}"),\n', "")],
        "maps weights both ways",
        "matches no rule of the case",
    ),
    "splits otherwise than it joins": (
        [
            ("weights.py", "WeightMap, fused, same", "Rule, WeightMap, fused, same"),
            (
                "weights.py",
                'same("head.weight", "head.weight")',
                'Rule("head.weight", ("head.weight",), lambda x, _: (-x,), lambda xs: xs[0])',
            ),
        ],
        "maps weights both ways",
        "'head.weight' are others after dump and load; is a rule's split its join?",
    ),
    "keeps numbers that no file fills": (
        [
            ("model.py", "from torch import Tensor", "import torch\nfrom torch import Tensor"),
            (
                "model.py",
                "        self.head =",
                '        self.register_buffer("scale", torch.ones(3), persistent=False)\n'
                "        self.head =",
            ),
        ],
        "loads",
        "'scale' hold no numbers after loading; compute such tensors in forward",
    ),
    "claims a task that zoo lacks": (
        [("__init__.py", '("text-generation",)', '("text-generation", "telepathy")')],
        "builds without memory",
        "there is no checkpoint to run telepathy with; bundle one in the plugin's registry.yaml",
    ),
    "raises in its forward pass": (
        [("model.py", FORWARD, "        raise RuntimeError('no luck')")],
        "gives a result for each input",
        "raised RuntimeError: no luck (",
    ),
    "gives numbers that are none": (
        [("model.py", FORWARD, "        return self.norm(x) / 0")],
        "padding changes nothing",
        "some numbers are not finite",
    ),
    "leaves dropout on": (
        [("model.py", FORWARD, "        return nn.functional.dropout(self.norm(x), 0.5)")],
        "gives the same results twice",
        "is dropout on, or is a state kept between calls?",
    ),
    "lets padding in": (
        [("model.py", FORWARD, "        return self.norm(x + x.mean(1, keepdim=True))")],
        "padding changes nothing",
        "a prompt beside longer ones",
    ),
    "forgets where cached tokens stand": (
        [("model.py", "_embedding(positions)", "_embedding(positions % tokens.size(1))")],
        "cached = uncached",
        "logits after",
    ),
    "has a state that ignores beams": (
        [
            (
                "model.py",
                "class Block(",
                "class Deaf(KVCache):\n    def reorder(self, rows): ...\n\n\nclass Block(",
            ),
            ("model.py", "return KVCache(", "return Deaf("),
        ],
        "beams and slots keep rows apart",
        "a row after State.reorder: numbers differ by",
    ),
    "trusts its files": (
        [
            ("__init__.py", '"zoo.text:load_prompts"', "f\"{__name__}.model:read_files\""),
            (
                "model.py",
                "class Block(",
                "def read_files(files, config):\n"
                "    from zoo.text.prompts import load_prompts\n"
                "    files.paths['tokenizer.json'].read_text()\n"
                "    return load_prompts(files, config)\n\n\nclass Block(",
            ),
        ],
        "refuses incomplete files",
        "a checkpoint without tokenizer.json raises KeyError: 'tokenizer.json'; users are to see",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_plugin_is_told_what_to_change_if_it(case: str, site: Site) -> None:
    changes, check, message = BROKEN[case]

    found = failures(site.install(*changes))

    assert message in found.get(check, ""), found


def test_what_stands_on_a_failure_is_not_reached(site: Site) -> None:
    module = site.install(("model.py", "    fields.finish()\n", "    1 / 0\n"))

    states = []
    for check in contract(module):
        if check.what in ("reads a config, and refuses a wrong one", "loads"):
            with pytest.raises(ContractError) as raised:
                check.run()
            states.append(str(raised.value))

    assert "raised ZeroDivisionError: division by zero (" in states[0]
    assert states[1] == "reading config.json fails, see above"


def test_an_architecture_without_any_checkpoint_says_how_to_give_one(site: Site) -> None:
    module = site.install(("registry.yaml", "bundled:", "hf:"))

    assert 'say sample="module:function" in the Architecture' in str(failures(module))


def test_a_name_that_is_not_installed_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"no installed plugin is called 'nope'; installed are "):
        list(contract("nope"))


def test_a_plugin_that_hangs_is_named_and_not_waited_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.testing.plugin._PATIENCE", 1.5)
    module = site.install(("__init__.py", "zoo_api = 1", "import time; time.sleep(1000)"))

    found = failures(module)

    assert "s; let it declare its architectures, and do nothing else" in found[IMPORT]
    assert HOOKS not in found  # it is not imported here
