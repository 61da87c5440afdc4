"""Signals: held until the run can save itself, raised elsewhere, and handed back."""

import contextlib
import os
import signal
import threading
from pathlib import Path

import pytest
from omegaconf import DictConfig
from omegaconf.errors import ConfigKeyError
from runs import compose_config

from logitlab.errors import Interrupted
from logitlab.runs.signals import STOPPING, held, raised, reraise
from logitlab.sweeps import member
from logitlab.sweeps.run_member import run_member


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_is_noted_while_held_and_raised_outside(number: signal.Signals) -> None:
    before = {each: signal.getsignal(each) for each in STOPPING}
    with pytest.raises(Interrupted) as stop, raised():
        with held() as pending:
            assert pending.number is None
            os.kill(os.getpid(), number)
            assert pending.number == number
        os.kill(os.getpid(), number)
        pytest.fail("not reached")
    assert stop.value.code == 128 + number
    assert stop.value.signal_name == number.name
    assert {each: signal.getsignal(each) for each in STOPPING} == before


def test_a_second_signal_while_held_ends_the_process_as_without_us() -> None:
    with held():
        os.kill(os.getpid(), signal.SIGTERM)
        assert [signal.getsignal(each) for each in STOPPING] == [signal.SIG_DFL] * len(STOPPING)


def test_outside_the_main_thread_nothing_is_touched() -> None:
    seen = []

    def work() -> None:
        with raised(), held() as pending:
            seen.append((pending.number, signal.getsignal(signal.SIGINT)))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(None, before)]


@pytest.mark.parametrize("library", ["swallows it", "makes an error of it"])
def test_a_signal_ends_the_run_whatever_a_library_makes_of_it(library: str) -> None:
    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except SystemExit:
            if library == "makes an error of it":
                raise KeyError("half made") from None

    with pytest.raises(Interrupted) as stop, raised():
        work()
    assert stop.value.code == 143
    with raised():  # the next run is another one
        reraise()


def test_a_run_of_a_sweep_is_not_called_failed_for_a_signal(tmp_path: Path) -> None:
    """OmegaConf, found with a config half made, raises an error of its own in a `finally`."""
    config = compose_config("monitor=null", directory=tmp_path / "run")

    def job(cfg: DictConfig) -> None:
        with contextlib.suppress(Interrupted):
            os.kill(os.getpid(), signal.SIGINT)
        raise ConfigKeyError("'NoneType' object has no attribute '_invalidate_flags_cache'")

    with pytest.raises(Interrupted), raised():
        run_member(config, job, pytest.fail, lambda config: {})
    assert member.read(tmp_path / "run").status == member.RUNNING


def test_a_signal_that_is_ignored_stays_so() -> None:
    """`nohup python train.py` goes on when its terminal is closed."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with raised(), held() as pending:
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
            assert pending.number == signal.SIGTERM
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
