"""Doorward's door daemon: everything that runs on the device. Never imports `trainer` or TensorFlow."""

__version__ = "0.1.0"
