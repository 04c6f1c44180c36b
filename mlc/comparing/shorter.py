"""What makes a comparison fit into a time, each with its number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mlc.comparing.plan import LEAST_SPLITS, REFERENCE
from mlc.comparing.timing import Cost, LinearCost, expected_seconds

# Fewer rows, or pixels of a side, are no data to compare heads on.
_LEAST_ROWS, _LEAST_SIDE = 100, 8


@dataclass(frozen=True)
class Work:
    """The work of a comparison, as it was timed.

    Attributes:
        costs: of training one network of each head once, by head.
        linear: of the linear models.
        n_workers: processes that train at the same time.
        n_epochs: the largest number of epochs of a head.
        n_rows: of the data set.
        side: pixels of the longer side of its images; 0 for other data, and where the time does not
            follow the size.
    """

    costs: Mapping[str, Cost]
    linear: LinearCost
    n_workers: int
    n_epochs: int
    n_rows: int
    side: int = 0

    def least_seconds(self) -> float:
        """Seconds of one configuration of each head on the fewest splits."""
        costs = self.costs.values()
        return expected_seconds(costs, 1, LEAST_SPLITS, 0, self.n_workers, self.linear)

    def trained(self, share: float) -> Work:
        """The work of this share of the epochs."""
        costs = {
            head: replace(cost, fixed=share * cost.fixed, each=share * cost.each)
            for head, cost in self.costs.items()
        }
        return replace(self, costs=costs)

    def fed(self, share: float) -> Work:
        """The work on this share of the rows or pixels."""
        costs = {
            head: Cost(share * cost.fixed, share * cost.each, share * cost.deciding)
            for head, cost in self.costs.items()
        }
        linear = replace(
            self.linear, tuning=share * self.linear.tuning, fitting=share * self.linear.fitting
        )
        return replace(self, costs=costs, linear=linear)

    def ways_to(self, limit: float) -> list[str]:
        """Return options that bring the least work to at most `limit` seconds, each for itself."""
        ways = [
            f"trainer.max_epochs={n}"
            for n in self._largest(
                self.n_epochs - 1, 1, limit, lambda n: self.trained(n / self.n_epochs)
            )
        ]
        fewer = self._fewer_heads(limit)
        if fewer:
            ways.append(f"--heads {','.join(fewer)}")
        ways += [
            f"data.size={n}"
            for n in self._largest(
                self.side - 1, _LEAST_SIDE, limit, lambda n: self.fed((n / self.side) ** 2)
            )
        ]
        if self.linear.seconds(1, 0) and replace(self, linear=LinearCost()).fits(limit):
            ways.append("report.yardsticks=false")
        ways += [
            f"a file with {n:,} of the {self.n_rows:,} rows"
            for n in self._largest(
                self.n_rows - 1, _LEAST_ROWS, limit, lambda n: self.fed(n / self.n_rows)
            )
        ]
        return ways

    def fits(self, limit: float) -> bool:
        """Whether the least work takes at most `limit` seconds."""
        return self.least_seconds() <= limit

    def _largest(
        self, high: int, low: int, limit: float, smaller: Callable[[int], Work]
    ) -> list[int]:
        """The largest number from `low` to `high` whose work fits, by bisection; [] if none does."""
        if high < low or not smaller(low).fits(limit):
            return []
        while low < high:
            middle = (low + high + 1) // 2
            if smaller(middle).fits(limit):
                low = middle
            else:
                high = middle - 1
        return [low]

    def _fewer_heads(self, limit: float) -> list[str]:
        """The reference and the fastest heads, as many as fit; [] if no other head does."""
        by_time = sorted(
            (head for head in self.costs if head != REFERENCE),
            key=lambda head: (
                self.costs[head].fixed + self.costs[head].each + self.costs[head].deciding
            ),
        )
        for n_others in range(len(by_time) - 1, 0, -1):
            heads = [REFERENCE, *by_time[:n_others]]
            if replace(self, costs={head: self.costs[head] for head in heads}).fits(limit):
                return heads
        return []
