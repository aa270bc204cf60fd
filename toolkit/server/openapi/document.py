"""The whole document: what an application says of itself, and an operation for each route and method. Pure.

A document knows a path by its template, so routes that differ in their parameters' kinds or names alone are one path
there. Of those with the same method the first one stays, and says that there are others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from toolkit.server.handlers import name_of
from toolkit.server.openapi.operations import operation_of, requirements
from toolkit.server.openapi.parameters import same_path, template
from toolkit.server.openapi.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.server.openapi.options import OpenApi
    from toolkit.server.patterns import Pattern
    from toolkit.server.routing import Route

__all__ = ["METHODS", "Placed", "build"]

Operations: TypeAlias = dict[str, dict[str, object]]

#: What a path item has a place for (OpenAPI 3.1, 4.8.9.1).
METHODS: Final = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE")
#: How a route for any method is shown: eight times the same would help nobody.
ANY: Final = ("GET", "POST")


class Placed(NamedTuple):
    """A route, and what its operations are tagged with: the name of its router, or ""."""

    route: Route
    tag: str


def build(options: OpenApi, routes: Sequence[Placed]) -> dict[str, object]:
    """The document. Raises `UseError` for types that cannot be described, and for security schemes that there are not.

    Routes with `docs=False` are left out, and so are paths with a last slash that another route of the same handler
    does without.
    """
    schemas, schemes = Schemas(), options.security_schemes
    info = {"title": options.title, "version": options.version}
    if options.description:
        info["description"] = options.description
    made: dict[str, object] = {"openapi": "3.1.0", "info": info}
    if options.servers:
        made["servers"] = [{"url": url} for url in options.servers]
    paths, tags = _paths(routes, schemas, schemes)
    made["paths"] = paths
    components: dict[str, object] = {}
    if schemas.components:
        components["schemas"] = schemas.components
    if schemes:
        components["securitySchemes"] = {name: dict(scheme) for name, scheme in schemes.items()}
    if components:
        made["components"] = components
    if options.security is not None:
        made["security"] = requirements(options.security, schemes)
    names = [*options.tags, *(tag for tag in tags if tag not in options.tags)]
    if names:
        about = options.tags
        made["tags"] = [{"name": one, "description": about[one]} if one in about else {"name": one} for one in names]
    return {**made, **options.extra}


def _paths(
    routes: Sequence[Placed], schemas: Schemas, schemes: Mapping[str, object]
) -> tuple[dict[str, Operations], list[str]]:
    """The operations by path and method, and the tags that they have, each once."""
    paths: dict[str, Operations] = {}
    templates: dict[str, Pattern] = {}
    tags: dict[str, None] = {}
    ids = _Ids()
    served = {(route.path, route.handler) for route, _ in routes}
    for route, tag in routes:
        if route.docs is False or (route.path.endswith("/") and (route.path[:-1], route.handler) in served):
            continue
        pattern = templates.setdefault(same_path(route.pattern), route.pattern)
        operations = paths.setdefault(template(pattern), {})
        methods = [method for method in route.methods or ANY if method in METHODS]
        for method in methods:
            before = operations.get(method.lower())
            if before is not None:
                _add_note(before, f"{method} {route.path} is a route of its own.")
                continue
            operation = operation_of(route, tag, ids.of(route, method if len(methods) > 1 else ""), schemas, schemes)
            _rename(operation, route.pattern, pattern)
            operations[method.lower()] = operation
            own = operation.get("tags", ())
            tags.update(dict.fromkeys(own if isinstance(own, list) else ()))
    return {path: operations for path, operations in paths.items() if operations}, list(tags)


def _add_note(operation: dict[str, object], note: str) -> None:
    before = operation.get("description")
    operation["description"] = f"{before}\n\n{note}" if before else note


def _rename(operation: dict[str, object], own: Pattern, shown: Pattern) -> None:
    """Give its path's parameters the names that the path has in the document."""
    names = {mine.name: other.name for mine, other in zip(own.parameters, shown.parameters, strict=True)}
    parameters = operation.get("parameters", ())
    for one in parameters if isinstance(parameters, list) else ():
        if one["in"] == "path":
            one["name"] = names[one["name"]]


class _Ids:
    """Names for operations, each given once: what `url_for` calls the route, its method where it has several."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, route: Route, method: str) -> str:
        """A new name."""
        if route.docs and route.docs.operation_id:
            name = route.docs.operation_id
        else:
            words = [*route.namespace.split("."), route.name or name_of(route.handler) or same_path(route.pattern)]
            name = "_".join(word for word in words if word)
        if method:
            name = f"{name}_{method.lower()}"
        name = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_") or "root"
        found, number = name, 1
        while found in self._taken:
            number += 1
            found = f"{name}_{number}"
        self._taken.add(found)
        return found
