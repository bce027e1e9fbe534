"""Published ``config.json`` files of T5 and FLAN-T5, read into a `T5Config`."""

from collections.abc import Mapping
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
    fields.must_be("is_encoder_decoder", True)
    fields.must_be("is_decoder", False)
    fields.unused("dropout_rate", "classifier_dropout", "initializer_factor", "n_positions")
    fields.unused("pad_token_id", "dense_act_fn", "is_gated_act", *GENERATION)
    kind = fields.text("feed_forward_proj", default="relu")
    gate, _, name = kind.rpartition("-")
    if gate not in ("", "gated"):
        raise CheckpointError(
            f"config.json: 'feed_forward_proj' is {kind!r}; architecture 't5' expects the name of "
            "an activation, or gated- before it"
        )
    tied = fields.flag("tie_word_embeddings", default=True)
    layers = fields.size("num_layers", default=6, most=1000)
    config = T5Config(
        vocabulary=fields.size("vocab_size", default=32128),
        width=fields.size("d_model", default=512),
        encoder_layers=layers,
        decoder_layers=fields.size("num_decoder_layers", default=layers, most=1000),
        heads=fields.size("num_heads", default=8),
        head_width=fields.size("d_kv", default=64),
        hidden=fields.size("d_ff", default=2048),
        # "gated-gelu" has always meant the tanh approximation.
        activation="gelu_new" if kind == "gated-gelu" else name,
        gated=gate == "gated",
        norm_eps=fields.number("layer_norm_epsilon", default=1e-6),
        buckets=fields.size("relative_attention_num_buckets", default=32),
        max_distance=fields.size("relative_attention_max_distance", default=128),
        tied=tied,
        scaled=fields.flag("scale_decoder_outputs", default=tied),
        start=fields.size("decoder_start_token_id", default=0, least=0),
    )
    fields.finish()
    return config
