"""Which column is the target, the row weight, the split's, and which are features."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from logitlab.data.faults import Faults, short_list
from logitlab.errors import UserError, did_you_mean

INDEX = re.compile(r"|Unnamed: 0|__index_level_\d+__")
"""What pandas calls an index in a CSV file, in one that it has read and written again, and in a Parquet file."""


@dataclass(frozen=True)
class Roles:
    """The columns of a table by what they are for.

    Attributes:
        target: what is predicted.
        features: what it is predicted from, in the file's order.
        categorical: features that are categories whatever they look like.
        weight: how much each row counts, or None.
        split_by: the group, the time or the split of each row, or None.
        cluster: the group of dependent rows, or None.
        dropped: the columns that are left out.
        index: those of them that number the rows, as pandas writes its index.
    """

    target: str
    features: tuple[str, ...]
    categorical: tuple[str, ...]
    weight: str | None
    split_by: str | None
    cluster: str | None
    dropped: tuple[str, ...]
    index: tuple[str, ...] = ()

    @property
    def needed(self) -> list[str]:
        """Every column that has to be read."""
        others = (self.target, self.weight, self.split_by, self.cluster)
        return [*dict.fromkeys((*self.features, *(name for name in others if name is not None)))]

    @property
    def notices(self) -> list[str]:
        """A sentence about an index, if there is one."""
        which = short_list([f"The column '{name}'" if name else "The first column, which has no name," for name in self.index])
        many = len(self.index) > 1
        taken = f"{'were taken for indices' if many else 'was taken for an index'} of the rows, as pandas writes one, and"
        advice = "Give it a name in the file to use it." if "" in self.index else "To use it, name it in data.features."
        return [f"{which} {taken} {'are' if many else 'is'} none of the features. {advice}"] if self.index else []

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
        keys |= {
            key: [name] if name else [] for key, name in (("weight", weight), ("split_by", split_by), ("cluster", cluster))
        }
        there, faults = set(names), Faults(where)
        for key, name in ((key, str(name)) for key, wanted in keys.items() for name in wanted if str(name) not in there):
            with faults.collecting():
                raise UserError(
                    f"{where}: there is no column '{name}' (data.{key}).{did_you_mean(name, names)} There are:"
                    f" {short_list(names, 20)}."
                )
        faults.refuse()
        others = {target, weight, split_by, cluster}
        for key, column in (("data.target", target), ("data.weight", weight)):
            if features and column in features:
                raise UserError(f"The column '{column}' is {key} and stands in data.features too: it can be only one of them.")
        index = [name for name in names if INDEX.fullmatch(name) and name not in {*others, *drop, *(features or ())}]
        left_out = set(drop) if features else {*drop, *others, *index}
        chosen = [name for name in dict.fromkeys(features or names) if name not in left_out]
        if not chosen:
            raise UserError(f"{where} has no column left to predict '{target}' from.")
        used = {*chosen, *others}
        dropped = tuple(name for name in names if name not in used)
        return cls(target, tuple(chosen), tuple(categorical), weight, split_by, cluster, dropped, tuple(index))
