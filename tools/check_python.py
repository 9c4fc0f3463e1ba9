"""Says in one sentence when this Python cannot run tocsin; itself it runs on any Python 3."""

import sys

if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    found = ".".join(map(str, sys.version_info[:3]))
    sys.exit("tocsin needs Python 3.11, 3.12 or 3.13; this is %s. Choose one: make PYTHON=python3.12 up" % found)  # noqa: UP031
