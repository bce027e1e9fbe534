"""zoo_clip against transformers and open_clip: the same files, the same numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

import zoo
import zoo_clip.config
import zoo_clip.open_clip
import zoo_clip.weights
from tests import clip
from tests.checkpoints import TEXTS as ODD_TEXTS
from tests.checkpoints import change_json, change_weights, copy_checkpoint
from tests.pictures import noise
from zoo.checkpoint import Files
from zoo.entry import Entry, Source
from zoo.errors import CheckpointError, InputError, WeightMapError, ZooWarning
from zoo.loading import load as load_entry
from zoo.text import TokenBatch
from zoo_clip.preprocessor import TextEncoder, byte_pair_backend, clean_clip, clean_siglip

# Both sides compute in float32, in another order: a few units in the last place.
TOLERANCE = 1e-5

TEXTS = ["A man rides a horse.", "Two women play music in the park.", "cold", "a " * 40]

Saved = tuple[Path, Any]


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=TOLERANCE)


def pixels() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(3, 3, clip.IMAGE_SIZE, clip.IMAGE_SIZE)


@torch.inference_mode()
def ours(model: zoo.Model, texts: Sequence[str], *, packed: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures' and texts' embeddings and their logits."""
    network: Any = model.network
    batch = TokenBatch(clip.rows(model, texts), packed=packed, device=torch.device("cpu"))
    pictures, words = network.embed_images(pixels()), network.embed_texts(batch)
    similarity = F.normalize(pictures, dim=1) @ F.normalize(words, dim=1).T
    return pictures, words, network.logits(similarity)


@torch.inference_mode()
def theirs(
    model: Callable[..., Any], tokens: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, ...]:
    """What transformers says: embeddings before they are normalised, and logits."""
    inputs = {"input_ids": tokens, "attention_mask": mask}
    features: Any = model
    return (
        features.get_image_features(pixels()).pooler_output,
        features.get_text_features(**inputs).pooler_output,
        model(pixel_values=pixels(), **inputs).logits_per_image,
    )


def padded(rows: list[list[int]], value: int) -> Tensor:
    most = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (most - len(row))] for row in rows])


@pytest.fixture(scope="module")
def openai(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    folder = tmp_path_factory.mktemp("clip")
    return folder, clip.save_clip(folder)


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    folder = tmp_path_factory.mktemp("siglip")
    return folder, clip.save_siglip(folder)


@pytest.fixture(scope="module")
def chinese(tmp_path_factory: pytest.TempPathFactory, wordpiece: Path) -> Saved:
    folder = tmp_path_factory.mktemp("chinese")
    return folder, clip.save_chinese_clip(folder, wordpiece)


@pytest.mark.filterwarnings("ignore:.*longer than the model")
@pytest.mark.parametrize("packed", [True, False])
def test_clip_gives_the_numbers_of_transformers(openai: Saved, packed: bool) -> None:
    folder, model = openai
    loaded = clip.load(folder)
    tokens = padded(clip.rows(loaded, TEXTS), loaded.preprocessor.text.end)

    for one, other in zip(ours(loaded, TEXTS, packed=packed), theirs(model, tokens), strict=True):
        close(one, other)


@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
def test_the_activation_is_the_files(tmp_path: Path, activation: str) -> None:
    model = clip.save_clip(tmp_path, activation=activation)
    loaded = clip.load(tmp_path)
    tokens = padded(clip.rows(loaded, TEXTS[:3]), loaded.preprocessor.text.end)

    expected = theirs(model, tokens)

    for one, other in zip(ours(loaded, TEXTS[:3], packed=True), expected, strict=True):
        close(one, other)


@pytest.mark.filterwarnings("ignore:.*longer than the model")
@pytest.mark.parametrize("packed", [True, False])
def test_siglip_gives_the_numbers_of_transformers(siglip: Saved, packed: bool) -> None:
    folder, model = siglip
    loaded = clip.load(folder)

    expected = theirs(model, torch.tensor(clip.rows(loaded, TEXTS)))

    for one, other in zip(ours(loaded, TEXTS, packed=packed), expected, strict=True):
        close(one, other)


@pytest.mark.filterwarnings("ignore:.*longer than the model")
@pytest.mark.parametrize("packed", [True, False])
def test_chinese_clip_gives_the_numbers_of_transformers(chinese: Saved, packed: bool) -> None:
    folder, model = chinese
    loaded = clip.load(folder)
    texts = [*TEXTS, "我喜欢在公园里听音乐。", "好" * 80]
    tokens = padded(clip.rows(loaded, texts), 0)

    expected = theirs(model, tokens, (tokens != 0).long())

    for one, other in zip(ours(loaded, texts, packed=packed), expected, strict=True):
        close(one, other)


@torch.inference_mode()
def their_open_clip(model: Callable[..., Any], tokens: Tensor) -> tuple[Tensor, ...]:
    tower: Any = model
    pictures, texts = tower.encode_image(pixels()), tower.encode_text(tokens)
    return pictures, texts, tower.get_logits(pixels(), tokens)[0]


@pytest.mark.filterwarnings("ignore:.*longer than the model")
@pytest.mark.parametrize("changes", [{"quick_gelu": True}, {"quick_gelu": False}], ids=str)
@pytest.mark.parametrize("custom", [False, True], ids=["as OpenAI's", "text. before texts"])
def test_open_clips_layout_gives_its_numbers(
    tmp_path: Path, changes: dict[str, Any], custom: bool
) -> None:
    vocabulary = clip.save_byte_pairs(tmp_path)
    changes = {**changes, "custom_text": True} if custom else changes
    model = clip.save_open_clip(tmp_path, clip.open_clip_config(vocabulary, **changes))
    loaded = clip.load(tmp_path)
    tokens = padded(clip.rows(loaded, TEXTS), 0)  # as open_clip pads
    tokens = F.pad(tokens, (0, 17 - tokens.size(1)))

    for packed in (True, False):
        found = ours(loaded, TEXTS, packed=packed)
        for one, other in zip(found, their_open_clip(model, tokens), strict=True):
            close(one, other)


SIGLIP = {
    "embed_dim": 192,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {
        "image_size": clip.IMAGE_SIZE,
        "timm_model_name": "vit_tiny_siglip_like",
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": "none",
    },
    "text_cfg": {
        "context_length": 17,
        "hf_tokenizer_name": "unused",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "width": 20,
        "heads": 5,
        "layers": 2,
        "mlp_ratio": 3.7362,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
    },
}


@pytest.fixture(scope="module")
def timm_name() -> str:
    """A Vision Transformer of timm's that is SigLIP's in all but its size."""
    import timm

    def tiny_siglip(pretrained: bool = False, **changes: Any) -> Any:  # noqa: ANN401
        sizes = {"patch_size": 8, "embed_dim": 192, "depth": 2, "num_heads": 3}
        return timm.models.vision_transformer._create_vision_transformer(
            "vit_base_patch16_siglip_224",
            pretrained=False,
            **{
                **sizes,
                "img_size": clip.IMAGE_SIZE,
                "class_token": False,
                "global_pool": "map",
                **changes,
            },
        )

    tiny_siglip.__name__ = "vit_tiny_siglip_like"
    tiny_siglip.__module__ = "timm.models.vision_transformer"
    timm.models.register_model(tiny_siglip)
    return tiny_siglip.__name__


@pytest.mark.filterwarnings("ignore:.*longer than the model")
@pytest.mark.parametrize("tanh", [False, True], ids=["exact GELU", "GELU by tanh"])
def test_siglip_in_open_clips_layout_gives_its_numbers(
    tmp_path: Path, timm_name: str, tanh: bool
) -> None:
    vocabulary = clip.save_sentencepiece(tmp_path)
    text: dict[str, Any] = {**SIGLIP["text_cfg"], "vocab_size": vocabulary}  # type: ignore[dict-item]
    if tanh:
        text["act_kwargs"] = {"approximate": "tanh"}
    model = clip.save_open_clip(
        tmp_path, {**SIGLIP, "text_cfg": text}, resize_mode="squash", mean=[0.5] * 3, std=[0.5] * 3
    )
    loaded = clip.load(tmp_path)
    tokens = torch.tensor(clip.rows(loaded, TEXTS))

    found = ours(loaded, TEXTS, packed=True)

    for one, other in zip(found, their_open_clip(model, tokens), strict=True):
        close(one, other)


@pytest.mark.parametrize(
    ("trunk", "pool", "projection", "size"),
    [
        ("test_vit", "token", None, 160),  # as MobileCLIP-B and EVA-02 are published
        ("test_convnext", "", "linear", 64),  # as LAION's ConvNeXts
        ("test_resnet", "avg", "linear", 64),  # with norms that count their batches
    ],
)
def test_a_network_of_timms_sees_as_in_open_clip(
    trunk: str, pool: str, projection: str | None, size: int, tmp_path: Path
) -> None:
    vocabulary = clip.save_byte_pairs(tmp_path)
    config = clip.open_clip_config(
        vocabulary,
        custom_text=True,
        vision_cfg={
            "timm_model_name": trunk,
            "timm_model_pretrained": False,
            "timm_pool": pool,
            "timm_proj": projection,
            "timm_drop": 0.0,
            "timm_drop_path": 0.0,
            "image_size": size,
        },
    )
    model = clip.save_open_clip(
        tmp_path, config, mean=[0.0] * 3, std=[1.0] * 3, interpolation="bilinear"
    )
    with pytest.warns(ZooWarning, match="no file states the activation"):
        loaded = clip.load(tmp_path)
    network: Any = loaded.network
    tokens = padded(clip.rows(loaded, TEXTS[:3]), 0)
    tokens = F.pad(tokens, (0, 17 - tokens.size(1)))
    pixels = torch.rand(3, 3, size, size)

    with torch.inference_mode():
        seen, expected = network.embed_images(pixels), model.encode_image(pixels)
        read = loaded.embed(TEXTS[:3])

        close(seen, expected)
        assert seen.std(dim=0).min() > 0  # pictures differ
        close(read, model.encode_text(tokens))
        assert len(loaded.zero_shot(noise(), ["cold", "warm"]).labels) == 2


@pytest.mark.parametrize("pool", ["token", "map"])
@pytest.mark.parametrize("name", ["hf-hub:timm/resnet18.a1_in1k", "local-dir:/tmp", "resnet17"])
def test_no_file_has_timm_open_anything_but_its_own_networks(
    name: str, pool: str, tmp_path: Path
) -> None:
    config = clip.open_clip_config(clip.save_byte_pairs(tmp_path))
    clip.save_open_clip(tmp_path, config)
    config["vision_cfg"] = {"timm_model_name": name, "timm_pool": pool}
    if pool == "map":
        config["text_cfg"] |= {"no_causal_mask": True, "proj_bias": True, "pool_type": "last"}
        config["text_cfg"]["tokenizer_kwargs"] = {"clean": "canonicalize"}
        config["vision_cfg"]["timm_proj"] = "none"
    change_json(tmp_path, "open_clip_config.json", model_cfg=config)
    with pytest.raises(CheckpointError, match=f"has no network {name!r}"):
        clip.load(tmp_path)


def in_open_clips_layout(folder: Path, to: Path) -> Path:
    """A checkpoint of transformers' as open_clip would publish it."""
    network: Any = clip.load(folder).network
    copy_checkpoint(folder, to)
    for name in ("config.json", "model.safetensors"):
        (to / name).unlink()
    vocabulary = network.text.token_embedding.num_embeddings
    config = clip.open_clip_config(vocabulary, quick_gelu=True)
    change_json(to, "open_clip_config.json", model_cfg=config, preprocess_cfg={})
    weights = zoo_clip.open_clip.weights(zoo_clip.open_clip.config({"model_cfg": config}))
    save_file(weights.dump(network.state_dict()), to / "open_clip_model.safetensors")
    return to


def test_both_layouts_of_one_model_load_to_the_same_network(openai: Saved, tmp_path: Path) -> None:
    folder, _ = openai
    other = in_open_clips_layout(folder, tmp_path / "other")
    half = copy_checkpoint(other, tmp_path / "half")
    archive = {
        name: x.half() for name, x in load_file(other / "open_clip_model.safetensors").items()
    }
    # OpenAI's archives hold three more numbers, and half precision.
    extra = {n: torch.tensor(1) for n in ("input_resolution", "context_length", "vocab_size")}
    save_file({**archive, **extra}, half / "open_clip_model.safetensors")

    ours, theirs, openais = (clip.load(each).network.state_dict() for each in (folder, other, half))

    assert ours.keys() == theirs.keys() == openais.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name
        assert torch.equal(tensor.half().float(), openais[name]), name


def test_open_clip_itself_loads_what_is_dumped_in_its_layout(openai: Saved, tmp_path: Path) -> None:
    folder, _ = openai
    other = in_open_clips_layout(folder, tmp_path / "other")
    loaded = clip.load(folder)
    config = clip.open_clip_config(loaded.preprocessor.text.end + 1)
    network = open_clip.CLIP(**config, quick_gelu=True).eval()

    network.load_state_dict(load_file(other / "open_clip_model.safetensors"), strict=True)

    tokens = padded(clip.rows(loaded, TEXTS[:3]), 0)
    tokens = F.pad(tokens, (0, 17 - tokens.size(1)))
    tokens = F.pad(tokens, (0, 17 - tokens.size(1)))
    expected = ours(loaded, TEXTS[:3], packed=True)
    for one, other_ in zip(their_open_clip(network, tokens), expected, strict=True):
        close(one, other_)


def test_a_pickle_of_open_clips_is_converted_and_an_archive_with_code_refused(
    openai: Saved, tmp_path: Path
) -> None:
    folder = in_open_clips_layout(openai[0], tmp_path / "other")
    safe = folder / "open_clip_model.safetensors"
    torch.save(load_file(safe), folder / "open_clip_pytorch_model.bin")
    expected = clip.load(folder).network.state_dict()
    safe.unlink()

    found = clip.load(folder).network.state_dict()

    assert all(torch.equal(found[name], expected[name]) for name in expected)
    (folder / "open_clip_pytorch_model.bin").rename(folder / "ViT-B-32.pt")
    with pytest.raises(CheckpointError, match=r"ViT-B-32\.pt may hold code.*save its state_dict"):
        clip.load(folder)
    (folder / "open_clip_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no config\.json.*ViT-B-32\.pt may hold code"):
        clip.load(folder)


@pytest.mark.parametrize("name", ["openai", "siglip", "chinese"])
def test_loading_and_dumping_are_inverse(name: str, request: pytest.FixtureRequest) -> None:
    folder, _ = request.getfixturevalue(name)
    loaded = clip.load(folder)
    config = getattr(zoo_clip.config, loaded.architecture.model_types[0])
    weights = getattr(zoo_clip.weights, loaded.architecture.model_types[0])
    published = load_file(folder / "model.safetensors")

    dumped = weights(
        config(Files({"config.json": folder / "config.json"}, "x").json("config.json"))
    )
    state = dumped.dump(loaded.network.state_dict())

    assert state.keys() == {n for n in published if "position_ids" not in n and "pooler" not in n}
    assert all(torch.equal(state[name], published[name].view_as(state[name])) for name in state)


def with_parts(folder: Path, to: Path, **changes: dict[str, object]) -> Path:
    """A copy whose config.json has other values in a tower's part; ``...`` removes one."""
    copy_checkpoint(folder, to)
    config = Files({"config.json": to / "config.json"}, "x").json("config.json")
    for part, values in changes.items():
        merged = {**config.get(part, {}), **values}
        change_json(to, "config.json", **{part: {k: v for k, v in merged.items() if v is not ...}})
    return to


def test_towers_with_different_activations_are_no_clip(openai: Saved, tmp_path: Path) -> None:
    folder = with_parts(openai[0], tmp_path / "x", text_config={"hidden_act": "gelu"})

    with pytest.raises(CheckpointError, match="'quick_gelu', texts 'gelu'; a CLIP has one"):
        clip.load(folder)


def test_a_part_that_is_told_twice_and_differently_is_refused(
    openai: Saved, tmp_path: Path
) -> None:
    folder = with_parts(openai[0], tmp_path / "x", vision_config_dict={"hidden_act": "gelu"})

    with pytest.raises(CheckpointError, match=r"hidden_act is 'quick_gelu'.*_dict says 'gelu'"):
        clip.load(folder)


def test_an_activation_that_no_file_states_is_noticed(openai: Saved, tmp_path: Path) -> None:
    nothing: dict[str, object] = {"hidden_act": ...}
    folder = with_parts(openai[0], tmp_path / "x", vision_config=nothing, text_config=nothing)
    other = in_open_clips_layout(openai[0], tmp_path / "other")
    config = clip.open_clip_config(clip.load(other).preprocessor.text.end + 1)
    change_json(other, "open_clip_config.json", model_cfg=config)

    with pytest.warns(ZooWarning, match="no file states the activation.* means 'quick_gelu'"):
        clip.load(folder)
    with pytest.warns(ZooWarning, match="no file states the activation.* means 'gelu'"):
        clip.load(other)
    vouched = Entry(
        "x", "clip", Source("folder", str(folder)), checkpoint={"activation": "quick_gelu"}
    )
    load_entry(vouched, device="cpu", dtype="float32")  # no warning, which would be an error


def test_a_registry_that_says_another_activation_is_believed_neither(openai: Saved) -> None:
    entry = Entry("x", "clip", Source("folder", str(openai[0])), checkpoint={"activation": "gelu"})

    with pytest.raises(CheckpointError, match="activation is 'gelu', the files say 'quick_gelu'"):
        load_entry(entry, device="cpu", dtype="float32")


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        ("vision_config", {"num_channels": 4}, "'num_channels' is 4"),
        ("vision_config", {"qk_norm": True}, "'qk_norm' is not a field"),
        ("text_config", {"hidden_act": "gelu_quick"}, "no activation 'gelu_quick'|a CLIP has one"),
        ("text_config", {"eos_token_id": 5}, "reads them off at 5; the tokenizer is another"),
        ("vision_config", {"image_size": 64}, "32x32 pixels, but the network takes 64x64"),
        ("text_config", {"vocab_size": 100}, "the tokenizer has .* tokens, but the network"),
    ],
    ids=str,
)
def test_what_does_not_fit_together_is_refused(
    openai: Saved, tmp_path: Path, part: str, changes: dict[str, object], message: str
) -> None:
    folder = with_parts(openai[0], tmp_path / "x", **{part: changes})

    with pytest.raises(CheckpointError, match=message):
        clip.load(folder)


def test_without_preprocessing_nothing_is_guessed(openai: Saved, tmp_path: Path) -> None:
    folder = copy_checkpoint(openai[0], tmp_path / "x")
    for path in folder.glob("*processor_config.json"):
        path.unlink()
    other = in_open_clips_layout(openai[0], tmp_path / "other")
    for path in other.glob("*processor_config.json"):
        path.unlink()
    clip.load(other)
    change_json(other, "open_clip_config.json", preprocess_cfg=...)

    with pytest.raises(CheckpointError, match=r"put the model's preprocessor_config\.json beside"):
        clip.load(folder)
    with pytest.raises(CheckpointError, match="has no 'preprocess_cfg', and a guess"):
        clip.load(other)


def test_missing_and_unknown_tensors_are_listed(openai: Saved, tmp_path: Path) -> None:
    folder = copy_checkpoint(openai[0], tmp_path / "x")
    change_weights(
        folder,
        lambda state: {
            ("extra" if name == "visual_projection.weight" else name): tensor
            for name, tensor in state.items()
        },
    )

    with pytest.raises(WeightMapError, match=r"'extra' match no rule.*visual_projection.*missing"):
        clip.load(folder)


# Tokenizers


@pytest.fixture(scope="module")
def real_vocabulary() -> tuple[Any, TextEncoder]:
    """OpenAI's own 49,408 tokens, which open_clip brings along: its tokenizer, and ours."""
    theirs = open_clip.tokenizer.SimpleTokenizer()
    numbers = dict(theirs.encoder)
    numbers[clip.START], numbers[clip.END] = (
        numbers.pop("<start_of_text>"),
        numbers.pop("<end_of_text>"),
    )
    merges = sorted(theirs.bpe_ranks, key=theirs.bpe_ranks.__getitem__)
    backend = byte_pair_backend(numbers, merges)
    backend.encode_special_tokens = True
    ours = TextEncoder(backend, clean_clip, numbers[clip.START], numbers[clip.END], None, 77)
    return theirs, ours


ODD = [
    *ODD_TEXTS,
    "&lt;b&gt;Rock &amp;amp; roll&lt;/b&gt;",
    "curly \u2018quotes\u2019 \u201chere\u201d",
    "mojibake: caf\u00c3\u00a9, \u00e2\u20ac\u0153hi\u00e2\u20ac\u009d",
    "I've can't we'll SHE'S they'd",
    "<|endoftext|> in a text <|startoftext|>",
    "under_score and 3.14-digits 2024",
]


@pytest.mark.filterwarnings("ignore:.*longer than the model")
@pytest.mark.parametrize("text", ODD, ids=ascii)
def test_tokens_are_open_clips(real_vocabulary: tuple[Any, TextEncoder], text: str) -> None:
    theirs, ours = real_vocabulary

    (row,) = ours([text])

    assert [*row, *[0] * (77 - len(row))] == theirs([text])[0].tolist()


@pytest.mark.filterwarnings("ignore:.*longer than the model")
def test_tokens_are_transformers_where_cleaning_changes_nothing(openai: Saved) -> None:
    folder, _ = openai
    tokenizer = transformers.CLIPTokenizer.from_pretrained(folder)
    loaded = clip.load(folder)
    texts = [*TEXTS, "ALL CAPS, don't-stop", "我喜欢 music 2,500.75", "naïve façade"]
    expected = tokenizer(texts, truncation=True, max_length=17)["input_ids"]

    assert clip.rows(loaded, texts) == expected
    (folder / "tokenizer.json").rename(folder / "elsewhere")
    try:  # the vocabulary files of older days
        assert clip.rows(clip.load(folder), texts) == expected
    finally:
        (folder / "elsewhere").rename(folder / "tokenizer.json")


@pytest.mark.parametrize("text", ODD, ids=ascii)
def test_siglips_texts_are_cleaned_as_open_clip_does(text: str) -> None:
    assert clean_siglip(text) == open_clip.tokenizer._clean_canonicalize(text)


@pytest.mark.parametrize(
    ("merges", "message"),
    [(b"\xff", "merges.txt is no text in UTF-8"), (b"a b c\n", "do not fit together")],
)
def test_damaged_merges_are_refused(
    openai: Saved, tmp_path: Path, merges: bytes, message: str
) -> None:
    folder = copy_checkpoint(openai[0], tmp_path / "x")
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_bytes(merges)

    with pytest.raises(CheckpointError, match=message):
        clip.load(folder)


@pytest.mark.filterwarnings("ignore:.*longer than the model")
def test_siglips_tokens_are_transformers_padded_to_the_length_of_training(siglip: Saved) -> None:
    folder, _ = siglip
    tokenizer = transformers.SiglipTokenizer.from_pretrained(folder)
    texts = [*TEXTS, "ALL CAPS, don't-stop!", "naïve façade", "2,500.75"]

    expected = tokenizer(texts, padding="max_length", truncation=True, max_length=17)["input_ids"]

    assert clip.rows(clip.load(folder), texts) == expected


@pytest.mark.filterwarnings("ignore:.*longer than the model")
def test_chinese_clips_tokens_are_berts_and_at_most_52(chinese: Saved) -> None:
    folder, _ = chinese
    tokenizer = transformers.BertTokenizer.from_pretrained(folder)
    texts = [*TEXTS, "我喜欢在公园里听音乐。" * 9]

    expected = tokenizer(texts, truncation=True, max_length=52)["input_ids"]

    assert clip.rows(clip.load(folder), texts) == expected


def test_a_text_of_which_cleaning_leaves_nothing_is_refused(siglip: Saved) -> None:
    with pytest.raises(InputError, match=r"'\?!' has no letter or digit"):
        clip.load(siglip[0]).embed(["a dog", "?!"])


def test_a_text_that_is_too_long_keeps_its_end_and_is_noticed(openai: Saved) -> None:
    loaded = clip.load(openai[0])

    with pytest.warns(ZooWarning, match="longer than the model's 17 tokens"):
        (row,) = clip.rows(loaded, ["dog " * 50])

    assert len(row) == 17
    assert row[-1] == loaded.preprocessor.text.end


def test_a_config_whose_notes_contradict_it_is_refused() -> None:
    noted = {"heads": 9, "layers": 12}  # as MetaCLIP's texts have them
    with pytest.raises(CheckpointError, match="'heads' is 9"):
        zoo_clip.config.clip({"text_config": noted, "vision_config": {}})


def test_a_trunk_that_takes_one_size_only_is_held_to_it(tmp_path: Path) -> None:
    tower = {"timm_model_name": "test_vit", "timm_pool": "token", "image_size": 160}
    config = clip.open_clip_config(clip.save_byte_pairs(tmp_path), vision_cfg=tower)
    clip.save_open_clip(tmp_path, config | {"custom_text": True})
    config["vision_cfg"] = tower | {"image_size": 64}
    change_json(tmp_path, "open_clip_config.json", model_cfg=config)
    with pytest.raises(CheckpointError, match="takes pictures of 160 pixels, 'image_size' is 64"):
        clip.load(tmp_path)
