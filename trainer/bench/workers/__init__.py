"""Peers of the benchmark, each run as a process of its own: one file a peer, over the loop in `protocol.py`.

A peer's own packages are imported in its file alone; beyond them these files need numpy and Pillow only, so that a
peer's Python need not have Doorward's packages.
"""
