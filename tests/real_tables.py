"""Real tables with a yes-or-no answer, shipped with statsmodels and scikit-learn: features (rows, features) and target."""

from collections.abc import Callable

import numpy as np
import statsmodels.api as sm
from sklearn.datasets import load_breast_cancer, load_iris

Table = tuple[np.ndarray, np.ndarray]


def spector() -> Table:
    """32 students: grade average, test score, taught in the new way -> better grade."""
    data = sm.datasets.spector.load_pandas()
    return data.exog.to_numpy(float), data.endog.to_numpy(float)


def fair() -> Table:
    """6,366 women: rating of the marriage, age, years married, ... -> any affair."""
    data = sm.datasets.fair.load_pandas()
    return data.exog.to_numpy(float), (data.endog.to_numpy(float) > 0).astype(float)


def anes96() -> Table:
    """944 voters: population, television news, education, income, ... -> voted for Dole."""
    frame = sm.datasets.anes96.load_pandas().data
    columns = ["popul", "TVnews", "selfLR", "age", "educ", "income"]
    return frame[columns].to_numpy(float), frame["vote"].to_numpy(float)


def randhie() -> Table:
    """20,190 persons in the RAND health insurance experiment -> any visit to a doctor."""
    data = sm.datasets.randhie.load_pandas()
    return data.exog.to_numpy(float), (data.endog.to_numpy(float) > 0).astype(float)


def breast_cancer() -> Table:
    """569 tumours: five means of measurements, in units from 0.1 to 1,000 -> benign."""
    features, target = load_breast_cancer(return_X_y=True)
    return features[:, [0, 1, 3, 4, 5]], target.astype(float)


def iris() -> Table:
    """100 flowers: four lengths -> virginica, not versicolor."""
    features, target = load_iris(return_X_y=True)
    return features[50:], (target[50:] == 2).astype(float)


TABLES: dict[str, Callable[[], Table]] = {each.__name__: each for each in (spector, fair, anes96, randhie, breast_cancer, iris)}
