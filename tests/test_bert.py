"""zoo_bert against transformers: the same files, the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import zoo
import zoo_bert.config
from tests.checkpoints import (
    CLASSES,
    Save,
    change_json,
    change_weights,
    copy_checkpoint,
    load,
)
from zoo.checkpoint import Files
from zoo.errors import CheckpointError, WeightMapError
from zoo.text import TokenBatch, load_preprocessor

# Both sides compute in float32, in another order: a few units in the last place.
TOLERANCE = 1e-5

TEXTS = [
    "A man in a red shirt rides a brown horse through the old city.",
    "Two women play music.",
    "Cold.",
    "我喜欢在公园里听音乐。",
]


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=0)


def all_close(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        close(one, other)


def ours(folder: Path, texts: list[str], *, packed: bool) -> list[Tensor]:
    """What the network says of each text: a row a token, or one row from a classifier."""
    model = load(folder)
    network: Any = model.network
    encodings = model.preprocessor.encode(texts)
    batch = TokenBatch(encodings, packed=packed, device=torch.device("cpu"))
    with torch.no_grad():
        hidden = network.encoder(
            batch.tokens, positions=batch.positions, segments=batch.segments, mask=batch.mask
        )
        if hasattr(network, "classify"):
            return list(network.classify(batch.first(hidden)))
        rows = batch.rows(hidden)
        return [network.predict(row) for row in rows] if hasattr(network, "predict") else rows


def theirs(folder: Path, model: Callable[..., Any], texts: list[str]) -> list[Tensor]:
    """What transformers says, one text at a time: no padding, hence nothing to get wrong."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        outputs = [model(**tokenizer(text, return_tensors="pt")) for text in texts]
    return [
        next(
            output[name][0]
            for name in ("logits", "prediction_logits", "last_hidden_state")
            if name in output
        )
        for output in outputs
    ]


@pytest.mark.parametrize("randomised", [True, False], ids=["all random", "as initialised"])
@pytest.mark.parametrize("class_name", CLASSES)
def test_every_class_gives_the_numbers_of_transformers(
    class_name: str, randomised: bool, save: Save
) -> None:
    folder, model = save(class_name, randomised=randomised)
    expected = theirs(folder, model, TEXTS)

    for packed in (True, False):
        all_close(ours(folder, TEXTS, packed=packed), expected)
    for text, other in zip(TEXTS, expected, strict=True):
        close(ours(folder, [text], packed=False)[0], other)


@pytest.mark.parametrize(
    ("class_name", "changes"),
    [
        ("BertForMaskedLM", {"hidden_act": "relu", "layer_norm_eps": 1e-3}),
        ("BertForMaskedLM", {"hidden_act": "gelu_new", "type_vocab_size": 1}),
        ("RobertaForMaskedLM", {"hidden_act": "relu", "layer_norm_eps": 1e-5}),
        ("RobertaForSequenceClassification", {"hidden_act": "relu", "num_labels": 5}),
        ("RobertaModel", {"type_vocab_size": 1}),
        ("DistilBertForMaskedLM", {"activation": "relu", "sinusoidal_pos_embds": True}),
        ("DistilBertForSequenceClassification", {"num_labels": 1}),
        ("BertForMaskedLM", {"tie_word_embeddings": False}),
        ("RobertaForMaskedLM", {"tie_word_embeddings": False}),
        ("DistilBertForMaskedLM", {"tie_word_embeddings": False}),
    ],
    ids=str,
)
def test_what_a_config_says_is_followed(
    class_name: str, changes: dict[str, Any], save: Save
) -> None:
    folder, model = save(class_name, **changes)

    all_close(ours(folder, TEXTS, packed=True), theirs(folder, model, TEXTS))


@pytest.mark.parametrize("class_name", ["BertModel", "RobertaModel", "DistilBertModel"])
def test_a_second_text_has_its_own_segment(class_name: str, save: Save) -> None:
    import transformers

    folder, model = save(class_name)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    pair = ("A man rides.", "Two women play music.")
    loaded = load(folder)
    encodings = loaded.preprocessor.encode([pair])
    batch = TokenBatch(encodings, packed=True, device=torch.device("cpu"))

    with torch.no_grad():
        expected = model(**tokenizer(*pair, return_tensors="pt")).last_hidden_state
        found = loaded.network(
            batch.tokens, positions=batch.positions, segments=batch.segments, mask=batch.mask
        )

    close(found, expected)


def test_the_forward_of_each_head_is_encoder_and_head(save: Save) -> None:
    for class_name in ("BertForMaskedLM", "BertForSequenceClassification"):
        folder, model = save(class_name)
        network = load(folder).network
        tokens = torch.tensor([[2, 7, 8, 9, 3], [2, 30, 31, 3, 0]])
        mask = tokens != 0

        with torch.no_grad():
            expected = model(tokens, attention_mask=mask.long()).logits
            found = network(tokens, mask=mask[:, None, None, :])

        real = mask if expected.dim() == 3 else torch.ones(2, dtype=torch.bool)
        close(found[real], expected[real])


def with_prefix(prefix: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda tensors: {prefix + name: tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("class_name", "prefix"),
    [("BertModel", "bert."), ("RobertaModel", "roberta."), ("DistilBertModel", "distilbert.")],
)
def test_the_base_prefix_may_be_present_on_a_bare_encoder(
    class_name: str, prefix: str, save: Save, tmp_path: Path
) -> None:
    folder, model = save(class_name)
    copy = copy_checkpoint(folder, tmp_path / "copy")
    change_weights(copy, with_prefix(prefix))

    all_close(ours(copy, TEXTS, packed=True), theirs(folder, model, TEXTS))


@pytest.mark.parametrize(
    ("class_name", "prefix"),
    [
        ("BertForMaskedLM", "bert."),
        ("XLMRobertaForMaskedLM", "roberta."),
        ("DistilBertForSequenceClassification", "distilbert."),
    ],
)
def test_the_base_prefix_may_be_absent_under_a_head(
    class_name: str, prefix: str, save: Save, tmp_path: Path
) -> None:
    folder, model = save(class_name)
    copy = copy_checkpoint(folder, tmp_path / "copy")
    change_weights(copy, lambda tensors: {n.removeprefix(prefix): x for n, x in tensors.items()})

    all_close(ours(copy, TEXTS, packed=True), theirs(folder, model, TEXTS))


def test_gamma_and_beta_are_a_norms_weight_and_bias(save: Save, tmp_path: Path) -> None:
    folder, model = save("BertForMaskedLM")
    copy = copy_checkpoint(folder, tmp_path / "copy")

    def rename(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        renamed = {}
        for name, tensor in tensors.items():
            for new_ending, ending in old.items():
                name = name.replace(new_ending, ending)
            renamed[name] = tensor
        return renamed

    change_weights(copy, rename)

    assert any("gamma" in name for name in load_file(copy / "model.safetensors"))
    all_close(ours(copy, TEXTS, packed=True), theirs(folder, model, TEXTS))


EMBEDDINGS = "bert.embeddings.word_embeddings.weight"
DECODER = "cls.predictions.decoder.weight"


def test_a_tied_decoder_is_one_tensor_in_memory(save: Save) -> None:
    folder, _ = save("BertForMaskedLM")
    network: Any = load(folder).network

    assert DECODER not in load_file(folder / "model.safetensors")
    assert network.decoder.weight is network.encoder.embeddings.token.weight


def test_either_side_of_a_tie_may_be_the_stored_one(save: Save, tmp_path: Path) -> None:
    folder, model = save("BertForMaskedLM")
    copy = copy_checkpoint(folder, tmp_path / "copy")
    change_weights(
        copy, lambda x: {DECODER if name == EMBEDDINGS else name: each for name, each in x.items()}
    )

    all_close(ours(copy, TEXTS, packed=True), theirs(folder, model, TEXTS))


def test_a_decoder_that_differs_from_the_embeddings_is_kept(save: Save, tmp_path: Path) -> None:
    # The config says tied, the file has both: the file is right, as transformers also holds.
    folder, _ = save("BertForMaskedLM")
    copy = copy_checkpoint(folder, tmp_path / "copy")
    change_weights(copy, lambda x: {**x, DECODER: x[EMBEDDINGS] + 1})
    network: Any = load(copy).network

    torch.testing.assert_close(
        network.decoder.weight, network.encoder.embeddings.token.weight + 1, atol=0, rtol=0
    )


def test_an_untied_decoder_may_not_be_missing(save: Save, tmp_path: Path) -> None:
    folder, _ = save("BertForMaskedLM", tie_word_embeddings=False)
    copy = copy_checkpoint(folder, tmp_path / "copy")
    change_weights(copy, lambda x: {name: each for name, each in x.items() if name != DECODER})

    with pytest.raises(WeightMapError, match=f"'{DECODER}' missing"):
        load(copy)


def test_position_ids_and_the_pooler_are_no_surplus(save: Save, tmp_path: Path) -> None:
    folder, model = save("BertForMaskedLM")
    copy = copy_checkpoint(folder, tmp_path / "copy")
    surplus = {
        "bert.embeddings.position_ids": torch.arange(66).unsqueeze(0),
        "bert.pooler.dense.weight": torch.ones(24, 24),
        "bert.pooler.dense.bias": torch.ones(24),
        "cls.seq_relationship.weight": torch.ones(2, 24),
        "cls.predictions.decoder.bias": load_file(folder / "model.safetensors")[
            "cls.predictions.bias"
        ],
    }
    change_weights(copy, lambda tensors: tensors | surplus)

    all_close(ours(copy, TEXTS, packed=True), theirs(folder, model, TEXTS))


@pytest.mark.parametrize("class_name", ["BertForMaskedLM", "RobertaForMaskedLM"])
def test_sharded_files_are_read_like_one(class_name: str, save: Save) -> None:
    folder, model = save(class_name, shard_size="20KB")

    assert len(list(folder.glob("model-*.safetensors"))) > 2
    all_close(ours(folder, TEXTS, packed=True), theirs(folder, model, TEXTS))


@pytest.mark.parametrize("class_name", CLASSES)
def test_what_dump_writes_is_what_transformers_wrote(class_name: str, save: Save) -> None:
    # Bit by bit; but for the parts that no task of ours reads, which the map ignores.
    from zoo import plugins
    from zoo.checkpoint import Files

    folder, _ = save(class_name)
    model = load(folder)
    published = Files({"config.json": folder / "config.json"}, "test").json("config.json")
    config = plugins.import_part(model.architecture, "config")(published)
    weight_map = plugins.import_part(model.architecture, "weights")(config)

    dumped = weight_map.dump(model.network.state_dict())

    stored = load_file(folder / "model.safetensors")
    ignored = {
        name for name in stored if ".pooler." in f".{name}" or name.startswith("cls.seq_relation")
    }
    if class_name == "BertForSequenceClassification":
        ignored = set()
    assert set(dumped) == set(stored) - ignored
    assert all(torch.equal(dumped[name], stored[name]) for name in dumped)


def test_the_loaded_network_is_ready_to_run(save: Save) -> None:
    folder, _ = save("BertModel")
    network = load(folder).network

    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_the_max_length_is_what_has_positions(save: Save) -> None:
    # RoBERTa's first two rows of the table, up to its padding token's, are nobody's place.
    assert load(save("BertModel")[0]).preprocessor.max_length == 66
    assert load(save("RobertaModel")[0]).preprocessor.max_length == 64
    assert load(save("DistilBertModel")[0]).preprocessor.max_length == 66


def test_texts_as_long_as_the_model_have_positions(save: Save) -> None:
    for class_name in ("BertModel", "RobertaModel"):
        folder, model = save(class_name)
        text = " ".join(["a"] * {"BertModel": 64, "RobertaModel": 62}[class_name])

        close(ours(folder, [text], packed=True)[0], theirs(folder, model, [text])[0])


@pytest.mark.parametrize(
    ("class_name", "changes", "message"),
    [
        ("BertModel", {"hidden_size": None}, "'hidden_size' is missing"),
        ("BertModel", {"hidden_size": "24"}, "'hidden_size' is '24'; .* expects an integer"),
        ("BertModel", {"num_hidden_layers": 10**6}, "'num_hidden_layers' is 1000000"),
        ("BertModel", {"hidden_act": "mish"}, "no activation 'mish'"),
        ("BertModel", {"num_attention_heads": 5}, "5 heads do not divide a width of 24"),
        ("BertModel", {"position_embedding_type": "relative_key"}, "expects 'absolute'"),
        ("BertModel", {"is_decoder": True}, "'is_decoder' is True"),
        ("BertModel", {"pruned_heads": {"0": [1]}}, "'pruned_heads' is {'0': .*expects {}"),
        ("DistilBertModel", {"is_decoder": True}, "'is_decoder' is True"),
        ("RobertaModel", {"pad_token_id": 600}, "texts may have -535 tokens, .* take 4"),
        ("RobertaModel", {"pad_token_id": 61}, "texts may have 4 tokens, .* take 4; config.json"),
        ("BertModel", {"rope_theta": 1e4}, "'rope_theta' is not a field"),
        ("BertModel", {"architectures": ["BertForQuestionAnswering"]}, "expects one of Bert"),
        ("BertModel", {"model_type": "gpt9"}, "no installed plugin has model_type 'gpt9'"),
        ("BertModel", {"model_type": ...}, "no model_type"),
        ("DistilBertModel", {"dim": -24}, "'dim' is -24"),
        ("BertForSequenceClassification", {"id2label": {"0": "a", "2": "b"}}, "numbered from 0"),
        ("BertForSequenceClassification", {"problem_type": "regression"}, "a classification"),
    ],
    ids=str,
)
def test_a_config_that_cannot_be_followed_is_refused(
    class_name: str, changes: dict[str, Any], message: str, save: Save, tmp_path: Path
) -> None:
    from zoo.errors import ZooError

    copy = copy_checkpoint(save(class_name)[0], tmp_path / "copy")
    change_json(copy, "config.json", **changes)

    with pytest.raises(ZooError, match=message) as raised:
        load(copy)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("class_name", ["BertModel", "RobertaModel", "DistilBertModel"])
def test_what_old_configs_say_of_everything_is_no_obstacle(
    class_name: str, save: Save, tmp_path: Path
) -> None:
    copy = copy_checkpoint(save(class_name)[0], tmp_path / "copy")
    # transformers 2.0 to 2.4 wrote all their defaults.
    change_json(
        copy,
        "config.json",
        pruned_heads={},
        is_decoder=False,
        num_beams=1,
        top_k=50,
        do_sample=False,
    )

    torch.testing.assert_close(load(copy).embed("a man"), load(save(class_name)[0]).embed("a man"))


def test_a_config_of_other_sizes_is_told_from_the_weights(save: Save, tmp_path: Path) -> None:
    copy = copy_checkpoint(save("BertModel")[0], tmp_path / "copy")
    change_json(copy, "config.json", intermediate_size=48)

    with pytest.raises(
        WeightMapError,
        match=r"'encoder.layer.0.intermediate.dense.bias' has shape \(40,\), the config asks for "
        r"\(48,\)",
    ):
        load(copy)


def test_a_tokenizer_larger_than_the_vocabulary_is_refused(save: Save, tmp_path: Path) -> None:
    copy = copy_checkpoint(save("BertModel")[0], tmp_path / "copy")
    change_json(copy, "config.json", vocab_size=100)

    with pytest.raises(CheckpointError, match="but the network knows 100 only"):
        load(copy)


def test_what_our_registry_says_of_checkpoints_can_be_held_against_them(wordpiece: Path) -> None:
    files = Files({path.name: path for path in wordpiece.iterdir()}, "tokenizer")
    config = zoo_bert.config.bert(
        {
            "vocab_size": 1000,
            "hidden_size": 24,
            "num_hidden_layers": 1,
            "num_attention_heads": 4,
            "intermediate_size": 40,
            "max_position_embeddings": 66,
            "hidden_act": "gelu",
        }
    )
    known = {*vars(config), *load_preprocessor(files, config).facts}

    for entry in zoo.list_models():
        if not any("image" in task for task in entry.tasks):
            assert set(entry.checkpoint) <= known, entry.name


def test_a_config_of_2019_that_names_no_class_has_the_head_of_pretraining(
    save: Save, tmp_path: Path
) -> None:
    folder, reference = save("DistilBertForMaskedLM")
    copy = copy_checkpoint(folder, tmp_path / "copy")
    change_json(copy, "config.json", architectures=...)
    tokens = torch.tensor([[2, 7, 9, 3]])

    with torch.no_grad():
        torch.testing.assert_close(load(copy).network(tokens), reference(tokens).logits)
