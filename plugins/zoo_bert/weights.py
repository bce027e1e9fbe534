"""The tensor names of published BERT, RoBERTa and DistilBERT checkpoints (transformers' layout)."""

from zoo.weights import Rule, WeightMap, same
from zoo_bert.model import BertConfig

# TensorFlow's names for a norm's weight and bias, kept by checkpoints converted from it.
LEGACY = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}

POSITION_IDS = {
    "{base}embeddings.position_ids": "the numbers 0, 1, 2, …, which the network counts itself"
}
POOLER = {"{base}pooler.dense.{p}": "it served the next-sentence task; embeddings pool the tokens"}


def bert(config: BertConfig) -> WeightMap:
    """BertModel, BertForMaskedLM, BertForPreTraining, BertForSequenceClassification."""
    head: tuple[Rule, ...] = ()
    ignore = POSITION_IDS | POOLER
    if config.head == "masked-language-model":
        head = (
            same("cls.predictions.transform.dense.{p}", "transform.{p}"),
            same("cls.predictions.transform.LayerNorm.{p}", "norm.{p}"),
            same("cls.predictions.decoder.weight", "decoder.weight"),
            _decoder_bias(config, "cls.predictions"),
        )
        ignore = ignore | {
            "cls.seq_relationship.{p}": "the head of the next-sentence task, which no task reads"
        }
    if config.head == "classification":
        head = (
            same("{base}pooler.dense.{p}", "transform.{p}"),
            same("classifier.{p}", "classifier.{p}"),
        )
        ignore = POSITION_IDS
    return _weight_map("bert", config, (*_encoder(config), *head), ignore)


def roberta(config: BertConfig) -> WeightMap:
    """RobertaModel, RobertaForMaskedLM, RobertaForSequenceClassification, and XLM-R's."""
    head: tuple[Rule, ...] = ()
    if config.head == "masked-language-model":
        head = (
            same("lm_head.dense.{p}", "transform.{p}"),
            same("lm_head.layer_norm.{p}", "norm.{p}"),
            same("lm_head.decoder.weight", "decoder.weight"),
            _decoder_bias(config, "lm_head"),
        )
    if config.head == "classification":
        head = (
            same("classifier.dense.{p}", "transform.{p}"),
            same("classifier.out_proj.{p}", "classifier.{p}"),
        )
    return _weight_map("roberta", config, (*_encoder(config), *head), POSITION_IDS | POOLER)


def distilbert(config: BertConfig) -> WeightMap:
    """DistilBertModel, DistilBertForMaskedLM, DistilBertForSequenceClassification."""
    layer, block = "{base}transformer.layer.{n}", _encoder_name(config, "blocks.{n}")
    embeddings = _encoder_name(config, "embeddings")
    rules = (
        same("{base}embeddings.word_embeddings.weight", f"{embeddings}.token.weight"),
        same("{base}embeddings.position_embeddings.weight", f"{embeddings}.position.weight"),
        same("{base}embeddings.LayerNorm.{p}", f"{embeddings}.norm.{{p}}"),
        same(f"{layer}.attention.q_lin.{{p}}", f"{block}.attention.query.{{p}}"),
        same(f"{layer}.attention.k_lin.{{p}}", f"{block}.attention.key.{{p}}"),
        same(f"{layer}.attention.v_lin.{{p}}", f"{block}.attention.value.{{p}}"),
        same(f"{layer}.attention.out_lin.{{p}}", f"{block}.attention.output.{{p}}"),
        same(f"{layer}.sa_layer_norm.{{p}}", f"{block}.attention_norm.{{p}}"),
        same(f"{layer}.ffn.lin1.{{p}}", f"{block}.feed_forward.up.{{p}}"),
        same(f"{layer}.ffn.lin2.{{p}}", f"{block}.feed_forward.down.{{p}}"),
        same(f"{layer}.output_layer_norm.{{p}}", f"{block}.feed_forward_norm.{{p}}"),
    )
    head: tuple[Rule, ...] = ()
    if config.head == "masked-language-model":
        head = (
            same("vocab_transform.{p}", "transform.{p}"),
            same("vocab_layer_norm.{p}", "norm.{p}"),
            same("vocab_projector.{p}", "decoder.{p}"),
        )
    if config.head == "classification":
        head = (
            same("pre_classifier.{p}", "transform.{p}"),
            same("classifier.{p}", "classifier.{p}"),
        )
    return _weight_map("distilbert", config, (*rules, *head), POSITION_IDS)


def _encoder(config: BertConfig) -> tuple[Rule, ...]:
    """BERT's and RoBERTa's encoder: the names are the same but for the base prefix."""
    layer, block = "{base}encoder.layer.{n}", _encoder_name(config, "blocks.{n}")
    embeddings = _encoder_name(config, "embeddings")
    return (
        same("{base}embeddings.word_embeddings.weight", f"{embeddings}.token.weight"),
        same("{base}embeddings.position_embeddings.weight", f"{embeddings}.position.weight"),
        same("{base}embeddings.token_type_embeddings.weight", f"{embeddings}.segment.weight"),
        same("{base}embeddings.LayerNorm.{p}", f"{embeddings}.norm.{{p}}"),
        same(f"{layer}.attention.self.query.{{p}}", f"{block}.attention.query.{{p}}"),
        same(f"{layer}.attention.self.key.{{p}}", f"{block}.attention.key.{{p}}"),
        same(f"{layer}.attention.self.value.{{p}}", f"{block}.attention.value.{{p}}"),
        same(f"{layer}.attention.output.dense.{{p}}", f"{block}.attention.output.{{p}}"),
        same(f"{layer}.attention.output.LayerNorm.{{p}}", f"{block}.attention_norm.{{p}}"),
        same(f"{layer}.intermediate.dense.{{p}}", f"{block}.feed_forward.up.{{p}}"),
        same(f"{layer}.output.dense.{{p}}", f"{block}.feed_forward.down.{{p}}"),
        same(f"{layer}.output.LayerNorm.{{p}}", f"{block}.feed_forward_norm.{{p}}"),
    )


def _decoder_bias(config: BertConfig, head: str) -> Rule:
    """The bias, which a tied head stores under the head's name and an untied one as the decoder's.

    transformers computes with the decoder's; untied, it may save the head's beside it, untrained.
    """
    if config.tied:
        return same(f"{head}.bias", "decoder.bias", also=(f"{head}.decoder.bias",))
    return same(f"{head}.decoder.bias", "decoder.bias", fallback=(f"{head}.bias",))


def _weight_map(
    name: str, config: BertConfig, rules: tuple[Rule, ...], ignore: dict[str, str]
) -> WeightMap:
    """A map that writes the base prefix under a head, and none without, as transformers does."""
    base = ("", f"{name}.") if config.head is None else (f"{name}.", "")
    tied = {"decoder.weight": "encoder.embeddings.token.weight"}
    return WeightMap(
        name,
        rules,
        base=base,
        legacy=LEGACY,
        ignore=ignore,
        tied=tied if config.tied and config.head == "masked-language-model" else {},
    )


def _encoder_name(config: BertConfig, name: str) -> str:
    """Our name of a part of the encoder, which stands alone or under a head."""
    return name if config.head is None else f"encoder.{name}"
