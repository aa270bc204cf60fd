"""Checks on the shape of the package: layers, imports, exports, sizes, mirrored tests. The sources are only read."""
