"""Output layers with everything that depends on their form: loss, scores, joint distribution."""

from mlc.heads.base import HEADS, Head, JointHead, KnownLabels, register_head
from mlc.heads.chain import Chain
from mlc.heads.factorised import DistributionCardinality, UnnormalisedKL
from mlc.heads.grouped import Grouped
from mlc.heads.imbalance import Asymmetric, ClassBalanced, Focal, WeightedSigmoid
from mlc.heads.mixture import BernoulliMixture
from mlc.heads.pairwise import Pairwise
from mlc.heads.plain import PlainHead, build_head
from mlc.heads.powerset import LabelPowerset, Powerset
from mlc.heads.prediction import Prediction
from mlc.heads.rakel import Rakel
from mlc.heads.ranking import ZLPR, Margin, TwoWay
from mlc.heads.reductions import OneVersusAllNormalised, PickOne, SoftmaxAll, SoftmaxUniform
from mlc.heads.regression import Regression
from mlc.heads.sigmoid import Sigmoid

__all__ = [
    "HEADS",
    "ZLPR",
    "Asymmetric",
    "BernoulliMixture",
    "Chain",
    "ClassBalanced",
    "DistributionCardinality",
    "Focal",
    "Grouped",
    "Head",
    "JointHead",
    "KnownLabels",
    "LabelPowerset",
    "Margin",
    "OneVersusAllNormalised",
    "Pairwise",
    "PickOne",
    "PlainHead",
    "Powerset",
    "Prediction",
    "Rakel",
    "Regression",
    "Sigmoid",
    "SoftmaxAll",
    "SoftmaxUniform",
    "TwoWay",
    "UnnormalisedKL",
    "WeightedSigmoid",
    "build_head",
    "register_head",
]
