"""explain.py: sentences that follow from coefficients.csv, and parts of a logit that add up to the prediction."""

import csv
import math
import re
import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from runs import Run, compose_config
from trained import compose_job, train_table

from logitlab.errors import UserError
from logitlab.experiment import train
from logitlab.inference import jobs
from logitlab.inference.explanation import in_digits
from logitlab.inference.model_file import load_model
from logitlab.number_format import apart

HEAD = "Each sentence is about one column, the other columns held fixed"
TO_THE_OPTIMUM = ("optimizer=newton", "data.split=none", "threshold=0.5")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train_table(tmp_path_factory.mktemp("explained"), *TO_THE_OPTIMUM, "penalty=elastic_net")


def said(capsys: pytest.CaptureFixture[str], *overrides: str) -> list[str]:
    """Return what explain.py prints, without the line about the other columns."""
    capsys.readouterr()
    jobs.explain(compose_job("explain", *overrides))
    return [line for line in capsys.readouterr().out.splitlines() if not line.startswith(HEAD)]


def csv_of(run: Run) -> dict[str, dict[str, str]]:
    with (run.path / "coefficients.csv").open() as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def test_the_sentences_carry_the_numbers_of_the_table(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    age, linz, wien, height, whole = said(capsys, f"run={run.path}")
    row = csv_of(run)["age"]
    ratio, low, high = (f"{float(row[name]):.3g}" for name in ("odds_ratio", "odds_ratio_low", "odds_ratio_high"))
    assert age.startswith(
        f"Each further unit of age multiplies the odds of passed=yes by {ratio} (95 % interval {low} to {high}); on average"
        " it raises the probability by "
    )
    assert linz.startswith("Where city is Linz, the odds of passed=yes are ")
    assert "times those where it is Graz" in wien
    assert height.endswith("Whether it raises or lowers them these rows do not settle.")
    table = pl.read_csv(run.path.parent / "table.csv")
    average = float(whole.split()[-1].rstrip("."))
    logit = float(csv_of(run)["bias"]["estimate"])
    for name, values in (("age", table["age"]), ("height", table["height"])):
        logit += float(csv_of(run)[name]["estimate"]) * values.mean()
    for city in ("Linz", "Wien"):
        logit += float(csv_of(run)[f"city={city}"]["estimate"]) * (table["city"] == city).mean()
    assert average == pytest.approx(1 / (1 + math.exp(-logit)), abs=6e-4)


def test_a_step_is_told_by_the_average_difference_that_it_makes(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """mean p(x + 1) - p(x), which is not the derivative where the probability bends."""
    jobs.explain(compose_job("explain", f"run={run.path}"))
    printed = capsys.readouterr().out
    assert printed.startswith(HEAD)
    model, table = load_model(run.path), pl.read_csv(run.path.parent / "table.csv")
    difference = model.probability(table.with_columns(pl.col("age") + 1)) - model.probability(table)
    told = re.search(r"unit of age .* raises the probability by ([\d.e-]+)\.", printed)
    assert told and float(told[1]) == pytest.approx(difference.mean().item(), rel=5e-3)
    assert float(csv_of(run)["age"]["step_effect"]) == pytest.approx(difference.mean().item(), rel=1e-5)


def curved(path: Path) -> pl.DataFrame:
    """Write 600 rows: age and its square, ped (far from a line), dose and male and their product, a column of tiny numbers."""
    draw = np.random.default_rng(4)
    age, ped, dose = draw.normal(45, 12, 600).round(1), draw.gamma(2, 0.25, 600).round(3), draw.normal(0, 1, 600).round(2)
    male, tiny, small = draw.integers(0, 2, 600), draw.normal(0, 3e-7, 600), draw.normal(0, 20_000, 600).round()
    logit = -1 + 2.5 * ped + 0.1 * (age - 45) - 0.004 * (age - 45) ** 2 + 0.5 * dose * male
    columns = {"age": age, "age_squared": age**2, "ped": ped, "dose": dose, "male": male, "dose_male": dose * male}
    answer = (logit + draw.logistic(size=600) > 0).astype(int)
    frame = pl.DataFrame({**columns, "tiny": tiny, "small": small, "y": answer})
    frame.write_csv(path)
    return frame


def test_columns_that_move_together_are_told_together_and_tiny_ones_by_their_deviation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = curved(tmp_path / "curved.csv")
    where = ("data=table", "penalty=elastic_net", f"data.path={tmp_path / 'curved.csv'}", "data.target=y", "data.split=none")
    train(compose_config(*where, "optimizer=newton", directory=tmp_path / "run"))
    age, squared, ped, dose, male, product, tiny, small, _ = said(capsys, f"run={tmp_path / 'run'}")
    model, p = load_model(tmp_path / "run"), load_model(tmp_path / "run").probability(frame)

    def difference(**changed) -> float:
        return (model.probability(frame.with_columns(**changed)) - p).mean().item()

    def told(sentence: str) -> float:
        found = re.search(r"(raises|lowers) the probability by ([\d.e-]+\d)", sentence)
        assert found
        return float(found[2]) * (1 if found[1] == "raises" else -1)

    assert age.startswith("Each further unit of age, with age_squared moving along, on average")
    assert told(age) == pytest.approx(difference(age=pl.col("age") + 1, age_squared=(pl.col("age") + 1) ** 2), rel=5e-3)
    assert squared == "age_squared is age times age: it moves with age, and is told there."
    assert told(dose) == pytest.approx(
        difference(dose=pl.col("dose") + 1, dose_male=(pl.col("dose") + 1) * pl.col("male")), rel=5e-3
    )
    on, off = difference(male=1, dose_male=pl.col("dose")), difference(male=0, dose_male=0.0)
    assert male.startswith("male at 1 instead of 0, with dose_male moving along,")
    assert told(male) == pytest.approx(on - off, rel=5e-3, abs=1e-6)
    assert product == "dose_male is dose times male: it moves with dose and male, and is told there."
    assert told(ped) == pytest.approx(difference(ped=pl.col("ped") + 1), rel=5e-3)
    row = csv_of(Run(tmp_path / "run"))["ped"]
    assert abs(float(row["marginal_effect"]) / told(ped) - 1) > 0.05  # the slope is another number
    spread = frame["tiny"].std(ddof=0)
    assert tiny.startswith(f"Each further {spread:.3g} of tiny (its standard deviation) multiplies the odds of y=1 by ")
    assert "e+" not in tiny and told(tiny) == pytest.approx(difference(tiny=pl.col("tiny") + spread), rel=5e-3)
    assert small.startswith("Each further 10,000 of small multiplies")


def test_an_interval_near_1_keeps_the_digits_that_tell_its_ends_apart() -> None:
    assert apart([1.004, 1.0003, 1.0078]) == ["1.004", "1.0003", "1.0078"]
    assert apart([1.0000206, 1.0000113, 1.0000299], 4) == ["1.00002", "1.00001", "1.00003"]
    assert apart([2.39, 1.39, 4.09]) == ["2.39", "1.39", "4.09"]
    assert apart([1.0, 0.5, math.inf]) == ["1", "0.5", "infinity"]
    assert apart([1e300, 1e-200, math.nan]) == [">1e+100", "<1e-100", "-"]


@pytest.mark.parametrize("against", ["average", "zero"])
@pytest.mark.parametrize("number", [1, 123, 300])
def test_the_parts_of_a_row_add_up_to_its_prediction(
    run: Run, number: int, against: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = run.path.parent / "table.csv"
    head, *lines = said(capsys, f"run={run.path}", f"data.path={table}", f"row={number}", f"against={against}")
    assert head.startswith(f"Row {number} of {table}, each column against ")
    cells = [re.split(r"\s{2,}", line.strip()) for line in lines]
    start, parts, logit = float(cells[0][-1]), cells[1:4], float(cells[4][-1])
    assert {part[0] for part in parts} == {"age", "city", "height"}
    assert sum(float(part[-1]) for part in parts) + start == pytest.approx(logit, abs=3e-4)
    sizes = [abs(float(part[-1])) for part in parts]
    assert sizes == sorted(sizes, reverse=True)
    expected = load_model(run.path).probability(pl.read_csv(table)[number - 1]).item()
    assert float(cells[5][-1]) == pytest.approx(expected, abs=6e-5)
    assert cells[6] == ["class", "(threshold 0.5)", "yes" if expected >= 0.5 else "no"]


def test_a_run_directory_can_be_moved(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = said(capsys, f"run={run.path}")
    shutil.copytree(run.path, tmp_path / "elsewhere")
    assert said(capsys, f"run={tmp_path / 'elsewhere'}") == before
    assert said(capsys, f"run={tmp_path / 'elsewhere' / 'checkpoints' / 'last.ckpt'}") == before


@pytest.mark.parametrize("spoilt", ["missing", "other weights", "no numbers"])
def test_without_the_table_of_this_model_there_are_no_intervals(
    run: Run, tmp_path: Path, spoilt: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run.path, tmp_path / "copy")
    path = tmp_path / "copy" / "coefficients.csv"
    if spoilt == "missing":
        path.unlink()
    elif spoilt == "no numbers":
        path.write_text("name,estimate\nage,what\n")
    else:
        pl.read_csv(path).with_columns(pl.col("estimate") * 1.01).write_csv(path)
    note, age, *_ = said(capsys, f"run={tmp_path / 'copy'}")
    assert note.startswith("No intervals: ")
    assert "interval" not in age
    table = run.path.parent / "table.csv"
    assert "against 0" in said(capsys, f"run={tmp_path / 'copy'}", f"data.path={table}", "row=1")[0]


def test_separable_classes_are_explained_without_intervals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(compose_config("trainer.max_epochs=1001", directory=tmp_path / "run"))
    note, x1, *_ = said(capsys, f"run={tmp_path / 'run'}")
    assert note.startswith("No intervals: the classes are separable")
    assert x1.startswith("Each further 0.1 of x1 multiplies the odds of y=1 by 1.38; on average")  # e^0.32534


def test_missing_values_and_dates_have_words_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw = np.random.default_rng(2)
    pay, day = draw.normal(40_000, 9_000, 400), draw.integers(0, 900, 400)
    answer = (pay / 9_000 - 4.4 + day / 300 - 1.5 + draw.logistic(size=400) > 0).astype(int)
    frame = pl.DataFrame({"pay": pay, "joined": [date(2020, 1, 1) + timedelta(days=int(each)) for each in day], "left": answer})
    frame = frame.with_columns(pay=pl.when(pl.Series(draw.random(400) < 0.1)).then(None).otherwise("pay"))
    frame.write_csv(tmp_path / "staff.csv")
    where = (
        "data=table",
        "penalty=elastic_net",
        f"data.path={tmp_path / 'staff.csv'}",
        "data.target=left",
        "data.missing=mean",
        "data.split=none",
    )
    train(compose_config(*where, "optimizer=newton", directory=tmp_path / "run"))
    pay_said, missing, joined, _ = said(capsys, f"run={tmp_path / 'run'}")
    assert pay_said.startswith("Each further 10,000 of pay multiplies the odds of left=1 by ")
    assert missing.startswith("Where pay is missing, the odds of left=1 are ")
    assert "times those of a row with the average value" in missing
    assert joined.startswith("Each further 100 days of joined multiplies the odds of left=1 by ")
    row = 1 + frame["pay"].is_null().arg_true()[0]
    lines = said(capsys, f"run={tmp_path / 'run'}", f"data.path={tmp_path / 'staff.csv'}", f"row={row}")
    assert any(re.match(r"  pay +missing +[+-]", line) for line in lines)
    assert any(re.match(r"  joined +202\d-\d\d-\d\d +[+-]", line) for line in lines)


def test_a_column_may_be_called_bias(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw = np.random.default_rng(3)
    x, z = draw.normal(size=(2, 200)).round(2)
    answer = (x - z + draw.logistic(size=200) > 0).astype(int)
    pl.DataFrame({"bias": x, "z": z, "y": answer}).write_csv(tmp_path / "t.csv")
    where = ("data=table", "penalty=elastic_net", f"data.path={tmp_path / 't.csv'}", "data.target=y", "data.split=none")
    train(compose_config(*where, "optimizer=newton", directory=tmp_path / "run"))
    first, *_ = said(capsys, f"run={tmp_path / 'run'}")
    assert first.startswith("Each further unit of bias multiplies the odds of y=1 by ")
    assert "95 % interval" in first


def test_a_new_category_is_called_new_and_adds_nothing(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "new.csv").write_text("나이,age,city,height\n1,40,Bregenz,1.7\n")
    lines = said(capsys, f"run={run.path}", f"data.path={tmp_path / 'new.csv'}", "row=1")
    assert any(re.match(r"  city +Bregenz \(new\) +[+-]0\.0000$", line) for line in lines)


def test_recalibrated_probabilities_are_those_that_predict_gives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train_table(tmp_path, "calibration=platt", "threshold=0.5")
    lines = said(capsys, f"run={run.path}", f"data.path={tmp_path / 'table.csv'}", "row=5")
    expected = load_model(run.path).probability(pl.read_csv(tmp_path / "table.csv")[4]).item()
    assert float(lines[-2].split()[-1]) == pytest.approx(expected, abs=6e-5)
    assert any("after a recalibration" in line for line in said(capsys, f"run={run.path}"))
    assert torch.load(run.path / "checkpoints" / "best.ckpt", weights_only=True)["recalibration"] is not None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("row=3",), "data.path=new.csv row=7"),
        (("data.path=TABLE",), "data.path=new.csv row=7"),
        (("data.path=TABLE", "row=301"), "has 300 rows"),
        (("data.path=none.csv", "row=1"), "none.csv"),
        (("data.path=TABLE", "row=0"), "row takes a whole number from 1 up"),
    ],
)
def test_a_wrong_row_is_answered(run: Run, overrides: tuple[str, ...], message: str) -> None:
    table = str(run.path.parent / "table.csv")
    with pytest.raises(UserError, match=re.escape(message)):
        jobs.explain(compose_job("explain", f"run={run.path}", *(each.replace("TABLE", table) for each in overrides)))


@pytest.mark.parametrize(
    ("probability", "shown"),
    [(0.0, "0.0000"), (7.6e-7, "7.6e-07"), (0.9366, "0.9366"), (0.999999, "1 - 1.0e-06"), (1.0, "1.0000")],
)
def test_a_probability_near_0_or_1_is_not_rounded_to_it(probability: float, shown: str) -> None:
    assert in_digits(probability) == shown
