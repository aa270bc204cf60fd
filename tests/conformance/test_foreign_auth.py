"""Logins and cookies with others: Debian's Apache httpd asks who we are; curl and httpx share servers and files."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.helpers.guard import Guard, guarded
from tests.helpers.peers import program
from tests.helpers.served import served
from toolkit import App, Basic, CookieJar, Digest, Netrc, PoolLimits, Request, Session

from .test_foreign_servers import free_port, until_listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MODULES = "/usr/lib/apache2/modules"
CONF = """
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/httpd.pid
ErrorLog {folder}/error.log
ServerName localhost
Listen 127.0.0.1:{port}
{owner}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authn_file_module {modules}/mod_authn_file.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule auth_basic_module {modules}/mod_auth_basic.so
LoadModule auth_digest_module {modules}/mod_auth_digest.so
LoadModule alias_module {modules}/mod_alias.so
LoadModule headers_module {modules}/mod_headers.so
StartServers 1
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
DocumentRoot {folder}/root
Redirect 302 /digest/away http://127.0.0.1:{port}/digest/file
Header always add Set-Cookie "sid=1; Path=/; HttpOnly"
<Location /digest>
    AuthType Digest
    AuthName "realm=1, of digests"
    AuthUserFile {folder}/digests
    AuthDigestNonceLifetime -1
    Require valid-user
</Location>
<Location /once>
    AuthType Digest
    AuthName "once"
    AuthUserFile {folder}/digests
    AuthDigestNonceLifetime 0
    Require valid-user
</Location>
<Location /domain>
    AuthType Digest
    AuthName "once"
    AuthUserFile {folder}/digests
    AuthDigestDomain /domain/ /elsewhere
    Require valid-user
</Location>
<Location /basic>
    AuthType Basic
    AuthName "basic"
    AuthUserFile {folder}/passwords
    Require valid-user
</Location>
"""

USER, PASSWORD = "J\u00e4s\u00f8n", "Circle of L\u00efe"


def write_site(folder: Path) -> None:
    """A file in each place, and both kinds of password files."""
    folder.chmod(0o755)  # started by root, it reads as somebody else
    for place in ("digest", "once", "domain", "basic"):
        (folder / "root" / place).mkdir(parents=True)
        (folder / "root" / place / "file").write_text(f"welcome to {place}")
    lines = []
    for realm in ("realm=1, of digests", "once"):
        for user in ("Mufasa", USER):
            secret = hashlib.md5(f"{user}:{realm}:{PASSWORD}".encode(), usedforsecurity=False).hexdigest()
            lines.append(f"{user}:{realm}:{secret}\n")
    (folder / "digests").write_text("".join(lines))
    sha = base64.b64encode(hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).digest()).decode()
    (folder / "passwords").write_text(f"Mufasa:{{SHA}}{sha}\n{USER}:{{SHA}}{sha}\n")


@asynccontextmanager
async def apache() -> AsyncIterator[str]:
    """The URL of a running Apache httpd."""
    binary = program("apache2")
    assert binary is not None, "apache2 is not installed"
    with tempfile.TemporaryDirectory(prefix="tk-") as name:
        folder = Path(name)
        write_site(folder)
        port = free_port()
        owner = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
        conf = folder / "httpd.conf"
        conf.write_text(CONF.format(folder=folder, port=port, modules=MODULES, owner=owner))
        process = await asyncio.create_subprocess_exec(
            binary, "-d", name, "-f", str(conf), "-DFOREGROUND", "-E", f"{folder}/start.log"
        )
        try:
            await until_listening(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def curl(*arguments: str) -> str:
    binary = program("curl")
    assert binary is not None, "curl is not installed"
    process = await asyncio.create_subprocess_exec(
        binary, "-sS", "--noproxy", "*", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


# -- Apache httpd asks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["Mufasa", USER])
async def test_apache_takes_our_digest(user: str) -> None:
    async with apache() as url, Session(base_url=url, auth=Digest(user, PASSWORD)) as http:
        for n in range(4):
            answer = await http.get("/digest/file?q=%20x&y=%22")
            assert (answer.status, await answer.text()) == (200, "welcome to digest")
            assert [past.status for past in answer.history] == ([401] if n == 0 else [])
        assert await curl("--digest", "-u", f"{user}:{PASSWORD}", f"{url}/digest/file") == "welcome to digest"


async def test_apache_s_next_nonces_are_used() -> None:
    """AuthDigestNonceLifetime 0: each nonce is good for one request, and its answer names the next (RFC 7616 3.5)."""
    async with apache() as url, Session(base_url=url, auth=Digest("Mufasa", PASSWORD)) as http:
        challenged = []
        for _ in range(4):
            answer = await http.get("/once/file")
            assert (answer.status, await answer.text()) == (200, "welcome to once")
            challenged.append(len(answer.history))
        assert challenged == [1, 0, 0, 0]


async def test_apache_s_domain_is_kept_to() -> None:
    async with apache() as url, Session(base_url=url, auth=Digest("Mufasa", PASSWORD)) as http:
        for path, challenges in (("/domain/file", 1), ("/domain/file", 0), ("/once/file", 1), ("/domain/file", 1)):
            answer = await http.get(path)
            assert (answer.status, len(answer.history)) == (200, challenges)


async def test_apache_refuses_a_wrong_password_once() -> None:
    async with apache() as url, Session(base_url=url) as http:
        for auth, refusals in ((Digest("Mufasa", "wrong"), 1), (Digest("nobody", PASSWORD), 1), (None, 0)):
            answer = await http.get("/digest/file", auth=auth)
            assert (answer.status, len(answer.history)) == (401, refusals)


async def test_many_at_a_time_and_over_redirects() -> None:
    pool = PoolLimits(per_origin=4)
    async with apache() as url, Session(base_url=url, auth=Digest("Mufasa", PASSWORD), pool=pool) as http:
        answers = await asyncio.gather(*(http.get("/digest/away", follow_redirects=True) for _ in range(20)))
        assert {(answer.status, await answer.text()) for answer in answers} == {(200, "welcome to digest")}


@pytest.mark.parametrize("user", ["Mufasa", USER])
async def test_apache_takes_our_basic_and_what_a_netrc_file_says(user: str, tmp_path: Path) -> None:
    file = tmp_path / "netrc"
    file.write_text(f'# who\n\nmachine 127.0.0.1\n  login {user}\n\n  # and how\n  password "{PASSWORD}"\n')
    async with apache() as url, Session(base_url=url) as http:
        for auth in (Basic(user, PASSWORD), (user, PASSWORD), Netrc(file)):
            answer = await http.get("/basic/file", auth=auth)
            assert (answer.status, await answer.text()) == (200, "welcome to basic")
        assert (await http.get("/digest/file", auth=Netrc(file, kind=Digest))).status == 200
        assert await curl("--netrc-file", str(file), f"{url}/basic/file") == "welcome to basic"  # as curl reads it
        assert (await http.get("/basic/file", auth=Basic(user, "wrong"))).status == 401


# -- others and our guard ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "MD5-sess", "SHA-256-sess"])
async def test_what_we_prove_is_what_others_prove(algorithm: str) -> None:
    """curl, httpx and our client before one server, which knows the password and computes by itself."""
    guard = Guard(algorithm=algorithm)
    async with served(guarded(guard), "tcp") as here:
        url = f"{here.url}/in?q=x"
        async with Session(auth=Digest("ada", "hunter2")) as http:
            assert (await http.get(url)).status == 200
        await curl("--fail", "--digest", "-u", "ada:hunter2", url)
        if not algorithm.endswith("-sess"):  # httpx leaves the cnonce's session out of the secret
            async with httpx.AsyncClient(auth=httpx.DigestAuth("ada", "hunter2"), trust_env=False) as other:
                assert (await other.get(url)).status_code == 200
    assert {line.partition("-")[0] for line in guard.log} == {"nobody", "nonce"}


# -- cookies -----------------------------------------------------------------------------------------------------------


def cookie_app() -> App:
    web = App(port=0)

    @web.get("/set")
    async def set_some(r: Request) -> str:
        r.set_cookie("session", "1")
        r.set_cookie("kept", "two words".replace(" ", "%20"), max_age=3600, httponly=True)
        r.set_cookie("deep", "3", max_age=3600, path="/deep", domain="127.0.0.1")
        return "set"

    for path in ("/seen", "/deep/er"):

        @web.get(path)
        async def seen(r: Request) -> str:
            return r.headers.get("cookie", "none")

    return web


async def test_curl_s_cookies_are_ours_and_ours_are_curl_s(tmp_path: Path) -> None:
    file = tmp_path / "cookies.txt"
    async with served(cookie_app(), "tcp") as here:
        await curl("-c", str(file), f"{here.url}/set")
        jar = CookieJar()
        jar.load(file)
        theirs = {one.name: (one.value, one.domain, one.path, one.httponly) for one in jar}
        async with Session(base_url=here.url, cookies=True) as http:
            _ = await http.get("/set")
            ours = {one.name: (one.value, one.domain, one.path, one.httponly) for one in http.cookies}
            assert theirs == ours
            for session in (True, False):
                http.cookies.save(file, session=session, form="netscape")
                for path in ("/seen", "/deep/er"):
                    sent = await curl("-b", str(file), f"{here.url}{path}")
                    if session:
                        assert sent == await (await http.get(path)).text()
                    else:
                        assert "kept=two%20words" in sent
                        assert "session" not in sent


@pytest.mark.parametrize(
    "field",
    [
        "a=b; domain=127.0.0.1",
        'a=b; path="/"',
        " a = b ",
        "a=b; expires=Wed, 09-Jun-2038 10:18:14 GMT",
        "a=b; expires=Wed Jun  9 10:18:14 2038",
        'a=b; Max-Age="10"',
        'a="x;y"',
        "a=b; secure",
        "__Host-x=1; path=/",
        "__Host-x=1; secure; path=/",
        "__Secure-x=1; path=/",
        "a=b;;;path=/echo",
        "a=b; httponly=false; path=/",
        "a=b; max-age=0",
        "a=b; max-age=-1; expires=Wed, 09-Jun-2038 10:18:14 GMT",
        "a=b; expires=Thu, 01 Jan 1970 00:00:00 GMT; max-age=10",
        "a=b,c=d; path=/",
        "a=b; path=/ech",
        "a=b; path=/echo/",
        "a=b; path=echo",
        "a=b; domain=localhost",
        "a=b; domain=0.0.1",
        "a=; path=/",
        "a=b=c==; path=/",
        "\u00e9=\u00fc; path=/",
    ],
)
async def test_curl_keeps_what_we_keep(field: str, tmp_path: Path) -> None:
    web = App(port=0)
    file = str(tmp_path / "cookies.txt")

    @web.get("/set")
    async def set_it(r: Request) -> object:
        return 200, "set", {"set-cookie": field}

    @web.get("/echo/x")
    async def echo(r: Request) -> str:
        return r.headers.get("cookie", "none")

    async with served(web, "tcp") as here, Session(base_url=here.url, cookies=True) as http:
        _ = await http.get("/set")
        ours = (await (await http.get("/echo/x")).read()).decode()
        await curl("-c", file, f"{here.url}/set")
        assert await curl("-b", file, f"{here.url}/echo/x") == ours


async def test_apache_s_cookies_come_with_a_401_too() -> None:
    async with apache() as url, Session(base_url=url, cookies=True) as http:
        assert (await http.get("/digest/file")).status == 401
        assert http.cookies["sid"] == "1"
