"""`doorward-trainer bench NAME`: the benchmarks' command lines. What each measures is in its own module."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from edge.contract.bench_output import add_output_options
from edge.inference.spec import SHIPPED
from trainer.bench.calibration import run_calibration
from trainer.bench.challengers import run_challengers
from trainer.bench.enroll import run_enroll
from trainer.bench.fleet_size import run_fleet_size
from trainer.bench.forgetting import run_forgetting
from trainer.bench.openset import run_openset
from trainer.bench.pairs import run_pairs
from trainer.bench.peers import run_peers
from trainer.bench.swap import run_swap
from trainer.embedder.sources import default_cache


def add_bench_commands(subparsers: Any) -> None:
    """Put `bench` with all its benchmarks among the commands."""
    bench = subparsers.add_parser("bench", help="measure what the project publishes")
    names = bench.add_subparsers(title="benchmarks", dest="bench", required=True, metavar="NAME")
    _add_pairs(names)
    _add_peers(names)
    _add_enroll(names)
    _add_on_features(names)
    _add_forgetting(names)
    _add_challengers(names)
    _add_incremental(names)


def _add_pairs(names: Any) -> None:
    parser = _add(names, "pairs", "each embedder in float and int8 on pairs of faces")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", default=default_cache(), help="where packages and float files are kept"
    )
    parser.add_argument(
        "--int8-only", action="store_true", help="leave the float originals out, which need TensorFlow and packages"
    )
    parser.set_defaults(run=run_pairs)


def _add_peers(names: Any) -> None:
    parser = _add(names, "peers", "Doorward's whole way beside other programs', one thread each")
    parser.add_argument(
        "--peers", type=Path, metavar="DIR", help="folder with the peers' weights; without it DATA/../peers"
    )
    parser.add_argument(
        "--peer-python",
        default=sys.executable,
        metavar="PROGRAM",
        help="Python that has face_recognition, OpenCV and ONNX Runtime; peers that it lacks are skipped",
    )
    parser.add_argument(
        "--peer-node", type=Path, metavar="DIR", help="folder whose node_modules has face-api and its WASM backend"
    )
    parser.set_defaults(run=run_peers)


def _add_enroll(names: Any) -> None:
    parser = _add(names, "enroll", "people enrolled session by session: forgetting, misses, false alarms, time to wait")
    parser.set_defaults(run=run_enroll)


def _add_on_features(names: Any) -> None:
    """Those that measure on embeddings made once, and kept."""
    for name, what, run in (
        (
            "openset",
            "ways to compare, by day and by night, among strangers; with rivals from the literature",
            run_openset,
        ),
        ("calibration", "whether as many strangers are named as a door was told", run_calibration),
        ("swap", "another embedder without enrolling again", run_swap),
        ("fleet-size", "heads learned from ever more people: none may be worse than the factory's", run_fleet_size),
    ):
        parser = _add(names, name, what)
        parser.add_argument(
            "--cache", type=Path, metavar="DIR", default=default_cache(), help="where the pictures' embeddings are kept"
        )
        parser.set_defaults(run=run)


def _add_forgetting(names: Any) -> None:
    parser = _add(names, "forgetting", "people join: who of the others is still recognized, trained ways and the table")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", default=default_cache(), help="where the pictures' embeddings are kept"
    )
    parser.set_defaults(run=run_forgetting, seeds=5)


def _add_challengers(names: Any) -> None:
    parser = _add(names, "challengers", "heads trained by gradient, with and without a teacher, beside the closed form")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", default=default_cache(), help="where embeddings and float files are kept"
    )
    parser.add_argument(
        "--teacher", type=Path, metavar="FILE", help="a stronger embedder to learn from: .onnx, .tflite, .keras or .h5"
    )
    parser.add_argument(
        "--teacher-description", type=Path, metavar="TOML", help="how the teacher wants its pictures; as `models build`"
    )
    parser.add_argument(
        "--named-teacher-only", action="store_true", help="leave the embedder's own float original out as a teacher"
    )
    parser.set_defaults(run=run_challengers, seeds=5)


def _add_incremental(names: Any) -> None:
    parser = names.add_parser("incremental", help="people added and erased, up to a million: exact, and cheap")
    parser.add_argument("--people", type=int, default=1_000_000, metavar="N", help="of the largest simulated fleet")
    add_output_options(parser)
    parser.set_defaults(run=_incremental)


def _incremental(arguments: argparse.Namespace) -> int:
    """Loaded when it is asked for: it needs the fleet's store, and that SQLAlchemy."""
    from trainer.bench.incremental import run_incremental

    return run_incremental(arguments)


def _add(names: Any, name: str, what: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = names.add_parser(name, help=what)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with lists/ and lfw/ in it")
    parser.add_argument("--models", type=Path, default=SHIPPED, metavar="DIR", help="models to measure")
    add_output_options(parser)
    return parser
