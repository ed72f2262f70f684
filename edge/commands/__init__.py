"""The device's commands, one file each: `add(subparsers)` describes it, `run(arguments)` does it.

JSON_SCHEMA: version of what `--json` prints, counted as that of the messages is.
"""

JSON_SCHEMA = "1.0"
