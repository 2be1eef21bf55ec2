"""Becomes an embedded server: takes an identity, ties its life to the parent's, then executes the program.

Run as a script in a fresh interpreter, never imported: a `preexec_fn` would run Python between fork and exec
of a process that has threads, which can deadlock and which Python 3.12 warns about.
"""

import ctypes
import json
import os
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1

# What a shell says for "found but could not be executed".
EXIT_CANNOT_EXECUTE = 126


def main() -> None:
    """Execute the plan in argv[1]: `{"mode", "uid", "gid", "parent", "death_signal", "argv"}`."""
    plan = json.loads(sys.argv[1])
    os.umask(0o077)
    try:
        if plan["mode"] == "userns":
            _enter_user_namespace(plan["uid"], plan["gid"])
        elif plan["mode"] == "setuid":
            _become(plan["uid"], plan["gid"])
        # After the identity: Linux forgets the death signal when credentials change.
        _die_with_parent(plan["parent"], plan["death_signal"])
        os.execve(plan["argv"][0], plan["argv"], os.environ)
    except OSError as error:
        sys.stderr.write(f"cannot start {plan['argv'][0]}: {error}\n")
        sys.exit(EXIT_CANNOT_EXECUTE)


def _enter_user_namespace(uid: int, gid: int) -> None:
    """See ourselves as uid:gid while the kernel goes on treating our files as before."""
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"no user namespace: {os.strerror(number)}")
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {outer_uid} 1"),
        ("gid_map", f"{gid} {outer_gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(line)


def _become(uid: int, gid: int) -> None:
    """Give up root for good."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _die_with_parent(parent: int, death_signal: int) -> None:
    """Ask Linux for a signal when the thread that started us ends; elsewhere there is nothing to ask."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"no death signal: {os.strerror(number)}")
    # The parent may have died before the call above; then the signal will never come.
    if os.getppid() != parent:
        sys.exit(0)


if __name__ == "__main__":
    main()
