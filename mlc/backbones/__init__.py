"""Networks before the head: mlp, linear, embedding bag, CNN, and any torch module."""

from mlc.backbones.base import BACKBONES, Backbone, register_backbone

__all__ = ["BACKBONES", "Backbone", "register_backbone"]
