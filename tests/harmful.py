"""Run directories that a stranger has tampered with: every harm leaves a mark, a file, if anything of it runs.

`DIRECTORIES` names them: what is changed in a copy of a good run directory.
"""

import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from runs import Run

Change = Callable[[Path, Path], None]
"""Changes the run directory (first) so that it leaves the mark (second)."""


class Payload:
    """Unpickled, it touches the mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


TARGETS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "a package of theirs": lambda mark: {"_target_": "harm.Harm", "mark": str(mark)},
    "os.system": lambda mark: {"_target_": "os.system", "command": f"touch {mark}"},
    "Path.touch": lambda mark: {
        "_target_": "pathlib.Path.touch", "_args_": [{"_target_": "pathlib.Path", "_args_": [str(mark)]}]},
    "a process, re-exported": lambda mark: {
        "_target_": "logitlab.runs.environment.subprocess.run", "args": ["touch", str(mark)]},
    "writer of this package": lambda mark: {
        "_target_": "logitlab.runs.files.write", "path": {"_target_": "pathlib.Path", "_args_": [str(mark)]}, "content": "x"},
    "a partial": lambda mark: {"_target_": "harm.Harm", "_partial_": True, "mark": str(mark)},
    "exec": lambda mark: {"_target_": "builtins.exec", "_args_": [f"open({str(mark)!r}, 'w')"]},
}  # fmt: skip

CONFIG_PLACES = [
    "data",
    "data.source",
    "data.path",
    "data.features",
    "data.null_values.0",
    "model",
    "model.weight",
    "loss",
    "optimizer",
    "lr_scheduler",
    "penalty",
    "logger",
    "trainer",
    "trainer.callbacks.0",
    "callbacks.extra",
    "results.extra",
    "seed",
]
CHECKPOINT_PLACES = [
    "hyper_parameters.network",
    "hyper_parameters.network.weight",
    "hyper_parameters.network.extra",
    "hyper_parameters.config.model",
    "hyper_parameters.config.data",
    "hyper_parameters.config.data.separator",
    "hyper_parameters.config.trainer",
    "hyper_parameters.preprocessing",
    "hyper_parameters.preprocessing.columns.0",
    "hyper_parameters.preprocessing.columns.0.kind",
    "hyper_parameters.preprocessing.scaling",
    "hyper_parameters.labels",
    "hyper_parameters._instantiator",
    "callbacks.harm",
    "optimizer_states.0",
    "lr_schedulers.0",
    "loops.fit_loop",
    "threshold",
]


def put(node: Any, place: str, value: Any) -> None:
    """Put a value where a dotted name says, and make what is on the way."""
    name, _, rest = place.partition(".")
    key: Any = int(name) if name.isdigit() else name
    if isinstance(node, list) and len(node) <= key:
        node.append(None)
    if not rest:
        node[key] = value
        return
    below = node.get(key) if isinstance(node, dict) else node[key]
    if not isinstance(below, dict | list):
        below = [] if rest.partition(".")[0].isdigit() else {}
        node[key] = below
    put(below, rest, value)


def in_yaml(name: str, place: str, target: str) -> Change:
    """Return a change of `.hydra/<name>`."""

    def change(run: Path, mark: Path) -> None:
        path = run / ".hydra" / name
        content = yaml.safe_load(path.read_text())
        put(content, place, TARGETS[target](mark))
        path.write_text(yaml.safe_dump(content))

    return change


def in_checkpoint(place: str, target: str) -> Change:
    """Return a change of both checkpoints."""
    return in_checkpoint_as(place, TARGETS[target])


def in_checkpoint_as(place: str, make: Callable[[Path], Any]) -> Change:
    """Return a change of both checkpoints to what `make` makes of the mark."""

    def change(run: Path, mark: Path) -> None:
        for name in ("last", "best"):
            checkpoint: Any = Run(run).checkpoint(name)
            put(checkpoint, place, make(mark))
            torch.save(checkpoint, run / "checkpoints" / f"{name}.ckpt")
            (run / "checkpoints" / f"{name}.ckpt.previous").unlink(missing_ok=True)

    return change


def text_in(name: str, write: Callable[[Path], str]) -> Change:
    """Return a change that writes a file."""

    def change(run: Path, mark: Path) -> None:
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text(write(mark))

    return change


def value_in_config(place: str, make: Callable[[Path], Any]) -> Change:
    """Return a change of a value in `.hydra/config.yaml`."""

    def change(run: Path, mark: Path) -> None:
        path = run / ".hydra" / "config.yaml"
        content = yaml.safe_load(path.read_text())
        put(content, place, make(mark))
        path.write_text(yaml.safe_dump(content))

    return change


def link(name: str, folder: bool = False) -> Change:
    """Return a change that makes a link out of a file or a folder; what lies behind it is the mark's folder."""

    def change(run: Path, mark: Path) -> None:
        path = run / name
        if folder:
            path.rename(path.with_name(f"{path.name}-away")) if path.exists() else path.parent.mkdir(exist_ok=True)
            path.symlink_to(mark.parent)
        else:
            path.unlink(missing_ok=True)
            path.symlink_to(mark)

    return change


def pickled(name: str) -> Change:
    """Return a change that leaves a pickle under a name."""

    def change(run: Path, mark: Path) -> None:
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_bytes(pickle.dumps({"state_dict": Payload(mark), "epoch": Payload(mark)}))
        (run / f"{name}.previous").unlink(missing_ok=True)

    return change


TAG = "x: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{}']]\n"
NODE = {"_target_": "harm.Harm"}
STATUS = {"status": "finished", "digest": "0", "overrides": [], "value": 1.0}

DIRECTORIES: Mapping[str, Change] = {
    **{f"config {place}: {target}": in_yaml("config.yaml", place, target)
       for place in CONFIG_PLACES
       for target in (TARGETS if place in ("data", "data.source", "data.path") else list(TARGETS)[:1])},
    **{f"checkpoint {place}: {target}": in_checkpoint(place, target)
       for place in CHECKPOINT_PLACES
       for target in (list(TARGETS)[:1] if place != "hyper_parameters.network" else TARGETS)},
    "hydra.yaml launcher": in_yaml("hydra.yaml", "hydra.launcher", "a package of theirs"),
    "hydra.yaml choices": in_yaml("hydra.yaml", "hydra.runtime.choices", "a package of theirs"),
    "hydra.yaml sweeper": in_yaml("hydra.yaml", "hydra.sweeper", "os.system"),
    "hydra.yaml resolver": text_in(".hydra/hydra.yaml", lambda mark: "hydra: {runtime: {choices: '${harm:}'}}\n"),
    "overrides.yaml": text_in(".hydra/overrides.yaml", lambda mark: f"- +x={{_target_:os.system,command:'touch {mark}'}}\n"),
    "overrides.yaml resolver": text_in(".hydra/overrides.yaml", lambda mark: "- seed=${harm:}\n- ${harm:}\n"),
    "config resolver": value_in_config("data.path", lambda mark: "${harm:}"),
    "config resolver of a number": value_in_config("seed", lambda mark: "${harm:}"),
    "config environment": value_in_config("data.path", lambda mark: "${oc.decode:'${harm:}'}"),
    "checkpoint resolver": in_checkpoint_as("hyper_parameters.network.bias", lambda mark: "${harm:}"),
    "checkpoint resolver of data": in_checkpoint_as("hyper_parameters.config.data.separator", lambda mark: "${harm:}"),
    **{f"tag in {name}": text_in(f".hydra/{name}.yaml", TAG.format) for name in ("config", "hydra", "overrides")},
    "status.json overrides": text_in("status.json", lambda mark: json.dumps(STATUS | {"overrides": [f"+x={NODE}"]})),
    "status.json status": text_in("status.json", lambda mark: json.dumps(STATUS | {"status": NODE})),
    "statistics.json": text_in("statistics.json", lambda mark: json.dumps({"level": NODE})),
    "selection.json": text_in("selection.json", lambda mark: json.dumps({"digest": "0", "values": [NODE]})),
    **{f"pickle as {name}": pickled(name)
       for name in ("checkpoints/last.ckpt", "checkpoints/best.ckpt", ".hydra/config.pickle", "events.out.tfevents.1.a.1.0")},
    **{f"link {name}": link(name)
       for name in (".lock", "report.html", "metrics.json", "environment.json", "coefficients.csv", "status.json",
                    "train.log", "columns.json", "checkpoints/last.ckpt.previous", "selection.csv",
                    "events.out.tfevents.9999999999.host.1.0")},
    **{f"link {name}/": link(name, folder=True)
       for name in ("export", "pictures", ".hydra", "checkpoints", ".hydra/resumed-1")},
}  # fmt: skip
