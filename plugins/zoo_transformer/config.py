"""Published ``config.json`` files of Marian's translators and of torch.nn.Transformer."""

from collections.abc import Mapping
from typing import Any

from zoo.config import GENERATION, Fields
from zoo_transformer.model import StackConfig, TransformerConfig, TranslatorConfig


def marian(published: Mapping[str, Any]) -> TranslatorConfig:
    """Read a config of ``model_type`` marian; the epsilon of its norms is 1e-5 by definition."""
    fields = Fields(published, "transformer")
    fields.architecture({"MarianMTModel": True})
    for name in ("normalize_before", "normalize_embedding", "add_final_layer_norm"):
        fields.must_be(name, False)
    # Marian was one class with BART in 2020, and files of that time have its fields.
    for name in ("do_blenderbot_90_layernorm", "force_bos_token_to_be_generated"):
        fields.must_be(name, False)
    fields.must_be("is_encoder_decoder", True)
    fields.must_be("is_decoder", False)
    fields.must_be("static_position_embeddings", True)
    fields.unused("activation_dropout", "attention_dropout", "classif_dropout", "dropout")
    fields.unused("classifier_dropout", "encoder_layerdrop", "decoder_layerdrop", "init_std")
    fields.unused("num_hidden_layers", "pad_token_id", "extra_pos_embeddings", "add_bias_logits")
    fields.unused(*GENERATION)
    width = fields.size("d_model", default=1024)
    activation = fields.text("activation_function", default="gelu")

    def stack(name: str) -> StackConfig:
        return StackConfig(
            width=width,
            layers=fields.size(f"{name}_layers", default=12, most=1000),
            heads=fields.size(f"{name}_attention_heads", default=16),
            hidden=fields.size(f"{name}_ffn_dim", default=4096),
            activation=activation,
            norm_eps=1e-5,
            final_norm=False,
        )

    vocabulary = fields.size("vocab_size", default=58101)
    target_vocabulary = fields.size("decoder_vocab_size", default=vocabulary)
    shared = fields.flag("share_encoder_decoder_embeddings", default=True)
    tied = fields.flag("tie_word_embeddings", default=True)
    config = TranslatorConfig(
        encoder=stack("encoder"),
        decoder=stack("decoder"),
        vocabulary=vocabulary,
        # transformers' shared matrix has the source's rows, whatever the other number says.
        target_vocabulary=vocabulary if shared else target_vocabulary,
        positions=fields.size("max_position_embeddings", default=1024),
        scaled=fields.flag("scale_embedding", default=False),
        shared=shared and tied,  # transformers unties all three matrices at once
        tied=tied,
        start=fields.size("decoder_start_token_id", default=58100, least=0),
    )
    fields.finish()
    return config


def torch(published: Mapping[str, Any]) -> TransformerConfig:
    """Read a config of ``model_type`` torch-transformer: the arguments of torch.nn.Transformer.

    torch saves no config beside a state dict; this one is written by hand, and says the arguments
    that the network was made with.
    """
    fields = Fields(published, "torch-transformer")
    fields.must_be("norm_first", False)
    fields.must_be("bias", True)
    fields.unused("dropout", "batch_first")
    width = fields.size("d_model", default=512)
    heads = fields.size("nhead", default=8)
    hidden = fields.size("dim_feedforward", default=2048)
    activation = fields.text("activation", default="relu")
    norm_eps = fields.number("layer_norm_eps", default=1e-5)

    def stack(name: str) -> StackConfig:
        layers = fields.size(f"num_{name}_layers", default=6, most=1000)
        return StackConfig(width, layers, heads, hidden, activation, norm_eps, final_norm=True)

    config = TransformerConfig(stack("encoder"), stack("decoder"))
    fields.finish()
    return config
