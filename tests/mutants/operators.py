"""The mutants of a source, by the operators of mutmut (pinned in the Makefile).

mutmut itself keeps all mutants of a function side by side in one file and chooses among them by a decorator. That
hides decorated functions, constants and signatures from it, so here each mutant is a source of its own.
"""

import ast
import difflib
import random
from dataclasses import dataclass

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import NEVER_MUTATE_FUNCTION_NAMES, MutationVisitor, deep_replace
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

from tests.mutants.rooms import ROOT

_SHOWN = {"print", "warn", "rank_zero_warn", "rank_zero_info", "TypeVar", "cast"}
"""Calls whose arguments are texts for a person or types."""

_ALIASES = {"Literal", "Callable", "tuple", "list", "dict", "Annotated"}


@dataclass(frozen=True)
class Mutant:
    """One change of one source."""

    source: str
    index: int
    """Among the changes that can be made to this source."""

    line: int
    """Of the first changed line, from 1 on."""

    lines: tuple[int, int] | None
    """Of the changed expression or statement, first and last; None if it is run on import: a default, a constant."""

    before: str
    after: str
    """The changed lines, stripped and joined."""

    code: str
    """The whole changed source."""


class _Places(MutationVisitor):
    """Finds what mutmut would change, also in decorated functions, and notes where; leaves out texts and types."""

    METADATA_DEPENDENCIES = MutationVisitor.METADATA_DEPENDENCIES

    def __init__(self) -> None:
        super().__init__(mutation_operators, IgnoredCode(set(), set(), set()))
        self.lines: list[tuple[int, int]] = []

    def _create_mutations(self, node: cst.CSTNode) -> None:
        super()._create_mutations(node)
        place = self.get_metadata(PositionProvider, node, None)
        span = (place.start.line, place.end.line) if place else (1, 1)
        self.lines += [span] * (len(self.mutations) - len(self.lines))

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Raise) or (isinstance(node, cst.Call) and _is_text(node)):
            return True
        if isinstance(node, cst.Assign | cst.AnnAssign) and _is_alias(node.value):
            return True
        if isinstance(node, cst.FunctionDef) and node.decorators:
            return node.name.value in NEVER_MUTATE_FUNCTION_NAMES
        return super()._skip_node_and_children(node)


def _is_text(call: cst.Call) -> bool:
    name = call.func.attr if isinstance(call.func, cst.Attribute) else call.func
    return isinstance(name, cst.Name) and (name.value in _SHOWN or name.value.endswith("Error"))


def _is_alias(value: cst.BaseExpression | None) -> bool:
    return isinstance(value, cst.Subscript) and isinstance(value.value, cst.Name) and value.value.value in _ALIASES


class Source:
    """A source and the changes that can be made to it.

    Args:
        path: relative to the root.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.text = (ROOT / path).read_text()
        places = _Places()
        self._module = MetadataWrapper(cst.parse_module(self.text)).visit(places)
        self._mutations = places.mutations
        self._lines = places.lines
        functions = [node for node in ast.walk(ast.parse(self.text)) if isinstance(node, ast.FunctionDef)]
        self._bodies = [(node.body[0].lineno, node.end_lineno or 0) for node in functions]

    def __len__(self) -> int:
        return len(self._mutations)

    def draw(self, count: int, seed: int) -> list[int]:
        """Return the indices of `count` changes at random, fewer if there are no more, in the order of the source.

        They depend on the seed and this source alone.
        """
        return sorted(random.Random(f"{seed} {self.path}").sample(range(len(self)), min(count, len(self))))

    def mutant(self, index: int) -> Mutant | None:
        """Return the mutant of an index; None if the change leaves the source as it was, or no source at all."""
        mutation = self._mutations[index]
        changed = deep_replace(self._module, mutation.original_node, mutation.mutated_node)
        assert isinstance(changed, cst.Module)
        before, after, line = changed_lines(self.text, changed.code)
        try:
            compile(changed.code, self.path, "exec")
        except SyntaxError:
            return None
        if before == after:
            return None
        lines = self._lines[index]
        is_called = any(first <= lines[0] and lines[1] <= last for first, last in self._bodies)
        return Mutant(self.path, index, line, lines if is_called else None, before, after, changed.code)


def changed_lines(old: str, new: str) -> tuple[str, str, int]:
    """Return the lines that went and those that came, stripped and joined, and where the first was."""
    old_lines, new_lines = old.splitlines(), new.splitlines()
    matcher = difflib.SequenceMatcher(None, old_lines, new_lines, autojunk=False)
    codes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    went = [line.strip() for code in codes for line in old_lines[code[1] : code[2]]]
    came = [line.strip() for code in codes for line in new_lines[code[3] : code[4]]]
    return " ".join(went), " ".join(came), codes[0][1] + 1 if codes else 1
