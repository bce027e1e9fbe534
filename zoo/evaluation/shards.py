"""Sharing a run among processes: each asks its part, and the first has all answers in the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from zoo.errors import UsageError


@dataclass(frozen=True)
class Shards:
    """Which of how many processes this is: ``rank`` of ``world``."""

    rank: int = 0
    world: int = 1

    def mine(self, window: int) -> bool:
        """Whether this process asks the questions of a window."""
        return window % self.world == self.rank

    def gather(self, value: Any) -> list[Any]:  # noqa: ANN401 (whatever pickle takes, between us)
        """Every process's value, in all of them."""
        if self.world == 1:
            return [value]
        import torch.distributed

        values: list[Any] = [None] * self.world
        torch.distributed.all_gather_object(values, value)
        return values


@contextmanager
def open_shards() -> Iterator[Shards]:
    """Join the processes that torchrun has started; alone without it.

    Objects travel through the CPU, whatever the models run on.

    Raises:
        UsageError: The environment says only half of what torchrun says.
    """
    if "WORLD_SIZE" not in os.environ:
        yield Shards()
        return
    try:
        rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except (KeyError, ValueError) as error:
        raise UsageError(
            "WORLD_SIZE is set, as by torchrun, but RANK is not, or is no number"
        ) from error
    if world == 1:
        yield Shards()
        return
    import torch.distributed

    torch.distributed.init_process_group("gloo")
    try:
        yield Shards(rank, world)
    finally:
        torch.distributed.destroy_process_group()
