"""Router: routes declared together, with what is around them; included under a prefix, or an application's own.

Declaring only notes; `binding.py` reads the notes when the application is first bound, and again when one is added
later. So a router may be included before its routes are there, and more than once.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict, TypeVar, Unpack, overload

from toolkit.errors import UseError
from toolkit.server.converters import CONVERTERS, Converter
from toolkit.server.handlers import Handler, default_path
from toolkit.server.hooks import Hooks, Middleware, check_middlewares
from toolkit.server.patterns import check_prefix, parse
from toolkit.server.routing import EofPolicy, clash

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from toolkit.server.app import App
    from toolkit.server.cache.caching import Caching
    from toolkit.server.cache.store import CacheStore
    from toolkit.server.openapi.options import Operation
    from toolkit.server.processes.options import Processes
    from toolkit.server.static_options import StaticOptions

__all__ = ["Declared", "Included", "RouteOptions", "Router"]

_H = TypeVar("_H", bound=Handler)
_M = TypeVar("_M", bound=Middleware)
_T = TypeVar("_T")

HOOKS = {"before_middleware": "before", "after_middleware": "after", "handle_all_middleware": "handle_all"}


class RouteOptions(TypedDict, total=False):
    """What may be said of a route besides its path and methods.

    `name` for `url_for`; `middlewares` around this route alone, the first one outermost; `on_eof`, see `App`;
    `options`, whatever middlewares are to find in `r.route.options`; `thread` calls a plain function in a thread,
    `process` in another process: True, or the `Processes` that it is one of; `docs` is what the interface's description
    says of it, False keeps it out.
    """

    name: str
    middlewares: Sequence[Middleware]
    on_eof: EofPolicy | None
    options: Mapping[str, object]
    thread: bool
    process: bool | Processes
    docs: Operation | Literal[False] | None


@dataclass(frozen=True)
class Declared:
    """A route as it was written down; its path follows the prefixes of where it will be."""

    path: str
    handler: Handler
    methods: tuple[str, ...]
    about: RouteOptions


@dataclass(frozen=True)
class Included:
    """A router at its place in another one; `app` is the same object where it is a mounted application."""

    router: Router
    prefix: str
    middlewares: tuple[Middleware, ...]
    name: str
    app: App | None = None


class Registration:
    """`router.get` and its like: a decorator, bare or called with a path."""

    __slots__ = ("_methods", "_router")

    def __init__(self, router: Router, methods: Sequence[str]) -> None:
        self._router = router
        self._methods = methods

    @overload
    def __call__(self, path: _H) -> _H: ...

    @overload
    def __call__(self, path: str | None = None, **about: Unpack[RouteOptions]) -> Callable[[_H], _H]: ...

    def __call__(self, path: str | _H | None = None, **about: Unpack[RouteOptions]) -> _H | Callable[[_H], _H]:
        """Serve `path`; without one, the function's `route="/x"` default or its name. Raises `UseError` when taken."""
        if path is not None and not isinstance(path, str):
            return self._router.route(path, self._methods)
        return self._router.route(path, self._methods, **about)


class Verb:
    """One method's decorator, made for the router that it is taken from."""

    __slots__ = ("_methods",)

    def __init__(self, *methods: str) -> None:
        self._methods = methods

    def __get__(self, router: Router, owner: type[Router]) -> Registration:
        return Registration(router, self._methods)


class Router:
    """Routes under one `prefix`, with `middlewares` around all of them, the first one outermost.

    `name` goes before the names of its routes, with a dot. A prefix may have parameters.
    """

    def __init__(self, prefix: str = "", *, middlewares: Sequence[Middleware] = (), name: str = "") -> None:
        self.prefix = check_prefix(prefix)
        self.name = name
        self.middlewares = check_middlewares(middlewares)
        self.hooks: Hooks | None = None
        self.routes: list[Declared] = []
        self.parts: list[Included] = []
        self.converters: dict[str, Converter] = {}
        self._taken: dict[tuple[str, str], Handler] = {}
        self._above: list[Router] = []  # where it is included: they hear of changes
        self._caching: Caching | None = None

    # -- routes ------------------------------------------------------------------------------------------------

    get = Verb("GET")  # and HEAD with it
    post = Verb("POST")
    put = Verb("PUT")
    patch = Verb("PATCH")
    delete = Verb("DELETE")
    head = Verb("HEAD")  # alone: a handler of its own
    options = Verb("OPTIONS")  # instead of the automatic answer

    @overload
    def route(self, path: _H, methods: Sequence[str] = ("GET",)) -> _H: ...

    @overload
    def route(
        self, path: str | None = None, methods: Sequence[str] = ("GET",), **about: Unpack[RouteOptions]
    ) -> Callable[[_H], _H]: ...

    def route(
        self, path: str | _H | None = None, methods: Sequence[str] = ("GET",), **about: Unpack[RouteOptions]
    ) -> _H | Callable[[_H], _H]:
        """Decorator: serve `path` for these methods; see `RouteOptions`. Bare, the function says its path.

        Raises `UseError` when they are taken.
        """

        def register(handler: _H) -> _H:
            where = path if isinstance(path, str) else default_path(handler)
            self._declare(where, handler, methods, about)
            return handler

        return register if path is None or isinstance(path, str) else register(path)

    @overload
    def add_route(self, path: _H) -> _H: ...

    @overload
    def add_route(self, path: str, handler: _H, methods: Sequence[str] = (), **about: Unpack[RouteOptions]) -> _H: ...

    @overload
    def add_route(
        self, path: None = None, handler: None = None, methods: Sequence[str] = (), **about: Unpack[RouteOptions]
    ) -> Callable[[_H], _H]: ...

    def add_route(
        self,
        path: str | _H | None = None,
        handler: _H | None = None,
        methods: Sequence[str] = (),
        **about: Unpack[RouteOptions],
    ) -> _H | Callable[[_H], _H]:
        """Register a handler for any method (or `methods`).

        As a decorator, bare or without a path, its `route="/x"` default or its own name is the path; a name that ends
        in `before_middleware`, `after_middleware` or `handle_all_middleware` makes it a hook.
        """

        def register(handler: _H) -> _H:
            if not self._add_hook(getattr(handler, "__name__", ""), handler):
                self._declare(default_path(handler), handler, methods, about)
            return handler

        if isinstance(path, str):
            if handler is None:
                raise UseError(f"add_route({path!r}) without a handler; give one, or use @web.get({path!r})")
            self._declare(path, handler, methods, about)
            return handler
        return register if path is None else register(path)

    def _declare(self, path: str, handler: Handler, methods: Sequence[str], about: RouteOptions) -> None:
        if isinstance(methods, str):
            raise UseError(f"methods={methods!r} of {path!r}: expected a list, [{methods!r}]")
        unknown = ", ".join(about.keys() - RouteOptions.__annotations__.keys())
        if unknown:
            raise UseError(f"route {path!r}: unknown {unknown}; there are {', '.join(RouteOptions.__annotations__)}")
        check_middlewares(about.get("middlewares", ()))
        if about.get("process"):
            from toolkit.server.processes.pools import check_handler  # most programs do without

            check_handler(handler, about["process"], about.get("thread", False))
        if about.get("docs"):
            from toolkit.server.openapi.options import Operation  # whoever gives one has it

            if not isinstance(about["docs"], Operation):
                raise UseError(f"route {path!r}: docs={about['docs']!r}: expected Operation(...), or False to hide it")
        shape = parse(path).shape if path or self._is_app else ""  # elsewhere the prefix alone may be a path
        declared = Declared(path, handler, tuple(method.upper() for method in methods), about)
        keys = [(shape, method) for method in declared.methods or ("*",)]
        for key in keys:
            if key in self._taken:
                raise clash(key[1], self.prefix + path, self._taken[key], handler)
        self.routes.append(declared)
        self._taken.update(dict.fromkeys(keys, handler))
        try:
            self._changed()
        except UseError:  # an application that runs has such a route elsewhere
            self.routes.remove(declared)
            for key in keys:
                del self._taken[key]
            raise

    def attach(self, target: _T) -> _T:
        """Serve the methods of a class (made without arguments) or of an object; returns it.

        `_a_b` serves `/a/b` and `/a/b/`, `_` serves `/`, `__dot__` in a name stands for a dot; methods that take no
        `r` are left alone, names ending in `_middleware` are hooks.
        """
        instance = target() if inspect.isclass(target) else target
        for name in dir(type(instance)):
            if name.startswith("__"):
                continue
            method = getattr(instance, name)
            if not callable(method) or self._add_hook(name, method) or not name.startswith("_"):
                continue
            parameters = inspect.signature(method).parameters
            if "r" not in parameters:
                continue
            path = "/" + name[1:].replace("__dot__", ".").replace("_", "/")
            self._declare(path, method, (), {})
            if path != "/":
                self._declare(path + "/", method, (), {})
        return target

    def static(
        self,
        prefix: str,
        directory: str | os.PathLike[str],
        options: StaticOptions | None = None,
        *,
        name: str = "",
        middlewares: Sequence[Middleware] = (),
    ) -> None:
        """Serve the files of a directory below `prefix`, to GET and HEAD: see `StaticOptions`.

        Routes that say more of a path go first. What is not there is 404. `url_for(name, path="a/b.js")`.
        """
        from toolkit.server.static import StaticServer  # most programs do without

        server = StaticServer(prefix or "/", directory, options=options)
        for below in ("/", "") if server.prefix else ("/",):
            self._declare(server.prefix + below, server.serve, ("GET",), {"middlewares": middlewares, "docs": False})
        files: RouteOptions = {"middlewares": middlewares, "name": name, "docs": False}
        self._declare(server.prefix + "/{path:path}", server.serve, ("GET",), files)

    def add_converter(self, name: str, parse: Callable[[str], object], format: Callable[[object], str] = str) -> None:
        """A kind of parameter for `{x:name}`: `parse` gives the value or raises `ValueError`, `format` its text."""
        if not name.isidentifier() or name in CONVERTERS or name == "str":
            raise UseError(f"add_converter({name!r}): expected a new name, an identifier")
        self.converters[name] = Converter(parse, format)
        self._changed()

    @property
    def cache(self) -> Caching:
        """The cache of answers: `@web.cache(60)` below a route's decorator keeps what the handler answers for 60 s.

        `await web.cache.forget(path)` drops what is kept of a path, `clear()` everything; see `Caching`.
        """
        caching = self._caching
        if caching is None:
            from toolkit.server.cache.caching import Caching as Found  # most programs do without

            caching = self._caching = Found(self._kept_in)
        return caching

    _kept_in: CacheStore | bool | None = None  # an application has a store

    # -- what is around them -----------------------------------------------------------------------------------

    def _add_hook(self, name: str, handler: Handler) -> bool:
        for suffix, kind in HOOKS.items():
            if name.endswith(suffix):
                if self.hooks is None:
                    self.hooks = Hooks()
                getattr(self.hooks, kind).append(handler)
                self._changed()
                return True
        return False

    def add_middleware(self, middleware: Middleware) -> None:
        """`await middleware(handler, r)` stands around every route here, inside those that were added before it.

        One that takes a handler alone is a decorator: it returns what is called instead.
        """
        self.middlewares += check_middlewares([middleware])
        self._changed()

    def middleware(self, middleware: _M) -> _M:
        """Decorator: the same as `add_middleware`."""
        self.add_middleware(middleware)
        return middleware

    # -- other routers -----------------------------------------------------------------------------------------

    def group(self, prefix: str = "", *, middlewares: Sequence[Middleware] = (), name: str = "") -> Router:
        """A new router below this one; what is around this one is around it."""
        router = Router(prefix, middlewares=middlewares, name=name)
        self.include(router)
        return router

    def include(
        self, router: Router, prefix: str = "", *, middlewares: Sequence[Middleware] = (), name: str = ""
    ) -> None:
        """Serve another router's routes, under `prefix` and the router's own; what is added to it later counts.

        It may be included in several places; under two names, if its routes are to be found by `url_for`.
        """
        if not isinstance(router, Router):
            raise UseError(f"include({router!r}): expected a Router")
        if router is self or self in router._everything():
            raise UseError("include(): a router cannot be included in itself")
        if router._is_app:
            raise UseError("include() takes a Router; an App is mounted: web.mount(prefix, app)")
        self._join(Included(router, check_prefix(prefix), tuple(check_middlewares(middlewares)), name))

    def mount(self, prefix: str, app: App, *, middlewares: Sequence[Middleware] = (), name: str | None = None) -> None:
        """Serve another application below `prefix`, which has no parameters.

        Its middlewares and hooks stand inside those from here; what it does not find it answers itself. Its routes'
        names follow `name`, by default the prefix with dots for slashes.
        """
        prefix = check_prefix(prefix)
        if not prefix or parse(prefix).parameters:
            raise UseError(f"mount({prefix!r}): expected a path of at least one segment, without parameters")
        if not isinstance(app, Router):
            raise UseError(f"mount({prefix!r}, {app!r}): expected an App")
        if not app._is_app:
            raise UseError("mount() takes an App; a Router is included: web.include(router, prefix)")
        if app is self or self in app._everything():
            raise UseError("mount(): an application cannot be mounted in itself")
        named = prefix[1:].replace("/", ".") if name is None else name
        self._join(Included(app, prefix, tuple(check_middlewares(middlewares)), named, app))

    _is_app = False

    def _everything(self) -> list[Router]:
        """This router and all that are included in it."""
        return [self, *(one for part in self.parts for one in part.router._everything())]

    def _join(self, part: Included) -> None:
        self.parts.append(part)
        part.router._above.append(self)
        self._changed()

    def _changed(self) -> None:
        """Something was declared: whoever has bound it must do so again."""
        for router in self._above:
            router._changed()
