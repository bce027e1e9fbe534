"""From rows to samples: a benchmark's templates, filled with a row's columns."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zoo.errors import InputError, RegistryError
from zoo.evaluation.benchmark import Benchmark, Form, Placed
from zoo.evaluation.pictures import Pictured
from zoo.evaluation.protocol import Sample, hash_of
from zoo.evaluation.text_filters import FILTERS
from zoo.rows import Fields

if TYPE_CHECKING:
    from jinja2 import Environment

_COLUMN = re.compile(r"\w+(\.\w+)*")  # of a column that holds a table, one of its own
_EXPRESSION = re.compile(r"\{\{-?((?:(?!\}\}|\{\{).)*?)-?\}\}", re.DOTALL)


class Template:
    """Jinja out of a benchmark's file, ready to be filled."""

    def __init__(self, text: Placed) -> None:
        from jinja2 import StrictUndefined, TemplateError

        from zoo.text.sandbox import Sandbox

        self._text = text
        try:
            self._sandbox = Sandbox(self._program(), {**FILTERS, "_given": _given})
        except TemplateError as error:
            raise RegistryError(f"{text.place}: the template is no Jinja: {error}") from error
        self._sandbox.undefined = StrictUndefined  # a row without the column has no empty one

    def _program(self) -> str:
        return self._text

    def fill(self, values: Mapping[str, Any], place: str) -> str:
        """Render with these values, of the row that stands in ``place``.

        Raises:
            InputError: A name is not among the values, or the template fails; the message names
                the template's place and the row's.
        """
        from jinja2 import UndefinedError

        try:
            return self._sandbox.render(values)
        except UndefinedError as error:
            known = ", ".join(map(str, values)) or "none"
            raise InputError(
                f"{self._text.place}: the template {self._text!r:.60} fails on {place}: "
                f"{error}; the columns are {known}"
            ) from error
        except Exception as error:  # a template can raise anything
            raise InputError(
                f"{self._text.place}: the template {self._text!r:.60} fails on {place}: "
                f"{type(error).__name__}: {error}"
            ) from error


class Expression(Template):
    """A template that is one expression, such as ``{{ choices.text }}``: a value, no text.

    What it comes to is what JSON can hold: a list of texts, a number.
    """

    def _program(self) -> str:
        return f"{{{{ ({_expression(self._text)}) | _given | tojson }}}}"

    def value(self, values: Mapping[str, Any], place: str) -> Any:  # noqa: ANN401 (any value)
        """What the expression comes to; errors are those of `fill`."""
        return json.loads(self.fill(values, place))


def _given(value: Any) -> Any:  # noqa: ANN401 (any value)
    """The value; what is undefined cannot be a text, and says what it is."""
    from jinja2 import Undefined

    if isinstance(value, Undefined):
        str(value)  # raises: see `StrictUndefined`
    return value


def _expression(text: str) -> str | None:
    """What stands between the braces of a template that is nothing else."""
    found = _EXPRESSION.fullmatch(text.strip())
    return found[1] if found else None


def read_samples(
    benchmark: Benchmark, split: str, rows: Iterable[tuple[str, Fields]]
) -> Iterator[Sample]:
    """Make a sample of each row.

    Raises:
        InputError: A row lacks a column, or a template fails on it.
        RegistryError: A template is no Jinja.
    """
    form: _Form | None = None
    for number, (place, row) in enumerate(rows):
        if form is None:
            form = _fitting(benchmark, row, place)
        fields = form.fields_of(row, place)
        yield Sample(split, number, place, fields, hash_of(fields))


def _fitting(benchmark: Benchmark, row: Fields, place: str) -> _Form:
    """The first form whose columns the row has."""
    forms = [_Form(form) for form in benchmark.forms]
    for form in forms:
        if form.columns <= row.keys():
            return form
    wanted = " or ".join(", ".join(sorted(form.columns)) for form in forms)
    raise InputError(
        f"{place}: {benchmark.name} takes rows with the columns {wanted}; "
        f"came {', '.join(map(str, row)) or 'none'}"
    )


class _Form:
    """The fields' templates, parsed once."""

    def __init__(self, form: Form) -> None:
        self._fields = {name: _parse(value) for name, value in form.items()}
        self.columns = frozenset(_columns(form.values()))

    def fields_of(self, row: Fields, place: str) -> dict[str, Any]:
        return {name: _value(each, row, place) for name, each in self._fields.items()}


def _parse(value: Any) -> Any:  # noqa: ANN401 (a template, a column, or a list of them)
    if isinstance(value, list):
        return [_parse(each) for each in value]
    if isinstance(value, Placed) and not _COLUMN.fullmatch(value):
        return Template(value) if _expression(value) is None else Expression(value)
    return value


def _value(parsed: Any, row: Fields, place: str) -> Any:  # noqa: ANN401 (what the row holds)
    if isinstance(parsed, list):
        return [_value(each, row, place) for each in parsed]
    if isinstance(parsed, Expression):
        return parsed.value(row, place)
    if isinstance(parsed, Template):
        return parsed.fill(row, place)
    if isinstance(parsed, Placed):
        return _cell(row, parsed, place)
    return parsed


def _syntax() -> Environment:
    """Jinja that knows the filters, to read templates without running them."""
    from jinja2 import Environment

    environment = Environment(autoescape=False)
    environment.filters |= FILTERS
    # Functions of the sandbox are no columns.
    environment.globals |= dict.fromkeys(("raise_exception", "strftime_now"))
    return environment


def _cell(row: Fields, name: str, place: str) -> Any:  # noqa: ANN401 (what the row holds)
    """The value of a column, ``name``, or of a table's own, ``name.inner``."""
    value: Any = row
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            raise InputError(f"{place}: no column {name!r}; there are {', '.join(map(str, row))}")
        value = value[part]
    return value


def _columns(values: Iterable[Any]) -> Iterator[str]:
    """The columns that templates and names speak of."""
    from jinja2 import meta
    from jinja2.exceptions import TemplateSyntaxError

    for value in values:
        if isinstance(value, list):
            yield from _columns(value)
        elif isinstance(value, Placed) and _COLUMN.fullmatch(value):
            yield value.partition(".")[0]
        elif isinstance(value, Placed):
            try:
                yield from meta.find_undeclared_variables(_syntax().parse(value))
            except TemplateSyntaxError as error:
                raise RegistryError(f"{value.place}: the template is no Jinja: {error}") from error


def label_of(sample: Sample, benchmark: Benchmark, classes: Sequence[str]) -> int:
    """The number of a sample's class.

    Its label is one of the benchmark's ``labels``; else the number of a class, from 0, or its name.
    Where labels are numbers themselves, they may count from elsewhere, and only they are taken.

    Raises:
        InputError: It is none of them.
    """
    label = sample.fields["label"]
    known = benchmark.labels or classes
    if isinstance(label, bool) or not isinstance(label, int | str):
        raise InputError(f"{sample.place}: the label is {label!r:.40}; expected a class or number")
    if str(label) in known:
        return known.index(str(label))
    numbered = any(each.isdecimal() for each in benchmark.labels)
    if not numbered and str(label).isdecimal() and int(label) < len(classes):
        return int(label)
    raise InputError(
        f"{sample.place}: the label {label!r:.60} is none of the {len(known)} classes: "
        f"{', '.join(known[:5])}{', …' if len(known) > 5 else ''}"
    )


def number_of(sample: Sample, name: str) -> float:
    """A field that is a number.

    Raises:
        InputError: It is none.
    """
    value = sample.fields[name]
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{sample.place}: {name} is {value!r:.40}; expected a number") from error
    if not math.isfinite(number):
        raise InputError(f"{sample.place}: {name} is {value!r:.40}; expected a number")
    return number


def picture_of(sample: Sample) -> Pictured:
    """The field that is the picture.

    Raises:
        InputError: It is none.
    """
    value = sample.fields["picture"]
    if not isinstance(value, Pictured):
        raise InputError(f"{sample.place}: picture is {value!r:.40}; expected a picture")
    return value


def text_of(sample: Sample, name: str) -> str:
    """A field that is a text.

    Raises:
        InputError: It is none, or empty.
    """
    value = sample.fields[name]
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{sample.place}: {name} is {value!r:.40}; expected a text")
    return value
