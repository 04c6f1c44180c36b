"""What calibration gives back to `expected_jaccard` on bibtex: python -m benchmarks.calibration

Sigmoids on bibtex, with the default network and with one that overfits (no dropout, no weight decay),
decided by the maximiser of the expected Jaccard index from scores as they are and from calibrated ones.
Outputs are kept in `outputs/calibration`.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from benchmarks.measuring import write
from benchmarks.scored import of_data
from mlc.decisions.base import build_decision
from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.final import expected_calibration_error
from mlc.reporting.tables import Table

KEPT = Path("outputs/calibration")
N_SPLITS = 3
SHORT = ("trainer.batch_size=128", "trainer.max_epochs=30", "backbone.widths=[128,128]")
OVERFITTED = (*SHORT, "backbone.dropout=0", "optimizer.weight_decay=0")
NETWORKS = {"default": SHORT, "overfitted": OVERFITTED}
CALIBRATIONS = ("temperature", "platt", "isotonic")
JACCARD = COUNT_METRICS["jaccard_samples"]


def lines(network: str) -> list[list[str]]:
    """Test Jaccard index of each rule, and of the scores it takes the ECE and Brier score, in means."""
    found: dict[str, list[list[float]]] = {}
    for scored in of_data("bibtex", "sigmoid", N_SPLITS, KEPT / network, NETWORKS[network]):
        targets = {part: own.bool() for part, own in scored.targets.items()}
        plain = {
            "global": build_decision("global"),
            "expected_jaccard": build_decision("expected_jaccard"),
        }
        calibrated = {
            f"calibrated, {kind}": build_decision("calibrated", calibration=kind)
            for kind in CALIBRATIONS
        }
        of_scores = ("ece_before", "brier_before")
        for name, rule in (plain | calibrated).items():
            rule.fit(scored.scores["val"], targets["val"])
            taken = scored.scores["test"].double()
            if name in calibrated:
                stated = rule.described()
                validation = [stated["ece_after"], stated["brier_after"]]
                before = [stated[key] for key in of_scores]
                taken = rule.probabilities(taken)  # type: ignore[attr-defined]
            else:
                validation = []
            value = float(JACCARD(rule.decide(scored.scores["test"]), targets["test"]))
            truth = targets["test"].numpy()
            ece = expected_calibration_error(taken.numpy(), truth)
            brier = float(((taken.numpy() - truth) ** 2).mean())
            found.setdefault(name, []).append([value, *validation, ece, brier])
        for name in plain:
            found[name][-1][1:1] = before
    return [
        [network, name, f"{mean[0]:.3f}", *(f"{own:.4f}" for own in mean[1:])]
        for name, values in found.items()
        for mean in [np.mean(values, axis=0)]
    ]


def main() -> None:
    """Measure, and write the table."""
    os.nice(10)
    torch.set_num_threads(1)
    header = ["network", "rule", "jaccard", "ECE val", "Brier val", "ECE test", "Brier test"]
    table = Table(header, [line for network in NETWORKS for line in lines(network)], 2)
    write(
        "calibration",
        "Calibration before deciding: sigmoids on bibtex",
        "python -m benchmarks.calibration",
        [
            (
                f"Mean over {N_SPLITS} splits; layers of 128 and 128, 30 epochs, batches of 128."
                " `calibrated` maximises the expected Jaccard index of calibrated scores. ECE and Brier"
                " score are of the scores that the rule takes: on validation rows (where calibrated, by"
                " maps that were fitted to the other folds) and on test rows.",
                table,
            )
        ],
    )


if __name__ == "__main__":
    main()
