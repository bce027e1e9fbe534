"""Multi-head attention, once, for all architectures."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.nn.cache import Cache
from zoo.nn.linear import together
from zoo.nn.rotary import Rotary
from zoo.nn.segments import Segments

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of one attention layer, (B, G, S, D) each."""


class Attention(nn.Module):
    """Self-attention, or cross-attention when a context is given.

    With fewer key-value heads than heads, several query heads share one (grouped-query attention).

    Shapes: B batch, T query length, S key length, C width, H heads, G key-value heads, D width of
    a head.
    Vaswani et al., "Attention Is All You Need", 2017, section 3.2. https://arxiv.org/abs/1706.03762
    Ainslie et al., "GQA", 2023. https://arxiv.org/abs/2305.13245

    Args:
        width: C, size of a token vector.
        heads: H.
        kv_heads: G, divides ``heads``; as many as heads unless given.
        head_width: D; C / H unless given.
        bias: Whether the four projections add a bias.

    Raises:
        ValueError: ``heads`` does not divide ``width``, or ``kv_heads`` not ``heads``.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        kv_heads: int | None = None,
        head_width: int | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if head_width is None and width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}")
        self.heads = heads
        self.kv_heads = heads if kv_heads is None else kv_heads
        if heads % self.kv_heads:
            raise ValueError(f"{self.kv_heads} key-value heads do not divide {heads} heads")
        self.head_width = width // heads if head_width is None else head_width
        self.query = nn.Linear(width, heads * self.head_width, bias=bias)
        self.key = nn.Linear(width, self.kv_heads * self.head_width, bias=bias)
        self.value = nn.Linear(width, self.kv_heads * self.head_width, bias=bias)
        self.output = nn.Linear(heads * self.head_width, width, bias=bias)

    def forward(
        self,
        x: Tensor,
        context: Tensor | KeysValues | None = None,
        *,
        mask: Tensor | Segments | None = None,
        causal: bool = False,
        rotary: Rotary | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """(B, T, C) -> (B, T, C).

        Args:
            x: Tokens that ask, (B, T, C).
            context: Tokens that answer, (B, S, C), or what `keys_values` made of them; ``x`` itself
                unless given.
            mask: What may be attended to; see `attend`.
            causal: Whether a token sees only itself and those before it.
            rotary: Turns queries and keys by their positions.
            cache: Keys and values of earlier tokens, which these are appended to.
        """
        if context is None:
            projected = together(x, self.query, self.key, self.value)
            query, key, value = map(self._split_heads, projected)  # (B, H, T, D), (B, G, T, D)
        else:
            query = self._split_heads(self.query(x))  # (B, H, T, D)
            key, value = context if isinstance(context, tuple) else self.keys_values(context)
        if rotary is not None:
            query, key = rotary(query), rotary(key)
        if cache is not None:
            key, value = cache.append(key, value)
        attended = attend(query, key, value, mask=mask, causal=causal)  # (B, H, T, D)
        return self.output(attended.transpose(1, 2).flatten(2))  # (B, T, C)

    def keys_values(self, context: Tensor) -> KeysValues:
        """(B, S, C) -> keys and values, (B, G, S, D): made once if asked of many times."""
        key, value = together(context, self.key, self.value)
        return self._split_heads(key), self._split_heads(value)

    def _split_heads(self, x: Tensor) -> Tensor:
        """(B, T, heads · D) -> (B, heads, T, D)."""
        return x.unflatten(-1, (-1, self.head_width)).transpose(1, 2)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    mask: Tensor | Segments | None = None,
    causal: bool = False,
) -> Tensor:
    """Average values by how well their keys answer the query: softmax(QKᵀ / √D) V.

    Shapes: query (B, H, T, D), key and value (B, G, S, D), result (B, H, T, D).

    Of fewer keys than queries, (B / n, G, S, D), n neighbouring rows ask the same: the beams of a
    prompt. They are computed side by side, as (B / n, H, n · T, D), which is the mask's shape too.

    Args:
        query: What is asked.
        key: What it is compared with.
        value: What is averaged.
        mask: True where a query may look at a key, broadcast to (B, H, T, S); or numbers of that
            shape to add to the scores; or the segments of a packed row.
        causal: Whether token t sees only keys up to its own. The last query stands at the last
            key, also when earlier keys come from a cache.
    """
    if isinstance(mask, Segments):
        return mask.attend(query, key, value, causal=causal)
    T, S = query.size(2), key.size(2)
    causal = causal and T > 1  # a single query stands at the last key and sees them all
    if len(query) != len(key):
        if causal:
            raise ValueError(f"rows that share keys ask 1 token at a time, not {T}, to be causal")
        asked = query.unflatten(0, (len(key), -1)).transpose(1, 2)  # (B/n, H, n, T, D)
        answer = attend(asked.flatten(2, 3), key, value, mask=mask)  # (B/n, H, n·T, D)
        return answer.unflatten(2, (-1, T)).transpose(1, 2).flatten(0, 1)
    if causal and (mask is not None or T != S):
        # SDPA aligns its own causal mask at the first key, and takes no other beside it.
        mask = _join(mask, _lower_right(T, S, query.device))
        causal = False
    if T == 1 and query.device.type == "cpu" and query.dtype in (torch.bfloat16, torch.float16):
        # torch takes two to four times as long for a single query of 16 bits as for one of 32.
        if mask is not None and mask.is_floating_point():
            mask = mask.float()
        answer = attend(query.float(), key.float(), value.float(), mask=mask)
        return answer.to(query.dtype)
    return F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        is_causal=causal,
        enable_gqa=query.size(1) != key.size(1),
    )


def _lower_right(T: int, S: int, device: torch.device) -> Tensor:
    """A causal mask for the last T of S tokens: (T, S), True where attention is allowed."""
    return torch.ones(T, S, dtype=torch.bool, device=device).tril(S - T)


def _join(mask: Tensor | None, causal: Tensor) -> Tensor:
    if mask is None:
        return causal
    if mask.dtype == torch.bool:
        return mask & causal
    return mask.masked_fill(~causal, float("-inf"))
