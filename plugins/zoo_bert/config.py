"""Published ``config.json`` files of BERT, RoBERTa and DistilBERT, read into a `BertConfig`."""

from collections.abc import Mapping
from typing import Any, Literal

from zoo.config import GENERATION, Fields
from zoo.errors import CheckpointError
from zoo_bert.model import BertConfig

Head = Literal["masked-language-model", "classification"]

# transformers' class names, by what they have: the file says which one it was saved from.
_HEADS: dict[str, Head | None] = {
    "Model": None,
    "ForMaskedLM": "masked-language-model",
    "ForPreTraining": "masked-language-model",
    "ForSequenceClassification": "classification",
}

# What sentence-transformers writes of its CrossEncoder, before version 4 and since.
_CROSS_ENCODER = ("sbert_ce_default_activation_function", "sentence_transformers")


def bert(published: Mapping[str, Any]) -> BertConfig:
    """Read a config of ``model_type`` bert."""
    fields = Fields(published, "bert")
    head = _head(fields, "Bert")
    return _encoder(fields, head, first_position=0, head_activation=fields.text("hidden_act"))


def roberta(published: Mapping[str, Any]) -> BertConfig:
    """Read a config of ``model_type`` roberta or xlm-roberta.

    Positions are counted from ``pad_token_id + 1``, as fairseq did. The head of the masked language
    model has GELU whatever ``hidden_act`` says.
    """
    fields = Fields(published, "roberta")
    head = _head(fields, "Roberta", "XLMRoberta")
    return _encoder(
        fields,
        head,
        first_position=fields.size("pad_token_id", default=1, least=0) + 1,
        head_activation="gelu",
    )


def distilbert(published: Mapping[str, Any]) -> BertConfig:
    """Read a config of ``model_type`` distilbert, whose norm has an epsilon of 1e-12 by definition.

    ``sinusoidal_pos_embds`` says how the position table was made; the table itself is in the file.
    """
    fields = Fields(published, "distilbert")
    head = _head(fields, "DistilBert")
    _no_variant(fields)
    fields.unused("sinusoidal_pos_embds", "seq_classif_dropout", "qa_dropout", "dropout")
    fields.unused("attention_dropout", "initializer_range", "pad_token_id", "tie_weights_")
    activation = fields.text("activation", default="gelu")
    labels, multi_label = fields.labels() if head == "classification" else ((), False)
    config = BertConfig(
        vocabulary=fields.size("vocab_size"),
        width=fields.size("dim"),
        layers=fields.size("n_layers", most=1000),
        heads=fields.size("n_heads"),
        hidden=fields.size("hidden_dim"),
        positions=fields.size("max_position_embeddings"),
        first_position=0,
        segments=0,
        activation=activation,
        norm_eps=1e-12,
        head=head,
        head_activation="relu" if head == "classification" else activation,
        tied=fields.flag("tie_word_embeddings", default=True),
        labels=labels,
        multi_label=multi_label,
    )
    fields.finish()
    return config


def _encoder(
    fields: Fields, head: Head | None, *, first_position: int, head_activation: str
) -> BertConfig:
    """What BERT and RoBERTa write alike."""
    _no_variant(fields)
    fields.must_be("position_embedding_type", "absolute")
    fields.must_be("add_cross_attention", False)
    fields.must_be("embedding_size", fields.size("hidden_size"))  # ALBERT's and ELECTRA's factor
    fields.unused("attention_probs_dropout_prob", "hidden_dropout_prob", "classifier_dropout")
    fields.unused("initializer_range", "pad_token_id", "directionality", "layer_norm_type")
    fields.unused(*(f"pooler_{x}" for x in ("fc_size", "num_attention_heads", "num_fc_layers")))
    fields.unused("pooler_size_per_head", "pooler_type")
    labels, multi_label = fields.labels() if head == "classification" else ((), False)
    config = BertConfig(
        vocabulary=fields.size("vocab_size"),
        width=fields.size("hidden_size"),
        layers=fields.size("num_hidden_layers", most=1000),
        heads=fields.size("num_attention_heads"),
        hidden=fields.size("intermediate_size"),
        positions=fields.size("max_position_embeddings"),
        first_position=first_position,
        segments=fields.size("type_vocab_size", default=2),
        activation=fields.text("hidden_act", default="gelu"),
        norm_eps=fields.number("layer_norm_eps", default=1e-12),
        head=head,
        head_activation="tanh" if head == "classification" else head_activation,
        tied=fields.flag("tie_word_embeddings", default=True),
        labels=labels,
        multi_label=multi_label,
    )
    fields.finish()
    return config


def _no_variant(fields: Fields) -> None:
    """Refuse what can be made of any of the three, and this network is not."""
    for name in _CROSS_ENCODER:
        if fields.has(name):
            raise CheckpointError(
                f"config.json: {name!r} is there, so this is a cross-encoder, which scores pairs "
                "of texts; zoo's text-classification takes one text at a time: use "
                "sentence_transformers.CrossEncoder"
            )
    fields.must_be("is_decoder", False)
    fields.must_be("is_encoder_decoder", False)
    fields.must_be("pruned_heads", {})
    # transformers before 2.5 wrote it for every model; an encoder generates no text.
    fields.unused("eos_token_ids", *GENERATION)


def _head(fields: Fields, *families: str) -> Head | None:
    """The head that ``architectures`` names.

    Configs of 2019 lack the field; those checkpoints were published as they had been pretrained.
    """
    known = {family + kind: head for family in families for kind, head in _HEADS.items()}
    if not fields.has("architectures"):
        return "masked-language-model"
    return fields.architecture(known)
