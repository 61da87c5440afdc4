"""A trained model behind HTTP: rows of the table as JSON in, probability, class and contributions out (LitServe).

A row is read as predict.py reads a row of CSV: by the names of its columns, null is missing, and what is no number where the
model takes one is refused in the same words, with status 422. Requests that come together are worked out together.
"""

import functools
import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import litserve
import polars as pl
import torch
from fastapi import Request
from fastapi.responses import JSONResponse

from logitlab.data.category import Category
from logitlab.data.faults import shown
from logitlab.data.reading import of_kinds
from logitlab.errors import Interrupted, UserError, did_you_mean
from logitlab.inference.explanation import knowledge
from logitlab.inference.model_file import Model
from logitlab.networks import LinearNetwork

WHERE = "the request"
WAIT = 0.001
"""Seconds that a request waits for others to be worked out with."""

Answer = dict[str, Any]


class Scorer:
    """Rows as plain values -> answers as plain values.

    Attributes:
        model: from `load_model`.
        parts: of each column of a linear network, what it adds to the logit: for a category a table by code, or else the
            weights of its features; and its part of the average training row's logit.
        start: the logit to which they are added.
    """

    def __init__(self, model: Model, directory: Path, contributions: bool) -> None:
        """Take the model and its run directory, in which the averages of the training rows lie."""
        self.model = model
        names = model.labels.classes
        self.classes: list[Any] = [int(name) for name in names] if all(name.isdigit() for name in names) else list(names)
        self.parts: list[tuple[Any, torch.Tensor, float]] = []
        if not contributions or not isinstance(model.network, LinearNetwork):
            return
        known = knowledge(model, directory)
        weights = torch.tensor([each.estimate for each in known.features], dtype=torch.float64)
        means = torch.tensor([each.mean if known.has_averages else 0.0 for each in known.features], dtype=torch.float64)
        self.start, self.against = known.bias, "the average training row" if known.has_averages else "a row of zeros"
        for encoder, places in model.preprocessing.groups():
            own = weights[places.start : places.stop]
            average = float(own @ means[places.start : places.stop])
            if isinstance(encoder, Category):
                own = torch.cat([own.new_zeros(1), own])
                unseen = own @ torch.tensor(encoder.shares, dtype=torch.float64)
                own = torch.cat([own, unseen[None], own.new_full((1,), torch.nan)])
            self.parts.append((encoder, own, average))
            self.start += average

    def frame(self, rows: Sequence[Any]) -> pl.DataFrame:
        """Return rows as a table, in the types that the model takes.

        Raises:
            UserError: a row lacks a column, or holds what is no value.
        """
        columns = self.model.preprocessing.columns
        texts: dict[str, list[str | None]] = {name: [] for name in columns}
        for number, row in enumerate(rows, start=1):
            if not isinstance(row, Mapping):
                raise UserError(f"{WHERE}: row {number:,} is no object with a value for each column.")
            for name in columns:
                if name not in row:
                    near = did_you_mean(name, row)
                    raise UserError(f"{WHERE}: row {number:,} lacks '{name}'.{near} Write null for a value that is missing.")
                if isinstance(row[name], list | dict):
                    held = shown(json.dumps(row[name])[:40])
                    raise UserError(f"{WHERE}: the column '{name}' holds {held} in row {number:,}: no value of a table.")
                texts[name].append(_text(row[name]))
        frame = pl.DataFrame(texts, dict.fromkeys(columns, pl.String))
        return of_kinds(frame, self.model.preprocessing.kinds, WHERE, first_row=1)

    def answers(self, frame: pl.DataFrame) -> list[Answer]:
        """Return an answer for each row of `frame`.

        Raises:
            UserError: a value is missing, infinite or too large.
        """
        probability, _ = self.model.scores(frame, WHERE)
        called = (probability >= self.model.threshold).long().tolist()
        found: list[Answer] = [
            {"probability": each, "class": self.classes[at]} for each, at in zip(probability.tolist(), called, strict=True)
        ]
        added: dict[str, list[float]] = {}
        for encoder, own, average in self.parts:
            series = frame[encoder.name]
            if isinstance(encoder, Category):
                codes = encoder.codes(series)
                values = own[codes]
                is_new = (codes == len(encoder.shares)) & torch.from_numpy(series.is_not_null().to_numpy())
                for row in is_new.nonzero()[:, 0].tolist():
                    found[row].setdefault("unseen", {})[encoder.name] = series[row]
            else:
                values = encoder.encode(series) @ own
            added[encoder.name] = (values - average).tolist()
        if added:
            for row, answer in enumerate(found):
                answer["logit"] = {"start": self.start, **{name: values[row] for name, values in added.items()}}
        return found

    def together(self, requests: Sequence[Any]) -> list[Any]:
        """Return the answer, or the UserError, of each request: a row, or a list of rows."""
        lists = [request if isinstance(request, list) else [request] for request in requests]
        try:
            answers = self.answers(self.frame([row for rows in lists for row in rows]))
        except UserError:  # of one request, and the others are not to pay for it
            return [self._alone(rows, request) for rows, request in zip(lists, requests, strict=True)]
        ends = list(itertools.accumulate(map(len, lists)))
        own = [answers[end - len(rows) : end] for rows, end in zip(lists, ends, strict=True)]
        return [each if isinstance(request, list) else each[0] for each, request in zip(own, requests, strict=True)]

    def _alone(self, rows: Sequence[Any], request: Any) -> Any:
        """Return the answer of one request, or its UserError."""
        try:
            answers = self.answers(self.frame(rows))
        except UserError as error:
            return error
        return answers if isinstance(request, list) else answers[0]

    def schema(self) -> dict[str, Any]:
        """Return what a row holds and what the answer means, as plain values."""
        columns = []
        for encoder in self.model.preprocessing.encoders:
            column: dict[str, Any] = {"name": encoder.name, "kind": encoder.kind}
            if isinstance(encoder, Category):
                levels = "any: it is hashed" if encoder.buckets is not None else list(encoder.levels)
                column |= {"levels": levels, "null": encoder.missing != "refuse"}
            else:
                column["null"] = encoder.fill is not None or encoder.indicator  # type: ignore[attr-defined]
            columns.append(column)
        labels = self.model.labels
        meaning = {
            "target": labels.name,
            "probability": f"of {labels.name}={labels.positive}",
            "class": f"{labels.positive} where the probability is {self.model.threshold!r} or more, or else {labels.negative}",
        }
        if self.parts:
            meaning["logit"] = f"start, that of {self.against}, and what each column adds to it; before any recalibration"
        return {"POST /predict": "a row as an object, or a list of rows", "columns": columns, "answer": meaning}


def _text(value: Any) -> str | None:
    """Return a value as CSV has it."""
    if value is None or isinstance(value, str):
        return value or None
    return str(value).lower() if isinstance(value, bool) else repr(value)


class ModelAPI(litserve.LitAPI):  # type: ignore[misc,unused-ignore]  # Any where litserve is not installed
    """What LitServe's worker does with requests."""

    def __init__(self, scorer: Scorer, most: int) -> None:
        super().__init__(max_batch_size=most, batch_timeout=WAIT)
        self.scorer = scorer

    def setup(self, device: str) -> None:
        """Work with one thread, as there may be several workers, and end with the process that began this one."""
        torch.set_num_threads(1)
        _end_with(os.getppid())

    def decode_request(self, request: Request) -> Any:  # by this type LitServe knows that it shall read JSON
        """Return the rows as they came."""
        return request

    def batch(self, inputs: list[Any]) -> list[Any]:
        """Return the requests as they are."""
        return inputs

    def predict(self, x: list[Any]) -> list[Any]:
        """Return an answer for each request."""
        return self.scorer.together(x)

    def unbatch(self, output: list[Any]) -> list[Any]:
        """Return the answers as they are."""
        return output

    def encode_response(self, output: Any) -> Any:
        """Return an answer as JSON, or what is wrong with the request."""
        return refused(output) if isinstance(output, UserError) else JSONResponse(output)


def refused(error: UserError) -> JSONResponse:
    """Return what a mistake in a request is answered with."""
    return JSONResponse({"detail": str(error)}, status_code=422)


class Readable:
    """Refuses a body that is no JSON, which LitServe would take for an error of its own."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Read the whole body, and hand it on."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
        try:
            json.loads(body, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            await refused(UserError(f"{WHERE} is no JSON ({error})."))(scope, receive, send)
            return
        given = False

        async def again() -> Any:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, again, send)


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not allowed; null is a missing value")


def serve(model: Model, directory: Path, host: str, port: int, workers: int, batch: int, contributions: bool) -> None:
    """Answer requests until a signal comes.

    Args:
        model: from `load_model`.
        directory: of its run.
        host: the address to listen on.
        port: and its port.
        workers: processes that work out answers.
        batch: requests that are worked out together, at most.
        contributions: of each column to the logit are in the answer, where the network is linear.
    """
    scorer = Scorer(model, directory, contributions)
    server = litserve.LitServer(
        ModelAPI(scorer, batch), accelerator="cpu", workers_per_device=workers, middlewares=[Readable], restart_workers=True
    )
    schema = scorer.schema()
    server.app.add_api_route("/schema", lambda: schema, methods=["GET"])
    os.register_at_fork(after_in_child=functools.partial(_as_child, os.getpid()))
    signals: list[int] = []

    def stop(number: int, frame: object) -> None:
        signals.append(number)
        raise KeyboardInterrupt  # by which LitServe ends its processes

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run(host=host, port=port, num_api_servers=1, generate_client_file=False, log_level="warning", access_log=False)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if signals:
        raise Interrupted(signals[0])


def _as_child(parent: int) -> None:
    """Take signals as every process does, and end with the parent."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)
    _end_with(parent)


def _end_with(parent: int) -> None:
    """End this process once its parent is gone, which may have been killed: it would hold the port or wait for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
