"""Passwords in a file are rejected and never shown: in messages, snippets, `repr`, JSON or tracebacks."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest

from routectl.cli.main import run
from routectl.topology.base.finding import Position
from routectl.topology.errors import FileError
from routectl.topology.file.load import load

from ...loading import Folder, body

WORD = "hunter2hunter2"
HASH = "A3wzwHYVMG4PH/2RDGFxmYJgxSQhe4u4YxQ1FBDUQjVTEcUr"
NOT_HERE = "a password must not be written in the file"


def everything_shown(error: FileError) -> str:
    """All ways to print an error."""
    shown = [
        str(error),
        repr(error),
        repr(error.args),
        repr(error.findings),
        "".join(traceback.format_exception(error)),
    ]
    shown += [finding.render() + str(finding) for finding in error.findings]
    return "\n".join([*shown, json.dumps([finding.as_dict() for finding in error.findings])])


def refused(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> FileError:
    Folder(tmp_path).write(text)
    with pytest.raises(FileError) as caught:
        load(tmp_path / "queues.yaml", environment or {})
    return caught.value


@pytest.mark.parametrize(
    "written",
    [
        f"password: {WORD}",
        f"password: '{WORD}'",
        f'"password": {WORD}',
        f"? password\n    : {WORD}",
        f"password : {WORD}  # {WORD[:3]}",
        f"password: [{WORD}]",
        f"password: {{a: {WORD}}}",
        f"password: |\n      {WORD}\n      {WORD}",
        f"password: >-\n      {WORD}",
        f'password: "{WORD}\n      {WORD}"',
        f"password: !secret {WORD}",
        f"password: ${{PART}}{WORD}",
        f"password: ${{NOPE:-{WORD}}}",
        f"tags: &p {WORD}\n    password: *p",
        f"password: {WORD}\n    password: {WORD}",
        f"pasword: {WORD}",
        f"password_hash: {WORD}\n    typ: {WORD}",
        f"permissions: {{/: {{password: {WORD}}}}}",
    ],
)
def test_a_password_in_the_file_is_refused_and_not_shown(tmp_path: Path, written: str) -> None:
    error = refused(tmp_path, body(f"users:\n  app:\n    {written}"), {"PART": "hunter3"})
    assert WORD not in everything_shown(error)
    assert "hunter3" not in everything_shown(error)


@pytest.mark.parametrize(
    "text",
    [
        f"users: {{app: {{password: {WORD}, tgs: 5}}}}",
        f'users: {{app: {{tgs: 5, password: "{WORD}, {WORD}", tags: {{}}}}}}',
        f"users: {{app: {WORD}}}",
        f"users: {WORD}",
        f"users: [{WORD}]",
        f"user: {{app: {{password: {WORD}}}}}",
        f"vhosts: {{v: {{users: {{app: {{password: {WORD}}}}}}}}}",
        f"queues: {{q: {{arguments: {{x-password: {WORD}}}, typ: 1}}}}",
        f"name: &n {{password: {WORD}",
        f"users:\n  app:\n    password: {WORD}: {WORD}",
        f"users:\n  app:\n    password: @{WORD}",
        f"users:\n  app:\n\t  password: {WORD}",
    ],
)
def test_a_password_next_to_another_mistake_is_not_shown(tmp_path: Path, text: str) -> None:
    assert WORD not in everything_shown(refused(tmp_path, body(text)))


def test_the_help_says_where_passwords_come_from(tmp_path: Path) -> None:
    (found,) = Folder(tmp_path).mistakes(body(f"users: {{app: {{password: {WORD}}}}}"))
    assert (
        found
        == f"2:25 literal-secret: `password`: {NOT_HERE} | write `password: ${{NAME}}`, or `password_file:`"
    )
    (found,) = Folder(tmp_path).mistakes(body("users: {app: {password: '${NOPE:-x}'}}"))
    assert "must consist of variables only, without defaults" in found


def test_masking_keeps_the_columns_of_a_line(tmp_path: Path) -> None:
    error = refused(tmp_path, body(f"users: {{app: {{password: {WORD}, tgs: 5}}}}"))
    shown, caret = error.findings[1].render().splitlines()[3:5]
    assert shown.count("*") >= len(WORD)
    assert shown[caret.index("^") :].startswith("tgs")


@pytest.mark.parametrize(
    "uri",
    [
        f"amqp://u:{WORD}@h",
        f"amqps://u:{WORD}@{WORD}@h",
        f"AMQP://u:{WORD}@h",
        f"http://u:{WORD}@h",
        f"amqp://u:{WORD}/{WORD}@h",
        f"u:{WORD}@h",
        f"amqp:u:{WORD}@h",
        f"amqp://h?password={WORD}",
        f"amqp://u:${{NOPE:-{WORD}}}@h",
        f"${{NOPE:-amqp://u:{WORD}@h}}",
        f"amqp://u:${{PART}}{WORD}@h",
    ],
)
def test_a_password_in_a_uri_is_rejected_and_not_shown(tmp_path: Path, uri: str) -> None:
    for text in (
        f"federation: {{upstreams: {{u: {{uri: '{uri}', foo: 1}}}}}}",
        f"shovels: {{s: {{src_uri: '{uri}', dest_uri: ['{uri}'], src_qeue: 1}}}}",
        f"shovels:\n  s:\n    dest_uri:\n      - '{uri}'\n    src_uri: amqp://h\n    typ: 1",
    ):
        error = refused(tmp_path, body(text), {"PART": "hunter3"})
        assert {finding.code for finding in error.findings} & {"literal-secret", "bad-uri"}
        assert WORD not in everything_shown(error)
        assert "hunter3" not in everything_shown(error)


def test_a_uri_in_another_field_is_not_shown(tmp_path: Path) -> None:
    uri = f"amqp://u:{WORD}@h"
    for text in (f"'{uri}': 1", f"queues: {{'{uri}': {{typ: 1}}}}", f"unmatched: '{uri}'", f"broker: {uri}"):
        assert WORD not in everything_shown(refused(tmp_path, body(text)))


def test_uris_get_their_passwords_from_the_environment(tmp_path: Path) -> None:
    topology = (
        Folder(tmp_path)
        .load(
            body(
                'shovels: {s: {src_uri: "amqp://u:${PW}@h", src_queue: q, dest_uri: ["amqp://h", "${URL}"]}}\n'
                'users: {u: {password: "${PW}"}}'
            ),
            {"PW": WORD, "URL": f"amqps://u:{WORD}@h"},
        )
        .topology
    )
    assert topology.shovels["s"].src_uri[0].reveal() == f"amqp://u:{WORD}@h"
    assert topology.shovels["s"].dest_uri[1].reveal() == f"amqps://u:{WORD}@h"
    shown = f"{topology!r}{topology}{topology.model_dump()}{topology.model_dump_json()}"
    assert WORD not in shown


def test_a_password_file_is_read_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text(f"{WORD}\nsecond line\n")
    folder = Folder(tmp_path)
    loaded = folder.load(body(f"users: {{u: {{password_file: {tmp_path}/pw}}}}"))
    assert loaded.topology.users["u"].password is not None
    assert loaded.topology.users["u"].password.reveal() == WORD
    assert WORD not in repr(loaded)
    error = refused(tmp_path, body(f"users: {{u: {{password_file: {tmp_path}/pw, tags: {{}}}}}}"))
    assert WORD not in everything_shown(error)
    for text, message in (
        (
            f"{{password_file: {tmp_path}/none}}",
            "the password file cannot be read: no such file or directory",
        ),
        (f"{{password_file: {tmp_path}}}", "the password file cannot be read: is a directory"),
        (
            f'{{password_file: {tmp_path}/pw, password: "${{PW}}"}}',
            "a password is given in more than one way",
        ),
        (f'{{password_hash: {HASH}, password: "${{PW}}"}}', "a password is given in more than one way"),
    ):
        folder.write(body(f"users: {{u: {text}}}"))
        with pytest.raises(FileError) as caught:
            load(tmp_path / "queues.yaml", {"PW": WORD}, require_secrets=True)
        assert message in str(caught.value)
    (tmp_path / "pw").write_bytes(b"\xff\n")
    loaded = folder.load(body(f"users: {{u: {{password_file: {tmp_path}/pw}}}}"))
    assert [finding.message for finding in loaded.missing_secrets] == ["the password file is not valid UTF-8"]


@pytest.mark.parametrize(
    "value", [f"{{password: {WORD}}}", f"[amqp://u:{WORD}@h]", f'{{a: {{api_key: "${{KEY:-{WORD}}}"}}}}']
)
def test_a_global_parameter_has_no_literal_secret(tmp_path: Path, value: str) -> None:
    error = refused(tmp_path, body(f"global_parameters: {{g: {value}}}"))
    assert [(finding.code, finding.help) for finding in error.findings] == [
        ("literal-secret", "write it as `${NAME}`")
    ]
    assert WORD not in everything_shown(error)


@pytest.mark.parametrize(
    "place",
    [
        "queues: {q: {arguments: HERE}}",
        "queues: {q: {bindings: [{exchange: amq.headers, headers: HERE}]}}",
        "queues: {q: {bindings: [{exchange: amq.topic, key: a, arguments: HERE}]}}",
        "exchanges: {e: {type: topic, arguments: HERE}}",
        "defaults: {queue: {arguments: HERE}}",
        "policies: {p: {pattern: a, apply_to: queues, definition: {arguments: HERE}}}",
        "queues: {q: {}}\nroutes: [{tasks: a, queue: q, headers: HERE}]",
        "queues: {q: {}}\nroutes: [{tasks: a, queue: q, options: HERE}]",
        "shovels: {s: {src_uri: amqp://a, src_queue: a, dest_uri: amqp://b, dest_publish_properties: HERE}}",
    ],
)
@pytest.mark.parametrize(
    ("written", "key"),
    [
        (f"{{x-api-token: {WORD}}}", "x-api-token"),
        (f"{{nested: [{{password: {WORD}}}]}}", "password"),
        (f"{{Authorization: Bearer {WORD}}}", "Authorization"),
        (f"{{x-auth: Bearer {WORD}}}", "x-auth"),
        (f"{{callback: 'https://u:{WORD}@h/x'}}", "callback"),
        (f"{{api_key: '${{NOPE:-{WORD}}}'}}", "api_key"),
    ],
)
def test_headers_options_and_arguments_have_no_literal_secret(
    tmp_path: Path, place: str, written: str, key: str
) -> None:
    error = refused(tmp_path, body(place.replace("HERE", written)))
    (found,) = [finding for finding in error.findings if finding.code == "literal-secret"]
    assert found.message.endswith(f": a secret must not be written in the file: `{key}`")
    assert found.help == "write it as `${NAME}`"
    assert WORD not in everything_shown(error)


@pytest.mark.parametrize(
    "text",
    ["https://h:8443/users/@me", "redis://cache:6379/0,worker@%h", "Bearer bonds", "amqp://h:5672,u@other"],
)
def test_a_port_is_no_password_and_a_word_no_token(tmp_path: Path, text: str) -> None:
    headers = (
        f"queues: {{q: {{}}}}\nroutes: [{{tasks: a, queue: q, headers: {{note: '{text}'}}}}]\nunmatched: q"
    )
    assert Folder(tmp_path).load(body(headers)).topology.routes[0].headers == {"note": text}


def test_a_profile_has_no_url_with_a_password_in_its_options(tmp_path: Path) -> None:
    text = f"queues: {{q: {{}}}}\nworkers: {{w: {{queues: [q], options: '--statedb redis://u:{WORD}@h'}}}}"
    error = refused(tmp_path, body(text))
    assert "literal-secret" in {finding.code for finding in error.findings}
    assert WORD not in everything_shown(error)


def test_headers_options_and_arguments_have_secrets_from_variables(tmp_path: Path) -> None:
    headers = '{Authorization: "Bearer ${TOKEN}", url: "https://u:${TOKEN}@h", token: "${TOKEN}", secret: 5}'
    text = f"queues: {{q: {{}}}}\nroutes: [{{tasks: a, queue: q, headers: {headers}}}]\nunmatched: q"
    tests = f"tests: [{{task: a, queue: q, kwargs: {{password: {WORD}}}, headers: {{token: {WORD}}}}}]"
    loaded = Folder(tmp_path).load(body(f"{text}\n{tests}"), {"TOKEN": WORD})
    assert loaded.topology.routes[0].headers == {
        "Authorization": f"Bearer {WORD}",
        "url": f"https://u:{WORD}@h",
        "token": WORD,
        "secret": 5,
    }


def test_secrets_of_global_parameters_are_removed_from_what_a_broker_writes(tmp_path: Path) -> None:
    text = body('global_parameters: {g: {peers: ["${PEER}"], api_key: "${KEY}"}}')
    loaded = Folder(tmp_path).load(text, {"PEER": f"amqp://u:{WORD}@h", "KEY": "k3y-of-theirs"})
    assert loaded.known_secrets().hide(f"refused: {WORD}, k3y-of-theirs") == "refused: ***, ***"


def test_values_from_the_environment_are_not_in_messages(tmp_path: Path) -> None:
    text = body(
        "targets: ['${V}']\n"
        'exchanges: {e: {type: "${V}"}, f: {alternate_exchange: "${V}"}}\n'
        'queues: {q: {type: "${V}", max_length: "${V}", durable: "${V}", message_ttl: "${V}", bindings: ["${V}"]},\n'
        '  r: {bindings: [{exchange: "${V}"}], dead_letter: {exchange: "x-${V}"}, arguments: "${V}"}}\n'
        'routes: [{tasks: "/${V}(/", queue: "${V}"}, {tasks: "{${V}", queue: q}, {tasks: a, queue: "{x}${V}"}]\n'
        'unmatched: "${V}"\nworkers: {w: {queues: ["${V}", "${V}"]}}\nlimits: "${V}"\n'
        'policies: {p: {pattern: "(${V}", definition: {federation_upstream: "${V}"}},\n'
        '  o: {pattern: a, definition: {federation_upstream_set: "${V}"}}}\n'
        'federation: {upstreams: {u: {uri: "${V}"}}, upstream_sets: {s: [{upstream: "${V}"}]}}'
    )
    error = refused(tmp_path, text, {"V": WORD})
    assert len(error.findings) > 20
    assert WORD not in everything_shown(error)


@pytest.mark.parametrize("options", [[], ["--debug"], ["--format", "json"], ["--color", "always"]])
def test_the_command_line_shows_no_passwords(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    path = Folder(tmp_path).write(
        body(
            f"users: {{app: {{password: {WORD}, tgs: '${{V}}'}}}}\nshovels: {{s: {{src_uri: 'amqp://u:{WORD}@h'}}}}"
        )
    )
    monkeypatch.setenv("V", "hunter3")
    assert run(["lint", "-f", str(path), *options]) == 1
    out, err = capsys.readouterr()
    assert WORD not in out + err
    assert "hunter3" not in out + err


def test_a_position_contains_no_secret(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    loaded = folder.load(body('users: {u: {password: "${PW}"}}\nqueues: {q: }'), {"PW": WORD})
    position = loaded.position(("users", "u", "password"))
    assert isinstance(position, Position)
    assert position.text == 'users: {u: {password: "${PW}"}}'


@pytest.mark.parametrize("value", ["hunter2", "aHVudGVyMg==", "not base64!", f"{HASH}\n"])
def test_a_password_hash_has_the_form_of_one(tmp_path: Path, value: str) -> None:
    (finding,) = Folder(tmp_path).findings(body('users: {u: {password_hash: "${HASH}"}}'), {"HASH": value})
    assert finding.code == "bad-hash"
    assert value.strip() not in finding.render()


def test_a_password_hash_belongs_to_its_algorithm(tmp_path: Path) -> None:
    text = f"users: {{u: {{password_hash: {HASH}, hashing_algorithm: rabbit_password_hashing_sha512}}}}"
    (finding,) = Folder(tmp_path).findings(body(text))
    assert (finding.code, finding.help) == (
        "bad-hash",
        "add `hashing_algorithm: rabbit_password_hashing_sha256`",
    )


def test_a_user_without_a_password_has_an_empty_hash(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    loaded = folder.load(body("users: {u: {password_hash: ''}}"))
    assert loaded.topology.users["u"].password_hash is not None
    (found,) = folder.mistakes(body("users: {u: {password_hash: '${HASH}'}}"), {"HASH": ""})
    assert "bad-hash" in found
