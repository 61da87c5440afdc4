"""Profile-likelihood intervals and tests: the values of a coefficient that the likelihood-ratio test does not reject.

With l_p(b) the greatest likelihood where a coefficient is held at b, the interval's ends solve
    2 (l(theta_hat) - l_p(b)) = z_level^2,
and the test of b = 0 has the statistic 2 (l(theta_hat) - l_p(0)), chi-squared with one degree of freedom; the root of it, with
the sign of the estimate, takes the place of Wald's z. Unlike Wald's the interval needs not be symmetric, is the same in all
units, and holds where the likelihood is far from a parabola (small tables, rare classes, strong effects).

With Firth's penalty l is the penalised likelihood, l + 1/2 log det I, in both places, I the information of all coefficients
also where one of them is held: as R's logistf has it.

Sources: Venzon and Moolgavkar, Applied Statistics 37 (1988), 87-94; Heinze and Schemper, Statistics in Medicine 21 (2002),
2409-2419.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from logitlab.errors import UserError
from logitlab.solvers.firth import FirthObjective
from logitlab.statistics.covariance import inverse
from logitlab.statistics.likelihood import Likelihood, Point
from logitlab.statistics.wald import normal_quantile

MOST_STEPS = 100
FAR = 1e3
"""An end further than this many standard errors from the estimate is at infinity: the likelihood levels off before it."""


def penalised(likelihood: Likelihood) -> Callable[[Tensor], Point]:
    """Return Firth's penalised likelihood as a function of theta; its information is that of the likelihood alone."""
    objective = FirthObjective(likelihood.features, likelihood.target, likelihood.weight)
    rows = likelihood.rows

    def at(theta: Tensor) -> Point:
        seen = objective(theta)
        assert seen.hessian is not None
        return Point(-rows * seen.value, -rows * seen.gradient, rows * seen.hessian)

    return at


class Profile:
    """The profile of a likelihood around its maximum."""

    def __init__(self, at: Callable[[Tensor], Point], theta: Tensor) -> None:
        """Take the log-likelihood as a function of theta, and the theta where it is greatest, (features + 1,)."""
        self._at, self._theta = at, theta
        self._best = at(theta)
        self._covariance = inverse(self._best.information)

    def interval(self, contrast: Tensor, level: float = 0.95) -> tuple[float, float]:
        """Return the ends of the interval for contrast' theta, contrast (features + 1,).

        An end where the likelihood never falls far enough is infinite.
        """
        z = normal_quantile(level)
        return self._end(contrast, -1, z), self._end(contrast, 1, z)

    def z(self, contrast: Tensor) -> float:
        """Return the root of the likelihood-ratio statistic for contrast' theta = 0, with the sign of the estimate."""
        estimate = (contrast @ self._theta).item()
        point = self._constrained(self._theta - estimate * self._follow(contrast), contrast)[1]
        return math.copysign(self._root(point), estimate)

    def _follow(self, contrast: Tensor) -> Tensor:
        """Return how theta follows a contrast, per unit of it, where the likelihood is a parabola: (features + 1,)."""
        direction = self._covariance @ contrast
        return direction / (contrast @ direction)

    def _root(self, point: Point) -> float:
        return math.sqrt(max(0.0, 2 * (self._best.value - point.value)))

    def _end(self, contrast: Tensor, side: int, z: float) -> float:
        """Find where the root r(b) = sqrt(2 (l_hat - l_p(b))) is `z`: r is nearly a line, so Newton's steps are few."""
        error = (contrast @ self._covariance @ contrast).sqrt().item()
        follow, estimate = self._follow(contrast), (contrast @ self._theta).item()
        theta, distance = self._theta, z * error
        inside, outside = 0.0, math.inf  # |b - estimate| that lie in the interval, and beyond it
        for _ in range(MOST_STEPS):
            target = estimate + side * distance
            theta, here, slope = self._constrained(theta + (target - contrast @ theta) * follow, contrast)
            root = self._root(here)
            inside, outside = (distance, outside) if root < z else (inside, distance)
            if abs(root - z) < 1e-9 * z:
                break
            rise = -side * slope / root if root else 0.0
            step = distance + (z - root) / rise if rise > 0 else math.inf
            if not inside < step < outside:
                step = (inside + outside) / 2 if outside < math.inf else 2 * distance
            distance = min(step, 2 * distance)
            if distance > FAR * error:
                return side * math.inf
        return estimate + side * distance

    def _constrained(self, theta: Tensor, contrast: Tensor) -> tuple[Tensor, Point, float]:
        """Return where the likelihood is greatest with contrast' theta as it is, and how it changes there with the contrast.

        Newton's steps within the plane, halved where they lower the likelihood.
        """
        here = self._at(theta)
        slope = 0.0
        for _ in range(MOST_STEPS):
            covariance = inverse(here.information)
            across, free = covariance @ contrast, covariance @ here.gradient
            slope = (contrast @ free / (contrast @ across)).item()
            step = free - slope * across
            if (step @ here.gradient).item() < 1e-11 * (1 + abs(here.value)):
                break
            size, there = 1.0, self._try(theta + step)
            while there.value < here.value and size > 1e-6:
                size /= 2
                there = self._try(theta + size * step)
            if there.value < here.value:
                break
            theta, here = theta + size * step, there
        return theta, here, slope

    def _try(self, theta: Tensor) -> Point:
        """Return the likelihood; far out, where the information has lost its rank, the penalised one is minus infinity."""
        try:
            return self._at(theta)
        except UserError:
            return Point(-math.inf, torch.zeros_like(theta), torch.zeros(len(theta), len(theta), dtype=theta.dtype))
