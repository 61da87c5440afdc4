"""Names of columns in any script are drawn with what a machine has; what it lacks is told in one sentence."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from processes import ROOT, environment

pytest.importorskip("matplotlib", reason="the pictures need the extra: pip install -e '.[pictures]'")

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from logitlab.plots import fonts, scores, style

NAME = "공부 시간"


@pytest.fixture
def bare_machine(monkeypatch):
    """A machine with matplotlib's own fonts alone, and a list of fonts that can be put on it."""
    installed: list[str] = []
    own = [font for font in font_manager.fontManager.ttflist if "mpl-data" in font.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: installed)
    _forget()
    yield installed
    _forget()


def _forget():
    fonts._fonts.cache_clear()
    fonts._for.cache_clear()


def make_font(path: Path, characters: str) -> str:
    """Write a font in which every character is a square."""
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 800), (900, 800), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    names = [".notdef", *(f"uni{ord(each):04X}" for each in characters)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(each): f"uni{ord(each):04X}" for each in characters})
    builder.setupGlyf(dict.fromkeys(names, pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2(usWeightClass=400)
    builder.setupPost()
    builder.save(path)
    return str(path)


def picture():
    return scores.confusion_matrix([[3, 1], [2, 4]], 0.5, NAME)


def test_a_machine_without_the_glyphs_draws_what_it_can_and_says_one_sentence(bare_machine):
    drawn = picture()
    note = fonts.note([drawn, picture()])
    assert note is not None and note.startswith("No font of this machine has 간, 공, 부, 시: ")
    assert "apt install fonts-noto-cjk" in note and "logitlab" not in note
    ElementTree.fromstring(style.svg(drawn))  # warnings are errors here
    assert style.png(drawn).startswith(b"\x89PNG")


def test_a_font_that_was_installed_since_is_used(bare_machine, tmp_path):
    drawn = picture()
    without = style.svg(drawn)
    bare_machine.append(make_font(tmp_path / "squares.ttf", "공부시간"))
    _forget()
    drawn = picture()
    assert fonts.note([drawn]) is None
    assert style.svg(drawn) != without


def test_a_broken_font_a_control_character_and_many_missing_ones_do_no_harm(bare_machine, tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    bare_machine.append(str(tmp_path / "broken.ttf"))
    _forget()
    drawn = picture()
    drawn.axes[0].set_title("".join(chr(0x4E00 + number) for number in range(10)) + "\x1b[31m US$ or C$")
    note = fonts.note([drawn])
    assert note is not None and "U+001B" in note and "\x1b" not in note and "and 7 more" in note
    assert style.png(drawn).startswith(b"\x89PNG")


def test_latin_greek_and_cyrillic_need_no_other_font(bare_machine):
    drawn = picture()
    drawn.axes[0].set_title("Größe λ вес €")
    assert fonts._for("Größe λ вес €") == ((fonts.FIRST,), "")


TRAIN = """
import sys
from matplotlib import font_manager
font_manager.findSystemFonts = lambda: []
font_manager.fontManager.ttflist = [font for font in font_manager.fontManager.ttflist if "mpl-data" in font.fname]
import runpy
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
def test_training_and_report_of_korean_columns_say_it_once_each(tmp_path):
    (tmp_path / "t.csv").write_text(f"{NAME},잠,합격\n" + "".join(f"{x},{3 * x % 7},{int(x % 5 > 2)}\n" for x in range(20)))
    home = environment({"MPLCONFIGDIR": str(tmp_path / "config"), "PYTHONWARNINGS": "default"})
    train = ["data=table", "data.path=t.csv", "data.target=합격", "data.split=none", "trainer.max_epochs=5"]

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", TRAIN, *words], cwd=tmp_path, env=home, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0 and "Glyph" not in done.stderr + done.stdout, done.stderr
        return " ".join((done.stdout + done.stderr).split())

    told = run(str(ROOT / "train.py"), *train, "results=pictures", "hydra.run.dir=run")
    assert told.count("No font of this machine has") == 1 and "apt install fonts-noto-cjk" in told
    run(str(ROOT / "report.py"), "run=run")
    assert (tmp_path / "run" / "report.html").read_text().count("No font of this machine has") == 1
