"""Export a network: ``python -m model.export --help``."""

import sys

from model.export.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
