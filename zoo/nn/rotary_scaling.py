"""Published ways to stretch rotary positions beyond the texts that a model was first trained on.

Each is data from a ``config.json`` and the formula for it. Where the frequencies depend on how long
the text has become, tokens in a cache keep the angle that they were first turned by.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.nn.rotary import frequencies


@dataclass(frozen=True)
class Linear:
    """All angles are divided by a factor: positions are interpolated.

    Chen et al., "Extending Context Window … via Positional Interpolation", 2023.
    https://arxiv.org/abs/2306.15595
    """

    factor: float
    amplitude: float = 1.0

    def frequencies(self, width: int, theta: float, length: Tensor) -> Tensor:
        """(D/2,); see `zoo.nn.rotary.Scaling`."""
        return frequencies(width, theta, length.device) / self.factor


@dataclass(frozen=True)
class Dynamic:
    """The base grows with the text once it is longer than ``original_length`` tokens.

    Dynamic NTK-aware scaling, bloc97 and emozilla, 2023; described in YaRN, section 3.3.
    """

    factor: float
    original_length: int
    amplitude: float = 1.0

    def frequencies(self, width: int, theta: float, length: Tensor) -> Tensor:
        """(…, D/2); see `zoo.nn.rotary.Scaling`."""
        stretch = length.clamp(min=self.original_length) * self.factor / self.original_length
        base = theta * (stretch - (self.factor - 1)) ** (width / (width - 2))  # (…, 1)
        exponents = torch.arange(0, width, 2, device=length.device, dtype=torch.float32) / width
        return 1.0 / base**exponents


@dataclass(frozen=True)
class Yarn:
    """Slow pairs are interpolated, fast ones left as they are, those between are blended.

    Peng et al., "YaRN", 2023, section 3. https://arxiv.org/abs/2309.00071

    ``beta_fast`` and ``beta_slow`` are turns within ``original_length`` tokens, above and below
    which a pair is fast or slow; ``whole`` rounds the borders between them to whole pairs.
    """

    factor: float
    original_length: int
    amplitude: float
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    whole: bool = True

    def frequencies(self, width: int, theta: float, length: Tensor) -> Tensor:
        """(D/2,); see `zoo.nn.rotary.Scaling`."""

        def pair(turns: float) -> float:
            """The pair, fractional, that turns so often within the original length."""
            ratio = self.original_length / (turns * 2 * math.pi)
            return width * math.log(ratio) / (2 * math.log(theta))

        low, high = pair(self.beta_fast), pair(self.beta_slow)
        if self.whole:
            low, high = math.floor(low), math.ceil(high)
        low, high = max(low, 0), min(high, width - 1)
        fast = frequencies(width, theta, length.device)
        pairs = torch.arange(width // 2, device=length.device, dtype=torch.float32)
        ramp = ((pairs - low) / max(high - low, 0.001)).clamp(0, 1)
        return fast / self.factor * ramp + fast * (1 - ramp)


@dataclass(frozen=True)
class LongRope:
    """Each pair has a factor of its own, and another in texts over ``original_length`` tokens.

    Ding et al., "LongRoPE", 2024. https://arxiv.org/abs/2402.13753
    """

    short: tuple[float, ...]
    long: tuple[float, ...]
    original_length: int
    amplitude: float

    def frequencies(self, width: int, theta: float, length: Tensor) -> Tensor:
        """(…, D/2); see `zoo.nn.rotary.Scaling`."""
        short, long = (
            torch.tensor(factors, dtype=torch.float32, device=length.device)
            for factors in (self.short, self.long)
        )
        factors = torch.where(length > self.original_length, long, short)  # (…, D/2)
        exponents = torch.arange(0, width, 2, device=length.device, dtype=torch.float32) / width
        return 1.0 / (factors * theta**exponents)


@dataclass(frozen=True)
class Llama3:
    """As YaRN, with borders given as wavelengths, and no change of amplitude.

    "The Llama 3 Herd of Models", 2024; meta-llama/llama-models, models/llama3/model.py.

    A pair whose wave fits ``high`` times or more into ``original_length`` tokens is left as it is;
    one that fits ``low`` times or less is divided by ``factor``.
    """

    factor: float
    low: float
    high: float
    original_length: int
    amplitude: float = 1.0

    def frequencies(self, width: int, theta: float, length: Tensor) -> Tensor:
        """(D/2,); see `zoo.nn.rotary.Scaling`."""
        speeds = frequencies(width, theta, length.device)
        waves = self.original_length / (2 * math.pi / speeds)  # in the original length
        blend = ((waves - self.low) / (self.high - self.low)).clamp(0, 1)
        return (1 - blend) * speeds / self.factor + blend * speeds
