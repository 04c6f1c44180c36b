from mlc.tracking.hyperparameters import hyperparameters, varying


def test_what_was_swept_stands_between_the_head_and_the_seed_in_tensorboards_order() -> None:
    runs = [
        hyperparameters("yeast", head, seed, {"trainer.patience": "3", "backbone.dropout": dropout})
        for head in ("sigmoid", "chain")
        for seed in (0, 1)
        for dropout in ("0.1", "1e-1", "0.5")
    ]
    columns = varying(runs)
    assert [key.strip() for key in sorted(columns)] == ["head", "backbone.dropout", "seed"]
    assert set(columns[" backbone.dropout"]) == {0.1, 0.5}


def test_a_key_that_only_some_runs_have_is_a_column() -> None:
    runs = [
        hyperparameters("a", "focal", 0, {"head.gamma": "2"}),
        hyperparameters("b", "sigmoid", 0, {"optimizer": "sgd"}),
    ]
    assert [key.strip() for key in sorted(varying(runs))] == [
        "data", "head", "head.gamma", "optimizer",
    ]  # fmt: skip


def test_a_lone_run_is_told_by_its_head_and_seed() -> None:
    columns = varying([hyperparameters("yeast", "sigmoid", 3, {"optimizer.lr": "0.1"})])
    assert [key.strip() for key in columns] == ["head", "seed"]
