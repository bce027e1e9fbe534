"""Where zoo keeps what is the user's: under the XDG base directories."""

from __future__ import annotations

import os
from pathlib import Path


def user_folder(variable: str, default: str) -> Path | None:
    """Return zoo's folder under an XDG base directory, or None where there is no home.

    A relative path in the variable is ignored, as the XDG standard says.
    """
    base = os.environ.get(variable, "")
    if not os.path.isabs(base):  # noqa: PTH117 (hot path)
        base = os.path.join(os.path.expanduser("~"), default)  # noqa: PTH111, PTH118 (hot path)
    return Path(base) / "zoo" if os.path.isabs(base) else None  # noqa: PTH117 (hot path)
