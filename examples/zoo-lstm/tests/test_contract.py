"""The contract that every plugin of zoo keeps."""

from zoo.testing import Check

pytest_plugins = ["zoo.testing"]
zoo_plugin = "zoo_lstm"


def test_the_contract_is_kept(zoo_check: Check) -> None:
    zoo_check.run()
