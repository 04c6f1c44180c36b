"""Forms of dependence between labels given x, each with an exact joint distribution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from mlc.data.label_sets import all_label_sets

Floats = NDArray[np.float64]

_COMPONENTS = 16
_GROUP = 3
# Standard deviation of the logits of the components' weights.
_GATES = 2.0
# Odds of a marginal of 0 or 1 are infinite.
_LEAST = 1e-12


class Structure(Protocol):
    """A form of dependence."""

    def joint(self, singles: Floats, features: NDArray[np.floating]) -> Floats:
        """Return p of all label sets; the first label is the highest bit.

        Args:
            singles: the energies f_k(x) of single labels, (N, K).
            features: x, (N, D).

        Returns:
            (N, 2^K).
        """
        ...


@dataclass(frozen=True)
class Pairs:
    """p(y | x) proportional to exp(sum_k f_k(x) y_k + sum_{j<k} A_jk y_j y_k): an Ising model.

    As in Ghamrawi and McCallum 2005, "Collective multi-label classification". `dependence` is the
    standard deviation of A_jk times sqrt(K), `attraction` its mean times sqrt(K).

    Attributes:
        label_sets: (2^K, K).
        energies: the sum of pair energies in each label set, (2^K,).
    """

    label_sets: Floats
    energies: Floats

    @classmethod
    def drawn(cls, n: int, dependence: float, attraction: float, rng: np.random.Generator) -> Pairs:
        """Draw the energies of the pairs of n labels."""
        label_sets = all_label_sets(n).astype(np.float64)
        pairs = dependence * rng.standard_normal((n, n)) + attraction
        pairs = np.triu(pairs, k=1) / np.sqrt(n)
        return cls(label_sets, np.einsum("mj,jk,mk->m", label_sets, pairs, label_sets))

    def joint(self, singles: Floats, features: NDArray[np.floating]) -> Floats:
        """Normalise the exponentials of the energies."""
        energies = singles @ self.label_sets.T + self.energies
        energies -= energies.max(axis=1, keepdims=True)
        weights: Floats = np.exp(energies, out=energies)
        weights /= weights.sum(axis=1, keepdims=True)
        return weights


@dataclass(frozen=True)
class Mixture:
    """p(y | x) = sum_c pi_c(x) prod_k p_ck(y_k): 16 components with independent labels.

    The logit of p_ck(1) is f_k(x) + B_ck; `dependence` is the standard deviation of B_ck. pi is a
    softmax of functions that are linear in x. The head `bernoulli_mixture` has 8 components by default.

    Attributes:
        offsets: B, (16, K).
        gates: the weights of pi, (D, 16).
    """

    offsets: Floats
    gates: Floats

    @classmethod
    def drawn(cls, n: int, dependence: float, n_features: int, rng: np.random.Generator) -> Mixture:
        """Draw the components of n labels."""
        offsets = dependence * rng.standard_normal((_COMPONENTS, n))
        gates = _GATES * rng.standard_normal((n_features, _COMPONENTS)) / np.sqrt(n_features)
        return cls(offsets, gates)

    def joint(self, singles: Floats, features: NDArray[np.floating]) -> Floats:
        """Add the joints of the components."""
        n, n_labels = singles.shape
        weights = softmax(features @ self.gates, axis=1)[:, :, None]
        both = _both(expit(singles[:, None, :] + self.offsets)).reshape(-1, n_labels, 2)
        # The sum over components is a product of matrices if the labels are in two halves.
        halves = np.split(both, [n_labels // 2], axis=1)
        first, second = (products(half).reshape(n, _COMPONENTS, -1) for half in halves)
        joint: Floats = (weights * first).transpose(0, 2, 1) @ second
        return joint.reshape(n, -1)


@dataclass(frozen=True)
class Tree:
    """Each label depends on one earlier label, its parent, and how depends on x.

    The logit of y_k = 1 is f_k(x) + e_k(x) (2 y_parent - 1), with e_k linear in x, of mean 0;
    `dependence` is its standard deviation. Because its sign changes with x, labels are hardly correlated
    over all samples, and energies of pairs that do not depend on x cannot express it.

    Attributes:
        parents: of the labels 1 to K - 1, (K - 1,).
        effects: the weights of e, (D, K).
    """

    parents: NDArray[np.int64]
    effects: Floats

    @classmethod
    def drawn(cls, n: int, dependence: float, n_features: int, rng: np.random.Generator) -> Tree:
        """Draw a parent of each label but the first, and the effects."""
        parents = np.array([rng.integers(k) for k in range(1, n)], dtype=np.int64)
        effects = dependence * rng.standard_normal((n_features, n)) / np.sqrt(n_features)
        return cls(parents, effects)

    def joint(self, singles: Floats, features: NDArray[np.floating]) -> Floats:
        """Multiply the conditional probabilities, one label after another."""
        effects = features @ self.effects
        joint = _both(expit(singles[:, 0]))
        for k, parent in enumerate(self.parents, start=1):
            has_parent = (np.arange(2**k) >> (k - 1 - parent)) & 1
            given = [expit(singles[:, k] - effects[:, k]), expit(singles[:, k] + effects[:, k])]
            present = np.stack(given, axis=1)[:, has_parent]
            joint = (joint[:, :, None] * _both(present)).reshape(len(joint), -1)
        return joint


@dataclass(frozen=True)
class Conjunctions:
    """Groups of three labels: any two are independent given x, but not all three.

    p of a group = prod_k p_k(y_k) [1 + s r(x) prod_k z_k], where z_k is y_k standardised given x, and r
    the largest number that leaves all probabilities at least 0 (Bahadur 1961, "A representation of the
    joint distribution of responses to n dichotomous items", with the term of order three alone). The
    strength s is 1 - exp(-`dependence`). The marginals p_k(1) are the sigmoids of f_k(x). With rare
    labels, two of a group hardly occur without the third, and all three more often than independent
    labels would. Labels that are left over are independent.

    Attributes:
        strength: s.
    """

    strength: float

    def joint(self, singles: Floats, features: NDArray[np.floating]) -> Floats:
        """Multiply the distributions of the groups, and those of the labels that are left over."""
        p = expit(singles).clip(_LEAST, 1 - _LEAST)
        joint = np.ones((len(p), 1))
        n_grouped = p.shape[1] - p.shape[1] % _GROUP
        for first in range(0, n_grouped, _GROUP):
            joint = _times(joint, self._group(p[:, first : first + _GROUP]))
        return _times(joint, products(_both(p[:, n_grouped:])))

    def _group(self, p: Floats) -> Floats:
        odds = np.sqrt(p / (1 - p))
        standardised = products(np.stack([-odds, 1 / odds], axis=-1))
        largest = (-standardised).max(axis=1, keepdims=True)
        group: Floats = products(_both(p)) * (1 + self.strength * standardised / largest)
        return group


NAMES = ("pairs", "mixture", "tree", "conjunctions")


def structure(
    name: str, n: int, n_features: int, dependence: float, attraction: float, seed: int
) -> Structure:
    """Return the structure of n labels with a name of `NAMES`; attraction belongs to pairs."""
    rng = np.random.default_rng([seed, 1])
    builders: dict[str, Callable[[], Structure]] = {
        "pairs": lambda: Pairs.drawn(n, dependence, attraction, rng),
        "mixture": lambda: Mixture.drawn(n, dependence, n_features, rng),
        "tree": lambda: Tree.drawn(n, dependence, n_features, rng),
        "conjunctions": lambda: Conjunctions(-float(np.expm1(-dependence))),
    }
    return builders[name]()


def products(values: Floats) -> Floats:
    """Multiply a value of each label, (N, K, 2) by its state, over every label set: (N, 2^K)."""
    result = np.ones((len(values), 1))
    for label in values.transpose(1, 0, 2):
        result = _times(result, label)
    return result


def _times(first: Floats, second: Floats) -> Floats:
    """Return all products, (N, A) and (N, B) to (N, A B), with the second's index the faster."""
    return (first[:, :, None] * second[:, None, :]).reshape(len(first), -1)


def _both(p: Floats) -> Floats:
    """Return the probabilities of absence and presence on a new last axis."""
    return np.stack([1 - p, p], axis=-1)
