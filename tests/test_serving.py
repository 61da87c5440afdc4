"""serve.py: the answers are predict.py's, mistakes have its words and status 422, and one request spoils no other."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from processes import ROOT, environment
from runs import Run
from trained import compose_job, train_table, write_table

from logitlab.errors import UserError
from logitlab.inference import jobs
from logitlab.inference.explanation import contributions, knowledge
from logitlab.inference.model_file import load_model
from logitlab.inference.serving import Scorer

ROW = {"age": 41.5, "city": "Wien", "height": 1.7}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train_table(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def scorer(run: Run) -> Scorer:
    return Scorer(load_model(run.path), run.path, contributions=True)


def test_answers_are_those_of_predict(run: Run, scorer: Scorer, tmp_path: Path) -> None:
    path, output = write_table(tmp_path / "new.csv", rows=200, seed=8), tmp_path / "out.parquet"
    jobs.predict(compose_job("predict", f"run={run.path}", f"data.path={path}", f"output={output}"))
    rows = pl.read_csv(path).to_dicts()
    single, several = scorer.together(rows), scorer.together([rows])[0]
    assert single == several
    expected = pl.read_parquet(output)
    assert [answer["probability"] for answer in single] == expected["probability"].to_list()
    assert [answer["class"] for answer in single] == expected["class"].to_list()


def test_contributions_are_those_of_explain_and_add_up(run: Run, scorer: Scorer) -> None:
    model = load_model(run.path)
    for row in (ROW, {**ROW, "city": "Bregenz"}, {**ROW, "city": "Graz", "age": 20}):
        (answer,) = scorer.together([row])
        logit = dict(answer["logit"])
        start, parts = contributions(model, knowledge(model, run.path), scorer.frame([row]), average=True)
        assert logit.pop("start") == pytest.approx(start, abs=1e-9)
        assert logit == pytest.approx({part.column: part.logit for part in parts}, abs=1e-9)
        total = answer["logit"]["start"] + sum(logit.values())
        assert 1 / (1 + np.exp(-total)) == pytest.approx(answer["probability"], abs=1e-6)
        assert answer.get("unseen") == ({"city": "Bregenz"} if row["city"] == "Bregenz" else None)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"age": 41.5, "city": "Wien"}, r"row 1 lacks 'height'\. Write null"),
        (
            [ROW, {**ROW, "age": "old"}],
            r"the request: .* 'age' holds 'old' in row 2, and the model takes numbers there",
        ),
        ({**ROW, "age": None}, "the request: .*'age'.*row 1"),
        ({**ROW, "city": ["Wien"]}, r"'city' holds .*Wien.* in row 1: no value of a table"),
        ([ROW, 5], "row 2 is no object"),
        ("age", "row 1 is no object"),
        ({**ROW, "age": 1e300}, "the request: .*'age'"),
        ({"AGE": 1, "city": "Wien", "height": 1}, "lacks 'age'"),
    ],
)
def test_a_mistake_is_answered_in_words_and_spoils_no_other_request(scorer: Scorer, request_: Any, message: str) -> None:
    before, refused, after = scorer.together([ROW, request_, [ROW]])
    with pytest.raises(UserError, match=message):
        raise refused
    assert [before] == after == scorer.together([[ROW]])[0]
    assert scorer.together([[], ROW]) == [[], before]


@pytest.fixture(scope="module")
def url(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "serve.py"), f"run={run.path}", f"port={port}"]
    told = tmp_path_factory.mktemp("served") / "output.txt"
    with told.open("wb") as output, subprocess.Popen(command, env=environment(None), stdout=output, stderr=output) as server:
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(600):
                if server.poll() is not None or up(address):
                    break
                time.sleep(0.1)
            assert server.poll() is None, told.read_text()
            yield address
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
        assert server.returncode == 143, told.read_text()
        assert told.read_text().startswith(f"Serving {run.path} at {address}/predict (POST);")


def up(address: str) -> bool:
    try:
        return urllib.request.urlopen(f"{address}/health", timeout=5).status == 200
    except OSError:
        return False


def asked(url: str, body: bytes | None) -> tuple[int, Any]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_server_answers(url: str, scorer: Scorer) -> None:
    assert asked(f"{url}/predict", json.dumps(ROW).encode()) == (200, scorer.together([ROW])[0])
    assert asked(f"{url}/predict", json.dumps([ROW, ROW]).encode()) == (200, scorer.together([[ROW, ROW]])[0])
    code, answer = asked(f"{url}/predict", json.dumps({**ROW, "age": "old"}).encode())
    assert code == 422
    assert answer["detail"].startswith("the request: the column 'age' holds 'old' in row 1, and the model takes numbers there")
    for body, words in (
        (b"{", "is no JSON"),
        (b'{"age": NaN}', "NaN is not allowed"),
        (b"", "is no JSON"),
        (b"\xff", "is no JSON"),
    ):
        code, answer = asked(f"{url}/predict", body)
        assert code == 422
        assert words in answer["detail"]
    code, schema = asked(f"{url}/schema", None)
    assert code == 200
    assert [column["name"] for column in schema["columns"]] == list(ROW)
    assert schema["columns"][1]["levels"] == ["Graz", "Linz", "Wien"]


def test_what_cannot_be_served_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match=r"port=\d+ .*is taken"):
            jobs.serve(compose_job("serve", f"run={run.path}", f"port={taken.getsockname()[1]}"))
    monkeypatch.setattr(jobs, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"serve.py needs litserve: type pip install"):
        jobs.serve(compose_job("serve", f"run={run.path}"))
