"""What the publishers' repositories say in their small files, by the registry's names.

Read off the hub's pages, copies of the repositories, and later saves of the same models. That zoo's
readers know all of the fields is the point; so those of config.json and of the pictures' files are
all here, as they were written in their day. Those of T5 base, of DistilBERT without a classifier
and of SmolLM2-135M-Instruct make the very bytes that the hub's checksums are of. Left out are the
values that no reader minds: where a classifier has a thousand names for its classes, they are
numbers here, the colours of ImageGPT's palette are grey, and a tokenizer's settings are those that
change what zoo does.
"""

from __future__ import annotations

from typing import Any

Published = dict[str, Any]  # file's name -> what it holds

CONFIG, PREPROCESSOR, TOKENIZER = "config.json", "preprocessor_config.json", "tokenizer_config.json"
GENERATION, OPEN_CLIP = "generation_config.json", "open_clip_config.json"

NO_LIMIT = 1000000000000000019884624838656  # what transformers writes for it

OPENAI = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
THOUSAND = {
    "id2label": {str(number): f"class {number}" for number in range(1000)},
    "label2id": {f"class {number}": number for number in range(1000)},
}
THREE = {
    "id2label": {str(number): f"LABEL_{number}" for number in range(3)},
    "label2id": {f"LABEL_{number}": number for number in range(3)},
}


# ---- BERT and its kin ----


def bert(vocabulary: int, **more: object) -> Published:
    return {
        "architectures": ["BertForMaskedLM"],
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": 768,
        "initializer_range": 0.02,
        "intermediate_size": 3072,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 512,
        "model_type": "bert",
        "num_attention_heads": 12,
        "num_hidden_layers": 12,
        "pad_token_id": 0,
        "type_vocab_size": 2,
        "vocab_size": vocabulary,
        **more,
    }


def embedder(path: str, version: str, **more: object) -> Published:
    """A BERT as sentence-transformers saved it."""
    return bert(
        30522,
        _name_or_path=path,
        architectures=["BertModel"],
        classifier_dropout=None,
        gradient_checkpointing=False,
        position_embedding_type="absolute",
        torch_dtype="float32",
        transformers_version=version,
        use_cache=True,
        **more,
    )


def modules(*kinds: str) -> list[dict[str, object]]:
    return [
        {
            "idx": number,
            "name": str(number),
            "path": "" if kind == "Transformer" else f"{number}_{kind}",
            "type": f"sentence_transformers.models.{kind}",
        }
        for number, kind in enumerate(kinds)
    ]


def pooling(width: int, mode: str) -> Published:
    modes = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens")
    return {
        "word_embedding_dimension": width,
        **{f"pooling_mode_{each}": each == mode for each in modes},
    }


BERT_POOLER = {
    "directionality": "bidi",
    "pooler_fc_size": 768,
    "pooler_num_attention_heads": 12,
    "pooler_num_fc_layers": 3,
    "pooler_size_per_head": 128,
    "pooler_type": "first_token_transform",
}
BERT_LARGE = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
}
MINILM = {"hidden_size": 384, "intermediate_size": 1536}
ONE_LABEL = {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}


def roberta(kind: str, vocabulary: int, **more: object) -> Published:
    """RoBERTa, or XLM-R."""
    return {
        **bert(vocabulary),
        "architectures": ["RobertaForMaskedLM"],
        "bos_token_id": 0,
        "eos_token_id": 2,
        "layer_norm_eps": 1e-05,
        "max_position_embeddings": 514,
        "model_type": kind,
        "pad_token_id": 1,
        "type_vocab_size": 1,
        **more,
    }


def distilbert(vocabulary: int, **more: object) -> Published:
    return {
        "activation": "gelu",
        "architectures": ["DistilBertForMaskedLM"],
        "attention_dropout": 0.1,
        "dim": 768,
        "dropout": 0.1,
        "hidden_dim": 3072,
        "initializer_range": 0.02,
        "max_position_embeddings": 512,
        "model_type": "distilbert",
        "n_heads": 12,
        "n_layers": 6,
        "pad_token_id": 0,
        "qa_dropout": 0.1,
        "seq_classif_dropout": 0.2,
        "sinusoidal_pos_embds": False,
        "tie_weights_": True,
        "vocab_size": vocabulary,
        **more,
    }


# ---- GPT-2 ----


def gpt2(layers: int, width: int = 768, heads: int = 12, **more: object) -> Published:
    return {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": 0.1,
        "bos_token_id": 50256,
        "embd_pdrop": 0.1,
        "eos_token_id": 50256,
        "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-05,
        "model_type": "gpt2",
        "n_ctx": 1024,
        "n_embd": width,
        "n_head": heads,
        "n_layer": layers,
        "n_positions": 1024,
        "resid_pdrop": 0.1,
        "summary_activation": None,
        "summary_first_dropout": 0.1,
        "summary_proj_to_labels": True,
        "summary_type": "cls_index",
        "summary_use_proj": True,
        "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
        "vocab_size": 50257,
        **more,
    }


# ---- Marian ----


def marian(padding: int, **more: object) -> Published:
    return {
        "activation_dropout": 0.0,
        "activation_function": "swish",
        "add_bias_logits": False,
        "add_final_layer_norm": False,
        "architectures": ["MarianMTModel"],
        "attention_dropout": 0.0,
        "bad_words_ids": [[padding]],
        "bos_token_id": 0,
        "classif_dropout": 0.0,
        "d_model": 512,
        "decoder_attention_heads": 8,
        "decoder_ffn_dim": 2048,
        "decoder_layerdrop": 0.0,
        "decoder_layers": 6,
        "decoder_start_token_id": padding,
        "dropout": 0.1,
        "encoder_attention_heads": 8,
        "encoder_ffn_dim": 2048,
        "encoder_layerdrop": 0.0,
        "encoder_layers": 6,
        "eos_token_id": 0,
        **THREE,
        "init_std": 0.02,
        "is_encoder_decoder": True,
        "max_length": 512,
        "max_position_embeddings": 512,
        "model_type": "marian",
        "normalize_before": False,
        "normalize_embedding": False,
        "num_beams": 6,
        "num_hidden_layers": 6,
        "pad_token_id": padding,
        "scale_embedding": True,
        "static_position_embeddings": True,
        "vocab_size": padding + 1,
        **more,
    }


def resaved_marian(padding: int) -> Published:
    return marian(
        padding,
        _name_or_path="Helsinki-NLP/opus-mt",
        _num_labels=3,
        classifier_dropout=0.0,
        decoder_vocab_size=padding + 1,
        forced_eos_token_id=0,
        gradient_checkpointing=False,
        num_beams=4,
        share_encoder_decoder_embeddings=True,
        torch_dtype="float16",
        transformers_version="4.22.0.dev0",
        use_cache=True,
    )


# ---- T5 ----


def t5_tasks() -> Published:
    summary = {"length_penalty": 2.0, "max_length": 200, "min_length": 30}
    return {
        "summarization": {
            "early_stopping": True,
            **summary,
            "no_repeat_ngram_size": 3,
            "num_beams": 4,
            "prefix": "summarize: ",
        },
        **{
            f"translation_en_to_{code}": {
                "early_stopping": True,
                "max_length": 300,
                "num_beams": 4,
                "prefix": f"translate English to {language}: ",
            }
            for code, language in (("de", "German"), ("fr", "French"), ("ro", "Romanian"))
        },
    }


def t5(layers: int, width: int, heads: int, hidden: int, **more: object) -> Published:
    return {
        "architectures": ["T5ForConditionalGeneration"],
        "d_ff": hidden,
        "d_kv": 64,
        "d_model": width,
        "decoder_start_token_id": 0,
        "dropout_rate": 0.1,
        "eos_token_id": 1,
        "feed_forward_proj": "relu",
        "initializer_factor": 1.0,
        "is_encoder_decoder": True,
        "layer_norm_epsilon": 1e-06,
        "model_type": "t5",
        "n_positions": 512,
        "num_decoder_layers": layers,
        "num_heads": heads,
        "num_layers": layers,
        "output_past": True,
        "pad_token_id": 0,
        "relative_attention_num_buckets": 32,
        "task_specific_params": t5_tasks(),
        "use_cache": True,
        "vocab_size": 32128,
        **more,
    }


# ---- CLIP ----

# What transformers 4.16 wrote into each tower's part, for every model.
EVERY_MODELS = {
    "_name_or_path": "",
    "add_cross_attention": False,
    "architectures": None,
    "attention_dropout": 0.0,
    "bad_words_ids": None,
    "bos_token_id": None,
    "chunk_size_feed_forward": 0,
    "cross_attention_hidden_size": None,
    "decoder_start_token_id": None,
    "diversity_penalty": 0.0,
    "do_sample": False,
    "dropout": 0.0,
    "early_stopping": False,
    "encoder_no_repeat_ngram_size": 0,
    "eos_token_id": None,
    "finetuning_task": None,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
    "initializer_factor": 1.0,
    "initializer_range": 0.02,
    "is_decoder": False,
    "is_encoder_decoder": False,
    "label2id": {"LABEL_0": 0, "LABEL_1": 1},
    "layer_norm_eps": 1e-05,
    "length_penalty": 1.0,
    "max_length": 20,
    "min_length": 0,
    "no_repeat_ngram_size": 0,
    "num_beam_groups": 1,
    "num_beams": 1,
    "num_return_sequences": 1,
    "output_attentions": False,
    "output_hidden_states": False,
    "output_scores": False,
    "pad_token_id": None,
    "prefix": None,
    "problem_type": None,
    "pruned_heads": {},
    "remove_invalid_values": False,
    "repetition_penalty": 1.0,
    "return_dict": True,
    "return_dict_in_generate": False,
    "sep_token_id": None,
    "task_specific_params": None,
    "temperature": 1.0,
    "tie_encoder_decoder": False,
    "tie_word_embeddings": True,
    "tokenizer_class": None,
    "top_k": 50,
    "top_p": 1.0,
    "torch_dtype": None,
    "torchscript": False,
    "transformers_version": "4.16.0.dev0",
    "use_bfloat16": False,
}
SINCE_4_21 = {
    "exponential_decay_length_penalty": None,
    "tf_legacy_loss": False,
    "transformers_version": "4.21.0.dev0",
    "typical_p": 1.0,
}


IN_2021 = {"transformers_version": "4.12.0.dev0"}


def added_token(text: str) -> Published:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True}
    return {"content": text, **flags, "__type": "AddedToken"}


def clip_tower(kind: str, width: int, layers: int, heads: int, **more: object) -> Published:
    return {
        **EVERY_MODELS,
        "hidden_act": "quick_gelu",
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "model_type": f"clip_{kind}_model",
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        **more,
    }


def clip(text: Published, vision: Published, embedding: int, **more: object) -> Published:
    text = {"vocab_size": 49408, "max_position_embeddings": 77, **text}
    return {
        "_name_or_path": "openai/clip",
        "architectures": ["CLIPModel"],
        "initializer_factor": 1.0,
        "logit_scale_init_value": 2.6592,
        "model_type": "clip",
        "projection_dim": embedding,
        "text_config": {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1, **text},
        "torch_dtype": "float32",
        "transformers_version": None,
        "vision_config": vision,
        **more,
    }


def short_clip(text: Published, vision: Published, embedding: int) -> Published:
    """As transformers wrote it from 2023: a tower's part lacks what is the class's default."""
    return {
        "architectures": ["CLIPModel"],
        "initializer_factor": 1.0,
        "logit_scale_init_value": 2.6592,
        "model_type": "clip",
        "projection_dim": embedding,
        "text_config": {"dropout": 0.0, "model_type": "clip_text_model", **text},
        "torch_dtype": "float32",
        "transformers_version": "4.37.2",
        "vision_config": {"dropout": 0.0, "model_type": "clip_vision_model", **vision},
    }


def clip_pictures(size: int, statistics: Published) -> Published:
    return {
        "crop_size": size,
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor",
        **statistics,
        "resample": 3,
        "size": size,
    }


def open_clip(
    size: int, patch: int, vision: tuple[int, int], text: tuple[int, int, int], **more: object
) -> Published:
    """Of pictures the width and the layers; of texts the width, the heads and the layers."""
    head = {"head_width": 80} if vision[0] == 1280 else {}
    resize = {"interpolation": "bicubic", "resize_mode": more.pop("resize_mode", None)}
    return {
        "model_cfg": {
            "embed_dim": text[0],
            **more,
            "vision_cfg": {
                "image_size": size,
                "layers": vision[1],
                "width": vision[0],
                **head,
                "patch_size": patch,
            },
            "text_cfg": {
                "context_length": 77,
                "vocab_size": 49408,
                "width": text[0],
                "heads": text[1],
                "layers": text[2],
            },
        },
        "preprocess_cfg": {
            "mean": OPENAI["image_mean"],
            "std": OPENAI["image_std"],
            **(resize if resize["resize_mode"] else {}),
        },
    }


def mobileclip() -> Published:
    """What open_clip's ``save_config_for_hf`` makes of its own tables."""
    return {
        OPEN_CLIP: {
            "model_cfg": {
                "embed_dim": 512,
                "vision_cfg": {
                    "timm_model_name": "vit_base_mci_224",
                    "timm_model_pretrained": False,
                    "timm_pool": "token",
                    "timm_proj": None,
                    "timm_drop": 0.0,
                    "timm_drop_path": 0.0,
                    "image_size": 224,
                },
                "text_cfg": {
                    "context_length": 77,
                    "vocab_size": 49408,
                    "width": 512,
                    "heads": 8,
                    "layers": 12,
                    "no_causal_mask": False,
                },
                "custom_text": True,
            },
            "preprocess_cfg": {
                "mean": [0.0, 0.0, 0.0],
                "std": [1.0, 1.0, 1.0],
                "interpolation": "bilinear",
                "resize_mode": "shortest",
            },
        },
    }


LARGE = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
LARGE_VISION = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "patch_size": 14,
}
GELU = {"hidden_act": "gelu"}


def metaclip(patch: int) -> Published:
    return {
        CONFIG: {
            "architectures": ["CLIPModel"],
            "initializer_factor": 1.0,
            "logit_scale_init_value": 2.6592,
            "model_type": "clip",
            "projection_dim": 512,
            "text_config": {"heads": 8, "layers": 12, "model_type": "clip_text_model"},
            "torch_dtype": "float32",
            "transformers_version": "4.34.0",
            "vision_config": {
                "model_type": "clip_vision_model",
                **({"patch_size": 16} if patch == 16 else {}),
            },
        },
        PREPROCESSOR: {
            "crop_size": {"height": 224, "width": 224},
            "do_center_crop": True,
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            **OPENAI,
            "image_processor_type": "CLIPImageProcessor",
            "processor_class": "CLIPProcessor",
            "resample": 3,
            "rescale_factor": 0.00392156862745098,
            "size": {"shortest_edge": 224},
        },
    }


METACLIP_L = {
    CONFIG: {
        **metaclip(32)[CONFIG],
        "projection_dim": 768,
        "text_config": {"model_type": "clip_text_model", **LARGE},
        "vision_config": {"model_type": "clip_vision_model", **LARGE_VISION},
    },
    PREPROCESSOR: metaclip(32)[PREPROCESSOR],
}


def siglip(text: Published, vision: Published) -> Published:
    return {
        "architectures": ["SiglipModel"],
        "initializer_factor": 1.0,
        "model_type": "siglip",
        "text_config": {"model_type": "siglip_text_model", **text},
        "torch_dtype": "float32",
        "transformers_version": "4.37.0.dev0",
        "vision_config": {"model_type": "siglip_vision_model", **vision},
    }


SIGLIP_TEXTS = {
    "clean_up_tokenization_spaces": True,
    "do_lower_case": True,
    "eos_token": "</s>",
    "model_max_length": 64,
    "pad_token": "</s>",
    "processor_class": "SiglipProcessor",
    "sp_model_kwargs": {},
    "tokenizer_class": "SiglipTokenizer",
    "unk_token": "<unk>",
}
GEMMA = {"eos_token": "<eos>", "pad_token": "<pad>", "tokenizer_class": "GemmaTokenizer"}


def siglip_pictures(size: int, resample: int) -> Published:
    return {
        "do_convert_rgb": None,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        **HALF,
        "image_processor_type": "SiglipImageProcessor",
        "processor_class": "SiglipProcessor",
        "resample": resample,
        "rescale_factor": 0.00392156862745098,
        "size": {"height": size, "width": size},
    }


SO400M = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "num_hidden_layers": 27,
}


def siglip2(text: Published, vision: Published, size: int) -> Published:
    """B/16 as published; the others as transformers' program that converted them writes them."""
    return {
        CONFIG: siglip({"vocab_size": 256000, **text}, vision),
        PREPROCESSOR: siglip_pictures(size, 2),
        TOKENIZER: GEMMA,
    }


def chinese_clip_pictures(size: int) -> Published:
    return {
        "do_center_crop": False,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "ChineseCLIPFeatureExtractor",
        **OPENAI,
        "resample": 3,
        "size": {"height": size, "width": size},
    }


# ---- pictures alone ----


def vit(size: int, width: int = 768, layers: int = 12, heads: int = 12, patch: int = 16) -> Any:  # noqa: ANN401
    return {
        "architectures": ["ViTForImageClassification"],
        "attention_probs_dropout_prob": 0.0,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "hidden_size": width,
        **THOUSAND,
        "image_size": size,
        "initializer_range": 0.02,
        "intermediate_size": 4 * width,
        "layer_norm_eps": 1e-12,
        "model_type": "vit",
        "num_attention_heads": heads,
        "num_channels": 3,
        "num_hidden_layers": layers,
        "patch_size": patch,
        "qkv_bias": True,
        "transformers_version": "4.13.0.dev0",
    }


def headless_vit(name: str, width: int, layers: int, heads: int, patch: int) -> Published:
    config: Published = vit(224, width=width, layers=layers, heads=heads, patch=patch)
    return {
        **{key: value for key, value in config.items() if key not in THOUSAND},
        "_name_or_path": f"google/vit-{name}-224-in21k",
        "architectures": ["ViTModel"],
    }


def vit_pictures(size: int) -> Published:
    """The first ViTs' files, which name no class and no filter; DeiT's without a teacher too."""
    return {"do_normalize": True, "do_resize": True, **HALF, "size": size}


def timm(name: str, tag: str, width: int, pool: str, /, **pretrained: object) -> Published:
    """What timm's ``save_config_for_hf`` makes of a row of timm's own table of checkpoints."""
    network = {
        "custom_load": False,
        "input_size": [3, 224, 224],
        "fixed_input_size": False,
        "interpolation": "bicubic",
        "crop_pct": 0.875,
        "crop_mode": "center",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "num_classes": 1000,
        "pool_size": [7, 7],
        "license": "apache-2.0",
    }
    return {
        CONFIG: {
            "architecture": name,
            "num_classes": 1000,
            "num_features": width,
            "global_pool": pool,
            "pretrained_cfg": {"tag": tag, **network, **pretrained},
        },
    }


def timm_vit(size: str, tag: str, width: int, **pretrained: object) -> Published:
    return timm(
        f"vit_{size}_patch16_224",
        tag,
        width,
        "token",
        fixed_input_size=True,
        crop_pct=0.9,
        pool_size=None,
        first_conv="patch_embed.proj",
        classifier="head",
        **pretrained,
    )


def bit(layers: int, tag: str, **pretrained: object) -> Published:
    return timm(
        f"resnetv2_{layers}x1_bit",
        tag,
        2048,
        "avg",
        custom_load=True,
        first_conv="stem.conv",
        classifier="head.fc",
        **pretrained,
    )


BIT_448 = {
    "input_size": [3, 448, 448],
    "interpolation": "bilinear",
    "crop_pct": 1.0,
    "pool_size": [14, 14],
}
TIMM_IMAGENET = {
    "test_input_size": [3, 288, 288],
    "test_crop_pct": 1.0,
    "mean": IMAGENET["image_mean"],
    "std": IMAGENET["image_std"],
}


def convnext(size: str, width: int) -> Published:
    return timm(
        f"convnext_{size}",
        "fb_in1k",
        width,
        "avg",
        first_conv="stem.0",
        classifier="head.fc",
        **TIMM_IMAGENET,
    )


def resnet(layers: int, width: int) -> Published:
    return timm(
        f"resnet{layers}",
        "a1_in1k",
        width,
        "avg",
        crop_pct=0.95,
        first_conv="conv1",
        classifier="fc",
        origin_url="https://github.com/huggingface/pytorch-image-models",
        paper_ids="arXiv:2110.00476",
        **TIMM_IMAGENET,
    )


def distilled_deit(width: int, heads: int) -> Published:
    return {
        CONFIG: {
            **vit(224, width=width, heads=heads),
            "architectures": ["DeiTForImageClassificationWithTeacher"],
            "model_type": "deit",
        },
        PREPROCESSOR: {
            **clip_pictures(224, IMAGENET),
            "feature_extractor_type": "DeiTFeatureExtractor",
        },
    }


def imagegpt(width: int, layers: int, heads: int) -> Published:
    return {
        CONFIG: {
            "activation_function": "quick_gelu",
            "architectures": ["ImageGPTLMHeadModel"],
            "attn_pdrop": 0.1,
            "embd_pdrop": 0.1,
            "initializer_range": 0.02,
            "layer_norm_epsilon": 1e-05,
            "model_type": "imagegpt",
            "n_embd": width,
            "n_head": heads,
            "n_inner": None,
            "n_layer": layers,
            "n_positions": 1024,
            "resid_pdrop": 0.1,
            "scale_attn_weights": True,
            "tie_word_embeddings": False,
            "torch_dtype": "float32",
            "transformers_version": "4.12.0.dev0",
            "use_cache": True,
            "vocab_size": 513,
        },
        PREPROCESSOR: {
            "clusters": [[number / 255.5 - 1] * 3 for number in range(512)],
            "do_normalize": True,
            "do_resize": True,
            "feature_extractor_type": "ImageGPTFeatureExtractor",
            "resample": 2,
            "size": 32,
        },
    }


def dinov2(width: int, layers: int, heads: int, **more: object) -> Published:
    return {
        CONFIG: {
            "architectures": ["Dinov2Model"],
            "attention_probs_dropout_prob": 0.0,
            "drop_path_rate": 0.0,
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.0,
            "hidden_size": width,
            "image_size": 518,
            "initializer_range": 0.02,
            "layer_norm_eps": 1e-06,
            "layerscale_value": 1.0,
            "mlp_ratio": 4,
            "model_type": "dinov2",
            "num_attention_heads": heads,
            "num_channels": 3,
            "num_hidden_layers": layers,
            "patch_size": 14,
            "qkv_bias": True,
            "torch_dtype": "float32",
            "transformers_version": "4.31.0.dev0",
            "use_swiglu_ffn": False,
            "apply_layernorm": True,
            "reshape_hidden_states": True,
            "out_features": [f"stage{layers}"],
            "out_indices": [layers],
            "stage_names": ["stem", *(f"stage{number + 1}" for number in range(layers))],
            **more,
        },
        PREPROCESSOR: {
            "crop_size": {"height": 224, "width": 224},
            "do_center_crop": True,
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            **IMAGENET,
            "image_processor_type": "BitImageProcessor",
            "resample": 3,
            "rescale_factor": 0.00392156862745098,
            "size": {"shortest_edge": 256},
        },
    }


def registers(width: int, layers: int, heads: int, **more: object) -> Published:
    """The base as transformers 5 saved it; its siblings as the program that converted them."""
    return dinov2(
        width,
        layers,
        heads,
        architectures=["Dinov2WithRegistersModel"],
        interpolate_antialias=True,
        interpolate_offset=0.0,
        model_type="dinov2_with_registers",
        num_register_tokens=4,
        transformers_version="5.12.1",
        **more,
    )


def decoder(kind: str, sizes: tuple[int, ...], **more: object) -> Published:
    """Llama and Qwen: width, hidden, layers, heads, heads of the keys, positions, vocabulary."""
    names = (
        "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "max_position_embeddings", "vocab_size",
    )  # fmt: skip
    return {
        "architectures": [f"{kind.capitalize()}ForCausalLM"],
        "attention_dropout": 0.0,
        "hidden_act": "silu",
        "initializer_range": 0.02,
        "model_type": kind,
        **dict(zip(names, sizes, strict=True)),
        "torch_dtype": "bfloat16",
        "use_cache": True,
        **more,
    }


def smollm2(start: int, end: int, sizes: tuple[int, ...], version: str) -> Published:
    return decoder(
        "llama",
        sizes,
        attention_bias=False,
        bos_token_id=start,
        eos_token_id=end,
        head_dim=64,
        is_llama_config=True,
        mlp_bias=False,
        pretraining_tp=1,
        rms_norm_eps=1e-05,
        rope_interleaved=False,
        rope_scaling=None,
        rope_theta=100000,
        tie_word_embeddings=True,
        transformers_version=version,
    )


def smollm2_instruct(sizes: tuple[int, ...], version: str) -> Published:
    config = smollm2(1, 2, sizes, version)
    del config["head_dim"]
    return {
        **config,
        "pad_token_id": 2,
        "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16", "fp16": "float16"}},
    }


SMOLLM2_ANSWERS = {
    "_from_model_config": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
    "transformers_version": "4.42.3",
}


def pythia(width: int, layers: int, heads: int) -> Published:
    return {
        "architectures": ["GPTNeoXForCausalLM"],
        "bos_token_id": 0,
        "eos_token_id": 0,
        "hidden_act": "gelu",
        "hidden_size": width,
        "initializer_range": 0.02,
        "intermediate_size": 4 * width,
        "layer_norm_eps": 1e-05,
        "max_position_embeddings": 2048,
        "model_type": "gpt_neox",
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "rotary_emb_base": 10000,
        "rotary_pct": 0.25,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "transformers_version": "4.24.0",
        "use_cache": True,
        "use_parallel_residual": True,
        "vocab_size": 50304,
    }


# ---- the repositories ----

QWEN2 = decoder(
    "qwen2", (896, 4864, 24, 14, 2, 32768, 151936),
    bos_token_id=151643, eos_token_id=151643, max_window_layers=24, rms_norm_eps=1e-06,
    rope_theta=1000000.0, sliding_window=32768, tie_word_embeddings=True,
    transformers_version="4.40.1", use_mrope=False, use_sliding_window=False,
)  # fmt: skip
CLIP_B_32 = clip(
    {**clip_tower("text", 512, 12, 8, projection_dim=512)},
    clip_tower("vision", 768, 12, 12, image_size=224, patch_size=32, projection_dim=512),
    512,
    text_config_dict=None,
    vision_config_dict=None,
)
L_14 = {"num_hidden_layers": 12, "projection_dim": 768, **LARGE}


def clip_l_14(size: int) -> Published:
    text = clip_tower("text", 768, 12, 12, projection_dim=768)
    vision = clip_tower("vision", 1024, 24, 16, patch_size=14, projection_dim=768)
    again = {"image_size": size} if size != 224 else {}
    return clip(
        text,
        {**vision, "image_size": size},
        768,
        text_config_dict=L_14,
        vision_config_dict={**LARGE_VISION, **again, "projection_dim": 768},
    )


PUBLISHED: dict[str, Published] = {
    "bert-base-uncased": {
        CONFIG: bert(
            30522,
            gradient_checkpointing=False,
            position_embedding_type="absolute",
            transformers_version="4.6.0.dev0",
            use_cache=True,
        ),
        TOKENIZER: {"do_lower_case": True, "model_max_length": 512},
    },
    "bert-base-chinese": {CONFIG: bert(21128, **BERT_POOLER)},
    "chinese-roberta-wwm-ext": {CONFIG: bert(21128, output_past=True, **BERT_POOLER)},
    "bert-base-multilingual-cased": {CONFIG: bert(119547, **BERT_POOLER)},
    "bert-base-cased": {
        CONFIG: bert(
            28996,
            gradient_checkpointing=False,
            position_embedding_type="absolute",
            transformers_version="4.6.0.dev0",
            use_cache=True,
        ),
        TOKENIZER: {"do_lower_case": False, "model_max_length": 512},
    },
    "bert-base-multilingual-uncased": {CONFIG: bert(105879, **BERT_POOLER)},
    "bert-large-uncased": {
        CONFIG: bert(
            30522,
            _name_or_path="bert-large-uncased",
            classifier_dropout=None,
            gradient_checkpointing=False,
            position_embedding_type="absolute",
            transformers_version="4.15.0",
            use_cache=True,
            **BERT_LARGE,
        ),
    },
    "bert-large-cased": {
        CONFIG: bert(
            28996,
            _name_or_path="bert-large-cased",
            classifier_dropout=None,
            gradient_checkpointing=False,
            position_embedding_type="absolute",
            **BERT_LARGE,
            **BERT_POOLER,
        ),
    },
    "roberta-base": {CONFIG: roberta("roberta", 50265)},
    "xlm-roberta-base": {
        CONFIG: roberta(
            "xlm-roberta",
            250002,
            _name_or_path="FacebookAI/xlm-roberta-base",
            architectures=["XLMRobertaForMaskedLM"],
            classifier_dropout=None,
            output_past=True,
            position_embedding_type="absolute",
            transformers_version="4.45.2",
            use_cache=True,
        ),
    },
    "roberta-large": {CONFIG: roberta("roberta", 50265, **BERT_LARGE)},
    "distilbert-base-uncased": {CONFIG: distilbert(30522)},
    "distilbert-base-cased": {
        CONFIG: {
            key: value
            for key, value in distilbert(28996, output_past=True).items()
            if key != "architectures"
        },
    },
    "distilbert-base-multilingual-cased": {
        CONFIG: distilbert(119547, output_past=True),
        TOKENIZER: {"do_lower_case": False, "model_max_length": 512},
    },
    "distilbert-base-uncased-finetuned-sst-2-english": {
        CONFIG: distilbert(
            30522,
            architectures=["DistilBertForSequenceClassification"],
            finetuning_task="sst-2",
            id2label={"0": "NEGATIVE", "1": "POSITIVE"},
            label2id={"NEGATIVE": 0, "POSITIVE": 1},
            output_past=True,
        ),
        TOKENIZER: {"do_lower_case": True, "model_max_length": 512},
    },
    "roberta-large-mnli": {
        CONFIG: roberta(
            "roberta",
            50265,
            _num_labels=3,
            architectures=["RobertaForSequenceClassification"],
            id2label={"0": "CONTRADICTION", "1": "NEUTRAL", "2": "ENTAILMENT"},
            label2id={"CONTRADICTION": 0, "NEUTRAL": 1, "ENTAILMENT": 2},
            **BERT_LARGE,
        ),
    },
    "xlm-roberta-large-xnli": {
        CONFIG: roberta(
            "xlm-roberta",
            250002,
            architectures=["XLMRobertaForSequenceClassification"],
            gradient_checkpointing=False,
            id2label={"0": "contradiction", "1": "neutral", "2": "entailment"},
            label2id={"contradiction": 0, "entailment": 2, "neutral": 1},
            output_past=True,
            **BERT_LARGE,
        ),
    },
    "all-minilm-l6-v2": {
        CONFIG: embedder("nreimers/MiniLM-L6-H384-uncased", "4.8.2", **MINILM, num_hidden_layers=6),
        TOKENIZER: {
            "do_lower_case": True,
            "unk_token": "[UNK]",
            "sep_token": "[SEP]",
            "pad_token": "[PAD]",
            "cls_token": "[CLS]",
            "mask_token": "[MASK]",
            "tokenize_chinese_chars": True,
            "strip_accents": None,
            "do_basic_tokenize": True,
            "never_split": None,
            "model_max_length": 512,
            "tokenizer_class": "BertTokenizer",
        },
        "sentence_bert_config.json": {"max_seq_length": 256, "do_lower_case": False},
        "modules.json": modules("Transformer", "Pooling", "Normalize"),
        "1_Pooling/config.json": pooling(384, "mean_tokens"),
    },
    "all-minilm-l12-v2": {
        CONFIG: embedder("microsoft/MiniLM-L12-H384-uncased", "4.8.2", **MINILM),
        "sentence_bert_config.json": {"max_seq_length": 128, "do_lower_case": False},
        "modules.json": modules("Transformer", "Pooling", "Normalize"),
        "1_Pooling/config.json": pooling(384, "mean_tokens"),
    },
    "bge-small-en-v1.5": {
        CONFIG: embedder("BAAI/bge-small-en-v1.5", "4.34.0.dev0", **MINILM, **ONE_LABEL),
        "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": True},
        "modules.json": modules("Transformer", "Pooling", "Normalize"),
        "1_Pooling/config.json": pooling(384, "cls_token"),
    },
    "bge-base-en-v1.5": {
        CONFIG: embedder("BAAI_bge-base-en", "4.30.0", **ONE_LABEL),
        "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": True},
        "modules.json": modules("Transformer", "Pooling", "Normalize"),
        "1_Pooling/config.json": pooling(768, "cls_token"),
    },
    "bge-base-zh-v1.5": {
        CONFIG: embedder(
            "BAAI_bge-base-zh",
            "4.30.0",
            bos_token_id=0,
            eos_token_id=2,
            output_past=True,
            **BERT_POOLER,
            **ONE_LABEL,
        )
        | {"vocab_size": 21128},
        "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": True},
        "modules.json": modules("Transformer", "Pooling", "Normalize"),
        "1_Pooling/config.json": pooling(768, "cls_token"),
    },
    "bge-small-zh-v1.5": {
        CONFIG: {
            **embedder("BAAI_bge-small-zh", "4.30.0", **ONE_LABEL),
            "hidden_size": 512,
            "intermediate_size": 2048,
            "num_attention_heads": 8,
            "num_hidden_layers": 4,
            "vocab_size": 21128,
        },
        "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": True},
        "modules.json": modules("Transformer", "Pooling", "Normalize"),
        "1_Pooling/config.json": {
            **pooling(512, "cls_token"),
            "pooling_mode_weightedmean_tokens": False,
            "pooling_mode_lasttoken": False,
            "include_prompt": True,
        },
    },
    "e5-small-v2": {
        CONFIG: embedder("tmp/", "4.29.0.dev0", **MINILM),
        "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": False},
        "modules.json": modules("Transformer", "Pooling", "Normalize"),
        "1_Pooling/config.json": pooling(384, "mean_tokens"),
    },
    "multilingual-e5-small": {
        CONFIG: embedder(
            "intfloat/multilingual-e5-small",
            "4.30.2",
            **MINILM,
            tokenizer_class="XLMRobertaTokenizer",
        )
        | {"vocab_size": 250037},
        "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": False},
        "modules.json": modules("Transformer", "Pooling", "Normalize"),
        "1_Pooling/config.json": pooling(384, "mean_tokens"),
    },
    "multilingual-e5-base": {
        CONFIG: roberta(
            "xlm-roberta",
            250002,
            add_cross_attention=False,
            architectures=["XLMRobertaModel"],
            classifier_dropout=None,
            dtype="float32",
            is_decoder=False,
            output_past=True,
            position_embedding_type="absolute",
            tie_word_embeddings=True,
            transformers_version="5.4.0",
            use_cache=True,
        ),
        "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": False},
        "modules.json": modules("Transformer", "Pooling", "Normalize"),
        "1_Pooling/config.json": pooling(768, "mean_tokens"),
    },
    "e5-base-v2": {
        CONFIG: embedder("tmp/", "4.29.0.dev0"),
        "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": False},
        "modules.json": modules("Transformer", "Pooling", "Normalize"),
        "1_Pooling/config.json": pooling(768, "mean_tokens"),
    },
    "gpt2": {CONFIG: gpt2(12), TOKENIZER: {"model_max_length": 1024}},
    "gpt2-medium": {
        CONFIG: gpt2(
            24,
            1024,
            16,
            _name_or_path="gpt2-medium",
            n_inner=None,
            n_special=0,
            predict_special_tokens=True,
            reorder_and_upcast_attn=False,
            scale_attn_by_inverse_layer_idx=False,
            scale_attn_weights=True,
            transformers_version="4.12.5",
            use_cache=True,
        ),
    },
    "gpt2-large": {
        CONFIG: gpt2(
            36,
            1280,
            20,
            add_cross_attention=False,
            dtype="float32",
            n_inner=None,
            pad_token_id=None,
            reorder_and_upcast_attn=False,
            scale_attn_by_inverse_layer_idx=False,
            scale_attn_weights=True,
            tie_word_embeddings=True,
            transformers_version="5.0.0",
            use_cache=True,
        ),
    },
    "gpt2-xl": {CONFIG: gpt2(48, 1600, 25, output_past=True)},
    "distilgpt2": {
        CONFIG: gpt2(
            6,
            _num_labels=1,
            id2label={"0": "LABEL_0"},
            label2id={"LABEL_0": 0},
        ),
        TOKENIZER: {"model_max_length": 1024},
    },
    "gpt2-chinese-cluecorpussmall": {
        CONFIG: {
            "activation_function": "gelu_new",
            "architectures": ["GPT2LMHeadModel"],
            "attn_pdrop": 0.1,
            "embd_pdrop": 0.1,
            "gradient_checkpointing": False,
            "initializer_range": 0.02,
            "layer_norm_epsilon": 1e-05,
            "model_type": "gpt2",
            "n_ctx": 1024,
            "n_embd": 768,
            "n_head": 12,
            "n_inner": None,
            "n_layer": 12,
            "n_positions": 1024,
            "output_past": True,
            "resid_pdrop": 0.1,
            "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 320}},
            "tokenizer_class": "BertTokenizer",
            "vocab_size": 21128,
        },
        TOKENIZER: {"do_lower_case": False, "model_max_length": 1024},
    },
    "pythia-70m": {CONFIG: pythia(512, 6, 8)},
    "pythia-160m": {CONFIG: pythia(768, 12, 12)},
    "pythia-410m": {CONFIG: pythia(1024, 24, 16)},
    "opt-125m": {
        CONFIG: {
            "_name_or_path": "facebook/opt-125m",
            "activation_dropout": 0.0,
            "activation_function": "relu",
            "architectures": ["OPTForCausalLM"],
            "attention_dropout": 0.0,
            "bos_token_id": 2,
            "do_layer_norm_before": True,
            "dropout": 0.1,
            "eos_token_id": 2,
            "ffn_dim": 3072,
            "hidden_size": 768,
            "init_std": 0.02,
            "layerdrop": 0.0,
            "max_position_embeddings": 2048,
            "model_type": "opt",
            "num_attention_heads": 12,
            "num_hidden_layers": 12,
            "pad_token_id": 1,
            "prefix": "</s>",
            "torch_dtype": "float16",
            "transformers_version": "4.21.0.dev0",
            "use_cache": True,
            "vocab_size": 50272,
            "word_embed_proj_dim": 768,
        },
    },
    "tinyllama-1.1b-chat": {
        CONFIG: decoder(
            "llama",
            (2048, 5632, 22, 32, 4, 2048, 32000),
            attention_bias=False,
            bos_token_id=1,
            eos_token_id=2,
            pretraining_tp=1,
            rms_norm_eps=1e-05,
            rope_scaling=None,
            rope_theta=10000.0,
            tie_word_embeddings=False,
            transformers_version="4.35.0",
        ),
        TOKENIZER: {"model_max_length": 2048},
    },
    "smollm2-135m": {
        CONFIG: {
            **smollm2(0, 0, (576, 1536, 30, 9, 3, 8192, 49152), "5.17.0"),
            "initializer_range": 0.041666666666666664,
            "pad_token_id": None,
            "rope_parameters": {"rope_theta": 100000, "rope_type": "default"},
        },
    },
    "smollm2-135m-instruct": {
        CONFIG: {
            **smollm2_instruct((576, 1536, 30, 9, 3, 8192, 49152), "4.42.3"),
            "initializer_range": 0.041666666666666664,
        },
        GENERATION: SMOLLM2_ANSWERS,
    },
    "smollm2-360m": {
        CONFIG: smollm2(0, 0, (960, 2560, 32, 15, 5, 8192, 49152), "4.46.1"),
        TOKENIZER: {"model_max_length": 8192},
    },
    "smollm2-360m-instruct": {
        CONFIG: {
            **smollm2_instruct((960, 2560, 32, 15, 5, 8192, 49152), "4.46.1"),
            "head_dim": 64,
        },
        GENERATION: SMOLLM2_ANSWERS,
        TOKENIZER: {"model_max_length": 8192},
    },
    "opus-mt-zh-en": {CONFIG: marian(65000, extra_pos_embeddings=65001)},
    "opus-mt-en-zh": {
        CONFIG: marian(
            65000,
            _name_or_path="./",
            classifier_dropout=0.0,
            do_blenderbot_90_layernorm=False,
            extra_pos_embeddings=0,
            force_bos_token_to_be_generated=False,
            gradient_checkpointing=False,
            num_beams=4,
            transformers_version="4.2.0dev0",
            use_cache=True,
        ),
    },
    "opus-mt-en-fr": {CONFIG: marian(59513, _num_labels=3)},
    "opus-mt-fr-en": {CONFIG: marian(59513, _num_labels=3)},
    "opus-mt-en-de": {CONFIG: resaved_marian(58100)},
    "opus-mt-de-en": {CONFIG: resaved_marian(58100)},
    "t5-small": {CONFIG: t5(6, 512, 8, 2048), TOKENIZER: {"model_max_length": 512}},
    "t5-base": {
        CONFIG: {
            key: value
            for key, value in t5(12, 768, 12, 3072).items()
            if key not in ("feed_forward_proj", "num_decoder_layers", "use_cache")
        },
        TOKENIZER: {"model_max_length": 512},
    },
    "flan-t5-small": {
        CONFIG: t5(
            8,
            512,
            6,
            1024,
            classifier_dropout=0.0,
            dense_act_fn="gelu_new",
            feed_forward_proj="gated-gelu",
            is_gated_act=True,
            relative_attention_max_distance=128,
            tie_word_embeddings=False,
            torch_dtype="float32",
            transformers_version="4.54.0",
        ),
    },
    "flan-t5-base": {
        CONFIG: t5(
            12,
            768,
            12,
            2048,
            feed_forward_proj="gated-gelu",
            relative_attention_max_distance=128,
            tie_word_embeddings=False,
            torch_dtype="float32",
            transformers_version="4.23.1",
        ),
        TOKENIZER: {
            "eos_token": "</s>",
            "extra_ids": 100,
            "model_max_length": 512,
            "pad_token": "<pad>",
            "sp_model_kwargs": {},
            "tokenizer_class": "T5Tokenizer",
            "unk_token": "<unk>",
        },
    },
    "clip-vit-b-32": {CONFIG: CLIP_B_32, PREPROCESSOR: clip_pictures(224, OPENAI)},
    "clip-vit-b-16": {
        CONFIG: {
            key: value
            for key, value in clip(
                clip_tower("text", 512, 12, 8, projection_dim=512, **IN_2021),
                clip_tower(
                    "vision",
                    768,
                    12,
                    12,
                    image_size=224,
                    patch_size=16,
                    projection_dim=512,
                    **IN_2021,
                ),
                512,
                text_config_dict=None,
                vision_config_dict={"patch_size": 16},
            ).items()
            if key != "_name_or_path"
        },
        TOKENIZER: {
            "unk_token": added_token("<|endoftext|>"),
            "bos_token": added_token("<|startoftext|>"),
            "eos_token": added_token("<|endoftext|>"),
            "pad_token": "<|endoftext|>",
            "errors": "replace",
            "add_prefix_space": False,
            "do_lower_case": True,
            "name_or_path": "openai/clip-vit-base-patch16",
            "model_max_length": 77,
            "special_tokens_map_file": "./special_tokens_map.json",
            "tokenizer_class": "CLIPTokenizer",
        },
        PREPROCESSOR: clip_pictures(224, OPENAI),  # the defaults of transformers' class of 2021
    },
    "clip-vit-l-14": {CONFIG: clip_l_14(224), PREPROCESSOR: clip_pictures(224, OPENAI)},
    "clip-vit-l-14-336": {CONFIG: clip_l_14(336), PREPROCESSOR: clip_pictures(336, OPENAI)},
    "clip-vit-b-32-laion2b": {
        CONFIG: short_clip(GELU, GELU, 512),
        PREPROCESSOR: clip_pictures(224, OPENAI),
    },
    "clip-vit-l-14-laion2b": {
        CONFIG: clip(
            {**clip_tower("text", 768, 12, 12), **GELU, **SINCE_4_21},
            {
                **clip_tower("vision", 1024, 24, 16, image_size=224, patch_size=14),
                **GELU,
                **SINCE_4_21,
                "num_channels": 3,
            },
            768,
            text_config_dict={**GELU, **LARGE, "num_hidden_layers": 12},
            vision_config_dict={**GELU, **LARGE_VISION},
        ),
        PREPROCESSOR: clip_pictures(224, HALF),
    },
    "clip-vit-b-32-datacomp-xl": {OPEN_CLIP: open_clip(224, 32, (768, 12), (512, 8, 12))},
    "clip-vit-b-32-256-datacomp": {OPEN_CLIP: open_clip(256, 32, (768, 12), (512, 8, 12))},
    "clip-vit-b-16-laion2b": {OPEN_CLIP: open_clip(224, 16, (768, 12), (512, 8, 12))},
    "clip-vit-l-14-datacomp-xl": {OPEN_CLIP: open_clip(224, 14, (1024, 24), (768, 12, 12))},
    "clip-vit-b-16-datacomp-xl": {OPEN_CLIP: open_clip(224, 16, (768, 12), (512, 8, 12))},
    "mobileclip-b": mobileclip(),
    "mobileclip-b-lt": mobileclip(),
    "mobileclip2-b": mobileclip(),
    "clip-vit-b-32-laion400m": {
        CONFIG: {
            "architecture": "vit_base_patch32_clip_224",
            "num_classes": 512,
            "num_features": 768,
            "global_pool": "token",
        },
        OPEN_CLIP: open_clip(
            224, 32, (768, 12), (512, 8, 12), quick_gelu=True, resize_mode="shortest"
        ),
    },
    "clip-vit-b-32-metaclip-400m": metaclip(32),
    "clip-vit-b-32-metaclip-fullcc": metaclip(32),
    "clip-vit-b-16-metaclip-fullcc": metaclip(16),
    "clip-vit-l-14-metaclip-400m": METACLIP_L,
    "clip-vit-l-14-metaclip-fullcc": METACLIP_L,
    "clip-vit-b-16-dfn2b": {
        OPEN_CLIP: open_clip(224, 16, (768, 12), (512, 8, 12), quick_gelu=True)
    },
    "clip-vit-l-14-dfn2b": {
        OPEN_CLIP: open_clip(224, 14, (1024, 24), (768, 12, 12), quick_gelu=True)
    },
    "clip-vit-h-14-dfn5b": {
        OPEN_CLIP: open_clip(
            224, 14, (1280, 32), (1024, 16, 24), quick_gelu=True, resize_mode="squash"
        )
    },
    "clip-vit-h-14-378-dfn5b": {
        OPEN_CLIP: open_clip(
            378, 14, (1280, 32), (1024, 16, 24), quick_gelu=True, resize_mode="squash"
        )
    },
    "siglip-b-16": {
        CONFIG: siglip({}, {}),
        PREPROCESSOR: siglip_pictures(224, 3),
        TOKENIZER: SIGLIP_TEXTS,
    },
    "siglip-so400m-14-384": {
        CONFIG: siglip(SO400M, {**SO400M, "image_size": 384, "patch_size": 14}),
        PREPROCESSOR: siglip_pictures(384, 3),
        TOKENIZER: SIGLIP_TEXTS,
    },
    "siglip2-b-16": siglip2({}, {}, 224),
    "siglip2-b-16-256": siglip2({}, {"image_size": 256}, 256),
    "siglip2-b-32-256": siglip2({}, {"image_size": 256, "patch_size": 32}, 256),
    "siglip2-so400m-14-384": siglip2(SO400M, {**SO400M, "image_size": 384, "patch_size": 14}, 384),
    "chinese-clip-vit-b-16": {
        CONFIG: {
            "architectures": ["ChineseCLIPModel"],
            "initializer_factor": 1.0,
            "initializer_range": 0.02,
            "logit_scale_init_value": 2.6592,
            "model_type": "chinese_clip",
            "projection_dim": 512,
            "text_config": {
                **bert(21128, output_past=True, **BERT_POOLER),
                "architectures": ["ChineseCLIPTextModel"],
                "bos_token_id": 0,
                "eos_token_id": 2,
                "model_type": "chinese_clip_text_model",
            },
            "torch_dtype": "float32",
            "transformers_version": None,
            "vision_config": {
                **clip_tower("vision", 768, 12, 12, image_size=224, patch_size=16),
                "model_type": "chinese_clip_vision_model",
                "num_channels": 3,
                "projection_dim": 512,
            },
            "vision_config_dict": {"patch_size": 16, "projection_dim": 512},
        },
        PREPROCESSOR: chinese_clip_pictures(224),
        TOKENIZER: {"do_lower_case": True, "model_max_length": NO_LIMIT},
    },
    "vit-base-patch16-224": {CONFIG: vit(224), PREPROCESSOR: vit_pictures(224)},
    "vit-base-patch16-224-in21k": {
        CONFIG: headless_vit("base-patch16", 768, 12, 12, 16),
        PREPROCESSOR: vit_pictures(224),
    },
    "vit-huge-patch14-224-in21k": {
        CONFIG: headless_vit("huge-patch14", 1280, 32, 16, 14),
        PREPROCESSOR: vit_pictures(224),
    },
    # The large ones as transformers' program that converted them writes them.
    "vit-large-patch16-224": {CONFIG: vit(224, 1024, 24, 16), PREPROCESSOR: vit_pictures(224)},
    "vit-large-patch16-224-in21k": {
        CONFIG: headless_vit("large-patch16", 1024, 24, 16, 16),
        PREPROCESSOR: vit_pictures(224),
    },
    "vit-large-patch16-384": {CONFIG: vit(384, 1024, 24, 16), PREPROCESSOR: vit_pictures(384)},
    "vit-base-patch16-384": {CONFIG: vit(384), PREPROCESSOR: vit_pictures(384)},
    "vit-base-patch32-384": {CONFIG: vit(384, patch=32), PREPROCESSOR: vit_pictures(384)},
    "deit-tiny-patch16-224": {
        CONFIG: vit(224, width=192, heads=3),
        PREPROCESSOR: vit_pictures(224),
    },
    "deit-small-patch16-224": {
        CONFIG: vit(224, width=384, heads=6),
        PREPROCESSOR: vit_pictures(224),
    },
    "deit-base-patch16-224": {CONFIG: vit(224), PREPROCESSOR: vit_pictures(224)},
    "deit-tiny-distilled-patch16-224": distilled_deit(192, 3),
    "deit-small-distilled-patch16-224": distilled_deit(384, 6),
    "deit-base-distilled-patch16-224": {
        CONFIG: distilled_deit(768, 12)[CONFIG],
        PREPROCESSOR: {**distilled_deit(768, 12)[PREPROCESSOR], "size": 256},  # its program's
    },
    "vit-tiny-patch16-224": timm_vit("tiny", "augreg_in21k_ft_in1k", 192, custom_load=True),
    "vit-small-patch16-224": timm_vit("small", "augreg_in21k_ft_in1k", 384, custom_load=True),
    "vit-base-patch16-224-augreg": timm_vit("base", "augreg_in21k_ft_in1k", 768, custom_load=True),
    "vit-base-patch16-224-augreg2": timm_vit("base", "augreg2_in21k_ft_in1k", 768),
    "bit-50x1": bit(50, "goog_in21k_ft_in1k", **BIT_448),
    "bit-50x1-distilled": bit(50, "goog_distilled_in1k"),
    "bit-101x1": bit(101, "goog_in21k_ft_in1k", **BIT_448),
    "convnext-tiny": convnext("tiny", 768),
    "convnext-small": convnext("small", 768),
    "convnext-base": convnext("base", 1024),
    "convnext-large": convnext("large", 1536),
    "resnet-18": resnet(18, 512),
    "resnet-50": resnet(50, 2048),
    "dinov2-small": dinov2(384, 12, 6),
    "dinov2-base": dinov2(768, 12, 12),
    "dinov2-large": dinov2(1024, 24, 16),
    "dinov2-giant": dinov2(1536, 40, 24, use_swiglu_ffn=True),
    "dinov2-with-registers-small": registers(384, 12, 6),
    "dinov2-with-registers-base": registers(768, 12, 12),
    "dinov2-with-registers-large": registers(1024, 24, 16),
    "dinov2-with-registers-giant": registers(1536, 40, 24, use_swiglu_ffn=True),
    "vit-mae-base": {
        CONFIG: {
            "architectures": ["ViTMAEForPreTraining"],
            "attention_probs_dropout_prob": 0.0,
            "decoder_hidden_size": 512,
            "decoder_intermediate_size": 2048,
            "decoder_num_attention_heads": 16,
            "decoder_num_hidden_layers": 8,
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.0,
            "hidden_size": 768,
            "image_size": 224,
            "initializer_range": 0.02,
            "intermediate_size": 3072,
            "layer_norm_eps": 1e-12,
            "mask_ratio": 0.75,
            "model_type": "vit_mae",
            "norm_pix_loss": False,
            "num_attention_heads": 12,
            "num_channels": 3,
            "num_hidden_layers": 12,
            "patch_size": 16,
            "qkv_bias": True,
            "torch_dtype": "float32",
            "transformers_version": "4.16.0.dev0",
        },
        PREPROCESSOR: {
            "_processor_class": None,
            "do_normalize": True,
            "do_resize": True,
            **IMAGENET,
            "resample": 2,
            "size": 224,
        },
    },
    "imagegpt-small": imagegpt(512, 24, 8),
    # These two as transformers' program that converted them writes them.
    "imagegpt-medium": imagegpt(1024, 36, 8),
    "imagegpt-large": imagegpt(1536, 48, 16),
    "qwen3-0.6b": {
        CONFIG: decoder(
            "qwen3",
            (1024, 3072, 28, 16, 8, 40960, 151936),
            attention_bias=False,
            bos_token_id=151643,
            eos_token_id=151645,
            head_dim=128,
            max_window_layers=28,
            rms_norm_eps=1e-06,
            rope_scaling=None,
            rope_theta=1000000,
            sliding_window=None,
            tie_word_embeddings=True,
            transformers_version="4.51.0",
            use_sliding_window=False,
        ),
        TOKENIZER: {"model_max_length": 131072},
    },
    "qwen2.5-0.5b": {CONFIG: QWEN2, TOKENIZER: {"model_max_length": 32768}},
    "qwen2.5-0.5b-instruct": {
        CONFIG: {key: value for key, value in QWEN2.items() if key != "use_mrope"}
        | {"eos_token_id": 151645, "max_window_layers": 21, "transformers_version": "4.43.1"},
        GENERATION: {
            "bos_token_id": 151643,
            "pad_token_id": 151643,
            "do_sample": True,
            "eos_token_id": [151645, 151643],
            "repetition_penalty": 1.1,
            "temperature": 0.7,
            "top_p": 0.8,
            "top_k": 20,
            "transformers_version": "4.37.0",
        },
        TOKENIZER: {"model_max_length": 131072},
    },
}
