"""`python -m trainer` is `doorward-trainer`."""

import sys

from trainer.cli import main

sys.exit(main())
