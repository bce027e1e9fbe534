from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

from tests.checkpoints import TEXTS, Save, change_json, load
from zoo.entry import Entry, Source
from zoo.errors import CheckpointError, InputError, UsageError, ZooWarning
from zoo.loading import load as load_entry

# Vectors of about length 5, both sides in float32.
TOLERANCE = 1e-5


def save_sentence_model(
    encoder: Path, folder: Path, *, mode: str = "mean", normalize: bool = False, **settings: object
) -> SentenceTransformer:
    """A folder as sentence-transformers saves it: modules.json, 1_Pooling, 2_Normalize."""
    transformer = Transformer(str(encoder), max_seq_length=32)
    modules = [transformer, Pooling(transformer.get_embedding_dimension(), pooling_mode=mode)]
    model = SentenceTransformer(
        modules=[*modules, Normalize()] if normalize else modules, device="cpu", **settings
    )
    model.save(str(folder))
    return model


def theirs(model: SentenceTransformer, texts: list[str], **settings: object) -> torch.Tensor:
    return model.encode(texts, convert_to_tensor=True, show_progress_bar=False, **settings)


@pytest.mark.parametrize("normalize", [True, False], ids=["normalised", "as they are"])
@pytest.mark.parametrize("mode", ["mean", "cls", "max"])
@pytest.mark.parametrize("class_name", ["BertModel", "RobertaModel", "DistilBertModel"])
def test_embeddings_equal_sentence_transformers(
    class_name: str, mode: str, normalize: bool, save: Save, tmp_path: Path
) -> None:
    reference = save_sentence_model(
        save(class_name)[0], tmp_path / "model", mode=mode, normalize=normalize
    )
    model = load(tmp_path / "model")

    texts = [*TEXTS, "Two women play music in the park. " * 9]

    with pytest.warns(ZooWarning, match="longer than the model's 32 tokens"):
        ours = model.embed(texts)

    assert model.preprocessor.max_length == 32
    assert ours.shape == (len(texts), 24)
    torch.testing.assert_close(ours, theirs(reference, texts), atol=TOLERANCE, rtol=0)


def test_the_default_prompt_is_put_before_each_text(save: Save, tmp_path: Path) -> None:
    reference = save_sentence_model(
        save("BertModel")[0],
        tmp_path / "model",
        prompts={"query": "the park: ", "passage": "music: "},
        default_prompt_name="query",
    )
    model = load(tmp_path / "model")
    texts = ["A man rides.", "Two women"]

    torch.testing.assert_close(model.embed(texts), theirs(reference, texts), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        model.embed(texts, prompt="music: "),
        theirs(reference, texts, prompt_name="passage"),
        atol=TOLERANCE,
        rtol=0,
    )
    torch.testing.assert_close(
        model.embed(texts, prompt=""), theirs(reference, texts, prompt=""), atol=1e-5, rtol=0
    )
    assert not torch.allclose(model.embed(texts), model.embed(texts, prompt=""), atol=1e-2)


@pytest.mark.parametrize("class_name", ["BertModel", "RobertaModel"])
def test_text_is_lower_cased_where_sentence_transformers_does(
    class_name: str, save: Save, tmp_path: Path
) -> None:
    save_sentence_model(save(class_name)[0], tmp_path / "model")
    change_json(tmp_path / "model", "sentence_bert_config.json", do_lower_case=True)
    reference = SentenceTransformer(str(tmp_path / "model"), device="cpu")
    texts = ["A MAN Rides", "ÀÉ İstanbul", "[MASK] <mask> stay"]

    torch.testing.assert_close(
        load(tmp_path / "model").embed(texts), theirs(reference, texts), atol=TOLERANCE, rtol=0
    )


def test_the_checkpoints_pooling_gives_way_to_what_is_asked(save: Save, tmp_path: Path) -> None:
    encoder, _ = save("BertModel")
    save_sentence_model(encoder, tmp_path / "mean", mode="mean", normalize=True)
    reference = save_sentence_model(encoder, tmp_path / "max", mode="max")
    model = load(tmp_path / "mean")
    texts = ["A man rides.", "Two women play music."]

    torch.testing.assert_close(
        model.embed(texts, pooling="max", normalize=False),
        theirs(reference, texts),
        atol=TOLERANCE,
        rtol=0,
    )


def test_a_plain_encoder_pools_the_mean(save: Save, tmp_path: Path) -> None:
    encoder, _ = save("BertModel")
    reference = save_sentence_model(encoder, tmp_path / "mean")
    texts = ["A man rides.", "Two women play music."]

    torch.testing.assert_close(
        load(encoder).embed(texts), theirs(reference, texts), atol=TOLERANCE, rtol=0
    )


SHORT = [text for text in TEXTS if len(text) < 50]


@pytest.mark.parametrize("batch_tokens", [None, 1, 20, 10_000])
def test_a_batch_equals_one_by_one(batch_tokens: int | None, save: Save) -> None:
    model = load(save("BertModel")[0])
    alone = torch.stack([model.embed(text) for text in SHORT])

    together = model.embed(SHORT, batch_tokens=batch_tokens)

    torch.testing.assert_close(together, alone, atol=TOLERANCE, rtol=0)


def test_the_tokens_pool_to_the_text(save: Save) -> None:
    model = load(save("BertModel")[0])

    rows = model.embed_tokens(SHORT)

    assert [len(row) for row in rows] == [len(each) for each in model.preprocessor.encode(SHORT)]
    torch.testing.assert_close(
        torch.stack([row.mean(dim=0) for row in rows]),
        model.embed(SHORT),
        atol=TOLERANCE,
        rtol=0,
    )
    torch.testing.assert_close(model.embed_tokens(SHORT[0]), rows[0], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("class_name", ["BertForMaskedLM", "BertForSequenceClassification"])
def test_a_model_with_a_head_embeds_with_its_encoder(class_name: str, save: Save) -> None:
    import transformers

    folder, reference = save(class_name)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        encoder: Any = reference.bert  # type: ignore[attr-defined]  # of this class
        hidden = encoder(**tokenizer("A man rides.", return_tensors="pt")).last_hidden_state

    torch.testing.assert_close(
        load(folder).embed_tokens("A man rides."), hidden[0], atol=TOLERANCE, rtol=0
    )


def test_one_text_gives_one_vector_and_none_give_none(save: Save) -> None:
    model = load(save("BertModel")[0])

    assert model.embed("A man rides.").shape == (24,)
    assert model.embed(["A man rides."]).shape == (1, 24)
    assert model.embed([]).shape == (0, 24)
    assert model.embed("A man rides.").dtype == torch.float32
    assert not model.embed("A man rides.").requires_grad


def test_half_precision_is_close(save: Save) -> None:
    import zoo

    folder, _ = save("BertModel")
    half = zoo.load(str(folder), device="cpu", dtype="bfloat16")

    assert {each.dtype for each in half.network.parameters()} == {torch.bfloat16}
    similarity = torch.cosine_similarity(half.embed(SHORT), load(folder).embed(SHORT))
    assert similarity.min() > 0.99


def test_mistakes_are_told(save: Save) -> None:
    model = load(save("BertModel")[0])

    with pytest.raises(UsageError, match=r"^no pooling 'median'; expected one of mean, cls, max$"):
        model.embed("a", pooling="median")  # type: ignore[arg-type]  # which this shows
    with pytest.raises(InputError, match="the text is empty"):
        model.embed(" ")
    with pytest.raises(InputError, match="text 2 of 2 is empty"):
        model.embed(["a", ""])
    with pytest.raises(InputError, match="text 2 of 2 is empty"):
        model.embed(["a", ""], prompt="query: ")


def test_a_step_that_zoo_lacks_is_refused_when_loading(save: Save, tmp_path: Path) -> None:
    save_sentence_model(save("BertModel")[0], tmp_path / "model", mode="weightedmean")

    with pytest.raises(
        CheckpointError, match="asks for the pooling weightedmean; zoo has mean, cls"
    ):
        load(tmp_path / "model")


def test_what_a_registry_says_of_the_pooling_is_held_against_the_files(
    save: Save, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    save_sentence_model(save("BertModel")[0], folder, normalize=True)
    source = Source("folder", str(folder))

    load_entry(
        Entry("acme", "bert", source, checkpoint={"pooling": "mean", "normalize": True}),
        device="cpu",
    )
    with pytest.raises(CheckpointError, match="says pooling is 'cls', the files say 'mean'"):
        load_entry(Entry("acme", "bert", source, checkpoint={"pooling": "cls"}), device="cpu")
