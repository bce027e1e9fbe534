"""Commands that plugins add: named without an import, run by the plugin's own app."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from tests.cli.conftest import Zoo
from tests.cli.test_start_up import imported

APP = """\
import typer

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def greet(name: str, loud: bool = False) -> None:
    "Greet somebody."
    if name == "nobody":
        from zoo.errors import InputError

        raise InputError("there is nobody to greet")
    if name == "everybody":
        raise LookupError("too many")
    typer.echo(name.upper() if loud else name)
"""
POINT = "[zoo.commands]\n{0} = {1}:app\n"


def test_help_names_a_command_and_imports_nothing(zoo: Zoo, install: Callable[..., None]) -> None:
    install("acme", POINT.format("greet", "acme_greet"), acme_greet=APP)

    assert re.search(r"greet +Of the plugin acme 1\.0\.", zoo.works("--help"))
    assert imported(zoo, "acme_greet", "--help") == "imported: []"
    assert imported(zoo, "acme_greet", "list") == "imported: []"


def test_arguments_options_and_help_are_the_plugins(zoo: Zoo, install: Callable[..., None]) -> None:
    install("acme", POINT.format("greet", "acme_greet"), acme_greet=APP)

    assert zoo.works("greet", "Ada", "--loud") == "ADA\n"
    assert "Usage: zoo greet [OPTIONS] {name}" in zoo.works("greet", "--help")
    wrong = zoo("greet", "Ada", "--quiet")
    assert wrong.returncode == 2
    assert "No such option: --quiet" in wrong.stderr


def test_its_errors_are_lines_with_their_exit_codes(zoo: Zoo, install: Callable[..., None]) -> None:
    install("acme", POINT.format("greet", "acme_greet"), acme_greet=APP)

    assert zoo.fails(1, "greet", "nobody") == "there is nobody to greet"
    assert zoo.fails(4, "greet", "everybody") == (
        "LookupError: too many; this is a defect of acme_greet of acme 1.0, set ZOO_DEBUG=1 for "
        "the traceback"
    )


def test_a_broken_command_breaks_when_it_is_called(zoo: Zoo, install: Callable[..., None]) -> None:
    install("acme", POINT.format("greet", "acme_greet"), acme_greet="1 / 0")
    install("emca", POINT.format("none", "emca_none"), emca_none="app = 3")

    assert "greet" in zoo.works("--help")
    assert zoo.fails(4, "greet", "Ada") == (
        "command 'greet' of acme 1.0 = 'acme_greet:app' cannot be imported: ZeroDivisionError: "
        "division by zero"
    )
    assert zoo.fails(4, "none").endswith("is 3, not a typer.Typer")
    assert "acme_greet:app  broken  zoo greet" in re.sub("  +", "  ", zoo.works("plugins", "list"))
    checked = zoo("plugins", "check", "emca")
    assert "FAILED       zoo none: is a command" in checked.stdout
    assert checked.returncode == 4


def test_taken_names_are_shown_and_never_replaced(zoo: Zoo, install: Callable[..., None]) -> None:
    install("acme", POINT.format("greet", "acme_greet"), acme_greet=APP)
    install("emca", POINT.format("greet", "emca_greet"), emca_greet=APP)
    install("thief", POINT.format("list", "thief_list"), thief_list="1 / 0")

    listing = json.loads(zoo.works("plugins", "list", "--json"))["plugins"]

    states = {each["distribution"]: (each["state"], each["error"]) for each in listing}
    assert states["acme"] == ("shadowed", "command 'greet' is also claimed by emca 1.0")
    assert states["thief"] == ("shadowed", "zoo has a command 'list' of its own")
    assert "tiny-bert" in zoo.works("list")
    assert "is also claimed by" in zoo.fails(4, "greet", "Ada")
    assert zoo.works("greet", "Ada", ZOO_DISABLE_PLUGINS="emca") == "Ada\n"


def test_a_command_can_be_turned_off(zoo: Zoo, install: Callable[..., None]) -> None:
    install("acme", POINT.format("greet", "acme_greet"), acme_greet=APP)

    assert "greet" not in zoo.works("--help", ZOO_DISABLE_PLUGINS="acme")
    assert zoo("greet", "Ada", ZOO_LOAD_PLUGINS="").returncode == 2
