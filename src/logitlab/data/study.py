"""Hours of study and the exam of twenty students: a table whose classes overlap, so that there is an optimum."""

import torch

from logitlab.data.examples import Examples

HOURS = (0.50, 0.75, 1.00, 1.25, 1.50, 1.75, 1.75, 2.00, 2.25, 2.50, 2.75, 3.00, 3.25, 3.50, 4.00, 4.25, 4.50, 4.75, 5.00, 5.50)
PASSED = (0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1)


def study() -> Examples:
    """Return the twenty rows of Wikipedia's article "Logistic regression": weight 1.5046, bias -4.0777 at the optimum."""
    return Examples(
        features=torch.tensor(HOURS)[:, None],
        target=torch.tensor(PASSED, dtype=torch.float32)[:, None],
        feature_names=("hours",),
        target_name="passed",
    )
