"""Checkpoints and run directories from elsewhere run nothing: real payloads, each of which leaves a file if it runs."""

import contextlib
import copy
import functools
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from harmful import DIRECTORIES, TARGETS, in_checkpoint_as
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from processes import ROOT, Ran, run_command
from runs import Run, compose_config
from trained import compose_job, train_table, write_table

from logitlab.errors import RunError, UserError
from logitlab.experiment import train
from logitlab.inference import exporting, jobs
from logitlab.inference.model_file import load_model
from logitlab.reporting import job as report
from logitlab.runs import files
from logitlab.runs.checkpoint_file import load
from logitlab.runs.run_directory import RunDirectory
from logitlab.selection import job as selection
from logitlab.sweeps import report as sweeps
from logitlab.sweeps.run_member import prepare_resume

JOBS = ["predict", "evaluate", "export", "resume"]


class Payload:
    """Unpickled, it runs `touch`."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_table(tmp_path_factory.mktemp("trained"), "trainer.max_epochs=2").path.parent


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    """A copy of the trained run, to be tampered with; nothing but its table has its old path."""
    shutil.copytree(trained / "run", tmp_path / "run")
    write_table(tmp_path / "new.csv", rows=20)
    return Run(tmp_path / "run")


@pytest.fixture
def start(trained: Path, tmp_path: Path) -> Callable[[str], None]:
    """Start a job on the tampered run."""

    def go(job: str) -> None:
        run, table = f"run={tmp_path / 'run'}", f"data.path={tmp_path / 'new.csv'}"
        if job == "predict":
            jobs.predict(compose_job("predict", run, table, f"output={tmp_path / 'predictions.csv'}"))
        elif job == "evaluate":
            jobs.evaluate(compose_job("evaluate", run, table))
        elif job == "export":
            jobs.export(compose_job("export", run))
        elif job == "resume":
            from logitlab.experiment import train

            again = ["data=table", f"data.path={trained / 'table.csv'}", "data.target=passed", "data.positive=yes"]
            more = ["data.drop=[id]", "optimizer=adam", "trainer.max_epochs=3", f"ckpt_path={tmp_path / 'run'}"]
            train(compose_config(*again, *more, directory=tmp_path / "run"))

    return go


def tampered(run: Run, change: Callable[[dict[str, Any]], None]) -> None:
    for name in ("last", "best"):
        checkpoint = run.checkpoint(name)
        change(checkpoint)
        torch.save(checkpoint, run.path / "checkpoints" / f"{name}.ckpt")
        (run.path / "checkpoints" / f"{name}.ckpt.previous").unlink(missing_ok=True)


def test_the_payload_is_a_real_one(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "mark")))  # noqa: S301
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_checkpoint_with_code_is_refused(
    run: Run,
    start: Callable[[str], None],
    tmp_path: Path,
    job: str,
    forced: bool,
    legacy: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if forced:
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    mark = tmp_path / "mark"
    for name in ("last", "best"):
        checkpoint = run.checkpoint(name) | {"extra": Payload(mark)}
        torch.save(checkpoint, run.path / "checkpoints" / f"{name}.ckpt", _use_new_zipfile_serialization=not legacy)
        (run.path / "checkpoints" / f"{name}.ckpt.previous").unlink(missing_ok=True)
    with pytest.raises(UserError, match=r"is refused|is damaged"):
        start(job)
    assert not mark.exists()


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.exec",
        "pathlib.Path.touch",
        "logitlab.networks.torch.hub.load",
        "logitlab.cli.run_command.os.system",
        "logitlab.runs.checkpoint_io.AtomicCheckpointIO",
        "logitlab.networks.Network",
        "torch.nn.Linear",
        "evil.Network",
        ["os.system"],
        None,
    ],
)
def test_a_checkpoint_that_names_other_code_as_its_network_is_refused(run: Run, tmp_path: Path, target: Any) -> None:
    (tmp_path / "evil.py").write_text(f"import pathlib; pathlib.Path({str(tmp_path / 'mark')!r}).touch()")
    sys.path.insert(0, str(tmp_path))
    try:
        tampered(run, lambda checkpoint: checkpoint["hyper_parameters"]["network"].update(_target_=target))
        with pytest.raises(UserError, match=r"is refused|can use"):
            load_model(run.path)
    finally:
        sys.path.remove(str(tmp_path))
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("job", JOBS)
def test_harmful_targets_in_the_run_directory_run_nothing(
    run: Run, start: Callable[[str], None], tmp_path: Path, job: str
) -> None:
    mark = tmp_path / "mark"
    harmful = {"_target_": "os.system", "command": f"touch {mark}"}
    config = OmegaConf.load(run.path / ".hydra" / "config.yaml")
    for key in ("model", "data", "loss", "optimizer", "logger", "results.metrics", "callbacks.progress_bar"):
        OmegaConf.update(config, key, harmful, force_add=True)
    OmegaConf.save(config, run.path / ".hydra" / "config.yaml")
    OmegaConf.save(OmegaConf.create([f"+x={harmful}"]), run.path / ".hydra" / "overrides.yaml")
    start(job)  # nothing in the folder is read for what it names: the job does its work
    assert not mark.exists()


@pytest.mark.parametrize("job", JOBS)
def test_harmful_targets_in_the_checkpoint_run_nothing(
    run: Run, start: Callable[[str], None], tmp_path: Path, job: str
) -> None:
    mark = tmp_path / "mark"
    harmful = {"_target_": "os.system", "command": f"touch {mark}"}

    def change(checkpoint: dict[str, Any]) -> None:
        for part in ("model", "data", "loss", "optimizer", "trainer"):
            checkpoint["hyper_parameters"]["config"][part] = harmful
        checkpoint["hyper_parameters"]["network"]["weight"] = harmful
        checkpoint["hyper_parameters"]["preprocessing"]["columns"][0]["fill"] = harmful

    tampered(run, change)
    with pytest.raises(UserError, match=r"can use|another run|is refused: it names model\.weight\._target_=os\.system"):
        start(job)
    assert not mark.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda checkpoint: checkpoint.pop("hyper_parameters"),
        lambda checkpoint: checkpoint.pop("state_dict"),
        lambda checkpoint: checkpoint.pop("threshold"),
        lambda checkpoint: checkpoint["state_dict"].update({"network.linear.weight": torch.zeros(1, 99)}),
        lambda checkpoint: checkpoint["hyper_parameters"]["network"].update(in_features=10**15),
        lambda checkpoint: checkpoint["hyper_parameters"]["preprocessing"].update(columns=[{"kind": "os.system"}]),
        lambda checkpoint: checkpoint["hyper_parameters"].update(labels={"name": 1, "other": 2}),
    ],
)
def test_a_strange_checkpoint_is_told_of(run: Run, change: Callable[[dict[str, Any]], None]) -> None:
    tampered(run, change)
    with pytest.raises(UserError, match=r"can use"):
        load_model(run.path)


def test_a_flipped_bit_is_found(run: Run) -> None:
    path = run.path / "checkpoints" / "best.ckpt"
    content = bytearray(path.read_bytes())
    for position in range(50, len(content) - 80, len(content) // 40):
        content[position] ^= 4
        path.write_bytes(content)
        with pytest.raises(UserError):
            load_model(run.path)
        content[position] ^= 4
    path.write_bytes(content)
    assert load(path)


@pytest.mark.slow
def test_the_door_refuses_with_exit_code_2(run: Run, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    tampered(run, lambda checkpoint: checkpoint.update(extra=Payload(mark)))
    done = run_command("predict", "run=run", "data.path=new.csv", "output=p.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert "could run code" in done.stderr
    assert not mark.exists()
    assert not (tmp_path / "p.csv").exists()


# ---- every door, on every harmful directory


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of one epoch, with everything in it that a run can leave."""
    return train_table(tmp_path_factory.mktemp("small"), "trainer.max_epochs=1").path.parent


@pytest.fixture
def harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The mark: a file that is there once a package of the stranger's, or a resolver, has run, or a link was followed."""
    mark = tmp_path / "marks" / "mark"
    mark.parent.mkdir()
    package = tmp_path / "theirs"
    package.mkdir()
    touch = f"import pathlib; pathlib.Path({str(mark)!r}).touch()\n"
    (package / "harm.py").write_text(f"{touch}class Harm:\n    def __init__(self, **rest): pass\n")
    monkeypatch.syspath_prepend(package)
    OmegaConf.register_new_resolver("harm", lambda: mark.touch() or "x", replace=True)
    return mark


AGAIN = ("data.target=passed", "data.positive=yes", "data.drop=[id]", "threshold=f1", "optimizer=adam", "trainer.max_epochs=2")
WITHOUT = ("results.certificate=null", "results.dashboard=null", "results.coefficients=null", "callbacks.weights=null")


@functools.cache
def composed(table: Path, command: str) -> tuple[DictConfig, DictConfig]:
    """The config of the command that goes on with the run, and Hydra's, composed once: that takes longer than the run."""
    more = ("optimizer=newton", "data.folds=2", "selection.count=2") if command == "select_penalty" else ()
    cfg = compose_config("data=table", f"data.path={table}", *AGAIN, *WITHOUT, *more, directory=table.parent, name=command)
    return cfg, HydraConfig.instance().cfg


def resumable(table: Path, run: Path, command: str = "config") -> DictConfig:
    cfg, hydra = map(copy.deepcopy, composed(table, command))
    with read_write(hydra.hydra), open_dict(hydra.hydra):
        hydra.hydra.runtime.output_dir = str(run)
    HydraConfig.instance().set_config(hydra)
    cfg.ckpt_path = str(run) if command == "config" else None
    return cfg


def go_on_with_a_sweep(table: Path, run: Path) -> None:
    (run.parent / "multirun.yaml").touch()
    sweeps.report(run.parent, {"monitor": None, "monitor_mode": "min"})
    report.sweep_report(run.parent)
    cfg = resumable(table, run)
    cfg.ckpt_path = None
    prepare_resume(cfg, RunDirectory(run))


DOORS: dict[str, Callable[[Path, Path, DictConfig], object]] = {
    "evaluate": lambda table, run, cfg: jobs.evaluate(cfg),
    "predict": lambda table, run, cfg: jobs.predict(cfg),
    "explain": lambda table, run, cfg: jobs.explain(cfg),
    "export": lambda table, run, cfg: jobs.export(cfg),
    "report": lambda table, run, cfg: report.report(cfg),
    "resume": lambda table, run, cfg: train(resumable(table, run)),
    "select_penalty": lambda table, run, cfg: selection.select(resumable(table, run, "select_penalty")),
    "sweep.resume": lambda table, run, cfg: go_on_with_a_sweep(table, run),
}


@functools.cache
def job(door: str) -> DictConfig:
    table = () if door in ("explain", "export", "report") else ("data.path=?",)
    return compose_job(door, "run=?", *table, *(("output=p.csv",) if door == "predict" else ()))


@pytest.mark.parametrize("name", DIRECTORIES)
def test_no_door_runs_what_a_run_directory_names(
    small: Path, harm: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "export", lambda model, folder, run: files.make_folder(folder) or 0.0)  # 4 s otherwise
    table = small / "table.csv"
    monkeypatch.chdir(tmp_path)
    for door, open_door in DOORS.items():
        if door == "select_penalty" and name.startswith(("config", "checkpoint")):
            continue  # it reads of a run that is there what resume does, and its own notes
        run = tmp_path / door / "run"
        shutil.copytree(small / "run", run)
        DIRECTORIES[name](run, harm)
        cfg = DictConfig({})
        if door in ("evaluate", "predict", "explain", "export", "report"):
            cfg = copy.deepcopy(job(door))
            cfg.run = str(run)
            OmegaConf.update(cfg, "data.path", None if door == "explain" else str(table), force_add=True)
        with contextlib.suppress(UserError, RunError, *((Exception,) if door in ("resume", "select_penalty") else ())):
            open_door(table, run, cfg)
        assert not list(harm.parent.iterdir()), f"{door}: {name}"
        assert "harm" not in sys.modules


def test_there_are_enough_harmful_directories() -> None:
    assert len(DIRECTORIES) >= 60


def test_the_harm_is_real(harm: Path) -> None:
    """Built as Hydra builds a config of the user's own, what is planted leaves its mark, but where Hydra itself refuses it."""
    marked = set()
    for name, make in TARGETS.items():
        harm.unlink(missing_ok=True)
        sys.modules.pop("harm", None)
        with contextlib.suppress(InstantiationException):
            instantiate(make(harm))
        if harm.exists():
            marked.add(name)
    sys.modules.pop("harm", None)
    assert marked >= {"a package of theirs", "Path.touch", "writer of this package"}


# ---- as a person types it


def typed(folder: Path, door: str, *arguments: str, **env: str) -> Ran:
    return run_command(door, *arguments, cwd=folder, env=env)


@pytest.mark.slow
def test_a_package_of_ones_own_is_named_by_a_config_folder(small: Path, tmp_path: Path) -> None:
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "own.yaml").write_text("_target_: own_package.Own\nweight: null\nbias: null\n")
    (tmp_path / "own_package.py").write_text("from logitlab.networks import Logits\n\n\nclass Own(Logits):\n    pass\n")
    path = {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{tmp_path}"}
    own, table = ["--config-dir", "conf"], ["run=run", f"data.path={small / 'table.csv'}"]
    data = ["model=own", "data=table", table[1], "data.target=passed", "data.positive=yes", "data.drop=[id]"]
    done = typed(tmp_path, "train", *own, *data, "trainer.max_epochs=2", "hydra.run.dir=run", **path)
    assert done.returncode == 0, done.stderr
    assert typed(tmp_path, "evaluate", *own, *table, **path).returncode == 0
    own = [f"hydra.searchpath=[file://{tmp_path}/conf]"]
    assert typed(tmp_path, "predict", *own, *table, "output=p.csv", **path).returncode == 0
    done = typed(tmp_path, "evaluate", *table, **path)
    assert done.returncode == 2
    told = " ".join(done.stderr.split())
    assert "it names model._target_=own_package.Own, and no file of your conf/model/ names that" in told


@pytest.mark.slow
def test_a_harmful_sweep_and_selection_run_nothing(small: Path, harm: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    for number, name in enumerate(name for name in DIRECTORIES if not name.startswith("link")):
        shutil.copytree(small / "run", run := sweep / f"{number}")
        DIRECTORIES[name](run, harm)
        if not (run / "status.json").exists():
            (run / "status.json").write_text('{"status": "running", "digest": "0"}')
    (sweep / "multirun.yaml").write_text(f"x: !!python/object/apply:os.system ['touch {harm}']\n")
    path = {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{tmp_path / 'theirs'}"}
    data = ["data=table", f"data.path={small / 'table.csv'}", *AGAIN, *WITHOUT]
    done = typed(tmp_path, "train", "-m", "seed=1", *data, f"sweep.resume={sweep}", **path)
    assert "Traceback" not in done.stderr
    harmful = in_checkpoint_as("state_dict", Payload)
    changes = [harmful, *(DIRECTORIES[name] for name in ("selection.json", "link .lock", "link .hydra/"))]
    for number, change in enumerate(changes):
        shutil.copytree(small / "run", run := tmp_path / f"selection-{number}")
        change(run, harm)
        more = ["optimizer=newton", "data.folds=2", "selection.count=2", f"hydra.run.dir={run}"]
        done = typed(tmp_path, "select_penalty", *data, *more, **path)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert not list(harm.parent.iterdir())
