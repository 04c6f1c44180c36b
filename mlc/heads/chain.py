"""Classifier chains: each label is predicted given the labels before it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

from mlc.config.errors import ConfigError
from mlc.config.options import Choice, option
from mlc.heads.base import KnownLabels, register_head
from mlc.heads.label_sets import MOST_LABELS, all_label_sets
from mlc.heads.listed import ListedHead
from mlc.heads.masking import agreeing, log_total
from mlc.heads.prediction import Prediction
from mlc.layers import Streams


@dataclass
class ChainOptions:
    """The number of chains, each with another order of the labels, and the width of the beam."""

    n_chains: int = option(1, at_least=1, search=Choice(1, 3, 5))
    beam: int = option(16, at_least=1)


@register_head("chain")
class Chain(ListedHead):
    r"""Each label given x and the labels before it; several chains are an ensemble over label orders.

    loss = $`\sum_k [\log(1 + \exp l_k) - y_k l_k]`$, $`l_k = z_k + \sum_{j \prec k} A_{jk} y_j`$
    over the labels j before k, averaged over the chains; the chains' probabilities are averaged
    too. A holds parameters. One chain uses the labels in the order of the data; several use random
    orders, drawn from the seed of each run. The likelihood is exact for any K. Up to K = 16 the
    joint covers all label sets. With more labels it covers those in the training data, normalised,
    and beam search replaces enumeration: a marginal is the label's probability when the search
    reaches it, averaged over the beam; the mode is the most probable of the beam's label sets and
    those in the training data.
    Consistent for $`P(y \mid x)`$ if a chain of logistic models can express it; the mode is then
    optimal for subset accuracy.
    Source: Dembczynski et al. 2010, "Bayes optimal multilabel classification via probabilistic
    classifier chains"; ensemble: Read et al. 2011, "Classifier chains for multi-label
    classification"; beam: Kumar et al. 2013, "Beam search algorithms for multilabel learning".
    Use: beside `pairwise` for exact label sets (experiments/equal_budgets).
    """

    Options = ChainOptions
    many_labels = False
    masks = True
    _orders: Tensor
    _places: Tensor

    def set_up(self, seeds: Sequence[int], known: KnownLabels | None) -> None:
        """Draw the label orders, and create the links from each label to later ones."""
        super().set_up(seeds, known)
        n_chains, n_labels = self.options.n_chains, self.n_labels
        self.links = nn.Parameter(torch.zeros(len(seeds), n_chains, n_labels, n_labels))
        orders = torch.arange(n_labels).view(1, 1, -1)
        if n_chains > 1:
            streams = Streams(seeds, "label orders")
            drawn = [streams.permutations(n_labels) for _ in range(n_chains)]
            orders = torch.stack(drawn, dim=1)
        # (R, chains, K), stored with the weights; (1, 1, K) if all runs have the same.
        self.register_buffer("_orders", orders, persistent=n_chains > 1)
        self.register_buffer("_places", orders.argsort(dim=-1), persistent=n_chains > 1)

    @classmethod
    def count_outputs(cls, n_labels: int, options: Any, known: KnownLabels | None = None) -> int:
        """Return K for each chain."""
        return int(options.n_chains * n_labels)

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """The mean of the chains' negative log-likelihoods: (R, B)."""
        return -self._of_chains(outputs, targets).mean(dim=-1)

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """The mean of the chains' negative log-likelihoods of the known labels: (R, B)."""
        agrees = agreeing(self.label_sets, targets, known)
        of_chains = [
            log_total(self._joint(outputs, c), agrees) for c in range(self.options.n_chains)
        ]
        exact = -torch.stack(of_chains, dim=-1).mean(dim=-1)
        # The joint of a chain is another sum than its likelihood, and differs from it by rounding.
        return torch.where(known.all(dim=-1), self.loss(outputs, targets), exact)

    def require_masks(self) -> None:
        """Raise ConfigError with more labels than the joint can list."""
        super().require_masks()
        if self.observed is not None:
            raise ConfigError(
                f"The head {self.name!r} sums over all label sets where labels are missing, and takes at"
                f" most {MOST_LABELS} labels then: choose another head, such as bernoulli_mixture."
            )

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Log of the chains' mean probability of the label set: (R, B)."""
        return _log_mean_exp(self._of_chains(outputs, targets), dim=-1)

    def masked_log_likelihood(self, outputs: Tensor, targets: Tensor, known: Tensor) -> Tensor:
        """Log of the chains' mean probability of the known labels: (R, B)."""
        self.require_masks()
        return log_total(self.log_joint(outputs), agreeing(self.label_sets, targets, known))

    def log_joint(self, outputs: Tensor) -> Tensor:
        """Log of the chains' mean joint: (R, B, M)."""
        of_chain = self._joint if self.observed is None else self._listed_joint
        by_chain = [of_chain(outputs, c) for c in range(self.options.n_chains)]
        return self.among_listed(_log_mean_exp(torch.stack(by_chain, dim=-1), dim=-1))

    def marginals_of(self, outputs: Tensor, prediction: Prediction) -> Tensor:
        """P(y_k = 1 | x), exact or by the beam: (R, B, K)."""
        of_chain = self._exact_marginals if self.observed is None else self._beam_marginals
        of_chains = [of_chain(outputs, c) for c in range(self.options.n_chains)]
        return torch.stack(of_chains).mean(dim=0).clamp(max=1)

    def improved(self, outputs: Tensor, listed: Tensor) -> Tensor:
        """The most probable of the beams' label sets and the listed one: (R, B, K), bool."""
        if self.observed is None:
            return listed
        ends = [self._beam(outputs, c)[0] for c in range(self.options.n_chains)]
        candidates = torch.cat([*ends, listed.unsqueeze(-2).to(outputs.dtype)], dim=-2)
        log_p = torch.stack(
            [self.log_likelihood(outputs, label_set) for label_set in candidates.unbind(-2)], -1
        )
        best = log_p.argmax(dim=-1)[..., None, None].expand(*log_p.shape[:2], 1, self.n_labels)
        mode: Tensor = candidates.gather(-2, best).squeeze(-2) > 0
        return mode

    def improved_mean(
        self, outputs: Tensor, shares: Tensor, of_runs: Prediction, listed: Tensor
    ) -> Tensor:
        """The most probable of the runs' modes and the best listed label set: (B, K), bool."""
        if self.observed is None:
            return listed
        candidates = torch.cat([of_runs.mode, listed.unsqueeze(0)])
        log_shares = shares.log().to(outputs)
        # The likelihood is exact for any label set, also under the mean over runs.
        log_p = torch.stack(
            [
                (self.log_likelihood(outputs, sets.to(outputs.dtype)) + log_shares).logsumexp(dim=0)
                for sets in candidates.unsqueeze(1).expand(-1, len(outputs), -1, -1)
            ]
        )
        best = log_p.argmax(dim=0)[None, :, None].expand(1, -1, self.n_labels)
        return candidates.gather(0, best).squeeze(0)

    @property
    def numbers_per_sample(self) -> int:
        """The size of the listed joints, or of the beams' label sets."""
        if self.observed is None:
            return max(self.n_outputs, len(self.label_sets))
        largest = max(len(self.label_sets), (self.options.beam + 1) * self.n_labels)
        return int(self.options.n_chains * largest)

    def _of_chains(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Each chain's log-likelihood: (R, B, chains)."""
        z = outputs.unflatten(-1, (-1, self.n_labels)).transpose(1, 2)
        values = targets.unsqueeze(1)
        logits = z + values @ self._masked_links(outputs)
        return _bernoulli(values, logits).transpose(1, 2)

    def _joint(self, outputs: Tensor, chain: int) -> Tensor:
        """Log-joint of one chain, extended label by label in its order: (R, B, 2^K)."""
        z, links = self._in_order(outputs, chain)
        joint = z.new_zeros(*z.shape[:-1], 1)
        for position in range(self.n_labels):
            logits = z[..., position, None] + self._offsets(links, position)
            branches = joint + logsigmoid(-logits), joint + logsigmoid(logits)
            joint = torch.stack(branches, dim=-1).flatten(-2)
        if self.options.n_chains == 1:
            return joint
        # The index of each label set, its labels in the chain's order; exact as a float.
        values = 2.0 ** (self.n_labels - 1 - self._places[:, chain].double())
        index = (values @ all_label_sets(self.n_labels, z.device).T.double()).long()
        return joint.gather(-1, index.unsqueeze(1).expand_as(joint))

    def _exact_marginals(self, outputs: Tensor, chain: int) -> Tensor:
        """Exact marginals of one chain, without the joint of all labels: (R, B, K)."""
        z, links = self._in_order(outputs, chain)
        marginals = []
        prefix = z.new_ones(*z.shape[:-1], 1)
        for position in range(self.n_labels):
            logits = z[..., position, None] + self._offsets(links, position)
            is_added = logits.sigmoid() * prefix
            marginals.append(is_added.sum(dim=-1))
            if position < self.n_labels - 1:
                prefix = torch.stack((prefix - is_added, is_added), dim=-1).flatten(-2)
        return self._of_labels(torch.stack(marginals, dim=-1), chain)

    def _beam_marginals(self, outputs: Tensor, chain: int) -> Tensor:
        """The marginals of one chain by beam search: (R, B, K)."""
        return self._beam(outputs, chain)[1]

    def _listed_joint(self, outputs: Tensor, chain: int) -> Tensor:
        """Log-probabilities of the listed label sets under one chain: (R, B, M)."""
        z = outputs.unflatten(-1, (-1, self.n_labels))[:, :, chain, :, None]
        listed = self.label_sets.to(outputs.dtype)
        offsets = listed @ self._masked_links(outputs)[:, chain]
        log_p: Tensor = z.new_zeros(*z.shape[:2], len(listed))
        # Label by label, for the logits of all labels and label sets would fill the memory.
        for label, values in enumerate(listed.unbind(dim=1)):
            logits = z[:, :, label] + offsets[:, None, :, label]
            log_p = log_p + (values * logits - softplus(logits))
        return log_p

    def _beam(self, outputs: Tensor, chain: int) -> tuple[Tensor, Tensor]:
        """Beam search in one chain: the best label sets, (R, B, W, K), and the marginals, (R, B, K)."""
        z, links = self._in_order(outputs, chain)
        no_label = self.n_labels
        links = nn.functional.pad(links, (0, 0, 0, 1))
        # A prefix lists the positions of its labels, padded with a position that has no links.
        prefixes = torch.full((*z.shape[:-1], 1, 1), no_label, device=z.device)
        count = torch.zeros_like(prefixes[..., 0])
        log_p = z.new_zeros(*z.shape[:-1], 1)
        marginals = []
        for position in range(self.n_labels):
            linked = links[..., position].gather(1, prefixes.flatten(1)).view(prefixes.shape)
            logits = z[..., position, None] + linked.sum(dim=-1)
            marginals.append((log_p.softmax(dim=-1) * logits.sigmoid()).sum(dim=-1))
            log_p = torch.cat([log_p + logsigmoid(-logits), log_p + logsigmoid(logits)], dim=-1)
            n_prefixes = logits.shape[-1]
            log_p, best = log_p.topk(min(self.options.beam, log_p.shape[-1]), dim=-1)
            parent, is_added = best % n_prefixes, best >= n_prefixes
            prefixes = prefixes.gather(
                -2, parent.unsqueeze(-1).expand(*parent.shape, prefixes.shape[-1])
            )
            count = count.gather(-1, parent)
            added = torch.where(is_added, position, no_label)
            prefixes.scatter_(-1, count.unsqueeze(-1), added.unsqueeze(-1))
            count = count + is_added
            if torch.compiler.is_exporting() or int(count.max()) == prefixes.shape[-1]:
                prefixes = nn.functional.pad(prefixes, (0, 1), value=no_label)
        sets = z.new_zeros(*prefixes.shape[:-1], no_label + 1).scatter_(-1, prefixes, 1)
        return self._of_labels(sets[..., :no_label], chain), self._of_labels(
            torch.stack(marginals, dim=-1), chain
        )

    def _masked_links(self, outputs: Tensor) -> Tensor:
        """The links of each chain, zero except from a label to later ones: (R, chains, K, K)."""
        before = self._places.unsqueeze(-1) < self._places.unsqueeze(-2)
        return (self.links * before).to(outputs.dtype)

    def _in_order(self, outputs: Tensor, chain: int) -> tuple[Tensor, Tensor]:
        """The logits (R, B, K) and links (R, K, K) of one chain, with the labels in its order."""
        z = outputs.unflatten(-1, (-1, self.n_labels))[..., chain, :]
        links = self._masked_links(outputs)[:, chain]
        if self.options.n_chains == 1:
            return z, links
        order = self._orders[:, chain, None]
        rows = links.gather(1, order.mT.expand_as(links))
        return z.gather(-1, order.expand_as(z)), rows.gather(2, order.expand_as(links))

    def _of_labels(self, values: Tensor, chain: int) -> Tensor:
        """Reorder values (R, ..., K) from the chain's order to that of the labels."""
        if self.options.n_chains == 1:
            return values
        positions = self._places[:, chain].view(-1, *[1] * (values.ndim - 2), self.n_labels)
        return values.gather(-1, positions.expand_as(values))

    def _offsets(self, links: Tensor, position: int) -> Tensor:
        """Return the terms of all prefixes in the logit at this position: (R, 1, 2^position)."""
        prefixes = all_label_sets(position, links.device).to(links.dtype)
        return (prefixes @ links[:, :position, position, None]).mT


def _bernoulli(values: Tensor, logits: Tensor) -> Tensor:
    """Log-probability of independent zeros and ones, summed over the last axis."""
    total: Tensor = (values * logits - softplus(logits)).sum(dim=-1)
    return total


def _log_mean_exp(values: Tensor, dim: int) -> Tensor:
    return values.logsumexp(dim=dim) - math.log(values.shape[dim])
