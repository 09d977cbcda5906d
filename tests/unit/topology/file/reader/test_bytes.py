"""Input that is not YAML, not text, or not a file: one clear finding each, and never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from routectl.topology.base.finding import Severity
from routectl.topology.file.load import load
from routectl.topology.file.reader.document import MAX_BYTES

from ....loading import Folder, body

START = "start with `version: 1` and the queues: `queues: {high: {}}`"
ESCAPE = "remove it, or write it as an escape sequence in double quotes"
ONE_DOCUMENT = "remove the `---` or `...`: a file has only one document"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", f"1:1 empty-file: the file is empty | {START}"),
        (" \n\n", f"1:1 empty-file: the file is empty | {START}"),
        ("# nothing\n# yet\n", f"1:1 empty-file: the file contains only comments | {START}"),
        ("version: 1\n---\nqueues: {}\n", f"2:1 syntax: a second YAML document begins here | {ONE_DOCUMENT}"),
        ("version: 1\n...\nqueues: {}\n", f"3:1 syntax: a second YAML document begins here | {ONE_DOCUMENT}"),
        (
            "version: 1\nqueues:\n\thigh: {}\n",
            "3:1 syntax: this line is indented with a tab; YAML allows only spaces | replace the tab with spaces",
        ),
        (
            "version: 1\nqueues:\n  a:\n  \tb: c\n",
            "4:3 syntax: this line is indented with a tab; YAML allows only spaces | replace the tab with spaces",
        ),
        (
            "name: a: b\n",
            "1:8 syntax: a `:` is not allowed here | put the text in quotes, or check the indentation",
        ),
        ("name: @a\n", "1:7 syntax: a value cannot begin with `@` | put the value in quotes"),
        (
            "name: 'a\n",
            "1:7 syntax: this quoted string is not closed | add the closing quote",
        ),
        (
            "queues: {a: {b: 1\nroutes: []\n",
            "2:7 syntax: a `,` or the end of the list or map is missing before this | "
            "check whether the `}` for line 1, column 13 is missing",
        ),
        (
            "queues: *all\n",
            "1:9 syntax: undefined alias | define the anchor (`&name`) above the alias (`*name`)",
        ),
        (
            "queues: {q: {type: ${TYPE}}}\n",
            '1:21 syntax: `${` is not allowed unquoted inside `{ }` or `[ ]` | put it in quotes: `"${NAME}"`',
        ),
        (
            "version: 1\nqueues: {a\0b: {}}\n",
            f"2:11 syntax: the character U+0000 is not allowed in YAML | {ESCAPE}",
        ),
        ("version: 1\nname: \x07\n", f"2:7 syntax: the character U+0007 is not allowed in YAML | {ESCAPE}"),
        (b"# h\xe9llo\n", "1:4 not-utf8: byte 0xe9 is not valid UTF-8 | save the file as UTF-8"),
        (
            "é: 1\nü: ".encode() + b"\xff\n",
            "2:4 not-utf8: byte 0xff is not valid UTF-8 | save the file as UTF-8",
        ),
        ("version: 1".encode("utf-16"), "1:1 not-utf8: the file is UTF-16, not UTF-8 | save it as UTF-8"),
        ("version: 1".encode("utf-16-le"), "1:1 not-utf8: the file is UTF-16, not UTF-8 | save it as UTF-8"),
        ("version: 1".encode("utf-16-be"), "1:1 not-utf8: the file is UTF-16, not UTF-8 | save it as UTF-8"),
    ],
)
def test_input_that_is_not_a_single_yaml_document(tmp_path: Path, text: str | bytes, mistake: str) -> None:
    assert Folder(tmp_path).mistakes(text) == [mistake]


def test_a_byte_order_mark_is_a_warning(tmp_path: Path) -> None:
    loaded = Folder(tmp_path).load("\ufeffversion: 1\nqueues: {q: }\n")
    (warning,) = loaded.warnings
    assert (warning.code, warning.severity, warning.help) == (
        "byte-order-mark",
        Severity.WARNING,
        "save the file as UTF-8 without BOM",
    )
    assert loaded.position(("queues", "q"), of_key=True).column == 10


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u0085", "\u2028"])
def test_all_line_endings_are_equivalent(tmp_path: Path, end: str) -> None:
    text = end.join(["version: 1", "queues:", "  a: {typ: 1}", ""])
    (finding,) = Folder(tmp_path).findings(text)
    assert (finding.position.line, finding.position.column, finding.position.text) == (3, 7, "  a: {typ: 1}")


@pytest.mark.parametrize(
    "text",
    [
        "queues: " + "[" * 10_000,
        "queues: " + "[" * 10_000 + "]" * 10_000,
        "queues: " + "{a: " * 1_000_000,
        "queues: " + "- " * 1_000_000,
        "? " * 1_000_000,
        "".join(f"{' ' * depth}a:\n" for depth in range(2_000)),
        "".join(f"{' ' * depth}-\n" for depth in range(2_000)),
        "queues: " + "[ '[', \"]\", [ # ]\n" * 10_000,
        "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 5_000)),
    ],
    ids=["open", "closed", "maps", "dashes", "question marks", "keys", "lists", "disguised", "by alias"],
)
def test_deep_nesting_neither_crashes_nor_takes_long(tmp_path: Path, text: str) -> None:
    # In a process of its own: a stack that overflows takes the whole process with it.
    path = Folder(tmp_path).write(text)
    program = (
        "import sys; from routectl.topology.load import load; from routectl.topology.errors import FileError\n"
        "try: load(sys.argv[1])\n"
        "except FileError as error: print({finding.code for finding in error.findings})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() in ("{'too-deep'}", "{'syntax'}")


def test_moderate_nesting_loads(tmp_path: Path) -> None:
    nested = "[" * 90 + "]" * 90
    loaded = Folder(tmp_path).load(body(f"queues: {{q: {{arguments: {{x-a: {nested}}}}}}}"))
    assert str(loaded.topology.queues["q"].arguments["x-a"]).count("[") == 90


TENFOLD = ", ".join(["*a{}"] * 10)


@pytest.mark.parametrize(
    "text",
    [
        "a0: &a0 [x]\n"
        + "".join(f"a{i}: &a{i} [{TENFOLD.replace('{}', str(i - 1))}]\n" for i in range(1, 30)),
        "a0: &a0 {a: 1}\n"
        + "".join(f"a{i}: &a{i} {{<<: [{TENFOLD.replace('{}', str(i - 1))}]}}\n" for i in range(1, 30)),
        "a: &a [" + "x, " * 2_000 + "]\nb: [" + "*a, " * 2_000 + "]\n",
        "queues:\n  q0: {bindings: &b ["
        + "{exchange: amq.topic}, " * 1_000
        + "]}\n"
        + "".join(f"  q{i}: {{bindings: *b}}\n" for i in range(1, 2_000)),
    ],
    ids=["a billion laughs", "merge keys", "squared", "models"],
)
def test_exploding_aliases_are_found(tmp_path: Path, text: str) -> None:
    (mistake,) = Folder(tmp_path).mistakes(body(text))
    assert "alias-explosion: aliases repeat more than 1,000,000 values" in mistake


def test_exploding_aliases_are_found_in_overlays(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    laughs = "a0: &a0 {x: 1}\n" + "".join(
        f"a{i}: &a{i} {{{', '.join(f'k{k}: *a{i - 1}' for k in range(10))}}}\n" for i in range(1, 30)
    )
    folder.write(body(laughs), "a.yaml")
    folder.write(body(laughs), "b.yaml")
    assert "alias-explosion" in folder.mistakes(None, None, "a.yaml", "b.yaml")[0]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("queues: &q {a: {arguments: {x-a: *q}}}", "2:9"),
        ("queues: {a: {arguments: {x-a: &l [*l]}}}", "2:31"),
        ("queues: &q\n  a: {}\n  <<: *q", "2:9"),
        ("queues: &q\n  a: {typ: 1}\n  <<: [*q]", "2:9"),
    ],
)
def test_an_alias_within_itself(tmp_path: Path, text: str, place: str) -> None:
    folder = Folder(tmp_path)
    expected = [f"{place} alias-loop: an alias refers to a value that contains it"]
    assert folder.mistakes(body(text)) == expected
    folder.write(body(text), "again.yaml")
    assert folder.mistakes(None, None, "again.yaml", "queues.yaml") == [f"queues.yaml:{expected[0]}"]


@pytest.mark.parametrize(
    ("tag", "shown"),
    [
        ("!!python/object:os.system", "!!python/object:os.system"),
        ("!!python/object/apply:os.system", "!!python/object/apply:os.system"),
        ("!!set", "!!set"),
        ("!secret", "!secret"),
    ],
)
def test_tags_do_not_create_objects(tmp_path: Path, tag: str, shown: str) -> None:
    assert Folder(tmp_path).mistakes(body(f"queues: {tag} {{}}")) == [
        f"2:9 unknown-tag: the YAML tag `{shown}` is not supported | "
        "use plain YAML without tags, and `${NAME}` for values from the environment"
    ]


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "queues.yaml"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    assert Folder(tmp_path).mistakes() == [
        f"1:1 too-large: the file is 100 MiB large; the limit is {MAX_BYTES // 1024 // 1024} MiB | "
        "check that it is the right file, or split it with `include:`"
    ]


def test_a_file_without_end_is_read_to_the_limit_only(tmp_path: Path) -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("no /dev/zero")
    os.symlink("/dev/zero", tmp_path / "queues.yaml")
    (mistake,) = Folder(tmp_path).mistakes()
    assert mistake.startswith("1:1 too-large")


def test_paths_that_are_not_files(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    where = "pass the file with `-f FILE`, or set ROUTECTL_FILE"
    assert folder.mistakes() == [f"1:1 missing-file: there is no file `{tmp_path}/queues.yaml` | {where}"]
    assert folder.mistakes(None, None, "a\0b")[0].endswith(where)
    (tmp_path / "queues.yaml").mkdir()
    assert folder.mistakes() == [
        f"1:1 missing-file: `{tmp_path}/queues.yaml` is not a file | pass the path of a YAML file"
    ]


def test_a_file_without_read_permission(tmp_path: Path) -> None:
    path = Folder(tmp_path).write("version: 1\n")
    path.chmod(0)
    with _without_privileges():
        (mistake,) = Folder(tmp_path).mistakes()
    assert mistake == f"1:1 missing-file: `{path}` cannot be read: permission denied"


@contextmanager
def _without_privileges() -> Iterator[None]:
    """Drops root privileges for a moment, since root can read every file."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_one_file_or_a_list_is_accepted(tmp_path: Path) -> None:
    path = Folder(tmp_path).write(body("queues: {q: }"))
    assert load(path, {}).files == load([str(path)], {}).files == (str(path),)
