from __future__ import annotations

from dataclasses import replace

from trainer.embedder.pairs import Figure, PairFigures
from trainer.embedder.parity import Comparison, Parity
from trainer.embedder.partitions import Partitions
from trainer.embedder.report import choose_default, points, share, shortfalls


def embedder(name: str, ms: float, tar: tuple[float, float, float] | None) -> Parity:
    strict = Figure(*tar) if tar else None
    nothing = (None, None, None)
    return Parity(name, *nothing, 1, None, ms, Partitions(1, whole=True), 9, None, None, {}, None, strict, ())


def test_the_more_accurate_is_the_default_though_it_is_slower() -> None:
    name, reason = choose_default(
        [embedder("fast", 1.0, (0.74, 0.70, 0.77)), embedder("slow", 2.0, (0.95, 0.94, 0.97))]
    )
    assert name == "slow"
    assert "more accurate" in reason
    assert "slow 95.00 % [94.00, 97.00]" in reason


def test_the_faster_is_the_default_where_accuracy_cannot_be_told_apart() -> None:
    name, reason = choose_default(
        [embedder("slow", 2.0, (0.95, 0.93, 0.97)), embedder("fast", 1.0, (0.94, 0.92, 0.96))]
    )
    assert name == "fast"
    assert "within its interval" in reason


def test_unmeasured_embedders_keep_the_catalogue_order_and_say_so() -> None:
    name, reason = choose_default([embedder("first", 2.0, None), embedder("second", 1.0, None)])
    assert name == "first"
    assert "no pairs" in reason


def with_losses(accuracy: float, tar: float, partitions: Partitions) -> Parity:
    good = PairFigures(Figure(0.99, 0.98, 1.0), Figure(0.98, 0.97, 0.99))
    gained = PairFigures(Figure(accuracy, accuracy, accuracy), Figure(tar, tar, tar))
    lists = {"official": Comparison(6000, good, good, gained)}
    return replace(embedder("own", 1.0, None), lists=lists, partitions=partitions)


def test_a_loss_within_the_allowed_is_no_shortfall() -> None:
    assert shortfalls(with_losses(-0.0029, -0.0149, Partitions(1, whole=True))) == []


def test_what_int8_loses_beyond_the_allowed_is_told() -> None:
    lines = shortfalls(with_losses(-0.0031, -0.02, Partitions(3, whole=False)))
    assert [line.split(" falls")[0] for line in lines[:2]] == ["own: accuracy on official", "own: TAR on official"]
    assert "3 XNNPACK partitions" in lines[2]


def test_figures_are_written_with_their_intervals() -> None:
    assert share(Figure(0.9913, 0.9873, 0.9941)) == "99.13 % [98.73, 99.41]"
    assert points(Figure(-0.002, -0.0054, 0.004)) == "-0.20 [-0.54, +0.40]"
