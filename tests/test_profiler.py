"""The profiler that measures nothing."""

from lightning.pytorch.profilers import PassThroughProfiler

from logitlab.training.profiler import NoProfiler


def test_is_as_silent_as_lightnings_own() -> None:
    for profiler in NoProfiler(), PassThroughProfiler():
        with profiler.profile("outer"), profiler.profile("inner"):
            profiler.start("action")
            profiler.stop("action")
        assert profiler.summary() == ""
