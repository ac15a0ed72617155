"""Becomes a program that ends with its parent: `under_parent.py PARENT SIGNAL UID GID PROGRAM ARGUMENT…`.

Run as a script of its own, since what happens between fork and exec of a process with threads must not be Python. On
Linux the kernel sends SIGNAL when the parent is killed; elsewhere the next start finds and ends what lingers. UID and
GID are given up root for, unless they are -1.
"""

import ctypes
import os
import sys

SET_PARENT_DEATH_SIGNAL = 1


def main() -> None:
    """Give up root if asked to, bind to the parent's life, and become the program."""
    parent, signal, uid, gid = (int(word) for word in sys.argv[1:5])
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # After giving up root, which would undo it.
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent was killed meanwhile")
    os.execv(sys.argv[5], sys.argv[5:])  # noqa: S606 - the product's own program, without a shell


if __name__ == "__main__":
    main()
