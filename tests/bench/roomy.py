"""milter64 as it is, but that the greylist's file may have any number of rows: `python -P roomy.py run ...`.

Else it keeps a million, and cuts a file that has more: there would be no telling what ten millions cost.
"""

import sys

from milter64.cli.main import main
from milter64.store.sqlite_store import SqliteStore

# The workers are forked, and have it too.
SqliteStore.__init__.__kwdefaults__ = {**(SqliteStore.__init__.__kwdefaults__ or {}), "max_rows": sys.maxsize}

if __name__ == "__main__":
    sys.exit(main())
