"""Where a challenger is trained: on one device, on all of this machine, or on several machines that know one another.

Nothing else knows of TensorFlow's strategies but through these few calls.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edge.errors import DoorwardError
from trainer.challengers.settings import StrategyName
from trainer.quiet import quiet_tensorflow

_TF_CONFIG = "TF_CONFIG"


class StrategyError(DoorwardError):
    """The machines named cannot train together."""


def make_strategy(name: StrategyName) -> Any:
    """A `tf.distribute.Strategy`. For "workers" it must be made before anything else that TensorFlow does.

    Raises:
        StrategyError: "workers" without a TF_CONFIG of the form that TensorFlow documents, or too late.
    """
    quiet_tensorflow()
    if name == "workers":
        return _workers()
    import tensorflow as tf

    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def helps_a_chief(name: StrategyName) -> bool:
    """Whether this process trains for another one, which writes what all have learned.

    Raises:
        StrategyError: "workers" without a TF_CONFIG of the form that TensorFlow documents.
    """
    return name == "workers" and check_workers(os.environ.get(_TF_CONFIG, "")) > 0


def is_chief(strategy: Any) -> bool:
    """Whether this process is the one that may write what all have learned."""
    resolver = strategy.cluster_resolver
    return resolver is None or not resolver.task_type or resolver.task_id == 0


def _workers() -> Any:
    check_workers(os.environ.get(_TF_CONFIG, ""))
    import tensorflow as tf

    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise StrategyError(f"the workers that {_TF_CONFIG} names cannot train together ({reason})") from error


def check_workers(text: str) -> int:
    """Which of the workers this process is; 0 is the chief. text: of TF_CONFIG.

    Raises:
        StrategyError: it does not say which workers there are and which of them this is.
    """
    form = '{"cluster": {"worker": ["HOST:PORT", …]}, "task": {"type": "worker", "index": 0}}'
    try:
        told = json.loads(text)
        workers, task = told["cluster"]["worker"], told["task"]
        index = int(task["index"])
        known = task["type"] == "worker" and workers[index] and index >= 0
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise StrategyError(f"several workers need {_TF_CONFIG}, of the form {form}") from error
    if not known:
        raise StrategyError(f"{_TF_CONFIG}: the task is none of the cluster's workers; its form is {form}")
    return index


@contextmanager
def together(name: StrategyName) -> Iterator[None]:
    """Training under a strategy: a worker that was lost is told in one line.

    Raises:
        StrategyError: another worker ended or cannot be reached.
    """
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        if name != "workers":
            raise
        reason = str(error.message).splitlines()[0]
        raise StrategyError(f"a worker that {_TF_CONFIG} names was lost; start all of them again ({reason})") from error
