"""Backbones: features (R, B, D) in, features (R, B, width) out, shared by every head."""

from mlc.backbones.base import BACKBONES, Backbone, register_backbone

__all__ = ["BACKBONES", "Backbone", "register_backbone"]
