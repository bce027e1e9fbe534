"""Published ``config.json`` files of the decoders here, read into their networks' configs."""

from collections.abc import Mapping
from typing import Any

from zoo.config import Fields
from zoo_gpt.gpt2 import GPT2Config


def gpt2(published: Mapping[str, Any]) -> GPT2Config:
    """Read a config of ``model_type`` gpt2."""
    fields = Fields(published, "gpt2")
    _language_model(fields, "GPT2LMHeadModel", "GPT2Model", "GPT2DoubleHeadsModel")
    fields.must_be("scale_attn_weights", True)
    fields.must_be("scale_attn_by_inverse_layer_idx", False)
    fields.must_be("add_cross_attention", False)
    # A precaution in half precision; ours computes scores in float32 anyway.
    fields.unused("reorder_and_upcast_attn")
    fields.unused("attn_pdrop", "embd_pdrop", "resid_pdrop", "n_ctx", "predict_special_tokens")
    fields.unused(*(f"summary_{x}" for x in ("activation", "first_dropout", "proj_to_labels")))
    fields.unused("summary_type", "summary_use_proj")
    width = fields.size("n_embd")
    config = GPT2Config(
        vocabulary=fields.size("vocab_size"),
        width=width,
        layers=fields.size("n_layer", most=1000),
        heads=fields.size("n_head"),
        hidden=fields.size("n_inner", default=4 * width),
        positions=fields.size("n_positions"),
        activation=fields.text("activation_function", default="gelu_new"),
        norm_eps=fields.number("layer_norm_epsilon", default=1e-5),
        tied=fields.flag("tie_word_embeddings", default=True),
    )
    fields.finish()
    return config


def _language_model(fields: Fields, *classes: str) -> None:
    """What all of them write and none of them needs; the class must have a language model's head.

    A bare model is one too where the head is tied.
    """
    fields.architecture(dict.fromkeys(classes, True))
    fields.unused("initializer_range", "pad_token_id", "attention_dropout", "pretraining_tp")
