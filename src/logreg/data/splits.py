"""Which rows teach, which choose, which judge: train, val and test."""

import torch
from torch import Tensor


def by_fractions(rows: int, val: float, test: float, seed: int, strata: Tensor | None = None) -> dict[str, Tensor]:
    """Return the row numbers of "train", "val" and "test", each in rising order.

    Args:
        rows: how many there are.
        val: the share of the val rows.
        test: the share of the test rows.
        seed: of the generator, which is this function's own.
        strata: (rows,), each stratum is divided alike; None: all rows are one.
    """
    generator = torch.Generator().manual_seed(seed)
    strata = torch.zeros(rows, dtype=torch.long) if strata is None else strata
    parts: dict[str, list[Tensor]] = {"train": [], "val": [], "test": []}
    for stratum in strata.unique():
        members = (strata == stratum).nonzero()[:, 0]
        members = members[torch.randperm(len(members), generator=generator)]
        n_val, n_test = round(val * len(members)), round(test * len(members))
        for name, part in zip(parts, members.split([len(members) - n_val - n_test, n_val, n_test]), strict=True):
            parts[name].append(part)
    return {name: torch.cat(part).sort().values for name, part in parts.items()}
