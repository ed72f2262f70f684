"""One run of a challenger: batches through `tf.data`, losses, Adam, and the end when held-out people gain no more.

What is learned is a map on the space where it begins, so that it begins as the identity. How a head is made of it, and
how held-out people judge it, comes in as a function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.recognition.types import Floats
from trainer.challengers.fleet import batches
from trainer.challengers.losses import cosface, cosines, similarity_distillation
from trainer.challengers.network import build
from trainer.challengers.settings import ChallengerSettings

Judge = Callable[[Floats], float]


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a run learns from, all float32 and one row a view.

    z: `(n, D)` in the space where the map begins. owners: `(n,)` identities, counted from 0.
    old: `(n,)` who is to be seen as before. before: `(n, D)` as the previous head projects them.
    teacher: `(n, T)`, zeros where the teacher has nothing to say; None without one.
    """

    z: Floats
    owners: NDArray[np.int32]
    old: NDArray[np.bool_]
    before: Floats
    teacher: Floats | None

    def directions(self) -> Floats:
        """`(C, D)` mean of each identity's views."""
        sums = np.zeros((int(self.owners.max()) + 1, self.z.shape[1]), np.float32)
        np.add.at(sums, self.owners, self.z / np.maximum(np.linalg.norm(self.z, axis=1, keepdims=True), 1e-12))
        return sums


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What came of it. matrix: `(D, D)` float32, z to h. losses: of held-out people, before and after each epoch.
    epoch: which of them the matrix is of, 0 for where it began.
    """

    matrix: Floats
    losses: tuple[float, ...]
    epoch: int


def train(lesson: Lesson, judge: Judge, settings: ChallengerSettings, strategy: Any, seed: int) -> Run:
    """judge: the loss of held-out people under a matrix; every worker gets the mean of what all of them found.

    Raises:
        ValueError: a batch's people cannot be shared out evenly among the devices, or the training ran away.
    """
    pupil = _Pupil(lesson, settings, strategy, seed)
    losses = [pupil.agreed(judge(pupil.matrix()))]
    best, kept = 0, pupil.matrix()
    for epoch in range(1, settings.epochs + 1):
        pupil.epoch(epoch)
        losses.append(pupil.agreed(judge(pupil.matrix())))
        if losses[-1] < losses[best]:
            best, kept = epoch, pupil.matrix()
        if epoch - best >= settings.patience:
            break
    return Run(kept, tuple(losses), best)


class _Pupil:
    def __init__(self, lesson: Lesson, settings: ChallengerSettings, strategy: Any, seed: int) -> None:
        import tensorflow as tf

        replicas = strategy.num_replicas_in_sync
        if settings.people % replicas:
            raise ValueError(f"challenger: people is {settings.people}, expected a multiple of the {replicas} devices")
        self._tf, self._lesson, self._settings, self._strategy, self._seed = tf, lesson, settings, strategy, seed
        with strategy.scope():
            self._map, self._classes = build(lesson.directions(), seed)
            self._optimizer = tf.keras.optimizers.Adam(settings.learning_rate)
            self._optimizer.build([self._map.kernel, self._classes.kernel])
        self._step = tf.function(self._one_step, reduce_retracing=True)
        self._mean = tf.function(self._mean_of_all)

    def matrix(self) -> Floats:
        found = np.asarray(self._map.kernel.numpy().T, np.float32)
        if not np.isfinite(found).all():
            rate = self._settings.learning_rate
            raise ValueError(f"challenger: training ran away; learning_rate is {rate}, expected a smaller one")
        return found

    def agreed(self, loss: float) -> float:
        """The mean over all workers, so that all stop at one epoch even if their processors round differently."""
        return float(self._mean(self._tf.constant(loss, self._tf.float64)))

    def epoch(self, number: int) -> None:
        for batch in self._batches(number):
            self._step(batch)

    def _batches(self, epoch: int) -> Iterator[Any]:
        """Each device's part of every batch holds whole people: similarities are of the part's own rows."""
        tf, settings, replicas = self._tf, self._settings, self._strategy.num_replicas_in_sync
        planned = batches(self._lesson.owners, settings.people, settings.views, (self._seed, epoch))
        shares = planned.reshape(len(planned) * replicas, -1).astype(np.int32)

        def piped(context: Any) -> Any:
            parts = tf.data.Dataset.from_tensor_slices(shares)
            return parts.shard(context.num_input_pipelines, context.input_pipeline_id).map(self._gather).prefetch(2)

        return iter(self._strategy.distribute_datasets_from_function(piped))

    def _gather(self, places: Any) -> dict[str, Any]:
        lesson = self._lesson
        taken = {"z": lesson.z, "owners": lesson.owners, "old": lesson.old, "before": lesson.before}
        if lesson.teacher is not None:
            taken["teacher"] = lesson.teacher
        return {name: self._tf.gather(array, places) for name, array in taken.items()}

    def _mean_of_all(self, value: Any) -> Any:
        mean, strategy = self._tf.distribute.ReduceOp.MEAN, self._strategy
        return strategy.reduce(mean, strategy.run(self._tf.identity, args=(value,)), axis=None)

    def _one_step(self, batch: Any) -> None:
        self._strategy.run(self._learn, args=(batch,))

    def _learn(self, batch: dict[str, Any]) -> None:
        tf, weights = self._tf, [self._map.kernel, self._classes.kernel]
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self._loss(batch)) / self._strategy.num_replicas_in_sync
        self._optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

    def _loss(self, batch: dict[str, Any]) -> Any:
        """`(b,)` the settings' sum of what is asked for."""
        tf, settings, before = self._tf, self._settings, batch["before"]
        h = self._map(batch["z"])
        to_identities = cosines(tf, h, tf.transpose(self._classes.kernel))
        asked = cosface(tf, to_identities, batch["owners"], settings.scale, settings.margin)
        total, alike = settings.identity_weight * asked, cosines(tf, h, h)
        seen = cosines(tf, before, before)
        kept = similarity_distillation(tf, alike, seen, batch["old"], settings.temperature)
        total += settings.previous_weight * kept
        if self._lesson.teacher is not None:
            target, told = cosines(tf, batch["teacher"], batch["teacher"]), tf.reduce_any(batch["teacher"] != 0, 1)
            taught = similarity_distillation(tf, alike, target, told, settings.temperature)
            total += settings.teacher_weight * taught
        return total
