"""An ONNX program of a matrix of numbers becomes one that takes a row of the table: an input for each column, by its name."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl

from logitlab.data.category import NUMBER, Category, as_levels
from logitlab.data.columns import Column, Date, days_since
from logitlab.data.preprocessing import Preprocessing

EPOCH = date(1970, 1, 1)
UNSEEN = -1.0
"""Of a category that the training rows did not have: the index of no level."""

OUTPUT = "probability"


def with_named_inputs(program: Any, preprocessing: Preprocessing) -> Any:
    """Return the program with an input for each column instead of the matrix "columns".

    A category is a text, (rows,), to be found among the levels (if hashed, the buckets), "" where it is missing; a
    number is float64, (rows,), NaN where it is missing; a date is float64 days since 1970-01-01.

    Args:
        program: an onnx.ModelProto with the input "columns", float64 (rows, columns), and one output.
        preprocessing: whose columns these are.
    """
    from onnx import TensorProto, compose, helper

    prefix = "/"  # before the names within the program, of which none may be a column's
    while any(name.startswith(prefix) for name in preprocessing.columns):
        prefix += "/"
    program = compose.add_prefix(program, prefix)
    graph = program.graph
    matrix, output = graph.input[0].name, graph.output[0]
    nodes, inputs, parts = [], [], []
    for place, encoder in enumerate(preprocessing.encoders):
        is_text = isinstance(encoder, Category)
        inputs.append(
            helper.make_tensor_value_info(encoder.name, TensorProto.STRING if is_text else TensorProto.DOUBLE, ["rows"])
        )
        value, part = encoder.name, f"{prefix}in/{place}"
        if isinstance(encoder, Category):
            keys, indices = _spellings(encoder)
            looked_up = helper.make_node(
                "LabelEncoder", [value], [f"{part}/level"], domain="ai.onnx.ml",
                keys_strings=keys, values_floats=indices, default_float=UNSEEN,
            )  # fmt: skip
            nodes += [looked_up, helper.make_node("Cast", [f"{part}/level"], [f"{part}/number"], to=TensorProto.DOUBLE)]
            value = f"{part}/number"
        elif isinstance(encoder, Date):
            origin = float((date.fromisoformat(encoder.origin) - EPOCH).days)
            graph.initializer.append(helper.make_tensor(f"{part}/origin", TensorProto.DOUBLE, [], [origin]))
            nodes.append(helper.make_node("Sub", [value, f"{part}/origin"], [f"{part}/number"]))
            value = f"{part}/number"
        nodes.append(helper.make_node("Unsqueeze", [value, f"{prefix}in/axis"], [part]))
        parts.append(part)
    graph.initializer.append(helper.make_tensor(f"{prefix}in/axis", TensorProto.INT64, [1], [1]))
    nodes.append(helper.make_node("Concat", parts, [matrix], axis=1))
    name = output_name(preprocessing)
    rest = [*nodes, *graph.node, helper.make_node("Identity", [output.name], [name])]
    del graph.node[:], graph.input[:]
    graph.node.extend(rest)
    graph.input.extend(inputs)
    output.name = name
    if not any(each.domain == "ai.onnx.ml" for each in program.opset_import):
        program.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    return program


def output_name(preprocessing: Preprocessing) -> str:
    """Return the name of the output, which no column has."""
    name = OUTPUT
    while name in preprocessing.columns:
        name += "_"
    return name


def feed(preprocessing: Preprocessing, frame: pl.DataFrame) -> dict[str, np.ndarray]:
    """Return a table's columns as the program takes them."""
    return {encoder.name: _values(encoder, frame[encoder.name]) for encoder in preprocessing.encoders}


def _values(encoder: Column, series: pl.Series) -> np.ndarray:
    if isinstance(encoder, Category):
        text = as_levels(series) if encoder.buckets is None else encoder.text(series)
        return np.array(text.fill_null("").to_list(), dtype=object)
    if isinstance(encoder, Date):
        return days_since(series, EPOCH).numpy()
    return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _spellings(encoder: Category) -> tuple[list[str], list[float]]:
    """Return the texts that a level may come as, and its index: 1.0 is the level 1, and True is true."""
    found = {"": float("nan")}
    for index, level in enumerate(encoder.levels):
        is_whole, is_truth = NUMBER.fullmatch(level) and "." not in level, set(encoder.levels) <= {"true", "false"}
        others = [f"{level}.0"] if is_whole else [level.upper(), level.title()] if is_truth else []
        for spelling in (level, *others):
            found[spelling] = float(index)
    return list(found), list(found.values())
