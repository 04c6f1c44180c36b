"""A mixture of distributions with independent labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn.functional import softplus

from mlc.config.options import Choice, option
from mlc.heads.base import KnownLabels, register_head
from mlc.heads.listed import ListedHead
from mlc.heads.prediction import Prediction


@dataclass
class BernoulliMixtureOptions:
    """The number of components."""

    n_components: int = option(8, at_least=1, search=Choice(2, 4, 8, 16))


@register_head("bernoulli_mixture")
class BernoulliMixture(ListedHead):
    r"""A mixture of components with independent labels; the weights depend on x.

    loss = $`-\log \sum_c \pi_c \prod_k s_{ck}^{y_k} (1 - s_{ck})^{1 - y_k}`$, $`\pi`$ a softmax over
    the C components, $`s_c = \sigma(z_c)`$, all outputs of the network; minimised by gradient
    descent, in the source by expectation maximisation. Likelihood and marginals are exact for any K.
    The joint covers all label sets up to K = 16, with more labels those in the training data,
    normalised.
    Consistent for $`P(y \mid x)`$ if C components can express it, thus always with $`2^K`$ components;
    with one component it is `sigmoid`.
    Source: Li et al. 2016, "Conditional Bernoulli mixtures for multi-label classification".
    Use: for labels that depend on each other where `powerset` is out of reach (experiments/league).
    """

    Options = BernoulliMixtureOptions
    masks = True

    @classmethod
    def count_outputs(cls, n_labels: int, options: Any, known: KnownLabels | None = None) -> int:
        """Return C for the weights and C K for the labels of the components."""
        return int(options.n_components * (n_labels + 1))

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Log-probability of the label set: (R, B)."""
        log_weights, log_p = self._log_p(outputs, targets)
        return (log_weights + log_p.sum(dim=-1)).logsumexp(dim=-1)

    def masked_log_likelihood(self, outputs: Tensor, targets: Tensor, known: Tensor) -> Tensor:
        """Log-probability of the known labels, exact for any K: (R, B)."""
        log_weights, log_p = self._log_p(outputs, targets)
        of_known = log_p.masked_fill(~known.unsqueeze(-2), 0).sum(dim=-1)
        return (log_weights + of_known).logsumexp(dim=-1)

    def log_joint(self, outputs: Tensor) -> Tensor:
        """Log-probabilities of the listed label sets: (R, B, M)."""
        log_weights, logits = self._components(outputs)
        constant = log_weights - softplus(logits).sum(dim=-1)
        listed = self.label_sets.to(outputs.dtype).T
        return self.among_listed((logits @ listed + constant.unsqueeze(-1)).logsumexp(dim=-2))

    def marginals_of(self, outputs: Tensor, prediction: Prediction) -> Tensor:
        """sum_c pi_c s_ck: (R, B, K)."""
        log_weights, logits = self._components(outputs)
        weights = log_weights.exp().unsqueeze(-1)
        return (weights * logits.sigmoid()).sum(dim=-2).clamp(max=1)

    @property
    def numbers_per_sample(self) -> int:
        """The number of listed label sets of all components."""
        return int(len(self.label_sets) * self.options.n_components)

    def _log_p(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Log-weights (R, B, C), and log-probabilities of the targets (R, B, C, K)."""
        log_weights, logits = self._components(outputs)
        return log_weights, logits * targets.unsqueeze(-2) - softplus(logits)

    def _components(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Log-weights (R, B, C) and logits (R, B, C, K)."""
        n = self.options.n_components
        log_weights = outputs[..., :n].log_softmax(dim=-1)
        return log_weights, outputs[..., n:].unflatten(-1, (n, self.n_labels))
