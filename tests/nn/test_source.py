from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from zoo.nn import Attention, SourceState

LENGTHS = [5, 3, 4]


class Layer:
    """One decoder layer: it attends to what is written, then to the source."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.own = Attention(width=24, heads=4)
        self.cross = Attention(width=24, heads=4)

    def state(self, texts: Sequence[Tensor], room: int = 6) -> SourceState:
        longest = max(map(len, texts))
        padded = torch.stack([torch.cat([x, torch.randn(longest - len(x), 24)]) for x in texts])
        lengths = torch.tensor([[len(x)] for x in texts])
        mask = (torch.arange(longest) < lengths)[:, None, None, :]
        equal = len({len(x) for x in texts}) == 1
        return SourceState([self.cross.keys_values(padded)], None if equal else mask, room=room)

    def step(self, x: Tensor, state: SourceState) -> Tensor:
        """(R, C) -> (R, C)."""
        _, mask = state.past.extend(1)
        y = self.own(x.unsqueeze(1), mask=mask, causal=True, cache=state.past.layers[0])
        return self.cross(y, state.sources[0], mask=state.mask).squeeze(1)

    def alone(self, text: Tensor, written: Sequence[Tensor]) -> Tensor:
        """The last step of one row without a state: (C,)."""
        y = self.own(torch.stack(list(written))[None], causal=True)
        return self.cross(y, text[None])[0, -1]


@pytest.fixture
def texts() -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randn(length, 24) for length in LENGTHS]


@torch.no_grad()
def test_rows_of_a_prompt_share_its_source(texts: list[Tensor]) -> None:
    layer = Layer()
    state = layer.state(texts)
    first, second = torch.randn(3, 24), torch.randn(6, 24)
    layer.step(first, state)

    state.expand(2)
    found = layer.step(second, state)

    assert state.sources[0][0].size(0) == 3  # still one source a prompt
    for row in range(6):
        expected = layer.alone(texts[row // 2], [first[row // 2], second[row]])
        torch.testing.assert_close(found[row], expected)


@torch.no_grad()
def test_what_is_kept_goes_on_as_if_it_were_alone(texts: list[Tensor]) -> None:
    layer = Layer()
    state = layer.state(texts)
    state.expand(2)
    first, second = torch.randn(6, 24), torch.randn(4, 24)
    layer.step(first, state)

    state.keep([2, 0])
    found = layer.step(second, state)

    for row, (text, past) in enumerate([(2, 4), (2, 5), (0, 0), (0, 1)]):
        expected = layer.alone(texts[text], [first[past], second[row]])
        torch.testing.assert_close(found[row], expected)


@pytest.mark.parametrize("length", [2, 5, 9])
@pytest.mark.parametrize("lengths", [[5, 3, 4], [5, 5, 5]], ids=["padded", "equal"])
@torch.no_grad()
def test_a_new_prompt_takes_a_slot(lengths: list[int], length: int) -> None:
    layer = Layer()
    torch.manual_seed(1)
    texts = [torch.randn(each, 24) for each in lengths]
    state = layer.state(texts)
    first, second = torch.randn(3, 24), torch.randn(3, 24)
    layer.step(first, state)
    fresh = [torch.randn(length, 24), torch.randn(2, 24)]
    other = layer.state(fresh, room=1)
    begun = torch.randn(2, 24)
    layer.step(begun, other)

    state.put(1, other, 0)
    found = layer.step(second, state)

    torch.testing.assert_close(found[0], layer.alone(texts[0], [first[0], second[0]]))
    torch.testing.assert_close(found[1], layer.alone(fresh[0], [begun[0], second[1]]))
    torch.testing.assert_close(found[2], layer.alone(texts[2], [first[2], second[2]]))
