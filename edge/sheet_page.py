"""The gallery's numbers as one HTML page: self-contained, for a phone or a desk, by day and by night. Pure.

It holds names and numbers, no picture and no embedding, and loads nothing from anywhere. What is in it is `sheet.py`'s.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from edge.sheet import Concern, PersonNumbers, SheetNumbers, Span, Strangers
from edge.store.types import CLOCK_FLOOR_S

_STRIP_W, _STRIP_H = 320, 46
_BARS_W, _BARS_H = 680, 200
_EDGE = 8  # room at both ends of a scale, so that no dot is cut
_STYLE = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1c2733;--soft:#5c6b7a;--line:#dde3e9;
--own:#2f6fb0;--other:#c0582a;--limit:#1c2733;--bars:#b9c4cf;--warn:#9a4a12;--warn-page:#fdf1e7}
@media(prefers-color-scheme:dark){:root{--page:#12171d;--card:#1b222a;--ink:#e4eaf0;--soft:#97a5b3;--line:#2e3843;
--own:#6fb0ee;--other:#f0975f;--limit:#e4eaf0;--bars:#46535f;--warn:#f3b07f;--warn-page:#33241a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1rem 1rem 3rem;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.5rem;margin:.6rem 0 .1rem}h2{font-size:1.1rem;margin:2rem 0 .6rem}h3{font-size:1rem;margin:0}
p{margin:.3rem 0}.soft{color:var(--soft)}.small{font-size:.85rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.6rem;margin:1rem 0}
.tile,.card,.panel{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.7rem .9rem}
.tile b{display:block;font-size:1.45rem;line-height:1.25;font-variant-numeric:tabular-nums}
.look{background:var(--warn-page);border:1px solid var(--line);border-radius:.6rem;padding:.5rem .9rem}
.look ul{margin:.2rem 0;padding-left:1.1rem}.look li{margin:.35rem 0}
.people{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr));gap:.8rem}
.name{display:flex;flex-wrap:wrap;gap:.2rem .5rem;align-items:baseline;overflow-wrap:anywhere}
.badge{font-size:.75rem;color:var(--warn);border:1px solid currentColor;border-radius:1rem;padding:0 .5rem;
white-space:nowrap}
dl{display:grid;grid-template-columns:auto 1fr;gap:.1rem .8rem;margin:.4rem 0 0;font-size:.9rem}
dt{color:var(--soft)}dd{margin:0;text-align:right;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
svg{display:block;width:100%;height:auto;margin:.5rem 0 0}svg text{font-size:11px;fill:var(--soft)}
.own{fill:var(--own)}.other{fill:none;stroke:var(--other);stroke-width:2}.axis{stroke:var(--line)}
.limit{stroke:var(--limit);stroke-width:1.5}.highest{stroke:var(--soft);stroke-dasharray:3 3}.bars{fill:var(--bars)}
.key{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;margin:.2rem 0 .8rem}.key svg{width:1.1rem;margin:0;display:inline}
.panel svg{max-width:46rem;margin:0 auto}
@media(max-width:40rem){.panel svg text{font-size:20px}}
code{font-size:.85em}
"""
# What an operator reads, and what can be done about it.
_BADGES: dict[Concern, str] = {
    "unusable": "not recognizable",
    "mistakable": "near somebody else",
    "loose": "pictures differ",
    "one_shot": "one picture",
    "review": "under review",
    "unverified": "not confirmed",
}


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What stands over the page. embedder: name. made_s: seconds since 1970 UTC."""

    door: str
    embedder: str
    made_s: float


@dataclass(frozen=True, slots=True)
class Scale:
    """Scores as the plots of one kind show them. digits: behind the point."""

    low: float
    high: float
    digits: int

    @classmethod
    def of(cls, scores: Iterable[float]) -> Scale:
        """Wide enough for all of these; any where there is none."""
        low, high = min(found := [*scores] or [0.0, 1.0]), max(found)
        # Cosines span one, log-likelihood ratios a hundred.
        return cls(low, high if high > low else low + 1.0, 1 if high - low > 10 else 3)

    def place(self, width: float) -> Callable[[float], float]:
        """From scores to places of a plot of that width."""
        return lambda score: _EDGE + (score - self.low) / (self.high - self.low) * (width - 2 * _EDGE)

    def told(self, score: float) -> str:
        return f"{score:.{self.digits}f}"


def sheet_page(numbers: SheetNumbers, facts: PageFacts) -> str:
    """The whole page."""
    title = html.escape(f"People of {facts.door}")
    scale = Scale.of(_scores(numbers))
    parts = [_heading(title, numbers, facts), _tiles(numbers, scale), _damage(numbers), _to_look_at(numbers, scale)]
    if numbers.strangers is not None:
        parts.append(_overview(numbers, numbers.strangers))
    parts += [_people(numbers, scale), _meaning(numbers)]
    # Nothing of the page may fetch or run anything, whatever somebody is called.
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>"
    )
    return f"{head}{''.join(parts)}</body></html>\n"


def _scores(numbers: SheetNumbers) -> Iterator[float]:
    """All that the people's plots show."""
    for person in numbers.people:
        yield from person.own
        if person.closest is not None:
            yield person.closest.score
    if numbers.strangers is not None:
        yield from (numbers.threshold, numbers.strangers.highest)


def _heading(title: str, numbers: SheetNumbers, facts: PageFacts) -> str:
    about = html.escape(f"{_day(facts.made_s)} UTC · head {numbers.head} · embedder {facts.embedder}")
    return f'<h1>{title}</h1><p class="soft small">{about}</p>'


def _tiles(numbers: SheetNumbers, scale: Scale) -> str:
    tiles = [
        (str(len(numbers.people)), "people"),
        (str(numbers.shots), "pictures in use"),
        (str(len(numbers.with_concern("unverified"))), "not confirmed"),
        (str(sum(person.review for person in numbers.people)), "pictures under review"),
    ]
    if numbers.strangers is not None:
        tiles.append(
            (scale.told(numbers.threshold), f"threshold: {100 * numbers.target_fpir:.3g} % of strangers reach it")
        )
        tiles.append((scale.told(numbers.strangers.highest), f"the highest of {numbers.strangers.count} strangers"))
    shown = "".join(
        f'<div class="tile"><b>{value}</b><span class="soft small">{of}</span></div>' for value, of in tiles
    )
    return f'<div class="tiles">{shown}</div>'


def _damage(numbers: SheetNumbers) -> str:
    if not numbers.damage:
        return ""
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in numbers.damage)
    return f'<h2>Damaged</h2><div class="look"><ul>{lines}</ul></div>'


def _to_look_at(numbers: SheetNumbers, scale: Scale) -> str:
    found = [f"<li>{line}</li>" for person in numbers.people for line in _advice(person, numbers, scale)]
    if not found:
        return ""
    return f'<h2>To look at</h2><div class="look"><ul>{"".join(found)}</ul></div>'


def _advice(person: PersonNumbers, numbers: SheetNumbers, scale: Scale) -> Iterator[str]:
    """What is amiss with somebody, and the way out; what a badge says well enough is left out."""
    who = f"<b>{_name(person.name)}</b>"
    if "unusable" in person.concerns:
        yield f"{who} cannot be recognized: no picture of theirs is by the embedder in use. Enroll them again."
    if "mistakable" in person.concerns and person.closest is not None:
        score, limit = scale.told(person.closest.score), scale.told(numbers.threshold)
        merge = html.escape(f"doorward people merge {person.person} {person.closest.person}")
        yield (
            f"A picture of {who} reaches the threshold for <b>{_name(person.closest.name)}</b> as well "
            f"({score} against {limit}). If they are one person: <code>{merge}</code>; if not, enroll both again "
            "by good light."
        )
    if "loose" in person.concerns:
        yield (
            f"Not every picture of {who} would be recognized from the others (lowest {scale.told(person.own[0])}): "
            "one may show somebody else, or is poor. Enroll them again by good light."
        )
    if "review" in person.concerns:
        show = html.escape(f"doorward people show {person.person}")
        yield f"{who} has pictures under review: <code>{show}</code> names them."


def _overview(numbers: SheetNumbers, strangers: Strangers) -> str:
    """The strangers' best scores as bars, the people's own pictures as dots below, and the threshold between."""
    scale = Scale.of([*_scores(numbers), strangers.edges[0]])
    place, floor = scale.place(_BARS_W), _BARS_H - 52
    tallest = max(strangers.heights) or 1
    bars = []
    for height, left, right in zip(strangers.heights, strangers.edges, strangers.edges[1:], strict=False):
        tall = (floor - 30) * height / tallest
        width = max(place(right) - place(left) - 0.5, 0.5)
        bars.append(f'<rect x="{place(left):.1f}" y="{floor - tall:.1f}" width="{width:.1f}" height="{tall:.1f}"/>')
    dots = [_dot(place(score), floor + 16, 2.5) for person in numbers.people for score in person.own]
    shown = [
        f'<g class="bars">{"".join(bars)}</g><g opacity=".6">{"".join(dots)}</g>',
        _upright(place(numbers.threshold), 22, floor + 26, "limit"),
        _upright(place(strangers.highest), 22, floor + 26, "highest"),
        f'<text x="{_inside(place(numbers.threshold), _BARS_W)}" y="17" text-anchor="middle">threshold</text>',
        f'<path class="axis" d="M0 {floor}H{_BARS_W}"/>{_ends(scale, _BARS_W, _BARS_H)}',
    ]
    title = "Best scores of strangers, and those of enrolled pictures"
    return (
        f'<h2>Strangers and people</h2><div class="panel">{_svg(title, _BARS_W, _BARS_H, shown)}<p class="soft small">'
        f"Bars: how high {strangers.count} strangers who do not exist score against whom they are most alike. "
        "Dots: each enrolled picture against the others of the same person. Right of the threshold somebody is named."
        "</p></div>"
    )


def _people(numbers: SheetNumbers, scale: Scale) -> str:
    if not numbers.people:
        return (
            "<h2>People</h2><p>Nobody is enrolled. Press the button, or <code>doorward enroll NAME IMAGE…</code>.</p>"
        )
    cards = "".join(_card(person, numbers, scale) for person in numbers.people)
    own = f'<svg viewBox="0 0 12 12" aria-hidden="true">{_dot(6, 6, 4)}</svg>'
    other = f'<svg viewBox="0 0 12 12" aria-hidden="true">{_diamond(6, 6, 4)}</svg>'
    limit = f'<svg viewBox="0 0 12 12" aria-hidden="true">{_upright(6, 0, 12, "limit")}</svg>'
    highest = f'<svg viewBox="0 0 12 12" aria-hidden="true">{_upright(6, 0, 12, "highest")}</svg>'
    key = f"<span>{own} own picture, from the others</span><span>{other} closest other person</span>"
    key += f"<span>{limit} threshold</span><span>{highest} highest stranger</span>"
    return f'<h2>People</h2><div class="key soft small">{key}</div><div class="people">{cards}</div>'


def _card(person: PersonNumbers, numbers: SheetNumbers, scale: Scale) -> str:
    badges = "".join(f'<span class="badge">{_BADGES[concern]}</span>' for concern in person.concerns)
    facts = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in _facts(person, scale))
    return (
        f'<article class="card"><div class="name"><h3>{_name(person.name)}</h3>'
        f'<span class="soft small">{html.escape(person.person)}</span>{badges}</div>'
        f"{_strip(person, numbers, scale)}<dl>{facts}</dl></article>"
    )


def _facts(person: PersonNumbers, scale: Scale) -> Iterator[tuple[str, str]]:
    more = [
        (person.others, "by another embedder"),
        (person.review, "under review"),
        (person.denied, "of somebody else, denied"),
    ]
    yield "pictures", ", ".join([str(person.shots), *(f"{count} {what}" for count, what in more if count)])
    if person.own:
        yield "lowest own score", scale.told(person.own[0])
    if person.closest is not None:
        closest, margin = person.closest, person.closest.margin
        side = "below" if margin > 0 else "above"
        yield "closest other", f"{_name(closest.name)}, {scale.told(closest.score)}"
        yield "", f"{scale.told(abs(margin))} {side} the threshold"
    for name, span, digits in (
        ("face width, px", person.width_px, 0),
        ("sharpness", person.sharpness, 0),
        ("brightness", person.brightness, 0),
        ("norm", person.norm, 1),
    ):
        if span is not None:
            yield name, _range(span, digits)
    yield "enrolled", _day(person.created_s)
    yield "last seen", _day(person.seen_s) if person.seen_s is not None else "never"


def _strip(person: PersonNumbers, numbers: SheetNumbers, scale: Scale) -> str:
    """One line of scores: own pictures above, the closest other person below."""
    if numbers.strangers is None or not (person.own or person.closest):
        return ""
    place, middle = scale.place(_STRIP_W), 16
    shown = [
        f'<path class="axis" d="M0 {middle}H{_STRIP_W}"/>',
        _upright(place(numbers.threshold), 2, 30, "limit"),
        _upright(place(numbers.strangers.highest), 2, 30, "highest"),
        *(_dot(place(score), middle - 5, 4.5) for score in person.own),
    ]
    if person.closest is not None:
        shown.append(_diamond(place(person.closest.score), middle + 6, 4.5))
    shown.append(_ends(scale, _STRIP_W, _STRIP_H))
    return _svg(f"Scores of {person.name}", _STRIP_W, _STRIP_H, shown)


def _meaning(numbers: SheetNumbers) -> str:
    said = [
        "Scores are the head's own, no percentages: the higher, the more alike.",
        "The threshold belongs to this table: it moves with each person who comes or goes.",
        "Strangers are drawn from what the head knows of people in general; they are nobody's pictures.",
        "Sharpness and norm say how much a picture has to tell: the lower, the less.",
        "Recognition alone cannot tell a living face from a photo of it.",
        "This page names people: keep it as you keep the door's store.",
    ]
    lines = said if numbers.people else said[-1:]
    return '<h2>What this means</h2><div class="soft small">' + "".join(f"<p>{line}</p>" for line in lines) + "</div>"


def _svg(title: str, width: int, height: int, parts: Iterable[str]) -> str:
    told = html.escape(title)
    inside = f"<title>{told}</title>{''.join(parts)}"
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{told}">{inside}</svg>'


def _dot(x: float, y: float, radius: float) -> str:
    return f'<circle class="own" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'


def _diamond(x: float, y: float, size: float) -> str:
    return f'<path class="other" d="M{x - size:.1f} {y:.1f}l{size} {-size} {size} {size} {-size} {size}z"/>'


def _upright(x: float, top: float, bottom: float, kind: str) -> str:
    return f'<path class="{kind}" d="M{x:.1f} {top:g}V{bottom:g}"/>'


def _ends(scale: Scale, width: int, height: int) -> str:
    low, high, y = scale.told(scale.low), scale.told(scale.high), height - 4
    return f'<text x="0" y="{y}">{low}</text><text x="{width}" y="{y}" text-anchor="end">{high}</text>'


def _inside(x: float, width: float) -> str:
    """Where a word under a line can stand without being cut."""
    return f"{min(max(x, 48.0), width - 48.0):.1f}"


def _name(name: str) -> str:
    """Somebody's name; one that is written from right to left keeps that to itself."""
    return f"<bdi>{html.escape(name)}</bdi>"


def _range(span: Span, digits: int) -> str:
    low, high = f"{span.low:.{digits}f}", f"{span.high:.{digits}f}"
    return low if low == high else f"{low} to {high}"


def _day(wall_s: float) -> str:
    if wall_s < CLOCK_FLOOR_S:
        return "clock was not set"
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%d %H:%M")
