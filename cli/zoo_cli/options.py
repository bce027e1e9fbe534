"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Offline = Annotated[bool, typer.Option("--offline", help="Use no network; HF_HUB_OFFLINE=1 too.")]
Registries = Annotated[
    list[Path] | None,
    typer.Option("--registry", metavar="FILE", help="Read this registry file, too. Repeatable."),
]
