"""Where a chat template runs: it is a program out of a downloaded file, and may be a hostile one.

jinja2's sandbox keeps a template from the interpreter and from the disk. It does not keep it from
running for ever, or from filling the memory: here every step and every value costs, and a template
that spends more than its budget is stopped.

This module imports jinja2, so import it late.
"""
# ruff: noqa: ANN401  (a template's values have any type)

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps
from typing import Any, NoReturn

from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, pass_context
from jinja2.visitor import NodeTransformer

# Characters and elements that a template may make: so many, and so many times those of the chat.
_ALLOWANCE = 1_000_000
_TIMES = 1000

_TURN = 10  # what a turn of a loop, or a call, costs
_LARGEST = 1000  # of numbers that a filter or a method takes; of texts that it may repeat
_BITS = 64
_REPEATING = ("indent", "join", "wordwrap")
_WIDE = re.compile(r"%[^a-zA-Z%]*(\*|\d{3})|\{[^{}]*\d{3}|\{[^{}]+\{")  # widths in format texts


class RefusedError(TemplateError):
    """What a template says, by ``raise_exception``, of messages that it cannot write."""


class Sandbox(ImmutableSandboxedEnvironment):
    """An environment that renders one template as transformers does, within a budget.

    Args:
        source: The template.
        filters: Further functions of a value that it may use.

    Raises:
        TemplateError: The template is no Jinja, or spends too much before it runs.
    """

    intercepted_binops = frozenset(["+", "*", "**", "%"])

    def __init__(
        self, source: str, filters: Mapping[str, Callable[[str], str]] | None = None
    ) -> None:
        self._left = _ALLOWANCE
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Generation, loopcontrols],
            finalize=self._spend,
        )
        self.filters["tojson"] = _to_json
        self.filters.update(filters or {})
        for name, function in self.filters.items():
            self.filters[name] = self._guarded(name, function)
        for name, test in self.tests.items():
            self.tests[name] = self._tested(test)  # type: ignore[arg-type]  # bare "function"
        self.filters["_measured"] = self._spend
        # A filter that takes the context is not called once and for all when it is compiled.
        self.filters["_turn"] = pass_context(lambda context, value: self._pay(_TURN))
        del self.globals["lipsum"]
        self.globals |= {
            "raise_exception": _raise,
            "strftime_now": _now,
            "dict": lambda *pairs, **fields: dict(*pairs, **fields),  # not the class itself
            "namespace": _Namespace,
        }
        self._template = self.from_string(source)

    def render(self, values: Mapping[str, Any]) -> str:
        """Render the template.

        Raises:
            Exception: Whatever the template makes of itself; `RefusedError` if it was meant.
        """
        self._left = _ALLOWANCE + _TIMES * _size(values, 2**40)
        return self._template.render(values)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = Parser(self, source, name, filename).parse()
        _Meter().visit(tree)
        return tree

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """Call a function or a macro, and pay for what it gives."""
        name = getattr(__obj, "__name__", "")
        value = getattr(__obj, "__self__", None)
        if isinstance(value, str | bytes | int):
            __self._check(name, value, (*args, *kwargs.values()))
            __self._pay(_length(value))
        __self._pay(_TURN)
        return __self._spend(super().call(__context, __obj, *args, **kwargs))

    def call_binop(
        self,
        context: Context,
        operator: str,
        left: Any,
        right: Any,
    ) -> Any:
        """Compute, if the result cannot be too large, and pay for it."""
        if operator == "*":
            for one, other in ((left, right), (right, left)):
                if isinstance(one, str | bytes | list | tuple) and isinstance(other, int):
                    self._pay(_size(one, self._left) * max(other, 0))
        if operator == "**" and isinstance(right, int) and right > _BITS:
            raise SecurityError(f"a power of {right}, above {_BITS}")
        if operator == "%" and isinstance(left, str):
            _check_format(left)
        return self._spend(super().call_binop(context, operator, left, right))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may use an attribute; not one that makes texts of any size."""
        if attr in ("expandtabs", "translate"):
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """jinja2's safe stand-in if a value is a text's ``format``, which may not be wide."""
        safe = super().wrap_str_format(value)
        if safe is not None:
            _check_format(value.__self__)
        return safe

    def _guarded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A filter that checks what it takes, and pays for what it gives."""
        place = 1 if hasattr(function, "jinja_pass_arg") else 0

        @wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            self._check(name, args[place], (*args[place + 1 :], *kwargs.values()))
            self._pay(_length(args[place]))
            return self._spend(function(*args, **kwargs))

        return guarded

    def _tested(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A test that pays for what it looks at: all of two values that are compared."""

        @wraps(function)
        def tested(*args: Any) -> Any:
            self._pay(_size(args, self._left) if len(args) > 1 else _length(args[0]))
            return function(*args)

        return tested

    def _check(self, name: str, value: object, arguments: tuple[object, ...]) -> None:
        """Refuse what would be too large before it is made."""
        for argument in arguments:
            if isinstance(argument, int) and abs(argument) > _LARGEST:
                raise SecurityError(f"{name}({argument}), above {_LARGEST}")
            if name in _REPEATING and isinstance(value, str) and isinstance(argument, str):
                self._pay(len(value) * len(argument))
        if name == "join":
            separators = [value, *arguments[:1]]
            if any(isinstance(each, str) and len(each) > _LARGEST for each in separators):
                raise SecurityError(f"join by a text of more than {_LARGEST} characters")
        if name == "replace" and isinstance(value, str) and len(arguments) > 1:
            old, new = map(str, arguments[:2])
            self._pay(value.count(old) * len(new))
        if name == "format":
            _check_format(str(value))

    def _spend(self, value: Any) -> Any:
        """Pay for a value and return it."""
        self._pay(_size(value, self._left))
        return value

    def _pay(self, cost: int) -> None:
        self._left -= cost
        if self._left < 0:
            raise SecurityError("too many steps, or too much text")


class _Meter(NodeTransformer):
    """Lets each turn of a loop pay, and each value that is put together or compared."""

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        super().generic_visit(node, *args, **kwargs)
        if isinstance(node, nodes.For):
            turn = nodes.Filter(nodes.Const(None), "_turn", [], [], None, None)
            node.body.insert(0, nodes.ExprStmt(turn).set_lineno(node.lineno))
        if isinstance(node, nodes.Compare):
            node.expr = _measured(node.expr)
            for operand in node.ops:
                operand.expr = _measured(operand.expr)
        made = isinstance(node, nodes.Concat | nodes.List | nodes.Dict)
        if made or (isinstance(node, nodes.Tuple) and node.ctx == "load"):
            return _measured(node)
        return node


def _measured(node: nodes.Node) -> nodes.Filter:
    """The same value, paid for."""
    return nodes.Filter(node, "_measured", [], [], None, None, lineno=node.lineno)


class _Generation(Extension):
    """``{% generation %}``, by which templates mark the answer for training: its content."""

    tags = {"generation"}  # noqa: RUF012 (as the class it belongs to has it)

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        body: list[nodes.Node] = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return [nodes.Scope(body)]


class _Namespace(Namespace):
    """jinja2's, without attributes that begin with an underscore."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        fields = dict(*args[1:], **kwargs)
        for name in fields:
            _check_name(name)
        Namespace.__init__(args[0], fields)

    def __setitem__(self, name: str, value: object) -> None:
        _check_name(name)
        super().__setitem__(name, value)


def _check_name(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a namespace with {name!r}, which begins with an underscore")


def _check_format(text: str) -> None:
    if found := _WIDE.search(text):
        raise SecurityError(f"a format with the width {found[0]!r}")


def _length(value: object) -> int:
    """Characters or elements of a value, without what these hold."""
    return len(value) if isinstance(value, str | bytes | list | tuple | dict) else 0


def _size(value: object, most: int) -> int:
    """Characters and elements of a value, and what it holds; counted no further than ``most``."""
    size, pending = 0, [value]
    while pending and size <= most:
        each = pending.pop()
        size += 1
        if isinstance(each, str | bytes):
            size += len(each)
        elif isinstance(each, dict):
            pending += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set):
            pending += each
        elif isinstance(each, Namespace):
            pending += each._Namespace__attrs.values()
        elif isinstance(each, int) and each.bit_length() > _BITS:
            raise SecurityError(f"a number of more than {_BITS} bits")
    return size


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """As JSON; jinja2's own would write < and & for HTML."""
    if isinstance(indent, str) or (indent or 0) > 16:
        raise SecurityError(f"tojson(indent={indent!r:.40}), above 16")
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _raise(message: object) -> NoReturn:
    raise RefusedError(str(message))


def _now(format: str) -> str:
    return datetime.now().strftime(format)
