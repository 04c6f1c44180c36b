"""Output layers with everything that depends on their form: loss, scores, joint distribution."""

from mlc.heads.base import HEADS, Head, JointHead, register_head
from mlc.heads.pick_one import PickOne
from mlc.heads.plain import PlainHead, build_head
from mlc.heads.powerset import Powerset
from mlc.heads.sigmoid import Sigmoid

__all__ = [
    "HEADS",
    "Head",
    "JointHead",
    "PickOne",
    "PlainHead",
    "Powerset",
    "Sigmoid",
    "build_head",
    "register_head",
]
