"""Small changes of a module's source, one at a time: what a slip of the pen would leave.

Each change replaces one expression or statement: a comparison at its boundary, an operator, a
constant by one, `and` for `or`, a negated condition, a call or an assignment that is left out, two
arguments that changed places, a keyword argument that fell back to its default, `min` for `max`.
What only describes is left alone: docstrings, annotations, decorators, `__repr__`, the text of an
error, what is logged.
"""

from __future__ import annotations

import ast
import copy
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
RIVALS = {"min": "max", "any": "all", "floor": "ceil", "argmin": "argmax", "mean": "sum"}
RIVALS |= {rival: name for name, rival in RIVALS.items() if name != "mean"}
# Calls whose result is nearly what they are called on.
SHEDDABLE = {"strip", "lower", "copy", "clone", "detach", "sorted", "reversed", "abs"}
DESCRIBING = {"__repr__", "__str__", "__all__"}
TINY = 1e-4


@dataclass(frozen=True)
class Mutation:
    """A change of one place in a module's source.

    `name` is what stays the same while other places of the module change: the function, the
    change, and, where the same change occurs again in the function, its number.
    """

    name: str
    line: int
    start: int  # offsets into the encoded source
    end: int
    replacement: str
    at_import: bool = False
    """Whether it is outside the bodies of functions, as the default of an argument is."""

    def apply(self, source: str) -> str:
        """Return the source with the change."""
        text = source.encode()
        return (text[: self.start] + self.replacement.encode() + text[self.end :]).decode()


def mutations(source: str) -> list[Mutation]:
    """Return every change of a module's source, in the order of their places."""
    text = source.encode()
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found: list[Mutation] = []
    seen: Counter[str] = Counter()
    tree = ast.parse(source)
    bodies = [
        (node.body[0].lineno, node.end_lineno or 0)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    for function, node, replacement in _Finder().find(tree):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        name = f"{function}: {_difference(text[start:end].decode(), replacement)}"
        seen[name] += 1
        name += f" #{seen[name]}" if seen[name] > 1 else ""
        at_import = not any(first <= node.lineno <= last for first, last in bodies)
        found.append(Mutation(name, node.lineno, start, end, replacement, at_import))
    return found


def _difference(before: str, after: str, longest: int = 60, near: int = 12) -> str:
    """Return "before -> after", of long ones what differs, with a little around it."""
    before = ast.unparse(ast.parse(f"({before}\n)" if after[0] == "(" else before.strip()))
    after = ast.unparse(ast.parse(after))
    if len(before) <= longest:
        return f"{before} -> {after}"
    if after == "pass":
        return f"{before[:longest]}... -> pass"
    same = _common(before, after)
    same_end = _common(before[same:][::-1], after[same:][::-1])
    parts = (code[max(0, same - near) : len(code) - same_end] for code in (before, after))
    return f"{before[:20]}... " + " -> ".join(f"{part[:longest]}..." for part in parts)


Place = ast.expr | ast.stmt


def _common(one: str, other: str) -> int:
    """Return how many characters two strings have in common at their beginning."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


class _Finder:
    """Walks a module and yields the function, the node, and the text that takes its place."""

    def find(self, tree: ast.Module) -> Iterator[tuple[str, Place, str]]:
        yield from self._walk(tree, "module")

    def _walk(self, node: ast.AST, function: str) -> Iterator[tuple[str, Place, str]]:
        if self._describes(node):
            return
        if isinstance(node, ast.stmt):
            yield from ((function, node, text) for text in _of_statement(node))
        if isinstance(node, ast.expr):
            for changed in _of_expression(node):
                yield function, node, f"({ast.unparse(ast.fix_missing_locations(changed))})"
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            function = node.name if function == "module" else f"{function}.{node.name}"
        for field, value in ast.iter_fields(node):
            if field in ("decorator_list", "annotation", "returns", "type_comment", "bases"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from self._walk(child, function)

    @staticmethod
    def _describes(node: ast.AST) -> bool:
        """Whether a node only says something: to a reader, to a type checker, in an error."""
        if isinstance(node, ast.FunctionDef):
            return node.name in DESCRIBING
        if isinstance(node, ast.Raise):
            return False
        if isinstance(node, ast.Assign):
            return any(isinstance(to, ast.Name) and to.id in DESCRIBING for to in node.targets)
        if isinstance(node, ast.keyword):  # `zip(strict=...)` of columns that are equally long
            return node.arg == "strict"
        if isinstance(node, ast.If):
            return "TYPE_CHECKING" in ast.unparse(node.test)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            return called.startswith(
                ("logger.", "LOG.", "log.", "warnings.", "cast", "TypeVar")
            ) or (called.rpartition(".")[2].endswith(("Error", "Warning")))
        # Places inside an f-string are not told right by Python 3.11.
        return isinstance(node, ast.JoinedStr | ast.Assert | ast.pattern)


def _of_statement(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Raise():
            yield "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield "pass"
        case ast.Continue():
            yield "break"
        case ast.Break():
            yield "pass"
    if isinstance(node, ast.AugAssign) and type(node.op) in OPERATORS:
        changed = copy.deepcopy(node)
        changed.op = OPERATORS[type(node.op)]()
        yield ast.unparse(changed)


def _of_expression(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Compare():
            yield from _of_comparison(node)
        case ast.BinOp() if type(node.op) in OPERATORS and not _is_text(node):
            yield ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()):
            yield node.operand
        case ast.IfExp():
            yield ast.IfExp(node.test, node.orelse, node.body)
        case ast.Constant():
            yield from map(ast.Constant, _of_constant(node.value))
        case ast.Call():
            yield from _of_call(node)


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )


def _of_comparison(node: ast.Compare) -> Iterator[ast.expr]:
    for place, operator in enumerate(node.ops):
        changed = copy.deepcopy(node)
        changed.ops[place] = COMPARISONS[type(operator)]()
        yield changed


def _of_constant(value: object) -> Iterator[object]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
        if value > 0:
            yield value - 1
    elif isinstance(value, float):
        yield 1.0 if value == 0 else 0.0 if abs(value) < TINY else 2 * value


def _of_call(node: ast.Call) -> Iterator[ast.expr]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    name = node.func.id if isinstance(node.func, ast.Name) else name
    if name in RIVALS:
        changed = copy.deepcopy(node)
        if isinstance(changed.func, ast.Attribute):
            changed.func.attr = RIVALS[name]
        else:
            changed.func = ast.Name(RIVALS[name])
        yield changed
    if name in SHEDDABLE:
        if isinstance(node.func, ast.Attribute) and not node.args:
            yield node.func.value
        elif isinstance(node.func, ast.Name) and node.args:
            inner = node.args[0]
            yield inner if name == "abs" else ast.Call(ast.Name("list"), [inner], [])
    plain = not any(isinstance(argument, ast.Starred) for argument in node.args)
    if plain and len(node.args) > 1 and ast.dump(node.args[0]) != ast.dump(node.args[1]):
        yield ast.Call(node.func, [node.args[1], node.args[0], *node.args[2:]], node.keywords)
    for keyword in node.keywords:
        if keyword.arg not in (None, "strict") and name not in (
            "Field",
            "field",
            "dict",
            "partial",
        ):
            rest = [other for other in node.keywords if other is not keyword]
            yield ast.Call(node.func, node.args, rest)
