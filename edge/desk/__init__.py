"""Requests and their answers, the same for the network, for this machine and without a daemon."""
