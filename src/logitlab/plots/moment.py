"""The weights at one moment of a training."""

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Moment(NamedTuple):
    """A network after `epoch` epochs and `step` updates; weight (features,) and bias () as it holds them.

    One that is not `is_shown` has no pictures of its own, and is a point on the path of the descent.
    """

    epoch: int
    step: int
    weight: "NDArray[Any]"
    bias: float
    is_shown: bool = True
