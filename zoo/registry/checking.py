"""A registry file to its models, or to the list of what is wrong with it."""

from __future__ import annotations

import warnings
from pathlib import Path

from zoo.errors import RegistryError, ZooWarning
from zoo.registry.caching import Model
from zoo.registry.fields import SCHEMA, Document, read_document
from zoo.registry.reading import Problem, Report, parse, read_text


def check(path: Path) -> list[Problem]:
    """Return every broken rule of one registry file, in the order of its lines."""
    report = Report(str(path))
    document = _document(path, report)
    if document.schema > SCHEMA:
        report.add(0, _newer(document))
    return sorted(report.problems, key=lambda problem: problem.line)


def read_models(path: Path) -> list[Model]:
    """Return the models of a registry file; of one in a newer format none, with a `ZooWarning`.

    Raises:
        RegistryError: It breaks a rule; the message tells the first and counts the others.
    """
    report = Report(str(path))
    document = _document(path, report)
    if report.problems:
        raise RegistryError(_first_of(report.problems))
    if document.schema > SCHEMA:
        warnings.warn(f"{path}: left out: {_newer(document)}", ZooWarning, stacklevel=2)
    return document.models


def _document(path: Path, report: Report) -> Document:
    text = read_text(path, report)
    root = parse(text, report) if text is not None else None
    if report.problems and root is None:
        return Document(SCHEMA)
    return read_document(root, report)


def _newer(document: Document) -> str:
    return f"schema {document.schema} is newer than {SCHEMA}, which this zoo reads; upgrade zoo"


def _first_of(problems: list[Problem]) -> str:
    first, *others = sorted(problems, key=lambda problem: problem.line)
    if not others:
        return str(first)
    return f"{first} (and {len(others)} more: `zoo registry check {first.file}`)"
