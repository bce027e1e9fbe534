"""Every error that zoo raises on purpose.

::

    ZooError                   exit code 1   something that the user can put right
    ├── UsageError                       2   an argument, an option
    │   ├── UnknownModelError            2   no registry has this name
    │   └── TaskError                    2   no such task, or not one of this model's
    ├── InputError                       1   a text or a file that cannot be processed
    ├── RegistryError                    1   a registry file breaks a rule
    ├── CheckpointError                  1   config, tokenizer and weights do not fit together
    │   └── WeightMapError               1   tensors are missing, left over or of another shape
    ├── CacheError                       1   disk full, no permission
    ├── IntegrityError                   3   a file differs from its checksum
    ├── PluginError                      4   a plugin, or an optional package, is broken or missing
    ├── DeviceError                      5   no such device, or out of its memory
    └── HubError                         6   network, hub, offline
        ├── NotFoundError                6   no such repository, revision or file
        └── GatedError                   6   the hub wants a login or an accepted licence

``except ZooError`` catches all of them. A message says what was expected, what came and what to
do, in one line, so that the command line prints it as it is and exits with ``exit_code``.
Mistakes of a programmer stay ``ValueError`` and ``TypeError``.
"""

from typing import ClassVar


class ZooError(Exception):
    """Base class; see the tree at the top of this module."""

    exit_code: ClassVar[int] = 1


class UsageError(ZooError):
    """An argument or option that cannot be meant."""

    exit_code = 2


class UnknownModelError(UsageError):
    """No registry layer has this model name."""


class TaskError(UsageError):
    """No such task, or the model cannot do it."""


class InputError(ZooError):
    """A text, or a file of inputs, that cannot be processed."""


class RegistryError(ZooError):
    """A registry file breaks a rule; the message begins with ``file:line``."""


class CheckpointError(ZooError):
    """A checkpoint's files are damaged, incomplete or contradict each other."""


class WeightMapError(CheckpointError):
    """Tensors are missing, left over, or of another shape than the network's."""


class CacheError(ZooError):
    """The cache cannot be read or written: disk full, missing permission."""


class IntegrityError(ZooError):
    """A file's bytes differ from its checksum."""

    exit_code = 3


class PluginError(ZooError):
    """A plugin, or an optional package, is missing, broken or in conflict."""

    exit_code = 4


class DeviceError(ZooError):
    """The device does not exist, or its memory is full."""

    exit_code = 5


class HubError(ZooError):
    """The hub cannot be reached, or offline mode forbids to ask it."""

    exit_code = 6


class NotFoundError(HubError):
    """The hub has no such repository, revision or file."""


class GatedError(HubError):
    """The hub asks for a login, or for a licence to be accepted, first."""


class ZooWarning(UserWarning):
    """Something the user should know of a result: a cut text, a halved batch.

    The command line prints it as one line on standard error.
    """
