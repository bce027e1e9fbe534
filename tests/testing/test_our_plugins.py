"""Our own plugins keep the contract that we ask of everybody's."""

from __future__ import annotations

import pytest

from zoo.testing import Check

pytest_plugins = ["zoo.testing"]
zoo_plugin = "zoo"

# zoo.testing has no laws for pictures yet, and these have no sample to try them with. They are held
# to their reference libraries by tests/test_vit.py, test_timm.py and test_clip.py.
SEEING = {"vit", "vit-mae", "timm", "clip", "siglip", "chinese-clip", "open-clip"}


def test_the_contract_is_kept(zoo_check: Check) -> None:
    if zoo_check.about.split(",")[0] in SEEING and "import" not in zoo_check.what:
        pytest.skip("the contract has no laws for tasks on pictures yet")
    zoo_check.run()
