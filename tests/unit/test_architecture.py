"""What ARCHITECTURE.md says of the code, held: which way imports run, who may import what, how big things get."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

import routectl.routing
import routectl.routing.celery
import routectl.topology
from routectl.cli.main import COMMANDS, LazyGroup, cli

ROOT = Path(__file__).parents[2]
ROOMS = ("topology", "routing", "cli")

#: Which rooms a room may import; of itself, always.
BELOW = {"topology": set(), "routing": {"topology"}, "cli": {"topology", "routing"}}

#: Who may import a library. What ends in a dot is a whole package.
USERS = {
    "amqp": (
        "routing.publishing.producer",
        "routing.publishing.undeliverable",
        "routing.worker.consumer.",
        "routing.worker.scheduling.",
    ),
    "celery": (
        "routing.app_loader",
        "routing.celery",
        "routing.check.app.reader",
        "routing.importing.app.",
        "routing.publishing.failures",
        "routing.publishing.fork",
        "routing.publishing.rate_limits",
        "routing.publishing.router",
        "routing.publishing.send_task",
        "routing.worker.",
        "routing.worker_app",
    ),
    "click": ("cli.", "routing.worker.hooks", "routing.worker_app"),
    "docker": ("topology.broker.sandbox.container",),
    "kombu": (
        "routing.check.app.reader",
        "routing.importing.app.",
        "routing.publishing.broker_url",
        "routing.publishing.failures",
        "routing.publishing.fork",
        "routing.publishing.kombu_queues",
        "routing.publishing.producer",
        "routing.publishing.router",
        "routing.publishing.undeliverable",
        "routing.task_routes.",
        "routing.worker.",
    ),
    "pika": ("topology.broker.amqp.", "topology.broker.transfer.pump"),
    "pydantic": ("topology.model.", "topology.file.load", "topology.file.validation"),
    "pydantic_core": (
        "topology.model.",
        "topology.base.secret",
        "topology.file.load",
        "topology.file.validation",
    ),
    "pytest": ("cli.pytest_plugin",),
    "testcontainers": ("topology.broker.sandbox.container",),
    "urllib3": (
        "topology.broker.management.endpoint",
        "topology.broker.management.http",
        "topology.broker.sandbox.probe",
    ),
    "yaml": ("topology.file.reader.", "routing.worker.manifests."),
}

#: The rooms from the ground up: a module imports from its own room and from those before it. The longest name counts.
LAYERS = (
    "topology.base",
    "topology.lint.catalog",
    "topology.lint.registry",
    "topology.lint.acceptance",
    "topology.errors",
    "topology.matching.pcre",
    "topology.model",
    "topology.matching",
    "topology.policies",
    "topology.delivery",
    "topology.lint.context",
    "topology.lint.names",
    "topology.lint.rules",
    "topology.lint",
    "topology.file.reader",
    "topology.file",
    "topology.broker.address",
    "topology.broker.tls",
    "topology.broker.reasons",
    "topology.broker.writes",
    "topology.broker.holder",
    "topology.broker.definitions",
    "topology.broker.amqp",
    "topology.broker.management",
    "topology.broker.transfer",
    "topology.broker",
    "topology.broker.sandbox",
    "topology.change.safety",
    "topology.change.leftovers",
    "topology.change.ownership",
    "topology.change.history",
    "topology.change",
    "topology",
    "routing.rules",
    "routing.reload",
    "routing.task_routes",
    "routing.router",
    "routing.app_loader",
    "routing.published",
    "routing.publishing",
    "routing.check",
    "routing.check.app",
    "routing.importing.configuration",
    "routing.importing.notes",
    "routing.importing.app",
    "routing.importing.convert",
    "routing.importing",
    "routing.worker.share",
    "routing.worker.profile",
    "routing.worker.queue_selection",
    "routing.worker.consumer",
    "routing.worker.manifests",
    "routing.worker",
    "routing.celery",
    "routing.worker_app",
    "routing",
    "cli",
)

#: What of `topology.change` knows the broker; the rest is data in, data out.
JOINTS = {
    f"topology.change.{name}"
    for name in ("apply", "counts", "planner", "via_amqp", "refusals", "safety.guards")
}

#: Modules of a folder at most; a command of the command line is found by its name.
MAX_MODULES = 12

#: What the way to a broker may know of the rest of `topology`.
KNOWN_TO_BROKER = {
    "topology.errors",
    "topology.base.duration",
    "topology.base.known_secrets",
    "topology.base.progress",
    "topology.base.redaction",
    "topology.base.requirements",
    "topology.base.resources",
    "topology.base.secret",
}

#: Routing that runs in producers without Celery.
WITHOUT_CELERY = ("routing", "routing.router", "routing.rules.", "routing.reload.", "routing.worker.profile")

#: What of `routectl check` needs no Celery: all but what reads an app.
CHECKS = "routing.check."
CHECKS_WITH_CELERY = {"routing.check.app.reader"}

HEAVY = ("celery", "docker", "kombu", "pika", "pydantic", "testcontainers", "urllib3", "yaml")

MAX_LINES = 400
MAX_FUNCTION_LINES = 60


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its name without `routectl.`."""
    found = {}
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(module: str) -> Iterator[str]:
    """Whatever a module imports, anywhere in it: our modules without `routectl.`, libraries by their top name."""
    path = modules()[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert node.module is not None
            yield node.module.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) + 1 - node.level], *(node.module or "").split(".")]
            origin = ".".join(part for part in base if part)
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                yield inner if inner in modules() else origin


def ours(module: str) -> set[str]:
    """Our modules that a module imports, those for type hints only among them."""
    return {name for name in imports(module) if name in modules()} - {module}


def is_among(module: str, names: tuple[str, ...]) -> bool:
    """Whether a module is one of these, or in one of the packages among them, whose names end in a dot."""
    return any(module == name or (name[-1] == "." and f"{module}.".startswith(name)) for name in names)


def test_imports_run_from_cli_over_routing_to_topology() -> None:
    for module in modules():
        room = module.split(".")[0]
        reached = {name.split(".")[0] for name in ours(module)} - {room}
        assert reached <= BELOW[room], f"{module} imports {reached - BELOW[room]}"


def test_our_own_modules_are_imported_relatively() -> None:
    assert [module for module in modules() if "routectl" in imports(module)] == []


@pytest.mark.parametrize("library", sorted(USERS))
def test_a_library_stays_with_its_users(library: str) -> None:
    allowed = USERS[library]
    for module in modules():
        if library in imports(module):
            assert is_among(module, allowed), f"{module} imports {library}"


def test_every_library_is_known_here() -> None:
    known = set(sys.stdlib_module_names) | set(USERS) | set(ROOMS)
    used = {name.split(".")[0] for module in modules() for name in imports(module)}
    assert used <= known, f"say above who may import {used - known}"


def layer(module: str) -> int:
    """How far up a module's room is."""
    rooms = [room for room in LAYERS if f"{module}.".startswith(f"{room}.")]
    assert rooms, f"say above in which room {module} is"
    return LAYERS.index(max(rooms, key=len))


def test_nothing_is_imported_from_a_room_above() -> None:
    for module in modules():
        above = [name for name in ours(module) if layer(name) > layer(module)]
        assert not above, f"{module} imports {above}"


def test_a_folder_has_a_dozen_modules_at_most() -> None:
    folders = Counter(
        module.rpartition(".")[0] for module, path in modules().items() if path.stem != "__init__"
    )
    folders["cli"] -= len(COMMANDS)
    assert {folder: count for folder, count in folders.items() if count > MAX_MODULES} == {}


def test_unit_tests_are_in_the_folders_of_what_they_test() -> None:
    unit = ROOT / "tests" / "unit"
    folders = {path.parent.relative_to(unit) for path in unit.rglob("test_*.py")} - {Path(), Path("cli")}
    assert [str(folder) for folder in folders if not (ROOT / folder / "__init__.py").exists()] == []


def test_what_decides_on_a_change_knows_no_broker() -> None:
    for module in modules():
        if module.startswith("topology.change.") and module not in JOINTS:
            reached = {name for name in ours(module) if name.startswith("topology.broker") or name in JOINTS}
            assert not reached, f"{module} is pure, and imports {reached}"


def test_the_way_to_a_broker_knows_nothing_of_files_and_plans() -> None:
    for module in modules():
        if module.startswith("topology.broker"):
            reached = {name for name in ours(module) if not name.startswith("topology.broker")}
            assert reached <= KNOWN_TO_BROKER, f"{module} imports {reached - KNOWN_TO_BROKER}"


def test_routing_by_hand_needs_no_celery() -> None:
    celery = {"celery", "kombu", "amqp", "routing.celery", "routing.publishing.router"}
    for module in modules():
        is_check = module.startswith(CHECKS) and module not in CHECKS_WITH_CELERY
        if is_check or is_among(module, WITHOUT_CELERY):
            assert not set(imports(module)) & celery, module


def test_no_import_goes_in_a_circle() -> None:
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join([*above, module])
        if module not in done:
            for name in ours(module) - {module}:
                visit(name, (*above, module))
            done.add(module)

    for module in modules():
        visit(module, ())


def test_every_package_is_installed() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = set(setup["options"]["packages"].split())
    assert listed == {f"routectl.{name}" for name, path in modules().items() if path.name == "__init__.py"}
    assert all((ROOT / room / "py.typed").exists() for room in ROOMS)


def test_exported_names() -> None:
    assert routectl.routing.__all__ == ["Call", "Decision", "Router"]
    failures = ["BrokerBlocked", "BrokerDown", "PublishFailed", "PublishTimeout", "QueueDown", "QueueFull"]
    assert routectl.routing.celery.__all__ == [
        *failures,
        "Undeliverable",
        "UnknownQueue",
        "configure",
        "settings",
    ]
    assert not hasattr(routectl.topology, "__all__")


def everything() -> list[Path]:
    folders = (*ROOMS, "tests", "demo", "benchmarks", "docs")
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_no_file_and_no_function_is_long() -> None:
    for path in everything():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= MAX_LINES, f"{path} has {lines} lines"
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                assert length <= MAX_FUNCTION_LINES, f"{path}: {node.name} has {length} lines"


def public(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.AST]]:
    """Every public class and function in a body, methods included, and what stands inside functions left out."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
            yield f"{prefix}.{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{prefix}.{node.name}")


def test_whatever_is_public_says_what_it_does() -> None:
    missing = []
    for module, path in modules().items():
        found: list[tuple[str, ast.AST]] = [(module, tree(path)), *public(tree(path).body, module)]
        for name, node in found:
            assert isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            if not ast.get_docstring(node):
                missing.append(name)
    assert missing == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_their_help_says(name: str) -> None:
    assert isinstance(cli, LazyGroup)
    command = cli.get_command(click.Context(cli, **cli.context_settings), name)
    assert command is not None
    assert command.name == name
    assert command.help is not None
    first = " ".join(command.help.split("\n\n")[0].split())
    assert first == COMMANDS[name] + "."


@pytest.mark.parametrize("words", [["--version"], ["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_and_version_import_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from routectl.cli.main import run; "
        f"assert run({words}) == 0; print('LOADED', *(name for name in {HEAVY} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == ["LOADED"]
