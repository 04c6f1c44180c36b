"""Dropout with each run's own rate and own random stream."""

from collections.abc import Sequence

from torch import Tensor, nn

from mlc.layers.streams import Streams


class StackedDropout(nn.Module):
    """Zero each activation with its run's probability and scale the rest to keep the mean.

    Srivastava et al. 2014, in the inverted form of torch.nn.Dropout; the identity in evaluation.

    Shape: input and output (R, B, D); `rates` has R entries in [0, 1).
    """

    def __init__(self, rates: Sequence[float], streams: Streams) -> None:
        super().__init__()
        self.rates = tuple(rates)
        self._streams = streams

    def forward(self, inputs: Tensor) -> Tensor:
        """The masked and scaled activations while training, else the input itself."""
        if not self.training or not any(self.rates):
            return inputs
        keep = [1 - rate for rate in self.rates]
        mask = self._streams.bernoulli(keep, like=inputs.detach())
        return inputs * mask / mask.new_tensor(keep).view(-1, 1, 1)
