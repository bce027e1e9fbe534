"""The decode loop: prompts in, tokens out, one forward pass a step for all rows.

Rows of different lengths run side by side, each as if it were alone. There are so many slots; when
a row is finished, the next prompt that waits takes its slot.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from zoo.errors import UsageError
from zoo.generation.beams import search
from zoo.generation.processors import check_choice, draw, force, processors
from zoo.generation.protocol import Decoder, State
from zoo.generation.recorded import RecordedDecoder, cuda_graph
from zoo.generation.result import Finish, Generated, Stop, allowed, ending
from zoo.generation.settings import Settings
from zoo.runtime import check_numbers

S = TypeVar("S", bound=State)

# Rows at once, by default: what a step costs hardly grows up to here, and memory stays small.
SLOTS = 16


@runtime_checkable
class Refillable(Protocol):
    """A state whose rows can be given to other prompts."""

    def put(self, prompt: int, other: State, other_prompt: int) -> None:
        """Let a prompt with one row be another state's, whose past fits into this one's room."""


@dataclass(frozen=True)
class Step:
    """One new token of one row.

    ``logprob`` is the token's log-probability before any rule or temperature, ``alternatives`` the
    most probable tokens with theirs; both only if asked for.
    """

    prompt: int
    sequence: int
    token: int
    finish: Finish | None
    logprob: float | None = None
    alternatives: tuple[tuple[int, float], ...] = ()


@dataclass
class _Row:
    prompt: int
    sequence: int
    prompt_tokens: Sequence[int]
    tokens: list[int]  # those it began with, and all new ones
    begun: int
    limit: int
    generator: torch.Generator | None
    finished: bool = False


def steps(
    decoder: Decoder[S],
    prompts: Sequence[Sequence[int]],
    settings: Settings,
    *,
    stop: Stop | None = None,
    slots: int = SLOTS,
) -> Iterator[Step]:
    """Generate greedily or by drawing; yield each token as soon as it is chosen.

    Tokens of different rows are interleaved; a row's come in order, the last with ``finish``.

    Args:
        decoder: The network.
        prompts: Token numbers, each at least one.
        settings: ``num_beams`` is 1.
        stop: Asked after each token.
        slots: At most so many rows at once.

    Raises:
        InputError: A prompt fills the context.
    """
    if settings.num_beams != 1:
        raise ValueError("steps are yielded without beams only; see zoo.generation.beams")
    limits = [allowed(decoder, prompt, settings) for prompt in prompts]
    seed = settings.seed if settings.seed is not None else int(torch.randint(2**62, ()))
    rows = [
        _Row(i, j, prompt, list(begun), len(begun), limit, None)
        for i, (prompt, limit) in enumerate(zip(prompts, limits, strict=True))
        for begun in [decoder.begin(prompt)]
        for j in range(settings.sequences)
    ]
    if settings.temperature:
        for row in rows:
            row.generator = _generator(seed, settings.first_row + row.prompt, row.sequence)
    # Prompts of like length are read together, so that little is padding.
    rows.sort(key=lambda row: -len(row.prompt_tokens))
    run = _Run(decoder, rows, settings, stop, slots)
    while run.waiting or run.active:
        yield from run.advance()


def generate(
    decoder: Decoder[S],
    prompts: Sequence[Sequence[int]],
    settings: Settings,
    *,
    stop: Stop | None = None,
    slots: int = SLOTS,
) -> list[list[Generated]]:
    """Generate ``settings.sequences`` rows for each prompt; best first where beams are compared.

    Arguments and errors are those of `steps`, but beams are welcome, which may find fewer.
    """
    if slots < 1:
        raise UsageError(f"slots is {slots}; expected 1 row or more at once")
    if settings.num_beams > 1:
        at_once = max(1, slots // settings.num_beams)
        # Prompts of like length are searched together, so that little is padding.
        order = sorted(range(len(prompts)), key=lambda place: -len(prompts[place]))
        found: dict[int, list[Generated]] = {}
        for start in range(0, len(order), at_once):
            places = order[start : start + at_once]
            batch = [prompts[place] for place in places]
            found |= zip(places, search(decoder, batch, settings, stop=stop), strict=True)
        return [found[place] for place in range(len(prompts))]
    results = [[Generated() for _ in range(settings.sequences)] for _ in prompts]
    for step in steps(decoder, prompts, settings, stop=stop, slots=slots):
        result = results[step.prompt][step.sequence]
        result.tokens.append(step.token)
        if step.logprob is not None:
            result.logprobs.append(step.logprob)
            result.alternatives.append(step.alternatives)
        if step.finish is not None:
            result.finish = step.finish
    return results


class _Run(Generic[S]):
    """Rows that wait, rows in slots, and the state of these."""

    def __init__(
        self,
        decoder: Decoder[S],
        rows: Sequence[_Row],
        settings: Settings,
        stop: Stop | None,
        slots: int,
    ) -> None:
        self.waiting = deque(rows)
        self.active: list[_Row] = []  # row r of the state, also when it is finished
        self._state: S | None = None
        self._decoder = decoder
        self._settings = settings
        self._stop = stop
        self._slots = slots
        self._rules = processors(settings)
        self._room = max((row.begun + row.limit for row in rows), default=0)

    @torch.inference_mode()
    def advance(self) -> list[Step]:
        """Give free slots to rows that wait, or else take one step with all rows."""
        finished = [place for place, row in enumerate(self.active) if row.finished]
        if self.waiting and (
            self._state is None or (finished and isinstance(self._state, Refillable))
        ):
            return self._admit(finished)
        if finished:
            going = [place for place, row in enumerate(self.active) if not row.finished]
            self.active = [self.active[place] for place in going]
            if not going or self._state is None:
                self._state = None
                return []
            self._state.keep(going)
        assert self._state is not None
        last = torch.tensor([row.tokens[-1] for row in self.active], device=self._device)
        return self._choose(self.active, self._decoder.decode(last, self._state))

    def _admit(self, free: Sequence[int]) -> list[Step]:
        """Read the prompts of rows that wait, and take their first step."""
        first = self._state is None
        count = min(len(self.waiting), self._slots if first else len(free))
        fresh = [self.waiting.popleft() for _ in range(count)]
        room = self._room if first else max(row.begun for row in fresh)
        # A prompt with several sequences is read once.
        prompts = {row.prompt: row.prompt_tokens for row in fresh}
        numbers = [list(prompts).index(row.prompt) for row in fresh]
        hidden, state = self._decoder.prefill(list(prompts.values()), room=room)
        self._device = hidden.device
        if first:
            if hidden.is_cuda and not isinstance(self._decoder, RecordedDecoder):
                self._decoder = RecordedDecoder(self._decoder, cuda_graph)
            if len(prompts) < len(fresh):
                state.keep(numbers)
            self._state, self.active = state, fresh
        else:
            assert isinstance(self._state, Refillable)
            for place, number, row in zip(free, numbers, fresh, strict=False):
                self._state.put(place, state, number)
                self.active[place] = row
        return self._choose(fresh, hidden[numbers])

    def _choose(self, rows: Sequence[_Row], hidden: Tensor) -> list[Step]:
        """Choose each row's next token by its vector, (R, C), and see whether it ends."""
        scores = self._decoder.predict(hidden).float()  # (R, V)
        logprobs = None if self._settings.logprobs is None else scores.log_softmax(-1)
        for rule in self._rules:
            scores = rule(scores, [row.tokens for row in rows])
        if self._settings.forced_end is not None:
            last = [n for n, row in enumerate(rows) if len(row.tokens) + 1 == row.begun + row.limit]
            scores = force(scores, self._settings.forced_end, last)
        if self._settings.temperature:
            if self._rules:
                check_choice(scores.amax(-1))
            tokens = draw(scores, [row.generator for row in rows]).tolist()
        else:
            # On a CPU argmax takes five times as long, for the same tokens.
            best = scores.max(-1)
            check_numbers(best.values)  # NaN is larger than any number
            if self._rules:
                check_choice(best.values)
            tokens = best.indices.tolist()
        reports = self._reports(logprobs, tokens)
        return [
            Step(row.prompt, row.sequence, token, self._append(row, token), *report)
            for row, token, report in zip(rows, tokens, reports, strict=True)
        ]

    def _append(self, row: _Row, token: int) -> Finish | None:
        row.tokens.append(token)
        finish = ending(row.tokens[row.begun :], row.limit, self._settings, self._stop)
        row.finished = finish is not None
        return finish

    def _reports(
        self, logprobs: Tensor | None, tokens: Sequence[int]
    ) -> Sequence[tuple[()] | tuple[float, tuple[tuple[int, float], ...]]]:
        """Each token's log-probability and the alternatives, if they are wanted."""
        if logprobs is None:
            return [()] * len(tokens)
        best = logprobs.topk(min(self._settings.logprobs or 0, logprobs.size(-1)))
        return [
            (own, tuple(zip(others, values, strict=True)))
            for own, others, values in zip(
                logprobs[range(len(tokens)), tokens].tolist(),
                best.indices.tolist(),
                best.values.tolist(),
                strict=True,
            )
        ]


def _generator(seed: int, prompt: int, sequence: int) -> torch.Generator:
    """A source of randomness for one row alone, so that its batch does not matter."""
    mixed = random.Random(f"{seed}/{prompt}/{sequence}").getrandbits(63)
    return torch.Generator().manual_seed(mixed)
