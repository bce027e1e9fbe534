from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from zoo.distributions import EntryPoint, enabled, entry_points, normalised


def install(folder: Path, text: str) -> None:
    folder.mkdir(parents=True)
    (folder / "entry_points.txt").write_text(text)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that alone is searched."""
    monkeypatch.setattr("sys.path", [str(tmp_path / "gone"), str(tmp_path / "site")])
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


def test_only_the_lines_of_the_group_are_entry_points(site: Path) -> None:
    text = """\
[console_scripts]
acme = acme:main

[zoo.test]
# acme-old = acme.old
; another comment
acme = acme_zoo.plugin:hooks
short=acme_zoo [extra]

[zoo.tests]
no = acme
"""
    install(site / "Acme_Zoo-1.2.dist-info", text)

    assert entry_points("zoo.test") == [
        EntryPoint("zoo.test", "acme", "acme_zoo.plugin:hooks", "acme-zoo", "1.2"),
        EntryPoint("zoo.test", "short", "acme_zoo", "acme-zoo", "1.2"),
    ]
    assert [point.package for point in entry_points("zoo.test")] == ["acme_zoo", "acme_zoo"]


def test_the_first_place_of_a_distribution_counts(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site / "acme_zoo-1.0.dist-info", "[zoo.test]\na = first\n")
    install(tmp_path / "later" / "Acme.Zoo-2.0.dist-info", "[zoo.test]\na = second\n")
    monkeypatch.setattr("sys.path", [str(site), str(tmp_path / "later")])

    assert [point.value for point in entry_points("zoo.test")] == ["first"]


def test_two_distributions_under_one_name_are_both_told(site: Path) -> None:
    install(site / "acme-1.0.dist-info", "[zoo.test]\nsame = acme\n")
    install(site / "emca-2.0.dist-info", "[zoo.test]\nsame = emca\n")

    assert [str(point) for point in entry_points("zoo.test")] == ["acme 1.0", "emca 2.0"]


def test_development_installs_are_found(site: Path) -> None:
    install(site / "acme.egg-info", "[zoo.test]\na = acme\n")
    (site / "acme.egg-info" / "PKG-INFO").write_text("Name: acme\nVersion: 0.3\n")
    install(site / "old-1.0-py3.11.egg-info", "[zoo.test]\nb = old\n")
    (site / "file-1.0.egg-info").write_text("distutils wrote files")

    assert [str(point) for point in entry_points("zoo.test")] == ["acme 0.3", "old 1.0"]


def test_bytes_that_are_no_text_break_nothing(site: Path) -> None:
    install(site / "acme-1.0.dist-info", "")
    (site / "acme-1.0.dist-info" / "entry_points.txt").write_bytes(
        b"\xff[zoo.test]\nno = \xfe\n=\n"
    )

    assert entry_points("zoo.test") == []


def test_the_scan_agrees_with_importlib_metadata() -> None:
    expected = {(p.name, p.value) for p in importlib.metadata.entry_points(group="console_scripts")}

    assert expected
    assert {(p.name, p.value) for p in entry_points("console_scripts")} == expected


@pytest.mark.parametrize(
    ("load", "disable", "expected"),
    [
        (None, "", True),
        (None, "other", True),
        (None, "other, Acme_Zoo", False),  # the distribution
        (None, "hooks", False),  # the entry point
        (None, "acme_pkg", False),  # the package
        ("acme-zoo", "", True),
        ("other", "", False),
        ("", "", False),
        ("acme-zoo", "acme-zoo", False),
    ],
)
def test_the_environment_switches_plugins(
    load: str | None, disable: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_DISABLE_PLUGINS", disable)
    monkeypatch.delenv("ZOO_LOAD_PLUGINS", raising=False)
    if load is not None:
        monkeypatch.setenv("ZOO_LOAD_PLUGINS", load)

    assert enabled(EntryPoint("zoo.test", "hooks", "acme_pkg.x:y", "acme-zoo", "1")) is expected


def test_names_are_compared_as_pip_does() -> None:
    assert normalised("Zoo__LSTM.x") == "zoo-lstm-x"
