"""Who is asking, and with which cookies: -u, --digest, --netrc; -b and -c."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from toolkit.client.auth import Basic, Bearer, Digest
from toolkit.client.cookie_jar import CookieJar
from toolkit.client.netrc import Netrc
from toolkit.errors import UseError
from toolkit.other.cli.statuses import Exit, Stop

if TYPE_CHECKING:
    from toolkit.client.policies import Auth
    from toolkit.other.cli.arguments import Command

__all__ = ["auth_of", "cookie_jar_of", "cookie_pairs", "keep_cookies"]


def auth_of(command: Command) -> Auth | None:
    """What proves who is asking; None: nothing but a login in a URL. Raises `Stop` for what is none."""
    kind = Digest if command.digest else Basic
    try:
        if command.bearer is not None:
            return Bearer(command.bearer)
        if command.netrc or command.netrc_file is not None:
            return Netrc(command.netrc_file, kind=kind)
    except UseError as error:
        raise Stop(Exit.ARGUMENTS, str(error)) from error
    if command.user is None:
        return None
    user, _, password = command.user.partition(":")
    try:
        return kind(user, password)
    except UseError as error:
        raise Stop(Exit.ARGUMENTS, str(error)) from error


def cookie_pairs(command: Command) -> dict[str, str]:
    """The cookies that -b names itself: they go with every request to the host of the URL."""
    found: dict[str, str] = {}
    for word in command.cookies:
        for pair in word.split(";") if "=" in word else ():
            name, equals, value = pair.partition("=")
            if equals:
                found[name.strip()] = value.strip()
    return found


def cookie_jar_of(command: Command) -> CookieJar | None:
    """A jar with the cookies of -b's files, where there is one or -c; None: no cookies are kept.

    A file that is not there is an empty one, as with curl: the first call of a script has none. Raises `Stop` for a
    file that is no file of cookies.
    """
    files = [word for word in command.cookies if "=" not in word]
    if not files and command.cookie_jar is None:
        return None
    jar = CookieJar()
    for file in files:
        if file and os.path.exists(file):
            try:
                jar.load(file)
            except (UseError, OSError) as error:
                raise Stop(Exit.READ, f"-b {file}: {error}") from error
    return jar


def keep_cookies(command: Command, jar: CookieJar | None) -> None:
    """Write what there is at the end into -c's file, in curl's format. Raises `Stop`."""
    if jar is None or command.cookie_jar is None:
        return
    try:
        jar.save(command.cookie_jar, session=True, form="netscape")
    except OSError as error:
        raise Stop(Exit.WRITE, f"-c {command.cookie_jar}: {error.strerror or error}") from error
