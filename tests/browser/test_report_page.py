"""report.html in a browser that has no network: what moves moves, by mouse and by keyboard, and shows the run's own numbers."""

import math

import pytest

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
    play = page.locator("#play")
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
    everything, nothing = page.evaluate(
        """(last) => {
            const cut = document.getElementById('cut'), point = document.getElementById('roc-point');
            return [0, last].map((at) => {
                cut.value = at;
                cut.dispatchEvent(new Event('input'));
                return +point.getAttribute('cx');
            });
        }""",
        len(found["cuts"]) - 1,
    )
    assert everything > nothing


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_light_and_dark(report, open_page, scheme, tmp_path):
    table = tmp_path / "long.csv"
    names = [f"number_of_previous_admissions_to_any_hospital_in_the_last_{years}_years" for years in (1, 5)]
    table.write_text(f"{names[0]},{names[1]},y\n" + "".join(f"{x},{3 * x % 7},{int(x % 5 > 2)}\n" for x in range(20)))
    address = report("data=table", f"data.path={table}", "data.target=y", "data.split=none", "trainer.max_epochs=5")
    page = open_page(address, offline=True, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(21, 23, 27)")


def test_everything_that_can_be_used_is_reached_by_tab(report, open_page):
    page = open_page(report("trainer.max_epochs=5"), offline=True)
    page.locator("body").focus()
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert reached[:4] == ["back", "play", "forward", "frame"] and {"cut", "SUMMARY"} <= set(reached)


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
        page.get_by_role("region", name="Coefficients").locator("td").first.inner_text() == "</script><script>alert(1)</script>"
    )
    assert '공부 "시간" & <b>' in page.locator("#frame-text").inner_text()
    (run.path / "metrics.json").unlink()
    (run.path / "checkpoints" / "last.ckpt").unlink()
    path.write_text(job.run_report(run.path), encoding="utf-8")
    page = open_page(path.as_uri(), offline=True)
    assert page.locator("#curves svg").count() > 2 and page.locator("#player").is_hidden()
    notes = page.get_by_role("note").all_inner_texts()
    assert len([note for note in notes if not note.startswith("No font of this machine")]) == 2


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
