"""Backbones: features (R, B, D) in, features (R, B, width) out, shared by every head."""

from mlc.backbones.base import BACKBONES, Backbone, register_backbone
from mlc.backbones.embedding_bag import EmbeddingBag
from mlc.backbones.linear import Linear
from mlc.backbones.mlp import MLP

__all__ = ["BACKBONES", "MLP", "Backbone", "EmbeddingBag", "Linear", "register_backbone"]
