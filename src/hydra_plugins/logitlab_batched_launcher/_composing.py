"""How a sweep's jobs are composed: by Hydra, but once for all that differ in plain values alone."""

from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import HydraContext
from omegaconf import DictConfig

from logitlab.sweeps.composition import Composer


class SharedConfigLoader:
    """Hydra's config loader, but that a sweeper's look at every job costs one composition for all jobs of one form.

    A sweeper composes each job before it launches them, throws the configs away, and takes a minute for a thousand.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self._loader = loader
        self.composer: Composer | None = None

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """Return the config of a job of this form: not necessarily with this job's own values."""
        assert self.composer is not None
        return self.composer.job(sweep_overrides, 0).base.cfg

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def hydras_loader(context: HydraContext) -> ConfigLoader:
    """Return the loader that Hydra itself made."""
    loader = context.config_loader
    return loader._loader if isinstance(loader, SharedConfigLoader) else loader


def composer(context: HydraContext, config: DictConfig, exact: bool) -> Composer:
    """Return the composer of a sweep's jobs, and let the sweeper use it too."""
    loader = hydras_loader(context)
    parser = OverridesParser.create(config_loader=loader)

    made = Composer(
        compose=lambda overrides: loader.load_sweep_config(config, overrides),
        is_group=lambda key: any(source.is_group(key) for source in loader.get_sources()),
        parse=lambda text: parser.parse_override(f"key={text}").value(),
        exact=exact,
    )
    if not exact:
        shared = SharedConfigLoader(loader)
        shared.composer = made
        context.config_loader = shared  # type: ignore[assignment]
    return made
