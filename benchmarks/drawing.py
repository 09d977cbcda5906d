"""Draws traces as SVG: in which order tasks started, and how long they waited. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from tests.traces.trace import Start, percentile

WIDTH, HEIGHT = 860, 560

#: The horizontal range of both panels.
_LEFT, _RIGHT = 150, 840

#: Seconds of the first panel.
_WINDOW = 6.0

#: Vertical positions: of the first panel's rows, of its axis, and of the second panel's top and bottom.
_ROWS, _ROW, _AXIS, _TOP, _BOTTOM = (66, 110, 154), 30, 200, 272, 500

#: Milliseconds at the ends of the second panel's axis, and at its ticks.
_LEAST, _MOST, _TICKS = 1, 10_000, (1, 10, 100, 1_000, 10_000)

_STYLE = """
  text { font: 13px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 15px }
  .end { text-anchor: end }
  .middle { text-anchor: middle }
  .line { fill: none; stroke-width: 2.2 }
  .celery { stroke-dasharray: 6 4 }
  .paper { fill: #ffffff }
  .faint { fill: #6e7781 }
  .grid { stroke: #e3e7eb }
  .high { fill: #d1350f }
  .low { fill: #3b6fd4 }
  .line.high { fill: none; stroke: #d1350f }
  .line.low { fill: none; stroke: #3b6fd4 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .paper { fill: #0d1117 }
    .faint { fill: #8b949e }
    .grid { stroke: #262c34 }
    .high { fill: #ff8a5c }
    .low { fill: #7aa7ff }
    .line.high { stroke: #ff8a5c }
    .line.low { stroke: #7aa7ff }
  }
"""


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace of one worker.

    Parameters:
      name: What is written beside it.
      detail: The same, below.
      starts: Its starts.
      style: The class of its lines.
    """

    name: str
    detail: str
    starts: Sequence[Start]
    style: str = ""


def draw(traces: Sequence[Trace]) -> str:
    """Draws traces of the same load.

    Parameters:
      traces: Two traces.
    """
    title = "Start order and waiting time of tasks by tier, with Celery's own order and with a strict one"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" class="paper"/>',
            *_order(traces),
            *_waits(traces),
            "</svg>",
            "",
        ]
    )


def _order(traces: Sequence[Trace]) -> Iterator[str]:
    """When tasks were published, and when they started."""
    begin = _busiest(traces[0].starts)

    def x(at: float) -> float:
        return _LEFT + (at - begin) / _WINDOW * (_RIGHT - _LEFT)

    yield _text(20, 34, "Which task starts when", "title")
    for right, queue in ((_RIGHT - 52, "high"), (_RIGHT, "low")):
        yield f'<rect class="{queue}" x="{right - 44}" y="25" width="10" height="10"/>'
        yield _text(right, 34, queue, f"{queue} end")
    rows = [("published", "", [(start.queue, start.published) for start in traces[0].starts])]
    rows += [
        (trace.name, trace.detail, [(start.queue, start.at) for start in trace.starts]) for trace in traces
    ]
    for y, (name, detail, marks) in zip(_ROWS, rows, strict=True):
        yield _text(_LEFT - 14, y + (12 if detail else 19), name, "end")
        yield _text(_LEFT - 14, y + 27, detail, "end faint")
        for queue, at in sorted(marks, key=lambda mark: mark[0] == "high"):
            if begin <= at <= begin + _WINDOW - 0.02:
                yield f'<rect class="{queue}" x="{x(at):.1f}" y="{y}" width="2" height="{_ROW}"/>'
    for second in range(int(_WINDOW) + 1):
        style = "end" if second == _WINDOW else "middle"
        yield _text(x(begin + second), _AXIS + 12, f"{second} s", f"{style} faint")


def _busiest(starts: Sequence[Start]) -> float:
    """The beginning of the window in which most high tasks waited."""
    first, last = min(start.published for start in starts), max(start.at for start in starts)
    steps = range(max(int((last - _WINDOW - first) * 4), 1))

    def waited(begin: float) -> float:
        inside = (start for start in starts if start.queue == "high" and begin < start.at < begin + _WINDOW)
        return sum(start.wait for start in inside)

    return max((first + step / 4 for step in steps), key=waited)


def _waits(traces: Sequence[Trace]) -> Iterator[str]:
    """The part of the tasks that had started after a time."""
    yield _text(20, _TOP - 24, "How long tasks wait", "title")
    for part in (0, 0.25, 0.5, 0.75, 1):
        y = _height(part)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{y}" y2="{y}"/>'
        yield _text(_LEFT - 14, y + 4, f"{part:.0%}", "end faint")
    yield _text(_LEFT - 14, _TOP + 24, "of the tasks", "end faint") + _text(
        _LEFT - 14, _TOP + 39, "have started", "end faint"
    )
    for tick in _TICKS:
        x = _across(tick)
        label = f"{tick} ms" if tick < 1000 else f"{tick // 1000} s"
        yield f'<line class="grid" x1="{x:.0f}" x2="{x:.0f}" y1="{_TOP}" y2="{_BOTTOM}"/>'
        yield _text(x, _BOTTOM + 20, label, "end faint" if tick == _MOST else "middle faint")
    yield _text((_LEFT + _RIGHT) / 2, _BOTTOM + 42, "waiting time", "middle faint")
    for trace in traces:
        for queue in ("low", "high"):
            waits = [start.wait * 1000 for start in trace.starts if start.queue == queue]
            points = [(percentile(waits, step / 200), step / 200) for step in range(201)]
            line = " ".join(f"{_across(wait):.1f},{_height(part):.1f}" for wait, part in points)
            yield f'<polyline class="line {queue} {trace.style}" points="{line}"/>'
    yield from _legend(traces)


def _legend(traces: Sequence[Trace]) -> Iterator[str]:
    y = _TOP + 22
    for queue in ("high", "low"):
        for trace in traces:
            waits = [start.wait for start in trace.starts if start.queue == queue]
            worst = percentile(waits, 0.99)
            yield f'<line class="line {queue} {trace.style}" x1="{_LEFT + 14}" x2="{_LEFT + 46}" y1="{y}" y2="{y}"/>'
            yield _text(_LEFT + 54, y + 4, f"{queue}, {trace.name}: 99% within {worst:.1f} s", queue)
            y += 21


def _across(milliseconds: float) -> float:
    part = math.log(min(max(milliseconds, _LEAST), _MOST) / _LEAST) / math.log(_MOST / _LEAST)
    return _LEFT + part * (_RIGHT - _LEFT)


def _height(part: float) -> float:
    return _BOTTOM - part * (_BOTTOM - _TOP)


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x:.0f}" y="{y:.0f}">{escape(text)}</text>' if text else ""
