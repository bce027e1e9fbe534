"""Plugins as users have them: wheels that pip installs into a clean environment, far from here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = ("zoo-haiku", "zoo-lstm", "zoo-tokens")


class Machine:
    """A virtual environment with zoo's wheel, whose libraries are those of this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", symlinks=True)
        self.python = folder / "venv" / "bin" / "python"
        (self.site,) = (folder / "venv").glob("lib/python*/site-packages")
        # torch and the rest are found behind what pip installs here; this checkout is not.
        shared = [path for path in sys.path if "site-packages" in path]
        (self.site / "zz_shared.pth").write_text("\n".join([*shared, ""]))
        self.home = folder / "home"
        self.home.mkdir()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def pip(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "pip", "--python", str(self.python), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def install(self, *arguments: str) -> None:
        options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation")
        self.pip("install", *options, *arguments)

    def run(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=self.home,
            env={**self.environment, **(environment or {})},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )

    def zoo(self, *arguments: str, **environment: str) -> str:
        """Run what must succeed; return its standard output."""
        done = self.run("-m", "zoo_cli", *arguments, environment=environment)
        assert done.returncode == 0, done
        return done.stdout

    def files(self) -> set[str]:
        return {str(path.relative_to(self.site)) for path in self.site.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """zoo's wheel and those of the examples."""
    folder = tmp_path_factory.mktemp("wheels")
    sources = [str(ROOT), *(str(ROOT / "examples" / name) for name in EXAMPLES)]
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    command = [sys.executable, "-m", "pip", "wheel", *options, *sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def machine(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine with zoo alone."""
    machine = Machine(tmp_path_factory.mktemp("machine"))
    machine.install(*map(str, wheels.glob("zoo-*.whl")))
    return machine


@pytest.fixture(scope="module")
def examples(wheels: Path) -> list[str]:
    return [str(next(wheels.glob(f"{name.replace('-', '_')}-*.whl"))) for name in EXAMPLES]


def test_the_wheel_is_what_runs(machine: Machine) -> None:
    done = machine.run("-c", "import zoo, zoo_bert, zoo_cli; print(zoo.__file__)")

    assert done.stdout.startswith(str(machine.site)), done


def test_examples_work_and_uninstalling_leaves_nothing(
    machine: Machine, examples: list[str]
) -> None:
    files, models, help_ = machine.files(), machine.zoo("list"), machine.zoo("--help")

    machine.install(*examples)
    listed = machine.zoo("list", "tiny-lstm", "--json")
    generated = machine.zoo("run", "tiny-lstm", "ROMEO:", "--max-new-tokens", "12")
    tokens = machine.zoo("tokens", "tiny-lstm", "ROMEO")
    measured = json.loads(machine.zoo("eval", "tiny-gpt", "--on", "haiku", "--json", "--no-save"))
    states = json.loads(machine.zoo("plugins", "list", "--json"))["plugins"]
    checked = machine.zoo("plugins", "check", "zoo-lstm")
    machine.pip("uninstall", "--quiet", "--yes", *EXAMPLES)

    assert json.loads(listed)["models"][0]["name"] == "tiny-lstm"
    assert len(generated.strip()) > 5
    assert [line.split()[1] for line in tokens.splitlines()] == list("ROMEO")
    assert measured["samples"] == 12
    found = {each["distribution"]: each for each in states}
    assert found["zoo-lstm"]["architectures"] == ["lstm"]
    assert found["zoo-tokens"]["command"] == "tokens"
    assert found["zoo-haiku"]["benchmarks"] == ["haiku"]
    assert {each["state"] for each in states} == {"ok"}
    assert "lstm, text-generation: cached = uncached" in checked
    assert machine.files() == files
    assert (machine.zoo("list"), machine.zoo("--help")) == (models, help_)
    assert "lstm" not in machine.zoo("plugins", "list")


def test_the_examples_own_tests_pass(machine: Machine, examples: list[str], tmp_path: Path) -> None:
    machine.install(*examples)
    tests = [str(ROOT / "examples" / name / "tests") for name in EXAMPLES]

    done = machine.run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path),
        "--import-mode=importlib", "-W", "error", *tests,
    )  # fmt: skip

    machine.pip("uninstall", "--quiet", "--yes", *EXAMPLES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_new_plugin_runs_and_passes_its_tests_with_nothing_edited(
    machine: Machine, tmp_path: Path
) -> None:
    made = machine.zoo("plugins", "new", "my-net", "--in", str(tmp_path)).strip()

    machine.install("--editable", made)
    listed = machine.zoo("list", "my-net", "--json")
    generated = machine.zoo("run", "tiny-my-net", "The ", "--max-new-tokens", "12")
    done = machine.run("-m", "pytest", "-q", "-p", "no:cacheprovider", made)
    machine.pip("uninstall", "--quiet", "--yes", "zoo-my-net")

    assert made == str(tmp_path / "zoo-my-net")
    assert json.loads(listed)["models"][0]["name"] == "tiny-my-net"
    assert generated.strip()
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "acme" not in json.dumps([path.name for path in tmp_path.rglob("*")])


HOOK = """
from zoo.hookspecs import Architecture, hookimpl

@hookimpl
def zoo_architectures():
    return [Architecture("{0}", ("{0}",), ("text-generation",), "{1}:config", "{1}:build",
                         "{1}:weights", "{1}:preprocessor")]
"""

# What is wrong with a plugin: its module, then the state that `zoo plugins list` shows.
WRONG = {
    "raises": ("raise OSError('no luck')", "broken", "OSError: no luck"),
    "hangs": ("import time; time.sleep(3)\n" + HOOK.format("hangs", "x"), "ok", None),
    "takes": (HOOK.format("bert", "x"), "broken", "its hook provides bert"),
    "unknown": (HOOK + "@hookimpl\ndef zoo_tricks(): ...\n", "broken", "unknown hook 'zoo_tricks'"),
    "newer": ("zoo_api = 99\n" + HOOK, "incompatible", "written for version 99 of the plugin"),
    "hook": (HOOK.replace("return [", "return 1 / 0, ["), "broken", "ZeroDivisionError"),
}


def lay_out(site: Path, name: str, source: str, **data: str) -> None:
    """Install a package as pip does."""
    package = f"wrong_{name}"
    (site / package).mkdir(parents=True)
    (site / package / "__init__.py").write_text(source)
    for file, text in data.items():
        (site / package / file.replace("_", ".")).write_text(text)
    metadata = site / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "entry_points.txt").write_text(
        f"[zoo.plugins]\n{name} = {package}\n"
        f"[zoo.commands]\n{name} = {package}:app\n"
        + (f"[zoo.registries]\n{name} = {package}:registry.yaml\n" if data else "")
    )


def test_no_plugin_can_stop_another(machine: Machine, tmp_path: Path) -> None:
    for name, (source, _, _) in WRONG.items():
        lay_out(tmp_path, name, source.replace("{0}", name).replace("{1}", "x"))
    lay_out(tmp_path, "registry", HOOK.format("registry", "x"), registry_yaml="schema: one\n")
    path = {"PYTHONPATH": str(tmp_path)}

    models = machine.run("-m", "zoo_cli", "list", environment=path)
    help_ = machine.run("-m", "zoo_cli", "--help", environment=path)
    filled = machine.zoo("run", "tiny-bert", "A man rides a [MASK].", "--top-k", "1", **path)
    listing = json.loads(machine.zoo("plugins", "list", "--json", **path))["plugins"]

    assert models.stdout == machine.zoo("list")
    assert models.stderr.count("\n") == 1
    assert "note: plugin 'wrong-registry 1.0': " in models.stderr
    assert "wrong_registry/registry.yaml:1: " in models.stderr
    assert (help_.returncode, help_.stderr) == (0, "")
    assert "A man rides a " in filled
    found = {each["module"]: each for each in listing}
    for name, (_, state, error) in WRONG.items():
        plugin = found[f"wrong_{name}"]
        assert plugin["state"] == state, plugin
        assert error is None or error in plugin["error"]
    command = machine.run("-m", "zoo_cli", "raises", environment=path)
    assert command.returncode == 4
    assert command.stderr == (
        "error: command 'raises' of wrong-raises 1.0 = 'wrong_raises:app' cannot be imported: "
        "OSError: no luck\n"
    )


def test_a_forward_pass_that_raises_names_its_plugin(machine: Machine, tmp_path: Path) -> None:
    made = machine.zoo("plugins", "new", "unlucky", "--in", str(tmp_path)).strip()
    model = Path(made) / "zoo_unlucky" / "model.py"
    text = model.read_text()
    assert text.count("        return self.norm(x)") == 1
    model.write_text(
        text.replace("        return self.norm(x)", "        raise OSError('no luck')")
    )
    machine.install("--editable", made)

    done = machine.run("-m", "zoo_cli", "run", "tiny-unlucky", "The ")
    other = machine.zoo("run", "tiny-bert", "A man rides a [MASK].", "--top-k", "1")
    checked = machine.run("-m", "zoo_cli", "plugins", "check", "unlucky")
    machine.pip("uninstall", "--quiet", "--yes", "zoo-unlucky")

    assert done.returncode == 4
    assert done.stderr == (
        "error: OSError: no luck; this is a defect of zoo_unlucky of zoo-unlucky 0.1.0, set "
        "ZOO_DEBUG=1 for the traceback\n"
    )
    assert other.strip()
    assert checked.returncode == 4
    assert "FAILED       unlucky, text-generation: gives a result for each input" in checked.stdout
