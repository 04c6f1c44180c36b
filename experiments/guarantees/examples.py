"""The smallest worlds in which a head cannot be optimal, as joint distributions."""

from __future__ import annotations

import torch
from torch import Tensor

# The probabilities of the label sets of each sample; samples are equally frequent.
EXAMPLES: dict[str, list[dict[str, float]]] = {
    # One single label is likelier than each of two that occur together.
    "pair_or_single": [{"100": 0.4, "011": 0.6}],
    # A certain triple and an uncertain single label: no threshold on shares is right for both.
    "triple_and_single": [{"111": 1.0}, {"100": 0.6, "010": 0.4}],
    # Equal marginals; the labels exclude each other or occur together.
    "together_or_apart": [{"10": 0.45, "01": 0.45, "00": 0.1}, {"11": 0.45, "00": 0.55}],
    # Independent labels: two labels of 0.4 are worth predicting, one is not.
    "alone_or_in_company": [
        {"11": 0.16, "10": 0.24, "01": 0.24, "00": 0.36},
        {"10": 0.4, "00": 0.6},
    ],
    # A sample with all labels and one without labels.
    "all_or_none": [{"11": 1.0}, {"00": 1.0}],
}


def joint_of(name: str) -> Tensor:
    """Return the probabilities of all label sets, first label as the highest bit: (N, 2^K), float64."""
    samples = EXAMPLES[name]
    n_labels = len(next(iter(samples[0])))
    joint = torch.zeros(len(samples), 2**n_labels, dtype=torch.float64)
    for row, sample in enumerate(samples):
        for label_set, probability in sample.items():
            joint[row, int(label_set, 2)] = probability
    return joint
