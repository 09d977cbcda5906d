"""A watched file: what counts as a change, how an invalid one is handled, and that no error reaches the publisher."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from routectl.routing import Router
from routectl.routing.reload import watch
from routectl.topology.errors import FileError
from routectl.topology.file import load

from ...loading import body


def going_to(queue: str) -> str:
    """A file that routes task `t` to a queue; all such files have the same length."""
    return body(f"queues: {{q1: {{}}, q2: {{}}}}\nroutes: [{{tasks: t, queue: {queue}}}]")


FIRST, SECOND, BROKEN = going_to("q1"), going_to("q2"), going_to("q9")


@pytest.fixture(autouse=True)
def _always_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks the file at every call, so that no test must wait."""
    monkeypatch.setattr(watch, "INTERVAL", 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "queues.yaml"
    path.write_text(FIRST)
    return path


@pytest.fixture
def router(file: Path) -> Router:
    return Router.from_file(file, watch=True)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The errors logged since the last call."""
    found = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    caplog.clear()
    return found


def goes_to(router: Router, name: str = "t") -> str:
    """Where a task goes, by both methods."""
    answer = router(name, (), {}, {})
    assert answer is not None
    assert router.route(name).queue == answer["queue"]
    return str(answer["queue"])


# What counts as a change


def test_a_file_is_checked_twice_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert watch.INTERVAL == 0.5


def test_nothing_is_checked_before_the_interval(
    router: Router, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 3600)
    assert goes_to(router) == "q1"  # the last check without an interval
    file.write_text(SECOND)
    assert goes_to(router) == "q1"


def test_a_file_that_is_not_watched_is_not_reloaded(file: Path) -> None:
    router = Router.from_file(file)
    file.write_text(SECOND)
    assert goes_to(router) == "q1"


def test_a_changed_file_is_reloaded_as_a_whole(router: Router, file: Path) -> None:
    assert goes_to(router) == "q1"
    file.write_text(SECOND.replace("q2: {}", "q2: {}, q3: {}"))
    assert goes_to(router) == "q2"
    assert [*router.body.queues] == ["q1", "q2", "q3"]
    assert router.explain("t").decision == router.route("t")
    place = router.route("t").position
    assert place is not None
    assert (place.file, place.line) == (str(file), 3)


def test_a_replaced_file_is_reloaded(router: Router, file: Path) -> None:
    other = file.with_name("queues.yaml.new")
    for text, queue in ((SECOND, "q2"), (FIRST, "q1")):
        other.write_text(text)
        other.replace(file)
        assert goes_to(router) == queue


def test_a_change_with_the_same_stat_is_reloaded(router: Router, file: Path) -> None:
    was = file.stat()
    with file.open("r+") as same:
        same.write(SECOND)
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
    now = file.stat()
    assert (now.st_ino, now.st_size, now.st_mtime_ns) == (was.st_ino, was.st_size, was.st_mtime_ns)
    assert goes_to(router) == "q2"


def test_changes_within_one_tick_of_the_clock(
    router: Router, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system with a resolution of seconds, all of these have the same timestamp."""
    monkeypatch.setattr(
        "routectl.routing.reload.snapshot._stamp",
        lambda _: (0, 0, 0, *[file.stat().st_mtime_ns // 10**10 * 10**10] * 2),
    )
    monkeypatch.setattr("routectl.routing.reload.snapshot._TICK", 3600)
    for text, queue in ((SECOND, "q2"), (FIRST, "q1"), (SECOND, "q2")):
        file.write_text(text)
        assert goes_to(router) == queue


def test_a_file_that_is_only_touched_is_not_read_again(router: Router, file: Path) -> None:
    table = router.table
    for _ in range(3):
        os.utime(file)
        assert goes_to(router) == "q1"
    assert router.table is table


def test_a_changed_symlink_as_in_a_mounted_config_map(tmp_path: Path) -> None:
    for name, text in (("..1", FIRST), ("..2", SECOND)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "queues.yaml").write_text(text)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "queues.yaml").symlink_to("..data/queues.yaml")
    router = Router.from_file(tmp_path / "queues.yaml", watch=True)
    assert goes_to(router) == "q1"
    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    assert goes_to(router) == "q2"


def test_overlays_are_watched(file: Path) -> None:
    over = file.with_name("over.yaml")
    over.write_text("unmatched: q1\n")
    router = Router.from_file([file, over], watch=True)
    assert goes_to(router, "other") == "q1"
    over.write_text("unmatched: q2\n")
    assert goes_to(router, "other") == "q2"
    file.write_text(SECOND)
    assert goes_to(router) == "q2"


def test_included_files_are_watched_even_if_added_or_removed(file: Path) -> None:
    parts = file.with_name("parts")
    parts.mkdir()
    (parts / "1.yaml").write_text("routes: [{tasks: one, queue: q1}]\n")
    file.write_text(FIRST + "include: parts/*.yaml\nunmatched: q1\n")
    router = Router.from_file(file, watch=True)
    assert goes_to(router, "two") == "q1"
    (parts / "2.yaml").write_text("routes: [{tasks: two, queue: q2}]\n")
    assert goes_to(router, "two") == "q2"
    (parts / "2.yaml").write_text("routes: [{tasks: other, queue: q2}]\n")
    assert (goes_to(router, "two"), goes_to(router, "other")) == ("q1", "q2")
    (parts / "2.yaml").unlink()
    assert goes_to(router, "other") == "q1"


def test_a_relative_path_is_kept_when_the_working_directory_changes(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    router = Router.from_file("queues.yaml", watch=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert goes_to(router) == "q1"
    file.write_text(SECOND)
    assert goes_to(router) == "q2"


def test_a_change_while_the_file_is_read_is_not_missed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "read", changing(load.read, [lambda: file.write_text(SECOND)]))
    router = Router.from_file(file, watch=True)  # changed as soon as it is read
    assert goes_to(router) == "q2"


def changing(read: Callable[..., object], changes: list[Callable[[], object]]) -> Callable[..., object]:
    """The reader; after each read, a file is changed once."""

    def read_and_change(*args: object, **kwargs: object) -> object:
        found = read(*args, **kwargs)
        if changes:
            changes.pop()()
        return found

    return read_and_change


def test_files_that_change_while_they_are_read_are_not_accepted(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = file.with_name("part.yaml")
    part.write_text("unmatched: q1\n")
    file.write_text(FIRST + "include: part.yaml\n")
    router = Router.from_file(file, watch=True)
    taken = []
    monkeypatch.setattr(load, "read", changing(load.read, [lambda: part.write_text("unmatched: q2\n")]))
    monkeypatch.setattr(router, "_swap", lambda state: taken.append(state.body.unmatched))
    file.write_text(SECOND + "include: part.yaml\n")
    for _ in range(3):
        router.route("t")
    assert taken == ["q2"]


def test_a_file_that_is_being_written_is_read_later(
    router: Router, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 3600)
    monkeypatch.setattr(watch.time, "monotonic", lambda: clock)
    clock = watch.time.time()
    assert router._watch is not None
    router._watch._next_check = 0
    file.write_text(SECOND[:-20])
    assert goes_to(router) == "q1"
    file.write_text(SECOND)
    clock += 721
    assert goes_to(router) == "q1"
    clock += 3600  # permanent writing does not delay it forever
    assert goes_to(router) == "q2"


# Invalid files


def test_an_invalid_file_is_logged_once_and_the_fixed_one_accepted(
    router: Router, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text(BROKEN)
    assert [goes_to(router) for _ in range(3)] == ["q1"] * 3
    (line,) = logged(caplog)
    assert line.startswith("reload failed, keeping the previous routes: 1 mistake in the file\n")
    assert f"{file}:3:28: error[unknown-name]: there is no queue `q9`" in line
    os.utime(file)
    assert goes_to(router) == "q1"
    assert logged(caplog) == []
    file.write_text("routes: [")
    assert goes_to(router) == "q1"
    assert len(logged(caplog)) == 1
    file.write_text(SECOND)
    assert goes_to(router) == "q2"
    assert logged(caplog) == []


def test_a_routing_error_is_logged_with_its_hint(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.write_text("vhost: main\n" + FIRST)
    router = Router.from_file(file, vhost="main", watch=True)
    file.write_text("vhost: mian\n" + SECOND)
    assert goes_to(router) == "q1"
    assert logged(caplog) == [
        "reload failed, keeping the previous routes: vhost `main` is not in the file (did you mean `mian`?)"
    ]


def test_an_invalid_file_can_be_fixed_in_an_included_one(
    router: Router, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    part = file.with_name("part.yaml")
    file.write_text(SECOND + "include: part.yaml\n")
    assert goes_to(router) == "q1"
    assert "no file matches `part.yaml`" in logged(caplog)[0]
    part.write_text("queues: [")
    assert goes_to(router) == "q1"
    assert f"{part}:2:1: error[syntax]" in logged(caplog)[0]
    part.write_text("unmatched: q2\n")
    assert goes_to(router) == "q2"
    assert logged(caplog) == []


def gone(file: Path) -> None:
    file.unlink()


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def no_text(file: Path) -> None:
    file.write_bytes(b"version: 1\nqueues: {\xff\xfe: {}}\n")


def empty(file: Path) -> None:
    file.write_bytes(b"")


def a_link_to_itself(file: Path) -> None:
    file.unlink()
    file.symlink_to(file)


def a_pipe(file: Path) -> None:
    file.unlink()
    file.symlink_to("/dev/null")


def too_deep(file: Path) -> None:
    file.write_text("[" * 100_000)


@pytest.mark.parametrize("ruin", [gone, a_folder, no_text, empty, a_link_to_itself, a_pipe, too_deep])
def test_any_problem_with_the_file_is_logged_once_and_not_raised(
    router: Router, file: Path, ruin: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    ruin(file)
    assert [goes_to(router) for _ in range(3)] == ["q1"] * 3
    assert len(logged(caplog)) == 1
    if file.is_dir():
        file.rmdir()
    else:
        file.unlink(missing_ok=True)
    file.write_text(SECOND)
    assert goes_to(router) == "q2"
    assert logged(caplog) == []


def test_an_unexpected_error_is_logged_by_its_type_and_not_raised(
    router: Router, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("password=secret")

    with monkeypatch.context() as patch:
        patch.setattr(load, "read", fail)
        file.write_text(SECOND)
        assert [goes_to(router) for _ in range(3)] == ["q1"] * 3
    assert logged(caplog) == [
        f"reload failed, keeping the previous routes: {file} cannot be loaded: RuntimeError"
    ]


def test_an_error_while_accepting_a_valid_file_is_logged_and_not_raised(
    router: Router, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise LookupError

    with monkeypatch.context() as patch:
        patch.setattr(router, "_swap", fail)
        file.write_text(SECOND)
        assert [goes_to(router) for _ in range(3)] == ["q1"] * 3
    assert logged(caplog) == [
        f"reload failed, keeping the previous routes: {file} cannot be loaded: LookupError"
    ]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, SoftTimeLimitExceeded])
def test_a_time_limit_is_raised_and_the_file_read_next_time(
    router: Router, file: Path, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    def end(*_: object, **__: object) -> None:
        raise kind

    with monkeypatch.context() as patch:
        patch.setattr(load, "read", end)
        file.write_text(SECOND)
        with pytest.raises(kind):
            router.route("t")
    assert goes_to(router) == "q2"


def test_an_invalid_file_at_the_start_is_an_error(file: Path) -> None:
    file.write_text(BROKEN)
    with pytest.raises(FileError):
        Router.from_file(file, watch=True)
