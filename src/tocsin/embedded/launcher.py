"""Runs a command as a child that cannot outlive its parent: ``launcher.py SIGNAL PARENT UID GID COMMAND...``.

A separate program, because code between fork and exec is unsafe in a process with threads. It changes the user first
(that clears the death signal), asks Linux for SIGNAL when the parent dies, then becomes the command. On macOS there
is no such request; there the next start stops what the pid files name.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    death_signal, parent, user, group = (int(argument) for argument in sys.argv[1:5])
    if user >= 0:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:  # it died before the request
            sys.exit(1)
    os.execv(sys.argv[5], sys.argv[5:])  # noqa: S606


main()
