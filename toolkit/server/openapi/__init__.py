"""An application's interface, described: an OpenAPI 3.1 document made of its routes, and a page to try them out."""
