import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import CLIPImageProcessor, SiglipImageProcessor, ViTImageProcessor
from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

import zoo
from tests.pictures import encoded, noise
from zoo.checkpoint import Files
from zoo.errors import CheckpointError, InputError
from zoo.image import (
    ImagePreprocessor,
    Picture,
    from_open_clip,
    from_timm,
    from_transformers,
    image_preprocessor,
    load_preprocessor,
)
from zoo.image.published import _BY_MODEL_TYPE


def preprocessor() -> ImagePreprocessor:
    return ImagePreprocessor(from_timm({"input_size": [3, 24, 24]}))


def files(folder: Path, **contents: object) -> Files:
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return Files({path.name: path for path in folder.iterdir()}, "the checkpoint")


def test_pictures_become_a_batch_of_numbers(tmp_path: Path) -> None:
    noise().save(tmp_path / "a.png")
    numbers = preprocessor()([tmp_path / "a.png", noise(), encoded(noise(seed=1), "PNG")])
    assert numbers.shape == (3, 3, 24, 24)
    assert numbers.dtype == torch.float32
    assert torch.equal(numbers[0], numbers[1])
    assert not torch.equal(numbers[0], numbers[2])


def test_no_picture_is_an_empty_batch() -> None:
    assert preprocessor()([]).shape == (0, 3, 24, 24)


def test_batches_keep_the_order_whatever_decodes_first() -> None:
    pictures = [noise(30 + 200 * (number % 2), 30, seed=number) for number in range(23)]
    batches = list(preprocessor().batches(pictures, size=5))
    assert [len(batch.indices) for batch in batches] == [5, 5, 5, 5, 3]
    assert [index for batch in batches for index in batch.indices] == list(range(23))
    together = torch.cat([batch.pixels for batch in batches])
    assert torch.equal(together, torch.cat([preprocessor()([picture]) for picture in pictures]))


def test_a_bad_picture_is_an_error_for_itself_and_the_rest_go_on() -> None:
    pictures: list[Picture] = [noise(), b"no picture", noise(seed=1), "missing.png"]
    first, second = preprocessor().batches(pictures, size=3)
    assert first.indices == [0, 2]
    assert str(first.errors[1]) == "picture 2 is no picture in a format that Pillow reads"
    assert second.indices == []
    assert second.pixels.shape == (0, 3, 24, 24)
    assert str(second.errors[3]).startswith("missing.png: cannot be read")
    with pytest.raises(InputError, match="picture 2 is no picture"):
        preprocessor()(pictures)


def test_pictures_are_read_only_as_far_as_the_decoders_are_ahead() -> None:
    taken = []

    def endless() -> Iterator[Picture]:
        while True:
            taken.append(1)
            yield noise()

    batches = preprocessor().batches(endless(), size=4)
    assert len(next(batches).indices) == 4
    assert len(taken) < 50
    batches.close()
    assert not [each for each in threading.enumerate() if each.name.startswith("decode")]


@pytest.mark.parametrize(
    ("class_", "size"),
    [(ViTImageProcessor, (224, 224)), (CLIPImageProcessor, (224, 224))],
)
def test_what_transformers_saves_is_read(
    class_: type[ViTImageProcessor], size: tuple[int, int], tmp_path: Path
) -> None:
    class_().save_pretrained(tmp_path)
    transform = load_preprocessor(files(tmp_path), None).transform
    assert (transform.height, transform.width) == size


def test_processor_config_holds_the_same_inside(tmp_path: Path) -> None:
    published = json.loads(SiglipImageProcessor().to_json_string())
    found = load_preprocessor(
        files(tmp_path, processor_config={"image_processor": published}), None
    )
    assert found.transform == from_transformers(published)


def test_files_of_feature_extractors_mean_what_they_meant() -> None:
    old_vit = {
        "do_normalize": True, "do_resize": True, "feature_extractor_type": "ViTFeatureExtractor",
        "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2, "size": 224,
    }  # fmt: skip
    assert from_transformers(old_vit) == from_transformers(
        json.loads(ViTImageProcessor().to_json_string())
    )
    old_clip = {
        "crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3, "size": 224,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }  # fmt: skip
    assert from_transformers(old_clip) == from_transformers(
        json.loads(CLIPImageProcessor().to_json_string())
    )
    assert (
        from_transformers(
            {**old_clip, "feature_extractor_type": "DeiTFeatureExtractor", "size": 256}
        ).resize
        == "squash"
    )


def test_the_oldest_files_name_no_class_and_mean_their_networks(tmp_path: Path) -> None:
    oldest = {"do_normalize": True, "do_resize": True, "size": 224}
    found = load_preprocessor(
        files(tmp_path, preprocessor_config=oldest, config={"model_type": "vit"}), None
    )
    assert found.transform == from_transformers(json.loads(ViTImageProcessor().to_json_string()))


def test_every_network_has_the_class_that_transformers_takes_for_it() -> None:
    for model_type, ours in _BY_MODEL_TYPE.items():
        theirs = IMAGE_PROCESSOR_MAPPING_NAMES[model_type]["torchvision"]
        assert theirs == f"{ours}ImageProcessor"


def test_timm_and_open_clip_files_are_found(tmp_path: Path) -> None:
    timm_files = files(tmp_path, config={"pretrained_cfg": {"input_size": [3, 64, 64]}})
    assert load_preprocessor(timm_files, None).transform.height == 64
    open_clip = {"model_cfg": {"vision_cfg": {"image_size": 48}}, "preprocess_cfg": {}}
    found = load_preprocessor(files(tmp_path, config={}, open_clip_config=open_clip), None)
    assert found.transform.height == 48


def test_a_checkpoint_without_preprocessing_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"put the model's preprocessor_config\.json beside"):
        load_preprocessor(files(tmp_path, config={"model_type": "vit"}), None)


@pytest.mark.parametrize(
    ("published", "message"),
    [
        ({"image_processor_type": "FlavaImageProcessor"}, "zoo knows BitImageProcessor"),
        ({}, "'image_processor_type' is missing"),
        ({"image_processor_type": "ViTImageProcessor", "size": {"longest_edge": 4}}, "'height' is"),
        ({"image_processor_type": "ViTImageProcessor", "do_pad": True}, "'do_pad' is True"),
        ({"image_processor_type": "ViTImageProcessor", "resample": 9}, "'resample' is 9"),
        ({"image_processor_type": "ViTImageProcessor", "gamma": 2}, "'gamma' is not a field"),
        ({"image_processor_type": "ViTImageProcessor", "image_mean": [1]}, "has 1 numbers"),
        ({"image_processor_type": "CLIPImageProcessor", "do_center_crop": False}, "would stay"),
        ({"image_processor_type": "CLIPImageProcessor", "crop_size": 300}, "holds no crop of 300"),
    ],
    ids=str,
)
def test_what_zoo_cannot_do_is_refused(published: dict[str, object], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        from_transformers(published)


def test_timm_networks_of_other_channels_are_refused() -> None:
    with pytest.raises(CheckpointError, match="takes 1 channels; zoo's pictures have 3"):
        from_timm({"pretrained_cfg": {"input_size": [1, 28, 28]}})


def test_facts_say_what_an_entry_may_pin() -> None:
    facts = preprocessor().facts
    assert facts["image_height"] == 24
    assert facts["mean"] == "0.485 0.456 0.406"
    assert facts["interpolation"] == "bicubic"


def test_a_preprocessor_for_text_is_a_programmers_mistake() -> None:
    with pytest.raises(TypeError, match="need an ImagePreprocessor, not str"):
        image_preprocessor("tokenizer")


def test_what_the_registry_says_of_means_is_what_published_files_say() -> None:
    made = [
        from_transformers({"image_processor_type": "CLIPImageProcessor"}),
        from_transformers({"image_processor_type": "ViTImageProcessor"}),
        from_timm({"pretrained_cfg": {}}),
        from_open_clip({"preprocess_cfg": {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}}),
    ]
    facts = [ImagePreprocessor(each).facts for each in made]
    known = {(each["mean"], each["std"]) for each in facts}
    stated = [entry for entry in zoo.list_models() if "mean" in entry.checkpoint]
    assert len(stated) > 60
    for entry in stated:
        assert (entry.checkpoint["mean"], entry.checkpoint["std"]) in known, entry.name
