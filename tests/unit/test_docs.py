"""The documentation is correct: generated pages are current, examples load, and everything that is named exists."""

from __future__ import annotations

import doctest
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import jsonschema
import pytest
import yaml
from celery import Celery
from pydantic import BaseModel

from routectl.cli.main import COMMANDS, cli
from routectl.routing import celery
from routectl.routing.celery import settings
from routectl.topology.errors import RoutectlError
from routectl.topology.file.load import load
from routectl.topology.model.support import support_of
from routectl.topology.model.types import Model

from ..markdown import (
    PAGES,
    ROOT,
    Block,
    anchors,
    blocks,
    commands,
    every,
    first_file,
    links,
    named_files,
    prose,
)

# Run as `pytest`, the repository's root is not on the path.
sys.path.append(str(ROOT))

from docs import file_reference
from docs.generate import stale

SECRETS = ("BERLIN_URI", "ARCHIVE_URI", "APP_PASSWORD", "SHOP_PASSWORD")

#: Options of other programs that the pages name.
FOREIGN = {
    *("--autoscale", "--detach", "--hostname", "--logfile", "--pidfile", "--profile"),
    *("--purge", "--routectl", "--statedb"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "queues.yaml").write_text(first_file())
    (tmp_path / "ci.password").write_text("secret\n")
    monkeypatch.chdir(tmp_path)
    for name in SECRETS:
        monkeypatch.setenv(name, "amqp://there")
    return tmp_path


def test_generated_pages_are_current() -> None:
    assert stale() == [], "run `make docs`"


def test_the_file_reference_holds_every_part_of_the_model() -> None:
    def below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
        for each in model.__subclasses__():
            yield each
            yield from below(each)

    ours = {model for model in below(Model) if model.__module__.startswith("routectl.")}
    described = {model for _, model, _ in file_reference.SECTIONS}
    bases = {"QueueSettings", "_Parameter", "_UpstreamOptions"}
    assert {model.__name__ for model in ours - described} == bases


def test_every_field_is_described_and_named_as_rabbitmq_has_it() -> None:
    for _, model, _ in file_reference.SECTIONS:
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
        for name, support in support_of(model).items():
            assert (support.key or name.replace("_", "-")) in (model.model_fields[name].description or ""), (
                name
            )


@pytest.mark.parametrize("block", every("yaml"), ids=str)
def test_yaml_loads_without_mistakes(block: Block, folder: Path) -> None:
    if block.info and not block.info.endswith(".yaml"):
        if block.info != "finding":
            yaml.safe_load(block.text)
        return
    text = block.text if "version:" in block.text else "version: 1\n" + block.text
    (folder / "example.yaml").write_text(text)
    assert load("example.yaml").warnings == ()
    schema = json.loads((ROOT / "docs/queues.schema.json").read_text())
    jsonschema.validate(yaml.safe_load(text), schema)


@pytest.mark.parametrize("block", every("python"), ids=str)
def test_python_compiles_and_what_needs_nothing_else_runs(block: Block, folder: Path) -> None:
    code = compile(block.text, str(block), "exec")
    if block.info == "finding":
        return
    if re.search(r"^(from|import) (django|flask)|ROUTECTL_BROKER", block.text, re.MULTILINE):
        return
    if block.page.name == "places.md" and "routectl" not in block.text:
        return  # it stands on another file of its section; tests/workers run them together
    if "routectl_router" in block.text:
        (folder / block.info).write_text(block.text)
        done = subprocess.run(
            [Path(sys.executable).with_name("pytest"), "--rootdir", "."], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout
        return
    names: dict[str, Any] = {"__name__": "example"}
    exec(code, names)
    app = names.get("app")
    if app is None:
        app = Celery()
        namespace = "CELERY" if "CELERY_TASK_ROUTES" in names else None
        app.config_from_object(SimpleNamespace(**names), namespace=namespace)
    assert app.amqp.router.route({}, "billing.charge")["queue"].name == "high"
    for name, function in names.items():
        if name.startswith("test_"):
            function()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "pycon")], ids=lambda page: page.name
)
def test_interpreter_sessions_say_what_the_interpreter_says(page: Path, folder: Path) -> None:
    for name, text in named_files(page).items():
        (folder / name).write_text(text)
    session = "\n".join(block.text for block in blocks(page, "pycon"))
    test = doctest.DocTestParser().get_doctest(session, {}, page.name, str(page), 0)
    told: list[str] = []
    result = doctest.DocTestRunner().run(test, out=told.append)
    assert result.failed == 0, "".join(told)


def test_settings_that_celery_gets_are_all_explained(folder: Path) -> None:
    text = (ROOT / "docs/celery.md").read_text().partition("## What is set\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert sorted(rows) == sorted(settings("queues.yaml"))


def called() -> Iterator[tuple[str, list[str]]]:
    """Every call of routectl that a page shows, in blocks and in prose, with where."""
    for page in PAGES:
        lines = [
            (str(block), line) for block in blocks(page, "sh", "text") for line in block.text.splitlines()
        ]
        lines += [(each.place, each.command) for block in blocks(page, "console") for each in commands(block)]
        lines += [(page.name, " ".join(code.split())) for code in re.findall(r"`([^`]+)`", prose(page))]
        for place, line in lines:
            for match in re.finditer(r"(?:^|[\s(|;&])routectl ([a-z].*)", line.partition(" #")[0]):
                yield place, re.split(r"[|;)>\"]", match[1])[0].split("   ")[0].split()


@pytest.mark.parametrize(("place", "words"), list(called()))
def test_commands_and_options_that_are_named_exist(place: str, words: list[str]) -> None:
    context: click.Context = click.Context(cli, **cli.context_settings)
    command: click.Command = cli
    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words[0])
        assert found is not None, f"{place}: there is no `{words[0]}`"
        command, words = found, words[1:]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    for word in words[: words.index("--")] if "--" in words else words:
        if word.startswith("-"):
            assert word.split("=")[0] in known | {"-h", "--help"}, (
                f"{place}: `{command.name}` knows no `{word}`"
            )


def test_options_in_prose_exist() -> None:
    known = {"--help", "--version", *FOREIGN}
    context = click.Context(cli, **cli.context_settings)
    pending = [cli.get_command(context, name) for name in COMMANDS]
    for command in pending:
        assert command is not None
        known |= {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        if isinstance(command, click.Group):
            pending += command.commands.values()
    for page in PAGES:
        named = set(re.findall(r"`(--[a-z][a-z-]+)", prose(page)))
        assert named <= known, f"{page.name} names {named - known}"


def test_every_error_that_can_be_caught_is_listed() -> None:
    def below(error: type[RoutectlError]) -> Iterator[type[RoutectlError]]:
        yield error
        for each in error.__subclasses__():
            yield from below(each)

    tables = (ROOT / "docs/python.md").read_text().partition("## Errors")[2]
    errors, publishing = tables.split("From `routectl.routing.celery`")
    for text, module in (
        (errors, "routectl.topology.errors"),
        (publishing, "routectl.routing.publishing.failures"),
    ):
        listed = re.findall(r"^\| (– )?`(\w+)`", text, re.MULTILINE)
        found = [each for each in below(RoutectlError) if each.__module__ == module]
        assert sorted(name for _, name in listed) == sorted(each.__name__ for each in found)
        assert all(each.__name__ in (sys.modules[module].__doc__ or "") for each in found)
    assert all(hasattr(celery, each.__name__) for each in found)


def test_readme_names_every_command() -> None:
    text = (ROOT / "README.md").read_text()
    assert [name for name in COMMANDS if f"routectl {name}" not in text] == []


def test_environment_variables_that_are_named_are_read() -> None:
    code = "".join(
        path.read_text() for room in ("cli", "routing", "topology") for path in (ROOT / room).rglob("*.py")
    )
    for page in PAGES:
        for name in set(re.findall(r"\bROUTECTL_[A-Z_]+", page.read_text())) - {"ROUTECTL_TEST_BROKER"}:
            assert name in code or name == "_ROUTECTL_COMPLETE", f"{page.name} names {name}"


def test_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"(?:`|^)make ([a-z]+)", page.read_text(), re.MULTILINE))
        assert named <= targets, f"{page.name} names {named - targets}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(there), f"{page.name}: {target}"


def test_pages_say_nothing_of_where_they_were_written() -> None:
    for page in PAGES:
        assert not re.search(r"/root/|/home/", page.read_text()), page


def test_completion_works_as_the_readme_says() -> None:
    for shell in ("bash", "zsh", "fish"):
        done = subprocess.run(
            [str(Path(sys.executable).with_name("routectl"))],
            env={"_ROUTECTL_COMPLETE": f"{shell}_source", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )
        assert "_routectl_completion" in done.stdout, done.stderr


@pytest.mark.parametrize("name", ["start", "move", "operate"])
def test_a_front_page_is_short_and_the_readme_names_it(name: str) -> None:
    page = ROOT / "docs" / f"{name}.md"
    assert len(page.read_text(encoding="utf-8").split()) < 600
    assert f"(docs/{name}.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
