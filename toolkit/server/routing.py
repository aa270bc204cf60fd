"""The table of an application's routes: a method and a path in; a route and its parameters out.

Literal paths are one dict look-up. Paths with parameters are a tree of segments, so their cost depends on the path's
length and not on the number of routes. At each segment a literal is tried first, then the converters in the order in
which they came, then the plain parameter, then `{name:path}`; what does not match further on falls back to the next.
A node is visited once at most: the tree bounds the work.

The raw path is matched, segment by segment, and decoded after the cut: an encoded slash in a segment stays part of it
(what is routed is what was authorised, CVE-2026-48710).

What is found at a path is a `Resource`: the route of each method, and what answers when there is none for the method at
hand. A table always has an answer, so that 404, 405 and OPTIONS go the way of every other request. `binding.py` makes
tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from urllib.parse import unquote

from toolkit.errors import UseError
from toolkit.server.converters import CONVERTERS, PATH, Converter
from toolkit.server.handlers import Coroutine, Handler, described, in_thread, is_coroutine_function
from toolkit.server.patterns import Parameter, build, other_slash, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.server.app import App
    from toolkit.server.openapi.options import Operation

__all__ = ["NO_PARAMETERS", "Coroutine", "EofPolicy", "Handler", "Resource", "Route", "RouteTable", "SlashPolicy"]

EofPolicy: TypeAlias = Literal["answer", "cancel"]
SlashPolicy: TypeAlias = Literal["strict", "redirect", "ignore"]
Parameters: TypeAlias = dict[str, object]

Refusal: TypeAlias = tuple[int, dict[str, str] | None]  # a status and the fields that go with it

SHOWN: Final = 10  # names, where none is near

NO_PARAMETERS: Final[Parameters] = {}  # of every literal path; nobody writes to it


class Route:
    """One handler at one path; `methods` empty means any, `coroutine` is the handler if that is to be awaited.

    `name` is what `url_for` calls it, `middlewares` are its own, `options` what was said about it to them. Bound to an
    application, `path` is whole; `app` is the application that it is a route of, mounted at `mount_path`.
    """

    __slots__ = (
        "app",
        "automatic",
        "chain",
        "converters",
        "coroutine",
        "docs",
        "handler",
        "methods",
        "middlewares",
        "mount_path",
        "name",
        "names",
        "namespace",
        "on_eof",
        "options",
        "path",
        "pattern",
        "refusal",
    )

    def __init__(
        self,
        path: str,
        handler: Handler,
        methods: Sequence[str] = (),
        on_eof: EofPolicy | None = None,
        *,
        name: str = "",
        middlewares: Sequence[Handler] = (),
        options: Mapping[str, object] | None = None,
        thread: bool = False,
        process: object = False,
        docs: Operation | Literal[False] | None = None,
    ) -> None:
        self.pattern = parse(path)
        self.path = str(self.pattern)
        self.names = tuple([parameter.name for parameter in self.pattern.parameters])
        self.handler = handler
        self.methods = tuple([method.upper() for method in methods])
        self.on_eof: EofPolicy | None = on_eof
        self.name = name
        self.middlewares: tuple[Handler, ...] = tuple(middlewares)
        self.options: Mapping[str, object] = options or {}
        self.docs = docs  # what its description says; False keeps it out
        self.coroutine: Coroutine | None = None
        if process:
            from toolkit.server.processes.pools import in_process  # most programs do without

            self.coroutine = in_process(handler, process)
        elif thread:
            self.coroutine = in_thread(handler)
        elif is_coroutine_function(handler):
            self.coroutine = handler  # type: ignore[assignment]
        self.chain: Coroutine | None = None  # the handler and all that is around it, if anything is
        self.automatic = False  # it stands for a 404, a 405 or OPTIONS, and nobody registered it
        self.refusal: Refusal | None = None  # what an automatic one says, where it does nothing else
        self.app: App | None = None
        self.mount_path = ""
        self.namespace = ""
        self.converters: Mapping[str, Converter] = CONVERTERS

    def __repr__(self) -> str:
        return f"<Route {' '.join(self.methods) or '*'} {self.path} {described(self.handler)}>"


def clash(method: str, path: str, taken: Handler, wanted: Handler) -> UseError:
    """Two handlers for the same requests."""
    return UseError(
        f"{method} {path} is served by {described(taken)} already; it cannot be by {described(wanted)}, too"
    )


class Resource:
    """What is served at one path. `refused` and `options` stand in where no route has the method."""

    __slots__ = ("options", "refused", "routes")

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.refused: Route | None = None
        self.options: Route | None = None

    @property
    def allowed(self) -> tuple[str, ...]:
        """The methods that routes are registered for, HEAD with GET (RFC 9110 9.3.2)."""
        return tuple(sorted(set(self.routes) | ({"HEAD"} if "GET" in self.routes else set())))


class _Node:
    """One segment of the tree."""

    __slots__ = ("children", "plain", "resource", "rest", "typed", "unserved")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.typed: list[tuple[Converter, _Node]] = []
        self.plain: _Node | None = None
        self.rest: tuple[Converter, _Node] | None = None  # its node is a leaf
        self.resource: Resource | None = None
        self.unserved: Resource | None = None  # for whatever lies below and is not found


class RouteTable:
    """All routes of an application."""

    __slots__ = ("_literal", "_root", "moved", "names", "server_wide", "slash", "unserved")

    def __init__(self, unserved: Route, slash: SlashPolicy = "strict") -> None:
        self._literal: dict[str, Resource] = {}
        self._root = _Node()
        self.unserved = unserved  # 404
        self.slash: SlashPolicy = slash
        self.moved: Route | None = None  # to the same path with a slash more or less
        self.server_wide: Route | None = None  # OPTIONS *
        self.names: dict[str, list[Route]] = {}

    def add(self, route: Route, converters: Mapping[str, Converter] = CONVERTERS) -> Resource:
        """Register. Raises `UseError` when the path and method are taken, naming both."""
        pattern = route.pattern
        if pattern.parameters:
            node = self._insert(route, converters)
            resource = node.resource = node.resource or Resource()
        else:
            resource = self._literal.setdefault(route.path, Resource())
        for method in route.methods or ("*",):
            if method in resource.routes:
                raise clash(method, route.path, resource.routes[method].handler, route.handler)
            resource.routes[method] = route
        return resource

    def add_unserved(self, route: Route, converters: Mapping[str, Converter] = CONVERTERS) -> None:
        """What answers for whatever is not found at this path or below it."""
        resource = Resource()
        resource.routes["*"] = route
        self._insert(route, converters).unserved = resource

    def _insert(self, route: Route, converters: Mapping[str, Converter]) -> _Node:
        node = self._root
        for segment in route.pattern.segments:
            if isinstance(segment, Parameter):
                node = _varying(node, segment, route, converters)
            else:
                child = node.children.get(segment)
                if child is None:
                    child = node.children[segment] = _Node()
                node = child
        return node

    def find(self, method: str, path: str) -> tuple[Route | None, Parameters, Resource | None]:
        """(route, its parameters, what is at the path): no route but a resource is 405, neither is 404."""
        values: list[object] | None = None
        resource = self._literal.get(path)
        if resource is None:
            values = []
            resource = self._search(path, values)
            if resource is None:
                return None, NO_PARAMETERS, None
        route = resource.routes.get(method)
        if route is None and method == "HEAD":
            route = resource.routes.get("GET")
        if route is None:
            route = resource.routes.get("*")
        if not values or route is None:
            return route, NO_PARAMETERS, resource
        parameters: Parameters = {}
        at = len(values)
        for name in route.names:  # values are the other way round
            at -= 1
            parameters[name] = values[at]
        return route, parameters, resource

    def _search(self, path: str, values: list[object]) -> Resource | None:
        if "%" in path and "%2f" not in path.lower():
            resource = self._literal.get(unquote(path))  # /%61 is /a (RFC 3986 6.2.2.2)
            if resource is not None:
                return resource
        return _walk(self._root, path.split("/"), 1, values) if path.startswith("/") else None

    def stand_in(
        self, method: str, path: str, found: Route | None, resource: Resource | None
    ) -> tuple[Route, Parameters]:
        """What answers where no route does; `found` is one that stands in for all below a prefix, or None."""
        if found is None and resource is not None:
            other = resource.options if method == "OPTIONS" else resource.refused
            return other or self.unserved, {}
        if path == "*" and method == "OPTIONS" and self.server_wide is not None:
            return self.server_wide, {}
        if self.slash != "strict":
            slashed = other_slash(path)
            if slashed is not None:
                route, parameters, there = self.find(method, slashed)
                if there is not None and (route is None or not route.automatic):
                    if self.slash == "redirect":
                        return self.moved or self.unserved, {}
                    return (route, parameters) if route is not None else self.stand_in(method, slashed, None, there)
        return found or self.unserved, {}

    def url_for(self, name: str, values: Mapping[str, object], near: str = "") -> str:
        """The path of a route by its name; it is looked up in the namespace `near` first, then further out.

        Raises `UseError` for a name that is none or is several routes', and for values that do not fit.
        """
        spaces = near.split(".") if near else []
        for depth in range(len(spaces), -1, -1):
            routes = self.names.get(".".join([*spaces[:depth], name]))
            if routes is not None:
                paths = {route.path for route in routes}
                if len(paths) > 1:
                    together = ", ".join(sorted(paths))
                    raise UseError(f"url_for({name!r}): {together} are called so; give one of them a name=")
                return build(routes[0].pattern, values, routes[0].converters)
        raise UseError(f"url_for({name!r}): no route is called so; {self._nearest(name)}")

    def _nearest(self, name: str) -> str:
        """What may have been meant."""
        from difflib import get_close_matches  # nobody needs it before something is wrong

        known = sorted(self.names)
        last = name.rpartition(".")[2]  # in another place, perhaps
        near = [one for one in known if one.rpartition(".")[2] == last] or get_close_matches(name, known)
        if near:
            return f"did you mean {' or '.join([repr(one) for one in near[:3]])}?"
        more = len(known) - SHOWN
        return f"there are {', '.join(known[:SHOWN]) or 'none'}{f' and {more} more' if more > 0 else ''}"


def _varying(node: _Node, segment: Parameter, route: Route, converters: Mapping[str, Converter]) -> _Node:
    """The node below for a parameter of this kind; made if there is none. Names are the routes' own."""
    kind = segment.converter
    if not kind:
        if node.plain is None:
            node.plain = _Node()
        return node.plain
    converter = converters.get(kind)
    if converter is None:
        known = ", ".join(sorted(converters))
        raise UseError(f"route {route.path!r}: no converter is called {kind!r}; there are {known}")
    if kind == PATH:
        if node.rest is None:
            node.rest = converter, _Node()
        return node.rest[1]
    for present, child in node.typed:
        if present is converter:
            return child
    child = _Node()
    node.typed.append((converter, child))
    return child


def _walk(node: _Node, segments: list[str], at: int, values: list[object]) -> Resource | None:
    """What matches from here on, depth first; what its parameters are is noted on the way back, the last one first."""
    if at == len(segments):
        return node.resource or node.unserved
    segment = segments[at]
    child = node.children.get(segment)
    if child is None and "%" in segment:
        child = node.children.get(unquote(segment))
    if child is not None:
        found = _walk(child, segments, at + 1, values)
        if found is not None:
            return found
    if segment and (node.typed or node.plain is not None):
        found = _walk_varying(node, segments, at, values)
        if found is not None:
            return found
    rest = node.rest
    if rest is not None:
        text = unquote("/".join(segments[at:]))
        if text:
            try:
                values.append(rest[0].parse(text))
                return rest[1].resource
            except ValueError:
                pass
    return node.unserved


def _walk_varying(node: _Node, segments: list[str], at: int, values: list[object]) -> Resource | None:
    """The parameters of one segment: kinds first, plain text last."""
    text = unquote(segments[at])
    for converter, child in node.typed:
        try:
            value = converter.parse(text)
        except ValueError:
            continue
        found = _walk(child, segments, at + 1, values)
        if found is not None:
            values.append(value)
            return found
    plain = node.plain
    if plain is not None:
        found = _walk(plain, segments, at + 1, values)
        if found is not None:
            values.append(text)
            return found
    return None
