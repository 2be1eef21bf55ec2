"""Decides as which user the embedded servers run: Postgres refuses root, and nobody wants Valkey as root."""

import os
import pwd
import stat
from pathlib import Path

from voicegateway_controller.embedded.errors import EmbeddedFailed
from voicegateway_controller.embedded.process import RunAs, run_to_end

ROOT_UID = 0
# What Linux calls the unprivileged user when /etc/passwd does not know the name.
NOBODY_ID = 65534


async def choose_identity() -> RunAs:
    """Return the least intrusive identity that works here; makes no account and changes no mode.

    Raises:
        EmbeddedFailed: our uid has no name and user namespaces are forbidden.
    """
    uid, gid = os.geteuid(), os.getegid()
    has_name = _has_name(uid)
    if uid != ROOT_UID and has_name:
        return RunAs(mode="same", uid=uid, gid=gid)
    nobody = _nobody()
    if nobody is not None:
        mapped = RunAs(mode="userns", uid=nobody.pw_uid, gid=nobody.pw_gid)
        if await _can_enter_user_namespace(mapped):
            return mapped
    if uid == ROOT_UID:
        found = (nobody.pw_uid, nobody.pw_gid) if nobody is not None else (NOBODY_ID, NOBODY_ID)
        return RunAs(mode="setuid", uid=found[0], gid=found[1])
    raise EmbeddedFailed(
        f"Postgres cannot run as uid {uid}: it has no entry in /etc/passwd; "
        "set VOICEGATEWAY_DATABASE_URL and VOICEGATEWAY_REDIS_URL to running servers"
    )


def can_reach(path: Path, identity: RunAs) -> bool:
    """Say whether that identity may pass through every folder down to `path` (itself included)."""
    if identity.mode != "setuid":
        return True
    path = path.resolve()
    return all(_may_pass(folder, identity) for folder in (path, *path.parents))


def give_tree(top: Path, identity: RunAs) -> None:
    """Make the tree belong to whom the server will be, if the last run was as another user.

    Only root can and needs to; the top folder's owner stands for the tree.
    """
    if os.geteuid() != ROOT_UID:
        return
    owner = (identity.uid, identity.gid) if identity.mode == "setuid" else (ROOT_UID, os.getegid())
    if top.stat().st_uid == owner[0]:
        return
    for folder, _, files in os.walk(top, topdown=False):
        for name in files:
            os.lchown(os.path.join(folder, name), *owner)
        os.lchown(folder, *owner)


def _may_pass(path: Path, identity: RunAs) -> bool:
    found = path.stat()
    if found.st_uid == identity.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == identity.gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _nobody() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        return None


async def _can_enter_user_namespace(identity: RunAs) -> bool:
    # Any program does: what is asked is whether the kernel lets us in (Docker's default seccomp does not).
    true = next((p for p in ("/bin/true", "/usr/bin/true") if os.path.exists(p)), None)
    if true is None or not os.path.exists("/proc/self/uid_map"):
        return False
    outcome = await run_to_end([true], identity=identity, timeout_s=10)
    return outcome.code == 0
