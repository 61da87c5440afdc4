"""The rows that pictures of training are drawn of, and the states of a network: plain arrays that go to another process."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from logitlab.data.examples import Examples
    from logitlab.data.scaling import Scaling

MOST_ROWS = 1_000
MOST_NUMBERS = 32_768
"""Rows drawn, and rows times features: of more, rows evenly spaced over the table."""


class Moment(NamedTuple):
    """A network at one moment: after `epoch` epochs and `step` updates; weight (features,) and bias () as it holds them.

    One that is not `is_shown` has no pictures of its own, and is a point on the path of the descent.
    """

    epoch: int
    step: int
    weight: "NDArray[Any]"
    bias: float
    is_shown: bool = True


class Remark(NamedTuple):
    """What the process that draws has to say of its pictures, such as which characters no font has."""

    words: str


@dataclass(frozen=True)
class Rows:
    """Rows as the network sees them, and what brings them back to their own units.

    Attributes:
        features: (rows, features).
        target: 0 or 1, (rows,).
        every: the rows are each `every`-th of the table.
        names: of the features.
        target_name: what 1 means.
        center: (features,): own units are features * scale + center.
        scale: (features,).
        threshold: a row is of class 1 where probability >= threshold.
        is_chosen_later: the threshold is that of the fit, and a rule chooses the run's own at the end.
    """

    features: "NDArray[Any]"
    target: "NDArray[Any]"
    every: int
    names: tuple[str, ...]
    target_name: str
    center: list[float]
    scale: list[float]
    threshold: float
    is_chosen_later: bool = False


def sample(examples: "Examples", scaling: "Scaling", threshold: float, is_chosen_later: bool = False) -> Rows:
    """Return the rows to draw of a training table."""
    count, features = examples.exact.shape
    every = -(-count // max(1, min(MOST_ROWS, MOST_NUMBERS // features)))
    return Rows(
        examples.exact[::every].float().cpu().numpy(),
        examples.target[::every, 0].cpu().numpy(),
        every,
        tuple(examples.feature_names),
        examples.target_name,
        list(scaling.center),
        list(scaling.scale),
        threshold,
        is_chosen_later,
    )
