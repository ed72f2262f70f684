"""Writes `MODEL_CARD.md`: what each shipped file is, on what terms, and how good it was when it was built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from edge.inference.spec import ModelSpec
from trainer.embedder.parity import STRICT_FAR, Comparison, Parity
from trainer.embedder.report import BuildReport, points, share

_POOR_DB = 20.0


@dataclass(frozen=True, slots=True)
class About:
    """What a person has to say of a model. training: its training data, as far as known."""

    training: str
    limits: str


def card(report: BuildReport, about: dict[str, About], command: str) -> str:
    """The card as Markdown. about: by the model's name. command: the line that made all this."""
    models = sorted(report.manifest.models.values(), key=lambda spec: (spec.role, spec.name))
    parities = {parity.name: parity for parity in report.embedders}
    parts = [
        *_head(report, command),
        *_files(models),
        *_figures(report),
        *(line for spec in models for line in _model(spec, about.get(spec.name), parities.get(spec.name))),
    ]
    return "\n".join(parts) + "\n"


def _head(report: BuildReport, command: str) -> Iterator[str]:
    yield "# Model card"
    yield ""
    yield "The files beside this card were made, and this card was written, by"
    yield ""
    yield f"    {command}"
    yield ""
    yield "A device converts nothing: it checks each file's sha256, shapes, types and quantization by `models.json`."
    yield ""
    yield f"Default embedder: **{report.manifest.defaults.get('embedder', 'none')}**. {report.reason}"
    yield ""
    yield "No embedder here has training pictures that were all taken with the consent of those shown. An operator who"
    yield "cannot accept that brings other weights:"
    yield "`doorward-trainer models build --from FILE --preprocessing FILE.toml`."
    yield ""


def _files(models: Iterable[ModelSpec]) -> Iterator[str]:
    yield "## Files"
    yield ""
    yield from _table(
        ["file", "role", "bytes", "licence", "sha256"],
        [
            [spec.path.name, spec.role, f"{spec.path.stat().st_size:,}", spec.licence, f"`{spec.sha256}`"]
            for spec in models
        ],
    )


def _figures(report: BuildReport) -> Iterator[str]:
    machine = report.machine
    yield "## Figures"
    yield ""
    yield f"Measured on {machine.processor} ({machine.architecture}, {machine.cores} cores) with {machine.runtime},"
    yield "one thread, the tenth percentile of 300 runs."
    yield f"Calibrated on {report.calibration_faces} faces: {report.pictures}."
    if machine.architecture not in ("aarch64", "armv7l"):
        yield "No figure here is from a Raspberry Pi."
    yield ""
    rows = [_speed_row(parity) for parity in report.embedders]
    heads = ["embedder", "weights", "multiplications", "bytes float", "bytes int8", "ms float", "ms int8"]
    yield from _table([*heads, "XNNPACK partitions", "cosine int8 to float: mean, min (faces)"], rows)
    lists = [_pair_row(p.name, name, c) for p in report.embedders for name, c in p.lists.items()]
    if not lists:
        yield "Verification was not measured in this build: it needs the lists of pairs."
        yield ""
        return
    yield "Verification, 95 % intervals in brackets: 10-fold accuracy (Wilson), TAR at FAR 1e-3 (bootstrap over pairs),"
    yield "the differences are paired. A picture in which no face is found counts as matching nobody."
    yield ""
    heads = ["embedder", "pairs", "accuracy float", "accuracy int8", "difference, points"]
    yield from _table([*heads, "TAR float", "TAR int8", "difference, points"], lists)
    yield f"Every picture of these lists against every other, TAR at FAR {STRICT_FAR:g} (bootstrap over persons):"
    yield ""
    strict = [
        [p.name, share(p.strict_float) if p.strict_float else "-", share(p.strict)]
        for p in report.embedders
        if p.strict
    ]
    yield from _table(["embedder", "TAR float", "TAR int8"], strict)
    yield "The persons of LFW are public figures who are probably in the training pictures too: these figures are"
    yield "optimistic, and say little about light, cameras and distances at a door."
    yield ""


def _speed_row(parity: Parity) -> list[str]:
    whole = "1, nothing outside" if parity.partitions.whole else f"{parity.partitions.count}, with breaks"
    cosine = (
        "-" if parity.cosine_mean is None else f"{parity.cosine_mean:.4f}, {parity.cosine_min:.4f} ({parity.faces})"
    )
    return [
        parity.name,
        _count(parity.weights),
        _count(parity.multiplications),
        _count(parity.float_bytes),
        _count(parity.int8_bytes),
        "-" if parity.float_ms is None else f"{parity.float_ms:.2f}",
        f"{parity.int8_ms:.2f}",
        whole,
        cosine,
    ]


def _pair_row(embedder: str, name: str, c: Comparison) -> list[str]:
    accuracy = [share(c.float.accuracy), share(c.int8.accuracy), points(c.gained.accuracy)]
    return [embedder, f"{name}, {c.pairs}", *accuracy, share(c.float.tar), share(c.int8.tar), points(c.gained.tar)]


def _model(spec: ModelSpec, about: About | None, parity: Parity | None) -> Iterator[str]:
    yield f"## {spec.name}"
    yield ""
    yield f"- Origin: {spec.origin}."
    yield f"- Licence: {spec.licence}."
    side, pre = spec.inputs[0].shape[1], spec.preprocessing
    mean, std = _triple(pre.mean), _triple(pre.std)
    yield f"- Picture: {side} x {side} {pre.colour}, (pixel - mean) / std with mean {mean} and std {std}."
    for kind, tensors in (("Input", spec.inputs), ("Output", spec.outputs)):
        for tensor in tensors:
            quantized = f", scale {tensor.scale:.7g}, zero point {tensor.zero_point}" if tensor.scale else ""
            yield f"- {kind}: {' x '.join(map(str, tensor.shape))} {tensor.dtype}{quantized}."
    if spec.alignment:
        count = len(spec.alignment.groups)
        yield f"- Alignment: a similarity fitted from {count} points of the mesh, as `models.json` lists them."
    if about:
        yield f"- Training data: {about.training}"
        yield f"- Limits: {about.limits}"
    if parity and parity.layers and parity.layers[0].snr_db < _POOR_DB:
        worst = ", ".join(f"`{error.layer}` {error.snr_db:.1f} dB" for error in parity.layers)
        yield f"- Poorest layers in int8 (signal to error, each over all layers before it): {worst}."
    yield ""


def _triple(values: Sequence[float]) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else f"({', '.join(f'{value:g}' for value in values)})"


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
