"""Messages in the user's own words, from a template that can only place text.

The language is a small part of Jinja's. There are no calls, no assignments and no arithmetic, and
loops go over the past turns and the admissible actions alone, so a message ends, is no longer than
what it is made of allows, and runs no code, whoever wrote the template.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, NoReturn

from jinja2 import ChainableUndefined, TemplateSyntaxError, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from anchorgym.agents.policies.base import View
from anchorgym.agents.prompts.messages import Part, Situation
from anchorgym.agents.prompts.template import PastTurn, TemplateError
from anchorgym.envs.errors import did_you_mean

LONGEST: Final = 20_000
"""Most characters of a template."""
VARIABLES: Final[Mapping[str, str]] = {
    "goal": "task of the episode",
    "observation": "present observation",
    "actions": "list of the admissible actions that are shown, see policy.shows_actions",
    "history": "list of the past turns that are shown, each with number, observation and action",
    "turns": "number of turns taken so far",
    "valid": "whether the last action was valid",
    "reason": "why it was not",
    "ask": "sentence that asks for an action in the form that can be read",
}
"""Variables of a template, with their meanings."""

_LISTS = ("actions", "history")
_PAST = ("number", "observation", "action")
_LOOP = ("index", "index0", "first", "last", "length")
_FILTERS = ("join", "length", "first", "last", "upper", "lower", "capitalize", "trim")
_DEEPEST = 2
"""Most loops inside of each other."""
_PLAIN = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Const,
    nodes.If,
    nodes.CondExpr,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Compare,
    nodes.Operand,
    nodes.Concat,
)
"""Parts of the language without conditions of their own."""
_EXAMPLES = (
    Situation("seen", View("goal", ("go", "stay"), True, "")),
    Situation("seen", View("goal", (), False, "why"), [PastTurn("seen", "go")], 3, window=True),
)
"""Turns that a template is tried with."""
_MARK = re.compile("\0([0-9]+)\0")


class _Own(str):
    """Text of ours, in which markers are meant."""

    __slots__ = ()


class _Past(NamedTuple):
    number: int
    observation: str
    action: str


class FileMessage:
    """Messages from a template of the user's; `VARIABLES` lists what it may place.

    The same template writes every message of a transcript, in which `turns` is 0 in the first one,
    and `history` is empty, as earlier messages are still there.

    Args:
        source: text of the template.

    Raises:
        TemplateError: the template is too long, cannot be read, uses what does not exist, or shows
            no observation; the message names the line.
    """

    def __init__(self, source: str) -> None:
        if len(source) > LONGEST:
            raise TemplateError(
                f"policy.template_file: {len(source)} characters, and at most {LONGEST} are read"
            )
        if "\0" in source:
            raise TemplateError("policy.template_file: the text holds a NUL character")
        environment = ImmutableSandboxedEnvironment(
            undefined=ChainableUndefined, finalize=_noted, trim_blocks=True, lstrip_blocks=True
        )
        try:
            tree = environment.parse(source)
            _Check().visit(tree, ())
            self._template = environment.from_string(source)
        except TemplateError:
            raise
        except TemplateSyntaxError as error:
            _refuse(error.lineno, str(error.message))
        except (RecursionError, MemoryError):
            _refuse(1, "blocks or brackets go too deep")
        except Exception as error:  # what the checks let through can still fail to compile
            _refuse(1, " ".join(str(error).split())[:200])
        used = {name.name for name in tree.find_all(nodes.Name)}
        if "observation" not in used:
            _refuse(1, "no message would show what is observed: write {{ observation }}")
        for example in _EXAMPLES:
            self.parts(example, "")

    def parts(self, now: Situation, ask: str) -> list[Part]:
        """Return a message in pieces; see `Message.parts`."""
        first = now.n_past - len(now.past) + 1
        values: list[object] = []
        placed: dict[str, object] = {
            "goal": now.view.goal,
            "observation": now.observation,
            "actions": now.view.admissible_actions,
            "history": [_Past(n, *turn) for n, turn in enumerate(now.past, first)],
            "turns": now.n_past,
            "valid": now.view.action_valid,
            "reason": now.view.reason,
            "ask": _Own(ask),
        }
        try:
            text = self._template.render(**placed, _values=values)
        except Exception as error:  # such as a comparison of a text with a number
            raise TemplateError(f"policy.template_file: {error}") from error
        return list(_split(text, values))


@pass_context
def _noted(context: Context, value: object) -> str:
    """Note a value that is placed, and return a mark in its place."""
    values = context["_values"]
    values.append(value)
    return f"\0{len(values) - 1}\0"


def _split(text: str, values: list[object]) -> Iterator[Part]:
    """Yield the pieces of a text with marks; only the template's own text is ours."""
    for i, piece in enumerate(_MARK.split(text)):
        value = values[int(piece)] if i % 2 else piece
        if str(value):
            yield str(value), not i % 2 or isinstance(value, _Own)


def _refuse(line: int, problem: str) -> NoReturn:
    raise TemplateError(f"policy.template_file, line {line}: {problem}")


class _Check:
    """Checks a template before it is compiled: only what is known may be in it."""

    def visit(self, node: nodes.Node, loops: tuple[tuple[str, str], ...]) -> None:
        """Check a part of a template.

        Args:
            node: the part.
            loops: (name, list) of the loops around it.
        """
        kind = type(node).__name__.lower()
        if isinstance(node, nodes.For):
            self._loop(node, loops)
            return
        if isinstance(node, nodes.Name):
            self._name(node, loops)
        elif isinstance(node, nodes.Getattr):
            self._attribute(node, loops)
            return
        elif isinstance(node, nodes.Getitem):
            self._index(node)
            self.visit(node.node, loops)
            return
        elif isinstance(node, nodes.Filter):
            self._filter(node)
        elif not isinstance(node, _PLAIN):
            _refuse(
                node.lineno,
                f"a template can place variables, and use if and for, but no {kind}: leave it out",
            )
        for child in node.iter_child_nodes():
            self.visit(child, loops)

    def _loop(self, node: nodes.For, loops: tuple[tuple[str, str], ...]) -> None:
        over = node.iter.node if isinstance(node.iter, nodes.Getitem) else node.iter
        listed = isinstance(over, nodes.Name) and over.name in _LISTS
        if not listed or node.recursive or not isinstance(node.target, nodes.Name):
            _refuse(node.lineno, f"a loop goes over {' or '.join(_LISTS)}, by one name")
        assert isinstance(over, nodes.Name)
        if node.target.name in (*VARIABLES, "loop"):
            _refuse(node.lineno, f"{node.target.name!r} is taken: give the loop another name")
        if len(loops) >= _DEEPEST:
            _refuse(node.lineno, f"at most {_DEEPEST} loops can be inside of each other")
        self.visit(node.iter, loops)
        inner = (*loops, (node.target.name, over.name))
        for child in (*node.body, *([node.test] if node.test else [])):
            self.visit(child, inner)
        for child in node.else_:
            self.visit(child, loops)

    def _name(self, node: nodes.Name, loops: tuple[tuple[str, str], ...]) -> None:
        known = [*VARIABLES, *(name for name, _ in loops)]
        if node.name not in known:
            _refuse(
                node.lineno,
                f"there is no variable {node.name!r}.{did_you_mean(node.name, known)} There are "
                f"{', '.join(known)}",
            )

    def _index(self, node: nodes.Getitem) -> None:
        arg = node.arg
        ends = (arg.start, arg.stop, arg.step) if isinstance(arg, nodes.Slice) else (arg,)
        if not all(end is None or _is_number(end) for end in ends):
            _refuse(node.lineno, "only whole numbers can stand in brackets, such as history[-1]")

    def _attribute(self, node: nodes.Getattr, loops: tuple[tuple[str, str], ...]) -> None:
        inner = node.node
        owner = inner.name if isinstance(inner, nodes.Name) else ""
        fields: tuple[str, ...] = ()
        if owner == "loop" and loops:
            fields = _LOOP
        elif dict(loops).get(owner) == "history":
            fields = _PAST
        elif isinstance(inner, nodes.Getitem) and not isinstance(inner.arg, nodes.Slice):
            self.visit(inner, loops)
            past = isinstance(inner.node, nodes.Name) and inner.node.name == "history"
            fields = _PAST if past else ()
        if node.attr not in fields:
            hint = did_you_mean(node.attr, fields)
            there = f" There are {', '.join(fields)}" if fields else ""
            _refuse(node.lineno, f"{owner or 'this'} has no {node.attr!r}.{hint}{there}")

    def _filter(self, node: nodes.Filter) -> None:
        if node.name not in _FILTERS:
            _refuse(
                node.lineno,
                f"there is no filter {node.name!r}.{did_you_mean(node.name, _FILTERS)} There are "
                f"{', '.join(_FILTERS)}",
            )
        over: Any = node.node.node if isinstance(node.node, nodes.Getitem) else node.node
        joins = isinstance(over, nodes.Name) and over.name == "actions"
        constant = all(isinstance(value, nodes.Const) for value in node.args)
        takes = 1 if node.name == "join" else 0
        if node.name == "join" and not joins:
            _refuse(node.lineno, "join puts the actions together: write actions | join(', ')")
        if len(node.args) > takes or not constant or node.kwargs or node.dyn_args:
            _refuse(node.lineno, f"{node.name} takes {'one text' if takes else 'nothing'} here")


def _is_number(node: nodes.Node) -> bool:
    inner = node.node if isinstance(node, nodes.Neg) else node
    return isinstance(inner, nodes.Const) and type(inner.value) is int
