"""An entry's files on this disk: found, downloaded, verified, removed.

Read on in this order: ``sources`` (the functions below: what an entry's source leads to), ``files``
(which files of a repository a model needs, and their checksums), ``cache`` (the layout of the
Hugging Face cache, which is shared and not copied), ``transfer`` (requests, resume, errors).
"""

from zoo.hub.cache import CachedRepository, cache_folder, cached, remove
from zoo.hub.sources import (
    Checkpoint,
    FileCheck,
    PlannedFile,
    facts,
    fetch,
    find_cached,
    plan,
    verify,
)

__all__ = [
    "CachedRepository",
    "Checkpoint",
    "FileCheck",
    "PlannedFile",
    "cache_folder",
    "cached",
    "facts",
    "fetch",
    "find_cached",
    "plan",
    "remove",
    "verify",
]
