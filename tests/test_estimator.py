"""The scikit-learn interface: its own checks, its tools, and what it promises beside them."""

from __future__ import annotations

import inspect
import pickle
import re

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import make_multilabel_classification
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from mlc import MultiLabelClassifier
from mlc.config.classifier import configs_of
from mlc.config.errors import ConfigError, DataError, NotANumberError
from mlc.config.schema import AUTOMATIC, Config, config_folder, parse, register_configs
from mlc.decisions.base import DECISIONS, build_decision
from mlc.decisions.candidates import CANDIDATES
from mlc.heads.base import HEADS
from mlc.heads.label_sets import all_label_sets
from mlc.training.assembly import build_training
from mlc.training.defaults import TABLE
from mlc.training.loop import Training
from mlc.training.stacked import OPTIMIZERS
from tests.cases import options_for
from tests.choices import force_choice
from tests.conftest import REPOSITORY

QUICK = {"max_epochs": 3, "widths": (16,), "random_state": 0}


# Only that a weight equals repetitions does not hold, as for scikit-learn's MLPClassifier: the
# validation rows are drawn. scikit-learn itself skips the checks of the array API, which it is not
# switched on for, and of decision_function, which is optional.
DRAWN = dict.fromkeys(
    (f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse")),
    "the validation rows are drawn",
)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@parametrize_with_checks(
    [MultiLabelClassifier(max_epochs=30, random_state=0)],
    expected_failed_checks=lambda _: DRAWN,
)
def test_scikit_learns_own_checks(estimator: MultiLabelClassifier, check: object) -> None:
    check(estimator)  # type: ignore[operator]


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    return make_multilabel_classification(n_samples=120, n_classes=4, random_state=0)  # type: ignore[return-value]


@pytest.mark.parametrize("backbone", ["mlp", "linear"])
def test_weights_are_relative_and_change_the_fit(
    backbone: str, data: tuple[np.ndarray, np.ndarray]
) -> None:
    X, y = data
    weights = np.where(y[:, 0], 5.0, 0.01)
    settings = {**QUICK, "max_epochs": 20, "decision": "fixed", "n_seeds": 2}

    def scores(weights: np.ndarray | None) -> np.ndarray:
        classifier = MultiLabelClassifier(backbone=backbone, **settings)
        return classifier.fit(X, y, sample_weight=weights).predict_proba(X)

    np.testing.assert_array_equal(scores(np.full(len(y), 2.0)), scores(None))
    # Rows with the first label count more, so that it is predicted more often.
    assert scores(weights)[:, 0].mean() > scores(None)[:, 0].mean() + 0.1
    with pytest.raises(ValueError, match=r"shape \(3,\), and there are 120 rows"):
        scores(weights[:3])


def test_a_head_that_compares_samples_takes_no_weights(data: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = data
    with pytest.raises(ValueError, match="'two_way' compares the samples of a batch"):
        MultiLabelClassifier("two_way", **QUICK).fit(X, y, sample_weight=np.ones(len(y)))


@pytest.mark.parametrize("head", [name for name in HEADS if name != "grouped"])
def test_every_head_fits_and_predicts(head: str, data: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = data
    fitted = MultiLabelClassifier(head, n_seeds=2, **QUICK).fit(X, y)
    scores = fitted.predict_proba(X)
    assert scores.shape == y.shape
    assert ((scores >= 0) & (scores <= 1)).all()
    assert set(np.unique(fitted.predict(X))) <= {0, 1}


def test_auto_is_a_default_by_the_data_and_what_is_given_wins(
    data: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    configs: list[Config] = []

    def record(given: list[Config], *arguments: object) -> Training:
        configs.append(given[0])
        return build_training(given, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("mlc.training.ensemble.build_training", record)
    X, y = data
    words = csr_matrix(np.eye(30)[np.arange(len(y)) % 30])
    classifier = clone(MultiLabelClassifier(max_epochs=1, dropout=0.25))
    assert classifier.get_params() == MultiLabelClassifier(max_epochs=1, dropout=0.25).get_params()
    before = classifier.get_params()
    for features, row in zip((X, words), TABLE["mlp"], strict=True):
        classifier.fit(features, y)
        config = configs.pop()
        assert config.trainer.max_epochs == 1
        assert config.backbone.dropout == 0.25
        assert config.backbone.widths == row["backbone.widths"]
        assert config.optimizer.lr == row["optimizer.lr"]
        assert config.trainer.batch_size == 64
    assert classifier.get_params() == before
    MultiLabelClassifier(max_epochs=1, optimizer="sgd").fit(X, y)
    assert vars(configs.pop().optimizer) == vars(OPTIMIZERS.options("sgd"))
    MultiLabelClassifier(max_epochs=1, backbone="linear").fit(X, y)
    assert configs.pop().optimizer == OPTIMIZERS.options("lbfgs")


@pytest.mark.parametrize("rule", [name for name in DECISIONS if name != "oracle"])
def test_every_rule_decides(rule: str, data: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = data
    assert (
        MultiLabelClassifier(
            "powerset", decision=rule, decision_options=options_for(rule, y.shape[1]), **QUICK
        )
        .fit(X, y)
        .predict(X)
        .shape
        == y.shape
    )


def test_seen_knows_the_label_sets_of_rows_that_a_network_trained_on(
    data: tuple[np.ndarray, np.ndarray],
) -> None:
    X, y = data
    fitted = MultiLabelClassifier("sigmoid", decision="seen", n_seeds=2, **QUICK).fit(X, y)
    trained = y[~fitted.held_out_.all(axis=0)]
    sets = fitted.predictor_.rule.fitted()["label_sets"].int().tolist()
    assert sets == np.unique(trained, axis=0).astype(int).tolist()
    assert set(map(tuple, fitted.predict(X))) <= set(map(tuple, sets))


def separable(n_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and two classes, with a gap between them."""
    X = np.random.default_rng(seed).normal(size=(n_rows, 4)).astype(np.float32)
    X[:, 0] += np.where(X[:, 0] > 0, 2, -2)
    return X, (X[:, 0] > 0).astype(int)


# Samples that are far from right have a small gradient.
BOUNDED_LOSS = {"sigmoid_f1", "soft_jaccard"}


def accuracy_of_two_classes(head: str, as_column: bool) -> float:
    epochs = 30 if head in BOUNDED_LOSS else 10
    quick = {"max_epochs": epochs, "lr": 0.05, "batch_size": 16, "widths": (), "random_state": 0}
    X, y = separable(100, seed=0)
    X_test, y_test = separable(200, seed=1)
    if as_column:
        y, y_test = y[:, None], y_test[:, None]
    fitted = MultiLabelClassifier(head, **quick).fit(X, y)  # type: ignore[arg-type]
    return fitted.score(X_test, y_test)


# A softmax over one label is always 1, and one label makes no pair and no draw.
REFUSE_ONE_LABEL = {name for name in HEADS if HEADS[name].least_labels > 1}


@pytest.mark.parametrize("as_column", [False, True], ids=["classes", "one label"])
def test_every_head_learns_two_classes_or_is_refused(as_column: bool) -> None:
    accuracies = {}
    for head in HEADS:
        if as_column and head in REFUSE_ONE_LABEL:
            with pytest.raises(ConfigError, match=f"'{head}' has nothing to learn from 1 label"):
                accuracy_of_two_classes(head, as_column)
        else:
            accuracies[head] = accuracy_of_two_classes(head, as_column)
    sigmoid = accuracies["sigmoid"]
    assert sigmoid > 0.9
    far = {head: value for head, value in accuracies.items() if abs(value - sigmoid) > 0.05}
    assert not far


def test_of_two_classes_each_is_a_label_and_one_is_predicted() -> None:
    X, y = separable(60, seed=0)
    names = np.array(["no", "yes"])[y]
    fitted = MultiLabelClassifier("powerset", decision="mode", **QUICK).fit(X, names)
    assert fitted.classes_.tolist() == ["no", "yes"]
    shares = fitted.predict_proba(X)
    assert shares.shape == (60, 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    # The class with the highest score among those that the rule predicts, if it predicts any.
    for decided in (np.array([[True, False]]), np.array([[False, True]])):
        fitted.predictor_.predict = lambda features, only=decided: only.repeat(len(features), 0)  # type: ignore[method-assign]
        assert set(fitted.predict(X)) == {fitted.classes_[decided[0]][0]}
    for both in (False, True):
        fitted.predictor_.predict = lambda features, both=both: np.full((len(features), 2), both)  # type: ignore[method-assign]
        highest = fitted.classes_[shares.argmax(axis=1)]
        np.testing.assert_array_equal(fitted.predict(X), highest)


def test_a_threshold_for_each_class_decides_between_them() -> None:
    X, y = separable(60, seed=0)
    fitted = MultiLabelClassifier("sigmoid", decision="per_label", **QUICK).fit(X, y)
    scores = fitted.predictor_.scores(X)
    # No threshold of the first class is reached, so that it is predicted nowhere.
    fitted.predictor_.rule.restore({"threshold": [1.1, 0.0]})
    assert (scores[:, 0] > scores[:, 1]).any()
    assert (fitted.predict(X) == 1).all()


def test_a_head_without_a_natural_threshold_needs_a_given_one(
    data: tuple[np.ndarray, np.ndarray],
) -> None:
    for head in ("margin", "two_way"):
        with pytest.raises(ConfigError, match="The rule 'fixed' needs threshold=, for"):
            MultiLabelClassifier(head, decision="fixed", **QUICK).fit(*data)
        given = {"decision": "fixed", "decision_options": {"threshold": 0.5}}
        MultiLabelClassifier(head, **given, **QUICK).fit(*data).predict(data[0])  # type: ignore[arg-type]


@pytest.mark.parametrize("decision", ["global", "fixed"])
def test_its_networks_are_handed_out_in_evaluation_mode(
    decision: str, data: tuple[np.ndarray, np.ndarray]
) -> None:
    """Dropout and batch statistics are off in each of an ensemble's networks, also after pickling."""
    X, y = data
    classifier = MultiLabelClassifier(decision=decision, n_seeds=2, max_epochs=1, random_state=0)
    fitted = pickle.loads(pickle.dumps(classifier.fit(X, y)))
    for model in (classifier.predictor_.model, fitted.predictor_.model):
        assert not any(module.training for module in model.modules())


def test_its_defaults_are_those_of_the_command_line() -> None:
    register_configs()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = parse(compose("train"))
    expected = {
        key: "auto" if f"{group}.{key}" in AUTOMATIC and value is None else value
        for group in ("backbone", "optimizer", "trainer")
        for key, value in vars(getattr(config, group)).items()
    }
    # The decay is that of the optimizer, which the backbone chooses.
    expected["weight_decay"] = "auto"
    for name, parameter in inspect.signature(MultiLabelClassifier).parameters.items():
        if name in expected:
            assert parameter.default == expected[name], name
    (of_classifier,) = configs_of(MultiLabelClassifier())
    for group in ("backbone", "optimizer"):
        assert vars(getattr(of_classifier, group)) == vars(getattr(config, group))


def test_it_works_in_scikit_learns_tools(data: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = data
    classifier = MultiLabelClassifier(**QUICK)
    pipeline = make_pipeline(StandardScaler(), classifier)
    search = GridSearchCV(
        pipeline, {"multilabelclassifier__head": ["sigmoid", "powerset"]}, cv=2, scoring="f1_macro"
    ).fit(X, y)
    assert search.best_score_ > 0
    assert cross_val_score(classifier, X, y, cv=2).shape == (2,)
    fitted = clone(classifier).fit(X, y)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
    np.testing.assert_array_equal(again.fit(X, y).predict_proba(X), fitted.predict_proba(X))


def test_dense_and_sparse_rows_are_taken(data: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = data
    sparse = MultiLabelClassifier(**QUICK).fit(csr_matrix(X), csr_matrix(y))
    # Sparse columns are scaled by their magnitude, not centred.
    dense = MultiLabelClassifier(**QUICK).fit(MaxAbsScaler().fit_transform(X), y)
    assert sparse.predict(csr_matrix(X)).shape == dense.predict(X).shape == y.shape


def test_lists_of_labels_come_back_as_lists(data: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = data
    names = np.array(["a", "b", "c", "d"])
    lists = [names[row > 0].tolist() for row in y]
    fitted = MultiLabelClassifier(**QUICK).fit(X, lists)
    assert fitted.classes_.tolist() == names.tolist()
    by_array = MultiLabelClassifier(**QUICK).fit(X, y)
    assert fitted.predict(X) == [names[row > 0].tolist() for row in by_array.predict(X)]
    assert fitted.score(X, lists) == by_array.score(X, y)
    with pytest.raises(DataError, match="Row 1 of y has the label 'e', which fit never saw"):
        fitted.score(X[:2], [["a"], ["e"]])


def test_a_data_frames_columns_name_the_labels(data: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = data
    fitted = MultiLabelClassifier(**QUICK).fit(X, pd.DataFrame(y, columns=list("abcd")))
    assert fitted.classes_.tolist() == list("abcd")


def test_labels_of_yes_and_no_are_those_of_zeros_and_ones(
    data: tuple[np.ndarray, np.ndarray],
) -> None:
    X, y = data
    names = ["rain", "wind", "sun", "snow"]
    frame = pd.DataFrame(np.where(y > 0, "yes", "no"), columns=names)
    fitted = MultiLabelClassifier(**QUICK).fit(X, frame)
    assert fitted.classes_.tolist() == names
    by_numbers = MultiLabelClassifier(**QUICK).fit(X, y)
    np.testing.assert_array_equal(fitted.predict(X), by_numbers.predict(X))
    assert fitted.score(X, frame) == fitted.score(X, frame == "yes") == by_numbers.score(X, y)
    one = MultiLabelClassifier(**QUICK).fit(X, frame[["rain"]])
    assert one.predict_proba(X).shape == (120, 1)


def each_members_joint(ensemble: MultiLabelClassifier, X: np.ndarray) -> np.ndarray:
    model, features = ensemble.predictor_.model, X.astype(np.float32)
    data = ensemble.predictor_._resident(features)
    rows = torch.arange(len(X)).expand(model.n_runs, -1)
    ((outputs, *_),) = model.outputs(data, rows)
    return outputs.double().softmax(dim=-1).numpy()


def test_an_ensembles_rule_is_tuned_by_the_members_that_held_a_row_out(
    data: tuple[np.ndarray, np.ndarray],
) -> None:
    X, y = data
    ensemble = MultiLabelClassifier("powerset", decision="global", n_seeds=3, **QUICK).fit(X, y)
    held_out = ensemble.held_out_
    assert held_out.shape == (3, len(X))
    assert (held_out.sum(axis=1) == round(0.2 * len(X))).all()
    assert (held_out[0] != held_out[1]).any()
    joint, sets = each_members_joint(ensemble, X), all_label_sets(y.shape[1]).numpy()
    rows = [row for row in range(len(X)) if held_out[:, row].any()]
    scores = [joint[held_out[:, row], row].mean(axis=0) @ sets for row in rows]
    rule = build_decision("global").fit(torch.tensor(np.array(scores)), torch.tensor(y[rows] > 0))
    tuned = ensemble.predictor_.rule.fitted()["threshold"]
    assert float(tuned) == pytest.approx(float(rule.fitted()["threshold"]), abs=1e-6)
    some = held_out.any(axis=0)
    decided = ensemble.predictor_.predict(X[some].astype(np.float32), held_out[:, some])
    np.testing.assert_array_equal(decided, np.array(scores) >= float(tuned))


def test_an_ensembles_rule_sees_its_mean(data: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = data
    ensemble = MultiLabelClassifier("powerset", decision="mode", n_seeds=3, **QUICK).fit(X, y)
    predictor = ensemble.predictor_
    joint = each_members_joint(ensemble, X).mean(axis=0)
    sets = predictor.model.head.label_sets.numpy()  # type: ignore[union-attr]
    np.testing.assert_array_equal(ensemble.predict(X), sets[joint.argmax(axis=1)])
    np.testing.assert_allclose(ensemble.predict_proba(X), joint @ sets, atol=1e-6)


@pytest.mark.parametrize("words", [one.words for one in CANDIDATES if one.by_joint])
def test_an_ensembles_auto_decides_by_the_mean_joint(
    words: str, data: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = data
    force_choice(monkeypatch, words)
    metric = {"e": f"{words[9:].split(',')[0]}_samples"}.get(words[0], "subset_accuracy")
    options = {"decision_options": {"metric": metric}, "n_seeds": 2, **QUICK, "max_epochs": 1}
    ensemble = MultiLabelClassifier("powerset", **options).fit(X, y)  # type: ignore[arg-type]
    assert repr(ensemble.decision_).endswith(f": {words}")
    joint = torch.tensor(each_members_joint(ensemble, X).mean(axis=0))
    rule = build_decision(words.split(",")[0], at_least_one="at least one" in words)
    decided = rule.decide(log_joint=joint.log(), label_sets=all_label_sets(4))
    np.testing.assert_array_equal(ensemble.predict(X), decided.numpy())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"head": "softmax"}, "There is no head named 'softmax'"),
        ({"head": "x" * 5000}, r"There is no head named 'x{30,50}\.\.\.x{10,30}': choose"),
        ({"head_options": {"gamma": 1}}, "has no option 'gamma'"),
        ({"decision": "globl"}, "There is no decision rule named 'globl': did you mean global"),
        ({"decision": ["global"]}, r"no decision rule named \['global'\]"),
        ({"decision": "mode"}, "The rule 'mode' needs joint, and the head 'sigmoid' provides"),
        ({"dropout": 1.0}, "dropout=1.0 is out of range"),
        ({"n_seeds": 0}, "n_seeds=0 is out of range"),
        ({"n_seeds": 10**9}, "n_seeds=1000000000 is out of range"),
        ({"val_fraction": 1.5}, "val_fraction=1.5 is out of range"),
    ],
)
def test_bad_settings_are_told(
    settings: dict[str, object], message: str, data: tuple[np.ndarray, np.ndarray]
) -> None:
    with pytest.raises(ConfigError, match=message):
        MultiLabelClassifier(**{**QUICK, **settings}).fit(*data)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["head", "decision", "backbone", "optimizer"])
def test_an_unknown_part_may_be_imported(kind: str, data: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(
        ConfigError, match=r"'x': choose one of .*, or import the module .* --import"
    ):
        MultiLabelClassifier(**{**QUICK, kind: "x"}).fit(*data)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([[0, 2]] * 60 + [[1, 0]] * 60, "Row|row 0, column 1"),
        ([[]] * 120, "No row of y has a label"),
        ([0] * 120, "y has one class"),
        ([[0, 1]] * 5, "X has 120 rows and y 5"),
    ],
)
def test_bad_targets_are_told(y: object, message: str, data: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(ValueError, match=message):
        MultiLabelClassifier(**QUICK).fit(data[0], np.array(y) if y and y[0] == [0, 2] else y)  # type: ignore[index,arg-type]


def test_the_readmes_example_runs(data: tuple[np.ndarray, np.ndarray]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    script = next(block for block in blocks if "MultiLabelClassifier" in block)
    X, y = data
    names = {"X": X, "y": y, "X_new": X[:5]}
    exec(
        compile(script.replace("n_seeds=10", "n_seeds=2, max_epochs=2"), "README.md", "exec"), names
    )
    assert names["label_sets"].shape == names["scores"].shape == (5, 4)


def test_numpys_numbers_and_torchs_device_are_taken(data: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = data
    plain = MultiLabelClassifier(max_epochs=2, lr=0.01, widths=[8], random_state=0, device="cpu")
    settings = {"max_epochs": np.int64(2), "lr": np.float64(0.01), "widths": np.array([8])}
    numpys = MultiLabelClassifier(
        head=np.str_("sigmoid"),
        n_seeds=np.int32(1),
        random_state=np.int64(0),
        device=torch.device("cpu"),
        **settings,
    )
    numpys = pickle.loads(pickle.dumps(clone(numpys)))
    np.testing.assert_array_equal(
        numpys.fit(X, y).predict_proba(X), plain.fit(X, y).predict_proba(X)
    )
    grid = {"max_epochs": np.arange(1, 3), "lr": np.logspace(-3, -2, 2), "widths": [4, (4,)]}
    search = GridSearchCV(MultiLabelClassifier(random_state=0), grid, cv=2, error_score="raise")
    assert search.fit(X[:40], y[:40]).best_params_["max_epochs"] in (1, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": "1e-3"}, "lr='1e-3'"),
        ({"max_epochs": "3"}, "^max_epochs='3'"),
        ({"widths": "64"}, "widths='64'"),
        ({"widths": (8.5,)}, r"widths=\(8.5,\)"),
        ({"dropout": None}, "dropout=None"),
        ({"n_seeds": 1.5}, "n_seeds=1.5"),
        ({"head": ["sigmoid"]}, r"no head named \['sigmoid'\]"),
        ({"head": "sigmiod"}, "did you mean sigmoid"),
        ({"head_options": "gamma"}, "head_options='gamma' is not a mapping"),
    ],
)
def test_settings_of_another_type_are_named(
    settings: dict[str, object], message: str, data: tuple[np.ndarray, np.ndarray]
) -> None:
    with pytest.raises(ConfigError, match=message):
        MultiLabelClassifier(**{**QUICK, **settings}).fit(*data)  # type: ignore[arg-type]


def test_a_column_of_text_is_named(data: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = data
    frame = pd.DataFrame(X[:, :2], columns=["a", "b"]).assign(colour=["1.5", "red"] * 60)
    with pytest.raises(DataError, match="X is 'red' in row 1, column 'colour': encode it"):
        MultiLabelClassifier(**QUICK).fit(frame, y)
    dates = frame.assign(colour=pd.Timestamp(2026, 1, 1))
    with pytest.raises(
        NotANumberError, match=r"X is .*2026.* in row 0, column 'colour': encode it"
    ):
        MultiLabelClassifier(**QUICK).fit(dates, y)
    nullable = pd.DataFrame(X).astype("Float64")
    nullable.iloc[0, 0] = pd.NA
    assert MultiLabelClassifier(**QUICK).fit(nullable, y).predict(nullable).shape == y.shape


def test_verbose_prints_the_card_and_nothing_else_does(
    data: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    X, y = data
    frame = pd.DataFrame(X, columns=[f"sensor {j}" for j in range(X.shape[1])])
    MultiLabelClassifier(**QUICK).fit(X, y)
    assert capsys.readouterr().out == ""
    classifier = MultiLabelClassifier(**QUICK, verbose=1).fit(frame, y)
    printed = " ".join(capsys.readouterr().out.split())
    held_out = int(classifier.held_out_[0].sum())
    assert printed.startswith(
        f"X: {len(X)} rows, {y.shape[1]} labels rows {len(X) - held_out} training,"
    )
    assert f"{held_out} validation; validation drawn, stratified" in printed
    assert "sensor 0" in printed
    assert printed.endswith(f"decision {classifier.decision_!r}")
    assert repr(classifier.decision_).startswith("auto: ")
    scores = classifier.predict_proba(frame)
    np.testing.assert_array_equal(
        classifier.decision_.decide(scores), classifier.predict(frame) == 1
    )


def reviews() -> tuple[list[str], list[list[str]]]:
    rng = np.random.default_rng(0)
    words = rng.choice(["salt", "goal", "oven", "match", "moon", "salt salt"], (80, 4))
    texts = [" ".join(row) for row in words]
    tags = {"salt": "food", "goal": "sport"}
    return texts, [[tag for word, tag in tags.items() if word in text] for text in texts]


@pytest.mark.parametrize("backbone", ["mlp", "linear", "embedding_bag"])
def test_texts_go_in_as_a_list_a_series_an_array_or_a_column(backbone: str) -> None:
    """Forms of the same texts give the same scores, and so does a pickle of a clone in a pipeline."""
    texts, y = reviews()
    frame = pd.DataFrame({"n": range(80), "body": texts})
    steps = {} if backbone == "linear" else {"lr": 0.1, "max_epochs": 30, "batch_size": 16}
    settings = {**steps, "random_state": 0, "text_options": {"min_df": 1}}
    classifier = MultiLabelClassifier(backbone=backbone, **settings)  # type: ignore[arg-type]
    scores = classifier.fit(texts, y).predict_proba(texts)
    assert classifier.score(texts, y) > 0.9
    for X in (np.array(texts), np.array(texts, dtype=object), frame["body"]):
        np.testing.assert_array_equal(classifier.predict_proba(X), scores)
    pipeline = make_pipeline(clone(classifier).set_params(text="body"))
    again = pickle.loads(pickle.dumps(pipeline.fit(frame, y)))
    np.testing.assert_array_equal(again.predict_proba(frame), scores)
    with pytest.raises(DataError, match="X has no column 'body'"):
        again.predict(frame[["n"]])
    with pytest.raises(DataError, match="X has several columns 'body': rename all but one"):
        again.predict(frame[["body", "body"]])
    with pytest.raises(DataError, match="was fitted on texts: give texts"):
        classifier.predict(np.zeros((3, 5)))


def test_texts_are_weighted_as_by_tfidf_vectorizer_on_the_rows_of_a_network() -> None:
    texts, y = reviews()
    options = {"ngram_range": [1, 2], "min_df": 3, "max_df": 0.9}
    fitted = MultiLabelClassifier(
        backbone="linear", text_options=options, max_epochs=1, random_state=0
    ).fit(texts, y)
    train = [text for text, held in zip(texts, fitted.held_out_[0], strict=True) if not held]
    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=3, max_df=0.9)
    expected = vectorizer.fit(train).transform(texts).toarray()
    counts = fitted._features(texts)
    assert fitted._texts.names == tuple(vectorizer.get_feature_names_out())
    rows = fitted.predictor_.scalings[0].apply(counts).toarray()
    np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_a_backbones_own_options_and_wrong_ones() -> None:
    texts, y = reviews()
    fitted = MultiLabelClassifier(
        backbone="embedding_bag", backbone_options={"width": 7}, max_epochs=1
    ).fit(texts, y)
    assert fitted.predictor_.model.backbone.n_outputs == 7
    with pytest.raises(ConfigError, match=r"text_options has no option 'min_dv': did you mean min"):
        MultiLabelClassifier(text_options={"min_dv": 2}).fit(texts, y)
    with pytest.raises(ConfigError, match="backbone 'linear' has no option 'width'"):
        MultiLabelClassifier(backbone="linear", backbone_options={"width": 7}).fit(texts, y)


def test_auto_is_the_default_and_chooses_a_rule_by_the_joint() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    y = np.array([[1, 1, 0, 0], [0, 0, 1, 0], [1, 0, 1, 1]])[rng.integers(3, size=400)]
    same: dict[str, object] = {"max_epochs": 3, "random_state": 0, "device": "cpu", "widths": 8}
    same["lr"] = 0.002
    options = {"metric": "subset_accuracy"}
    fitted = MultiLabelClassifier("label_powerset", decision_options=options, **same).fit(X, y)
    assert fitted.predictor_.rule.described()["chosen"] == "mode, by the joint"
    assert repr(fitted.decision_) == "auto (metric='subset_accuracy'): mode, by the joint"
    mode = MultiLabelClassifier("label_powerset", decision="mode", **same).fit(X, y)
    np.testing.assert_array_equal(fitted.predict(X), mode.predict(X))
