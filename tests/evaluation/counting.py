"""Runs `zoo eval` with a protocol of the tests' own, which writes down what it is asked.

Started as a script: ``counting.py LOG SECONDS FAILING -- arguments of zoo``. The numbers are the
model's: the instrument embeds texts, after so many seconds a window. A process whose RANK is
FAILING ends as the environment's HOW says.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from zoo.errors import DeviceError
from zoo.evaluation import protocols
from zoo.evaluation.instruments.vectors import TextVectors
from zoo.evaluation.protocol import Answer, Failure, Setup
from zoo.evaluation.protocols.cosine import Cosine


class Logged(TextVectors):
    """Vectors, slowly."""

    def ask(self, contents: Sequence[str]) -> Sequence[Answer | Failure]:
        if os.environ.get("RANK", "0") == FAILING:
            if os.environ["HOW"] == "killed":
                os.kill(os.getpid(), 9)
            raise DeviceError("out of memory, says the test")
        time.sleep(SECONDS)
        answers = super().ask(contents)
        with LOG.open("a") as file:
            file.writelines(f"{text}\n" for text in contents)
        return answers


class Counting(Cosine):
    """The cosine of two sentences' vectors, logged."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.instruments = {"text": Logged(setup.model)}


if __name__ == "__main__":
    LOG, SECONDS, FAILING = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    protocols.PROTOCOLS["counting"] = protocols.Spec(
        "__main__:Counting",
        frozenset({"sentence-similarity"}),
        ("feature-extraction",),
        "cosines, counted",
    )
    sys.argv[1:] = sys.argv[sys.argv.index("--") + 1 :]
    from zoo_cli.main import main

    main()
