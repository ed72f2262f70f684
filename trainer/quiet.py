"""Keeps TensorFlow from telling of itself at length, and its kernels from rounding differently from machine to machine.

To be called before it is imported; what an operator has set stays.
"""

from __future__ import annotations

import os


def quiet_tensorflow() -> None:
    """Only TensorFlow's errors are told; oneDNN, which rounds by processor, is off."""
    for name, value in (("TF_CPP_MIN_LOG_LEVEL", "3"), ("TF_ENABLE_ONEDNN_OPTS", "0")):
        os.environ.setdefault(name, value)
