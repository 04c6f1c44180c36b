"""Tiny random networks of transformers, in folders as `save_pretrained` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

WORDS = [
    "good",
    "bad",
    "very",
    "goal",
    "match",
    "oven",
    "salt",
    "and",
    "in",
    "the",
    "moon",
    "orbit",
]


def text_network(folder: Path, seed: int = 0) -> Path:
    """Write a BERT with two layers of eight numbers, and its tokenizer."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]), encoding="utf-8"
    )
    size: dict[str, Any] = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(
        vocab_size=5 + len(WORDS), intermediate_size=16, max_position_embeddings=32, **size
    )
    torch.manual_seed(seed)
    BertModel(config).save_pretrained(folder)
    BertTokenizerFast(str(vocabulary)).save_pretrained(folder)
    return folder


def image_network(folder: Path, kind: str = "resnet", seed: int = 0) -> Path:
    """Write a ResNet, ConvNeXt or ViT for images of 16 x 16, and its image processor."""
    import transformers

    torch.manual_seed(seed)
    if kind == "resnet":
        config: Any = transformers.ResNetConfig(
            embedding_size=4, hidden_sizes=[4, 6], depths=[1, 1], layer_type="basic"
        )
        network: Any = transformers.ResNetModel(config)
        processor: Any = transformers.ViTImageProcessorPil(size={"height": 16, "width": 16})
    elif kind == "convnext":
        config = transformers.ConvNextConfig(hidden_sizes=[4, 6], depths=[1, 1], num_stages=2)
        network = transformers.ConvNextModel(config)
        processor = transformers.ConvNextImageProcessorPil(size={"shortest_edge": 16})
    else:
        size: dict[str, Any] = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
        config = transformers.ViTConfig(intermediate_size=16, image_size=16, patch_size=8, **size)
        network = transformers.ViTModel(config, add_pooling_layer=kind != "vit without pooler")
        processor = transformers.ViTImageProcessorPil(size={"height": 16, "width": 16})
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
