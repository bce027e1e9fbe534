"""The keys and values of past tokens, kept so that decoding computes each once."""

from torch import Tensor


class LayerCache:
    """Keys and values of one attention layer, in memory that is reserved once.

    Shapes: B batch, H key-value heads, S tokens at most, D width of a head.

    Example::

        cache = LayerCache((1, 8, 1024, 64), like=x)
        y = attention(prompt, causal=True, cache=cache)   # stores all tokens of the prompt
        y = attention(token, causal=True, cache=cache)    # attends to them, and stores one more

    Args:
        shape: (B, H, S, D).
        like: A tensor whose device and dtype the cache takes.
    """

    def __init__(self, shape: tuple[int, int, int, int], *, like: Tensor) -> None:
        self.keys = like.new_empty(shape)
        self.values = like.new_empty(shape)
        self.length = 0

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store (B, H, T, D) keys and values; return all that are stored so far.

        Raises:
            ValueError: The new tokens do not fit, or are of another shape.
        """
        B, H, _, D = self.keys.shape
        T = keys.size(2)
        if not keys.shape == values.shape == (B, H, T, D):  # assigning would broadcast
            raise ValueError(
                f"the cache takes keys and values of shape {(B, H, T, D)}, "
                f"got {tuple(keys.shape)} and {tuple(values.shape)}"
            )
        end = self.length + T
        if end > self.keys.size(2):
            raise ValueError(
                f"the cache holds {self.keys.size(2)} tokens; "
                f"{self.length} are stored and {T} more came"
            )
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]
