"""The law of imports: from lower floors only; and what `import rashin` may load and cost."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import rashin
from shipped import LOSSES

SOURCE = Path(rashin.__file__).parent
FLOORS = {
    "extras": -1,  # the error for an optional package that is not there
    "japanese": -0.7,  # the words of pictures and pages in Japanese
    "language": -0.5,  # sentences of pictures and pages, and the fonts that can show them
    "waiting": -2,  # a word to whoever waits for a compiler
    "native": -1,  # the language of kernels, and how it becomes machine code
    "archives": 5.6,  # all that there is to compile
    "arithmetic": 0,
    "exact": 0,
    "domain": 0,
    "refusal": -0.2,
    "chunks": 0,
    "array_header": -0.1,  # what a file says of its numbers, held against its bytes
    "storage": 0,
    "conventions": -0.1,  # the losses of other libraries, as data
    "synonyms": 0,
    "printable": 0,
    "tables": 0.2,  # files in, rows out; knows nothing of losses
    "rule": 0.5,
    "checks": 1,
    "kernels": 1,
    "reduction": 2,
    "backends": 3,
    "facts": 3.5,
    "parametric": 3.7,
    "loss": 4,
    "group_loss": 4,
    "registry": 4.2,
    "decorators": 4.4,
    "groupwise": 4.5,  # the decorator of losses of groups
    "losses": 5,
    "searches": 5,
    "constant": 5.1,
    "logits": 5.2,
    "dialects": 6.1,  # the book loads its data in its own words
    "differences": 0,  # derivatives from values alone, with their error
    "audit": 5.4,  # its `check` is a name of the package
    "adapters": 6,
    "datasets": 6,
    "learn": 6,
    "measurement": 5.3,
    "report": 7,
    "cli": 8,
    "__main__": 9,
    "__init__": 5.5,  # above everything that it names, below everything that may import `rashin` itself
}
BASE = {"numpy", "typer", "click", "rich"}
COMPILERS = {"numba", "llvmlite"}  # only in these files; all but the first two import them inside functions
COMPILING = {f"native/{name}.py" for name in ("compiler", "instructions", "engine", "doorway", "targets")}
MODULES = sorted(SOURCE.rglob("*.py"))


def module_name(path):
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def part(name):
    """The file or folder of the house a module belongs to: `rashin.kernels.formula` lies in `kernels`."""
    pieces = name.split(".")
    return pieces[1] if len(pieces) > 1 else "__init__"


@cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path):
    return list(read_imports(path))


def statements(node):
    """Every statement below the node, wherever it stands; what type checkers alone read is none."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for inner in getattr(node, name, ()):
            if not (isinstance(inner, ast.If) and ast.unparse(inner.test).endswith("TYPE_CHECKING")):
                yield inner
                yield from statements(inner)


def read_imports(path):
    """(line, imported module) of every import, wherever it stands; those for type checkers are none."""
    for node in statements(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: imports are absolute"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield node.lineno, full if is_module(full) else node.module


@cache
def is_module(name):
    path = SOURCE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def inside():
    """(place, part, imported part) of every import of one of ours by another."""
    for path in MODULES:
        own = part(module_name(path))
        ours = ((line, part(name)) for line, name in imports(path) if name.split(".")[0] == "rashin")
        yield from ((f"{path}:{line}: {own} imports {other}", own, other) for line, other in ours)


def test_every_module_has_a_floor():
    assert {part(module_name(path)) for path in MODULES} <= set(FLOORS)


def test_a_module_imports_only_from_lower_floors_or_its_own_folder():
    upwards = [
        place
        for place, own, other in inside()
        if FLOORS[other] >= FLOORS[own] and not (own == other and (SOURCE / own).is_dir())
    ]
    assert not upwards, "\n".join(upwards)


def test_backends_and_kernels_never_see_a_loss():
    below = ("backends", "kernels", "exact", "arithmetic", "checks", "reduction")
    seen = [place for place, own, other in inside() if own in below and other in ("loss", "losses")]
    assert not seen, "\n".join(seen)


def test_the_house_has_no_circle():
    graph = {module_name(path): {name for _, name in imports(path) if name.startswith("rashin.")} for path in MODULES}
    done, open_ = set(), []

    def visit(name):
        assert name not in open_, " -> ".join([*open_, name])
        if name in graph and name not in done:
            open_.append(name)
            for other in sorted(graph[name]):
                visit(other)
            done.add(open_.pop())

    for name in graph:
        if name != "rashin.__init__":
            visit(name)


def test_optional_packages_are_imported_inside_functions_only():
    """At the top of a module stand the standard library, the base dependencies and rashin itself."""
    for path in MODULES:
        for node in parsed(path).body:
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import)
                else [node.module] if isinstance(node, ast.ImportFrom)
                else []
            )  # fmt: skip
            for name in names:
                root = name.split(".")[0]
                own = ("rashin", path.stem.partition("_")[0], path.parent.name)
                allowed = root in sys.stdlib_module_names or root in BASE or root in own
                allowed = allowed or (root == "array_api_compat" and "array_api" in (path.stem, path.parent.name))
                allowed = allowed or (root in COMPILERS and path.stem in ("compiler", "instructions"))
                assert allowed, f"{path}:{node.lineno} imports {name}"


def test_the_compilers_are_imported_only_where_code_is_compiled_or_loaded():
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in MODULES
        for _, name in imports(path)
        if name.split(".")[0] in COMPILERS
    }
    assert found == COMPILING


def test_no_file_has_a_name_that_says_nothing():
    for path in MODULES:
        assert path.stem not in {"utils", "helpers", "base", "common", "misc"}, path


# ------------------------------------------------------------------------------------ what importing costs


def python(code, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_neither_numba_nor_an_optional_package():
    loaded = set(
        python("import sys, rashin; print(*sorted({m.split('.')[0] for m in sys.modules}))", "-W", "error").split()
    )
    before = set(python("import sys, numpy; print(*sorted({m.split('.')[0] for m in sys.modules}))").split())
    extra = {name for name in loaded - before if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert extra == {"rashin"}
    assert not loaded & {"numba", "llvmlite", "sklearn", "scipy", "matplotlib", "rich", "typer", "threadpoolctl"}


def test_import_loads_only_the_heart():
    loaded = python("import sys, rashin; print(*(m for m in sys.modules if m.startswith('rashin.')))").split()
    assert "rashin.backends.numpy" not in loaded
    assert not {part(name) for name in loaded} & {"audit", "dialects", "learn", "datasets", "cli", "adapters", "report"}


def test_import_costs_less_than_150_ms_beyond_numpy():
    """In processor time, which other processes cannot take; the best of a few, for they share the caches."""
    code = "import numpy, time; start = time.process_time(); import rashin; print(time.process_time() - start)"
    assert any(float(python(code)) < 0.150 for _ in range(12))


def test_the_public_names_are_one_list_and_all_there():
    assert sorted(rashin.__all__) == sorted(set(rashin.__all__))
    for name in rashin.__all__:
        assert hasattr(rashin, name), name
    for loss in LOSSES:
        assert getattr(rashin, loss.name) is loss
        assert loss.name in rashin.__all__


def test_no_package_hides_a_public_function():
    folders = {path.parent.name for path in SOURCE.rglob("__init__.py")}
    assert not folders & {name for name in rashin.__all__ if callable(getattr(rashin, name))}
    # evaluating imports the back end, which must not put a module in a public name's place; a module puts its name into
    # its own package, so that here only those right below `rashin` can
    code = (
        "import rashin; names = {n: getattr(rashin, n) for n in rashin.__all__}\n"
        "import importlib, pkgutil\n"
        "for m in pkgutil.iter_modules(rashin.__path__, 'rashin.'):\n"
        "    if '__main__' not in m.name: importlib.import_module(m.name)\n"
        "rashin.huber([1.0], [0.0])\n"
        "print([n for n, v in names.items() if getattr(rashin, n) is not v])"
    )
    assert python(code).strip() == "[]"
