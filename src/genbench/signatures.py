"""What a `_target_` accepts, read from source without importing it.

A class's `__init__` is the one place that says which settings a method has and of what kind. Reading it as text costs
milliseconds where importing torch costs seconds, so a misspelt setting is answered at once.
"""

import ast
import importlib.util
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Parameter:
    """A setting: its name and what its annotation admits, None where that is unknown."""

    name: str
    kinds: tuple[Any, ...] | None
    """Types (bool, int, float, str, list, None) and, of a Literal, the admitted values wrapped as `Choice`."""

    part: bool | None = None
    """Of a part, annotated as `Frozen[...]`, whether it must be there; None of any other setting."""

    has_default: bool = False
    """Whether it may be left out."""


@dataclass(frozen=True)
class Choice:
    """One value of a Literal."""

    value: Any


def parameters_of(target: str) -> dict[str, Parameter] | None:
    """Return the parameters of a class or function by its dotted name; None if they can't be read from source.

    A class that takes `**settings` hands them to its base, whose parameters are then its own as well, but for those
    that it gives to its base itself. A class without `__init__` has its base's.
    """
    module, _, name = target.rpartition(".")
    found = _find(module, name)
    if found is None:
        return None
    definition, module = found
    node: ast.AST | None = definition
    if isinstance(definition, ast.ClassDef):
        node = next((f for f in definition.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"), None)
    if not isinstance(node, ast.FunctionDef):
        return _parameters_of_base(definition, module)
    inherited: dict[str, Parameter] | None = {}
    if node.args.kwarg is not None:
        inherited = _parameters_of_base(definition, module)
    if inherited is None:
        return None
    positional = [*node.args.posonlyargs, *node.args.args]
    arguments = [*positional, *node.args.kwonlyargs]
    first = len(positional) - len(node.args.defaults)
    have_defaults = [place >= first for place in range(len(positional))]
    have_defaults += [default is not None for default in node.args.kw_defaults]
    given = _given_to_base(node)
    return {name: parameter for name, parameter in inherited.items() if name not in given} | {
        argument.arg: Parameter(
            argument.arg, _kinds(argument.annotation, module), _part(argument.annotation), has_default
        )
        for argument, has_default in zip(arguments, have_defaults, strict=True)
        if argument.arg != "self"
    }


def meanings_of(target: str) -> dict[str, str]:
    """Return what the docstring of a class or function, and those of its bases, say of its parameters."""
    module, _, name = target.rpartition(".")
    found = _find(module, name)
    if found is None or not isinstance(found[0], ast.ClassDef | ast.FunctionDef):
        return {}
    definition, module = found[0], found[1]
    meanings: dict[str, str] = {}
    for base in definition.bases if isinstance(definition, ast.ClassDef) else []:
        if isinstance(base, ast.Name) and (origin := _find(module, base.id)) is not None:
            meanings |= meanings_of(f"{origin[1]}.{base.id}")
    arguments = re.search(r"^Args:\n(.*?)(?=^\w|\Z)", ast.get_docstring(definition) or "", re.MULTILINE | re.DOTALL)
    lines = re.sub(r"\n {8,}", " ", arguments[1]) if arguments else ""
    return meanings | {key: text.rstrip(".") for key, text in re.findall(r"^ {4}(\w+): (.+)$", lines, re.MULTILINE)}


def modules_of(package: str) -> list[str]:
    """Return the names of the modules in a package's folder, in alphabetical order; private ones are left out."""
    source = _source(package)
    return [] if source is None else sorted(f.stem for f in source.parent.glob("*.py") if not f.stem.startswith("_"))


def class_of(module: str) -> str | None:
    """Return the dotted name of the one public class of a module; None if there is none, the last if several."""
    tree = _tree(module)
    found = [node.name for node in tree.body if isinstance(node, ast.ClassDef)] if tree else []
    return next((f"{module}.{name}" for name in reversed(found) if not name.startswith("_")), None)


def constant_of(target: str, name: str) -> Any:
    """Return an attribute of a class, as far as it or a base of it says it by a literal; None if none does."""
    module, _, class_name = target.rpartition(".")
    found = _find(module, class_name)
    if found is None or not isinstance(found[0], ast.ClassDef):
        return None
    definition, module = found[0], found[1]
    for node in definition.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(one, ast.Name) and one.id == name for one in targets) and node.value is not None:  # type: ignore[attr-defined]
            try:
                return ast.literal_eval(node.value)  # type: ignore[attr-defined]
            except ValueError:
                return None
    for base in definition.bases:
        if isinstance(base, ast.Name) and (value := constant_of(f"{module}.{base.id}", name)) is not None:
            return value
    return None


def _given_to_base(init: ast.FunctionDef) -> set[str]:
    """Return the names that an `__init__` gives to that of its base by `super().__init__(name=...)`."""
    return {
        keyword.arg
        for call in ast.walk(init)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__"
        for keyword in call.keywords
        if keyword.arg is not None
    }


def _parameters_of_base(definition: ast.AST, module: str) -> dict[str, Parameter] | None:
    if (
        not isinstance(definition, ast.ClassDef)
        or not definition.bases
        or not isinstance(definition.bases[0], ast.Name)
    ):
        return None
    base = definition.bases[0].id
    found = _find(module, base)
    return None if found is None else parameters_of(f"{found[1]}.{base}")


def first_line(module: str) -> str:
    """Return the first line of a module's docstring, "" where there is none."""
    tree = _tree(module)
    return ((ast.get_docstring(tree) if tree else None) or "").partition("\n")[0]


@cache
def _tree(module: str) -> ast.Module | None:
    path = _source(module)
    return None if path is None else ast.parse(path.read_text(encoding="utf-8"))


def _source(module: str) -> Path | None:
    """Return a module's file; only the top package is looked up by Python, which does not import it."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations)), *rest)
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def _find(module: str, name: str, depth: int = 0) -> tuple[ast.AST, str] | None:
    """Return the definition of a name and the module that holds it, following `from ... import ...`."""
    tree = _tree(module)
    if tree is None or depth > 5:
        return None
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return node, module
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return node.value, module
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _find(node.module, alias.name, depth + 1)
    return None


_SIMPLE = {"bool": (bool,), "int": (int,), "float": (float, int), "str": (str,), "None": (None,)}
_LISTS = {"Sequence", "list", "tuple"}


def _part(annotation: ast.AST | None) -> bool | None:
    match annotation:
        case ast.Subscript(value=ast.Name(id="Frozen")):
            return True
        case ast.BinOp(left=left, op=ast.BitOr(), right=right) if _part(left) or _part(right):
            return False
    return None


def _kinds(annotation: ast.AST | None, module: str) -> tuple[Any, ...] | None:
    match annotation:
        case ast.Constant(value=None):
            return (None,)
        case ast.Name(id=name) if name in _SIMPLE:
            return _SIMPLE[name]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            sides = _kinds(left, module), _kinds(right, module)
            return None if None in sides else (*sides[0], *sides[1])  # type: ignore[misc]
        case ast.Subscript(value=ast.Name(id="Optional"), slice=inner):
            kinds = _kinds(inner, module)
            return None if kinds is None else (*kinds, None)
        case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=sides)):
            found = [_kinds(side, module) for side in sides]
            return None if None in found else tuple(kind for kinds in found if kinds for kind in kinds)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
            values = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return tuple(Choice(value.value) for value in values if isinstance(value, ast.Constant))
        case ast.Subscript(value=ast.Name(id=name)) if name in _LISTS:
            return (list,)
        case ast.Name(id=name):
            alias = _find(module, name)
            # A class is not an alias of an annotation.
            return None if alias is None or isinstance(alias[0], ast.ClassDef) else _kinds(*alias)
    return None
