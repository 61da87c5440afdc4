"""Arguments: a path is what the shell hands over, whatever Hydra's grammar makes of it; an empty one is a mistake."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from processes import Forked
from runs import Run

from logitlab.cli.arguments import PATHS, ArgumentError, prepared

GROUPS = {"model", "logger"}

STRANGE = (
    "model=class,optimizer.lr=0.1",
    "outputs/sweeps/1/model.weight=[0.1,-0.2],seed=3",
    "a b",
    "a, b",
    "Läufe/학습",
    "[a]",
    "{a:b}",
    "~/runs",
    "it's",
    'say "so"',
    "a'b,c",
    "ends in \\",
    "1",
    "1e3",
    "true",
    "choice(a,b)",
    "50%#1",
    "$HOME",
    "-",
)


@pytest.mark.parametrize("path", [*STRANGE, "outputs/toy-sequential/2026-01-01_00-00-00-12"])
@pytest.mark.parametrize("key", ["run", "+ckpt_path", "hydra.run.dir"])
def test_hydra_reads_the_path_that_was_typed(key: str, path: str) -> None:
    (argument,) = prepared([f"{key}={path}"], GROUPS, multirun=False)
    override = OverridesParser.create().parse_override(argument)
    assert override.value() == path
    assert override.key_or_group == key.lstrip("+")
    assert prepared([argument], GROUPS, multirun=False) == [argument]


@pytest.mark.parametrize("written", ["run='a, b'", 'run="a, b"', "run=a\\,b", "run=${hydra.run.dir}/x", "run=plain", "run"])
def test_what_is_written_for_hydra_is_left_as_it_is(written: str) -> None:
    assert prepared([written], GROUPS, multirun=False) == [written]


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("data.target=합격", "합격"),
        ("data.target=합격 여부", "합격 여부"),
        ("data.target=점수(%)", "점수(%)"),
        ("keep=[이름,age, 나이]", ["이름", "age", "나이"]),
        ("data.target='합격, 불합격'", "합격, 불합격"),
        ('data.target="é"', "é"),
    ],
)
def test_hydra_reads_letters_that_its_grammar_does_not_know(typed: str, value: object) -> None:
    (argument,) = prepared([typed], GROUPS, multirun=False)
    assert OverridesParser.create().parse_override(argument).value() == value


def test_several_words_beyond_ascii_are_a_sweep() -> None:
    (argument,) = prepared(["data.target=합격,b"], GROUPS, multirun=True)
    words = OverridesParser.create().parse_override(argument).sweep_string_iterator()
    assert list(words) == ["'합격'", "b"]


def test_a_sweep_over_paths_is_left_alone() -> None:
    assert prepared(["data.path=a.csv,b.csv"], GROUPS, multirun=True) == ["data.path=a.csv,b.csv"]
    assert prepared(["data.path=a.csv,b.csv"], GROUPS, multirun=False) == ["data.path='a.csv,b.csv'"]
    assert prepared(["ckpt_path=model=class,seed=1"], GROUPS, multirun=True) == ["ckpt_path='model=class,seed=1'"]


@pytest.mark.parametrize(
    "name",
    ["2021", "1e3", "true", "price (EUR)", "a b", "{a:b}", "~/runs", "50%#1", "$HOME", "-", "이탈", "예 (1)", "🙂", "größe"],
)
@pytest.mark.parametrize(
    ("form", "others"), [("{}", None), ("[{}]", ()), ("[x,{},'y, z']", ("x", "y, z")), ("[ {} , 이름]", ("이름",))]
)
def test_hydra_reads_the_column_that_was_typed(name: str, form: str, others: tuple[str, ...] | None) -> None:
    (argument,) = prepared([f"data.drop={form.format(name)}"], GROUPS, multirun=False)
    value = OverridesParser.create().parse_override(argument).value()
    if others is None:
        assert value == name
    else:
        assert sorted(map(str, value)) == sorted([name, *others])
        assert all(isinstance(each, str) for each in value)
    assert prepared([argument], GROUPS, multirun=False) == [argument]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("~model=-1", "~model=-1 is not the name of a choice; model takes one choice, as in model=NAME. conf/model/ holds the"),
        ("~model=null", "To leave model out type ~model."),
        ("hydra/sweeper=[{a:1}]", "hydra/sweeper=[{a:1}] is a list; hydra/sweeper takes one choice"),
        ("hydra/launcher={a:1}", "hydra/launcher={a:1} is not the name of a choice"),
        ("hydra/sweeper=3", "hydra/sweeper=3 is not the name of a choice"),
    ],
)
def test_what_cannot_be_the_name_of_a_choice_is_told_before_hydra_stumbles(typed: str, said: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(said)):
        prepared([typed], GROUPS, multirun=False)


@pytest.mark.parametrize("typed", ["~model", "~model=class", "hydra/sweeper=optuna", "model=a,b", "hydra/launcher=joblib"])
def test_the_name_of_a_choice_passes(typed: str) -> None:
    assert prepared([typed], GROUPS, multirun=True) == [typed]


def test_null_leaves_a_group_out_and_a_list_is_no_choice() -> None:
    assert prepared(["logger=null", "ckpt_path=null", "seed=1,2"], GROUPS, False) == ["~logger", "ckpt_path=null", "seed=1,2"]
    assert prepared(["logger=null", "logger=csv"], GROUPS, False) == ["logger=csv"]
    assert prepared(["logger=csv", "logger=null"], GROUPS, False) == ["logger=csv", "~logger"]
    with pytest.raises(ArgumentError, match=r"model=\[class\] is a list; model takes one choice, as in model=NAME"):
        prepared(["model=[class]"], GROUPS, False)


@pytest.mark.parametrize("key", PATHS)
@pytest.mark.parametrize("empty", ["", " ", "''", '""'])
def test_an_empty_path_is_a_mistake(key: str, empty: str) -> None:
    with pytest.raises(ArgumentError, match=f"{key} is empty: type {key}="):
        prepared([f"{key}={empty}"], GROUPS, multirun=False)


@pytest.mark.parametrize("key", ["run", "hydra.run.dir", "hydra.sweep.dir"])
def test_no_folder_is_called_null(key: str) -> None:
    with pytest.raises(ArgumentError, match=f"{key}=null names no folder: type {key}="):
        prepared([f"{key}=null"], GROUPS, multirun=False)


def test_the_run_of_a_sweep_is_pasted_to_go_on_with(fork: Callable[..., Forked], tmp_path: Path) -> None:
    name = "sweep é/model=class,optimizer.lr=0.1,model.weight=[1,2]"
    settings = ("model=class", "optimizer.lr=0.1")
    first = fork(*settings, "trainer.max_epochs=3", f"hydra.run.dir={name}")
    assert first.wait() == 0, first.output()
    again = fork(*settings, "trainer.max_epochs=5", f"ckpt_path={name}")
    assert again.wait() == 0, again.output()
    assert Run(tmp_path / name).checkpoint()["epoch"] == 5


def test_an_empty_run_directory_makes_nothing(fork: Callable[..., Forked], tmp_path: Path) -> None:
    ran = fork("hydra.run.dir=")
    assert ran.wait() == 2
    assert ran.output().startswith("Error: hydra.run.dir is empty: type hydra.run.dir=<folder>")
    assert not list(tmp_path.iterdir())
