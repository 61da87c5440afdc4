"""A trained model as ONNX and as a torch.export program: the table's own columns in, probabilities out.

Conventions: model.onnx has an input for each column, see `onnx_inputs`. model.pt2, as torch knows no texts, takes one float64
matrix (rows, columns), the columns in the model's order. There a number stands for itself, a date is days since its column's
origin, a category is its index among its column's levels (any other number: a category that the training rows did not have),
and NaN is a missing value. The output is float32, (rows,).
"""

import io
import json
import logging
import warnings
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from logitlab.data.category import Category
from logitlab.data.columns import Column, Date, Number, as_text, days_since
from logitlab.data.preprocessing import Preprocessing
from logitlab.errors import RunError, UserError
from logitlab.inference import onnx_inputs
from logitlab.inference.model_file import Model
from logitlab.networks import LinearNetwork, Logits, Network
from logitlab.runs import files

TOLERANCE = 1e-6
SAMPLE_ROWS = 500


class ExportedModel(nn.Module):
    """Preprocessing and network as one graph of tensors."""

    def __init__(self, model: Model) -> None:
        """Lay out filled numbers, their indicators, then the categories; `order` puts them as the network wants."""
        super().__init__()
        encoders, network = model.preprocessing.encoders, model.network
        numeric = [place for place, encoder in enumerate(encoders) if isinstance(encoder, Number | Date)]
        indicated = [index for index, place in enumerate(numeric) if cast(Number, encoders[place]).indicator]
        fills = [cast(Number, encoders[place]).fill for place in numeric]
        self.numeric, self.indicated = _constant(numeric), _constant(indicated)
        self.fill = nn.Buffer(torch.tensor([torch.nan if fill is None else fill for fill in fills], dtype=torch.float64))
        categories = [(place, encoder) for place, encoder in enumerate(encoders) if isinstance(encoder, Category)]
        center, scale = model.preprocessing.scaling.center, model.preprocessing.scaling.scale
        if model.preprocessing.coded:
            network, center, scale, parts = _folded(model)
            tables = [CategoryTable(encoder, place, part) for (place, encoder), part in zip(categories, parts, strict=True)]
        else:
            tables = [CategoryTable(encoder, place, encoder.table()) for place, encoder in categories]
        self.categories = nn.ModuleList(tables)
        self.order = _constant(_order(encoders, numeric, indicated, [table.table.shape[1] for table in tables]))
        self.center, self.scale = (nn.Buffer(torch.tensor(values, dtype=torch.float64)) for values in (center, scale))
        self.network = network

    def forward(self, columns: Tensor) -> Tensor:
        """Return the probability of class 1, float32 (rows,), for float64 columns (rows, columns)."""
        numbers = columns[:, self.numeric]
        missing = numbers.isnan()
        blocks = [torch.where(missing, self.fill, numbers), missing[:, self.indicated].double()]
        blocks += [table(columns) for table in self.categories]
        features = torch.cat(blocks, dim=1)[:, self.order]
        scaled = (features - self.center) / self.scale
        return self.network.probability(self.network(scaled))[:, 0].float()


def _folded(model: Model) -> tuple[Network, list[float], list[float], list[Tensor]]:
    """Return a network that takes one number of each category, what it adds to the logit; with scaling and these numbers.

    Raises:
        UserError: the network is not linear, so that no number of a category is all that it takes.
    """
    preprocessing, network = model.preprocessing, model.network
    if not isinstance(network, LinearNetwork):
        raise UserError(
            f"export.py writes a network of {len(preprocessing.feature_names):,} features, most of them categories, only where"
            " it is linear, and this one is not: predict.py takes it as it is."
        )
    weight, start = network.weight.detach(), 0
    weights: list[float] = []
    center: list[float] = []
    scale: list[float] = []
    parts: list[Tensor] = []
    for encoder in preprocessing.encoders:
        span = slice(start, start + encoder.width)
        start += encoder.width
        if isinstance(encoder, Category):
            own = torch.cat([weight.new_zeros(1), weight[span]])
            unseen = own @ torch.tensor(encoder.shares, dtype=own.dtype)  # of what is no level, unless it counts as rare
            parts.append(torch.cat([own, unseen[None], unseen.new_full((1,), torch.nan)])[:, None])
            weights, center, scale = [*weights, 1.0], [*center, 0.0], [*scale, 1.0]
            continue
        weights += weight[span].tolist()
        center, scale = [*center, *preprocessing.scaling.center[span]], [*scale, *preprocessing.scaling.scale[span]]
    folded = Logits(len(weights)).double()
    with torch.no_grad():
        folded.linear.weight[0], folded.linear.bias[0] = torch.tensor(weights, dtype=torch.float64), network.bias
    folded.recalibration = network.recalibration
    return folded.eval(), center, scale, parts


class CategoryTable(nn.Module):
    """One category's features, or what they add to the logit, looked up by the index of its level."""

    def __init__(self, encoder: Category, place: int, table: Tensor) -> None:
        super().__init__()
        self.place = place
        self.levels = len(encoder.levels)
        self.unseen = encoder.new_row
        self.missing = encoder.missing_row
        self.table = nn.Buffer(table)

    def forward(self, columns: Tensor) -> Tensor:
        """Return the features, (rows, features of this column)."""
        index = columns[:, self.place]
        known = (index >= 0) & (index < self.levels) & (index == index.floor())
        code = torch.where(index.isnan(), float(self.missing), torch.where(known, index, float(self.unseen)))
        return self.table[code.long()]


def export(model: Model, folder: Path, run: str) -> float:
    """Write model.onnx, model.pt2 and columns.json; return how far onnxruntime's probabilities are from predict's at most.

    Args:
        model: from `load_model`.
        folder: to write into; made if it is not there.
        run: where the model comes from, for columns.json.

    Raises:
        RunError: what was written gives other probabilities than predict, or cannot be written.
    """
    graph = ExportedModel(model).eval()
    sample = sample_rows(model.preprocessing)
    columns = input_matrix(model.preprocessing, sample)
    archive = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's exporter about itself
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # that torchvision is not installed
        program = torch.export.export(graph, (columns,), dynamic_shapes={"columns": {0: torch.export.Dim("rows")}})
        torch.export.save(program, archive)
        onnx = torch.onnx.export(
            program, (), input_names=["columns"], output_names=["probability"], dynamo=True, verbose=False
        )  # fmt: skip
    assert onnx is not None, "torch returns the program where it has no file to write"
    text = json.dumps(description(model, run), indent=2, ensure_ascii=False) + "\n"
    contents = {
        "model.pt2": archive.getvalue(),
        "model.onnx": onnx_inputs.with_named_inputs(onnx.model_proto, model.preprocessing).SerializeToString(),
        "columns.json": text.encode(),
    }
    try:
        files.make_folder(folder)
        for name, content in contents.items():
            files.write(folder / name, content, synced=True)
    except OSError as error:
        raise RunError(f"output={folder} cannot be written: {error.strerror}.") from error
    expected, _ = model.scores(sample)
    name = onnx_inputs.output_name(model.preprocessing)
    gap = float((run_onnx(folder / "model.onnx", onnx_inputs.feed(model.preprocessing, sample), name) - expected).abs().max())
    gap = max(gap, float((program.module()(columns).detach() - expected).abs().max()))
    if not gap <= TOLERANCE:
        raise RunError(f"What {folder} holds gives probabilities that are {gap:.2g} from those of predict.py: do not use it.")
    return gap


def run_onnx(path: Path, columns: Mapping[str, np.ndarray], output: str = onnx_inputs.OUTPUT) -> Tensor:
    """Return onnxruntime's probabilities for the columns, (rows,) each, by their names."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (probability,) = session.run([output], dict(columns))
    return torch.from_numpy(np.asarray(probability))


def input_matrix(preprocessing: Preprocessing, frame: pl.DataFrame) -> Tensor:
    """Return a table's columns as the exported model takes them, float64, (rows, columns)."""
    preprocessing.check_columns(frame.columns)
    return torch.stack([_as_number(encoder, frame[encoder.name]) for encoder in preprocessing.encoders], dim=1)


def description(model: Model, run: str) -> dict[str, Any]:
    """Return what somebody who has the ONNX file alone must know, as plain values."""
    return {
        "run": run,
        "columns": [_column(place, encoder) for place, encoder in enumerate(model.preprocessing.encoders)],
        "onnx": {
            "inputs": "one for each column, by its name, of shape [rows]",
            "output": onnx_inputs.output_name(model.preprocessing),
        },
        "pt2": {"input": "float64", "shape": ["rows", len(model.preprocessing.encoders)], "output": "float32, [rows]"},
        "target": model.labels.name,
        "class_1": model.labels.positive,
        "class_0": model.labels.negative,
        "threshold": model.threshold,
    }


def sample_rows(preprocessing: Preprocessing, seed: int = 0) -> pl.DataFrame:
    """Return rows to try the exported model on: all levels, unseen ones, numbers around the training rows', missing values."""
    generator = np.random.default_rng(seed)
    names = list(preprocessing.feature_names)
    columns = {}
    for encoder in preprocessing.encoders:
        if isinstance(encoder, Category):
            known = [] if encoder.buckets is not None else encoder.levels
            levels: list[str | None] = [*known, "\x00 never seen"]
            if encoder.missing != "refuse":
                levels.append(None)
            columns[encoder.name] = pl.Series([levels[index] for index in generator.integers(0, len(levels), SAMPLE_ROWS)])
            continue
        at = names.index(encoder.feature_names[0])
        center, scale = preprocessing.scaling.center[at], preprocessing.scaling.scale[at]
        values = pl.Series(center + 2 * scale * generator.normal(size=SAMPLE_ROWS))
        if isinstance(encoder, Date):
            origin = pl.Series([date.fromisoformat(encoder.origin)]).cast(pl.Datetime("us"))
            values = origin.new_from_index(0, SAMPLE_ROWS) + (values * 86_400e6).cast(pl.Int64).cast(pl.Duration("us"))
        if cast(Number, encoder).fill is not None:
            values = values.set(pl.Series(generator.random(SAMPLE_ROWS) < 0.1), None)
        columns[encoder.name] = values
    return pl.DataFrame(columns)


def _constant(indices: list[int]) -> nn.Buffer:
    return nn.Buffer(torch.tensor(indices, dtype=torch.long))


def _order(encoders: tuple[Column, ...], numeric: list[int], indicated: list[int], widths: list[int]) -> list[int]:
    """Return where each feature of the network stands among filled numbers, indicators and categories of these widths."""
    category, width = len(numeric) + len(indicated), iter(widths)
    order: list[int] = []
    for place, encoder in enumerate(encoders):
        if isinstance(encoder, Category):
            order += range(category, category := category + next(width))
            continue
        index = numeric.index(place)
        if not cast(Number, encoder).constant:
            order.append(index)
        if index in indicated:
            order.append(len(numeric) + indicated.index(index))
    return order


def _as_number(encoder: Column, series: pl.Series) -> Tensor:
    if isinstance(encoder, Date):
        return days_since(series, date.fromisoformat(encoder.origin))
    if isinstance(encoder, Category):
        levels = list(encoder.levels)
        text = as_text(series) if encoder.buckets is None else encoder.text(series)
        codes = text.replace_strict(levels, list(range(len(levels))), default=onnx_inputs.UNSEEN, return_dtype=pl.Float64)
        series = codes.set(text.is_null(), None)
    return torch.from_numpy(series.cast(pl.Float64).fill_null(float("nan")).to_numpy(writable=True))


def _column(place: int, encoder: Column) -> dict[str, Any]:
    plain: dict[str, Any] = {"index": place, "name": encoder.name, "kind": encoder.kind}
    if isinstance(encoder, Category):
        plain |= {"onnx": "string: a level", "pt2": "index of a level", "levels": list(encoder.levels)}
        if encoder.buckets is not None:
            plain["hash"] = f"a level is the CRC-32 of the value's UTF-8 bytes modulo {encoder.buckets}"
        missing = "an empty text, NaN in pt2" if encoder.missing != "refuse" else "not allowed"
        return plain | {"missing": missing, "other": "counts as " + ("rare" if encoder.rare else "the average training row")}
    if isinstance(encoder, Date):
        plain |= {"onnx": f"double: days since {onnx_inputs.EPOCH}", "pt2": f"days since {encoder.origin}"}
    else:
        plain |= {"onnx": "double", "pt2": "the number"}
    return plain | {"missing": "NaN" if cast(Number, encoder).fill is not None else "not allowed"}
