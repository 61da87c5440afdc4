"""The numbers that report.html carries, against the run they come from. What its script does with them: tests/browser."""

import json
import re
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from processes import ROOT, environment
from sklearn.metrics import confusion_matrix

from logitlab.errors import RunError, UserError
from logitlab.reporting import job, page, replay
from logitlab.reporting.record import Record, read, read_members, thinned
from logitlab.sweeps import member
from logitlab.sweeps.member import Status

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
    found = replay.thresholds(torch.tensor(probability), torch.tensor(target), 0.4321)
    assert found["cuts"][found["start"]] == 0.4321 and len(found["cuts"]) == 1002
    for at in (0, found["start"], 500, 700, 1001):
        called = probability >= np.float32(found["cuts"][at])
        (tn, fp), (fn, tp) = confusion_matrix(target, called, labels=[0, 1])
        assert (found["tp"][at], found["fp"][at]) == (tp, fp)
        assert found["positives"] - tp == fn and found["negatives"] - fp == tn


def test_rows_of_one_class_have_no_threshold_to_move():
    assert replay.thresholds(torch.tensor([0.1, 0.9]), torch.tensor([0.0, 0.0]), 0.5) is None


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
    for word in ("toy · sequential", "Coefficients, in the data", "Environment", "torch"):
        assert word in text


def test_a_name_cannot_end_the_script(tmp_path):
    record = Record(
        tmp_path, {"train/loss": 1.0}, [], {}, "a: b", [], {"data": "<b>toy</b>"}, {"train/loss": ([0], [float("nan")])}
    )
    moving = {"frames": None, "thresholds": {"name": "</script><script>alert(1)"}}
    text = page.run_page(record, moving, {}, [])
    assert "alert(1)" in carried(text)["thresholds"]["name"] and "<script>alert" not in text and "<b>toy" not in text
    assert carried(text)["curves"]["train/loss"] == [[0], [None]]


def test_where_the_rows_are_gone_the_rest_is_shown(fit, monkeypatch):
    run = fit("trainer.max_epochs=2")

    def gone(*_):
        raise UserError("data.path=rows.csv: there is no such file.")

    monkeypatch.setattr(replay, "Trained", gone)
    text = job.run_report(run.path)
    assert "there is no such file" in text and carried(text)["frames"] is None and carried(text)["curves"]["train/loss"]


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
    for name in ("metrics.json", "coefficients.csv", "environment.json"):
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
    assert [line["name"] for line in carried(text)["lines"]["train/loss"]] == [f"seed={number}" for number in range(19, 5, -1)]
    assert "of the 14 runs with the least train/loss" in text and text.count("<tr><th") == 20


def test_many_features_and_odd_names_make_a_page_that_is_small_and_says_them(tmp_path):
    names = ["</script><script>alert(1)", "공부 시간", 'a "quoted" name', *(f"gene_{number}" for number in range(997))]
    rows = [{"name": name, "estimate": str(number / 1000), "p": "", "indicator": "0"} for number, name in enumerate(names)]
    curves = {f"weight/{name}": ([0, 1], [0.0, 1.0]) for name in names[:16]}
    text = page.run_page(Record(tmp_path, {"train/loss": 1.0}, rows, {}, "a: b", [], {}, curves), {"frames": None}, {}, [])
    assert len(text.encode()) < 200_000 and "800 more in coefficients.csv" in text
    assert "<script>alert" not in text and "공부 시간" in text and ">estimate</th>" in text
    assert ">p</th>" not in text and ">indicator</th>" not in text
    assert f"weight/{names[0]}" in carried(text)["curves"]


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
    assert page.headline(metrics) == ("test", [("loss", "0.3000", page.MEANING["loss"])])


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
        command = [sys.executable, str(ROOT / script), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120)

    return run


def test_the_curves_of_a_resumed_run_are_read_without_a_word(fit, caplog):
    run = fit("trainer.max_epochs=5")
    fit("trainer.max_epochs=8", f"ckpt_path={run.path}", directory=run.path)
    caplog.clear()
    assert read(run.path).curves["train/loss"][0] == list(range(8))
    assert caplog.records == []
