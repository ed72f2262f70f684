"""Heads that are trained by gradient and compete with the closed form. Importing this loads no TensorFlow."""
