"""`python -m edge` is `doorward`."""

import sys

from edge.cli import main

sys.exit(main())
