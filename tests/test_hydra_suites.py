"""Hydra's own conformance suites on the launchers and the sweeper: other programs' jobs, one by one."""

import pytest
from hydra.test_utils.launcher_common_tests import BatchedSweeperTestSuite, IntegrationTestSuite, LauncherTestSuite
from hydra.version import _UNSPECIFIED_, VersionBase
from processes import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:.*Future Hydra versions will no longer change working directory.*:UserWarning")

BEYOND = ("joblib", "submitit_local", "ray")
GRID = [f"hydra.searchpath=[file://{ROOT / 'conf'}]", "hydra/sweeper=optuna", "hydra/sweeper/sampler=grid"]


@pytest.fixture(autouse=True)
def no_version_base(monkeypatch):
    """The suite expects a process in which nobody has named a version of Hydra's behaviour; our own tests name 1.3."""
    monkeypatch.setattr(VersionBase.instance(), "version_base", _UNSPECIFIED_)


@pytest.fixture(scope="module")
def ray_of_this_process():
    """A Ray that is there already, as for a program that is connected to a cluster: starting one takes seconds."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture(autouse=True)
def prepared(request):
    """Start what a launcher wants."""
    if "ray" in request.node.callspec.params.values():
        request.getfixturevalue("ray_of_this_process")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher_name", "overrides"),
    [
        ("batched", []),
        *((name, ["hydra.launcher.workers=2"]) for name in BEYOND),
        *((name, [*GRID, "hydra.sweeper.n_jobs=16"]) for name in ("basic", "batched")),
    ],
)
class TestLauncher(LauncherTestSuite):
    """In this process."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"), [({}, ["-m", f"hydra/launcher={name}"]) for name in ("batched", "joblib")]
)
class TestIntegration(IntegrationTestSuite):
    """Each in a process of its own: 11 of them for each launcher, and 8 s each to start Ray or submitit."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher_name", "overrides"), [(name, [*GRID, "hydra.sweeper.n_jobs=2"]) for name in ("basic", "batched")]
)
class TestSweeper(BatchedSweeperTestSuite):
    """Two of its six jobs at a time."""


@pytest.mark.slow
@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [({}, ["-m", *GRID])])
class TestSweeperIntegration(IntegrationTestSuite):
    """Each in a process of its own, some in two."""

    test_to_absolute_path_multirun = None  # starts one sweep twice, and a search that is done has nothing left to run
