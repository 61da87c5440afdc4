"""TensorBoard started for real on a run, a resumed run and a sweep: what its server answers, and what its tabs show."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from processes import Forked, environment
from runs import Run

RUN, RESUMED = "run", "resumed"
MEMBERS = {f"sweep/optimizer.lr={rate}": rate for rate in (0.1, 1)}
"""The runs of the sweep, and what differs."""

TABS = ("timeseries", "scalars", "custom_scalars", "images", "distributions", "histograms", "hparams", "pr_curves", "text")
SCREENSHOTS = os.environ.get("LOGITLAB_SCREENSHOTS")
"""A folder to keep the screenshots in."""


def train(folder, *arguments):
    process = Forked(arguments, folder, {"OMP_NUM_THREADS": "1"})
    assert process.wait() == 0, process.output()


@pytest.fixture(scope="session")
def logdir(tmp_path_factory):
    """A run with pictures, a run that was resumed, and a sweep of two."""
    pytest.importorskip("matplotlib", reason="the pictures need the extra: pip install -e '.[pictures]'")
    folder = tmp_path_factory.mktemp("outputs")
    train(folder, "results=pictures", f"hydra.run.dir={folder / RUN}")
    train(folder, "trainer.max_epochs=20", f"hydra.run.dir={folder / RESUMED}")
    train(folder, "trainer.max_epochs=40", f"ckpt_path={folder / RESUMED}")
    train(folder, "-m", "optimizer.lr=0.1,1", "trainer.max_epochs=50", f"hydra.sweep.dir={folder / 'sweep'}")
    return folder


@pytest.fixture(scope="session")
def server(logdir):
    """The address of a TensorBoard that has read the folder."""
    log = (logdir / "tensorboard.log").open("w+")
    options = ("--port", "0", "--load_fast", "false", "--samples_per_plugin", "scalars=20000,images=100")
    command = [sys.executable, "-W", "ignore", "-m", "tensorboard.main", "--logdir", str(logdir), *options]
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment())
    try:
        deadline, address = time.monotonic() + 90, None
        while time.monotonic() < deadline:
            assert process.poll() is None, Path(log.name).read_text()
            found = re.search(r"http://\S+:\d+", Path(log.name).read_text())
            if found and address is None:
                address = found[0]
            with contextlib.suppress(OSError):
                if address and len(ask(address, "runs")) >= 4:
                    break
            time.sleep(0.3)
        yield address
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def ask(address, route, body=None, **query):
    """Return TensorBoard's answer as JSON, or as it is where it is none."""
    url = f"{address}/data/{route}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        content = answer.read()
    try:
        return json.loads(content)
    except ValueError:
        return content


def test_every_run_is_there(server):
    assert {RUN, RESUMED, *MEMBERS} <= set(ask(server, "runs"))


def test_scalars_hold_every_point_of_the_toy_job(server):
    points = ask(server, "plugin/scalars/scalars", run=RUN, tag="train/loss")
    assert [step for _, step, _ in points] == list(range(1001))
    assert f"{points[0][2]:.6f}" == "0.539713" and f"{points[-1][2]:.6f}" == "0.019843"


def test_a_resumed_run_is_one_curve(server):
    points = ask(server, "plugin/scalars/scalars", run=RESUMED, tag="train/loss")
    assert [step for _, step, _ in points] == list(range(40))


def test_the_custom_layout_finds_what_it_names(server, logdir):
    layout = ask(server, "plugin/custom_scalars/layout")
    charts = {chart["title"]: chart["multiline"]["tag"] for group in layout["category"] for chart in group["chart"]}
    assert {"loss", "metrics", "calibration", "weights and bias", "gradient norm", "learning rate"} <= set(charts)
    for title, tags in {"loss": {"train/loss"}, "weights and bias": {"weight/x1", "weight/x2", "bias"}}.items():
        found = set()
        for pattern in charts[title]:
            answer = ask(server, "plugin/custom_scalars/scalars", run=RUN, tag=pattern)
            assert answer["regex_valid"]
            found |= set(answer["tag_to_events"])
        assert found == tags


def test_hparams_compare_the_runs_by_real_metrics(server, logdir):
    experiment = ask(
        server, "plugin/hparams/experiment", body={"experimentName": "", "hparamsLimit": 0, "includeMetrics": True}
    )
    names = {info["name"]["tag"] for info in experiment["metricInfos"]}
    assert "train/loss" in names and "hp_metric" not in names
    request = {
        "experimentName": "",
        "allowedStatuses": ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING", "STATUS_UNKNOWN"],
        "colParams": [{"metric": info["name"]} for info in experiment["metricInfos"]],
        "startIndex": 0,
        "sliceSize": 100,
    }
    groups = ask(server, "plugin/hparams/session_groups", body=request)["sessionGroups"]
    values = {}
    for group in groups:
        for value in group["metricValues"]:
            if value["name"]["tag"] == "train/loss":
                values[group["sessions"][0]["name"]] = value["value"]
    for member in MEMBERS:
        assert values[member] == pytest.approx(Run(logdir / member).curve()[49])
    rates = {group["sessions"][0]["name"]: group["hparams"].get("optimizer.lr") for group in groups}
    assert {member: rates[member] for member in MEMBERS} == MEMBERS


def test_images_have_a_step_for_every_state(server):
    tags = ask(server, "plugin/images/tags")[RUN]
    assert {"training/probability", "training/loss_surface", "training/row_losses", "training_result/train_roc"} <= set(tags)
    images = ask(server, "plugin/images/images", run=RUN, tag="training/probability", sample=0)
    assert [image["step"] for image in images] == [0, 1, 4, 16, 64, 256, 1001]
    assert ask(server, f"plugin/images/individualImage?{images[-1]['query']}").startswith(b"\x89PNG")


def test_pr_curves_histograms_and_text(server):
    curves = ask(server, "plugin/pr_curves/pr_curves", run=RUN, tag="train/pr_curve")[RUN]
    assert [each["step"] for each in curves] == [0, 1, 4, 16, 64, 256, 1001]
    curve = curves[-1]
    assert max(curve["precision"]) == 1.0 and len(curve["recall"]) > 100
    assert set(ask(server, "plugin/histograms/tags")[RUN]) >= {
        "weights",
        "train/logits/class_0",
        "train/probabilities/class_1",
    }
    histograms = ask(server, "plugin/histograms/histograms", run=RUN, tag="train/probabilities/class_1")
    assert [step for _, step, _ in histograms] == [0, 1, 4, 16, 64, 256, 1001]
    buckets = histograms[-1][2]
    assert sum(count for _, _, count in buckets) == 3
    tags = ask(server, "plugin/text/tags")[RUN]
    shown = " ".join(ask(server, "plugin/text/text", run=RUN, tag=tag)[0]["text"] for tag in tags)
    assert "max_epochs" in shown and "x2" in shown


@pytest.mark.parametrize("tab", TABS)
def test_each_tab_opens_and_shows_no_error(server, open_page, tab):
    page = open_page(f"{server}/#{tab}")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1500)
    text = page.evaluate("document.body.innerText")
    assert not re.search(r"no dashboards are active|failed to|an error|no data|could not", text, re.IGNORECASE), text[:500]
    if SCREENSHOTS:
        page.screenshot(path=str(Path(SCREENSHOTS) / f"{tab}.png"))
