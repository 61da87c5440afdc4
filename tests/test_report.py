"""The numbers that report.html carries, against the run they come from. What its script does with them: tests/browser."""

import csv
import html
import json
import re
import resource
import shutil
from datetime import date

import numpy as np
import polars as pl
import pytest
import torch
from omegaconf import OmegaConf
from processes import run_command
from sklearn.metrics import confusion_matrix, log_loss, roc_auc_score

from logitlab.data.category import Category
from logitlab.data.columns import Date, Number
from logitlab.data.examples import Examples
from logitlab.data.preprocessing import Preprocessing
from logitlab.data.scaling import Scaling
from logitlab.errors import RunError, UserError
from logitlab.inference.model_file import load_model
from logitlab.reporting import evaluation, job, page, replay, what_if
from logitlab.reporting.record import Record, read, read_members, thinned
from logitlab.sweeps import member
from logitlab.sweeps.member import Status
from logitlab.sweeps.report import report as write_table

TOY = np.array([[1, 2], [2, 3], [3, 1], [4, 3], [5, 3], [6, 2]], dtype=float)
LABELS = np.array([0, 0, 0, 1, 1, 1])


def carried(text: str) -> dict:
    """Return the data that a page carries for its script."""
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)[1])


def test_the_frames_are_the_weights_and_losses_of_the_run(fit):
    run = fit("trainer.max_epochs=30")
    frames = carried(job.run_report(run.path))["frames"]
    assert frames["steps"] == list(range(31))
    losses = run.curve("train/loss")
    for at in (0, 7, 29):
        assert frames["losses"][at] == pytest.approx(losses[at], rel=1e-4)
        assert frames["weights"][at][0] == pytest.approx(run.curve("weight/x1")[at], rel=1e-5)
    assert frames["x"] == TOY.tolist() and frames["y"] == LABELS.tolist()


def test_one_feature_in_scaled_units_is_shown_in_its_own(fit):
    run = fit("data=scores", "trainer.max_epochs=20")
    frames = carried(job.run_report(run.path))["frames"]
    assert [row[0] for row in frames["x"]] == [45, 50, 55, 60, 65, 70]
    weight, bias = frames["weights"][-1]
    logit = weight * np.array([45, 50, 55, 60, 65, 70]) + bias
    assert frames["losses"][-1] == pytest.approx(np.mean(np.logaddexp(0, logit) - LABELS * logit), rel=1e-3)
    surface = frames["surface"]
    at = np.array(surface["loss"]).reshape(len(surface["y"]), len(surface["x"]))[3, 5]
    logit = surface["x"][5] * np.array([45, 50, 55, 60, 65, 70]) + surface["y"][3]
    assert at == pytest.approx(np.mean(np.logaddexp(0, logit) - LABELS * logit), rel=1e-3)


def test_the_counts_at_every_threshold_are_scikit_learns():
    generator = np.random.default_rng(5)
    target = generator.integers(0, 2, 300)
    probability = np.round(generator.random(300), 2).astype(np.float32)
    found = evaluation.thresholds(torch.tensor(probability), torch.tensor(target), 0.4321)
    assert found["cuts"][found["start"]] == 0.4321 and len(found["cuts"]) == 1002
    for at in (0, found["start"], 500, 700, 1001):
        called = probability >= np.float32(found["cuts"][at])
        (tn, fp), (fn, tp) = confusion_matrix(target, called, labels=[0, 1])
        assert (found["tp"][at], found["fp"][at]) == (tp, fp)
        assert found["positives"] - tp == fn and found["negatives"] - fp == tn


def test_rows_of_one_class_have_no_threshold_to_move():
    assert evaluation.thresholds(torch.tensor([0.1, 0.9]), torch.tensor([0.0, 0.0]), 0.5) is None


def test_frames_are_dense_at_the_start_and_hold_both_ends():
    places = replay.frame_places(5000)
    assert places[:20] == list(range(20)) and places[-1] == 4999 and len(places) <= replay.FRAMES + 22
    assert replay.frame_places(3) == [0, 1, 2]


def test_the_page_stands_alone_and_is_small(fit):
    text = job.run_report(fit("trainer.max_epochs=20").path)
    assert len(text) < 2_000_000
    assert not re.search(r'(src|href)="(?!#|data:)', text)
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    for word in ("toy · sequential", "In the data's own units", "Environment", "torch", "none, the weights grow for ever"):
        assert word in text


def test_a_name_cannot_end_the_script(tmp_path):
    record = Record(
        tmp_path, {"train/loss": 1.0}, [], {}, "a: b", [], {"data": "<b>toy</b>"}, {"train/loss": ([0], [float("nan")])}
    )
    data = {"thresholds": {"name": "</script><script>alert(1)"}}
    text = page.run_page(record, data, [])
    assert "alert(1)" in carried(text)["thresholds"]["name"] and "<script>alert" not in text and "<b>toy" not in text
    assert carried(text)["curves"]["train/loss"] == [[0], [None]]


def test_where_the_rows_are_gone_the_rest_is_shown(fit, monkeypatch):
    run = fit("trainer.max_epochs=2")

    def gone(*_):
        raise UserError("data.path=rows.csv: there is no such file.")

    monkeypatch.setattr(replay, "Trained", gone)
    text = job.run_report(run.path)
    assert "there is no such file" in text and "frames" not in carried(text) and carried(text)["curves"]["train/loss"]


def test_a_config_from_elsewhere_is_checked_before_it_is_followed(fit):
    run = fit("trainer.max_epochs=2")
    config = run.path / ".hydra" / "config.yaml"
    config.write_text(config.read_text().replace("logitlab.data.toy.toy", "os.getcwd"))
    text = job.run_report(run.path)
    assert "it names data.source._target_=os.getcwd, and no file of your conf/data/ names that" in text


def test_a_sweep_is_compared_by_what_differs(fit, tmp_path):
    for number, lr in enumerate(("0.1", "1")):
        run = fit(f"optimizer.lr={lr}", "trainer.max_epochs=3", directory=tmp_path / "sweep" / str(number))
        (run.path / ".hydra" / "overrides.yaml").write_text(f"- optimizer.lr={lr}\n- trainer.max_epochs=3\n")
    losses = [record.metrics["train/loss"] for record in read_members(tmp_path / "sweep")]
    assert len(losses) == 2 and losses == sorted(losses)
    text = job.sweep_report(tmp_path / "sweep")
    assert {line["name"] for line in carried(text)["lines"]["train/loss"]} == {"optimizer.lr=0.1", "optimizer.lr=1"}
    assert "<td>0.1</td>" in text and "trainer.max_epochs" not in text


def test_a_run_that_was_killed_shows_what_it_has_logged(fit):
    run = fit("trainer.max_epochs=12")
    for name in ("metrics.json", "coefficients.csv", "environment.json", "summary.json"):
        (run.path / name).unlink()
    text = job.run_report(run.path)
    assert "This run has not finished" in text and "h-headline" not in text
    assert carried(text)["curves"]["train/loss"][0] == list(range(12)) and len(carried(text)["frames"]["steps"]) == 13
    (run.path / "checkpoints" / "last.ckpt").unlink()
    text = job.run_report(run.path)
    assert "There is no checkpoint" in text and carried(text)["curves"]["train/loss"][0] == list(range(12))


def test_runs_of_a_sweep_that_failed_or_did_not_finish_are_named_with_the_reason(fit, tmp_path):
    sweep = tmp_path / 'a "sweep" <b>'
    for name in ("first", "second"):
        fit("trainer.max_epochs=2", directory=tmp_path / "made" / name)
    (tmp_path / "made").rename(sweep)
    (sweep / "second" / "metrics.json").unlink()
    (sweep / "third").mkdir()
    member.write(
        sweep / "third", Status(member.FAILED, "digest", ["optimizer.lr=-1"], reason="optimizer.lr=-1 is <i>below</i> 0")
    )
    (sweep / "second" / member.STATUS).write_text(json.dumps({"status": member.RUNNING, "digest": "other"}))
    text = job.sweep_report(sweep)
    assert "3 runs in" in text and "2 of them failed or not finished" in text
    assert "optimizer.lr=-1 is &lt;i&gt;below&lt;/i&gt; 0" in text and "<b>" not in text
    rows = re.findall(r'<tr><th scope="row">([a-z]+)</th><td>([a-z ]+)</td>', text)
    assert dict(rows) == {"second": "not finished", "third": "failed"}
    assert len(carried(text)["lines"]["train/loss"]) == 1


def test_of_a_large_sweep_the_best_curves_are_shown(fit, tmp_path):
    run = fit("trainer.max_epochs=2")
    for number in range(20):
        folder = tmp_path / "sweep" / f"seed={number}"
        shutil.copytree(run.path, folder)
        (folder / "metrics.json").write_text(json.dumps({"train/loss": 20.0 - number}))
        (folder / ".hydra" / "overrides.yaml").write_text(f"- seed={number}\n")
    text = job.sweep_report(tmp_path / "sweep")
    (line,) = carried(text)["lines"]["train/loss"]  # seeds are one setting: a curve with its band
    steps, mean, low, high = line["points"]
    assert line["name"] == "all runs" and mean == low == high and len(steps) == 2
    assert "mean of 20 runs over seed" in text and text.count('<tr><th scope="row"') == 20


def test_the_settings_of_a_sweep_are_told_as_its_own_table_has_them(fit, tmp_path):
    for lr in ("0.01", "0.1", "1"):
        for fold in range(3):
            name = f"{lr}-{fold}"
            overrides = [f"optimizer.lr={lr}", f"data.fold={fold}", "data.folds=3"]
            run = fit("data=moons", "trainer.max_epochs=30", *overrides, directory=tmp_path / "sweep" / name)
            value = json.loads((run.path / "metrics.json").read_text())["val/loss"]
            member.write(run.path, Status(member.FINISHED, "digest", overrides, value=value))
    sweep = tmp_path / "sweep"
    assert write_table(sweep, {}) == 0
    with (sweep / "sweep_replicates.csv").open() as file:
        best, second, worst = csv.DictReader(file)
    text = job.sweep_report(sweep)
    for row, words in ((best, "the mean of 3 runs over data.fold"), (second, "is worse by"), (worst, "is the worst of 3")):
        assert f"optimizer.lr={row['optimizer.lr']}" in text and words in text
    said = html.unescape(re.sub("<[^>]+>", " ", text))
    assert f"val/loss {float(best['mean']):.4g}, the mean of 3 runs" in said
    assert f"is worse by {float(second['difference']):.4g}" in said and f"p {float(second['p']):.2g}" in said
    data = carried(text)
    assert data["keys"] == ["optimizer.lr", "data.fold"] and data["others"] == ["optimizer.lr"] and len(data["runs"]) == 9
    assert "data.folds" not in data["keys"] and data["runs"] == sorted(data["runs"], key=lambda run: run[1])
    assert [line["name"] for line in data["lines"]["val/loss"]] == [
        f"optimizer.lr={row['optimizer.lr']}" for row in (best, second, worst)
    ]


def test_the_rows_of_a_table_are_read_back_from_their_features():
    frame = pl.DataFrame(
        {
            "age": [20.0, None, 41.5, 33.0],
            "sex": ["f", "m", "f", "x"],
            "town": ["a", None, "b", "c"],
            "since": [date(2020, 1, 5), date(2021, 3, 1), date(2019, 7, 7), date(2020, 1, 1)],
        }
    )
    train = frame[:3]
    encoders = [
        kind.fit(train[name], True) for kind, name in zip((Number, Category, Category, Date), frame.columns, strict=True)
    ]
    found = what_if.columns_of(encoders, Preprocessing(encoders, Scaling.identity(8)).own_units(frame))
    assert found == [
        [20.0, "f", "a", "2020-01-05"],
        [None, "m", None, "2021-03-01"],
        [41.5, "f", "b", "2019-07-07"],
        [33.0, "", "", "2020-01-01"],
    ]


def test_the_groups_of_a_column_have_the_metrics_of_their_rows():
    generator = np.random.default_rng(3)
    town, age = generator.choice(["a", "b", "c"], 400), generator.normal(50, 10, 400).round(1)
    target, probability = generator.integers(0, 2, 400), generator.random(400)
    encoders = [Category.fit(pl.Series("town", town), False), Number("age")]
    preprocessing = Preprocessing(encoders, Scaling.identity(3))
    features = preprocessing.own_units(pl.DataFrame({"town": town, "age": age}))
    rows = Examples(features, torch.tensor(target)[:, None].float(), preprocessing.feature_names, "y")
    scores = torch.tensor(probability), torch.tensor(probability).logit()
    by_age, by_town = evaluation.slices(preprocessing, rows, scores, 0.5, ["age", "town"])
    assert [each["column"] for each in (by_age, by_town)] == ["age", "town"]
    for group in by_town["groups"]:
        mine = town == group["group"]
        assert group["rows"] == mine.sum()
        assert group["log_loss"] == pytest.approx(log_loss(target[mine], probability[mine]))
        assert group["auroc"] == pytest.approx(roc_auc_score(target[mine], probability[mine]))
        assert group["base_rate"] == pytest.approx(target[mine].mean())
        assert group["mean_probability"] == pytest.approx(probability[mine].mean())
    assert [group["rows"] for group in by_age["groups"]] == pytest.approx([100] * 4, abs=3)


def test_the_worst_rows_are_named_by_their_number_in_the_file(fit, tmp_path):
    generator = np.random.default_rng(8)
    x = generator.normal(size=120).round(3)
    y = (generator.random(120) < 1 / (1 + np.exp(-2 * x))).astype(int)
    path = tmp_path / "rows.csv"
    pl.DataFrame({"x": x, "y": y}).write_csv(path)
    run = fit("data=table", f"data.path={path}", "data.target=y", "optimizer=newton")
    data = carried(job.run_report(run.path))
    assert data["split"] == "test" and data["worst"]
    model = load_model(run.path)
    probability = model.probability(pl.DataFrame({"x": x})).double().numpy()
    with (run.path / "splits.csv").open() as file:
        test = [int(row["row"]) for row in csv.DictReader(file) if row["split"] == "test"]
    loss = {row: -np.log(probability[row - 1] if y[row - 1] else 1 - probability[row - 1]) for row in test}
    expected = sorted((row for row in test if loss[row] > np.log(2)), key=lambda row: -loss[row])[: len(data["worst"])]
    assert [each["row"] for each in data["worst"]] == expected
    for each in data["worst"]:
        assert each["target"] == y[each["row"] - 1] and each["loss"] == pytest.approx(loss[each["row"]], rel=1e-5)


def test_many_features_and_odd_names_make_a_page_that_is_small_and_says_them(tmp_path):
    names = ["</script><script>alert(1)", "공부 시간", 'a "quoted" name', *(f"gene_{number}" for number in range(997))]
    rows = [{"name": name, "estimate": str(number / 1000), "p": "", "indicator": "0"} for number, name in enumerate(names)]
    curves = {f"weight/{name}": ([0, 1], [0.0, 1.0]) for name in names[:16]}
    text = page.run_page(Record(tmp_path, {"train/loss": 1.0}, rows, {}, "a: b", [], {}, curves), {}, [])
    assert len(text.encode()) < 200_000 and "800 more in coefficients.csv" in text
    assert "<script>alert" not in text and "공부 시간" in text and ">estimate</th>" in text
    assert ">p</th>" not in text and ">indicator</th>" not in text
    assert f"weight/{names[0]}" in carried(text)["curves"]


def test_a_column_of_many_categories_makes_a_small_page_that_says_what_it_leaves_out(fit, tmp_path):
    generator = np.random.default_rng(2)
    town, x = generator.integers(0, 350, 3000), generator.normal(size=3000).round(2)
    y = (generator.random(3000) < 1 / (1 + np.exp(-4 * x - (town % 3 - 1)))).astype(int)
    path = tmp_path / "towns.csv"
    pl.DataFrame({"town": [f"t{each:03}" for each in town], "x": x, "y": y}).write_csv(path)
    run = fit("data=table", f"data.path={path}", "data.target=y", "optimizer=newton")
    with (run.path / "coefficients.csv").open() as file:
        features = len(list(csv.DictReader(file))) - 1
    text = job.run_report(run.path)
    data = carried(text)
    assert len(text) < 200_000 and f"There is no form to try values in: a form of {features} features" in text
    assert data["what_if"] is None and f"{features + 1 - page.MOST_COEFFICIENTS} more in coefficients.csv" in text
    by_name = {bar["name"]: bar for bar in data["bars"]}
    assert len(by_name) == page.MOST_BARS and by_name["x"]["deviation"] == pytest.approx(x.std(), rel=0.05)
    assert {bar["deviation"] for name, bar in by_name.items() if name != "x"} == {1.0}
    assert [each["column"] for each in data["slices"]] == ["x", "town"] and len(data["slices"][1]["groups"]) == 12


def test_a_folder_that_is_no_run_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match="there is no run"):
        read(tmp_path)
    with pytest.raises(UserError, match="nor are there any below it"):
        job.sweep_report(tmp_path)


def test_a_report_that_cannot_be_written_leaves_the_one_before(fit):
    run = fit("trainer.max_epochs=3")
    (run.path / "report.html").write_text("before")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limit[1]))
        with pytest.raises(RunError, match=r"report\.html cannot be written: File too large"):
            job.report(OmegaConf.create({"run": str(run.path), "output": None}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert (run.path / "report.html").read_text() == "before"
    assert not list(run.path.glob(".*.tmp"))


def test_a_curve_of_many_points_keeps_its_ends():
    steps, values = thinned(list(range(5000)), [float(step) for step in range(5000)])
    assert len(steps) <= 2101 and steps[0] == 0 and steps[-1] == 4999 and values[-1] == 4999.0


def test_the_headline_is_that_of_the_rows_that_were_kept_back():
    metrics = {"train/loss": 0.1, "val/loss": 0.2, "test/loss": 0.3, "test/auroc": None}
    assert page.headline(metrics) == ("test", [("loss", "0.3", page.MEANING["loss"])])


@pytest.mark.slow
def test_the_door_writes_the_file_and_says_where(fit, run_python):
    run = fit("trainer.max_epochs=2")
    done = run_python("report.py", f"run={run.path}")
    assert done.returncode == 0, done.stderr
    assert str(run.path / "report.html") in done.stdout and (run.path / "report.html").is_file()
    wrong = run_python("report.py", "run=/no/where")
    assert wrong.returncode == 2 and "there is no such folder" in wrong.stderr and "Traceback" not in wrong.stderr


@pytest.fixture
def run_python(tmp_path):
    def run(script: str, *arguments: str):
        return run_command(script.removesuffix(".py"), *arguments, cwd=tmp_path)

    return run


def test_the_curves_of_a_resumed_run_are_read_without_a_word(fit, caplog):
    run = fit("trainer.max_epochs=5")
    fit("trainer.max_epochs=8", f"ckpt_path={run.path}", directory=run.path)
    caplog.clear()
    assert read(run.path).curves["train/loss"][0] == list(range(8))
    assert caplog.records == []
