"""A table for which there is no room is refused before it is encoded: by an injected limit, no gigabyte is ever taken."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from processes import ROOT, environment
from runs import Run

from logitlab.data import memory
from logitlab.data.category import Category
from logitlab.data.memory import check_features, check_file
from logitlab.data.reading import size
from logitlab.data.table import table
from logitlab.errors import UserError
from logitlab.memory import GIB, Limit, available, check_squares


def machine(root: Path, free_kib: int, groups: str, **files: str) -> Path:
    """A folder with the /proc and /sys of a machine; `files` are those of control groups, by their paths with "__" for "/"."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 99999999 kB\nMemAvailable:  {free_kib} kB\n")
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def test_the_tightest_control_group_above_the_process_is_the_limit(tmp_path: Path) -> None:
    two = {"job__step__memory_DOT_max": "max", "job__step__memory_DOT_current": "5000"}
    two |= {"job__memory_DOT_max": "100000", "job__memory_DOT_current": "40000"}
    two |= {"job__memory_DOT_stat": "anon 30000\ninactive_file 9000"}
    limit = available(machine(tmp_path / "2", 10_000, "0::/job/step\n", **two))
    assert limit.free == 100_000 - 40_000 + 9_000
    assert limit.who.endswith("sys/fs/cgroup/job (its memory.max)")
    one = {"memory__job__memory_DOT_limit_in_bytes": "70000", "memory__job__memory_DOT_usage_in_bytes": "20000"}
    limit = available(machine(tmp_path / "1", 10_000, "5:cpu,memory:/job\n3:cpuset:/job\n", **one))
    assert limit.free == 50_000 and limit.who.endswith("memory/job (its memory.limit_in_bytes)")
    mounted = {"memory_DOT_max": "60000", "memory_DOT_current": "10000"}  # in a container that sees the path of its host
    assert available(machine(tmp_path / "container", 10_000, "0::/docker/123\n", **mounted)).free == 50_000
    free = available(machine(tmp_path / "free", 10_000, "0::/\n"))
    assert free == Limit(10_000 * 1024, "this machine")


def test_what_is_counted_is_the_peak_of_all_splits_and_of_dummies() -> None:
    features, kinds = {"age": 1, "user": 9_999}, {"age": "number", "user": "category"}
    rows = 100_000
    peak = rows * (8 + 9_999 + 4 * 10_000)  # as kept: a number in 8 bytes, a level in 1; and all of it in float32
    check_features(rows, features, kinds, 0, "t.csv", 20_000, None, Limit(peak + memory.ASIDE + 8 * rows, "this machine"))
    with pytest.raises(
        UserError, match=r"'user' becomes 9,999\. They take 4\.78 GiB .* the control group x leaves 4\.41 GiB"
    ) as e:
        check_features(rows, features, kinds, 0, "t.csv", 20_000, None, Limit(peak - GIB // 4, "the control group x"))
    assert "Type data.drop=[user] to leave it out" in str(e.value)


def test_the_limit_of_columns_counts_features(tmp_path: Path) -> None:
    pl.DataFrame({"x": range(300), "user": [f"u{row % 100}" for row in range(300)], "y": [0, 1] * 150}).write_csv(
        path := tmp_path / "t.csv"
    )
    with pytest.raises(
        UserError, match=r"2 columns become 100 features: 'user' becomes 99.*data.drop=\[user\].*data.max_columns=100"
    ):
        table(str(path), "y", categorical=["user"], max_columns=50)
    assert table(str(path), "y", categorical=["user"], split="none").in_features == 100


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_that_does_not_fit_is_refused_before_it_is_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t.{ending}"
    frame = pl.DataFrame({"a": range(5_000), "b": range(5_000), "y": [0, 1] * 2_500})
    frame.write_csv(path) if ending == "csv" else frame.write_parquet(path)
    rows, value_bytes = size(path)
    check_file(path, rows, ["a", "y"], 3, value_bytes, Limit(90_000, "this machine"))
    with pytest.raises(UserError, match=r"5,\d\d\d rows: 3 columns .* this machine leaves .*data.features=") as caught:
        check_file(path, rows, ["a", "b", "y"], 3, value_bytes, Limit(14_000, "this machine"))
    assert "t." in str(caught.value)


def test_a_column_of_a_hundred_thousand_values_trains_in_little_memory(tmp_path: Path) -> None:
    rows = 200_000
    pl.DataFrame({"user": [row % 100_000 for row in range(rows)], "y": [row % 2 for row in range(rows)]}).write_csv(
        tmp_path / "t.csv"
    )
    command = [
        sys.executable,
        str(ROOT / "train.py"),
        "data=table",
        "data.path=t.csv",
        "data.target=y",
        "data.categorical=[user]",
        "trainer.max_epochs=1",
    ]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -v 12582912; exec "$@"', "bash", *command],
        cwd=tmp_path, env=environment(None), capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "1 columns become 91,054 features" in done.stdout and "weight of user=" in done.stdout


def test_levels_are_encoded_without_a_table_of_their_square() -> None:
    category = Category("c", ("a", "b", "d"), (0.5, 0.2, 0.2, 0.1), "level")
    series = pl.Series("c", ["b", "a", None, "x", "d"])
    assert category.encode(series).equal(category.table()[category.codes(series)])
    refusing = Category("c", ("a", "b"), (0.5, 0.5))
    assert refusing.encode(pl.Series("c", ["b", None])).tolist()[0] == [1.0]
    assert refusing.encode(pl.Series("c", [None], dtype=pl.String)).isnan().all()


@pytest.mark.parametrize("optimizer", ["newton", "lbfgs"])
def test_a_hessian_for_which_there_is_no_room_is_refused_before_training(
    fit: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    check_squares(20_000, Limit(24 * GIB, "this machine"))
    with pytest.raises(UserError, match=r"20,000 features make matrices .* take 23\.8 GiB, and this machine leaves 8 GiB"):
        check_squares(20_000, Limit(8 * GIB, "this machine"))
    monkeypatch.setattr("logitlab.memory.WORTH_A_LOOK", 0)
    monkeypatch.setattr("logitlab.memory.available", lambda: Limit(0, "this machine"))
    with pytest.raises(
        UserError, match=r"2 features make matrices of 2 x 2.*Type optimizer=lbfgs penalty=weak or optimizer=adam"
    ):
        fit(f"optimizer={optimizer}")
    fit("optimizer=lbfgs", "penalty.l2=0.1")
