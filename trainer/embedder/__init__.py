"""From public weights to the model files that doors run: fetch, rewrite, quantize, measure, describe.

Nothing here is imported on a device. TensorFlow is imported inside the functions that need it, so that the trainer's
other commands start fast.
"""
