"""The benchmarks that run on the device itself."""
