"""Runs that go together, from their configs to their run directories: built, fitted as one program, written one by one."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import lightning.pytorch as pl

from logitlab import logging_setup
from logitlab.batched import program
from logitlab.batched.member import Member
from logitlab.batched.tables import Table
from logitlab.batched.writing import MemberWriter
from logitlab.errors import Interrupted, UserError
from logitlab.runs import signals
from logitlab.sweeps.member import FAILED, Status


def train_together(members: Sequence[Member]) -> Iterator[Status]:
    """Train runs that share a `group_key`; write them, and yield how each ended, one after another.

    Raises:
        CannotStackError: they cannot be one program.
        Interrupted: a signal came; the members that were not yielded are not done.
    """
    logging_setup.quiet_libraries()
    started = time.monotonic()
    with signals.held() as pending:
        tables = _tables([member.config for member in members])
        errors = [_user_error(member.config, table) for member, table in zip(members, tables, strict=True)]
        places = _places(members, tables, errors, pending)
        share = (time.monotonic() - started) / len(members)
        for index, (member, error) in enumerate(zip(members, errors, strict=True)):
            if pending.number is not None:
                raise Interrupted(pending.number)
            if error is not None:
                yield member.status(FAILED, reason=error, mistake=True, seconds=0.0)
            else:
                writer, number = places[index]
                yield writer.write(number, member, share)


def _tables(configs: Sequence[Mapping[str, Any]]) -> list[Table | UserError]:
    """Return the table of each member, or what the user has to correct before there is one."""
    built: dict[str, Table | UserError] = {}
    pl.seed_everything(configs[0]["seed"], verbose=False)
    for config in configs:
        key = json.dumps(config["data"], sort_keys=True, default=str)
        if key not in built:
            try:
                built[key] = Table(config)
            except UserError as error:
                built[key] = error
    return [built[json.dumps(config["data"], sort_keys=True, default=str)] for config in configs]


def _user_error(config: Mapping[str, Any], table: Table | UserError) -> str | None:
    """Return the error of the run alone: torch's, of its optimiser's arguments, or that of its table, loss or penalty."""
    try:
        program.own_optimizers([config], 1, are_shared=True)
    except (TypeError, ValueError) as error:
        return f"optimizer ({config['optimizer']['_target_']}) cannot be built: {error}."
    if isinstance(table, UserError):
        return str(table)
    try:
        table.loss_and_penalty(config)
    except UserError as error:
        return str(error)
    return None


def _places(
    members: Sequence[Member],
    tables: Sequence[Table | UserError],
    errors: Sequence[str | None],
    pending: signals.PendingSignal,
) -> dict[int, tuple[MemberWriter, int]]:
    """Train the members; return which writer has each of them, and under what number.

    Folds whose tables have other columns, or more batches in an epoch, are programs of their own.
    """
    programs: dict[Any, list[int]] = {}
    for index, (table, error) in enumerate(zip(tables, errors, strict=True)):
        if error is None and isinstance(table, Table):
            programs.setdefault(table.form, []).append(index)
    places = {}
    for indices in programs.values():
        indices.sort(key=lambda index: tables.index(tables[index]))  # the members of a table stand side by side
        fitted = program.fit([members[index].config for index in indices], [tables[index] for index in indices], pending)  # type: ignore[misc]
        writer = MemberWriter(fitted)
        places.update({index: (writer, number) for number, index in enumerate(indices)})
    return places
