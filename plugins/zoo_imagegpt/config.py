"""A published ``config.json`` of ImageGPT, read into the network's config."""

from collections.abc import Mapping
from typing import Any

from zoo.config import Fields
from zoo_imagegpt.model import ImageGPTConfig


def imagegpt(published: Mapping[str, Any]) -> ImageGPTConfig:
    """Read a config of ``model_type`` imagegpt; its vocabulary is the colours and the start."""
    fields = Fields(published, "imagegpt")
    # the first for today's transformers, the second as OpenAI's checkpoints were published
    fields.architecture(
        dict.fromkeys(("ImageGPTForCausalImageModeling", "ImageGPTLMHeadModel"), True)
    )
    fields.must_be("scale_attn_weights", True)
    fields.must_be("scale_attn_by_inverse_layer_idx", False)
    fields.must_be("add_cross_attention", False)
    fields.must_be("tie_word_embeddings", False)
    # A precaution in half precision; ours computes scores in float32 anyway.
    fields.unused("reorder_and_upcast_attn")
    fields.unused("attn_pdrop", "embd_pdrop", "resid_pdrop", "initializer_range", "pad_token_id")
    fields.unused("n_ctx")
    width = fields.size("n_embd")
    config = ImageGPTConfig(
        colors=fields.size("vocab_size", least=2) - 1,
        width=width,
        layers=fields.size("n_layer", most=1000),
        heads=fields.size("n_head"),
        hidden=fields.size("n_inner", default=4 * width),
        positions=fields.size("n_positions"),
        activation=fields.text("activation_function", default="quick_gelu"),
        norm_eps=fields.number("layer_norm_epsilon", default=1e-5),
    )
    fields.finish()
    return config
