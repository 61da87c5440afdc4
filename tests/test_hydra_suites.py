"""Hydra's own conformance suites for launchers, on the batched launcher: other programs' jobs run one by one through it."""

import pytest
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite
from hydra.version import _UNSPECIFIED_, VersionBase

pytestmark = pytest.mark.filterwarnings("ignore:.*Future Hydra versions will no longer change working directory.*:UserWarning")


@pytest.fixture(autouse=True)
def no_version_base(monkeypatch):
    """The suite expects a process in which nobody has named a version of Hydra's behaviour; our own tests name 1.3."""
    monkeypatch.setattr(VersionBase.instance(), "version_base", _UNSPECIFIED_)


@pytest.mark.slow
@pytest.mark.parametrize(("launcher_name", "overrides"), [("batched", [])])
class TestLauncher(LauncherTestSuite):
    """In this process."""


@pytest.mark.slow
@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [({}, ["-m", "hydra/launcher=batched"])])
class TestIntegration(IntegrationTestSuite):
    """Each in a process of its own."""
