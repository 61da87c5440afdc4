"""How well the model as a whole fits, against the model that knows only the share of class 1."""

import math
from dataclasses import dataclass

from logitlab.statistics.wald import chi2_survival


@dataclass(frozen=True)
class Goodness:
    """Figures of a fit from its log-likelihood l, that of the null model l0, n rows and k parameters.

    Deviance and AIC as R's glm and statsmodels' GLM have them for 0/1 rows, where the saturated model's l is 0.
    Sources: McFadden 1974 (pseudo-R2), Akaike 1974, Schwarz 1978, Wilks 1938 (likelihood-ratio test).

    Attributes:
        log_likelihood: l, at the fitted point.
        null_log_likelihood: l0.
        rows: n, each counted by its weight.
        parameters: k.
        is_greatest: l is the greatest likelihood of the rows. Of a penalised fit, one that stopped short, a separated table or
            sampling weights it is not, and AIC, BIC and the likelihood-ratio test, which are about that one, are NaN.
    """

    log_likelihood: float
    null_log_likelihood: float
    rows: float
    parameters: int
    is_greatest: bool = True

    @property
    def deviance(self) -> float:
        """-2 l."""
        return -2 * self.log_likelihood

    @property
    def null_deviance(self) -> float:
        """-2 l0."""
        return -2 * self.null_log_likelihood

    @property
    def pseudo_r2(self) -> float:
        """McFadden's 1 - l / l0; NaN where every row is of one class."""
        return 1 - self.log_likelihood / self.null_log_likelihood if self.null_log_likelihood else math.nan

    @property
    def aic(self) -> float:
        """-2 l + 2 k."""
        return self.deviance + 2 * self.parameters if self.is_greatest else math.nan

    @property
    def bic(self) -> float:
        """-2 l + k log n."""
        return self.deviance + self.parameters * math.log(self.rows) if self.is_greatest else math.nan

    @property
    def lr_statistic(self) -> float:
        """2 (l - l0), chi-squared with k - 1 degrees of freedom if no feature matters."""
        return 2 * (self.log_likelihood - self.null_log_likelihood) if self.is_greatest else math.nan

    @property
    def lr_p(self) -> float:
        """The probability of such a likelihood ratio, or a greater one, if no feature mattered."""
        return chi2_survival(self.lr_statistic, self.parameters - 1) if self.is_greatest else math.nan

    def plain(self) -> dict[str, float]:
        """Return every figure by its name."""
        names = ("log_likelihood", "null_log_likelihood", "deviance", "null_deviance", "pseudo_r2", "aic", "bic")
        return {name: getattr(self, name) for name in (*names, "lr_statistic", "lr_p")}
