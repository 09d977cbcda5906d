"""A `broker_url` that Celery cannot parse is an error that says what to encode, and does not contain the password."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from celery import Celery
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection

from routectl.routing.celery import configure, settings
from routectl.routing.publishing.broker_url import check_app
from routectl.topology.errors import UsageError

BAD = {
    "amqp://u:S3cr3t#Pw@h": "must have `#` percent-encoded as `%23`",
    "amqp://u:S3cr3t/Pw@h": "`/` is written `%2F`",
    "amqp://u:S3cr3t?Pw@h": "`?` is written `%3F`",
    "amqp://u:S3cr3t[Pw@h": "must have `[` percent-encoded as `%5B`",
    "amqp://u:S3cr3t;Pw@h": "it is written `%3B`",
    "amqp://u:S3cr3t\u2100Pw@h": "must have a valid host and port",
    "amqp://u:S3cr3tPw@h:99999": "must have a valid host and port",
    "amqp://u:S3cr3tPw": "must have a valid host and port",
    "redis://:S3cr3t#Pw@h": "must have `#` percent-encoded as `%23`",
    "u:S3cr3tPw@h": "must begin with a scheme",
    "amqp:/u:S3cr3tPw@h": "must begin with a scheme",
    "amqq://u:S3cr3tPw@h": "has the scheme `amqq`, which Celery does not know; did you mean `amqp`?",
    "https://u:S3cr3tPw@h": "has the scheme `https`, which Celery does not know; RabbitMQ has `amqp`",
    "amqp://first;amqp://u:S3cr3t#Pw@h": "must have `#` percent-encoded as `%23`",
}
GOOD = (
    "amqp://u:p@h1//;amqp://u:p@h2:5673//",
    "amqp://",
    "amqp://guest@localhost//",
    "amqp://u:a@b:c%d!$&'()*+,=e f@h/v?heartbeat=30",
    "amqps://u:p@[::1]:5671/v",
    "pyamqp://h",
    "localhost",
    "localhost:5672",
    "memory://",
    "sentinel://:p@h1:26379;sentinel://h2:26379;h3",
    "redis+socket:///tmp/redis.sock",
    "sqla+sqlite:///celery.sqlite",
    "sqs://key:secret@",
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "queues.yaml"
    path.write_text("version: 1\nqueues: {normal: {}}\nunmatched: normal\n")
    return path


def app_with(url: Any) -> Celery:
    return Celery("shop", broker=url, set_as_current=False)


def assert_hidden(error: BaseException, expected: str) -> None:
    assert "S3cr3t" not in str(error) + repr(error)
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    assert expected in str(error)


@pytest.mark.parametrize(("url", "expected"), BAD.items())
@pytest.mark.parametrize("used", [False, True])
def test_configure_refuses_it(file: Path, url: str, expected: str, used: bool) -> None:
    app = app_with(url)
    assert not used or app.conf.task_default_queue
    with pytest.raises(UsageError) as caught:
        configure(app, file)
    assert str(caught.value).startswith("`broker_url` of app `shop` ")
    assert_hidden(caught.value, expected)


def test_every_broker_of_a_list_is_checked(file: Path) -> None:
    url, expected = next(iter(BAD.items()))
    with pytest.raises(UsageError) as caught:
        configure(app_with(["amqp://first", url]), file)
    assert_hidden(caught.value, expected)


@pytest.mark.parametrize("used", [False, True])
def test_a_result_backend_is_checked_if_celery_parses_its_url_likewise(used: bool) -> None:
    app = Celery("shop", broker="memory://", backend="redis://:S3cr3t#Pw@h", set_as_current=False)
    assert not used or app.conf.task_default_queue
    with pytest.raises(UsageError) as caught:
        check_app(app)
    assert str(caught.value).startswith("`result_backend` of app `shop` must have `#` ")
    assert_hidden(caught.value, "`%23`")
    for backend in ("rpc://", "db+sqlite:///a#b.db", "file:///tmp/a#b", "proj.backends:Own", None):
        check_app(Celery("shop", broker="memory://", backend=backend, set_as_current=False))


@pytest.mark.parametrize("url", GOOD)
def test_what_celery_can_parse_is_accepted(url: str) -> None:
    check_app(app_with(url))
    check_app(app_with(url.split(";")))


@pytest.mark.parametrize("name", ["broker_url", "broker_write_url"])
def test_a_url_that_is_set_later_is_refused_when_a_task_is_sent(file: Path, name: str) -> None:
    app = app_with("memory://")
    configure(app, file)
    url, expected = next(iter(BAD.items()))
    app.conf.update({name: url})
    with pytest.raises(UsageError, match=f"^`{name}` of app `shop` ") as caught:
        app.send_task("any")
    assert_hidden(caught.value, expected)


def test_a_url_of_the_environment_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, expected = next(iter(BAD.items()))
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    with pytest.raises(UsageError) as caught:
        configure(app_with("memory://"), file)
    assert_hidden(caught.value, expected)


def test_an_app_that_uses_settings_refuses_it_when_a_task_is_sent(file: Path) -> None:
    url, expected = next(iter(BAD.items()))
    app = app_with(url)
    app.conf.update(settings(file))
    with pytest.raises(UsageError) as caught:
        app.send_task("any")
    assert_hidden(caught.value, expected)


@given(st.text(min_size=1), st.text())
def test_what_is_accepted_can_be_parsed(user: str, password: str) -> None:
    encoded = f"amqp://{quote(user, safe='')}:{quote(password, safe='')}@host/vhost"
    check_app(app_with(encoded))
    parsed = Connection(encoded)
    assert (parsed.userid, parsed.password or "") == (user, password)
    raw = f"amqp://{user}:{password}@host/vhost"
    with suppress(UsageError):
        check_app(app_with(raw))
        assert all("@" not in (Connection(url).hostname or "") for url in raw.split(";"))
