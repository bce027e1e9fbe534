"""Published ``config.json`` files of T5, FLAN-T5 and mT5, read into a `T5Config`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.config import GENERATION, Fields
from zoo.errors import CheckpointError
from zoo_t5.model import T5Config


def t5(published: Mapping[str, Any]) -> T5Config:
    """Read a config of ``model_type`` t5: T5ForConditionalGeneration.

    T5 1.0 ties its head to the embeddings, and scales what the head reads for that reason; T5 1.1
    does neither. transformers 5 writes ``tie_word_embeddings`` true for either, and
    ``scale_decoder_outputs`` beside it, which is then the one that tells.
    """
    fields = Fields(published, "t5")
    # The first T5 checkpoints were saved by a class that had this older name.
    fields.architecture({"T5ForConditionalGeneration": True, "T5WithLMHeadModel": True})
    tied = fields.flag("tie_word_embeddings", default=True)
    return _config(
        fields,
        _Defaults(vocabulary=32128, hidden=2048, layers=6, heads=8, feed_forward="relu"),
        tied=tied,
        scaled=fields.flag("scale_decoder_outputs", default=tied),
    )


def mt5(published: Mapping[str, Any]) -> T5Config:
    """Read a config of ``model_type`` mt5: T5 1.1 in 101 languages.

    Xue et al., "mT5", 2020. https://arxiv.org/abs/2010.11934
    The published files say that their head is not tied, and hold it; what is left out is tied.
    """
    fields = Fields(published, "mt5")
    fields.architecture({"MT5ForConditionalGeneration": True})
    fields.flag("tie_word_embeddings", default=True)
    return _config(
        fields,
        _Defaults(vocabulary=250112, hidden=1024, layers=8, heads=6, feed_forward="gated-gelu"),
        tied=True,
        scaled=False,
    )


@dataclass(frozen=True)
class _Defaults:
    """What transformers takes for fields that a file leaves out, where the two kinds differ."""

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    feed_forward: str


def _config(fields: Fields, defaults: _Defaults, *, tied: bool, scaled: bool) -> T5Config:
    """What both kinds write alike."""
    fields.must_be("is_encoder_decoder", True)
    fields.must_be("is_decoder", False)
    fields.unused("dropout_rate", "classifier_dropout", "initializer_factor", "n_positions")
    fields.unused("pad_token_id", "dense_act_fn", "is_gated_act", *GENERATION)
    kind = fields.text("feed_forward_proj", default=defaults.feed_forward)
    gate, _, name = kind.rpartition("-")
    if gate not in ("", "gated"):
        raise CheckpointError(
            f"config.json: 'feed_forward_proj' is {kind!r}; expected the name of an activation, "
            "or gated- before it"
        )
    layers = fields.size("num_layers", default=defaults.layers, most=1000)
    config = T5Config(
        vocabulary=fields.size("vocab_size", default=defaults.vocabulary),
        width=fields.size("d_model", default=512),
        encoder_layers=layers,
        decoder_layers=fields.size("num_decoder_layers", default=layers, most=1000),
        heads=fields.size("num_heads", default=defaults.heads),
        head_width=fields.size("d_kv", default=64),
        hidden=fields.size("d_ff", default=defaults.hidden),
        # "gated-gelu" has always meant the tanh approximation.
        activation="gelu_new" if kind == "gated-gelu" else name,
        gated=gate == "gated",
        norm_eps=fields.number("layer_norm_epsilon", default=1e-6),
        buckets=fields.size("relative_attention_num_buckets", default=32),
        max_distance=fields.size("relative_attention_max_distance", default=128),
        tied=tied,
        scaled=scaled,
        start=fields.size("decoder_start_token_id", default=0, least=0),
    )
    fields.finish()
    return config
