"""A run of a batched sweep, as it lies on the disk, beside the same run made by Hydra's basic launcher."""

import csv
import json
import math
import random
import statistics
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from runs import compose_config
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from logitlab.batched.grouping import group_key, why_alone

DIFFERENT_BY_RIGHT = ("launcher", "members", "compose_exactly", "output_dir", "dir:", "_target_: hydra", "hydra.sweep.dir")


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """A table of 90 rows with noise in the answer, so that the val loss has its best epoch early."""
    path = tmp_path_factory.mktemp("data") / "table.csv"
    draw = random.Random(3)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "c", "d", "answer"])
        for _ in range(90):
            row = [draw.gauss(0, 1) for _ in range(4)]
            writer.writerow([*row, int(draw.random() < 1 / (1 + math.exp(-row[0])))])
    return path


def sweep(fork, directory: Path, launcher: str, *arguments: str) -> Path:
    process = fork(
        "-m",
        f"hydra/launcher={launcher}",
        "trainer.precision=64-true",
        "callbacks.checkpoints.every_n_seconds=3600",  # on a busy machine a checkpoint in between would hold another step
        *arguments,
        f"hydra.sweep.dir={directory / launcher[:3]}",
    )
    code = process.wait()
    assert code == 0, process.output()
    assert launcher == "basic" or "one by one" not in process.output(), process.output()
    return directory / launcher[:3]


def same(one, other, where="") -> None:
    """Fail unless two nested values agree: tensors and numbers to 1e-10, anything else exactly."""
    assert type(one) is type(other) or isinstance(one, float | int | dict), where
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for index, pair in enumerate(zip(one, other, strict=True)):
            same(*pair, f"{where}[{index}]")
    elif isinstance(one, torch.Tensor):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10, msg=where)
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-10, abs=1e-10, nan_ok=True), where
    else:
        assert one == other, where


def events(directory: Path) -> dict:
    """Everything that TensorBoard reads of a run, but for times."""
    log = EventAccumulator(str(directory), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    scalars = {tag: [(each.step, each.value) for each in log.Scalars(tag)] for tag in sorted(log.Tags()["scalars"])}
    tensors = {tag: [(each.step, each.tensor_proto.string_val) for each in log.Tensors(tag)] for tag in log.Tags()["tensors"]}
    tensors.pop("_hparams_/session_start_info", None)
    hparams = log.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    return {"scalars": scalars, "tensors": tensors, "hparams": len(hparams)}


def saved(path: Path) -> dict:
    """A checkpoint, but for Lightning's count of completed epochs: of a member that ends before the others it is that of the
    moment before the epoch was completed, from which Lightning resumes alike."""
    checkpoint = torch.load(path, weights_only=True)
    for count in checkpoint["loops"]["fit_loop"]["epoch_progress"].values():
        count.pop("completed")
    checkpoint.pop("epoch")
    return checkpoint


def epochs_of(run: Path) -> int:
    return saved(run / "checkpoints" / "last.ckpt")["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]


def same_directory(one: Path, other: Path) -> None:
    files = [sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) for folder in (one, other)]
    own, others = ([name for name in each if "tfevents" not in name and not name.endswith(".previous")] for each in files)
    assert own == others
    for name in ("config.yaml", "overrides.yaml"):
        assert (one / ".hydra" / name).read_text() == (other / ".hydra" / name).read_text()
    hydra = [
        [
            line
            for line in (folder / ".hydra" / "hydra.yaml").read_text().splitlines()
            if not any(w in line for w in DIFFERENT_BY_RIGHT)
        ]
        for folder in (one, other)
    ]
    assert hydra[0] == hydra[1]
    for name in ("last.ckpt", "best.ckpt"):
        same(*(saved(folder / "checkpoints" / name) for folder in (one, other)), name)
    for name in {"metrics.json", "statistics.json", "calibration.json", "columns.json"} & set(own):
        same(*(json.loads((folder / name).read_text()) for folder in (one, other)), name)
    tables = [path for path in (folder / "coefficients.csv" for folder in (one, other)) if path.exists()]
    coefficients = [list(csv.reader(path.read_text().splitlines())) for path in tables] or [[], []]
    same(*([[cell if not _is_number(cell) else float(cell) for cell in row] for row in rows] for rows in coefficients))
    status = [json.loads((folder / "status.json").read_text()) for folder in (one, other)]
    for each in status:
        each.pop("seconds")
    same(*status, "status")
    logs = [events(folder) for folder in (one, other)]
    scalars = [
        {
            tag: [(step, pytest.approx(value, rel=1e-6, nan_ok=True)) for step, value in points]
            for tag, points in log.pop("scalars").items()
        }
        for log in logs
    ]
    assert {tag: len(points) for tag, points in scalars[0].items()} == {tag: len(points) for tag, points in scalars[1].items()}
    for tag, points in scalars[0].items():
        for (step, value), (other_step, other_value) in zip(points, scalars[1][tag], strict=True):
            assert step == other_step
            assert value.expected == other_value
    assert logs[0] == logs[1]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


TOY = ("trainer.max_epochs=40",)
CASES = {
    "toy": (*TOY, "optimizer.lr=0.1,1", "seed=1,2"),
    "starts": (*TOY, "model=tensors", "model.weight=[0.1,-0.2],0.5", "model.bias=0,1"),
    "momentum, mini-batches": (
        *TOY,
        "model=class",
        "optimizer.momentum=0,0.9",
        "data.batch_size=4",
        "data.shuffle=true",
        "seed=3,4",
    ),
    "adam, logits": (*TOY, "model=logits", "optimizer=adam", "optimizer.lr=0.01,0.1", "seed=1,2"),
    "long curve": ("trainer.max_epochs=2300", "optimizer.lr=0.1,1", "model.weight=0"),
}


@pytest.mark.parametrize("chosen", ["data=toy", "data=hours", "model=class", "model=tensors", "model=logits", "optimizer=adam"])
def test_the_shipped_configs_are_trained_together(chosen, tmp_path):
    cfg = OmegaConf.to_container(compose_config(chosen, directory=tmp_path), resolve=True)
    assert why_alone(cfg) is None


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ("optimizer=newton", "optimizer._target_"),
        ("penalty=firth", "penalty"),
        ("+trainer.gradient_clip_val=1", "trainer.gradient_clip_val"),
        ("+optimizer.maximize=true", "optimizer.maximize"),
        ("callbacks.weights.in_sweeps=true", "callbacks.weights"),
    ],
)
def test_what_is_not_known_to_come_out_alike_is_trained_alone(chosen, reason, tmp_path):
    assert why_alone(OmegaConf.to_container(compose_config(chosen, directory=tmp_path), resolve=True)) == reason


@pytest.mark.parametrize("case", CASES)
def test_a_batched_run_leaves_what_a_run_alone_leaves(fork, tmp_path, case):
    basic, batched = (sweep(fork, tmp_path, launcher, *CASES[case]) for launcher in ("basic", "batched"))
    names = sorted(path.parent.name for path in basic.glob("*/status.json"))
    assert names == sorted(path.parent.name for path in batched.glob("*/status.json"))
    assert len(names) >= 2
    for name in names:
        same_directory(batched / name, basic / name)
    assert (basic / "sweep.csv").read_text().count("\n") == (batched / "sweep.csv").read_text().count("\n") == len(names) + 1


@pytest.mark.parametrize("threshold", ["0.5", "f1"])
def test_early_stopping_and_the_choice_on_val_rows(fork, tmp_path, table, threshold):
    arguments = (
        "data=table",
        f"data.path={table}",
        "data.target=answer",
        f"threshold={threshold}",
        "data.batch_size=16",
        "data.shuffle=true",
    )
    swept = (
        "optimizer.lr=0.01,0.1,1",
        "seed=1",
        "data.shuffle=true",
        "trainer.max_epochs=60",
        "callbacks.early_stopping.patience=5",
    )
    basic, batched = (sweep(fork, tmp_path, launcher, *arguments, *swept) for launcher in ("basic", "batched"))
    epochs = {}
    for path in sorted(basic.glob("*/status.json")):
        same_directory(batched / path.parent.name, path.parent)
        epochs[path.parent.name] = epochs_of(path.parent)
    assert len(set(epochs.values())) > 1, "the members were to stop at different epochs"
    first = min(epochs, key=epochs.__getitem__)
    for folder in (basic, batched):
        lr = OmegaConf.load(folder / first / ".hydra" / "config.yaml").optimizer.lr
        patient = (f"optimizer.lr={lr}", *swept[1:4], "callbacks.early_stopping.patience=20")
        process = fork(*arguments, *patient, f"ckpt_path={folder / first}", "trainer.precision=64-true")
        assert process.wait() == 0, process.output()
        assert epochs_of(folder / first) > epochs[first]
    same(*(saved(folder / first / "checkpoints" / "last.ckpt") for folder in (batched, basic)), "resumed")
    same(*(json.loads((folder / first / "metrics.json").read_text()) for folder in (batched, basic)), "resumed")


SCHEDULES = {
    "step": ("lr_scheduler=step", "lr_scheduler.scheduler.step_size=7", "optimizer.momentum=0,0.9"),
    "cosine, adam": ("lr_scheduler=cosine", "optimizer=adam", "optimizer.lr=0.01,0.1"),
    "plateau": ("lr_scheduler=plateau", "lr_scheduler.scheduler.patience=2", "optimizer.lr=1,30"),
    "convergence": ("callbacks.convergence.tolerance=0.05", "optimizer.lr=0.3,1"),
    "mlp": ("model=mlp", "model.width=4", "optimizer=adam", "optimizer.lr=0.01,0.1"),
}


@pytest.mark.parametrize("case", SCHEDULES)
def test_schedules_and_stopping_rules_are_a_members_own(fork, tmp_path, case):
    arguments = ("trainer.max_epochs=25", "seed=1,2", *SCHEDULES[case])
    basic, batched = (sweep(fork, tmp_path, launcher, *arguments) for launcher in ("basic", "batched"))
    names = sorted(path.parent.name for path in basic.glob("*/status.json"))
    assert len(names) == 4
    for name in names:
        same_directory(batched / name, basic / name)


@pytest.mark.parametrize("chosen", ["monitor=val/auroc monitor_mode=max", "calibration=platt"])
def test_what_is_chosen_on_val_rows_is_a_members_own(fork, tmp_path, table, chosen):
    arguments = ("data=table", f"data.path={table}", "data.target=answer", "optimizer.lr=0.03,1", "trainer.max_epochs=20")
    basic, batched = (sweep(fork, tmp_path, launcher, *arguments, *chosen.split()) for launcher in ("basic", "batched"))
    paths = sorted(basic.glob("*/status.json"))
    assert len(paths) == 2
    for path in paths:
        same_directory(batched / path.parent.name, path.parent)


def test_two_groups_in_one_sweep(fork, tmp_path):
    """Without a penalty there is no objective to log: such runs are a group of their own."""
    directory = sweep(fork, tmp_path, "batched", "penalty.l2=0,0.01", "seed=1,2", "trainer.max_epochs=5")
    statuses = [json.loads(path.read_text())["status"] for path in directory.glob("*/status.json")]
    assert statuses == ["finished"] * 4


def test_folds_are_trained_together_but_not_with_a_run_on_all_of_them(tmp_path):
    keys = [
        group_key(OmegaConf.to_container(compose_config("data.folds=3", f"data.fold={fold}", directory=tmp_path), resolve=True))
        for fold in (0, 1, "all")
    ]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    "batches",
    [("data.batch_size=16", "data.shuffle=true", "seed=1,2"), ("penalty.l2=0.1", "callbacks.early_stopping.patience=3")],
)
def test_folds_are_the_runs_alone_and_one_result(fork, tmp_path, table, batches):
    """Each fold has rows, as many or one more, scaling and, where it is automatic, penalty of its own."""
    swept = ("data.folds=4", "data.fold=range(4)", "optimizer.lr=0.01,0.1", "trainer.max_epochs=20", *batches)
    arguments = ("data=table", f"data.path={table}", "data.target=answer", *swept)
    basic, batched = (sweep(fork, tmp_path, launcher, *arguments) for launcher in ("basic", "batched"))
    for path in sorted(basic.glob("*/status.json")):
        same_directory(batched / path.parent.name, path.parent)
    losses: dict[str, list[float]] = {}
    for path in basic.glob("*/metrics.json"):
        lr = OmegaConf.load(path.parent / ".hydra" / "config.yaml").optimizer.lr
        losses.setdefault(str(lr), []).append(json.loads(path.read_text())["val/loss"])
    with (batched / "sweep_replicates.csv").open(newline="") as file:
        found = {row["optimizer.lr"]: row for row in csv.DictReader(file)}
    assert found.keys() == losses.keys() == {"0.01", "0.1"}
    for lr, values in losses.items():
        assert found[lr]["runs"] == str(len(values))
        assert len(values) in (4, 8)
        assert float(found[lr]["mean"]) == pytest.approx(statistics.fmean(values), abs=1e-9)
        assert float(found[lr]["deviation"]) == pytest.approx(statistics.stdev(values), abs=1e-9)


TABLE_CASES = {
    "loss.pos_weight": ("model=logits,sequential", "loss.pos_weight=null,3,balanced", "data.batch_size=16"),
    "penalty.l2": ("penalty.l2=0.01,0.2", "optimizer=adam", "results.certificate.in_sweeps=true"),
    "penalty.l1": ("penalty.l1=0.02,0.1", "penalty.l2=0,0.01", "optimizer.momentum=0.9"),
    "penalty.l1, adam": ("penalty.l1=0.02,0.1", "optimizer=adam", "optimizer.lr=0.1", "data.batch_size=16"),
    "penalty.l1, adamw": ("penalty.l1=0.1", "optimizer=adamw", "optimizer.lr=0.03,0.1", "trainer.max_epochs=60"),
    "weight_decay": ("optimizer.lr=1", "+optimizer.weight_decay=0,0.1", "penalty.l2=0", "trainer.max_epochs=100"),
}


@pytest.mark.parametrize("case", TABLE_CASES)
def test_members_differ_in_the_loss_and_the_penalty(fork, tmp_path, table, case):
    arguments = (
        "data=table",
        f"data.path={table}",
        "data.target=answer",
        "optimizer=sgd",
        "trainer.max_epochs=20",
        *TABLE_CASES[case],
    )
    basic, batched = (sweep(fork, tmp_path, launcher, *arguments) for launcher in ("basic", "batched"))
    runs = sorted(path.parent.name for path in basic.glob("*/status.json"))
    assert runs == sorted(path.parent.name for path in batched.glob("*/status.json"))
    assert len(runs) > 1
    for name in runs:
        same_directory(batched / name, basic / name)
