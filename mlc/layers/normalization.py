"""Normalisations with each run's own parameters and statistics."""

import torch
from torch import Tensor, nn


class StackedLayerNorm(nn.Module):
    """Layer normalisation (Ba et al. 2016, eq. 4) with a gain and a bias for each run.

    Shape: input and output (R, B, D).
    """

    def __init__(self, n_features: int, n_runs: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(n_runs, 1, n_features))
        self.bias = nn.Parameter(torch.zeros(n_runs, 1, n_features))

    def forward(self, inputs: Tensor) -> Tensor:
        """Each row scaled to mean 0 and variance 1, then by the run's gain and bias."""
        normal = nn.functional.layer_norm(inputs, inputs.shape[-1:], eps=self.epsilon)
        return normal * self.weight + self.bias


class StackedBatchNorm(nn.Module):
    """Batch normalisation (Ioffe and Szegedy 2015, algorithm 1) with statistics for each run.

    Shape: input and output (R, B, D). Running statistics as in torch.nn.BatchNorm1d.
    """

    running_mean: Tensor
    running_variance: Tensor

    def __init__(
        self, n_features: int, n_runs: int, epsilon: float = 1e-5, momentum: float = 0.1
    ) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(n_runs, 1, n_features))
        self.bias = nn.Parameter(torch.zeros(n_runs, 1, n_features))
        self.register_buffer("running_mean", torch.zeros(n_runs, 1, n_features))
        self.register_buffer("running_variance", torch.ones(n_runs, 1, n_features))

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalised by the batch while training, by the running statistics in evaluation."""
        if self.training and inputs.shape[1] > 1:
            variance, mean = torch.var_mean(inputs, dim=1, keepdim=True, correction=0)
            n = inputs.shape[1]
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_variance.lerp_(variance * n / (n - 1), self.momentum)
        else:
            mean, variance = self.running_mean, self.running_variance
        normal = (inputs - mean) * torch.rsqrt(variance + self.epsilon)
        return normal * self.weight + self.bias
