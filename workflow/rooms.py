"""What a notebook or a script stands on, and a drawing of the rooms, both from the imports.

Run by itself, it draws who imports whom in lore_core into CONTRIBUTING.md
"""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "CONTRIBUTING.md"
NAME = re.compile(r'"([\w-]+)["./]')  # "alpaca_eval.safetensors", or its first part alone
# What a reader calls from outside, and nothing in lore_core imports: it belongs to no room.
DOORS = {
    "lore_core",
    "lore_core.embed",
    "lore_core.train",
    "lore_core.__main__",
    "lore_core.adapt.__main__",
    "lore_core.proper.__main__",
    "lore_core.perfit.__main__",
}
BEGIN, END = "<!-- rooms: begin -->", "<!-- rooms: end -->"


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("lore_core", cache_dir=None)


def needs(path: str, instead: dict[str, set[str]] | None = None) -> list[str]:
    """A notebook or a script, the modules that it reaches, the files of data/ that they name.

    `instead` names modules that import much more than this run uses, and what it uses of them.
    """
    code = {file(module) for module in reached(imported(ROOT / path), instead or {})}
    code |= {ROOT / path} if path.endswith(".py") else set()
    named = {name for path in code for name in NAME.findall(path.read_text(encoding="utf-8"))}
    data = {path for path in (ROOT / "data").glob("*.*") if path.name.split(".")[0] in named}
    return [path, *sorted(str(path.relative_to(ROOT)) for path in code | data)]


def needs_of_run(path: str, methods: Iterable[object], data: str) -> list[str]:
    """What a script stands on that runs these methods alone, on one data set or file."""
    own = {type(method).__module__ for method in methods}
    door = {"lore_core.methods": set(), "lore_core.methods.registry": own}
    return needs(path, instead=door) + data_needs(data)


@cache
def data_needs(data: str) -> list[str]:
    """What a data set stands on: the loader's modules and files, or a file of one's own."""
    loader = f"lore_core/datasets/{data}.py"  # found by its name, so that no import shows it
    return needs(loader) if Path(loader).exists() else [data]


def imported(path: Path) -> set[str]:
    """The modules of lore_core that its import statements name."""
    found = set()
    for node in syntax(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found & graph().modules


def syntax(path: Path) -> Iterator[ast.AST]:
    """The statements of a script, or of a notebook's code cells; of a broken one, none."""
    with suppress(ValueError, KeyError, SyntaxError):  # whoever runs it hears what is wrong
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
            python = TransformerManager().transform_cell  # a line such as `%time` is none
            text = "".join(python("".join(cell["source"])) for cell in cells)
        yield from ast.walk(ast.parse(text))


def reached(modules: set[str], instead: dict[str, set[str]] | None = None) -> set[str]:
    """These modules, the packages around them, what all of them import, and so on."""
    below = graph().find_modules_directly_imported_by
    instead, found = instead or {}, set()
    while modules:
        found |= modules
        packages = {module.rpartition(".")[0] for module in modules} - {""}
        imports = [instead.get(module, below(module)) for module in modules]
        modules = packages.union(*imports) - found
    return found - instead.keys()


def file(module: str) -> Path:
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def room(module: str) -> str:
    """The package that a module lies in; those that lie in none are the paper."""
    name = module.split(".")[1]
    return name if (ROOT / "lore_core" / name).is_dir() else "paper"


def arrows() -> dict[str, list[str]]:
    """Which rooms each room imports."""
    found: dict[str, set[str]] = {}
    for module in graph().modules - DOORS:
        targets = graph().find_modules_directly_imported_by(module) - DOORS
        found.setdefault(room(module), set()).update(map(room, targets))
    return {name: sorted(found[name] - {name}) for name in sorted(found)}


def drawing() -> str:
    """A mermaid graph, from the top down. Rooms that import each other raise a CycleError."""
    order = [*TopologicalSorter(arrows()).static_order()][::-1]
    label = {"paper": '["lore_core/ (the paper)"]'}
    nodes = [f"    {name}{label.get(name, '')}" for name in order]
    edges = [f"    {name} --> {target}" for name in order for target in arrows()[name]]
    return "\n".join([BEGIN, "```mermaid", "flowchart TD", *nodes, *edges, "```", END])


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(re.sub(f"{BEGIN}.*{END}", drawing(), page, flags=re.S), encoding="utf-8")
