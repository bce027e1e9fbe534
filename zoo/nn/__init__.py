"""The parts that architectures share, each written once. Needs torch, and nothing else of zoo."""

from zoo.nn.activation import activation
from zoo.nn.attention import Attention, KeysValues, attend
from zoo.nn.cache import Cache, KVCache, LayerCache, place
from zoo.nn.feed_forward import FeedForward, GatedFeedForward
from zoo.nn.initialisation import NoInitialisation
from zoo.nn.linear import OneDnnLinear, PackedLinear, pack_linears, together, use_onednn
from zoo.nn.patches import PatchEmbedding, patchify, resample_grid, unpatchify
from zoo.nn.rotary import Rotary
from zoo.nn.segments import Segments
from zoo.nn.source import SourceState
from zoo.nn.tree import Forest, TokenTree

__all__ = [
    "Attention",
    "Cache",
    "FeedForward",
    "Forest",
    "GatedFeedForward",
    "KVCache",
    "KeysValues",
    "LayerCache",
    "NoInitialisation",
    "OneDnnLinear",
    "PackedLinear",
    "PatchEmbedding",
    "Rotary",
    "Segments",
    "SourceState",
    "TokenTree",
    "activation",
    "attend",
    "pack_linears",
    "patchify",
    "place",
    "resample_grid",
    "together",
    "unpatchify",
    "use_onednn",
]
