"""The JSON schemas are those of the rules as they are; every file of conf/ names its own and is valid by it."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing
import schema

FILES = [path for path in sorted(schema.CONF.rglob("*.yaml")) if schema.schema_of(path) is not None]


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return schema.schemas()


def validator(made: dict[str, Any], name: str) -> jsonschema.Draft7Validator:
    resources = [(f"{each}.json", referencing.Resource.from_contents(content)) for each, content in made.items()]
    return jsonschema.Draft7Validator(made[name], registry=referencing.Registry().with_resources(resources))


def test_they_are_up_to_date(made: dict[str, Any]) -> None:
    """`make schema` writes them."""
    assert {path.stem for path in schema.SCHEMAS.glob("*.json")} == made.keys()
    for name, content in made.items():
        assert (schema.SCHEMAS / f"{name}.json").read_text(encoding="utf-8") == schema.text(content), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(schema.CONF).as_posix())
def test_every_file_names_its_schema_and_is_valid(made: dict[str, Any], path: Path) -> None:
    assert schema.line_of(path) in path.read_text(encoding="utf-8").splitlines()
    name = schema.schema_of(path)
    assert name is not None
    validator(made, name).validate(schema.load(path))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("optimizer", {"_target_": "torch.optim.SGD", "learning_rate": 1}, "'learning_rate' is not one of"),
        ("optimizer", {"_target_": "torch.optim.SGD", "lr": -1}, "-1 is not valid"),
        ("config", {"threshold": "f2"}, "'f2' is not valid"),
        ("config", {"seeds": 1}, "'seeds' was unexpected"),
        ("config", {"trainer": {"max_epochs": 0}}, "0 is not valid"),
        ("data", {"_target_": "logitlab.data.table.table", "scale": "standrad"}, "'standrad' is not valid"),
        ("callbacks", {"early_stopping": {"patience": -1}}, "-1 is not valid"),
    ],
)
def test_what_the_command_line_refuses_an_editor_marks(made: dict[str, Any], name: str, content: Any, words: str) -> None:
    (error,) = validator(made, name).iter_errors(content)
    assert words in error.message
