"""Weight maps: rules between the names of published tensors and ours, written once, used both ways.

A rule names a tensor as a checkpoint has it, and as our network has it. In names, ``{n}`` stands
for a layer number and ``{p}`` for ``weight`` or ``bias``; ``{base}`` for a prefix that some files
of a family carry and others lack; ``{rest}`` for whatever follows, in a part whose names are
published as they are. Loading renames and reshapes from left to right, dumping from
right to left, so a map that loads right also dumps right::

    WeightMap(
        "gpt2",
        rules=(
            same("{base}wte.weight", "token_embedding.weight"),
            transposed("{base}h.{n}.mlp.c_fc.weight", "blocks.{n}.feed_forward.up.weight"),
            fused("{base}h.{n}.attn.c_attn.{p}", *(f"blocks.{{n}}.{x}.{{p}}" for x in "qkv")),
        ),
        base=("", "transformer."),
        ignore={"{base}h.{n}.attn.bias": "the causal mask, which attention computes"},
    )
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from zoo.errors import WeightMapError

Split = Callable[[Tensor, int], Sequence[Tensor]]
Join = Callable[[Sequence[Tensor]], Tensor]


@dataclass(frozen=True)
class Rule:
    """One published tensor, and the tensors of ours that it holds.

    ``also`` are further published names of the same tensor: any may stand for it, and where
    several stand in a file they must be equal. ``fallback`` names count only where all those lack.
    """

    theirs: str
    ours: tuple[str, ...]
    split: Split
    join: Join
    also: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()


def same(
    theirs: str, ours: str, *, also: tuple[str, ...] = (), fallback: tuple[str, ...] = ()
) -> Rule:
    """The tensor as it is, under another name."""
    return Rule(theirs, (ours,), lambda x, _: (x,), lambda xs: xs[0], also, fallback)


def transposed(theirs: str, *ours: str) -> Rule:
    """A matrix stored (in, out), as GPT-2's Conv1D does; ours are (out, in).

    Several of ours, of one size, stand side by side in it.
    """
    return Rule(
        theirs, ours, lambda x, parts: x.t().tensor_split(parts), lambda xs: torch.cat(list(xs)).t()
    )


def fused(theirs: str, *ours: str) -> Rule:
    """Several of ours, of one size, stacked along the first dimension: query, key, value."""
    return Rule(
        theirs, ours, lambda x, parts: x.tensor_split(parts), lambda xs: torch.cat(list(xs))
    )


def interleaved(theirs: str, *ours: str, heads: int) -> Rule:
    """Several of ours, of one size, stacked head by head: q, k, v of the first head, …."""

    def split(x: Tensor, parts: int) -> list[Tensor]:
        by_head = x.unflatten(0, (heads, parts, -1)).unbind(1)
        return [part.flatten(0, 1) for part in by_head]

    def join(xs: Sequence[Tensor]) -> Tensor:
        return torch.stack([x.unflatten(0, (heads, -1)) for x in xs], dim=1).flatten(0, 2)

    return Rule(theirs, ours, split, join)


@dataclass(frozen=True)
class WeightMap:
    """All rules of one published layout.

    Args:
        name: Of the layout, for messages.
        rules: Together they cover every tensor of the network.
        base: What ``{base}`` may be in a file; the first is what `dump` writes.
        legacy: Old endings of published names, and what they are called today.
        ignore: Published names that no network of ours needs, each with the reason.
        tied: Ours that share a tensor: the first takes the second's where a file lacks it. If a
            file holds both they stay apart.
    """

    name: str
    rules: tuple[Rule, ...]
    base: tuple[str, ...] = ("",)
    legacy: Mapping[str, str] = field(default_factory=dict)
    ignore: Mapping[str, str] = field(default_factory=dict)
    tied: Mapping[str, str] = field(default_factory=dict)

    def load(
        self, tensors: Mapping[str, Tensor], network: Mapping[str, Tensor], *, source: str
    ) -> dict[str, Tensor]:
        """Translate a checkpoint's tensors to the network's.

        Args:
            tensors: By published name. Each is read once; any mapping that reads late will do.
            network: The network's ``state_dict()``: names and shapes to be filled (meta is enough).
            source: Where the tensors come from, for messages.

        Returns:
            A tensor for every name of ``network``, of its shape; views of ``tensors`` where that
            is possible.

        Raises:
            WeightMapError: A published tensor matches no rule or holds integers where the network
                has floating-point numbers, or one of the network's is missing, comes twice or has
                another shape. The message lists them all.
        """
        problems: list[str] = []
        state: dict[str, Tensor] = {}
        published: dict[str, tuple[str, Tensor]] = {}  # our first name -> what gave it
        matches = [(name, self._match(name)) for name in tensors]
        unexpected = [name for name, match in matches if match is None]
        found = [(name, *match) for name, match in matches if match is not None]
        for their_name, rule, ours, fallback in sorted(found, key=lambda each: each[3]):
            if rule is None or (fallback and ours[0] in state):
                continue
            tensor = tensors[their_name]
            like = network.get(ours[0])
            if not tensor.is_floating_point() and (like is None or like.is_floating_point()):
                problems.append(f"{their_name!r} holds {tensor.dtype}, not floating-point numbers")
                continue
            if ours[0] in state:
                other_name, other = published[ours[0]]
                if other.dtype != tensor.dtype or not torch.equal(other, tensor):
                    problems.append(f"{their_name!r} and {other_name!r} differ")
                continue
            published[ours[0]] = their_name, tensor
            try:
                parts = rule.split(tensor, len(ours))
            except RuntimeError:
                parts = (tensor,) * len(ours)  # no matrix at all: the shapes below tell
            state.update(zip(ours, parts, strict=True))
            wanted = [network[name] for name in ours if name in network]
            if len(wanted) == len(ours) and any(
                part.shape != like.shape for part, like in zip(parts, wanted, strict=True)
            ):
                problems.append(
                    f"{their_name!r} has shape {tuple(tensor.shape)}, "
                    f"the config asks for {tuple(rule.join(wanted).shape)}"
                )

        for pair in self.tied.items():
            for one, twin in (pair, reversed(pair)):
                lacks = one in network and one not in state and twin in state
                if lacks and state[twin].shape == network[one].shape:
                    state[one] = state[twin]

        unexpected += sorted(set(map(self.published_name, set(state) - set(network))))
        if unexpected:
            problems.append(f"{_listed(unexpected)} match no rule of the {self.name} layout")
        missing = sorted(set(map(self.published_name, set(network) - set(state))))
        if missing:
            problems.append(f"{_listed(missing)} missing")
        if problems:
            shown = problems[:6] + [f"{len(problems) - 6} more"] * (len(problems) > 6)
            raise WeightMapError(
                f"{source}: the weights do not fit the network: {'; '.join(shown)}; "
                "is this checkpoint of another architecture, or incomplete?"
            )
        return state

    def dump(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Translate a network's tensors to published names: the inverse of `load`.

        A tied tensor that is still shared is written once.

        Raises:
            WeightMapError: A tensor of the network matches no rule, or only part of one is there.
        """
        left = dict(state)
        for ours_tied, ours_stored in self.tied.items():
            if ours_tied in left and ours_stored in left and _shared(left, ours_tied, ours_stored):
                del left[ours_tied]
        published: dict[str, Tensor] = {}
        for name in list(left):
            if name not in left:
                continue  # went out together with an earlier part
            found = self._rule_for(name)
            if found is None:
                raise WeightMapError(f"{name!r} matches no rule of the {self.name} layout")
            rule, values = found
            ours = [_fill(pattern, values) for pattern in rule.ours]
            lacking = [part for part in ours if part not in left]
            if lacking:
                raise WeightMapError(
                    f"{name!r} goes out together with {_listed(lacking)}, which is missing"
                )
            tensor = rule.join([left.pop(part) for part in ours])
            published[_fill(rule.theirs, {**values, "base": self.base[0]})] = tensor.contiguous()
        return published

    def published_name(self, name: str) -> str:
        """The published name of one of our tensors; our own if no rule has it."""
        found = self._rule_for(name)
        if found is None:
            return name
        rule, values = found
        return _fill(rule.theirs, {**values, "base": self.base[0]})

    def _match(self, their_name: str) -> tuple[Rule | None, list[str], bool] | None:
        """The rule for a published name, our names for it, and whether it is but a fallback.

        No rule if it is to be ignored.
        """
        for old, new in self.legacy.items():
            if their_name.endswith(old):
                their_name = their_name.removesuffix(old) + new
        for pattern, rule, fallback in self._theirs:
            if match := pattern.fullmatch(their_name):
                ours = rule.ours if rule is not None else ()
                return rule, [_fill(name, match.groupdict()) for name in ours], fallback
        return None

    def _rule_for(self, name: str) -> tuple[Rule, dict[str, str]] | None:
        for pattern, rule in self._ours:
            if match := pattern.fullmatch(name):
                return rule, match.groupdict()
        return None

    @cached_property
    def _theirs(self) -> list[tuple[re.Pattern[str], Rule | None, bool]]:
        rules = [(name, rule, False) for rule in self.rules for name in (rule.theirs, *rule.also)]
        fallbacks = [(name, rule, True) for rule in self.rules for name in rule.fallback]
        ignored = [(name, None, False) for name in self.ignore]
        return [
            (self._pattern(name), rule, fallback)
            for name, rule, fallback in (*rules, *fallbacks, *ignored)
        ]

    @cached_property
    def _ours(self) -> list[tuple[re.Pattern[str], Rule]]:
        return [(self._pattern(name), rule) for rule in self.rules for name in rule.ours]

    def _pattern(self, name: str) -> re.Pattern[str]:
        """A name with placeholders as an expression whose groups are their values."""
        base = "|".join(re.escape(each) for each in self.base)
        expression = re.escape(name)
        for placeholder, values in (
            ("n", r"0|[1-9]\d*"),
            ("p", "weight|bias"),
            ("base", base),
            ("rest", ".+"),
        ):
            expression = expression.replace(rf"\{{{placeholder}\}}", f"(?P<{placeholder}>{values})")
        return re.compile(expression)


@dataclass(frozen=True)
class SameNames:
    """The layout of a network whose parts are published under their own names.

    Tensors that hold no floating-point numbers are counts, and tables of indices: a file may lack
    those that the network has made itself, or have more of them.

    Args:
        name: Of the layout, for messages.
        prefix: What our names have before the published ones.
    """

    name: str
    prefix: str = ""

    def load(
        self, tensors: Mapping[str, Tensor], network: Mapping[str, Tensor], *, source: str
    ) -> dict[str, Tensor]:
        """Translate published tensors, as `WeightMap.load` does.

        Raises:
            WeightMapError: Tensors are missing, left over or of another shape.
        """
        state: dict[str, Tensor] = {}
        problems: list[str] = []
        for name in tensors:
            tensor = tensors[name]
            like = network.get(self.prefix + name)
            if like is not None and like.shape != tensor.shape:
                problems.append(
                    f"{name!r} has shape {tuple(tensor.shape)}, "
                    f"the config asks for {tuple(like.shape)}"
                )
            if like is not None or tensor.is_floating_point():
                state[self.prefix + name] = tensor
        made = {name: x for name, x in network.items() if not x.is_floating_point()}
        state = made | state
        left_over = [self._published(name) for name in state if name not in network]
        if left_over:
            problems.append(f"{_listed(left_over)} left over")
        missing = [self._published(name) for name in network if name not in state]
        if missing:
            problems.append(f"{_listed(missing)} missing")
        if problems:
            shown = problems[:6] + [f"{len(problems) - 6} more"] * (len(problems) > 6)
            raise WeightMapError(
                f"{source}: the weights do not fit the network: {'; '.join(shown)}; "
                "is this checkpoint of another architecture, or incomplete?"
            )
        return state

    def dump(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Translate a network's tensors to published names: the inverse of `load`."""
        return {self._published(name): tensor.contiguous() for name, tensor in state.items()}

    def _published(self, name: str) -> str:
        return name.removeprefix(self.prefix)


def _fill(pattern: str, values: Mapping[str, str]) -> str:
    for placeholder, value in values.items():
        pattern = pattern.replace(f"{{{placeholder}}}", value)
    return pattern


def _shared(state: Mapping[str, Tensor], one: str, other: str) -> bool:
    a, b = state[one], state[other]
    return a.data_ptr() == b.data_ptr() and a.shape == b.shape


def _listed(names: Iterable[str], at_most: int = 5) -> str:
    """``'a', 'b' and 3 more tensors`` from any number of names."""
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:at_most])
    more = len(names) - at_most
    return f"{shown} and {more} more tensors" if more > 0 else shown
