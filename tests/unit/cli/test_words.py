"""How far an operation is: numbers, rate and time left in one line."""

from __future__ import annotations

import pytest

from routectl.cli.words import progress_line

WHAT = "queue high to routectl.hold.high"


def test_a_line_shows_rate_and_time_left() -> None:
    assert progress_line("queue", 2_000, 8_000, seconds=4.0, width=79) == (
        f"queue  [{9 * '#'}{30 * '-'}]  2,000/8,000  500/s  0:12 left"
    )


@pytest.mark.parametrize(
    ("done", "total", "since", "seconds", "expected"),
    [
        (0, 100, 0, 0.0, "0/100  0:00"),  # nothing is known yet
        (0, 100, 0, 65.0, "0/100  1:05"),
        (100, 100, 0, 65.0, "100/100  1:05"),  # nothing is left
        (600, 1_600, 500, 10.0, "600/1,600  10/s  1:40 left"),  # 500 of them were done before
        (1, 3, 0, 4.0, "1/3  0.2/s  0:08 left"),
        (1_000, 10_000_000, 0, 1.0, "1,000/10,000,000  1,000/s  2:46:39 left"),
        (5, 9, 5, 3.0, "5/9  0:03"),
    ],
)
def test_what_the_numbers_say(done: int, total: int, since: int, seconds: float, expected: str) -> None:
    line = progress_line("q", done, total, seconds=seconds, since=since, width=120)
    assert line.partition("]  ")[2] == expected


def test_a_narrow_terminal_gets_a_shorter_bar_then_none_and_keeps_the_numbers() -> None:
    lines = [progress_line(WHAT, 2_000, 8_000, seconds=4.0, width=width) for width in (79, 70, 40)]
    assert lines[0] == f"{WHAT}  [###---------]  2,000/8,000  500/s  0:12 left"
    assert lines[1] == f"{WHAT}  2,000/8,000  500/s  0:12 left"
    assert lines[2] == lines[1][:40]
