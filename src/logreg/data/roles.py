"""Which column is the target, the row weight, the split's, and which are features."""

from collections.abc import Sequence
from dataclasses import dataclass

from logreg.data.faults import short_list
from logreg.errors import UserError, did_you_mean


@dataclass(frozen=True)
class Roles:
    """The columns of a table by what they are for.

    Attributes:
        target: what is predicted.
        features: what it is predicted from, in the file's order.
        categorical: features that are categories whatever they look like.
        weight: how much each row counts, or None.
        split_by: the group, the time or the split of each row, or None.
        cluster: the group of rows that hang together, or None.
        dropped: the columns that are left out.
    """

    target: str
    features: tuple[str, ...]
    categorical: tuple[str, ...]
    weight: str | None
    split_by: str | None
    cluster: str | None
    dropped: tuple[str, ...]

    @property
    def needed(self) -> list[str]:
        """Every column that has to be read."""
        others = (self.target, self.weight, self.split_by, self.cluster)
        return [*dict.fromkeys((*self.features, *(name for name in others if name is not None)))]

    @classmethod
    def assign(
        cls,
        names: Sequence[str],
        where: str,
        target: str,
        features: Sequence[str] | None,
        drop: Sequence[str],
        categorical: Sequence[str],
        weight: str | None,
        split_by: str | None,
        cluster: str | None,
    ) -> "Roles":
        """Return the roles that the keys data.target, data.features, ... give to the columns of a table.

        Raises:
            UserError: a key names a column that is not there, or one column has two roles, or no feature is left.
        """
        keys = {"target": [target], "features": features or [], "drop": drop, "categorical": categorical}
        keys |= {"weight": [weight] if weight else [], "split_by": [split_by] if split_by else []}
        keys |= {"cluster": [cluster] if cluster else []}
        there = set(names)
        for key, wanted in keys.items():
            for name in map(str, wanted):
                if name not in there:
                    raise UserError(
                        f"{where} has no column '{name}' (data.{key}).{did_you_mean(name, names)} It has:"
                        f" {short_list(names, 20)}."
                    )
        taken: dict[str, str | None] = {"data.target": target, "data.weight": weight}
        others = {target, weight, split_by, cluster}
        for key, column in taken.items():
            if features and column in features:
                raise UserError(f"The column '{column}' is {key} and stands in data.features too: it can be only one of them.")
        left_out = set(drop) if features else {*drop, *others}
        chosen = [name for name in dict.fromkeys(features or names) if name not in left_out]
        if not chosen:
            raise UserError(f"{where} has no column left to predict '{target}' from.")
        used = {*chosen, *others}
        dropped = tuple(name for name in names if name not in used)
        return cls(target, tuple(chosen), tuple(categorical), weight, split_by, cluster, dropped)
