"""The check that a model's outputs are numbers."""

from __future__ import annotations

from torch import Tensor

from mlc.config.errors import DataError


def require_finite(outputs: Tensor, rows: Tensor, where: str = "") -> None:
    """Require that all outputs (R, b, ...) are finite.

    Args:
        outputs: of the model.
        rows: the numbers of the rows, from 0: (R, b).
        where: words that follow the number of the row in the message.

    Raises:
        DataError: an output is infinite or NaN.
    """
    wrong = ~outputs.isfinite().flatten(2).all(dim=2)
    if wrong.any():
        raise DataError(
            f"The features of row {int(rows[wrong].min()) + 1}{where} are so large that the model's"
            " outputs are not finite: correct them."
        )
