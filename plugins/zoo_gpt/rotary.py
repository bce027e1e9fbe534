"""The rotary positions that a published config asks for, in its old form or its new."""

import math
from dataclasses import dataclass

from zoo.config import Fields
from zoo.errors import CheckpointError
from zoo.nn.rotary import Scaling
from zoo.nn.rotary_scaling import Dynamic, Linear, Llama3, LongRope, Yarn


@dataclass(frozen=True)
class RotaryConfig:
    """``theta`` and ``scaling`` of `zoo.nn.Rotary`, and the share of each head that turns."""

    theta: float
    share: float
    scaling: Scaling | None


def read_rotary(
    fields: Fields,
    *,
    theta: str = "rope_theta",
    share: str = "partial_rotary_factor",
    default: float,
) -> RotaryConfig:
    """Read ``rope_parameters``, or ``rope_scaling`` beside fields of the top level.

    Args:
        fields: The whole config; ``max_position_embeddings`` is its original length unless it says
            otherwise.
        theta: The top-level name of the angles' base.
        share: The top-level name of the share that turns.
        default: The share if there is none.
    """
    base = fields.number(theta, default=10_000.0)
    turned = fields.number(share, default=default)
    positions = fields.size("max_position_embeddings")
    scaling_table = fields.table("rope_scaling")
    table = fields.table("rope_parameters") or scaling_table
    if table is None:
        return RotaryConfig(base, turned, None)
    base = table.number("rope_theta", default=base)
    turned = table.number("partial_rotary_factor", default=turned)
    kind = table.text("rope_type", default=table.text("type", default="default"))
    # Phi-3 writes it at the top level.
    original = fields.size(
        "original_max_position_embeddings",
        default=table.size("original_max_position_embeddings", default=positions),
    )
    scaling = _scaling(kind, table, positions, original)
    table.finish()
    return RotaryConfig(base, turned, scaling)


def check_rotated(width: int, of: int) -> int:
    """Return how many numbers of a head turn, if they are pairs within it.

    Raises:
        CheckpointError: They are not.
    """
    if of and (width % 2 or not 0 < width <= of):  # without a head, the network says so
        raise CheckpointError(
            f"config.json: {width} of the {of} numbers of a head turn by their position; expected "
            "pairs of them"
        )
    return width


def _scaling(kind: str, table: Fields, positions: int, original: int) -> Scaling | None:
    match kind:
        case "default":
            return None
        case "linear":
            return Linear(table.number("factor"))
        case "dynamic":
            return Dynamic(table.number("factor"), positions)
        case "llama3":
            return Llama3(
                table.number("factor"),
                table.number("low_freq_factor"),
                table.number("high_freq_factor"),
                original,
            )
        case "yarn":
            factor = table.number("factor", default=positions / original)
            return Yarn(
                factor,
                original,
                table.number("attention_factor", default=_yarn_amplitude(table, factor)),
                table.number("beta_fast", default=32.0),
                table.number("beta_slow", default=1.0),
                whole=table.flag("truncate", default=True),
            )
        case "longrope" | "su":
            factor = table.number("factor", default=positions / original)
            grown = math.sqrt(1 + math.log(max(factor, 1.0)) / math.log(original))
            return LongRope(
                table.numbers("short_factor"),
                table.numbers("long_factor"),
                original,
                table.number("attention_factor", default=grown),
            )
    raise CheckpointError(
        f"config.json: rope_type is {kind!r}; zoo has default, dynamic, linear, llama3, longrope, "
        "yarn"
    )


def _yarn_amplitude(table: Fields, factor: float) -> float:
    """YaRN, equation 22; DeepSeek's two scales replace its constant."""

    def grown(scale: float) -> float:
        return 0.1 * scale * math.log(max(factor, 1.0)) + 1.0

    if table.has("mscale") and table.has("mscale_all_dim"):
        return grown(table.number("mscale")) / grown(table.number("mscale_all_dim"))
    table.unused("mscale", "mscale_all_dim")
    return grown(1.0)
