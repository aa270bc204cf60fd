"""Middlewares that are there already: frozen dataclasses, made once, given to an application, group or route."""
