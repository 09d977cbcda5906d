"""How long a publisher waits for each broker of a failover list."""

from __future__ import annotations

import pytest

from routectl.routing.publishing.connection import Deadline, Unconnected, connect


class Client:
    """Has of a kombu connection what `connect` uses; no broker answers."""

    hostname, port = "one", 5672
    recoverable_connection_errors = (OSError,)
    connect_timeout = 4.0

    def __init__(self, *brokers: str) -> None:
        self.alt = brokers
        self.tried: list[tuple[str, float | None]] = []

    def ensure_connection(self, **_: object) -> None:
        self.tried.append((self.hostname, self.connect_timeout))
        raise TimeoutError

    def maybe_switch_next(self) -> None:
        self.hostname = self.alt[(self.alt.index(self.hostname) + 1) % len(self.alt)]


def waits(client: Client, deadline: Deadline) -> list[tuple[str, float | None]]:
    with pytest.raises(Unconnected) as caught:
        connect(client, deadline)
    assert [name for name, _ in caught.value.failed] == [f"{host}:5672" for host, _ in client.tried]
    return client.tried


def test_a_broker_that_does_not_answer_leaves_time_for_the_others() -> None:
    client = Client("one", "two", "three")
    client.connect_timeout = 9000.0
    assert waits(client, Deadline(3000)) == [
        ("one", pytest.approx(1000, rel=0.1)),
        ("two", pytest.approx(1500, rel=0.1)),
        ("three", pytest.approx(3000, rel=0.1)),
    ]


def test_a_connection_takes_no_longer_than_its_own_limit() -> None:
    for deadline in (Deadline(3000), Deadline(None)):
        assert waits(Client("one", "two"), deadline) == [("one", 4.0), ("two", 4.0)]
