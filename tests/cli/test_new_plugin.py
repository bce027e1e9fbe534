from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Zoo
from zoo.errors import UsageError
from zoo_cli.new_plugin import write_plugin


def test_every_name_in_it_is_the_new_one(tmp_path: Path) -> None:
    made = write_plugin("zoo-my-net", tmp_path)

    assert made == tmp_path / "zoo-my-net"
    texts = [path for path in made.rglob("*") if path.suffix in (".py", ".toml", ".yaml", ".json")]
    assert (made / "zoo_my_net" / "__init__.py") in texts
    assert not [path for path in texts if "acme" in path.read_text().lower()]
    assert "class MyNet(nn.Module)" in (made / "zoo_my_net" / "model.py").read_text()
    assert list(tmp_path.iterdir()) == [made]


@pytest.mark.parametrize(
    "name", ["My-Net", "my_net", "1net", "net-", "a--b", "", "zoo-", "ä", "../x", "acme"]
)
def test_what_is_no_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no plugin can be called .*; expected small letters"):
        write_plugin(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_taken_name_is_refused(zoo: Zoo, tmp_path: Path) -> None:
    assert "architecture 'gpt2' is taken by zoo" in zoo.fails(2, "plugins", "new", "gpt2")
    assert zoo.fails(2, "plugins", "new", "cli") == (
        "there is a package 'zoo_cli' already; choose another name"
    )


def test_what_is_there_already_stays(zoo: Zoo, tmp_path: Path) -> None:
    (tmp_path / "zoo-mine").write_text("precious")

    assert "there is 'zoo-mine' already" in zoo.fails(2, "plugins", "new", "mine")
    assert (tmp_path / "zoo-mine").read_text() == "precious"
    assert "there is no folder 'gone'" in zoo.fails(2, "plugins", "new", "other", "--in", "gone")


def test_it_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A template that cannot be read to its end.
    template = tmp_path / "template"
    template.mkdir()
    (template / "a.py").write_text("acme")
    (template / "b.py").symlink_to(tmp_path / "gone")
    monkeypatch.setattr("zoo_cli.new_plugin.TEMPLATE", template)
    target = tmp_path / "target"
    target.mkdir()

    with pytest.raises(UsageError, match=r"cannot write .*zoo-mine': No such file"):
        write_plugin("mine", target)

    assert list(target.iterdir()) == []
