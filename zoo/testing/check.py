"""One check of the contract, and what it says when it fails."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from zoo.errors import PluginError, ZooError, ZooWarning


class ContractError(PluginError):
    """A plugin breaks the contract; the message says what to change."""


class NotReachedError(ContractError):
    """What a check stands on failed before it; the message says what that was."""


@dataclass(frozen=True)
class Check:
    """Something that must hold of a plugin.

    ``about`` is a plugin's module, a command, an architecture or a task of one; ``what`` must hold.
    """

    about: str
    what: str
    function: Callable[[], str | None]

    def __str__(self) -> str:
        return f"{self.about}: {self.what}"

    def run(self) -> str:
        """Return a figure that was measured, or nothing.

        Raises:
            ContractError: It does not hold.
        """
        __tracebackhide__ = True  # pytest then shows where the plugin's code failed, if it did
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ZooWarning)  # texts that are cut, on purpose
            with no_other_error("this check"):
                return self.function() or ""


@contextmanager
def no_other_error(what: str) -> Iterator[None]:
    """Turn whatever a plugin's code raises into a `ContractError` that says during what."""
    try:
        yield
    except ContractError:
        raise
    except ZooError as error:
        raise ContractError(f"{what} failed: {error}") from error
    except Exception as error:
        raise ContractError(f"{what} raised {described(error)}{_place(error)}") from error


def described(error: BaseException) -> str:
    """An exception's class and message in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text:.300}" if text else type(error).__name__


def _place(error: BaseException) -> str:
    """Where an exception was raised, as far as a person who writes a plugin wants to know."""
    import traceback

    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not any(part in frame.filename for part in ("/torch/", "/zoo/testing/", "<frozen"))
    ]
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
