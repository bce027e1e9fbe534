"""Fake distributions, as pip would lay them out, on ``sys.path``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from zoo.errors import PluginError
from zoo.plugins import Plugin, architecture_for, find_architecture, import_part, plugins

# A plugin's module; {0} is its architecture's name, and the model_type it reads.
GOOD = """\
from zoo.hookspecs import Architecture, hookimpl

@hookimpl
def zoo_architectures():
    return [
        Architecture(
            name="{0}", model_types=("{0}",), tasks=("fill-mask",), config="{0}_parts:config",
            build="{0}_parts:build", weights="{0}_parts:weights", preprocessor="{0}_parts:absent",
        )
    ]
"""

Install = Callable[..., Path]


def several(*names: str) -> str:
    """A module whose hook provides several architectures."""
    loop = "for name in " + repr(names)
    return GOOD.replace('"{0}"', "name").replace("    ]\n", f"        {loop}\n    ]\n")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution: ``install("acme", module source, entry-point name, …)``."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def install(
        distribution: str, source: str, *names: str, version: str = "1.0", module: str = ""
    ) -> Path:
        module = module or f"{distribution}_zoo"
        (tmp_path / f"{module}.py").write_text(source)
        metadata = tmp_path / f"{distribution}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Name: {distribution}\nVersion: {version}\n")
        lines = [f"{name} = {module}" for name in names or (distribution,)]
        (metadata / "entry_points.txt").write_text("\n".join(["[zoo.plugins]", *lines, ""]))
        return tmp_path

    yield install
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


def state_of(distribution: str) -> Plugin:
    (plugin,) = (each for each in plugins() if each.distribution == distribution)
    return plugin


def test_our_own_come_through_the_same_door() -> None:
    (ours,) = (plugin for plugin in plugins() if plugin.module == "zoo_bert")

    assert ours.state == "ok"
    assert ours.names == ("bert", "distilbert", "roberta")
    assert {each.name for each in ours.architectures} == set(ours.names)


def test_an_installed_plugin_is_ok_and_found(install: Install) -> None:
    install("acme", GOOD.format("acme"))

    plugin = state_of("acme")

    assert plugin.state == "ok"
    assert str(plugin) == "acme_zoo of acme 1.0"
    assert find_architecture("acme").model_types == ("acme",)
    assert architecture_for("acme") == find_architecture("acme")


BROKEN = {
    "import nothing_of_this_name": "ModuleNotFoundError: No module named 'nothing_of_this_name'",
    "1 / 0": "ZeroDivisionError: division by zero",
    "def broken(": "SyntaxError: '(' was never closed (acme_zoo.py, line 1)",
    "raise SystemExit(3)": "SystemExit: 3",
    "raise Exception('two\\nlines')": "Exception: two",
    "raise KeyError": "KeyError",
    GOOD.format("acme").replace("return [", "raise ValueError('no luck')\n    return ["): (
        "ValueError: no luck"
    ),
    GOOD.format("acme").replace("return [", "yield from [") + "    raise OSError('late')\n": (
        "OSError: late"
    ),
    GOOD.format("acme").replace("return [", "return 3\n    return ["): (
        "TypeError: 'int' object is not iterable"
    ),
    GOOD.format("acme").replace("return [", "return None\n    return ["): (
        "its entry points promise acme, but its hook provides no architecture"
    ),
    GOOD.format("acme").replace("return [", "return ['acme']\n    return ["): (
        "zoo_architectures returned 'acme', not an Architecture"
    ),
    GOOD.format("acme") + "\n@hookimpl\ndef zoo_commands():\n    return []\n": (
        "PluginValidationError: unknown hook 'zoo_commands'"
    ),
    GOOD.format("acme").replace("zoo_architectures()", "zoo_architectures(more)"): (
        "PluginValidationError: "
    ),
    "zoo_api = 1": "its entry points promise acme, but its hook provides no architecture",
    GOOD.format("other"): "its entry points promise acme, but its hook provides other",
}


@pytest.mark.parametrize(("source", "error"), BROKEN.items(), ids=range(len(BROKEN)))
def test_a_broken_plugin_is_a_state_and_no_crash(source: str, error: str, install: Install) -> None:
    install("acme", source)
    install("other", GOOD.format("other"))

    broken = state_of("acme")

    assert broken.state == "broken"
    assert error in broken.error
    assert "\n" not in broken.error
    assert state_of("other").state == "ok"
    with pytest.raises(PluginError, match=r"needs plugin acme_zoo of acme 1.0, which is broken: "):
        find_architecture("acme")
    assert find_architecture("other").name == "other"
    assert find_architecture("bert").name == "bert"


def test_a_broken_plugin_is_named_where_it_might_have_helped(install: Install) -> None:
    install("acme", "1 / 0")

    for find in (find_architecture, architecture_for):
        with pytest.raises(PluginError) as raised:
            find("mamba")
        assert "no installed plugin has" in str(raised.value)
        assert "bert" in str(raised.value)
        assert "(acme_zoo of acme 1.0 is broken: see `zoo plugins list`)" in str(raised.value)


def test_ctrl_c_is_no_state(install: Install) -> None:
    install("acme", "raise KeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt):
        plugins()


@pytest.mark.parametrize("version", ["2", "0", "'1'"])
def test_a_plugin_for_another_contract_is_incompatible(version: str, install: Install) -> None:
    install("acme", f"zoo_api = {version}\n" + GOOD.format("acme"))

    assert state_of("acme").state == "incompatible"
    with pytest.raises(PluginError, match=rf"written for version {version} of the plugin contract"):
        find_architecture("acme")


def test_a_plugin_may_state_the_contract_it_was_written_for(install: Install) -> None:
    install("acme", "zoo_api = 1\n" + GOOD.format("acme"))

    assert state_of("acme").state == "ok"


@pytest.mark.parametrize("name", ["acme", "acme_zoo", "brand", "Brand"])
def test_a_plugin_can_be_switched_off(
    name: str, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By distribution, module or entry point; its code is then not even imported.
    install("acme", "1 / 0", "brand")
    monkeypatch.setenv("ZOO_DISABLE_PLUGINS", name)

    assert state_of("acme").state == "disabled"
    with pytest.raises(
        PluginError,
        match=r"architecture 'brand' needs plugin 'acme_zoo' of acme 1.0, which ZOO_DISABLE",
    ):
        find_architecture("brand")
    assert find_architecture("bert").name == "bert"


def test_all_but_some_plugins_can_be_switched_off(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("acme", GOOD.format("acme"))
    monkeypatch.setenv("ZOO_LOAD_PLUGINS", "acme")

    assert {plugin.state for plugin in plugins() if plugin.distribution != "acme"} == {"disabled"}
    assert find_architecture("acme").name == "acme"
    with pytest.raises(
        PluginError, match="which ZOO_DISABLE_PLUGINS or ZOO_LOAD_PLUGINS turns off"
    ):
        find_architecture("bert")
    with pytest.raises(PluginError, match="no installed plugin has model_type 'bert'"):
        architecture_for("bert")


def test_two_distributions_under_one_name_are_an_error_that_shows_both(install: Install) -> None:
    install("acme", GOOD.format("acme"))
    install("copycat", GOOD.format("acme"), "acme")

    assert {state_of("acme").state, state_of("copycat").state} == {"shadowed"}
    assert "architecture 'acme' is also claimed by copycat_zoo of copycat 1.0" in (
        state_of("acme").error
    )
    for find in (find_architecture, architecture_for):
        with pytest.raises(PluginError) as raised:
            find("acme")
        assert "acme_zoo of acme 1.0 and copycat_zoo of copycat 1.0" in str(raised.value)
        assert "ZOO_DISABLE_PLUGINS=copycat" in str(raised.value)


def test_switching_one_of_two_off_settles_it(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("acme", GOOD.format("acme"))
    install("copycat", GOOD.format("acme"), "acme")
    monkeypatch.setenv("ZOO_DISABLE_PLUGINS", "copycat")

    assert state_of("acme").state == "ok"
    assert find_architecture("acme").name == "acme"
    assert architecture_for("acme").name == "acme"


def test_two_distributions_that_share_a_module_file_are_told_apart(install: Install) -> None:
    # The same module promised by two distributions: one of them is stale.
    install("acme", GOOD.format("acme"))
    install("fork", GOOD.format("acme"), "acme", module="acme_zoo")

    with pytest.raises(PluginError) as raised:
        find_architecture("acme")
    assert "of acme 1.0 and acme_zoo of fork 1.0" in str(raised.value)
    assert "ZOO_DISABLE_PLUGINS=fork" in str(raised.value)


def test_a_taken_name_under_another_entry_point_is_no_way_in(install: Install) -> None:
    install("sneaky", several("sneaky", "bert"))

    assert state_of("sneaky").state == "shadowed"
    assert "architecture 'bert' is also claimed by zoo_bert" in state_of("sneaky").error
    # The entry point says who is asked; the other's code is not even imported for it.
    assert find_architecture("bert").config.startswith("zoo_bert.")
    with pytest.raises(
        PluginError, match=r"model_type 'bert' is claimed by sneaky_zoo .* and zoo_b"
    ):
        architecture_for("bert")


def test_an_architecture_without_an_entry_point_is_found_by_asking_all(install: Install) -> None:
    install("acme", several("acme", "other"))

    assert find_architecture("other").name == "other"


def test_one_module_under_several_names_is_one_plugin(install: Install) -> None:
    install("acme", several("acme", "other"), "acme", "other")

    assert state_of("acme").names == ("acme", "other")
    assert find_architecture("other").name == "other"


def test_a_slow_plugin_is_not_imported_for_others(install: Install) -> None:
    # In a process of its own, so that nothing was imported before.
    folder = install("slow", "import pathlib, sys\npathlib.Path(__file__ + '.ran').touch()\n")
    code = (
        "import sys; from zoo.plugins import find_architecture; find_architecture('bert');"
        "assert 'slow_zoo' not in sys.modules; import zoo; zoo.list_models()"
    )

    subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path[1:]])},
    )

    assert not (folder / "slow_zoo.py.ran").exists()


def test_parts_are_imported_when_they_are_asked_for(install: Install) -> None:
    folder = install("acme", GOOD.format("acme"))
    (folder / "acme_parts.py").write_text("def config(published): return 'read'\n")
    architecture = find_architecture("acme")

    assert import_part(architecture, "config")({}) == "read"
    with pytest.raises(
        PluginError, match="preprocessor = 'acme_parts:absent': the module has no 'absent'"
    ):
        import_part(architecture, "preprocessor")


def test_a_part_that_does_not_import_is_named(install: Install) -> None:
    folder = install("acme", GOOD.format("acme"))
    architecture = find_architecture("acme")

    with pytest.raises(
        PluginError, match="cannot be imported: ModuleNotFoundError: No module name"
    ):
        import_part(architecture, "config")
    (folder / "acme_parts.py").write_text("1 / 0")
    with pytest.raises(PluginError, match="cannot be imported: ZeroDivisionError"):
        import_part(architecture, "build")
