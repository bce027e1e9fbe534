"""Our own plugins keep the contract that we ask of everybody's."""

from __future__ import annotations

from zoo.testing import Check

pytest_plugins = ["zoo.testing"]
zoo_plugin = "zoo"


def test_the_contract_is_kept(zoo_check: Check) -> None:
    zoo_check.run()
