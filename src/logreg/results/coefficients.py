"""The coefficients, in the data's own units."""

import csv
import io

from logreg.results.result import Fit, Result, Row

MOST_IN_SUMMARY = 12


class Coefficients(Result):
    """Writes coefficients.csv: name, estimate; the bias stands last."""

    def __call__(self, fit: Fit) -> list[Row]:
        """Write the file; return a line for each of the first weights and one for the bias."""
        network = fit.module.network
        weight, bias = fit.datamodule.preprocessing.in_own_units(network.weight.detach(), network.bias.detach())
        weights = list(zip(fit.datamodule.feature_names, weight.tolist(), strict=True))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([("name", "estimate"), *weights, ("bias", bias.item())])
        fit.run.write_text("coefficients.csv", text.getvalue())
        rows = [(f"weight of {name}", f"{value:.4f}") for name, value in weights[:MOST_IN_SUMMARY]]
        if len(weights) > MOST_IN_SUMMARY:
            rows.append(("...", f"{len(weights) - MOST_IN_SUMMARY:,} more in coefficients.csv"))
        return [*rows, ("bias", f"{bias.item():.4f}")]
