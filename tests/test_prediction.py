"""predict.py and evaluate.py: by column name, in the table's order, in parts or whole alike, written whole or not at all."""

import csv
import json
import resource
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sklearn.metrics as sk
import torch
from processes import ROOT, Ran, environment, run_anew, run_command
from runs import Run, compose_config
from trained import compose_job, train_table, write_table

from logitlab.data import reading
from logitlab.data.formats import parquet
from logitlab.errors import RunError, UserError
from logitlab.experiment import train
from logitlab.inference import jobs
from logitlab.inference.model_file import load_model
from logitlab.inference.prediction import predict


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train_table(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return write_table(tmp_path / "new.csv", rows=250, seed=8)


def predicted(run: Run, path: Path, *overrides: str) -> pl.DataFrame:
    output = path.parent / "predictions.csv"
    jobs.predict(compose_job("predict", f"run={run.path}", f"data.path={path}", f"output={output}", *overrides))
    return pl.read_csv(output)


def by_hand(run: Run, path: Path) -> np.ndarray:
    """Return the probabilities, from the coefficients in the table's units alone."""
    table = pl.read_csv(path, schema_overrides={"id": pl.String})
    names = {row["name"]: row["estimate"] for row in pl.read_csv(run.path / "coefficients.csv").iter_rows(named=True)}
    logit = np.full(len(table), names["bias"])
    for column in ("age", "height"):
        logit += names[column] * table[column].to_numpy()
    for city in ("Linz", "Wien"):
        logit += names[f"city={city}"] * (table["city"] == city).to_numpy()
    return 1 / (1 + np.exp(-logit))


def test_probabilities_follow_from_the_coefficients(run: Run, new: Path) -> None:
    frame = predicted(run, new, "keep=[id]")
    assert frame.columns == ["id", "probability", "class"]
    np.testing.assert_allclose(frame["probability"], by_hand(run, new), rtol=2e-5)


def test_the_class_is_named_and_follows_from_the_threshold(run: Run, new: Path) -> None:
    threshold = run.checkpoint("best")["threshold"]
    assert threshold != 0.5
    frame = predicted(run, new)
    assert frame["class"].to_list() == ["yes" if p >= threshold else "no" for p in frame["probability"]]


def test_kept_columns_come_back_as_they_were(run: Run, new: Path) -> None:
    text = new.read_text().splitlines()
    output = new.parent / "predictions.csv"
    jobs.predict(compose_job("predict", f"run={run.path}", f"data.path={new}", f"output={output}", "keep=[id,passed]"))
    lines = output.read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == [line.split(",")[0] for line in text]  # 00007 stays 00007
    assert [line.split(",")[1] for line in lines] == [line.split(",")[-1] for line in text]
    assert predicted(run, new, "keep=all").columns == ["id", "age", "city", "height", "passed", "probability", "class"]


def test_kept_columns_that_are_features_come_back_to_the_character(tmp_path: Path) -> None:
    names = ["", "id", "x", "zip", "when", "level", "note", "y"]
    rows = [
        [
            str(number),
            str(9007199254740993 + 2 * number),
            ["1.50", "-0.250", "+3", "1e2", "NA"][number % 5],
            f"{10115 + number}",
            f"2021-01-{1 + number % 28:02}T07:00:00+02:00",
            ["1.0", "1", " 2"][number % 3],
            ['"a, ""b"""', "", "NA", "c"][number % 4],
            str(number % 2),
        ]
        for number in range(60)
    ]
    table = tmp_path / "t.csv"
    table.write_text("\n".join(map(",".join, [names, *rows])) + "\n")
    overrides = (
        "data.missing=mean",
        "data.null_values=[NA]",
        "data.categorical=[level]",
        "data.drop=[note]",
        "trainer.max_epochs=2",
    )
    train(
        compose_config(
            "data=table", f"data.path={table}", "data.target=y", *overrides, "trainer.max_epochs=2", directory=tmp_path / "run"
        )
    )
    model = load_model(tmp_path / "run")
    predict(model, str(table), str(tmp_path / "all.csv"), "all", model.form)
    came = list(csv.reader((tmp_path / "all.csv").read_text().splitlines()))
    went = list(csv.reader(table.read_text().splitlines()))
    assert [row[:-2] for row in came] == went
    report = predict(model, str(table), str(tmp_path / "some.parquet"), ["zip", "id", "when"], model.form)
    assert report.ignored == ["(the index, which has no name)", "note", "y"]
    some = pl.read_parquet(tmp_path / "some.parquet")
    assert [list(row) for row in some.select("zip", "id", "when").rows()] == [[row[3], row[1], row[4]] for row in rows]
    np.testing.assert_allclose(some["probability"], [float(row[-2]) for row in came[1:]], rtol=1e-6)
    own = pl.DataFrame(
        {"id": [2**53 + 1, 5], "x": [1.5, None], "zip": [1, 2], "when": [datetime(2021, 1, 1)] * 2, "level": [1.0, 2.0]}
    )
    own = own.with_columns(pl.col("id").cast(pl.UInt64), pl.col("when").cast(pl.Date), pl.col("zip").cast(pl.Int8))
    own.write_parquet(tmp_path / "own.parquet")
    predict(model, str(tmp_path / "own.parquet"), str(tmp_path / "own.out.parquet"), "all")
    assert pl.read_parquet(tmp_path / "own.out.parquet").select(own.columns).equals(own)
    assert pl.read_parquet_schema(tmp_path / "own.out.parquet")["zip"] == pl.Int8


def test_parts_give_what_the_whole_gives(run: Run, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = predicted(run, new, "keep=[id]")
    in_parts = reading.read_with_kept
    monkeypatch.setattr(reading, "read_with_kept", lambda path, keep, **others: in_parts(path, keep, rows=7, **others))
    for output in ("parts.csv", "parts.parquet"):
        report = predict(load_model(run.path), str(new), str(new.parent / output), ["id"])
        assert report.rows == 250
    assert pl.read_csv(new.parent / "parts.csv").equals(whole)
    parquet = pl.read_parquet(new.parent / "parts.parquet")
    assert parquet["id"].cast(int).to_list() == whole["id"].to_list()
    np.testing.assert_allclose(parquet["probability"], whole["probability"], rtol=1e-6)


def test_parts_have_fewer_rows_where_texts_are_long(tmp_path: Path) -> None:
    words = pl.DataFrame({"text": [f"{number:04}" * (1 if number < 5_000 else 2_000) for number in range(9_000)]})
    words.write_parquet(tmp_path / "t.parquet", row_group_size=3_000)
    parts = list(reading.read_in_parts(tmp_path / "t.parquet"))
    assert pl.concat(parts).equals(words)
    assert max(part.estimated_size() for part in parts[2:]) <= 2 * parquet.PART_BYTES
    assert len(list(reading.read_in_parts(tmp_path / "t.parquet", rows=500))) == 18


PEAK = """
import sys
from pathlib import Path
from logitlab.inference.model_file import load_model
from logitlab.inference.prediction import predict
predict(load_model(sys.argv[1]), sys.argv[2], sys.argv[3], "all")
status = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the largest resident size is read from /proc")
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_memory_does_not_grow_with_the_table(run: Run, new: Path, tmp_path: Path, ending: str) -> None:
    peaks = []
    for rows in (200_000, 400_000):
        notes = pl.Series("note", [f"{number:06}" * 200 for number in range(rows)])
        frame = pl.concat([pl.read_csv(new)] * (rows // 250)).with_columns(notes)
        table = tmp_path / f"{rows}.{ending}"
        frame.write_parquet(table) if ending == "parquet" else frame.write_csv(table)
        assert frame.estimated_size("mb") > rows / 1_000  # a kilobyte a row
        del frame
        command = [sys.executable, "-c", PEAK, str(run.path), str(table), str(tmp_path / f"out.{ending}")]
        done = subprocess.run(command, env=environment({}), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        peaks.append(float(done.stdout))
    assert peaks[1] < peaks[0] + 120, f"{peaks} MiB"  # the larger table has 240 MB more text


def test_the_order_of_columns_does_not_matter_and_parquet_is_csv(run: Run, new: Path) -> None:
    expected = predicted(run, new)
    table = pl.read_csv(new)
    table.select(table.columns[::-1]).write_csv(new.parent / "reordered.csv")
    table.write_parquet(new.parent / "new.parquet")
    assert predicted(run, new.parent / "reordered.csv").equals(expected)
    assert predicted(run, new.parent / "new.parquet").equals(expected)


def test_extra_columns_and_unseen_categories_are_named_once(run: Run, new: Path, capsys: pytest.CaptureFixture) -> None:
    table = pl.read_csv(new)
    city = table["city"].replace({"Linz": "Bregenz"})
    table.with_columns(city, extra=1).write_csv(new)
    predicted(run, new, "keep=[id]")
    told = capsys.readouterr().err
    assert told.count("\n") == 2
    assert "Ignored, as the model does not take them: 'passed', 'extra'." in told
    assert f"in {(city == 'Bregenz').sum()} rows: 'Bregenz'" in told
    jobs.evaluate(compose_job("evaluate", f"run={run.path}", f"data.path={new}", "output=-"))
    assert capsys.readouterr().err == told.splitlines()[1] + "\n"


def test_a_missing_column_is_an_error_and_nothing_is_written_over(run: Run, new: Path) -> None:
    before = predicted(run, new)
    pl.read_csv(new).rename({"age": "agee"}).write_csv(new)
    with pytest.raises(UserError, match=r"'age'.*Did you mean 'agee'"):
        predicted(run, new)
    assert pl.read_csv(new.parent / "predictions.csv").equals(before)
    assert sorted(path.name for path in new.parent.iterdir()) == ["new.csv", "predictions.csv"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["output=predictions.txt"], r"ends in \.csv, .*\.parquet, .* also with \.gz or \.zst behind"),
        (["output=nowhere/predictions.csv"], "no folder nowhere"),
        (["keep=[idd]"], "no column 'idd'.* Did you mean 'id'"),
        (["data.path=absent.csv"], "absent.csv"),
        (["run=absent"], "run=absent: there is no"),
        (["data.path=/dev/null"], "a pipe or a device"),
        (["keep=3"], r"keep=3 is not allowed: keep takes a list of texts"),
        (["data.null_values=[1]"], r"data.null_values=\[1\] is not allowed"),
        (["data.decimal_comma=maybe"], r"data.decimal_comma takes true \| false"),
        (["data.encoding=utf-16"], "is not data.encoding=utf-16"),
    ],
)
def test_mistakes_are_told(run: Run, new: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        predicted(run, new, *overrides)


def test_the_table_itself_is_not_written_over(run: Run, new: Path) -> None:
    with pytest.raises(UserError, match=r"is the table itself"):
        predicted(run, new, f"output={new}")
    parts = new.parent / "parts"
    parts.mkdir()
    pl.read_csv(new).write_parquet(parts / "1.parquet")
    with pytest.raises(UserError, match=r"lies in the folder that is the table"):
        predicted(run, parts, f"output={parts / '2.parquet'}")
    assert [path.name for path in parts.iterdir()] == ["1.parquet"]


def test_a_link_goes_on_leading_where_it_led(run: Run, new: Path) -> None:
    (new.parent / "link.csv").symlink_to("behind.csv")
    expected = predicted(run, new)
    predicted(run, new, f"output={new.parent / 'link.csv'}")
    assert (new.parent / "link.csv").is_symlink()
    assert pl.read_csv(new.parent / "behind.csv").equals(expected)
    (new.parent / "loop.csv").symlink_to("loop.csv")
    with pytest.raises(UserError, match="a link to a file that does not exist"):
        predicted(run, new.parent / "loop.csv")


@pytest.mark.parametrize(("name", "output"), [("predict", "output.csv"), ("evaluate", "output.json")])
def test_an_output_that_cannot_be_written(run: Run, new: Path, name: str, output: str) -> None:
    path = new.parent / output
    path.mkdir()
    arguments = (f"run={run.path}", f"data.path={new}", f"output={path}")
    with pytest.raises(UserError, match="is a folder"):
        getattr(jobs, name)(compose_job(name, *arguments))
    with pytest.raises(RunError, match="cannot be written"):
        getattr(jobs, name)(compose_job(name, *arguments[:2], f"output=/proc/{output}"))


def test_a_reader_that_has_seen_enough_is_no_failure(run: Run, new: Path) -> None:
    pl.concat([pl.read_csv(new)] * 400).write_csv(new)  # more than a pipe holds
    with subprocess.Popen(
        [sys.executable, ROOT / "predict.py", f"run={run.path}", f"data.path={new}", "output=-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout.readline() == "probability,class\n"
        process.stdout.close()
        told = process.stderr.read()
    assert "Error" not in told and "Traceback" not in told
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("name", "more"), [("predict", ("output=-",)), ("evaluate", ()), ("explain", ()), ("evaluate", ("output=-",))]
)
def test_a_full_disk_behind_standard_output_is_told(run: Run, new: Path, name: str, more: tuple[str, ...]) -> None:
    table = () if name == "explain" else (f"data.path={new}",)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, ROOT / f"{name}.py", f"run={run.path}", *table, *more],
            stdout=full, stderr=subprocess.PIPE, text=True, env=environment(),
        )  # fmt: skip
    assert done.returncode == 1
    told = done.stderr.replace("\n", " ")
    assert "No space left on device" in told
    assert "Traceback" not in told and "overrides" not in told and "Exception" not in told


def test_a_full_disk_is_told_by_parquet_too(run: Run, new: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    pl.concat([pl.read_csv(new)] * 40).write_csv(new)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        with pytest.raises(RunError, match=r"predictions\.parquet cannot be written: .*File too large"):
            predicted(run, new, f"output={new.parent / 'predictions.parquet'}", "keep=all")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in new.parent.iterdir()] == ["new.csv"]


def test_a_new_file_is_read_as_the_training_table_was(tmp_path: Path) -> None:
    rows = [f"{number % 7},5;{number % 3 or '-'};{number % 2}" for number in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["größe;stufe;y", *rows]), encoding="latin-1")
    dialect = ("data.separator=semicolon", "data.encoding=latin-1", "data.decimal_comma=true", 'data.null_values=["-"]')
    table = ("data=table", f"data.path={tmp_path / 't.csv'}", "data.target=y", "data.missing=mean", "trainer.max_epochs=3")
    run = Run(tmp_path / "run", train(compose_config(*table, *dialect, directory=tmp_path / "run")))
    expected = predicted(run, tmp_path / "t.csv")
    assert predicted(run, tmp_path / "t.csv", *dialect).equals(expected)
    plain = (tmp_path / "t.csv").read_text("latin-1").replace(",", ".").replace(";", ",").replace("-", "")
    (tmp_path / "plain.csv").write_text(plain)
    said = ("data.separator=comma", "data.encoding=utf-8", "data.decimal_comma=false", "data.null_values=[]")
    assert predicted(run, tmp_path / "plain.csv", *said).equals(expected)
    with pytest.raises(UserError, match=r"'0,5', which is no number\. .* type data\.decimal_comma=true"):
        predicted(run, tmp_path / "t.csv", "data.decimal_comma=false")


def test_a_moved_run_and_a_single_checkpoint_predict_alike(run: Run, new: Path, tmp_path: Path) -> None:
    expected = predicted(run, new)
    moved = tmp_path / "elsewhere"
    shutil.copytree(run.path, moved)
    shutil.rmtree(moved / ".hydra")
    assert predicted(Run(moved), new).equals(expected)
    assert predicted(Run(moved / "checkpoints" / "best.ckpt"), new).equals(expected)


def test_the_best_weights_predict_where_there_were_val_rows(run: Run, tmp_path: Path) -> None:
    assert torch.equal(load_model(run.path).network.weight, run.state("best")["network.linear.weight"][0])
    other = train_table(tmp_path, "data.split=none", "threshold=0.5", "optimizer.lr=3", "trainer.max_epochs=5")
    assert not torch.equal(other.state("best")["network.linear.weight"], other.state("last")["network.linear.weight"])
    assert torch.equal(load_model(other.path).network.weight, other.state("last")["network.linear.weight"][0])


def test_evaluate_is_scikit_learn_on_the_predictions(run: Run, new: Path, capsys: pytest.CaptureFixture) -> None:
    output = new.parent / "metrics.json"
    jobs.evaluate(compose_job("evaluate", f"run={run.path}", f"data.path={new}", f"output={output}"))
    metrics = json.loads(output.read_text())
    frame = predicted(run, new, "keep=[passed]")
    target = (frame["passed"] == "yes").to_numpy()
    assert metrics["auroc"] == pytest.approx(sk.roc_auc_score(target, frame["probability"]), abs=1e-6)
    assert metrics["log_loss"] == pytest.approx(sk.log_loss(target, frame["probability"].cast(float)), abs=1e-6)
    assert metrics["accuracy"] == pytest.approx((target == (frame["class"] == "yes").to_numpy()).mean())
    train = pl.read_csv(run.path.parent / "table.csv")
    assert metrics["base_log_loss"] == pytest.approx(sk.log_loss(target, np.full(250, run.json()["train/base_rate"])), abs=1e-6)
    assert abs(run.json()["train/base_rate"] - (train["passed"] == "yes").mean()) < 0.01
    assert "  AUROC" in capsys.readouterr().out


def test_evaluate_takes_row_weights(run: Run, new: Path, capsys: pytest.CaptureFixture) -> None:
    weight = np.random.default_rng(1).uniform(0.1, 2, 250)
    pl.read_csv(new).with_columns(w=weight).write_csv(new)
    jobs.evaluate(compose_job("evaluate", f"run={run.path}", f"data.path={new}", "data.weight=w", "output=-"))
    metrics = json.loads(capsys.readouterr().out)
    frame = predicted(run, new, "keep=[passed]")
    target = (frame["passed"] == "yes").to_numpy()
    assert metrics["brier"] == pytest.approx(
        sk.brier_score_loss(target, frame["probability"].cast(float), sample_weight=weight), abs=1e-6
    )


def test_the_tutorials_runs_predict_too(fit, tmp_path: Path) -> None:
    run = fit()
    (tmp_path / "toy.csv").write_text("x2,x1,y\n2,1,0\n3,5,1\n")
    frame = predicted(run, tmp_path / "toy.csv")
    weight, bias = run.state()["network.0.weight"][0], run.state()["network.0.bias"]
    expected = (torch.tensor([[1.0, 2.0], [5.0, 3.0]]) @ weight + bias).sigmoid()
    np.testing.assert_allclose(frame["probability"], expected, rtol=1e-5)
    assert frame["class"].to_list() == [0, 1]


def door(name: str, *arguments: str, cwd: Path) -> Ran:
    return run_command(name, *arguments, cwd=cwd)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["predict", "explain"])
def test_a_trained_model_needs_torch_and_little_more(run: Run, new: Path, name: str) -> None:
    table = (f"data.path={new}", "output=p.csv") if name == "predict" else ()
    because = "it is about what is imported"
    ran = run_anew(name, f"run={run.path}", *table, cwd=new.parent, python=("-X", "importtime"), because=because)
    assert ran.returncode == 0
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in ran.stderr.splitlines() if "|" in line}
    assert "torch" in imported
    assert not imported & {"lightning", "torchmetrics", "tensorboard", "scipy", "sklearn", "matplotlib", "pandas", "onnx"}


@pytest.mark.slow
def test_the_doors_as_a_person_opens_them(run: Run, new: Path) -> None:
    done = door("predict", f"run={run.path}", f"data.path={new.name}", "output=-", cwd=new.parent)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 251
    assert done.stderr.splitlines()[-1].startswith("250 predictions in standard output: ")
    done = door("evaluate", f"run={run.path}", f"data.path={new.name}", cwd=new.parent)
    assert done.returncode == 0, done.stderr
    assert "balanced accuracy" in done.stdout
    done = door("predict", f"run={run.path}", f"data.path={new.name}", "outptu=-", cwd=new.parent)
    assert done.returncode == 2
    assert "Did you mean 'output'?" in done.stderr
    done = door("evaluate", f"run={run.path}", cwd=new.parent)
    assert done.returncode == 2
    assert [path.name for path in new.parent.iterdir()] == ["new.csv"]  # no folders of Hydra's


def test_true_and_false_are_the_same_however_they_are_written(tmp_path):
    rows = [(value, (number * 7 + value) % 3 == 0) for number in range(60) for value in (0, 1)]
    words = {"upper": ("FALSE", "TRUE"), "lower": ("false", "true"), "mixed": ("False", "true")}
    for name, (no, yes) in words.items():
        lines = "".join(f"{yes if value else no},{number % 5},{int(answer)}\n" for number, (value, answer) in enumerate(rows))
        (tmp_path / f"{name}.csv").write_text(f"smokes,age,ill\n{lines}")
    written = f"data.path={tmp_path / 'upper.csv'}"
    train(compose_config("data=table", written, "data.target=ill", "trainer.max_epochs=5", directory=tmp_path / "run"))
    model = load_model(tmp_path / "run")
    reports = {name: predict(model, str(tmp_path / f"{name}.csv"), str(tmp_path / f"{name}.out.csv"), []) for name in words}
    assert all(not report.unseen for report in reports.values())
    outputs = {(tmp_path / f"{name}.out.csv").read_text() for name in words}
    assert len(outputs) == 1
