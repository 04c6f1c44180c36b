"""Output layers with their losses, scores and joint distributions."""

from mlc.heads.base import HEADS, Head, JointHead, KnownLabels, register_head
from mlc.heads.plain import PlainHead, build_head
from mlc.heads.prediction import Prediction

__all__ = [
    "HEADS",
    "Head",
    "JointHead",
    "KnownLabels",
    "PlainHead",
    "Prediction",
    "build_head",
    "register_head",
]
