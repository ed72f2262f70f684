"""What a challenger is asked for, as TensorFlow functions of one batch. `tf` comes in, so that importing loads nothing.

All take similarities, which are cosines. Each gives one number for every row, `(b,)` float32, so that the mean over a
batch that is spread over devices is the caller's.
"""

from __future__ import annotations

from typing import Any

_NEVER = -1e9


def cosines(tf: Any, rows: Any, others: Any) -> Any:
    """`(b, c)` of `(b, D)` and `(c, D)`."""
    return tf.matmul(tf.math.l2_normalize(rows, 1), tf.math.l2_normalize(others, 1), transpose_b=True)


def cosface(tf: Any, similarities: Any, identities: Any, scale: float, margin: float) -> Any:
    """Large margin cosine loss (Wang 2018).

    similarities: `(b, C)` to every identity's direction. identities: `(b,)` int32, the right one.
    """
    wanted = tf.one_hot(identities, tf.shape(similarities)[1], dtype=similarities.dtype)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(identities, scale * (similarities - margin * wanted))


def similarity_distillation(tf: Any, similarities: Any, target: Any, told: Any, temperature: float) -> Any:
    """How unlike the target the batch's rows see one another: Kullback-Leibler divergence of their softmaxes.

    similarities, target: `(b, b)`. told: `(b,)` bool, rows that the target knows; others neither give nor count.
    Only the order and the relative size of similarities matter, so a target of another scale teaches as well.
    """
    others = tf.logical_and(told[None], tf.logical_not(tf.eye(tf.shape(told)[0], dtype=tf.bool)))
    hidden = tf.where(others, 0.0, _NEVER)
    wanted = tf.stop_gradient(tf.nn.log_softmax(target / temperature + hidden))
    found = tf.nn.log_softmax(similarities / temperature + hidden)
    divergence = tf.reduce_sum(tf.exp(wanted) * (wanted - found) * tf.cast(others, found.dtype), axis=1)
    return divergence * tf.cast(told, found.dtype)
