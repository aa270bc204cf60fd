"""The answering side of Digest (RFC 7616), written down apart from the client's own."""

from __future__ import annotations

import hashlib
import itertools

from toolkit import App, Request
from toolkit.protocol.challenges import parse_challenges

__all__ = ["Guard", "guarded"]

METHODS = ["GET", "POST", "PUT"]


class Guard:
    """A handler for ada with the password hunter2; `log` has a line for each request."""

    def __init__(
        self, *, algorithm: str = "SHA-256", qop: str = "auth", info: str = "", domain: str = "", realm: str = "guard"
    ) -> None:
        self.algorithm = algorithm
        self.qop = qop
        self.info = info  # Authentication-Info of good answers; {} is the next nonce
        self.domain = domain
        self.realm = realm
        self.nonces = (f"nonce-{n}" for n in itertools.count())
        self.good: dict[str, int] = {}  # nonces, with the last count
        self.log: list[str] = []

    def hash(self, text: str) -> str:
        name = "sha256" if self.algorithm.startswith("SHA") else "md5"
        return hashlib.new(name, text.encode()).hexdigest()

    def challenge(self, *, stale: bool = False) -> str:
        nonce = next(self.nonces)
        self.good[nonce] = 0
        more = (", stale=true" if stale else "") + (f', domain="{self.domain}"' if self.domain else "")
        return f'Digest realm="{self.realm}", nonce="{nonce}", qop="{self.qop}", algorithm={self.algorithm}{more}'

    def refuse(self, word: str, *, stale: bool = False) -> object:
        self.log.append(word)
        return 401, "who?", {"www-authenticate": [self.challenge(stale=stale), f'Basic realm="{self.realm}"']}

    async def __call__(self, r: Request) -> object:
        (given,) = parse_challenges(r.headers.get("authorization", "none"))
        if given.scheme != "digest" or given.parameters["realm"] != self.realm:
            return self.refuse("nobody")
        said = given.parameters
        nonce, count = said["nonce"], int(said["nc"], 16)
        if nonce not in self.good:
            return self.refuse("stale", stale=True)
        if count <= self.good[nonce]:
            return self.refuse("replayed", stale=True)
        self.good[nonce] = count
        asked = f"{r.method}:{said['uri']}"
        if said["qop"] == "auth-int":
            asked += ":" + hashlib.sha256(await r.read()).hexdigest()
        secret = self.hash(f"ada:{self.realm}:hunter2")
        if self.algorithm.endswith("-sess"):
            secret = self.hash(f"{secret}:{nonce}:{said['cnonce']}")
        middle = f"{nonce}:{said['nc']}:{said['cnonce']}:{said['qop']}"
        expected = self.hash(f"{secret}:{middle}:{self.hash(asked)}")
        if said["response"] != expected or said["uri"] != r.target:
            return self.refuse("wrong")
        self.log.append(f"{nonce} {count}")
        info = {}
        if self.info:
            following = next(self.nonces)
            self.good[following] = 0
            info = {"authentication-info": self.info.format(following)}
        return 200, await r.text(), info


def guarded(guard: Guard) -> App:
    """An application that asks at /in, /in/side and /out."""
    app = App(port=0)
    for path in ("/in", "/in/side", "/out"):
        app.add_route(path, guard, methods=METHODS)
    return app
