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
from zoo.image.transforms import Transform, to_rgb

__all__ = [
    "ImagePreprocessor",
    "PalettePreprocessor",
    "Picture",
    "PictureBatch",
    "Transform",
    "decode",
    "from_open_clip",
    "from_timm",
    "from_transformers",
    "image_preprocessor",
    "load_preprocessor",
    "picture_name",
    "published_transform",
    "to_rgb",
]
