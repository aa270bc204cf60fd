"""From what was declared to what requests are matched by: a `RouteTable` out of an application's routers.

A router is read where it is included: its prefix goes before its paths, what stands around it goes around its routes.
The levels, from the outside in, each in the order of registration:

    the application     middlewares, then hooks
    a mounted one       middlewares, then hooks
    each router         middlewares, then hooks
    the route           middlewares

All is read anew when something is declared later, so that the order in which routes, middlewares and includes are
written down does not matter. A route with nothing around it keeps its handler bare.

A path that is known also has an answer for the methods that it does not serve, and for OPTIONS; a path that is not
known is answered by the application in which it would lie. They have around them what all routes there have.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from toolkit.errors import UseError
from toolkit.protocol.status import reason_phrase
from toolkit.server.abort import NotFound
from toolkit.server.converters import CONVERTERS, Converter
from toolkit.server.deliver import Deliver
from toolkit.server.handlers import Handler, described, misfit, name_of
from toolkit.server.hooks import Hooks, Layer, compose, endpoint, fallback, is_decorator
from toolkit.server.patterns import Parameter, other_slash, parse
from toolkit.server.routing import Resource, Route, RouteTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.server.app import App
    from toolkit.server.openapi.document import Placed
    from toolkit.server.request import Request
    from toolkit.server.routers import Declared, Included, Router

__all__ = ["bind", "routes_of"]


@dataclass(frozen=True, eq=False)
class Place:
    """Where routes are read: all that is around them there."""

    app: App
    above: Place | None = None
    prefix: str = ""
    layers: tuple[Layer, ...] = ()
    handle_all: tuple[Handler, ...] = ()
    mount_path: str = ""
    namespace: str = ""
    tag: str = ""
    converters: Mapping[str, Converter] = field(default_factory=lambda: CONVERTERS)

    def inside(self, router: Router, about: Included | None = None) -> Place:
        """The place inside a router that is included here."""
        prefix = (about.prefix if about is not None else "") + router.prefix
        place = self
        own = _own_handle_all(router) if prefix or self.above is None else []  # else they are those of this place
        if about is not None and about.app is not None:
            place = replace(self, app=about.app, handle_all=(), mount_path=self.prefix + prefix)
        layers = [*place.layers, *(about.middlewares if about is not None else ()), *router.middlewares]
        if router.hooks is not None:
            layers.append(router.hooks)
        name = (about.name if about is not None else "") or router.name
        return replace(
            place,
            above=self,
            prefix=place.prefix + prefix,
            layers=tuple(layers),
            handle_all=(*(_placed(hook, place.prefix + prefix, place.mount_path) for hook in own), *place.handle_all),
            namespace=".".join(one for one in (place.namespace, name) if one),
            tag=name or _last_word(prefix) or place.tag,
            converters={**place.converters, **router.converters},
        )

    def is_described_in(self, outer: Place) -> bool:
        """Whether it is `outer` or lies within, and no application between them keeps to itself."""
        place: Place | None = self
        while place is not None and place is not outer:
            if place.app.openapi is False and place.app is not outer.app:
                return False
            place = place.above
        return place is outer

    def common(self, other: Place) -> Place:
        """The innermost place that has both in it."""
        mine = [self]
        while mine[-1].above is not None:
            mine.append(mine[-1].above)
        place: Place = other
        while place not in mine and place.above is not None:
            place = place.above
        return place


def _last_word(prefix: str) -> str:
    """What routes below a prefix are grouped by, where nobody gave them a name."""
    words = [one for one in parse(prefix).segments if not isinstance(one, Parameter)] if prefix else []
    return words[-1] if words else ""


def _placed(hook: Handler, prefix: str, mount_path: str) -> Handler:
    """A hook at its place: one that serves paths of its own below a router's prefix is told how deep that is."""
    placed = getattr(getattr(hook, "__self__", None), "handle_all_below", None)
    if placed is None or prefix == mount_path:
        return hook
    found: Handler = placed(prefix.count("/"))
    return found


def _own_handle_all(router: Router) -> list[Handler]:
    """A router's hooks for what is not found, and those of routers at the very same path."""
    own = list(router.hooks.handle_all) if router.hooks is not None else []
    for part in router.parts:
        if part.app is None and not part.prefix and not part.router.prefix:
            own += _own_handle_all(part.router)
    return own


def bind(app: App) -> RouteTable:
    """The table of an application. Raises `UseError` where routes clash, naming both."""
    outside = Place(app)
    top = outside.inside(app)
    table = RouteTable(_unserved(top, "/"), app.trailing_slash)
    binder = _Binder(table)
    binder.read(app, top)
    for place in binder.applications:
        binder.describe(place, top)
    binder.stand_ins(top)
    return table


def routes_of(app: App) -> list[Placed]:
    """An application's routes as a description of it has them. Raises `UseError` where they clash."""
    from toolkit.server.openapi.document import Placed

    top = Place(app).inside(app)
    binder = _Binder(RouteTable(_unserved(top, "/")))
    binder.read(app, top)
    return [Placed(route, place.tag) for route, place in binder.routes if place.is_described_in(top)]


class _Binder:
    """One reading of an application's routers."""

    def __init__(self, table: RouteTable) -> None:
        self.table = table
        self.places: dict[Resource, Place] = {}
        self.explicit: dict[str, Route] = {}
        self.applications: list[Place] = []
        self.routes: list[tuple[Route, Place]] = []

    def read(self, router: Router, place: Place) -> None:
        """All of a router's routes, and those of the routers in it."""
        if router is place.app:
            self.applications.append(place)
        for declared in router.routes:
            self._add(declared, place)
        for part in router.parts:
            inner = place.inside(part.router, part)
            if inner.prefix and (part.app is not None or len(inner.handle_all) > len(place.handle_all)):
                self.table.add_unserved(_unserved(inner, inner.prefix), inner.converters)
            self.read(part.router, inner)

    def _add(self, declared: Declared, place: Place) -> None:
        route = Route(place.prefix + declared.path, declared.handler, declared.methods, **declared.about)
        route.on_eof = route.on_eof or place.app.on_eof
        layers = (*place.layers, *route.middlewares)
        _check_handler(route, layers)
        _settle(route, place, layers)
        resource = self.table.add(route, place.converters)
        before = self.places.get(resource)
        self.places[resource] = place if before is None else place.common(before)
        self.routes.append((route, place))
        self._name(route)

    def _name(self, route: Route) -> None:
        name = route.name or name_of(route.handler)
        if not name:
            return
        whole = f"{route.namespace}.{name}" if route.namespace else name
        known = self.explicit.get(whole)
        if known is not None and route.name and (known.path, known.handler) != (route.path, route.handler):
            raise UseError(
                f"two routes are called {whole!r}: {known.path} for {described(known.handler)} and {route.path} for "
                f"{described(route.handler)}; a name is given once, or include one of them under a name"
            )
        if route.name:
            self.explicit[whole] = route
            self.table.names[whole] = [route]  # what was given goes before what a function happens to be called
        elif known is None:
            self.table.names.setdefault(whole, []).append(route)

    def describe(self, place: Place, top: Place) -> None:
        """Serve an application's description, where it is to be had.

        One that nobody asked for, which is there in development, makes room: where the application itself has anything
        at one of its paths, there is none of it.
        """
        options = place.app.openapi
        if options is False or not (top.app.debug or (options is not None and options.public)):
            return
        if options is None and place is not top:
            return  # it is in that of the application around it
        from toolkit.server.middleware.conditional import Conditional  # few programs are asked for any of this
        from toolkit.server.openapi.document import Placed
        from toolkit.server.openapi.serving import Description

        routes = [Placed(route, at.tag) for route, at in self.routes if at.is_described_in(place)]
        pages = Description(options, routes, place.prefix).pages()
        if options is None and any(self._is_taken(path, place) for path, _ in pages):
            return
        for path, handler in pages:
            route = Route(place.prefix + path, handler, ("GET",), place.app.on_eof)
            _settle(route, place, (*place.layers, Conditional(hashed=False)))
            self.places[self.table.add(route, place.converters)] = place

    def _is_taken(self, path: str, place: Place) -> bool:
        route, _, resource = self.table.find("GET", path)
        return resource is not None and (route is None or not route.automatic or route.app is not place.app)

    def stand_ins(self, top: Place) -> None:
        """405 and OPTIONS at each path: made once for all that have the same methods and the same around them."""
        made: dict[tuple[tuple[str, ...], Place], tuple[Route, Route]] = {}
        served: set[str] = set()
        for resource, place in self.places.items():
            if "*" in resource.routes:
                continue
            allowed = tuple(sorted({*resource.allowed, "OPTIONS"}))
            served.update(allowed)
            if (allowed, place) not in made:
                allow = ", ".join(allowed)
                made[allowed, place] = _refused(place, allow), _options(place, allow)
            resource.refused, resource.options = made[allowed, place]
        self.table.server_wide = _options(top, ", ".join(sorted(served)))
        self.table.moved = _automatic(top, _moved)


def _check_handler(route: Route, layers: Sequence[Layer]) -> None:
    """That it takes the parameters which it will be given; what a decorator makes of them nobody knows."""
    why = misfit(route.handler, route.names)
    if why and not any(is_decorator(layer) for layer in layers if not isinstance(layer, Hooks)):
        given = ", ".join(["a request", *route.names])
        raise UseError(f"route {route.path!r}: {described(route.handler)} cannot be called with {given}: {why}")


def _settle(route: Route, place: Place, layers: Sequence[Layer]) -> None:
    route.app = place.app
    route.mount_path = place.mount_path
    route.namespace = place.namespace
    route.converters = place.converters
    called = [layer for layer in layers if not isinstance(layer, Hooks) or layer.before or layer.after]
    if called:
        route.chain = compose(called, endpoint(route.coroutine or route.handler))


def _automatic(place: Place, handler: Handler, path: str = "/") -> Route:
    """A route that nobody registered, with the layers of its place around it."""
    route = Route(path, handler, (), place.app.on_eof)
    route.automatic = True
    _settle(route, place, place.layers)
    return route


def _unserved(place: Place, path: str) -> Route:
    return _error(place, 404, None, path)


def _refused(place: Place, allow: str) -> Route:
    return _error(place, 405, {"allow": allow}, "/")  # RFC 9110 15.5.6


def _error(place: Place, status: int, headers: dict[str, str] | None, path: str) -> Route:
    route = _automatic(place, fallback(place.handle_all, status, reason_phrase(status), headers), path)
    if not place.handle_all:
        route.refusal = status, headers
    return route


def _options(place: Place, allow: str) -> Route:
    """The automatic answer to OPTIONS (RFC 9110 9.3.7)."""
    headers = {"allow": allow} if allow else None

    def answer_options(r: Request) -> object:
        return 204, None, headers

    return _automatic(place, answer_options)


def _moved(r: Request) -> object:
    """To the same path with a slash more or less. 308: the method and the body stay (RFC 9110 15.4.9)."""
    path = other_slash(r.raw_path)
    if path is None:
        raise NotFound
    return Deliver.redirect(f"{path}?{r.query}" if r.query else path, 308)
