"""The mean of word vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from mlc.backbones.base import Backbone, register_backbone
from mlc.config.errors import ConfigError
from mlc.config.options import Auto, option
from mlc.data.vectors import read_vectors, require_known, width_of
from mlc.layers import Streams
from mlc.layers.bags import Bags, is_plain, summed_by

_WIDTH = 100
# Above as many words for each entry of a batch, sorting the entries takes less time than marking words.
_MOST_MARKS = 10


@dataclass
class EmbeddingBagOptions:
    """Options of the embedding bag.

    Attributes:
        width: the size of a vector; null is that of the vectors in the file, or 100 without a file.
        vectors: a text file of word vectors, of GloVe, word2vec or fastText, with which the training
            starts; null is random vectors.
        vectors_frozen: whether the vectors stay as they are in the file, and those of other words 0.
    """

    width: Auto[int] = option(None, at_least=1)
    vectors: str | None = None
    vectors_frozen: bool = False

    def validate(self, prefix: str) -> None:
        """Check that frozen vectors come from a file."""
        if self.vectors_frozen and self.vectors is None:
            raise ConfigError(
                f"{prefix}vectors_frozen=true needs word vectors: name their file with"
                f" {prefix}vectors=FILE."
            )


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
        self.options = options[0]
        width = self.options.width or _WIDTH
        streams = Streams(seeds, "initialisation/backbone")
        bound = 1 / width  # fastText's Matrix::uniform.
        vectors = streams.uniform(n_features, width, low=-bound, high=bound)
        self.vectors = nn.Parameter(vectors, requires_grad=not self.options.vectors_frozen)
        self.n_outputs = width

    @classmethod
    def defaults(cls, options: EmbeddingBagOptions) -> dict[str, Any]:
        """Return the width of the vectors in the file."""
        return {"width": width_of(Path(options.vectors)) if options.vectors else _WIDTH}

    def name_columns(self, names: Sequence[str]) -> None:
        """Read the vectors of the words in the file.

        Raises:
            ConfigError: the file's vectors have another width than the option says.
            DataError: none of the words has a vector.
        """
        if self.options.vectors is None:
            return
        file = read_vectors(Path(self.options.vectors), names)
        if file.vectors.shape[1] != self.n_outputs:
            raise ConfigError(
                f"backbone.width={self.n_outputs}, and the vectors in {self.options.vectors} have"
                f" {file.vectors.shape[1]} numbers: leave out backbone.width."
            )
        require_known(file.known, names, Path(self.options.vectors))
        known = torch.as_tensor(file.known)
        with torch.no_grad():
            if self.options.vectors_frozen:
                self.vectors.zero_()
            self.vectors[:, known] = torch.as_tensor(file.vectors[file.known]).to(self.vectors)

    def forward(self, bags: Bags | Tensor) -> Tensor:
        """Rows (R, B, n_features), sparse or dense, to mean vectors (R, B, width); empty rows to 0."""
        if isinstance(bags, Tensor):
            totals = bags.sum(dim=-1, keepdim=True)
            return (bags / torch.where(totals > 0, totals, 1)) @ self.vectors
        means: Tensor = _Mean.apply(self.vectors, bags)
        return means


class _Mean(torch.autograd.Function):
    """embedding_bag with a runs axis and a sparse gradient."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, bags: Bags) -> Tensor:
        n_runs, n_columns, width = vectors.shape
        totals = bags.totals
        share = bags.value / torch.where(totals > 0, totals, 1)[bags.bag]
        index = bags.column + bags.run * n_columns
        means = embedding_bag(
            index, vectors.view(-1, width), bags.offsets, mode="sum", per_sample_weights=share
        )
        ctx.bags, ctx.size, ctx.share, ctx.index = bags, vectors.shape, share, index
        return means.view(n_runs, -1, width)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        bags, (n_runs, n_columns, width) = ctx.bags, ctx.size
        gradient = gradient.reshape(-1, width)
        # torch resizes an empty gradient when it adds another, which NumPy's memory does not allow.
        added = is_plain(gradient) and len(ctx.index) > 0
        if added:
            # Sums of the words that occur; torch would store and sort a vector for each entry.
            present, place = _numbered(ctx.index, n_runs * n_columns)
            values = summed_by(place, len(present), bags.bag, bags.offsets, ctx.share, gradient)
            indices = torch.stack([present // n_columns, present % n_columns])
        else:
            values = gradient[bags.bag] * ctx.share.unsqueeze(1)
            indices = torch.stack([bags.run, bags.column])
        # torch 2.11 warns without an explicit choice.
        with torch.sparse.check_sparse_tensor_invariants(enable=False):
            sums = torch.sparse_coo_tensor(indices, values, ctx.size, is_coalesced=added)
        return sums, None


def _numbered(index: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return the indices that occur, of 0 to n - 1, in order, and the place of each entry among them."""
    if n > _MOST_MARKS * len(index):
        present, place = torch.unique(index, return_inverse=True)
        return present, place
    marks = torch.zeros(n, dtype=torch.bool)
    marks[index] = True
    present = marks.nonzero().squeeze(1)
    places = torch.empty(n, dtype=torch.int64)
    places[present] = torch.arange(len(present))
    return present, places[index]
