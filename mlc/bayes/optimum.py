"""What could be reached where p(y | x) is known: the Bayes value, each head's limit, a run's regret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from mlc.bayes.population import Population
from mlc.data.base import Dataset
from mlc.data.splits import Split
from mlc.decisions.base import DecisionRule
from mlc.evaluation.judging import Evaluation
from mlc.heads.base import Head
from mlc.heads.label_sets import all_label_sets, fold_marginals, fold_shares, label_set_index
from mlc.metrics.counts import COUNT_METRICS

# The first test rows serve, as many as make up so many probabilities.
_MOST_PROBABILITIES = 2**21
# Label sets drawn for each of them, on which a limit's rules are tuned.
_DRAWS = 20
# Of a limit's scores: beyond, they are the minimiser's errors, which a threshold could tell samples by.
_DECIMALS = 6
TOPS = (1, 3, 5)
BY_SAMPLE = ("subset_accuracy", "hamming_loss", "jaccard_samples", "f1_samples")


@dataclass(frozen=True)
class Optimum:
    """The test rows' true distribution, and what decisions on them are worth in expectation.

    Attributes:
        rows: how many of the first test rows are looked at.
        joint: (N, 2^K), float64.
    """

    rows: int
    joint: Tensor

    @classmethod
    def of(cls, dataset: Dataset, split: Split) -> Optimum | None:
        """None where the truth is not known."""
        if dataset.truth is None:
            return None
        rows = max(1, min(len(split.test), _MOST_PROBABILITIES // 2**dataset.n_labels))
        joint = dataset.truth.joint(dataset.features[split.test[:rows]])
        return cls(rows, torch.as_tensor(joint))

    @cached_property
    def label_sets(self) -> Tensor:
        """All of them: (2^K, K), bool."""
        return all_label_sets(int(self.joint.shape[1]).bit_length() - 1)

    @cached_property
    def marginals(self) -> Tensor:
        """P(y_k = 1 | x): (N, K)."""
        return fold_marginals(self.joint, self.label_sets.shape[1])

    @property
    def _values(self) -> dict[str, Tensor]:
        return _values(self.label_sets.shape[1])

    def bayes(self) -> dict[str, float]:
        """The best expected value of any decision or ranking; Jaccard and F1 by enumeration."""
        errors = torch.minimum(self.marginals, 1 - self.marginals)
        values = {
            "subset_accuracy": float(self.joint.amax(dim=1).mean()),
            "hamming_loss": float(errors.mean()),
        }
        for name in ("jaccard_samples", "f1_samples"):
            values[name] = float((self.joint @ self._values[name].T).amax(dim=1).mean())
        _, shares = self._shares
        by_marginals, by_shares = self.of_scores(self.marginals), self.of_scores(shares)
        for key in by_marginals:
            values[key] = (by_marginals if key.startswith("precision") else by_shares)[key]
        return values

    def of_decisions(self, decisions: Tensor) -> dict[str, float]:
        """Expected values of decisions (N, K), bool."""
        index = label_set_index(decisions)
        return {
            name: float((self._values[name][index] * self.joint).sum(dim=1).mean())
            for name in BY_SAMPLE
        }

    def of_scores(self, scores: Tensor) -> dict[str, float]:
        """Expected precision and recall of the labels with the highest scores (N, K)."""
        precision, recall = self._shares
        values = {}
        for k in self._tops:
            values[f"precision_at_{k}"] = self._at_top(scores, precision, k) / k
            values[f"recall_at_{k}"] = self._at_top(scores, recall, k)
        return values

    @cached_property
    def drawn(self) -> Tensor:
        """Label sets from the truth, to tune rules on: (N draws, K), bool, all rows after each other."""
        draw = torch.Generator().manual_seed(0)
        chosen = torch.multinomial(self.joint, _DRAWS, replacement=True, generator=draw)
        return self.label_sets[chosen.T.flatten()]

    @property
    def _tops(self) -> tuple[int, ...]:
        return tuple(k for k in TOPS if k <= self.label_sets.shape[1])

    @cached_property
    def _shares(self) -> tuple[Tensor, Tensor]:
        """P(y_k = 1 | x) and E[y_k / |y| given x], over samples with a label, as the metrics count."""
        some = 1 - self.joint[:, 0].mean()
        return self.marginals / some, fold_shares(self.joint, self.label_sets.shape[1]) / some

    @staticmethod
    def _at_top(scores: Tensor, gains: Tensor, k: int) -> float:
        top = scores.argsort(dim=1, descending=True, stable=True)[:, :k]
        return float(gains.gather(1, top).sum(dim=1).mean())


# Half a gigabyte and a second with 12 labels, and the same for all runs.
@lru_cache(maxsize=1)
def _values(n_labels: int) -> dict[str, Tensor]:
    """Each metric of each decided label set for each true one: (2^K, 2^K)."""
    sets = all_label_sets(n_labels).double()
    both, size = sets @ sets.T, sets.sum(dim=1)
    predicted, actual = size.unsqueeze(1).expand_as(both), size.expand_as(both)
    return {
        name: COUNT_METRICS[name].formula(both, predicted, actual, n_labels) for name in BY_SAMPLE
    }


def limit(
    optimum: Optimum, population: tuple[Head, Tensor] | None, rules: Mapping[str, DecisionRule]
) -> dict[str, float]:
    """What a head reaches with unlimited data and capacity, "RULE/METRIC" and "METRIC".

    Its population minimiser, decided by rules that are tuned on label sets drawn from the truth; empty
    where it has none.
    """
    if population is None:
        return {}
    fitted, outputs = population
    with torch.no_grad():
        exact = fitted.predict(outputs)
        prediction = exact.with_scores(exact.scores.round(decimals=_DECIMALS)).of_run(0)
        values = dict(optimum.of_scores(prediction.scores))
        for name, rule in rules.items():
            fresh = type(rule)(rule.options, rule.natural_threshold)
            if rule.tuned_on != "nothing":
                fresh.tune(prediction.scores.repeat(_DRAWS, 1), optimum.drawn)
            decided = fresh.decide_for(prediction)
            for metric, value in optimum.of_decisions(decided).items():
                values[f"{name}/{metric}"] = value
    return values


def add_regrets(
    evaluations: Sequence[Evaluation],
    optimum: Optimum,
    head: Head,
    rules: Sequence[Mapping[str, DecisionRule]],
    with_limits: bool = True,
) -> None:
    """To each run's metrics: bayes, limit, truth (the run's expected values) and their differences.

    "regret/RULE/METRIC" is what the run misses of the Bayes value: "unreachable", what its head misses
    with any data, plus "avoidable", what data and optimisation cost. All on the same rows; the parts
    only with limits.
    """
    bayes, population = optimum.bayes(), Population(head, optimum.joint)
    found: dict[tuple[int, str], dict[str, float]] = {}
    for run, (evaluation, own_rules) in enumerate(zip(evaluations, rules, strict=True)):
        like = population.representative(run)
        setting = like, repr({name: vars(rule.options) for name, rule in own_rules.items()})
        if setting not in found:
            known = population.of_run(like) if with_limits else None
            found[setting] = limit(optimum, known, own_rules)
        limits = found[setting]
        scores = torch.as_tensor(evaluation.scores["test"][: optimum.rows]).double()
        truth = optimum.of_scores(scores)
        for rule, decisions in evaluation.decisions["test"].items():
            own = torch.as_tensor(decisions[: optimum.rows])
            truth.update({f"{rule}/{m}": v for m, v in optimum.of_decisions(own).items()})
        metrics = evaluation.metrics
        metrics.update({f"bayes/{name}": value for name, value in bayes.items()})
        metrics.update({f"limit/{key}": value for key, value in limits.items()})
        for key, value in truth.items():
            metric = key.split("/")[-1]
            lower = metric in COUNT_METRICS and not COUNT_METRICS[metric].higher_is_better
            sign = -1 if lower else 1
            metrics[f"truth/{key}"] = value
            metrics[f"regret/{key}"] = sign * (bayes[metric] - value)
            if key in limits:
                metrics[f"unreachable/{key}"] = sign * (bayes[metric] - limits[key])
                metrics[f"avoidable/{key}"] = sign * (limits[key] - value)
