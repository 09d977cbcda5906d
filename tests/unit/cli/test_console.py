"""How commands end: exit codes and messages on stderr."""

from __future__ import annotations

import pytest

from routectl.cli.console import Console


def interrupted_while_connected() -> None:
    try:
        raise KeyboardInterrupt
    finally:
        raise ConnectionError("the channel is closed")


def test_an_interrupt_is_told_also_if_what_was_under_way_ends_with_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ConnectionError) as ended:
        interrupted_while_connected()
    assert Console().fail(ended.value) == 130
    assert capsys.readouterr().err.startswith("error: interrupted\n")


def test_an_error_of_its_own_is_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert Console().fail(ConnectionError("the channel is closed")) == 2
    assert "ConnectionError: the channel is closed\nhint: this is a bug" in capsys.readouterr().err
