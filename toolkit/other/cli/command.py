"""The subcommands: arguments in, requests one after the other, an exit status out."""

from __future__ import annotations

import getpass
import os
import ssl
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit.client.heads import Defaults
from toolkit.client.proxies import Proxies, Proxy
from toolkit.client.session import Session
from toolkit.errors import ToolkitError, UseError
from toolkit.other.cli.access import auth_of, cookie_jar_of, keep_cookies
from toolkit.other.cli.arguments import Command, parse
from toolkit.other.cli.statuses import Exit, Stop, status_of
from toolkit.other.cli.transfer import Transfer, left_out
from toolkit.protocol.aio.loop import run
from toolkit.protocol.limits import Timeouts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.client.cookie_jar import CookieJar

__all__ = ["main", "make_session"]


def make_session(command: Command, jar: CookieJar | None = None) -> Session:
    """A session for these options. Raises `Stop` for files of certificates and logins that are none."""
    timeouts = Timeouts(connect=command.connect_timeout, read=None, write=None, pool=None)
    session = Session(
        unix=command.unix_socket,
        tls=_tls(command),
        timeouts=timeouts,
        auth=auth_of(command),
        cookies=jar,
        proxy=_proxies(command),
    )
    without = left_out(command)
    if without:
        fields = [pair for pair in session.defaults._fields if pair[0].decode("ascii") not in without]
        codings = [] if "accept-encoding" in without else [value.decode() for _, value in _accepted(session)]
        session.defaults = Defaults(fields, codings)
    return session


def _proxies(command: Command) -> Proxies | None:
    """What -x says; http:// where it has no scheme, as curl takes it."""
    if not command.proxy:
        return None
    url = command.proxy if "://" in command.proxy else f"http://{command.proxy}"
    user, _, password = (command.proxy_user or "").partition(":")
    try:
        proxy = Proxy(url, credentials=(user, password) if command.proxy_user else None)
        return Proxies(all=proxy, no_proxy=command.noproxy)
    except UseError as error:
        raise Stop(Exit.ARGUMENTS, f"-x: {error}") from error


def _accepted(session: Session) -> list[tuple[bytes, bytes]]:
    return session.defaults._accept_encoding


def _tls(command: Command) -> ssl.SSLContext | None:
    if not (command.insecure or command.cacert or command.cert):
        return None
    try:
        context = ssl.create_default_context(cafile=command.cacert)
    except (OSError, ssl.SSLError) as error:
        raise Stop(Exit.ARGUMENTS, f"--cacert {command.cacert}: {error}") from error
    if command.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if command.cert is not None:
        try:
            context.load_cert_chain(command.cert, command.key)
        except (OSError, ssl.SSLError) as error:
            raise Stop(Exit.ARGUMENTS, f"--cert {command.cert}: {error}") from error
    return context


async def _all(command: Command) -> int:
    """Each URL; the last one's status is the command's, as curl has it."""
    status = 0
    jar = cookie_jar_of(command)
    async with make_session(command, jar) as session:
        for at, url in enumerate(command.urls):
            output = command.outputs[at] if at < len(command.outputs) else None
            status = await Transfer(command, session, url, output).run()
    keep_cookies(command, jar)
    return status


def _asked(command: Command) -> Command:
    """With the password, which is asked for where -u has none."""
    if command.user is None or ":" in command.user:
        return command
    if not os.isatty(0):
        raise Stop(Exit.ARGUMENTS, f"-u {command.user}: expected USER:PASSWORD; there is no terminal to ask at")
    return replace(command, user=f"{command.user}:{getpass.getpass(f'password of {command.user}: ')}")


def main(arguments: Sequence[str] | None = None) -> int:
    """`toolkit METHOD ...`. Returns the exit status; raises SystemExit for wrong arguments and for --help."""
    command = parse(sys.argv[1:] if arguments is None else arguments)
    try:
        return run(_all(_asked(command)))
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except (Stop, ToolkitError, ValueError) as error:
        print(f"{command.name}: {error}", file=sys.stderr)
        return status_of(error, None)
