"""A process that trains a challenger on a fleet that does not exist, alone or with others, and writes what came of it.

Usage: challenger_worker.py MODE FILE; MODE is "one", "two devices", "workers" or "workers for long".
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from edge.errors import DoorwardError
from tests.fakes.fleets import fleet, poor_head
from trainer.challengers.challenge import train_challenger
from trainer.challengers.settings import ChallengerSettings
from trainer.challengers.strategy import make_strategy

SHORT = ChallengerSettings(
    people=12, seeds=1, epochs=5, learning_rate=1e-2, whitening=1.0, previous_weight=0.0, shrinkages=(1.0,)
)


def main(mode: str, file: Path) -> int:
    settings = SHORT
    if mode.startswith("workers"):
        settings = replace(settings, strategy="workers")
    if mode == "workers for long":
        settings = replace(settings, epochs=100_000, patience=100_000)
    of = fleet(people=100, old=50)
    try:
        strategy = _two_devices() if mode == "two devices" else make_strategy(settings.strategy)
        print("begun", file=sys.stderr, flush=True)
        head, report = train_challenger(of, poor_head(of), None, settings, strategy)
    except DoorwardError as error:
        print(error, file=sys.stderr)
        return 1
    answer = {
        "id": head.id,
        "transform": head.transform.tolist(),
        "chief": report.chief,
        "epochs": report.epochs,
        "challenger_loss": report.challenger_loss,
    }
    file.write_text(json.dumps(answer), "utf-8")
    return 0


def _two_devices() -> Any:
    import tensorflow as tf

    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
