"""Writing a plugin from the template, a complete one whose name is acme."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from zoo.errors import UsageError

TEMPLATE = Path(__file__).parent / "plugin_template"
_TEXT = {".json", ".md", ".py", ".toml", ".yaml"}


def write_plugin(name: str, folder: Path) -> Path:
    """Write the distribution ``zoo-NAME`` into a folder, whole or not at all; return where.

    Args:
        name: Of the architecture: ``my-net``; ``zoo-my-net`` means the same.
        folder: That is there.

    Raises:
        UsageError: The name is none, or taken; or there is something already.
    """
    name = name.removeprefix("zoo-")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or name == "acme":
        raise UsageError(
            f"no plugin can be called {name!r}; expected small letters and digits, joined by "
            "single hyphens, a letter first, and not the template's own 'acme': my-net"
        )
    _check_free(name)
    target = folder / f"zoo-{name}"
    if target.exists() or target.is_symlink():
        raise UsageError(f"there is {str(target)!r} already; choose another name, or --in FOLDER")
    if not folder.is_dir():
        raise UsageError(f"there is no folder {str(folder)!r} to write {target.name} into")
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".zoo-new-") as scratch:
            made = Path(scratch) / target.name
            _copy(name, made)
            made.rename(target)
    except OSError as error:
        raise UsageError(f"cannot write {str(target)!r}: {error.strerror}") from error
    return target


def _check_free(name: str) -> None:
    """Refuse what would clash when the plugin is installed.

    Raises:
        UsageError: There is such an architecture, package or model.
    """
    from importlib.util import find_spec

    from zoo.distributions import entry_points
    from zoo.plugins import GROUP

    for point in entry_points(GROUP):
        if point.name == name:
            raise UsageError(f"architecture {name!r} is taken by {point}; choose another name")
    package = f"zoo_{name.replace('-', '_')}"
    if find_spec(package) is not None:
        raise UsageError(f"there is a package {package!r} already; choose another name")


def _copy(name: str, target: Path) -> None:
    """Copy the template, with the name in place of acme's in paths and texts."""
    module = name.replace("-", "_")
    words = name.split("-")
    class_name = "".join(map(str.capitalize, words))
    forms = {"zoo_acme": f"zoo_{module}", "acme": name, "Acme": class_name}

    def named(text: str) -> str:
        return re.sub("zoo_acme|acme|Acme", lambda match: forms[match[0]], text)

    for source in sorted(TEMPLATE.rglob("*")):
        if source.is_dir() or "__pycache__" in source.parts:
            continue
        path = target / named(source.relative_to(TEMPLATE).as_posix())
        path.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix in _TEXT:
            path.write_text(named(source.read_text(encoding="utf-8")), encoding="utf-8")
        else:
            shutil.copyfile(source, path)
