"""scripts/tutorials.py: what it calls agreement. That the numbers do agree is for it to say: `make tutorials`."""

import json

import pytest
import tutorials
from tutorials import Pair


@pytest.mark.parametrize(
    ("printed", "value", "same", "agrees"),
    [
        ("0.4020", 0.40201, True, True),
        ("0.4020", 0.40206, False, True),
        ("0.4020", 0.40216, False, False),
        ("2.7616e-04", 2.7616e-4, True, True),
        ("2.7616e-04", 2.7617e-4, False, True),
        ("2.7616e-04", 2.7618e-4, False, False),
        ("9.9969e-01", 0.99969, True, True),
        ("-14.4839", -14.48394, True, True),
        ("-14.4839", -14.4842, False, False),
        ("True", True, True, True),
        ("True", False, False, False),
    ],
)
def test_a_number_agrees_within_one_unit_of_the_last_printed_digit(printed, value, same, agrees):
    pair = Pair(printed, value)
    assert (pair.is_same, pair.agrees) == (same, agrees)


def test_exits_with_1_and_names_the_number_when_one_differs(monkeypatch, tmp_path, capsys):
    told = json.loads(tutorials.PRINTED.read_text())
    (experiment,) = (each for each in told["experiments"] if each["experiment"] == "hours")
    experiment["curve"][3]["loss"] = "0.5760"  # 0.5758 is true
    changed = tmp_path / "tutorials.json"
    changed.write_text(json.dumps({"experiments": [experiment]}))
    monkeypatch.setattr(tutorials, "PRINTED", changed)
    monkeypatch.setattr("sys.argv", ["tutorials.py"])
    assert tutorials.main() == 1
    told = capsys.readouterr().out
    (line,) = (line for line in told.splitlines() if "DIFFERENT" in line)
    assert line.split() == ["epoch", "300:", "cost", "0.5760", "0.5758", "DIFFERENT"]
    assert "13 of 14 printed numbers agree" in told
