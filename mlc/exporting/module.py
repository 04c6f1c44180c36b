"""A predictor as one torch module: preprocessing, network, head and decision rule."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mlc.backbones.base import Backbone
from mlc.backbones.single import SideBySide, SingleBackbone
from mlc.data.preprocessing import common_shift
from mlc.evaluation.predictor import Predictor, averaged

# The dtypes of rows by what they hold.
DTYPES = {
    "columns": torch.float32,
    "counts": torch.float32,
    "pixels": torch.uint8,
    "tokens": torch.int64,
}


@dataclass(frozen=True)
class Rows:
    """The input of an exported predictor.

    Attributes:
        holds: "columns", numbers where NaN is a missing value; "counts", such as those of words;
            "pixels" from 0 to 255; or "tokens", with -1 after the end of a text.
        shape: of one row.
        is_fine: whether columns need 64 bits.
    """

    holds: str
    shape: tuple[int, ...]
    is_fine: bool = False

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the rows."""
        return torch.float64 if self.is_fine else DTYPES[self.holds]

    def examples(
        self, n_rows: int, predictor: Predictor, frozen: nn.Module | None = None
    ) -> Tensor:
        """Draw rows (N, *shape) like those of the training.

        Numbers are normal around its means, and every eighth row has a missing value.

        `frozen` is the network that computes the features of the predictor, if there is one.
        """
        generator = torch.Generator().manual_seed(0)
        shape = n_rows, *self.shape
        if self.holds == "pixels":
            return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        if self.holds == "tokens":
            n_tokens = _vocabulary_of(predictor.model if frozen is None else frozen)
            tokens = torch.randint(0, n_tokens, shape, generator=generator)
            length = torch.randint(1, shape[1] + 1, (n_rows, 1), generator=generator)
            return torch.where(torch.arange(shape[1]) < length, tokens, -1)
        if self.holds == "counts":
            rates = torch.full(shape, min(1.0, 20 / self.shape[-1]))
            return torch.poisson(rates, generator=generator)
        scaling = predictor.scalings[0]
        if len(scaling.shift) != int(np.prod(self.shape)):
            return torch.randn(shape, generator=generator)
        spread = np.where(scaling.scale != 0, 1 / np.where(scaling.scale != 0, scaling.scale, 1), 1)
        normal = torch.randn((n_rows, len(scaling.shift)), generator=generator)
        rows = normal * torch.as_tensor(spread) + torch.as_tensor(scaling.shift)
        # A column that is 0 whatever it holds may differ, but not so often that a warning names it.
        rows[::2] = torch.where(
            torch.as_tensor(scaling.scale == 0), torch.as_tensor(scaling.shift), rows[::2]
        )
        rows[::8, 0] = torch.nan
        return rows.to(self.dtype).view(shape)


def _vocabulary_of(network: nn.Module) -> int:
    """Return a number of tokens that all embeddings have; those of types of texts have two."""
    tables = [module for module in network.modules() if isinstance(module, nn.Embedding)]
    return min((table.num_embeddings for table in tables if table.num_embeddings > 2), default=2)


class PortableModel(nn.Module):
    """Everything between a row and its label set, as operations of torch.

    It computes what `Predictor` does, from dense rows in place of sparse ones.

    Shape: input (N, *rows.shape) of `rows.dtype`; output the scores (N, K), float64, and the label sets
    (N, K), bool.

    Args:
        predictor: the trained model with its preprocessing and a fitted rule; it is copied.
        rows: the input.
        frozen: the network that computes the features of the predictor, or None.
        one_class: whether exactly one label is predicted: the one with the highest score among those
            of the rule, or among all if the rule predicts none.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        predictor: Predictor,
        rows: Rows,
        frozen: nn.Module | None = None,
        one_class: bool = False,
    ) -> None:
        super().__init__()
        model = copy.deepcopy(predictor.model).cpu().eval()
        self.frozen = copy.deepcopy(frozen).cpu().eval() if frozen is not None else None
        self.backbone = _without_adapter(model.backbone)
        self.head = model.head
        self.n_runs, self.dtype = model.n_runs, next(model.parameters()).dtype
        self.rows, self.rule, self.one_class = rows, predictor.rule, one_class
        self.samples, self.takes_bags = predictor.samples, model.backbone.takes_bags
        self.weighting = predictor.scalings[0].weighting
        centre = common_shift(predictor.scalings)
        self.centre = torch.as_tensor(centre) if rows.is_fine else None
        values = {
            "shift": np.stack([scaling.shift for scaling in predictor.scalings]) - centre,
            "scale": np.stack([scaling.scale for scaling in predictor.scalings]),
        }
        for name, numbers in values.items():
            self.register_buffer(name, torch.as_tensor(numbers, dtype=self.dtype).unsqueeze(1))
        self.requires_grad_(False)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Predict scores and label sets."""
        return self.decided(self.outputs(self.features(rows)))

    def features(self, rows: Tensor) -> Tensor:
        """Compute the input of the network: (R, N, D)."""
        if self.frozen is not None:
            numbers = rows.float() / 255 if self.rows.holds == "pixels" else rows
            rows = self.frozen(numbers).float()
        flat = rows.flatten(1).unsqueeze(0).expand(self.n_runs, -1, -1)
        if self.samples == "tokens":
            return flat.long()
        flat = (flat if self.centre is None else flat - self.centre).to(self.dtype)
        return flat / 255 if self.samples == "pixels" else self._scaled(flat)

    def outputs(self, features: Tensor) -> Tensor:
        """Compute the outputs of the head: (R, N, n_outputs)."""
        outputs: Tensor = self.head(self.backbone(features))
        return outputs

    def decided(self, outputs: Tensor, by_rule: bool = True) -> tuple[Tensor, Tensor]:
        """Compute the scores, and the label sets unless `by_rule` is false: (N, K) each."""
        shares = outputs.new_full(outputs.shape[:2], 1 / self.n_runs, dtype=torch.float64)
        prediction = averaged(self.head, outputs, shares)
        scores = prediction.scores
        if not by_rule:
            return scores, scores > 0
        label_sets = self.rule.decide(prediction)
        if self.one_class:
            candidates = label_sets | ~label_sets.any(dim=-1, keepdim=True)
            best = torch.where(candidates, scores, -1.0).argmax(dim=-1, keepdim=True)
            label_sets = torch.zeros_like(label_sets).scatter(-1, best, True)
        return scores, label_sets

    def _scaled(self, values: Tensor) -> Tensor:
        """Apply weighting and scaling, with 0 for missing values: (R, N, D)."""
        if self.takes_bags:
            values = torch.where(values.isnan(), 0, values)
            return torch.where(self.scale != 0, values, 0)
        if self.weighting == "tfidf":
            values = torch.where(values > 0, 1 + torch.where(values > 0, values, 1).log(), 0)
        elif self.weighting == "binary":
            values = (values != 0).to(self.dtype)
        values = (values - self.shift) * self.scale
        values = torch.where(values.isnan(), 0, values)
        if self.weighting == "tfidf":
            squares = values.square().sum(dim=-1, keepdim=True)
            values = values / torch.where(squares > 0, squares, 1).sqrt()
        return values


class _Single(nn.Module):
    """A network without a runs axis as one with it: (1, N, D) to (1, N, width).

    Unlike `SingleBackbone` it leaves the names and shapes of the weights as they are.
    """

    def __init__(self, network: nn.Module, sample_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.network, self.sample_shape = network, sample_shape

    def forward(self, features: Tensor) -> Tensor:
        """Call the network."""
        outputs: Tensor = self.network(features.reshape(-1, *self.sample_shape))
        return outputs.unsqueeze(0)


class _SideBySide(nn.Module):
    """Networks of several runs: (R, N, D) to (R, N, width)."""

    def __init__(self, runs: list[nn.Module]) -> None:
        super().__init__()
        self.runs = nn.ModuleList(runs)

    def forward(self, features: Tensor) -> Tensor:
        """Call each network on its rows."""
        return torch.cat([run(features[i : i + 1]) for i, run in enumerate(self.runs)])


def _without_adapter(backbone: Backbone) -> nn.Module:
    if isinstance(backbone, SideBySide):
        return _SideBySide([_without_adapter(run) for run in backbone.runs])  # type: ignore[arg-type]
    if isinstance(backbone, SingleBackbone):
        return _Single(backbone.network, backbone.sample_shape)
    return backbone
