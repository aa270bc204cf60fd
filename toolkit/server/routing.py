"""Routes: a path and a method in, a handler out.

Literal paths are one dict look-up. Paths with parameters are a tree of segments, so their cost depends on the path's
length and not on the number of routes. The raw path is matched, segment by segment, and decoded after the cut: an
encoded slash in a segment stays part of it (what is routed is what was authorised, CVE-2026-48710).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeAlias, cast
from urllib.parse import unquote

from toolkit.errors import UseError

__all__ = ["EofPolicy", "Handler", "Route", "Router", "default_path"]

EofPolicy: TypeAlias = Literal["answer", "cancel"]
Handler: TypeAlias = Callable[..., object]
Coroutine: TypeAlias = Callable[..., Awaitable[object]]


class Route:
    """One handler at one path; `methods` empty means any, `coroutine` is the handler if it is a coroutine function."""

    __slots__ = ("coroutine", "handler", "methods", "on_eof", "path")

    def __init__(self, path: str, handler: Handler, methods: Sequence[str], on_eof: EofPolicy | None) -> None:
        if not path.startswith("/"):
            raise UseError(f"route {path!r}: expected a path that begins with '/'")
        self.path = path
        self.handler = handler
        self.methods = tuple(method.upper() for method in methods)
        self.on_eof = on_eof
        is_async = inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
            getattr(handler, "__call__", None)  # noqa: B004 - not a test for callability: an object's coroutine method
        )
        self.coroutine = cast("Coroutine", handler) if is_async else None


class _Node:
    """One segment of the tree."""

    __slots__ = ("children", "parameter", "routes")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.parameter: tuple[str, _Node] | None = None
        self.routes: dict[str, Route] = {}


class Router:
    """All routes of an application."""

    __slots__ = ("_literal", "_root")

    def __init__(self) -> None:
        self._literal: dict[str, dict[str, Route]] = {}
        self._root = _Node()

    def add(self, route: Route) -> None:
        """Register. Raises `UseError` when the path and method are taken."""
        routes = self._insert(route.path) if "{" in route.path else self._literal.setdefault(route.path, {})
        for method in route.methods or ("*",):
            if method in routes:
                raise UseError(f"{method} {route.path} is served by {routes[method].handler!r} already")
            routes[method] = route

    def _insert(self, path: str) -> dict[str, Route]:
        node = self._root
        for segment in path.split("/")[1:]:
            if segment.startswith("{") and segment.endswith("}"):
                name = segment[1:-1]
                if not name.isidentifier():
                    raise UseError(f"route {path!r}: {segment!r} is no parameter; expected '{{name}}'")
                if node.parameter is None:
                    node.parameter = (name, _Node())
                elif node.parameter[0] != name:
                    raise UseError(f"route {path!r}: this segment is called {{{node.parameter[0]}}} in another route")
                node = node.parameter[1]
            elif "{" in segment or "}" in segment:
                raise UseError(f"route {path!r}: a parameter is a whole segment, '/{{name}}/'")
            else:
                node = node.children.setdefault(segment, _Node())
        return node.routes

    def find(self, method: str, path: str) -> tuple[Route | None, dict[str, str], tuple[str, ...]]:
        """(route, its parameters, methods allowed here): no route and methods is 405, neither is 404."""
        parameters: dict[str, str] = {}
        routes = self._literal.get(path)
        if routes is None and "%" in path and "%2f" not in path.lower():
            routes = self._literal.get(unquote(path))  # /%61 is /a (RFC 3986 6.2.2.2)
        if routes is None:
            segments = path.split("/")[1:]
            routes = _walk(self._root, segments, 0, parameters)
            if not routes:
                return None, {}, ()
        route = routes.get(method)
        if route is None:
            route = routes.get("*")
            if route is None and method == "HEAD":
                route = routes.get("GET")
            if route is None:
                return None, parameters, tuple(sorted(set(routes) | ({"HEAD"} if "GET" in routes else set())))
        return route, parameters, ()


def _walk(node: _Node, segments: list[str], at: int, parameters: dict[str, str]) -> dict[str, Route] | None:
    """Depth first, literal segments before parameters. A node is visited once at most: the tree bounds the work."""
    if at == len(segments):
        return node.routes or None
    segment = segments[at]
    child = node.children.get(segment)
    if child is not None:
        routes = _walk(child, segments, at + 1, parameters)
        if routes:
            return routes
    if node.parameter is None or not segment:
        return None
    name, child = node.parameter
    routes = _walk(child, segments, at + 1, parameters)
    if routes:
        parameters[name] = unquote(segment)
    return routes


def default_path(handler: Handler) -> str:
    """The path of a function registered without one: the default of its `route` parameter, or its name."""
    try:
        route = inspect.signature(handler).parameters.get("route")
    except (TypeError, ValueError):
        route = None
    if route is not None and isinstance(route.default, str):
        return route.default
    name = getattr(handler, "__name__", "")
    if not name.isidentifier():
        raise UseError(f"add_route({handler!r}): it has no name; give a path")
    return "/" + name
