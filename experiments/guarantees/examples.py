"""The smallest worlds in which a head cannot be right, as joints that fit on a line."""

from __future__ import annotations

import torch
from torch import Tensor

# For each sample, all equally frequent, the label sets that it may have and their probabilities.
EXAMPLES: dict[str, list[dict[str, float]]] = {
    # One label alone is likelier than each of two that come together.
    "pair_or_single": [{"100": 0.4, "011": 0.6}],
    # A certain triple beside an uncertain single: no threshold on shares serves both.
    "triple_and_single": [{"111": 1.0}, {"100": 0.6, "010": 0.4}],
    # The same marginals, once exclusive, once together.
    "together_or_apart": [{"10": 0.45, "01": 0.45, "00": 0.1}, {"11": 0.45, "00": 0.55}],
    # Independent labels: 0.4 is worth predicting twice, and not once.
    "alone_or_in_company": [
        {"11": 0.16, "10": 0.24, "01": 0.24, "00": 0.36},
        {"10": 0.4, "00": 0.6},
    ],
    # A sample without labels beside one with all.
    "all_or_none": [{"11": 1.0}, {"00": 1.0}],
}


def joint_of(name: str) -> Tensor:
    """Probabilities of all label sets, most significant bit first: (N, 2^K), float64."""
    samples = EXAMPLES[name]
    n_labels = len(next(iter(samples[0])))
    joint = torch.zeros(len(samples), 2**n_labels, dtype=torch.float64)
    for row, sample in enumerate(samples):
        for label_set, probability in sample.items():
            joint[row, int(label_set, 2)] = probability
    return joint
