"""The three forms in which checkpoints publish their preprocessing, read into one record.

- ``preprocessor_config.json``, by transformers, of a class such as ``ViTImageProcessor``; newer
  ones as ``image_processor`` inside ``processor_config.json``
- ``config.json`` with ``pretrained_cfg``, by timm
- ``open_clip_config.json`` with ``preprocess_cfg``, by open_clip
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.checkpoint import Files
from zoo.config import Fields
from zoo.errors import CheckpointError
from zoo.image.transforms import Interpolation, Resize, Transform

Triple = tuple[float, float, float]

HALF: Triple = (0.5, 0.5, 0.5)
IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)
OPENAI_MEAN: Triple = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD: Triple = (0.26862954, 0.26130258, 0.27577711)

# In the order of the numbers that Pillow gives them, and transformers writes.
_FILTERS: tuple[Interpolation, ...] = (
    "nearest", "lanczos", "bilinear", "bicubic", "box", "hamming",
)  # fmt: skip


@dataclass(frozen=True)
class _Class:
    """What a processor class of transformers takes for what a file leaves out.

    ``square`` says that a size of one number means a square, else the shorter edge.
    """

    size: int
    crop: int | None
    square: bool
    resample: int
    mean: Triple
    std: Triple


_CLIP = _Class(224, 224, square=False, resample=3, mean=OPENAI_MEAN, std=OPENAI_STD)
_CLASSES = {
    "Bit": _CLIP,
    "CLIP": _CLIP,
    "ChineseCLIP": _CLIP,
    "ConvNext": _Class(384, None, square=False, resample=3, mean=HALF, std=HALF),
    "DeiT": _Class(256, 224, square=True, resample=3, mean=HALF, std=HALF),
    "ImageGPT": _Class(256, None, square=True, resample=2, mean=HALF, std=HALF),
    "Siglip": _Class(224, None, square=True, resample=3, mean=HALF, std=HALF),
    "ViT": _Class(224, None, square=True, resample=2, mean=HALF, std=HALF),
}
# The class that transformers takes for a network whose file names none.
_BY_MODEL_TYPE = {
    "bit": "Bit",
    "chinese_clip": "ChineseCLIP",
    "clip": "CLIP",
    "convnext": "ConvNext",
    "convnextv2": "ConvNext",
    "deit": "DeiT",
    "dinov2": "Bit",
    "imagegpt": "ImageGPT",
    "resnet": "ConvNext",
    "siglip": "Siglip",
    "vit": "ViT",
    "vit_mae": "ViT",
}


def published_transform(files: Files) -> Transform:
    """Read how a checkpoint wants its pictures, from whichever of the three forms it has.

    Raises:
        CheckpointError: It has none of them, or one says what zoo cannot do.
    """
    config = files.json("config.json")
    model_type = config.get("model_type")
    if found := files.json("preprocessor_config.json"):
        return from_transformers(found, model_type)
    inside = files.json("processor_config.json").get("image_processor")
    if isinstance(inside, Mapping):
        return from_transformers(inside, model_type)
    if "pretrained_cfg" in config:
        return from_timm(config)
    if found := files.json("open_clip_config.json"):
        return from_open_clip(found)
    raise CheckpointError(
        f"{files.source}: no file says how its pictures are resized and normalised, and a guess "
        "would change every number; put the model's preprocessor_config.json beside its weights"
    )


def from_transformers(published: Mapping[str, Any], model_type: str | None = None) -> Transform:
    """Read a ``preprocessor_config.json``, in today's form or as feature extractors wrote it.

    Transparent pictures lie on white, as transformers 5.2 has it; earlier ones dropped the layer.

    Args:
        published: The file.
        model_type: Of ``config.json``; it says which class the oldest files mean, which name none.

    Raises:
        CheckpointError: It is of a class, or has a field, that zoo does not know.
    """
    name = published.get("image_processor_type") or published.get("feature_extractor_type")
    kind = str(name or _BY_MODEL_TYPE.get(model_type or "", ""))
    for ending in ("Fast", "Pil", "ImageProcessor", "FeatureExtractor"):
        kind = kind.removesuffix(ending)
    if kind not in _CLASSES:
        given = repr(name) if name else "missing"
        raise CheckpointError(
            f"preprocessor_config.json: 'image_processor_type' is {given}; zoo knows "
            f"{', '.join(each + 'ImageProcessor' for each in _CLASSES)}"
        )
    default = _CLASSES[kind]
    fields = Fields(published, f"{kind}ImageProcessor", file="preprocessor_config.json")
    fields.unused("image_processor_type", "feature_extractor_type", "processor_class", "auto_map")
    fields.unused("do_convert_rgb", "default_to_square", "data_format", "input_data_format")
    fields.unused("return_tensors", "device", "disable_grouping", "image_seq_length")
    fields.must_be("do_rescale", True)
    fields.must_be("do_pad", False)
    fields.unused("pad_size")  # of a padding that is not done

    resize, height, width = _transformers_size(fields, default)
    if kind == "ConvNext":
        fields.must_be("do_center_crop", False)
        crop = height, width
        # Below 384 pixels a border is cut off; from there on nothing is, and pictures are squashed.
        if resize == "shortest" and height < 384:
            height = width = int(height / fields.number("crop_pct", default=224 / 256))
        elif resize == "shortest":
            resize = "squash"
        fields.unused("crop_pct")
    elif fields.flag("do_center_crop", default=default.crop is not None):
        crop = _square_size(fields, "crop_size", default.crop or 224)
    else:
        fields.unused("crop_size")
        crop = height, width
        if resize == "shortest":
            raise CheckpointError(
                "preprocessor_config.json: pictures of different shapes would stay different, with "
                "'do_center_crop' false and a size of 'shortest_edge'; say 'height' and 'width'"
            )
    mean, std = default.mean, default.std
    if fields.flag("do_normalize", default=True):
        mean, std = _triple(fields, "image_mean", mean), _triple(fields, "image_std", std)
    else:
        fields.unused("image_mean", "image_std")
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    resample = fields.size("resample", default=default.resample, least=0, most=len(_FILTERS))
    rescale = fields.number("rescale_factor", default=1 / 255)
    fields.finish()
    if resize == "none":
        height, width = crop
    return _transform(
        height=crop[0],
        width=crop[1],
        resize=resize,
        resize_height=height,
        resize_width=width,
        interpolation=_FILTERS[resample],
        crop_offset="down",
        convert="before",
        alpha="white",
        mean=mean,
        std=std,
        rescale=rescale,
    )


def from_timm(published: Mapping[str, Any]) -> Transform:
    """Read the ``pretrained_cfg`` of timm's ``config.json``, or an older file with it spread out.

    The picture is made RGB before all else, and a transparent layer dropped, as timm's datasets do.

    Raises:
        CheckpointError: A field holds what zoo cannot do.
    """
    fields = Fields(published.get("pretrained_cfg", published), "timm", file="pretrained_cfg")
    channels, height, width = map(int, _triple(fields, "input_size", (3, 224, 224)))
    if channels != 3:
        raise CheckpointError(
            f"pretrained_cfg: the network takes {channels} channels; zoo's pictures have 3, RGB"
        )
    crop_pct = fields.number("crop_pct", default=0.875)
    mode = fields.text("crop_mode", default="center")
    resizes: dict[str, Resize] = {"center": "shortest", "squash": "squash", "border": "inside"}
    if mode not in resizes:
        raise CheckpointError(
            f"pretrained_cfg: 'crop_mode' is {mode!r}; zoo knows {', '.join(resizes)}"
        )
    mean = _triple(fields, "mean", IMAGENET_MEAN)
    red, green, blue = (round(255 * value) for value in mean)
    return _transform(
        height=height,
        width=width,
        resize=resizes[mode],
        resize_height=math.floor(height / crop_pct),
        resize_width=math.floor(width / crop_pct),
        interpolation=_filter(fields, "interpolation", "bicubic"),
        crop_offset="even",
        convert="before",
        alpha="drop",
        mean=mean,
        std=_triple(fields, "std", IMAGENET_STD),
        fill=(red, green, blue) if mode == "border" else (0, 0, 0),
    )


def from_open_clip(published: Mapping[str, Any]) -> Transform:
    """Read an ``open_clip_config.json``.

    The picture is resized as it is and made RGB at the end: of a palette, the nearest colours.

    Raises:
        CheckpointError: A field holds what zoo cannot do.
    """
    file = "open_clip_config.json"
    preprocess = published.get("preprocess_cfg") or {}
    model = published.get("model_cfg") or {}
    fields = Fields(preprocess, "preprocess_cfg", file=file)
    size = preprocess.get("size") or model.get("vision_cfg", {}).get("image_size") or 224
    fields.unused("size")
    height, width = (size, size) if isinstance(size, int) else (size[0], size[1])
    resizes: dict[str, Resize] = {"shortest": "shortest", "squash": "squash", "longest": "inside"}
    mode = fields.text("resize_mode", default="shortest")
    if mode not in resizes:
        raise CheckpointError(f"{file}: 'resize_mode' is {mode!r}; zoo knows {', '.join(resizes)}")
    fields.must_be("mode", "RGB")
    fill = fields.size("fill_color", default=0, least=0, most=256)
    transform = _transform(
        height=height,
        width=width,
        resize=resizes[mode],
        resize_height=height,
        resize_width=width,
        interpolation=_filter(fields, "interpolation", "bicubic"),
        crop_offset="even",
        convert="after",
        alpha="drop",
        mean=_triple(fields, "mean", OPENAI_MEAN),
        std=_triple(fields, "std", OPENAI_STD),
        fill=(fill, fill, fill),
    )
    fields.finish()
    return transform


def _transform(**record: Any) -> Transform:  # noqa: ANN401 (the record checks its fields)
    try:
        return Transform(**record)
    except ValueError as error:
        raise CheckpointError(f"the checkpoint's preprocessing makes no sense: {error}") from error


def _transformers_size(fields: Fields, default: _Class) -> tuple[Resize, int, int]:
    """How to resize, and to which height and width.

    A file that says not to resize still says which size the network takes.
    """
    how: Resize = "squash" if default.square else "shortest"
    sizes = fields.table("size") if fields.is_table("size") else None
    if sizes is None:
        height = width = fields.size("size", default=default.size)
    elif sizes.has("shortest_edge"):
        how, height = "shortest", sizes.size("shortest_edge")
        width = height
        sizes.finish()
    else:
        how, height, width = "squash", sizes.size("height"), sizes.size("width")
        sizes.finish()
    return (how if fields.flag("do_resize", default=True) else "none"), height, width


def _square_size(fields: Fields, name: str, default: int) -> tuple[int, int]:
    """A height and a width: an object of the two, or one number for both."""
    sizes = fields.table(name) if fields.is_table(name) else None
    if sizes is None:
        edge = fields.size(name, default=default)
        return edge, edge
    height, width = sizes.size("height"), sizes.size("width")
    sizes.finish()
    return height, width


def _triple(fields: Fields, name: str, default: Triple) -> Triple:
    values = fields.numbers(name) if fields.has(name) else default
    if len(values) != 3:
        raise CheckpointError(f"{name!r} has {len(values)} numbers; expected three")
    return values[0], values[1], values[2]


def _filter(fields: Fields, name: str, default: Interpolation) -> Interpolation:
    value = fields.text(name, default=default)
    for known in _FILTERS:
        if value == known:
            return known
    raise CheckpointError(f"{name!r} is {value!r}; zoo knows {', '.join(_FILTERS)}")
