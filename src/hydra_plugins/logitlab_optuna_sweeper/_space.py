"""The space of a search, read from Hydra's overrides.

`interval(a,b)` is a number from a to b, `int(interval(a,b))` a whole one, both ends included; `range(a,b,step)` is Hydra's:
without b. `tag(log, ...)` draws the logarithm evenly. `tag(optimizer:sgd, ...)` belongs to runs with optimizer=sgd alone.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep, Sweep, Transformer
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial

from logitlab.cli.arguments import ArgumentError
from logitlab.errors import did_you_mean
from logitlab.sweeps.points import Values

log = logging.getLogger(__name__)

LOG = "log"


@dataclass(frozen=True)
class Parameter:
    """What is searched for one key.

    Attributes:
        name: the key, without Hydra's + or ++.
        distribution: Optuna's.
        values: all of them, in Hydra's order; None for an interval.
        belongs_to: keys of choices -> the words for which this one is there.
    """

    name: str
    distribution: BaseDistribution
    values: Sequence[Any] | None
    belongs_to: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def is_in(self, chosen: Values) -> bool:
        """Whether a run that has chosen these values has this one too."""
        return all(key in chosen and str(chosen[key]) in words for key, words in self.belongs_to.items())

    def suggest(self, trial: Trial) -> Any:
        """Return the value that the trial's sampler gives it."""
        match self.distribution:
            case FloatDistribution(low=low, high=high, step=step, log=log):
                return trial.suggest_float(self.name, low, high, step=step, log=log)
            case IntDistribution(low=low, high=high, step=step, log=log):
                return trial.suggest_int(self.name, low, high, step=step, log=log)
            case CategoricalDistribution(choices=choices):
                return trial.suggest_categorical(self.name, choices)
        raise AssertionError(self.distribution)

    def word(self, value: Any) -> str:
        """Return a value as the command line has it: of a range, Hydra's own, where Optuna's differs in the last digit."""
        if self.values is not None and isinstance(self.distribution, FloatDistribution):
            value = min(self.values, key=lambda each: abs(each - value))
        return str(value)

    def ends(self) -> Sequence[Any]:
        """Return values which, if they are allowed, allow all of them."""
        if isinstance(self.distribution, FloatDistribution | IntDistribution):
            return [self.distribution.low, self.distribution.high]
        assert self.values is not None
        return self.values


class Space:
    """The parameters of a search among the overrides of a sweep."""

    def __init__(self, overrides: Sequence[Override]) -> None:
        """Read parsed overrides, of one key the last.

        Raises:
            ArgumentError: one of them cannot be searched.
        """
        last = {override.get_key_element(): override for override in overrides}
        self._overrides = list(last.values())
        swept = [_parameter(override) for override in self._overrides if override.is_sweep_override()]
        fixed = {_name(each): each.get_value_element_as_str() for each in self._overrides if not each.is_sweep_override()}
        self.parameters = _in_order(list(_that_belong(swept, fixed)))

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """Let the trial draw what it has not drawn yet; return all that belongs to it."""
        return self._chosen(lambda parameter: parameter.suggest(trial))

    def example(self, wanted: Values) -> dict[str, Any]:
        """Return the values of some run, those that are wanted among them."""
        return self._chosen(lambda parameter: wanted.get(parameter.name, parameter.ends()[0]))

    def _chosen(self, value: Callable[[Parameter], Any]) -> dict[str, Any]:
        chosen: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.is_in(chosen):
                chosen[parameter.name] = value(parameter)
        return chosen

    def points(self) -> Iterator[dict[str, Any]]:
        """Yield every combination, the last parameter changing first.

        Raises:
            ArgumentError: an interval is among them.
        """
        for parameter in self.parameters:
            if parameter.values is None:
                raise ArgumentError(
                    f"{parameter.name} is an interval, and a grid goes through every value: type a list, as in"
                    f" {parameter.name}=choice(0.1,1), or range(1,5); or take another sampler, as in hydra/sweeper/sampler=tpe."
                )
        return reduce(_with_values, self.parameters, iter([{}]))

    def _words(self, values: Values) -> dict[str, str]:
        return {each.name: each.word(values[each.name]) for each in self.parameters if each.name in values}

    def overrides(self, values: Values) -> list[str]:
        """Return the command line of a run with these values, in the order in which the sweep was typed."""
        words = self._words(values)
        lines = []
        for override in self._overrides:
            if not override.is_sweep_override():
                lines.append(str(override.input_line))
            elif (name := _name(override)) in words:
                lines.append(f"{override.get_key_element()}={words[name]}")
        return lines

    def typed(self, values: Values) -> dict[str, Any]:
        """Return the values as a config has them: the list 1,2 is of numbers, though Optuna is given its words."""
        parser = OverridesParser.create()
        return {name: parser.parse_override(f"{name}={word}").value() for name, word in self._words(values).items()}

    def words(self) -> dict[str, str]:
        """Return key -> what was typed for it, to tell one search from another."""
        return {
            override.get_key_element(): str(override.input_line).partition("=")[2].replace(" ", "")
            for override in self._overrides
        }


def _with_values(points: Iterator[dict[str, Any]], parameter: Parameter) -> Iterator[dict[str, Any]]:
    for point in points:
        values = parameter.values or () if parameter.is_in(point) else None
        yield from [point] if values is None else ({**point, parameter.name: value} for value in values)


def _name(override: Override) -> str:
    return override.get_key_element().lstrip("+")


def _parameter(override: Override) -> Parameter:
    value: Any = override.value()
    tags = value.tags if isinstance(value, Sweep) else set()
    belongs_to: dict[str, frozenset[str]] = {}
    for tag in sorted(tags - {LOG}):
        key, colon, words = tag.partition(":")
        if not colon or not key or not words:
            raise ArgumentError(
                f"{override.input_line}: there is no tag {tag}.{did_you_mean(tag, [LOG])} Tags are {LOG}, and a choice that the"
                " parameter belongs to, as in tag(optimizer:sgd,interval(0,0.9))."
            )
        belongs_to[key] = frozenset(words.split("|"))
    return Parameter(_name(override), *_distribution(override, value, LOG in tags), belongs_to)


def _distribution(override: Override, value: Any, log: bool) -> tuple[BaseDistribution, Sequence[Any] | None]:
    values: list[Any] | None = None
    low: Any
    high: Any
    if isinstance(value, IntervalSweep):
        low, high, step = value.start, value.end, None
        if not low <= high:
            raise ArgumentError(
                f"{override.input_line}: an interval goes from its lower end to its upper: type interval({high},{low})."
            )
    elif isinstance(value, RangeSweep):
        values = list(value.range())
        if not values:
            raise ArgumentError(f"{override.input_line} holds no value: a range goes from its start up to, not into, its end.")
        low, high, step = min(values), max(values), abs(value.step)
    else:
        return _choice(override, value, log)
    if log and (low <= 0 or step not in (None, 1)):
        raise ArgumentError(f"{override.input_line}: a logarithm needs numbers above 0, and a range with a step none but 1.")
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log, step=1 if step is None else int(step)), values
    return FloatDistribution(low, high, log=log, step=step), values


def _choice(override: Override, value: Any, log: bool) -> tuple[BaseDistribution, Sequence[Any]]:
    if log:
        raise ArgumentError(
            f"{override.input_line}: {LOG} is for intervals and ranges; a list has no numbers between its values."
        )
    listed = map(Transformer.str, value.list) if isinstance(value, ChoiceSweep) else override.sweep_string_iterator()
    words = list(dict.fromkeys(listed))
    if not words:
        raise ArgumentError(f"{override.input_line} matches no choice.")
    return CategoricalDistribution(words), words


def _that_belong(parameters: Sequence[Parameter], fixed: Mapping[str, str]) -> Iterator[Parameter]:
    """Yield the parameters without the choices that are typed for all runs; log which belong to another choice."""
    for parameter in parameters:
        typed = {key: fixed[key] for key in parameter.belongs_to if key in fixed}
        if wrong := [key for key, word in typed.items() if word not in parameter.belongs_to[key]]:
            words = "|".join(sorted(parameter.belongs_to[wrong[0]]))
            log.info(f"{parameter.name} is not searched: it belongs to {wrong[0]}:{words}, and {wrong[0]}={typed[wrong[0]]}.")
        else:
            yield replace(parameter, belongs_to={key: each for key, each in parameter.belongs_to.items() if key not in typed})


def _in_order(parameters: Sequence[Parameter]) -> list[Parameter]:
    """Return the parameters, each behind the choices that it belongs to."""
    known = {parameter.name: parameter for parameter in parameters}
    for parameter in parameters:
        for key, words in parameter.belongs_to.items():
            choice = known.get(key)
            choices = [str(value) for value in choice.values or ()] if choice else []
            if unknown := sorted(words.difference(choices)):
                raise ArgumentError(
                    f"{parameter.name} belongs to {key}:{unknown[0]}, and this search does not choose {key}={unknown[0]}:"
                    f" search it too, as in {key}={unknown[0]},OTHER, or leave the tag out."
                )
    ordered: list[Parameter] = []
    while len(ordered) < len(parameters):
        names = {parameter.name for parameter in ordered}
        ready = [each for each in parameters if each.name not in names and each.belongs_to.keys() <= names]
        if not ready:
            left = ", ".join(each.name for each in parameters if each.name not in names)
            raise ArgumentError(f"{left} belong to each other in a circle: leave one of the tags out.")
        ordered += ready
    return ordered
