"""report.html in a browser that has no network: what moves moves, by mouse and by keyboard, and shows the run's own numbers."""

import csv
import math
import re
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

from logitlab.inference.explanation import contributions, knowledge
from logitlab.inference.model_file import load_model
from logitlab.reporting import job


@pytest.fixture
def report(fit, tmp_path):
    """Write the report of a run and return its address."""

    def write(*overrides):
        run = fit(*overrides)
        path = tmp_path / "report.html"
        path.write_text(job.run_report(run.path), encoding="utf-8")
        return path.as_uri()

    return write


def data(page):
    return page.evaluate("JSON.parse(document.getElementById('data').textContent)")


def set_slider(page, name, value):
    page.locator(f"#{name}").evaluate("(node, value) => { node.value = value; node.dispatchEvent(new Event('input')); }", value)


def test_the_decision_line_is_drawn_where_the_logit_is_zero(report, open_page):
    page = open_page(report("trainer.max_epochs=60"), offline=True)
    frames = data(page)["frames"]
    for at in (0, 10, 60):
        set_slider(page, "frame", at)
        # two points of the drawn line, taken back from pixels to features by the axes' ticks
        ends = page.evaluate(
            """() => {
                const line = document.getElementById('boundary'), svg = line.ownerSVGElement;
                const all = [...svg.querySelectorAll('text.tick')];
                const of_axis = (anchor, at) => all.filter((t) => t.getAttribute('text-anchor') === anchor)
                    .map((t) => [+t.textContent, +t.getAttribute(at)]);
                const across = of_axis('middle', 'x'), up = of_axis('end', 'y').map(([value, at]) => [value, at - 4]);
                const back = ([[a, p], [b, q]]) => (pixel) => a + (pixel - p) * (b - a) / (q - p);
                const x = back(across), y = back(up);
                const of = (name) => +line.getAttribute(name);
                return [[x(of('x1')), y(of('y1'))], [x(of('x2')), y(of('y2'))]];
            }"""
        )
        w1, w2, bias = frames["weights"][at]
        size = math.hypot(w1, w2)
        for x, y in ends:
            assert abs(w1 * x + w2 * y + bias) / size < 1e-3 * max(1.0, abs(x), abs(y))


def test_the_scrubber_obeys_mouse_keyboard_and_buttons(report, open_page):
    page = open_page(report("trainer.max_epochs=60"), offline=True)
    frame, text = page.locator("#frame"), page.locator("#frame-text")
    assert text.inner_text().startswith("after 60 updates")
    frame.focus()
    page.keyboard.press("Home")
    assert text.inner_text().startswith("after 0 updates")
    page.keyboard.press("ArrowRight")
    assert text.inner_text().startswith("after 1 update:")
    page.locator("#forward").click()
    page.locator("#back").click()
    page.locator("#back").click()
    assert text.inner_text().startswith("after 0 updates")
    play = page.locator("#play-frames")
    play.focus()
    page.keyboard.press("Enter")
    assert play.inner_text() == "Pause" and play.get_attribute("aria-pressed") == "true"
    page.wait_for_function("document.getElementById('frame').value > 3")
    page.keyboard.press("Space")
    stopped = frame.input_value()
    page.wait_for_timeout(200)
    assert play.inner_text() == "Play" and frame.input_value() == stopped


def test_the_curve_of_one_feature_moves(report, open_page):
    page = open_page(report("data=hours", "trainer.max_epochs=40"), offline=True)
    last = page.locator("#boundary").get_attribute("d")
    set_slider(page, "frame", 0)
    assert page.locator("#boundary").get_attribute("d") != last
    assert page.locator("#here").get_attribute("cx") is not None


def test_the_threshold_moves_the_counts_and_the_point_on_the_curve(report, open_page):
    page = open_page(report("trainer.max_epochs=20"), offline=True)
    found = data(page)["thresholds"]
    slider = page.locator("#cut")
    slider.focus()
    for key, at in (("Home", 0), ("ArrowRight", 1), ("End", len(found["cuts"]) - 1)):
        page.keyboard.press(key)
        assert slider.input_value() == str(at)
        counts = {name: int(page.locator(f"#{name}").inner_text()) for name in ("tp", "fp", "fn", "tn")}
        tp, fp = found["tp"][at], found["fp"][at]
        assert counts == {"tp": tp, "fp": fp, "fn": found["positives"] - tp, "tn": found["negatives"] - fp}
    places = page.evaluate(
        """(cuts) => cuts.map((at) => {
            const cut = document.getElementById('cut'), of = (id, name) => +document.getElementById(id).getAttribute(name);
            cut.value = at;
            cut.dispatchEvent(new Event('input'));
            return [of('roc-point', 'cx'), of('precision-recall-point', 'cx'), -of('cut-line', 'x1')];
        })""",
        [0, len(found["cuts"]) // 2, len(found["cuts"]) - 1],
    )
    for everything, middle, nothing in zip(*places, strict=True):  # ROC, precision over recall and histogram follow
        assert everything > nothing and everything >= middle >= nothing


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 360), ("dark", 1280)])
def test_it_fits_phone_and_desk_in_light_and_dark(report, open_page, scheme, width, tmp_path):
    table = tmp_path / "long.csv"
    names = [f"number_of_previous_admissions_to_any_hospital_in_the_last_{years}_years" for years in (1, 5)]
    table.write_text(f"{names[0]},{names[1]},y\n" + "".join(f"{x},{3 * x % 7},{int(x % 5 > 2)}\n" for x in range(20)))
    address = report("data=table", f"data.path={table}", "data.target=y", "data.split=none", "trainer.max_epochs=5")
    page = open_page(address, offline=True, viewport={"width": width, "height": 740}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(21, 23, 27)")


def test_everything_that_can_be_used_is_reached_by_tab(report, open_page):
    page = open_page(report("trainer.max_epochs=5"), offline=True)
    page.locator("body").focus()
    reached = []
    for _ in range(70):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    for each in (
        "A",
        "back",
        "play-frames",
        "forward",
        "frame",
        "play-train",
        "play-lr",
        "start-from",
        "cut",
        "slice",
        "SUMMARY",
    ):
        assert each in reached, each


def test_odd_names_and_a_run_that_was_killed_do_no_harm(fit, open_page, tmp_path):
    rows = "".join(f"{x},{2 * x % 5},{int(x > 4)}\n" for x in range(10))
    (tmp_path / "odd.csv").write_text(
        f'"</script><script>alert(1)</script>","공부 ""시간"" & <b>",passed\n{rows}', encoding="utf-8"
    )
    run = fit("data=table", f"data.path={tmp_path}/odd.csv", "data.target=passed", "trainer.max_epochs=5", "data.split=none")
    path = tmp_path / 'it\'s <i>odd "한글" %41#.html'
    path.write_text(job.run_report(run.path), encoding="utf-8")
    page = open_page(path.as_uri(), offline=True)
    assert (
        page.get_by_role("region", name="What matters").locator("td").first.inner_text() == "</script><script>alert(1)</script>"
    )
    assert '공부 "시간" & <b>' in page.locator("#frame-text").inner_text()
    (run.path / "metrics.json").unlink()
    (run.path / "checkpoints" / "last.ckpt").unlink()
    path.write_text(job.run_report(run.path), encoding="utf-8")
    page = open_page(path.as_uri(), offline=True)
    assert page.locator("#curve-charts > figure > svg").count() > 2 and page.locator("#player").is_hidden()
    assert page.get_by_role("note").count() == 2


def test_a_sweep_is_sorted_by_the_column_chosen(fit, open_page, tmp_path):
    for number, lr in enumerate(("1", "0.1", "0.01")):
        run = fit(f"optimizer.lr={lr}", "trainer.max_epochs=5", directory=tmp_path / "sweep" / str(number))
        (run.path / ".hydra" / "overrides.yaml").write_text(f"- optimizer.lr={lr}\n")
    path = tmp_path / "sweep.html"
    path.write_text(job.sweep_report(tmp_path / "sweep"), encoding="utf-8")
    page = open_page(path.as_uri(), offline=True)
    head = page.get_by_role("button", name="optimizer.lr")
    for expected in (["0.01", "0.1", "1"], ["1", "0.1", "0.01"]):
        head.click()
        assert page.locator("#runs tbody td:nth-child(2)").all_inner_texts() == expected
    assert page.locator("#lines path[data-name]").count() == 3
    kept, axis = page.locator("#kept"), page.locator(".brushable").first
    assert kept.inner_text().startswith("3 of 3 runs")
    axis.focus()
    page.keyboard.press("ArrowUp")  # the lowest fifth of the axis: lr 0.01
    assert kept.inner_text().startswith("1 of 3 runs") and page.locator("#runs tbody tr:visible").count() == 1
    assert page.locator("#runs tbody tr:visible td").first.inner_text() == "0.01"
    page.keyboard.press("Escape")
    assert kept.inner_text().startswith("3 of 3 runs") and page.locator("#runs tbody tr:visible").count() == 3
    box = axis.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.7, steps=4)
    page.mouse.up()
    assert kept.inner_text().startswith("1 of 3 runs")  # lr 0.1 in the middle of a logarithmic axis
    page.locator("#against svg").first.hover()
    assert re.match(r"optimizer.lr=[\d.]+: 0\.\d+", page.locator("#against .readout").first.inner_text())


@pytest.fixture
def patients(tmp_path):
    """A table with everything that a column can be: numbers with gaps, a category with gaps, 0 and 1, dates, whole numbers."""
    generator = np.random.default_rng(11)
    rows, levels = 300, ["north", "south", "west"]
    age, dose, smoker = generator.normal(50, 9, rows).round(1), generator.integers(0, 9, rows), generator.integers(0, 2, rows)
    town, day = generator.integers(0, 3, rows), generator.integers(0, 700, rows)
    logit = 0.08 * (age - 50) + 0.3 * dose - 1.5 + 0.7 * smoker - 0.5 * (town == 1) + 0.001 * day
    frame = pl.DataFrame(
        {
            "age": [None if k % 17 == 0 else value for k, value in enumerate(age)],
            "dose": dose,
            "smoker": smoker,
            "town": [None if k % 23 == 0 else "islet" if k % 50 == 7 else levels[value] for k, value in enumerate(town)],
            "since": [date(2020, 1, 1) + timedelta(days=int(each)) for each in day],
            "ill": (generator.random(rows) < 1 / (1 + np.exp(-logit))).astype(int),
        }
    )
    frame.write_csv(tmp_path / "patients.csv")
    return tmp_path / "patients.csv", frame


ROW = "values => probabilityOf(data.what_if, forward(data.what_if.layers, encode(data.what_if, values)))"


def as_values(frame):
    """Return the rows of a table as the page takes them."""
    return [[each.isoformat() if isinstance(each, date) else each for each in row] for row in frame.rows()]


@pytest.mark.parametrize(
    "model", [("penalty=elastic_net", "optimizer=newton"), ("model=mlp", "trainer.max_epochs=200", "data.min_count=20")]
)
def test_what_if_gives_the_probabilities_of_predict(fit, open_page, tmp_path, patients, model):
    path, frame = patients
    run = fit("data=table", f"data.path={path}", "data.target=ill", "data.missing=mean", *model)
    address = tmp_path / "report.html"
    address.write_text(job.run_report(run.path), encoding="utf-8")
    page = open_page(address.as_uri(), offline=True)
    asked = frame.drop("ill").with_columns(
        pl.when(pl.int_range(pl.len()) == 5).then(pl.lit("moon")).otherwise("town").alias("town")
    )
    expected = load_model(run.path).probability(asked).double().numpy()
    values = [["" if each == "moon" else each for each in row] for row in as_values(asked)]
    assert page.evaluate(f"rows => rows.map({ROW})", values) == pytest.approx(expected, abs=1e-6)
    with (run.path / "splits.csv").open() as file:
        test = [int(row["row"]) - 1 for row in csv.DictReader(file) if row["split"] == "test"]
    offered = {row["at"]: row["values"] for row in data(page)["what_if"]["rows"]}  # read back from the features
    of_row = load_model(run.path).probability(frame.drop("ill")[test]).double().numpy()
    found = page.evaluate(f"rows => rows.map({ROW})", list(offered.values()))
    assert found == pytest.approx(of_row[list(offered)], abs=1e-6) and len(offered) == len(test)

    known = {"age": 61.5, "dose": 3, "smoker": 1, "town": "south", "since": "2021-02-03"}
    for name, value in (("age", "61.5"), ("dose", "3"), ("since", "2021-02-03")):  # by hand and by keyboard
        page.locator("#what-if label.field", has_text=name).locator("input:not([type=range])").fill(value)
    page.locator("#what-if label.field", has_text="smoker").locator("select").select_option("1")
    page.locator("#what-if label.field", has_text="town").locator("select").select_option(label="south")
    row = pl.DataFrame([known]).with_columns(pl.col("since").str.to_date())
    shown = float(page.locator("#what-if-probability").get_attribute("data-probability"))
    assert shown == pytest.approx(load_model(run.path).probability(row).item(), abs=1e-6)
    slider = page.locator("#what-if label.field", has_text="age").locator("input[type=range]")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert float(page.locator("#what-if-probability").get_attribute("data-probability")) != shown
    for change in page.evaluate("([values]) => crossings(data.what_if, values)", [values[0]])[:3]:
        moved = [change["to"] if name == change["name"] else each for name, each in zip(known, values[0], strict=True)]
        before, after = page.evaluate(f"rows => rows.map({ROW})", [values[0], moved])
        assert (before >= 0.5) != (after >= 0.5 - 1e-4) or abs(after - 0.5) < 1e-3


def test_the_interval_and_the_contributions_are_those_of_other_programs(fit, open_page, tmp_path, patients):
    path, frame = patients
    run = fit(
        "data=table", f"data.path={path}", "data.target=ill", "data.missing=mean", "penalty=elastic_net", "optimizer=newton"
    )
    address = tmp_path / "report.html"
    address.write_text(job.run_report(run.path), encoding="utf-8")
    page = open_page(address.as_uri(), offline=True)
    model = load_model(run.path)
    with (run.path / "splits.csv").open() as file:
        train = [int(row["row"]) - 1 for row in csv.DictReader(file) if row["split"] == "train"]
    own = sm.add_constant(model.preprocessing.own_units(frame).numpy(), has_constant="add")
    fitted = sm.GLM(frame["ill"].to_numpy()[train], own[train], family=sm.families.Binomial()).fit(tol=1e-12)
    expected = fitted.get_prediction(own[:40]).summary_frame()
    of_row = "values => intervalOf(data.what_if, encode(data.what_if, values))"
    found = page.evaluate(f"rows => rows.map({of_row})", as_values(frame.drop("ill")[:40]))
    assert np.array(found) == pytest.approx(expected[["mean_ci_lower", "mean_ci_upper"]].to_numpy(), abs=1e-6)
    _, parts = contributions(model, knowledge(model, run.path), frame[7:8], average=True)
    values = as_values(frame.drop("ill")[7:8])[0]
    shown = page.evaluate("values => contributions(data.what_if, encode(data.what_if, values))", values)
    named = dict(zip(model.preprocessing.columns, shown, strict=True))
    assert named == pytest.approx({part.column: part.logit for part in parts}, abs=1e-9)


def test_the_page_trains_as_the_run_did(report, open_page, fit, tmp_path):
    page = open_page(report("trainer.max_epochs=40"), offline=True)
    losses = data(page)["frames"]["losses"]
    text, step = page.locator("#play-text"), page.locator("#play-step")
    for at in range(3):
        assert float(re.search(r"loss ([\d.]+)", text.inner_text())[1]) == pytest.approx(losses[at], rel=2e-5)
        step.focus()
        page.keyboard.press("Enter")
    weights = page.evaluate(
        """() => {
            const { start, frames } = data;
            const layers = [{ weight: [start.slice(0, 2)], bias: [start[2]], activation: "identity" }];
            for (let k = 0; k < 40; k++) update(layers, frames.x, frames.y, 1, 0);
            return [...layers[0].weight[0], layers[0].bias[0]];
        }"""
    )
    assert weights == pytest.approx(data(page)["frames"]["weights"][40], rel=1e-3)
    line = page.locator("#play-boundary").get_attribute("x1")
    page.locator("#play-train").click()
    page.wait_for_function("parseInt(document.getElementById('play-text').textContent.slice(6)) > 6")
    page.locator("#play-train").click()
    assert page.locator("#play-boundary").get_attribute("x1") != line and "6 rows" in text.inner_text()
    page.locator("#play figure svg").first.click(position={"x": 120, "y": 90})
    assert "on 7 rows" in text.inner_text()
    page.locator("#play-lr").fill("1e300")
    for _ in range(3):
        step.click()
    assert "smaller lr" in text.inner_text()
    page.locator("#play-reset").click()
    assert text.inner_text().startswith("after 0 updates on 7 rows")


def test_a_hidden_layer_is_trained_in_the_page_by_its_own_gradient(report, open_page):
    page = open_page(report("data=moons", "model=mlp", "model.width=5", "trainer.max_epochs=60"), offline=True)
    assert page.locator("#boundary").get_attribute("d").startswith("M") and page.locator("#frame-controls").is_hidden()
    differences = page.evaluate(
        """() => {
            const model = data.what_if, ys = data.field.y, far = 1e-6, found = [];
            const xs = data.field.x.map((row) => scaled(model, row));
            const loss = (layers) => xs.reduce((sum, x, k) => sum + crossEntropy(forward(layers, x), ys[k]), 0) / xs.length;
            const moved = structuredClone(model.layers);
            update(moved, xs, ys, 1, 0);
            for (const [at, k, j] of [[0, 0, 0], [0, 3, 1], [1, 0, 2]]) {
                const [up, down] = [far, -far].map((by) => {
                    const each = structuredClone(model.layers);
                    each[at].weight[k][j] += by;
                    return loss(each);
                });
                found.push([(up - down) / (2 * far), model.layers[at].weight[k][j] - moved[at].weight[k][j]]);
            }
            return found;
        }"""
    )
    for numerical, used in differences:
        assert used == pytest.approx(numerical, rel=1e-4, abs=1e-8)
    page.locator("#play-step").click()
    assert page.locator("#play-text").inner_text().startswith("after 1 update on 300 rows")
