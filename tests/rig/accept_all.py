"""The smallest milter."""

import sys
from textwrap import dedent

from rig.service import Milter64


class AcceptAll(Milter64):
    """The smallest milter, in milter64's place: it says in a header, and in its log, who it is told the client is."""

    program = (
        sys.executable,
        "-c",
        dedent("""
            import json, os, sys, tomllib, Milter

            class AcceptAll(Milter.Base):
                def connect(self, name, family, address):
                    self.client = address[0]
                    print(json.dumps({"client": self.client, "name": name}), flush=True)
                    return Milter.CONTINUE

                def eom(self):
                    login = self.getsymval("{auth_authen}") or "nobody"
                    self.addheader("X-Client", f"{self.client}, {login}", 0)
                    return Milter.CONTINUE

            configuration = tomllib.load(open(sys.argv[1], "rb"))
            os.umask(0)
            Milter.factory = AcceptAll
            Milter.set_flags(Milter.ADDHDRS)
            Milter.runmilter("accept-all", configuration["milter"]["socket"], 60)
        """),
    )
