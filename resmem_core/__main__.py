"""`python -m resmem_core`."""

import sys

from resmem_core.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
