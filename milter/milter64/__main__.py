"""`python -m milter64`: the same as the command `milter64`."""

import sys

from milter64.cli.main import main

sys.exit(main())
