"""Benchmarks that plugins bring: read as data, and none stops another."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.errors import RegistryError, UsageError
from zoo.evaluation.catalog import collections, find_benchmark, names

YAML = """schema: 1
name: {name}
task: sentence-similarity
summary: Alike or not
metric: spearman
data: {{test: {{files: [rows.csv]}}}}
fields: {{first: a, second: b, score: s}}
protocols: {{cosine: {{}}}}
"""


class Site:
    """A folder on the path, where distributions are laid out as pip does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, package: str, *benchmarks: str, value: str | None = None) -> None:
        inner = self.folder / package / "data"
        inner.mkdir(parents=True)
        (self.folder / package / "__init__.py").write_text("raise RuntimeError('imported')")
        for name in benchmarks:
            (inner / f"{name}.yaml").write_text(YAML.format(name=name))
        metadata = self.folder / f"{package}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "entry_points.txt").write_text(
            f"[zoo.benchmarks]\n{package} = {value or f'{package}:data'}\n"
        )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.syspath_prepend(str(tmp_path))
    return Site(tmp_path)


def states() -> dict[str, str]:
    return {each.distribution: each.state for each in collections()}


def test_a_plugins_benchmarks_are_found_without_importing_it(site: Site) -> None:
    site.install("mine_one", "alike", "likewise")

    assert {"alike", "likewise", "stsb"} <= names().keys()
    assert find_benchmark("alike").summary == "Alike or not"
    assert states()["mine-one"] == "ok"


def test_a_name_that_two_bring_is_an_error_for_who_asks_for_it_alone(site: Site) -> None:
    site.install("mine_one", "alike", "only-one")
    site.install("mine_two", "alike", "only-two")

    with pytest.raises(RegistryError, match=r"two distributions .* mine-one 1.0 and mine-two 1.0"):
        find_benchmark("alike")
    assert find_benchmark("only-two").name == "only-two"
    assert "alike" not in names()


@pytest.mark.parametrize("value", ["mine_bad", "mine_bad:../elsewhere", "no_such:data", "a.b:data"])
def test_a_folder_outside_the_package_is_a_broken_plugin(site: Site, value: str) -> None:
    site.install("mine_bad", "alike", value=value)

    assert states()["mine-bad"] == "broken"
    assert "stsb" in names()
    assert "alike" not in names()


def test_zoos_own_name_is_not_taken(site: Site) -> None:
    site.install("mine_greedy", "stsb")

    assert states()["mine-greedy"] == "shadowed"
    with pytest.raises(RegistryError, match="two distributions bring the benchmark 'stsb'"):
        find_benchmark("stsb")


def test_plugins_are_turned_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("mine_one", "alike")
    monkeypatch.setenv("ZOO_DISABLE_PLUGINS", "mine-one")

    assert states()["mine-one"] == "disabled"
    assert "alike" not in names()


def test_a_path_that_is_no_benchmark_is_told_what_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "rows.xlsx").touch()

    with pytest.raises(UsageError, match=r"for the folder here write './photos'"):
        find_benchmark("photos")
    for name in ("rows.xlsx", "nowhere/"):
        with pytest.raises(
            UsageError, match=rf"'{name}' is no benchmark: expected a folder of pic"
        ):
            find_benchmark(name)
