"""Overlays, includes, vhosts, defaults and anchors, and the positions of mistakes in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from routectl.routing import Router
from routectl.topology.errors import UsageError
from routectl.topology.file.load import load

from ....loading import Folder, body


def folder_of(path: Path, **files: str) -> Folder:
    """A folder with these files; `sub__b` is `sub/b.yaml`."""
    folder = Folder(path)
    for name, text in files.items():
        folder.write(text, name.replace("__", "/") + ".yaml")
    return folder


def test_overlays_merge_maps_and_replace_lists(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        base=body("queues: {a: {type: quorum, max_length: 5}, b: }\nroutes: [{tasks: x, queue: a}]"),
        prod="queues: {a: {max_length: 7}, c: }\nroutes: [{tasks: y, queue: c}]\n",
    )
    topology = folder.load(None, None, "base.yaml", "prod.yaml").topology
    assert list(topology.queues) == ["a", "b", "c"]
    assert topology.queues["a"].model_dump(exclude_unset=True) == {"type": "quorum", "max_length": 7}
    assert [route.tasks for route in topology.routes] == [("y",)]


def test_a_mistake_is_reported_in_the_file_that_causes_it(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        base=body("queues:\n  a: {max_length: few, typ: 1}\nunmatched: b"),
        prod="queues:\n  a: {max_length: many}\n  c:\n    bindings:\n      - {exchange: gone}\n",
    )
    assert [line.split(" | ")[0] for line in folder.mistakes(None, None, "base.yaml", "prod.yaml")] == [
        "base.yaml:3:24 unknown-key: unknown key `typ`",
        "base.yaml:4:12 unknown-name: there is no queue `b` in this file",
        "prod.yaml:2:19 wrong-type: `max_length` must be a whole number, not `many`",
        "prod.yaml:5:20 unknown-name: there is no exchange `gone` in this file",
    ]


def test_an_overlay_can_unset_values(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        base=body("queues: {a: {dead_letter: {exchange: ''}, message_ttl: 5s}}"),
        prod="queues: {a: {dead_letter: null}}\n",
    )
    queue = folder.load(None, None, "base.yaml", "prod.yaml").topology.queues["a"]
    assert (queue.dead_letter, queue.message_ttl) == (None, 5000)


def test_includes_are_relative_concatenate_lists_and_accept_globs(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        queues=body("include: [sub/*.yaml, c.yaml]\nroutes: [{tasks: x, queue: c}]"),
        sub__a="include: ../d.yaml\nqueues: {a: }\nroutes: [{tasks: a, queue: a}]\n",
        sub__b="include: ../d.yaml\nqueues: {b: }\nroutes: [{tasks: b, queue: b}]\n",
        c="queues: {c: }\n",
        d="queues: {d: }\nroutes: [{tasks: d, queue: d}]\n",
    )
    topology = folder.load().topology
    assert sorted(topology.queues) == ["a", "b", "c", "d"]
    assert [route.tasks[0] for route in topology.routes] == ["d", "a", "b", "x"], (
        "what two include is taken once"
    )


def test_conflicting_includes(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        queues=body("include: a.yaml\nqueues: {q: {max_length: 5, type: quorum}}"),
        a="version: 1\nqueues: {q: {max_length: 6, type: quorum}}\n",
    )
    assert folder.mistakes() == [
        f"3:26 include-conflict: this value conflicts with another one at {tmp_path}/a.yaml:2"
    ]


def test_includes_in_a_loop(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path, a=body("include: b.yaml"), b="include: [a.yaml]\n", c=body("include: c.yaml")
    )
    assert folder.mistakes(None, None, "a.yaml") == [
        f"1:11 include-loop: `{tmp_path}/a.yaml` includes itself | remove this line"
    ]
    assert folder.mistakes(None, None, "c.yaml") == [
        f"2:10 include-loop: `{tmp_path}/c.yaml` includes itself | remove this line"
    ]


def test_a_glob_does_not_include_its_own_file(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, queues=body("include: '*.yaml'"), a="queues: {a: }\n")
    assert list(folder.load().topology.queues) == ["a"]


def test_a_very_long_chain_of_includes_ends(tmp_path: Path) -> None:
    chain = {f"x{i}": f"include: x{i + 1}.yaml\n" for i in range(60)}
    (mistake,) = folder_of(tmp_path, queues=body("include: x0.yaml"), **chain).mistakes()
    assert mistake == "1:10 too-deep: includes are nested more than 50 files deep"


def test_missing_and_invalid_includes(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    where = "paths are relative to this file"
    assert folder.mistakes(body("include:\n  - no.yaml")) == [
        f"3:5 missing-file: no file matches `no.yaml` | {where}"
    ]
    assert folder.mistakes(body("include: x*.yml")) == [
        f"2:10 missing-file: no file matches `x*.yml` | {where}"
    ]
    assert folder.mistakes(body('include: "a\\0*"'))[0].startswith("2:10 missing-file: no file matches")
    assert folder.mistakes(body(f"include: {'x' * 5_000}"))[0].startswith(
        "2:10 missing-file: no file matches"
    )
    for wrong in ("{a: b}", "[[a]]", "['']"):
        (mistake,) = folder.mistakes(body(f"include: {wrong}"))
        assert mistake.endswith("wrong-type: `include` must be a path or a list of paths")
    assert folder.load(body("include:\nqueues: {q: }")).topology.queues


def test_a_mistake_in_an_included_file_is_reported_there(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, queues=body("include: sub/a.yaml"), sub__a="queues:\n  a: {typ: 1}\n")
    (finding,) = folder.findings()
    assert str(finding.position) == f"{tmp_path}/sub/a.yaml:2:7"
    folder.write("queues: [\n", "sub/a.yaml")
    assert folder.findings()[0].position.file == f"{tmp_path}/sub/a.yaml"


def test_each_vhost_has_its_own_body(tmp_path: Path) -> None:
    topology = (
        Folder(tmp_path)
        .load(
            body(
                "queues: {q: }\nvhosts:\n  /b:\n    queues: {q: {type: stream}}\n    limits: {max_queues: 5}\n  c:"
            )
        )
        .topology
    )
    assert topology.vhosts["/b"].queues["q"].type == "stream"
    assert list(topology.bodies("/")) == ["/", "/b", "c"]


def test_mistakes_in_vhosts(tmp_path: Path) -> None:
    text = body("vhosts:\n  a: {version: 1}\n  b: {queues: {q: {typ: 1}}, unmatched: r}\n  c: 5\n  '': ")
    assert [line.split(" | ")[0] for line in Folder(tmp_path).mistakes(text)] == [
        "3:7 unknown-key: unknown key `version`",
        "4:20 unknown-key: unknown key `typ`",
        "4:41 unknown-name: there is no queue `r` in this file",
        "5:6 wrong-type: `c` must be a map (`name: value` lines), not `5`",
        "6:3 wrong-value: a name cannot be empty",
    ]


def test_defaults_apply_to_all_queues_and_exchanges_of_all_vhosts(tmp_path: Path) -> None:
    topology = (
        Folder(tmp_path)
        .load(
            body(
                "defaults: {queue: {type: quorum, delivery_limit: 5}, exchange: {type: direct}}\n"
                "exchanges: {e: , f: {type: fanout}}\nqueues: {a: , b: {delivery_limit: 7}}\n"
                "vhosts: {v: {queues: {c: }}}"
            )
        )
        .topology
    )
    assert [exchange.type for exchange in topology.exchanges.values()] == ["direct", "fanout"]
    queues = [topology.queues["a"], topology.queues["b"], topology.vhosts["v"].queues["c"]]
    assert [(queue.type, queue.delivery_limit) for queue in queues] == [
        ("quorum", 5),
        ("quorum", 7),
        ("quorum", 5),
    ]


def test_a_default_that_a_queue_type_does_not_support_is_left_out(tmp_path: Path) -> None:
    queues = (
        Folder(tmp_path)
        .load(
            body(
                "defaults: {queue: {delivery_limit: 5, max_priority: 4, durable: false, dead_letter: {exchange: ''}}}\n"
                "queues: {c: , d: {type: classic}, q: {type: quorum}, s: {type: stream}}"
            )
        )
        .topology.queues
    )
    assert {name: sorted(queue.model_fields_set - {"type"}) for name, queue in queues.items()} == {
        "c": ["dead_letter", "durable", "max_priority"],
        "d": ["dead_letter", "durable", "max_priority"],
        "q": ["dead_letter", "delivery_limit"],
        "s": [],
    }


def test_a_queue_unsets_a_default_with_null(tmp_path: Path) -> None:
    queue = (
        Folder(tmp_path)
        .load(
            body(
                "defaults: {queue: {dead_letter: {exchange: ''}, message_ttl: 5s}, exchange: }\nqueues:\n"
                "  a: {dead_letter: null, message_ttl: ~}"
            )
        )
        .topology.queues["a"]
    )
    assert (queue.dead_letter, queue.message_ttl) == (None, None)


def test_defaults_do_not_apply_to_external_objects(tmp_path: Path) -> None:
    queue = (
        Folder(tmp_path)
        .load(body("defaults: {queue: {type: quorum}}\nqueues: {a: {external: true}}"))
        .topology.queues["a"]
    )
    assert queue.type == "classic"


def test_invalid_defaults_are_reported_once_at_their_position(tmp_path: Path) -> None:
    text = body(
        "defaults:\n  queue: {type: quorum, max_length: many, max_priority: 4, typ: 1, dead_letter: {exchange: gone}}\n"
        "queues: {a: , b: , c: {type: classic}}\nvhosts: {v: {queues: {a: , b: }}}"
    )
    mistakes = [line.split(" | ")[0] for line in Folder(tmp_path).mistakes(text)]
    assert mistakes == [
        "3:37 wrong-type: `max_length` must be a whole number, not `many`",
        "3:43 wrong-argument: a quorum queue does not support `max_priority`; RabbitMQ would refuse it",
        "3:60 unknown-key: unknown key `typ`",
        "3:92 unknown-name: there is no exchange `gone` in this file",
    ]


def test_anchors_and_merge_keys(tmp_path: Path) -> None:
    queues = (
        Folder(tmp_path)
        .load(
            body(
                "queues:\n  a: &a {type: quorum, delivery_limit: 5}\n  b: {<<: *a, delivery_limit: 6}\n"
                "  c: {<<: [{max_length: 1}, *a], type: quorum}\n  d: *a\n  e: {delivery_limit: 8, <<: *a}"
            )
        )
        .topology.queues
    )
    assert [queue.delivery_limit for queue in queues.values()] == [5, 6, 5, 5, 8]
    assert queues["c"].max_length == 1


def test_a_mistake_behind_an_anchor_is_reported_once_where_it_is_written(tmp_path: Path) -> None:
    text = body("queues:\n  a: &a {typ: 1}\n  b: *a\n  c: {<<: *a}\n  d: {<<: 5}")
    assert [line.split(" | ")[0] for line in Folder(tmp_path).mistakes(text)] == [
        "3:10 unknown-key: unknown key `typ`",
        "6:11 wrong-type: `<<` must be a map or a list of maps",
    ]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (None, "`NoneType`"),
        (5, "`int`"),
        (True, "`bool`"),
        (b"queues.yaml", "`bytes`"),
        ({"queues.yaml": 1}, "`dict`"),
        (["queues.yaml", 5], "`int`"),
        ([], "no file was given"),
        ((), "no file was given"),
    ],
    ids=repr,
)
def test_invalid_paths_are_reported_before_anything_is_read(named: Any, said: str) -> None:
    readers: list[Any] = [load, Router.from_file, lambda given: Router.from_file(given, watch=True)]
    for read in readers:
        with pytest.raises(UsageError, match=said) as caught:
            read(named)
        assert (
            caught.value.hint
            == "pass the path of a file, or a list with the paths of a file and its overlays"
        )


class Entry:
    """A path-like object, as `os.scandir` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


def test_path_like_objects_are_accepted(tmp_path: Path) -> None:
    file = Folder(tmp_path).write(body("queues: {a: }"))
    for named in (str(file), file, Entry(file), [file], (str(file), Entry(file))):
        given: Any = named
        assert load(given).files == (str(file),) * (len(given) if isinstance(given, list | tuple) else 1)
        assert list(Router.from_file(given, watch=True).body.queues) == ["a"]
