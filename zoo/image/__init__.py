"""Pictures in: decoding, the record of their preprocessing, batches of numbers."""

from zoo.image.decoding import Picture, decode
from zoo.image.palette import PalettePreprocessor
from zoo.image.preprocessor import (
    ImagePreprocessor,
    PictureBatch,
    image_preprocessor,
    load_preprocessor,
    picture_name,
)
from zoo.image.published import (
    from_open_clip,
    from_timm,
    from_transformers,
    published_transform,
)
from zoo.image.timm_networks import check_timm_name, timm_fields, timm_network
from zoo.image.transforms import Transform, to_rgb

__all__ = [
    "ImagePreprocessor",
    "PalettePreprocessor",
    "Picture",
    "PictureBatch",
    "Transform",
    "check_timm_name",
    "decode",
    "from_open_clip",
    "from_timm",
    "from_transformers",
    "image_preprocessor",
    "load_preprocessor",
    "picture_name",
    "published_transform",
    "timm_fields",
    "timm_network",
    "to_rgb",
]
