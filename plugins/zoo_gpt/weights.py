"""The tensor names of published decoders (transformers' layout)."""

from collections.abc import Mapping

from zoo.weights import WeightMap, fused, interleaved, same, transposed
from zoo_gpt.gpt2 import GPT2Config
from zoo_gpt.imagegpt import ImageGPTConfig
from zoo_gpt.llama import LlamaConfig
from zoo_gpt.neox import NeoXConfig
from zoo_gpt.opt import OPTConfig

CAUSAL_MASK = "the causal mask, which attention computes"
FREQUENCIES = "the rotary frequencies, which follow from the config"
TIED = {"head.weight": "token_embedding.weight"}


def gpt2(config: GPT2Config) -> WeightMap:
    """GPT2LMHeadModel and GPT2Model."""
    return _gpt2("gpt2", TIED if config.tied else {})


def imagegpt(config: ImageGPTConfig) -> WeightMap:
    """ImageGPTForCausalImageModeling; its norms have no bias, and its head is its own."""
    return _gpt2("imagegpt", {})


def _gpt2(name: str, tied: Mapping[str, str]) -> WeightMap:
    """GPT-2's names; matrices are stored (in, out)."""
    block, ours = "{base}h.{n}", "blocks.{n}"
    qkv = ("query", "key", "value")
    rules = [
        same("{base}wte.weight", "token_embedding.weight"),
        same("{base}wpe.weight", "position_embedding.weight"),
        same(f"{block}.ln_1.{{p}}", f"{ours}.attention_norm.{{p}}"),
        same(f"{block}.ln_2.{{p}}", f"{ours}.feed_forward_norm.{{p}}"),
        transposed(f"{block}.attn.c_attn.weight", *(f"{ours}.attention.{x}.weight" for x in qkv)),
        fused(f"{block}.attn.c_attn.bias", *(f"{ours}.attention.{x}.bias" for x in qkv)),
        same("{base}ln_f.{p}", "norm.{p}"),
        same("lm_head.weight", "head.weight"),
    ]
    for theirs, part in (
        ("attn.c_proj", "attention.output"),
        ("mlp.c_fc", "feed_forward.up"),
        ("mlp.c_proj", "feed_forward.down"),
    ):
        rules.append(transposed(f"{block}.{theirs}.weight", f"{ours}.{part}.weight"))
        rules.append(same(f"{block}.{theirs}.bias", f"{ours}.{part}.bias"))
    return WeightMap(
        name,
        rules=tuple(rules),
        base=("transformer.", ""),
        ignore={
            f"{block}.attn.bias": CAUSAL_MASK,
            f"{block}.attn.masked_bias": "what the mask fills in",
        },
        tied=tied,
    )


def llama(config: LlamaConfig) -> WeightMap:
    """LlamaForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM."""
    block, ours = "{base}layers.{n}", "blocks.{n}"
    names = {
        "input_layernorm": "attention_norm",
        "post_attention_layernorm": "feed_forward_norm",
        "self_attn.q_proj": "attention.query",
        "self_attn.k_proj": "attention.key",
        "self_attn.v_proj": "attention.value",
        "self_attn.o_proj": "attention.output",
        "self_attn.q_norm": "attention.query_norm",
        "self_attn.k_norm": "attention.key_norm",
        "mlp.gate_proj": "feed_forward.gate",
        "mlp.up_proj": "feed_forward.up",
        "mlp.down_proj": "feed_forward.down",
    }
    return WeightMap(
        "llama",
        rules=(
            same("{base}embed_tokens.weight", "token_embedding.weight"),
            *(same(f"{block}.{a}.{{p}}", f"{ours}.{b}.{{p}}") for a, b in names.items()),
            same("{base}norm.weight", "norm.weight"),
            same("lm_head.weight", "head.weight"),
        ),
        base=("model.", ""),
        ignore={f"{block}.self_attn.rotary_emb.inv_freq": FREQUENCIES},
        tied=TIED if config.tied else {},
    )


def neox(config: NeoXConfig) -> WeightMap:
    """GPTNeoXForCausalLM; query, key and value stand together head by head."""
    block, ours = "{base}layers.{n}", "blocks.{n}"
    names = {
        "input_layernorm": "attention_norm",
        "post_attention_layernorm": "feed_forward_norm",
        "attention.dense": "attention.output",
        "mlp.dense_h_to_4h": "feed_forward.up",
        "mlp.dense_4h_to_h": "feed_forward.down",
    }
    qkv = (f"{ours}.attention.{x}.{{p}}" for x in ("query", "key", "value"))
    return WeightMap(
        "gpt-neox",
        rules=(
            same("{base}embed_in.weight", "token_embedding.weight"),
            interleaved(f"{block}.attention.query_key_value.{{p}}", *qkv, heads=config.heads),
            *(same(f"{block}.{a}.{{p}}", f"{ours}.{b}.{{p}}") for a, b in names.items()),
            same("{base}final_layer_norm.{p}", "norm.{p}"),
            same("embed_out.weight", "head.weight", also=("lm_head.weight",)),
        ),
        base=("gpt_neox.", ""),
        ignore={
            f"{block}.attention.bias": CAUSAL_MASK,
            f"{block}.attention.masked_bias": "what the mask fills in",
            f"{block}.attention.rotary_emb.inv_freq": FREQUENCIES,
        },
        tied=TIED if config.tied else {},
    )


def opt(config: OPTConfig) -> WeightMap:
    """OPTForCausalLM and OPTModel."""
    block, ours = "{base}decoder.layers.{n}", "blocks.{n}"
    names = {
        "self_attn.q_proj": "attention.query",
        "self_attn.k_proj": "attention.key",
        "self_attn.v_proj": "attention.value",
        "self_attn.out_proj": "attention.output",
        "self_attn_layer_norm": "attention_norm",
        "fc1": "feed_forward.up",
        "fc2": "feed_forward.down",
        "final_layer_norm": "feed_forward_norm",
    }
    return WeightMap(
        "opt",
        rules=(
            same("{base}decoder.embed_tokens.weight", "token_embedding.weight"),
            same("{base}decoder.embed_positions.weight", "position_embedding.weight"),
            same("{base}decoder.project_in.weight", "widen.weight"),
            same("{base}decoder.project_out.weight", "narrow.weight"),
            *(same(f"{block}.{a}.{{p}}", f"{ours}.{b}.{{p}}") for a, b in names.items()),
            same("{base}decoder.final_layer_norm.{p}", "norm.{p}"),
            same("lm_head.weight", "head.weight"),
        ),
        base=("model.", ""),
        tied=TIED if config.tied else {},
    )
