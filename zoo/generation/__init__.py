"""Text generation: one engine for all networks that produce a token at a time."""

from zoo.generation.beams import search
from zoo.generation.causal import CausalDecoder, CausalNetwork, CausalState
from zoo.generation.engine import Step, generate, steps
from zoo.generation.protocol import Decoder, State
from zoo.generation.result import Finish, Generated, Stop
from zoo.generation.settings import Settings

__all__ = [
    "CausalDecoder",
    "CausalNetwork",
    "CausalState",
    "Decoder",
    "Finish",
    "Generated",
    "Settings",
    "State",
    "Step",
    "Stop",
    "generate",
    "search",
    "steps",
]
