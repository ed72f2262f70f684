"""Says which variables a process was started with: `python -m tests.fakes.environment`."""

import json
import os

if __name__ == "__main__":
    print(json.dumps({"names": sorted(os.environ)}))
