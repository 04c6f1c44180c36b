"""The mean of word vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from mlc.backbones.base import Backbone, register_backbone
from mlc.config.options import option
from mlc.layers import Streams
from mlc.layers.bags import Bags


@dataclass
class EmbeddingBagOptions:
    """Options of the embedding bag; `width` is the size of a word vector."""

    width: int = option(100, at_least=1)


@register_backbone("embedding_bag")
class EmbeddingBag(Backbone):
    """A vector for each column; a sample is the mean of its vectors, weighted by its counts.

    On words and hashed n-grams, with `head=pick_one`, this is fastText's supervised model (Joulin et
    al. 2017, "Bag of tricks for efficient text classification", section 2); with `head=sigmoid` it is
    fastText with the one-vs-all loss. Gradients are sparse: an optimiser updates weights and moments
    only for words in the batch, as in torch.optim.SparseAdam.
    """

    Options = EmbeddingBagOptions
    takes_bags = True

    def __init__(
        self,
        n_features: int,
        options: Sequence[EmbeddingBagOptions],
        seeds: Sequence[int],
        n_labels: int = 1,
    ) -> None:
        super().__init__(n_features, options, seeds, n_labels)
        width = options[0].width
        streams = Streams(seeds, "initialisation/backbone")
        bound = 1 / width  # fastText's Matrix::uniform.
        self.vectors = nn.Parameter(streams.uniform(n_features, width, low=-bound, high=bound))
        self.n_outputs = width

    def forward(self, bags: Bags) -> Tensor:
        """Sparse rows (R, B, n_features) to mean vectors (R, B, width); 0 for an empty row."""
        means: Tensor = _Mean.apply(self.vectors, bags)
        return means


class _Mean(torch.autograd.Function):
    """embedding_bag with a runs axis and a sparse gradient."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, bags: Bags) -> Tensor:
        n_runs, n_columns, width = vectors.shape
        share = bags.value / bags.totals[bags.bag]
        index = bags.column + bags.run * n_columns
        means = embedding_bag(
            index, vectors.view(-1, width), bags.offsets, mode="sum", per_sample_weights=share
        )
        ctx.bags, ctx.size, ctx.share = bags, vectors.shape, share
        return means.view(n_runs, -1, width)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        bags = ctx.bags
        values = gradient.reshape(-1, gradient.shape[-1])[bags.bag] * ctx.share.unsqueeze(1)
        indices = torch.stack([bags.run, bags.column])
        # torch 2.11 warns without an explicit choice.
        with torch.sparse.check_sparse_tensor_invariants(enable=False):
            return torch.sparse_coo_tensor(indices, values, ctx.size), None
