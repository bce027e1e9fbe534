"""The contract that every plugin keeps, as tests: for pytest, and for ``zoo plugins check``.

A plugin's own tests run it on themselves::

    from zoo.testing import Check

    pytest_plugins = ["zoo.testing"]
    zoo_plugin = "acme_zoo"


    def test_the_contract_is_kept(zoo_check: Check) -> None:
        zoo_check.run()

That is a test for each check of each plugin, architecture and task; one that fails says what to
change. ``plugin`` and ``architectures`` list the checks, ``tasks`` what each task must do: a new
task is a row there.

PYTEST_DONT_REWRITE: there are no assertions here that pytest could explain better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.testing.check import Check, ContractError, NotReachedError
from zoo.testing.plugin import contract
from zoo.testing.samples import write_byte_tokenizer, write_json

if TYPE_CHECKING:
    import pytest

__all__ = [
    "Check",
    "ContractError",
    "NotReachedError",
    "contract",
    "write_byte_tokenizer",
    "write_json",
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that takes ``zoo_check`` all checks of the plugin that its module names."""
    if "zoo_check" not in metafunc.fixturenames:
        return
    name = getattr(metafunc.module, "zoo_plugin", None)
    if not isinstance(name, str):
        raise ValueError(  # noqa: TRY004 (of the module, not of an argument)
            f"{metafunc.module.__name__} has a test that takes zoo_check, so it names the plugin: "
            'zoo_plugin = "acme_zoo"'
        )
    metafunc.parametrize("zoo_check", list(contract(name)), ids=str)
