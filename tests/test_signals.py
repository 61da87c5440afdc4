"""Signals: held until the run can save itself, raised elsewhere, and handed back."""

import os
import signal
import threading

import pytest

from logreg.errors import Interrupted
from logreg.signals import STOPPING, held, raised


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
