"""The commands `models build`, `show` and `check` of `doorward-trainer`. Parses and prints; the work is elsewhere."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.errors import DoorwardError, ModelError
from edge.inference.spec import SHIPPED, Manifest, ModelSpec, load_manifest
from edge.inference.tflite import Model, runtime_name
from trainer.quiet import quiet_tensorflow

if TYPE_CHECKING:
    from trainer.embedder.report import BuildReport

_CUSTOM_OUT = Path("doorward-models")


def add_models_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `models` and what is below it."""
    models = subparsers.add_parser("models", help="build, list and check the model files that doors run")
    actions = models.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    _add_build(actions)
    _add_show(actions)
    _add_check(actions)


def _add_build(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    build = actions.add_parser("build", help="build the shipped models, or one of your own", description=_build.__doc__)
    build.add_argument("--data", type=Path, metavar="DIR", help="pictures of faces to calibrate on and measure with")
    build.add_argument(
        "--from", dest="network", type=Path, metavar="FILE", help="your own .onnx, .keras, .h5 or .tflite embedder"
    )
    build.add_argument("--preprocessing", type=Path, metavar="FILE.toml", help="how your embedder wants its pictures")
    build.add_argument(
        "--out", type=Path, metavar="DIR", help=f"where to write (shipped: the package; your own: {_CUSTOM_OUT})"
    )
    build.add_argument(
        "--cache", type=Path, metavar="DIR", help="packages fetched before; what is there is not fetched again"
    )
    build.add_argument(
        "--quick", action="store_true", help="few pictures, no verification: to try the way, not to ship"
    )
    build.add_argument("--json", type=Path, metavar="FILE", help="write every figure there too")
    build.set_defaults(run=_build)


def _add_show(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    show = actions.add_parser("show", help="list the models of a folder", description=_show.__doc__)
    show.add_argument(
        "--out", type=Path, metavar="DIR", default=SHIPPED, help="the folder; the shipped one unless given"
    )
    show.add_argument("--json", action="store_true", help="as JSON")
    show.set_defaults(run=_show)


def _add_check(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = actions.add_parser("check", help="check the models of a folder", description=_check.__doc__)
    check.add_argument(
        "--out", type=Path, metavar="DIR", default=SHIPPED, help="the folder; the shipped one unless given"
    )
    check.set_defaults(run=_check)


def _build(arguments: argparse.Namespace) -> int:
    """Fetch public weights, quantize the embedders to int8, measure them and write files, manifest and card. With
    --from, the same for an embedder of your own.
    """
    from trainer.embedder import build, report
    from trainer.embedder.sources import default_cache

    quiet_tensorflow()
    if (arguments.network is None) != (arguments.preprocessing is None):
        raise ModelError("--from and --preprocessing belong together: the network, and how it wants its pictures")
    if arguments.json is not None and not arguments.json.parent.is_dir():
        raise DoorwardError(f"{arguments.json}: there is no folder {arguments.json.parent}")
    out = arguments.out or (SHIPPED if arguments.network is None else _CUSTOM_OUT)
    request = build.Request(out, arguments.cache or default_cache(), arguments.data, arguments.quick)
    if arguments.network is None:
        done = build.build_shipped(request)
    else:
        done = build.build_custom(request, build.Custom(arguments.network, arguments.preprocessing))
    if arguments.json is not None:
        report.write_json(done, arguments.json)
    _print_report(done, out)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    """What is in a folder of models: roles, defaults, tensors, terms."""
    manifest = load_manifest(arguments.out)
    if arguments.json:
        print(json.dumps([_row(manifest, spec) for spec in manifest.models.values()], indent=1))
        return 0
    for spec in manifest.models.values():
        row = _row(manifest, spec)
        mark = "*" if row["default"] else " "
        print(f"{mark} {spec.role:9} {spec.name:24} {row['input']:22} {spec.licence:12} {spec.sha256[:12]}")
    print("* used unless a setting names another")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    """Load every model of a folder, which checks hash, shapes, types and quantization, and run each once."""
    manifest = load_manifest(arguments.out)
    for spec in manifest.models.values():
        outputs = Model(spec).run(np.zeros(spec.inputs[0].shape, spec.inputs[0].dtype))
        if not all(np.isfinite(output).all() for output in outputs):
            raise ModelError(f"{spec.path}: gives numbers that are not finite")
        print(f"{spec.name}: good")
    print(f"{len(manifest.models)} models with {runtime_name()}")
    return 0


def _row(manifest: Manifest, spec: ModelSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "role": spec.role,
        "default": manifest.defaults.get(spec.role) == spec.name,
        "file": spec.path.name,
        "input": f"{'x'.join(map(str, spec.inputs[0].shape))} {spec.inputs[0].dtype}",
        "outputs": [f"{'x'.join(map(str, tensor.shape))} {tensor.dtype}" for tensor in spec.outputs],
        "licence": spec.licence,
        "origin": spec.origin,
        "sha256": spec.sha256,
    }


def _print_report(done: BuildReport, out: Path) -> None:
    from trainer.embedder.report import points, share, shortfalls

    for parity in done.embedders:
        cosine = (
            ""
            if parity.cosine_mean is None
            else f", cosine to float {parity.cosine_mean:.4f} (least {parity.cosine_min:.4f})"
        )
        whole = "one XNNPACK partition" if parity.partitions.whole else f"{parity.partitions.count} XNNPACK partitions"
        print(f"{parity.name}: {parity.int8_bytes:,} bytes, {parity.int8_ms:.2f} ms, {whole}{cosine}")
        for name, comparison in parity.lists.items():
            accuracy, tar = comparison.int8.accuracy, comparison.int8.tar
            print(f"  {name}: accuracy {share(accuracy)}, {points(comparison.gained.accuracy)} points to float")
            print(f"  {name}: TAR at FAR 1e-3 {share(tar)}, {points(comparison.gained.tar)} points to float")
        for line in shortfalls(parity):
            print(f"warning: {line}")
    print(f"default embedder {done.manifest.defaults.get('embedder')}: {done.reason}")
    print(f"written to {out}")
    if any(out.glob("*.head.json")):
        print("the heads there belong to the embedders before: `doorward-trainer head build` learns them again")
