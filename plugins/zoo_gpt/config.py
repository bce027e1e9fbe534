"""Published ``config.json`` files of the decoders here, read into their networks' configs."""

from collections.abc import Mapping
from typing import Any

from zoo.config import Fields
from zoo.errors import CheckpointError
from zoo_gpt.gpt2 import GPT2Config
from zoo_gpt.imagegpt import ImageGPTConfig
from zoo_gpt.llama import LlamaConfig
from zoo_gpt.neox import NeoXConfig
from zoo_gpt.opt import OPTConfig
from zoo_gpt.rotary import check_rotated, read_rotary


def gpt2(published: Mapping[str, Any]) -> GPT2Config:
    """Read a config of ``model_type`` gpt2."""
    fields = Fields(published, "gpt2")
    _language_model(fields, "GPT2LMHeadModel", "GPT2Model", "GPT2DoubleHeadsModel")
    _plain_gpt2(fields)
    fields.must_be("n_special", 0)  # more tokens, in versions that grew the vocabulary by them
    fields.unused("predict_special_tokens", "summary_type", "summary_use_proj")
    fields.unused(*(f"summary_{x}" for x in ("activation", "first_dropout", "proj_to_labels")))
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


def imagegpt(published: Mapping[str, Any]) -> ImageGPTConfig:
    """Read a config of ``model_type`` imagegpt; its vocabulary is the colours and the start."""
    fields = Fields(published, "imagegpt")
    # the first for today's transformers, the second as OpenAI's checkpoints were published
    fields.architecture(
        dict.fromkeys(("ImageGPTForCausalImageModeling", "ImageGPTLMHeadModel"), True)
    )
    _plain_gpt2(fields)
    fields.must_be("tie_word_embeddings", False)
    fields.unused("initializer_range", "pad_token_id")
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


def llama(published: Mapping[str, Any]) -> LlamaConfig:
    """Read a config of ``model_type`` llama: Llama 1 to 3, TinyLlama, SmolLM2."""
    fields = Fields(published, "llama")
    _language_model(fields, "LlamaForCausalLM", "LlamaModel")
    bias = fields.flag("attention_bias", default=False)
    return _llama(
        fields,
        qkv_bias=bias,
        output_bias=bias,
        feed_forward_bias=fields.flag("mlp_bias", default=False),
    )


def qwen2(published: Mapping[str, Any]) -> LlamaConfig:
    """Read a config of ``model_type`` qwen2: Qwen2 and Qwen2.5."""
    fields = Fields(published, "qwen2")
    _language_model(fields, "Qwen2ForCausalLM", "Qwen2Model")
    _no_window(fields)
    return _llama(fields, qkv_bias=True)


def qwen3(published: Mapping[str, Any]) -> LlamaConfig:
    """Read a config of ``model_type`` qwen3, whose heads are 128 wide unless it says otherwise."""
    fields = Fields(published, "qwen3")
    _language_model(fields, "Qwen3ForCausalLM", "Qwen3Model")
    _no_window(fields)
    bias = fields.flag("attention_bias", default=False)
    return _llama(fields, qkv_bias=bias, output_bias=bias, head_norm=True, head_width=128)


def gpt_neox(published: Mapping[str, Any]) -> NeoXConfig:
    """Read a config of ``model_type`` gpt_neox: GPT-NeoX and Pythia."""
    fields = Fields(published, "gpt-neox")
    _language_model(fields, "GPTNeoXForCausalLM", "GPTNeoXModel")
    fields.must_be("attention_bias", True)
    fields.must_be("is_decoder", False, True)
    fields.unused("hidden_dropout", "classifier_dropout")
    width, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    rotary = read_rotary(fields, theta="rotary_emb_base", share="rotary_pct", default=0.25)
    fields.unused("rope_theta", "partial_rotary_factor")  # repeated by some versions
    config = NeoXConfig(
        vocabulary=fields.size("vocab_size"),
        width=width,
        layers=fields.size("num_hidden_layers", most=1000),
        heads=heads,
        hidden=fields.size("intermediate_size"),
        positions=fields.size("max_position_embeddings"),
        activation=fields.text("hidden_act", default="gelu"),
        norm_eps=fields.number("layer_norm_eps", default=1e-5),
        rotated=check_rotated(int(width // heads * rotary.share), width // heads),
        theta=rotary.theta,
        scaling=rotary.scaling,
        parallel=fields.flag("use_parallel_residual", default=True),
        tied=fields.flag("tie_word_embeddings", default=False),
    )
    fields.finish()
    return config


def opt(published: Mapping[str, Any]) -> OPTConfig:
    """Read a config of ``model_type`` opt."""
    fields = Fields(published, "opt")
    _language_model(fields, "OPTForCausalLM", "OPTModel")
    fields.must_be("enable_bias", True)
    fields.must_be("layer_norm_elementwise_affine", True)
    fields.unused("dropout", "activation_dropout", "layerdrop", "init_std", "prefix")
    width = fields.size("hidden_size")
    pre_norm = fields.flag("do_layer_norm_before", default=True)
    config = OPTConfig(
        vocabulary=fields.size("vocab_size"),
        embedding_width=fields.size("word_embed_proj_dim", default=width),
        width=width,
        layers=fields.size("num_hidden_layers", most=1000),
        heads=fields.size("num_attention_heads"),
        hidden=fields.size("ffn_dim"),
        positions=fields.size("max_position_embeddings"),
        activation=fields.text("activation_function", default="relu"),
        norm_eps=1e-5,  # by definition
        pre_norm=pre_norm,
        final_norm=pre_norm and not fields.flag("_remove_final_layer_norm", default=False),
        tied=fields.flag("tie_word_embeddings", default=True),
    )
    fields.finish()
    return config


def _plain_gpt2(fields: Fields) -> None:
    """What could make attention another one, and what is of training."""
    fields.must_be("scale_attn_weights", True)
    fields.must_be("scale_attn_by_inverse_layer_idx", False)
    fields.must_be("add_cross_attention", False)
    # A precaution in half precision; ours computes scores in float32 anyway.
    fields.unused("reorder_and_upcast_attn")
    fields.unused("attn_pdrop", "embd_pdrop", "resid_pdrop", "n_ctx")


def _llama(
    fields: Fields,
    *,
    qkv_bias: bool,
    output_bias: bool = False,
    feed_forward_bias: bool = False,
    head_norm: bool = False,
    head_width: int | None = None,
) -> LlamaConfig:
    """What Llama and Qwen write alike."""
    width, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    rotary = read_rotary(fields, default=1.0)
    if rotary.share != 1:
        raise CheckpointError(
            f"config.json: partial_rotary_factor is {rotary.share}; here whole heads are turned"
        )
    fields.must_be("rope_interleaved", False)  # SmolLM2's note to itself, as the next
    fields.unused("is_llama_config")
    head = fields.size("head_dim", default=head_width or max(width // heads, 1))
    config = LlamaConfig(
        vocabulary=fields.size("vocab_size"),
        width=width,
        layers=fields.size("num_hidden_layers", most=1000),
        heads=heads,
        kv_heads=fields.size("num_key_value_heads", default=heads),
        head_width=check_rotated(head, head),
        hidden=fields.size("intermediate_size"),
        positions=fields.size("max_position_embeddings"),
        activation=fields.text("hidden_act", default="silu"),
        norm_eps=fields.number("rms_norm_eps", default=1e-6),
        theta=rotary.theta,
        scaling=rotary.scaling,
        qkv_bias=qkv_bias,
        output_bias=output_bias,
        feed_forward_bias=feed_forward_bias,
        head_norm=head_norm,
        tied=fields.flag("tie_word_embeddings", default=False),
    )
    fields.finish()
    return config


def _no_window(fields: Fields) -> None:
    """Qwen's window of attention and its positions in pictures, which none of these sizes uses."""
    fields.must_be("use_sliding_window", False)
    fields.must_be("use_mrope", False)  # Qwen2.5's files say so; it is of Qwen2-VL's pictures
    fields.unused("sliding_window", "max_window_layers")
    layers = fields.size("num_hidden_layers", most=1000)
    fields.must_be("layer_types", ["full_attention"] * layers)


def _language_model(fields: Fields, *classes: str) -> None:
    """What all of them write and none of them needs; the class must have a language model's head.

    A bare model is one too where the head is tied.
    """
    fields.architecture(dict.fromkeys(classes, True))
    fields.unused("initializer_range", "pad_token_id", "attention_dropout", "pretraining_tp")
