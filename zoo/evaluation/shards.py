"""Sharing a run among processes: each asks its part, and all have all answers in the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from zoo.errors import UsageError, ZooError

# How long a process waits for the slowest. One that is gone is noticed at once, since it leaves its
# connection; only a machine that vanished is waited for.
_PATIENCE = timedelta(hours=2)


@dataclass(frozen=True)
class Shards:
    """Which of how many processes this is: ``rank`` of ``world``; ``local`` on this machine."""

    rank: int = 0
    world: int = 1
    local: int = 0

    def mine(self, window: int) -> bool:
        """Whether this process asks the questions of a window."""
        return window % self.world == self.rank

    def device(self, name: str) -> str:
        """The device for this process: of several CUDA devices, each takes one of its own."""
        if self.world == 1 or name not in ("auto", "cuda"):
            return name
        import torch

        return f"cuda:{self.local}" if torch.cuda.is_available() else name

    def gather(self, value: Any) -> list[Any]:  # noqa: ANN401 (whatever pickle takes, between us)
        """Every process's value, in all of them.

        Raises:
            ZooError: Another process is gone.
        """
        if self.world == 1:
            return [value]
        import torch.distributed

        values: list[Any] = [None] * self.world
        try:
            torch.distributed.all_gather_object(values, value)
        except RuntimeError as error:
            raise ZooError(
                f"process {self.rank} of {self.world} cannot reach the others: one has ended, or "
                "was killed; what was computed is kept, start all of them again"
            ) from error
        return values

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let an error in one process be raised in all, so that none waits for an answer.

        Raises:
            ZooError: As the first process that failed raised it.
        """
        failure: Exception | None = None
        try:
            yield
        except Exception as error:  # whatever it is, the others have to know
            failure = error
        told = self.gather(None if failure is None else _told(failure, self.rank))
        if failure is not None:
            raise failure
        for each in told:
            if each is not None:
                raise each


def _told(error: Exception, rank: int) -> ZooError:
    """An error as the other processes raise it; not every exception survives pickle."""
    if isinstance(error, ZooError):
        return error
    reason = str(error).strip().partition("\n")[0]
    return ZooError(f"process {rank}: {type(error).__name__}: {reason}")


@contextmanager
def open_shards() -> Iterator[Shards]:
    """Join the processes that torchrun has started; alone without it.

    Objects travel through the CPU, whatever the models run on.

    Raises:
        UsageError: The environment says only half of what torchrun says.
        ZooError: The processes do not find each other.
    """
    if "WORLD_SIZE" not in os.environ:
        yield Shards()
        return
    try:
        rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        local = int(os.environ.get("LOCAL_RANK", rank))
    except (KeyError, ValueError) as error:
        raise UsageError(
            "WORLD_SIZE is set, as by torchrun, but RANK is not, or is no number"
        ) from error
    if world == 1:
        yield Shards()
        return
    import torch.distributed

    try:
        torch.distributed.init_process_group("gloo", timeout=_PATIENCE)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ZooError(f"process {rank} of {world} does not find the others: {reason}") from error
    try:
        yield Shards(rank, world, local)
    finally:
        torch.distributed.destroy_process_group()
