"""Write the table of all models of the installed timm: plugins/zoo_timm/models.tsv.

    python recipes/timm_models.py

A row a checkpoint: its name, the repository of the hub that holds it, how many parameters its
network has, its licence, its number of classes, and the edge of its pictures. The first row of an
architecture is the checkpoint that the bare architecture's name stands for.

Networks are made on the meta device, without weights. It takes some minutes; tests/test_timm.py
compares the table with the installed version.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import timm
import torch
from timm.models import get_arch_pretrained_cfgs, get_pretrained_cfg

TABLE = Path(__file__).parent.parent / "plugins" / "zoo_timm" / "models.tsv"
HEADER = ("name", "repository", "parameters", "license", "classes", "pixels")


def rows(parameters: dict[str, str]) -> Iterator[tuple[str, ...]]:
    """The models of timm that have weights on the hub, an architecture's default first."""
    for architecture in timm.list_models():
        default = get_pretrained_cfg(architecture)
        published = get_arch_pretrained_cfgs(architecture)
        for name, cfg in sorted(published.items(), key=lambda item: item[1] != default):
            if not (cfg.hf_hub_id or "").startswith("timm/"):
                continue  # no weights, or a repository of another owner in a form of its own
            classes = str(cfg.num_classes)
            if name not in parameters:
                parameters[name] = str(count(architecture, cfg.num_classes))
            size = str(cfg.input_size[-1])
            yield name, cfg.hf_hub_id, parameters[name], cfg.license or "", classes, size


def count(architecture: str, classes: int) -> int:
    """Parameters of a network; 0 if it cannot be made without memory."""
    try:
        with torch.device("meta"):
            network = timm.create_model(architecture, pretrained=False, num_classes=classes)
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        return 0
    return sum(parameter.numel() for parameter in network.parameters())


def known_parameters() -> dict[str, str]:
    """Those that the table has already, so that only new models are counted."""
    if not TABLE.exists():
        return {}
    lines = TABLE.read_text(encoding="utf-8").splitlines()[1:]
    cells = [line.split("\t") for line in lines]
    return {row[0]: row[2] for row in cells if row[2] != "0"}


def main() -> None:
    """Write the table."""
    table = ["\t".join(HEADER)]
    for row in rows(known_parameters()):
        table.append("\t".join(row))
        if len(table) % 100 == 0:
            print(len(table), row[0], file=sys.stderr, flush=True)
    temporary = TABLE.with_suffix(".tmp")
    temporary.write_text("\n".join(table) + "\n", encoding="utf-8")
    temporary.replace(TABLE)
    print(f"{TABLE}: {len(table) - 1} models of timm {timm.__version__}")


if __name__ == "__main__":
    main()
