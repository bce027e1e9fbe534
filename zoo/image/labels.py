"""Names of ImageNet's classes, for checkpoints that number them as ImageNet does."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# How many classes each of ImageNet's versions has, and timm's list of them, in order.
_LISTS = {
    1000: "imagenet_synsets.txt",
    11221: "imagenet21k_miil_synsets.txt",
    11821: "imagenet12k_synsets.txt",
    21841: "imagenet22k_synsets.txt",
    21842: "imagenet22k_ms_synsets.txt",
    21843: "imagenet21k_goog_synsets.txt",
}


def timm_labels(published: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of a timm checkpoint's classes; none if it has no head.

    They are the file's own ``label_names`` if it has any. If the number of classes is that of a
    version of ImageNet, they are its, as timm takes them; otherwise plain numbers.

    Args:
        published: timm's ``config.json``.
    """
    count = published.get("num_classes", 0)
    names = published.get("label_names")
    if isinstance(names, list) and len(names) == count:
        descriptions = published.get("label_descriptions")
        known = descriptions if isinstance(descriptions, dict) else {}
        return tuple(str(known.get(name, name)) for name in names)
    return imagenet_labels(count) or tuple(str(number) for number in range(count))


def imagenet_labels(count: int) -> tuple[str, ...]:
    """The names of the version of ImageNet that has so many classes; empty if none has.

    They are WordNet's lemmas, read from timm's files without importing it.
    """
    synsets = imagenet_synsets(count)
    if not synsets:
        return ()
    lemmas = (_folder() / "imagenet_synset_to_lemma.txt").read_text(encoding="utf-8").splitlines()
    names = dict(csv.reader(lemmas, delimiter="\t"))
    return tuple(names[synset] for synset in synsets)


def imagenet_synsets(count: int) -> tuple[str, ...]:
    """WordNet's numbers of the classes, such as n01440764, as `imagenet_labels` has their names."""
    if count not in _LISTS or not _folder().is_dir():
        return ()
    return tuple((_folder() / _LISTS[count]).read_text(encoding="utf-8").split())


def _folder() -> Path:
    """Where timm's lists are, or would be."""
    spec = find_spec("timm")
    package = Path(spec.origin).parent if spec is not None and spec.origin is not None else Path()
    return package / "data" / "_info"
