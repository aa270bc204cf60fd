"""Print what a green run could be hiding, and fail when there is any of it.

    python scripts/counts.py [--root DIR] [JUNIT.xml ...]

Six counts, every one of which must be zero:

- skips and xfails: marks and calls found in the sources of the tests, and tests that a run (its junit file) reports
  as skipped or as expected to fail, whatever made them so;
- `type: ignore` without a code, `mypy: ignore-errors` for a whole file included;
- `Any` in public signatures of the package: parameters, results, attributes and aliases, also where it hides behind
  an alias;
- sleeps in tests: every use of `asyncio.sleep` or `time.sleep` except a call with a literal 0;
- retried tests: marks, decorators and plugins that run a failed test once more.

The sources are read, never imported. Exit code: 0, 1 for a count above zero, 2 for a junit file that is missing,
broken or empty (a run without tests proves nothing).
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PACKAGE = "toolkit"
TESTS = "tests"
TYPED = (PACKAGE, TESTS, "examples", "benchmarks", "scripts")
#: Files that could turn retrying on from outside the tests.
SETTINGS = ("pyproject.toml", "Makefile", ".ci/run")

SKIPS = {"pytest.mark.skip", "pytest.mark.skipif", "pytest.skip", "pytest.importorskip"}
SKIPS |= {"unittest.skip", "unittest.skipIf", "unittest.skipUnless", "unittest.SkipTest"}
XFAILS = {"pytest.mark.xfail", "pytest.xfail", "unittest.expectedFailure"}
SLEEPS = {"asyncio.sleep", "asyncio.tasks.sleep", "time.sleep"}
RETRIES = {"pytest.mark.flaky", "pytest.mark.retry", "flaky.flaky", "tenacity.retry"}
ANYS = {"typing.Any", "typing_extensions.Any"}

BARE_IGNORE = re.compile(r"#\s*type:\s*ignore(?!\[[\w-])|#\s*mypy:\s*ignore-errors")
RETRY_SETTING = re.compile(
    r"--reruns|--only-rerun|--retries|--force-flaky|rerunfailures|pytest-retry|\bflaky\b|-p\s+flaky"
)


class Found(NamedTuple):
    """One offence: where it is and what it is."""

    where: str
    what: str


class Source(NamedTuple):
    """A parsed file: its path below the root, its text, its tree, and the dotted name behind each imported name."""

    path: str
    text: str
    tree: ast.Module
    imported: dict[str, str]

    @property
    def module(self) -> str:
        """The dotted name that the file is imported by."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def at(self, node: ast.expr | ast.stmt, what: str) -> Found:
        """Report `what` at the line of `node`."""
        return Found(f"{self.path}:{node.lineno}", what)

    def dotted(self, node: ast.expr) -> str:
        """Resolve a name or an attribute chain through the file's imports; "" for anything else."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        parts.append(self.imported.get(node.id, node.id))
        return ".".join(reversed(parts))


def read_sources(root: Path, folders: Sequence[str]) -> list[Source]:
    """Parse every Python file below the folders."""
    sources = []
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text, str(path))
            relative = path.relative_to(root).as_posix()
            sources.append(Source(relative, text, tree, _imported(tree, relative)))
    return sources


def _imported(tree: ast.Module, path: str) -> dict[str, str]:
    names: dict[str, str] = {}
    package = path.split("/")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                names[alias.asname or alias.name] = f"{module}.{alias.name}"
    return names


# --- what stands in the sources


def find_uses(sources: list[Source], wanted: set[str]) -> Iterator[Found]:
    """Every place that names one of `wanted`, called or not: a name passed on is used elsewhere."""
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, (ast.Name, ast.Attribute)):
                name = source.dotted(node)
                if name in wanted:
                    yield source.at(node, name)


def find_sleeps(sources: list[Source]) -> Iterator[Found]:
    """Uses of a sleep; `sleep(0)` gives the loop one turn and waits for nothing, so it is none."""
    for source in sources:
        harmless = {
            node.func
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Call)
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and node.args[0].value == 0
        }
        for node in ast.walk(source.tree):
            if isinstance(node, (ast.Name, ast.Attribute)) and node not in harmless:
                name = source.dotted(node)
                if name in SLEEPS:
                    yield source.at(node, name)


def find_bare_ignores(sources: list[Source]) -> Iterator[Found]:
    """Comments only: the same text in a string is data."""
    for source in sources:
        for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
            if token.type == tokenize.COMMENT and BARE_IGNORE.search(token.string):
                yield Found(f"{source.path}:{token.start[0]}", token.string)


def find_retries(root: Path, sources: list[Source]) -> Iterator[Found]:
    """Marks and decorators in the tests, options and plugins in the settings."""
    yield from find_uses(sources, RETRIES)
    for name in SETTINGS:
        path = root / name
        if path.exists():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if RETRY_SETTING.search(line):
                    yield Found(f"{name}:{number}", line.strip())


# --- Any in public signatures


def find_public_any(sources: list[Source]) -> Iterator[Found]:
    """`Any` where a caller sees it. Names that begin with one underscore are nobody's business but their own."""
    tainted = _aliases_of_any(sources)
    for source in sources:
        for node, annotation, what in _signatures(source.tree.body, ""):
            if _mentions(source, annotation, tainted):
                yield source.at(node, what)


def _public(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def _signatures(body: Sequence[ast.stmt], owner: str) -> Iterator[tuple[ast.stmt, ast.expr, str]]:
    """Each public annotation with the statement it belongs to and a name for it; aliases count as annotations."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _public(node.name):
            yield from _of_function(node, owner)
            if owner:
                yield from _of_self(node, owner)
        elif isinstance(node, ast.ClassDef) and _public(node.name):
            for base in node.bases:
                yield node, base, f"a base of {owner}{node.name}"
            yield from _signatures(node.body, f"{owner}{node.name}.")
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and _public(node.target.id):
            yield node, node.annotation, f"{owner}{node.target.id}"
            if node.value is not None and not owner:
                yield node, node.value, f"{owner}{node.target.id}"
        elif isinstance(node, ast.Assign) and not owner:
            for target in node.targets:
                if isinstance(target, ast.Name) and _public(target.id):
                    yield node, node.value, target.id
        elif isinstance(node, (ast.If, ast.Try)):
            yield from _signatures([*node.body, *node.orelse], owner)


def _of_function(node: ast.FunctionDef | ast.AsyncFunctionDef, owner: str) -> Iterator[tuple[ast.stmt, ast.expr, str]]:
    arguments = node.args
    extra = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra]:
        if argument.annotation is not None:
            yield node, argument.annotation, f"{owner}{node.name}({argument.arg})"
    if node.returns is not None:
        yield node, node.returns, f"{owner}{node.name}() ->"


def _of_self(node: ast.FunctionDef | ast.AsyncFunctionDef, owner: str) -> Iterator[tuple[ast.stmt, ast.expr, str]]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Attribute) and _public(inner.target.attr):
            yield inner, inner.annotation, f"{owner}{inner.target.attr}"


def _aliases_of_any(sources: list[Source]) -> set[str]:
    """Dotted names of module-level aliases made of `Any`, private ones too, followed until no more are found."""
    tainted = set(ANYS)
    while True:
        before = len(tainted)
        for source in sources:
            for name, value in _assigned(source.tree.body):
                if _mentions(source, value, tainted):
                    tainted.add(f"{source.module}.{name}")
            # A name imported from elsewhere is an alias for those who import it from here.
            tainted |= {f"{source.module}.{name}" for name, origin in source.imported.items() if origin in tainted}
        if len(tainted) == before:
            return tainted


def _assigned(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for node in body:
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value
        elif isinstance(node, (ast.If, ast.Try)):
            yield from _assigned([*node.body, *node.orelse])


def _mentions(source: Source, expression: ast.expr, tainted: set[str]) -> bool:
    for node in ast.walk(expression):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                quoted = ast.parse(node.value, mode="eval").body
            except (SyntaxError, ValueError):  # a string of another kind
                continue
            if not isinstance(quoted, ast.Constant) and _mentions(source, quoted, tainted):
                return True
        elif isinstance(node, (ast.Name, ast.Attribute)):
            name = source.dotted(node)
            if name in tainted or f"{source.module}.{name}" in tainted:
                return True
    return False


# --- what a run reports


def find_in_runs(junit: Sequence[Path]) -> tuple[int, list[Found], list[Found]]:
    """Tests, skips and xfails that the junit files report. Raises ValueError for a file that tells nothing."""
    tests, skips, xfails = 0, list[Found](), list[Found]()
    for path in junit:
        try:
            cases = list(ET.parse(path).getroot().iter("testcase"))
        except (OSError, ET.ParseError) as error:
            raise ValueError(f"{path}: {error}") from error
        if not cases:
            raise ValueError(f"{path}: no test ran")
        tests += len(cases)
        for case in cases:
            for skipped in case.iter("skipped"):
                found = Found(f"{case.get('classname')}::{case.get('name')}", skipped.get("message") or "")
                (xfails if skipped.get("type") == "pytest.xfail" else skips).append(found)
    return tests, skips, xfails


def count(root: Path, junit: Sequence[Path] = ()) -> tuple[int, dict[str, list[Found]]]:
    """The tests that ran, and the offences of each kind."""
    package, tests, typed = (read_sources(root, folders) for folders in ((PACKAGE,), (TESTS,), TYPED))
    ran, skips, xfails = find_in_runs(junit)
    return ran, {
        "skips": [*find_uses(tests, SKIPS), *skips],
        "xfails": [*find_uses(tests, XFAILS), *xfails],
        "type: ignore without a code": [*find_bare_ignores(typed)],
        "Any in public signatures": [*find_public_any(package)],
        "sleeps in tests": [*find_sleeps(tests)],
        "retried tests": [*find_retries(root, tests)],
    }


def report(counts: dict[str, list[Found]], say: Callable[[str], object]) -> int:
    """Print the table and the offences; the exit code."""
    width = max(map(len, counts))
    for kind, found in counts.items():
        say(f"{kind:<{width}}  {len(found):>4}")
    for kind, found in counts.items():
        grouped: dict[str, list[str]] = defaultdict(list)
        for where, what in found:
            grouped[where].append(what)
        for where, whats in grouped.items():
            say(f"  {kind}: {where}: {', '.join(dict.fromkeys(whats))}")
    return 1 if any(counts.values()) else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Print what a green run could be hiding; fail when there is any of it."
    )
    parser.add_argument("junit", nargs="*", type=Path, help="junit files that the test runs wrote")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    options = parser.parse_args(arguments)
    try:
        ran, counts = count(options.root, options.junit)
    except ValueError as error:
        print(f"counts: {error}", file=sys.stderr)
        return 2
    if options.junit:
        print(f"tests run, in {len(options.junit)} suite(s): {ran}")
    return report(counts, print)


if __name__ == "__main__":
    sys.exit(main())
