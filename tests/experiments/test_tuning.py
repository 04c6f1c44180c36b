"""What experiments tune is chosen on validation rows, whatever the test rows say."""

from __future__ import annotations

import pandas as pd

from experiments.factorised.analysis import best_optimizers
from experiments.imbalance.analysis import tune


def test_a_heads_rate_is_the_one_with_the_best_validation_loss() -> None:
    rows = pd.DataFrame(
        [
            {"set": "1%", "head": head, "seed": seed, "optimizer.lr": rate, "rule": rule,
             "run": f"{head} {seed} {rate}", "val_loss": loss, "f1_macro": 1 - loss}
            for head, scale in (("sigmoid", 1.0), ("focal", 0.1))
            for seed, losses in ((0, (0.3, 0.2, 0.4)), (1, (0.3, 0.5, 0.1)))
            for rate, loss in zip((0.002, 0.006, 0.02), (scale * own for own in losses), strict=True)
            for rule in ("fixed", "per_label")
        ]
    )  # fmt: skip
    epochs = pd.DataFrame(
        [{"set": "1%", "head": "focal", "seed": 0, "run": "focal 0 0.006", "epoch": 1}]
    )
    tuned = tune(pd.concat([rows, epochs], ignore_index=True))
    chosen = tuned[tuned["rule"] == "per_label"].set_index(["head", "seed"])["optimizer.lr"]
    assert dict(chosen) == {
        ("sigmoid", 0): 0.006, ("sigmoid", 1): 0.02, ("focal", 0): 0.006, ("focal", 1): 0.02,
    }  # fmt: skip
    # A chosen run keeps all its rows.
    assert len(tuned) == 2 * 4 + 1


def test_a_losss_optimiser_is_the_one_with_the_best_validation_mean() -> None:
    rows = pd.DataFrame(
        [
            {"data": data, "loss": loss, "optimizer": optimizer, "seed": seed,
             "val_jaccard_samples": value + 0.01 * seed, "jaccard_samples": 1 - value}
            for data, loss, optimizer, value in (
                ("emotions", "sigmoid", "adam", 0.6), ("emotions", "sigmoid", "sgd", 0.5),
                ("emotions", "product", "adam", 0.4), ("emotions", "product", "sgd", 0.7),
                ("yeast", "sigmoid", "adam", 0.3), ("yeast", "sigmoid", "sgd", 0.4),
            )
            for seed in range(2)
        ]
    )  # fmt: skip
    chosen = best_optimizers(rows).groupby(["data", "loss"])["optimizer"].unique().map(list)
    assert dict(chosen) == {
        ("emotions", "sigmoid"): ["adam"],
        ("emotions", "product"): ["sgd"],
        ("yeast", "sigmoid"): ["sgd"],
    }
