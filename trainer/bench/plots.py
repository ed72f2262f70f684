"""Small charts as SVG text, for the pages that benches write. Knows nothing of what is drawn."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT = 680, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 150, 40, 48
_COLOURS = ("#3b76b0", "#d07a2d", "#3f8f5b", "#a14a8c", "#7a6a4f", "#58616b")
_DASHES = ("none", "7 5", "2 4")  # lines that lie on one another are all seen
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Series:
    """A line. points: x and y. spans: low and high of each point, or none."""

    name: str
    points: Sequence[tuple[float, float]]
    spans: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True, slots=True)
class Axes:
    """What a chart shows.

    x, y: what the axes are of. log: both in powers of ten. most: what y can be at most. least: shown of y in any case,
        so that little does not look like much.
    """

    title: str
    x: str
    y: str
    log: bool = False
    most: float = math.inf
    least: float = math.inf


def line_chart(axes: Axes, series: Sequence[Series]) -> str:
    """An `<svg>` with one line for each series, its points marked, and a legend at the right.

    Raises:
        ValueError: there is no point, or one that is not above 0 on logarithmic axes.
    """
    xs = sorted({x for line in series for x, _ in line.points})
    ys = [y for line in series for y in (*(y for _, y in line.points), *(end for span in line.spans for end in span))]
    if not xs or (axes.log and min(*xs, *ys) <= 0):
        raise ValueError(f"{axes.title}: nothing to draw, or a logarithm of nothing")
    bottom, top = _range(ys, axes)
    across = _scale(xs[0], xs[-1], _LEFT, _WIDTH - _RIGHT, log=axes.log)
    up = _scale(bottom, top, _HEIGHT - _BOTTOM, _TOP, log=axes.log)
    parts = [*_frame(axes), *_x_ticks(xs, across), *_y_ticks(bottom, top, up, log=axes.log)]
    for number, line in enumerate(series):
        parts += _line(line, number, across, up)
    return _svg(axes.title, _HEIGHT, parts)


def stacked_bar(title: str, parts: Sequence[tuple[str, float]]) -> str:
    """An `<svg>` of parts side by side, each as long as its value, with a legend below."""
    whole = sum(value for _, value in parts) or 1.0
    drawn, at = [f'<text x="0" y="18" font-weight="bold">{html.escape(title)}</text>'], 0.0
    for number, (name, value) in enumerate(parts):
        colour, width = _COLOURS[number % len(_COLOURS)], _WIDTH * value / whole
        told = html.escape(f"{name}: {value:.1f}")
        drawn.append(f'<rect x="{at:.1f}" y="30" width="{width:.1f}" height="26" fill="{colour}">')
        drawn.append(f"<title>{told}</title></rect>")
        drawn.append(f'<rect x="0" y="{70 + 18 * number}" width="10" height="10" fill="{colour}"/>')
        drawn.append(f'<text x="16" y="{79 + 18 * number}">{told}</text>')
        at += width
    return _svg(title, 76 + 18 * len(parts), drawn)


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    head = f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img" font-size="12" fill="currentColor">'
    return f"{head}<title>{html.escape(title)}</title>{''.join(parts)}</svg>"


def _line(line: Series, number: int, across: Callable[[float], float], up: Callable[[float], float]) -> Iterator[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    places = [(across(x), up(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dash = _DASHES[number % len(_DASHES)]
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
    shift = 3 * number  # whiskers of several lines stand beside one another
    for (x, _), (low, high) in zip(places, line.spans, strict=bool(line.spans)):
        at = f"{x + shift:.1f}"
        yield f'<line x1="{at}" x2="{at}" y1="{up(low):.1f}" y2="{up(high):.1f}" stroke="{colour}" opacity=".5"/>'
    for (x, y), (told_x, told_y) in zip(places, line.points, strict=True):
        told = html.escape(f"{line.name}: {told_x:g}, {told_y:.4g}")
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"><title>{told}</title></circle>'
    legend = _TOP + 18 * number
    yield f'<rect x="{_WIDTH - _RIGHT + 18}" y="{legend - 9}" width="10" height="10" fill="{colour}"/>'
    yield f'<text x="{_WIDTH - _RIGHT + 34}" y="{legend}">{html.escape(line.name)}</text>'


def _frame(axes: Axes) -> Iterator[str]:
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    yield f'<text x="{_LEFT}" y="18" font-weight="bold">{html.escape(axes.title)}</text>'
    yield f'<text x="{middle}" y="{_HEIGHT - 10}" text-anchor="middle">{html.escape(axes.x)}</text>'
    yield f'<text transform="translate(14 {_HEIGHT / 2}) rotate(-90)" text-anchor="middle">{html.escape(axes.y)}</text>'


def _x_ticks(xs: Sequence[float], across: Callable[[float], float]) -> Iterator[str]:
    for x in xs:
        yield f'<text x="{across(x):.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{x:g}</text>'


def _y_ticks(bottom: float, top: float, up: Callable[[float], float], *, log: bool) -> Iterator[str]:
    for tick in _ticks(bottom, top, log=log):
        y = up(tick)
        yield f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="currentColor" opacity=".2"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'


def _ticks(bottom: float, top: float, *, log: bool) -> list[float]:
    if log:
        return [10.0**power for power in range(round(math.log10(bottom)), round(math.log10(top)) + 1)]
    step = _step(top - bottom)
    first = math.ceil(bottom / step - 1e-9)
    return [round(place * step, 10) for place in range(first, math.floor(top / step + 1e-9) + 1)]


def _step(width: float) -> float:
    """1, 2 or 5 of some power of ten, so that there are about as many as wanted."""
    power = 10.0 ** math.floor(math.log10(width / _TICKS))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * _TICKS >= width * (1 - 1e-9))


def _range(values: Sequence[float], axes: Axes) -> tuple[float, float]:
    """What an axis covers: whole powers of ten; else a little more than the values."""
    low, high = min(values), max(values)
    if axes.log:
        bottom = 10.0 ** math.floor(math.log10(low))
        return bottom, max(10.0 ** math.ceil(math.log10(high)), 10 * bottom)
    margin = (high - low or abs(high) or 1.0) * 0.08
    bottom = 0.0 if low == 0 else low - margin
    return min(bottom, axes.least), min(high + margin, axes.most)


def _scale(low: float, high: float, start: float, end: float, *, log: bool) -> Callable[[float], float]:
    """From values to places of the picture; a single value stands in the middle."""

    def place(value: float) -> float:
        span = math.log(high / low) if log else high - low
        share = (math.log(value / low) if log else value - low) / span if span else 0.5
        return start + share * (end - start)

    return place
