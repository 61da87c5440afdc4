"""Secrets and the environment stay out of what a run leaves behind, and the run has the real values."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from runs import Run

from logitlab import masking
from logitlab.results.result import Result

SECRET, VALUE = "hunter2hunter2", "fromtheenvironment"


class Sink(Result):
    """A result that takes whatever it is given and tells what came."""

    def __init__(self, **given: object) -> None:
        self.given = given

    def __call__(self, fit: object) -> list[tuple[str, str]]:
        (Path.cwd() / "given.txt").write_text(repr(sorted(map(str, self.given.values()))))
        return []


SECRETS = "password db_password api_key logger.apiKey accessToken client_secret a.token AWS_SECRET_KEY credentials PGPASSWORD"


@pytest.mark.parametrize("key", [*SECRETS.split(), "Authorization"])
def test_a_secret_is_known_by_its_key(key: str) -> None:
    assert masking.is_secret(key)


@pytest.mark.parametrize("key", ["tokenizer", "max_tokens", "passed", "secretary", "author", "key", "monitor", "data.keep"])
def test_other_keys_are_none(key: str) -> None:
    assert not masking.is_secret(key)


def test_a_reference_stays_one_wherever_it_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THERE", VALUE)
    cfg = OmegaConf.create(
        {
            "a": "${oc.env:THERE}",
            "b": "x/${a}",
            "c": {
                "n": 3,
                "decoded": "${oc.decode:${oc.env:NUMBER,5}}",
                "same": "${c.n}",
                "token": SECRET,
                "copy": "${c.token}",
            },
            "url": f"postgresql://me:{SECRET}@host/db",
            "none": {"password": None, "tokens": 5},
        }
    )
    assert masking.as_recorded(cfg) == {
        "a": "${oc.env:THERE}",
        "b": "x/${oc.env:THERE}",
        "c": {"n": 3, "decoded": "${oc.decode:${oc.env:NUMBER,5}}", "same": 3, "token": "***", "copy": "***"},
        "url": "postgresql://me:***@host/db",
        "none": {"password": None, "tokens": 5},
    }
    assert masking.as_typed(cfg)["b"] == "x/${a}"


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("+logger.api_key=abc", "+logger.api_key=***"),
        ("+logger={_target_:x,api_key:abc,b:1}", "+logger={_target_:x,api_key:***,b:1}"),
        ("++a.token='a b,c'", "++a.token=***"),
        ("logger.token=${oc.env:TOKEN}", "logger.token=${oc.env:TOKEN}"),
        ("optimizer.lr=0.1,+logger.password=foo,seed=3", "optimizer.lr=0.1,+logger.password=***,seed=3"),
        ("hydra.sweeper.storage=mysql://me:pw@host/db", "hydra.sweeper.storage=mysql://me:***@host/db"),
        ("optimizer.lr=0.1", "optimizer.lr=0.1"),
        ("data.path=token.csv", "data.path=token.csv"),
    ],
)
def test_an_override_is_masked(typed: str, written: str) -> None:
    assert masking.masked_text(typed) == written


def holds(folder: Path, text: str) -> list[str]:
    return [
        str(path) for path in folder.rglob("*") if text in str(path) or (path.is_file() and text.encode() in path.read_bytes())
    ]


def command(*more: str) -> list[str]:
    sink = f"{{_target_: test_masking.Sink, api_key: {SECRET}, place: '${{oc.env:THERE}}'}}"
    return ["trainer.max_epochs=3", f"+results.sink={sink}", *more]


def test_a_run_keeps_secrets_to_itself_and_can_be_resumed(fork: Callable, tmp_path: Path) -> None:
    env, shuffle = {"THERE": VALUE}, "data.shuffle='${oc.decode:${oc.env:SHUFFLE,false}}'"
    first = fork(*command(shuffle, "hydra.run.dir=run"), env=env)
    assert first.wait() == 0, first.output()
    assert (tmp_path / "given.txt").read_text() == repr(sorted([SECRET, VALUE]))
    (tmp_path / "given.txt").unlink()
    run = Run(tmp_path / "run")
    assert run.checkpoint()["hyper_parameters"]["config"]["data"]["shuffle"] == "${oc.decode:${oc.env:SHUFFLE,false}}"
    assert "api_key: ***" in run.json("environment.json")["command"]
    again = fork(*command(shuffle, "trainer.max_epochs=5", "ckpt_path=run"), env=env)
    assert again.wait() == 0, again.output()
    assert not holds(tmp_path / "run", SECRET)
    assert not holds(tmp_path / "run", VALUE)


def test_a_sweep_keeps_secrets_to_itself(fork: Callable, tmp_path: Path) -> None:
    env = {"THERE": VALUE}
    typed = ["-m", *command(f"+results.sink.token={SECRET}", "+results.sink.where=${oc.env:THERE}", "seed=1,2")]
    first = fork(*typed, "hydra.sweep.dir=sweep", env=env)
    assert first.wait() == 0, first.output()
    assert not holds(tmp_path / "sweep", SECRET)
    assert not holds(tmp_path / "sweep", VALUE)
    assert json.loads(next((tmp_path / "sweep").glob("*/status.json")).read_text())["status"] == "finished"
    again = fork(*typed, "sweep.resume=sweep", env=env)
    assert again.wait() == 0, again.output()
    assert again.output().count("is finished already") == 2
