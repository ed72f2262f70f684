"""The device's commands, one file each: `add(subparsers)` describes it, `run(arguments)` does it."""
