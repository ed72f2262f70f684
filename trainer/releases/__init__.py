"""Releases: keys, the signed repository, rings, and what doors make of them. `distribute/` brings the files."""
