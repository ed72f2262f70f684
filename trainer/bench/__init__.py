"""The published benchmarks: `doorward-trainer bench NAME --data DIR`, one file each."""
