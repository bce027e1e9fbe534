"""CLIP and SigLIP as open_clip publishes them: its config, and its names of tensors.

``open_clip_config.json`` holds ``model_cfg``, which describes both towers. OpenAI's own names of
tensors are the same. A picture tower of SigLIP is one of timm's, and goes by its name there.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from zoo.checkpoint import Files
from zoo.config import Fields
from zoo.errors import CheckpointError
from zoo.image import ImagePreprocessor, check_timm_name, from_open_clip
from zoo.weights import Rule, WeightMap, fused, same, transposed
from zoo_clip import clip, timm_clip
from zoo_clip import preprocessor as texts
from zoo_clip.blocks import Tower
from zoo_clip.clip import Clip, ClipConfig
from zoo_clip.siglip import Siglip, SiglipConfig
from zoo_clip.timm_clip import TimmClipConfig
from zoo_clip.weights import number

FILE = "open_clip_config.json"

Config = ClipConfig | SiglipConfig | TimmClipConfig

# How much wider a feed-forward network is than its tower.
_RATIO = 4.0


def config(published: Mapping[str, Any]) -> Config:
    """Read an ``open_clip_config.json``.

    Raises:
        CheckpointError: A field is unknown or missing, or asks for what neither network has.
    """
    file = Fields(published, "open-clip", file=FILE)
    fields = file.table("model_cfg")
    if fields is None:
        raise CheckpointError(f"{FILE}: 'model_cfg' is missing; it describes the network")
    file.unused("preprocess_cfg")
    vision, text = fields.table("vision_cfg"), fields.table("text_cfg")
    if vision is None or text is None:
        raise CheckpointError(f"{FILE}: 'vision_cfg' or 'text_cfg' is missing from model_cfg")
    fields.unused("init_logit_scale", "init_logit_bias", "custom_text", "multimodal_cfg")
    text.unused("hf_tokenizer_name", "pad_id", "output_tokens", "hf_model_pretrained")
    for tower in (vision, text):
        if not tower.has("ls_init_value"):  # null; a number would scale the layers
            tower.unused("ls_init_value")
    text.must_be("embed_cls", False)
    text.must_be("final_ln_after_pool", False)
    vision.unused("output_tokens", "patch_dropout")
    found: Config
    if not vision.has("timm_model_name"):
        found = _clip(fields, vision, text)
    elif vision.text("timm_pool", default="avg") == "map":
        found = _siglip(fields, vision, text)
    else:
        found = _timm_clip(fields, vision, text)
    for part in (file, fields, vision, text):
        part.finish()
    return found


def _clip(fields: Fields, vision: Fields, text: Fields) -> ClipConfig:
    """CLIP: a text is causal, and read off at its largest token."""
    for name, only in (
        ("attentional_pool", False),
        ("no_ln_pre", False),
        ("pos_embed_type", "learnable"),
        ("final_ln_after_pool", False),
        ("pool_type", "tok"),
        ("global_average_pool", False),
        ("input_patchnorm", False),
    ):
        vision.must_be(name, only)
    act = _causal_text(fields, text)
    width = vision.size("width", default=768)
    return ClipConfig(
        image_size=vision.size("image_size", default=224),
        patch=vision.size("patch_size", default=16),
        vision=Tower(
            width=width,
            layers=vision.size("layers", default=12, most=1000),
            heads=width // vision.size("head_width", default=64),
            hidden=int(width * vision.number("mlp_ratio", default=_RATIO)),
            activation=_activation(vision, act),
            norm_eps=_norm_eps(vision),
        ),
        vocabulary=text.size("vocab_size", default=49_408),
        max_length=text.size("context_length", default=77),
        text=_text_tower(text, act),
        embedding=fields.size("embed_dim"),
        end=None,
        unstated=() if fields.has("quick_gelu") else ("activation",),
    )


def _timm_clip(fields: Fields, vision: Fields, text: Fields) -> TimmClipConfig:
    """CLIP, but one of timm's networks sees."""
    act = _causal_text(fields, text)
    vision.unused("timm_model_pretrained", "timm_drop", "timm_drop_path")
    vision.must_be("timm_proj_bias", False)
    vision.must_be("timm_proj", "", "linear")
    pool = vision.text("timm_pool", default="avg")
    if pool in ("abs_attn", "rot_attn"):
        raise CheckpointError(f"{FILE}: 'timm_pool' is {pool!r}; zoo has the pools of timm itself")
    return TimmClipConfig(
        trunk=vision.text("timm_model_name"),
        pool=pool,
        projected=vision.text("timm_proj", default="") == "linear",
        image_size=vision.size("image_size", default=224),
        vocabulary=text.size("vocab_size", default=49_408),
        max_length=text.size("context_length", default=77),
        text=_text_tower(text, act),
        embedding=fields.size("embed_dim"),
        unstated=() if fields.has("quick_gelu") else ("activation",),
    )


def _causal_text(fields: Fields, text: Fields) -> str:
    """What CLIP's texts have in common; their activation."""
    text.must_be("no_causal_mask", False)
    text.must_be("proj_bias", False)
    text.must_be("pool_type", "argmax")
    text.must_be("tokenizer_kwargs", {}, {"clean": "lower"})
    return "quick_gelu" if fields.flag("quick_gelu", default=False) else "gelu"


def _siglip(fields: Fields, vision: Fields, text: Fields) -> SiglipConfig:
    """SigLIP: a text sees both sides, and is read off at its last place."""
    fields.must_be("quick_gelu", False)
    vision.must_be("timm_proj", "none", "")
    vision.must_be("timm_proj_bias", False)
    vision.unused("timm_model_pretrained", "timm_drop", "timm_drop_path")
    text.must_be("no_causal_mask", True)
    text.must_be("proj_bias", True)
    text.must_be("pool_type", "last")
    text.must_be("tokenizer_kwargs", {"clean": "canonicalize"})
    size = vision.size("image_size", default=224)
    tower, patch = _timm_tower(vision.text("timm_model_name"), size)
    if fields.size("embed_dim") != tower.width:
        raise CheckpointError(
            f"{FILE}: 'embed_dim' is {fields.size('embed_dim')}, but pictures end {tower.width} "
            "wide"
        )
    return SiglipConfig(
        image_size=size,
        patch=patch,
        vision=tower,
        vocabulary=text.size("vocab_size"),
        max_length=text.size("context_length"),
        text=_text_tower(text, "gelu"),
    )


def _text_tower(text: Fields, act: str) -> Tower:
    width = text.size("width", default=512)
    return Tower(
        width=width,
        layers=text.size("layers", default=12, most=1000),
        heads=text.size("heads", default=8),
        hidden=int(width * text.number("mlp_ratio", default=_RATIO)),
        activation=_activation(text, act),
        norm_eps=_norm_eps(text),
    )


def _activation(tower: Fields, name: str) -> str:
    """GELU may be asked for in its approximation by tanh."""
    arguments = tower.table("act_kwargs")
    if arguments is None:
        return name
    arguments.must_be("approximate", "none", "tanh")
    tanh = arguments.text("approximate", default="none") == "tanh"
    arguments.finish()
    return "gelu_pytorch_tanh" if tanh and name == "gelu" else name


def _norm_eps(tower: Fields) -> float:
    arguments = tower.table("norm_kwargs")
    if arguments is None:
        return 1e-5
    eps = arguments.number("eps", default=1e-5)
    arguments.finish()
    return eps


def _timm_tower(name: str, image_size: int) -> tuple[Tower, int]:
    """The sizes behind one of timm's names, and the edge of its patches in pixels.

    timm knows them by code alone, so it builds the network, without weights.
    """
    import timm
    import torch
    from timm.layers import GELUTanh

    check_timm_name(name)
    try:
        with torch.device("meta"):
            trunk: Any = timm.create_model(
                name, pretrained=False, num_classes=0, img_size=image_size
            )
        block, activation = trunk.blocks[0], trunk.blocks[0].mlp.act
        pooled = trunk.attn_pool is not None and trunk.cls_token is None
        tower = Tower(
            width=trunk.embed_dim,
            layers=len(trunk.blocks),
            heads=block.attn.num_heads,
            hidden=block.mlp.fc1.out_features,
            activation="gelu_pytorch_tanh",
            norm_eps=block.norm1.eps,
        )
    except (AttributeError, RuntimeError, TypeError) as error:
        raise CheckpointError(
            f"{FILE}: 'timm_model_name' is {name!r}, which is no Vision Transformer of timm's "
            f"that SigLIP could have ({error})"
        ) from error
    tanh = isinstance(activation, GELUTanh) or getattr(activation, "approximate", "") == "tanh"
    if not pooled or not (tanh or isinstance(activation, nn.GELU)):
        raise CheckpointError(
            f"{FILE}: 'timm_model_name' is {name!r}; zoo has those of SigLIP, which pool by "
            "attention and have GELU"
        )
    if not tanh:
        tower = Tower(**{**vars(tower), "activation": "gelu"})
    return tower, trunk.patch_embed.patch_size[0]


def build(config: Config) -> Clip | Siglip:
    """The network that a config describes."""
    if isinstance(config, SiglipConfig):
        return Siglip(config)
    if isinstance(config, TimmClipConfig):
        return timm_clip.build(config)
    return clip.build(config)


def preprocessor(files: Files, config: Config) -> texts.ClipPreprocessor:
    """Read the files beside the network that a config describes.

    Raises:
        CheckpointError: One is missing or damaged, or contradicts the network.
    """
    published = files.json(FILE)
    if not isinstance(published.get("preprocess_cfg"), Mapping):
        raise CheckpointError(
            f"{files.source}: {FILE} has no 'preprocess_cfg', and a guess at how pictures are "
            "resized and normalised would change every number; put it in"
        )
    image = ImagePreprocessor(from_open_clip(published))
    text = (
        texts.siglip_text(files, config)
        if isinstance(config, SiglipConfig)
        else texts.clip_text(files, config)
    )
    return texts.ClipPreprocessor(texts.check_size(files, image, config.image_size), text)


def weights(config: Config) -> WeightMap:
    """The names in which open_clip saves such a network; its text tower may have a prefix."""
    if isinstance(config, SiglipConfig):
        return _siglip_weights()
    return _clip_weights(_TIMM_VISION if isinstance(config, TimmClipConfig) else _VISION)


def _clip_weights(vision: tuple[Rule, ...]) -> WeightMap:
    return WeightMap(
        "open_clip's CLIP",
        (
            *vision,
            *_text("{base}"),
            transposed("{base}text_projection", "text.projection.weight"),
            number("logit_scale"),
        ),
        base=("", "text."),
        ignore=dict.fromkeys(
            ("input_resolution", "context_length", "vocab_size"),
            "a number that OpenAI's archives hold, and the config states",
        ),
    )


def _siglip_weights() -> WeightMap:
    trunk, pool = "visual.trunk", "visual.trunk.attn_pool"
    block = f"{trunk}.blocks.{{n}}"
    qkv = [f"vision.blocks.{{n}}.attention.{x}.{{p}}" for x in ("query", "key", "value")]
    kv = [f"vision.pool.attention.{x}.{{p}}" for x in ("key", "value")]
    return WeightMap(
        "open_clip's SigLIP",
        (
            same(f"{trunk}.patch_embed.proj.{{p}}", "vision.patches.projection.{p}"),
            _first(f"{trunk}.pos_embed", "vision.positions"),
            same(f"{block}.norm1.{{p}}", "vision.blocks.{n}.attention_norm.{p}"),
            fused(f"{block}.attn.qkv.{{p}}", *qkv),
            same(f"{block}.attn.proj.{{p}}", "vision.blocks.{n}.attention.output.{p}"),
            same(f"{block}.norm2.{{p}}", "vision.blocks.{n}.feed_forward_norm.{p}"),
            same(f"{block}.mlp.fc1.{{p}}", "vision.blocks.{n}.feed_forward.up.{p}"),
            same(f"{block}.mlp.fc2.{{p}}", "vision.blocks.{n}.feed_forward.down.{p}"),
            same(f"{trunk}.norm.{{p}}", "vision.norm.{p}"),
            same(f"{pool}.latent", "vision.pool.probe"),
            same(f"{pool}.q.{{p}}", "vision.pool.attention.query.{p}"),
            fused(f"{pool}.kv.{{p}}", *kv),
            same(f"{pool}.proj.{{p}}", "vision.pool.attention.output.{p}"),
            same(f"{pool}.norm.{{p}}", "vision.pool.norm.{p}"),
            same(f"{pool}.mlp.fc1.{{p}}", "vision.pool.feed_forward.up.{p}"),
            same(f"{pool}.mlp.fc2.{{p}}", "vision.pool.feed_forward.down.{p}"),
            *_text("text."),
            same("text.text_projection.{p}", "text.projection.{p}"),
            number("logit_scale"),
            number("logit_bias"),
        ),
    )


def _text(theirs: str) -> tuple[Rule, ...]:
    return (
        same(f"{theirs}token_embedding.weight", "text.token_embedding.weight"),
        same(f"{theirs}positional_embedding", "text.positions"),
        *_blocks(f"{theirs}transformer", "text"),
        same(f"{theirs}ln_final.{{p}}", "text.norm.{p}"),
    )


def _blocks(theirs: str, ours: str) -> tuple[Rule, ...]:
    layer, block = f"{theirs}.resblocks.{{n}}", f"{ours}.blocks.{{n}}"
    return (
        same(f"{layer}.ln_1.{{p}}", f"{block}.attention_norm.{{p}}"),
        *(
            fused(
                f"{layer}.attn.in_proj_{p}",
                *(f"{block}.attention.{x}.{p}" for x in ("query", "key", "value")),
            )
            for p in ("weight", "bias")
        ),
        same(f"{layer}.attn.out_proj.{{p}}", f"{block}.attention.output.{{p}}"),
        same(f"{layer}.ln_2.{{p}}", f"{block}.feed_forward_norm.{{p}}"),
        same(f"{layer}.mlp.c_fc.{{p}}", f"{block}.feed_forward.up.{{p}}"),
        same(f"{layer}.mlp.c_proj.{{p}}", f"{block}.feed_forward.down.{{p}}"),
    )


def _first(theirs: str, ours: str) -> Rule:
    """A tensor stored in a batch of one."""

    def split(x: Tensor, _: int) -> tuple[Tensor, ...]:
        return (x[0] if x.size(0) == 1 else x,)

    return Rule(theirs, (ours,), split, lambda xs: xs[0].unsqueeze(0))


_VISION = (
    same("visual.class_embedding", "vision.class_token"),
    same("visual.conv1.weight", "vision.patches.projection.weight"),
    same("visual.positional_embedding", "vision.positions"),
    same("visual.ln_pre.{p}", "vision.pre_norm.{p}"),
    *_blocks("visual.transformer", "vision"),
    same("visual.ln_post.{p}", "vision.norm.{p}"),
    transposed("visual.proj", "vision.projection.weight"),
)

_TIMM_VISION = (
    same("visual.trunk.{rest}", "vision.trunk.{rest}"),
    same("visual.head.proj.weight", "vision.projection.weight"),
)
