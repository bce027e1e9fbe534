"""What an error says to people, and the exit code that it has."""

from __future__ import annotations

import errno

from zoo.errors import PluginError, UsageError, ZooError
from zoo.plugins import COMMANDS, GROUP

# What any look at a path, and any line that is written, may meet.
_OF_THE_MACHINE = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
)


def described(error: Exception) -> tuple[str, int]:
    """One line for an error that was not expected too, and its exit code."""
    if isinstance(error, ZooError):
        return str(error), error.exit_code
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        # Any path that a user gives may be so, and `is_dir` and its like raise it.
        return f"{str(error.filename)!r:.60}: {error.strerror}", UsageError.exit_code
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        where = "" if error.filename is None else f"{str(error.filename)!r}: "
        return f"{where}{error.strerror}", ZooError.exit_code
    reason = str(error).strip().partition("\n")[0]
    plugin = _plugin_that_raised(error)
    message = (
        f"{type(error).__name__}: {reason}; this is a defect of {plugin or 'zoo'}, set "
        "ZOO_DEBUG=1 for the traceback"
    )
    return message, PluginError.exit_code if plugin else 1


def _plugin_that_raised(error: Exception) -> str:
    """The plugin whose code was running, if one was: the innermost on the way to the error.

    Where zoo asked an object for what it lacks, such as a network for its labels, it is the plugin
    that the object is of.
    """
    import traceback

    from zoo.distributions import entry_points

    owners = {point.package: point for point in entry_points(GROUP) + entry_points(COMMANDS)}
    found = ""
    modules = [
        frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)
    ]
    if isinstance(error, AttributeError):
        modules.append(type(error.obj).__module__)
    for module in modules:
        package = str(module).partition(".")[0]
        if package in owners:
            found = f"{package} of {owners[package]}"
    return found
