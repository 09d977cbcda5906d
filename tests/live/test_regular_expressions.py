"""RabbitMQ refuses every regular expression that the file may not have."""

from __future__ import annotations

import os
import re
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routectl.topology.matching.pcre import refusal
from tests.brokers import Management
from tests.unit.topology.matching.test_pcre import ACCEPTED, REFUSED

PARTS = re.findall(
    r"\S+",
    r"""
a é ( ) (?: (?<n> (?< (?P<n> (?= (?<= (?<! (?> (?i) (?a) (?u) (?z (?# (?| | * + ? {2} {,3} {3,2} {70000} [ ] [a-z]
[z-a] [^ - ^ $ [[:alpha:]] [[:foo:]] \ \d \1 \2 \p{L} \p \x \u \Q \E \\ \[ (?P=n) (?1) (?(1) \k<n> \g1 (*F) n> ! 7 , \c
[. #
""",
)
PARTS += ["\n", "\x00", " "]
CASES = int(os.environ.get("ROUTECTL_TEST_CASES", "200"))


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(expression=st.lists(st.sampled_from(PARTS), max_size=6).map("".join))
def test_what_the_file_refuses_the_broker_refuses(
    management: Management, vhost: str, expression: str
) -> None:
    if refusal(expression) is not None:
        assert accepted(management, vhost, expression) is False


def test_what_every_version_accepts_or_refuses(management: Management, vhost: str) -> None:
    assert [one for one in REFUSED if accepted(management, vhost, one)] == []
    assert [one for one in ACCEPTED if not accepted(management, vhost, one)] == []


def accepted(management: Management, vhost: str, expression: str) -> bool:
    """Whether the broker takes an expression as the pattern of a policy."""
    policy = {"pattern": expression, "definition": {"max-length": 1}}
    status, _ = management.request("PUT", f"policies/{quote(vhost, safe='')}/p", policy)
    assert status in (201, 204, 400)
    return status != 400
