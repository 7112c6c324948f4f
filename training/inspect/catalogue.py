"""The catalogue of registered environments, and details of each."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import gymnasium as gym
import pettingzoo

from anchorgym.agents.policies.human import experts
from anchorgym.envs import MultiAgentEnv, OneActiveEnv, TextEnv, make, make_parallel, panel_hash
from anchorgym.envs.errors import AnchorgymError
from anchorgym.envs.plugins import load_module
from anchorgym.envs.registration import is_parallel

_ARGUMENT = re.compile(r"^ {4}(?P<name>\w+): (?P<text>.+(?:\n {8}.*)*)", re.M)


@dataclass(frozen=True, slots=True)
class Entry:
    """An environment, as one line of the catalogue's table."""

    id: str
    about: str
    """First line of the environment's docstring."""
    splits: dict[str, int] = field(default_factory=dict)
    """Number of tasks by split, of the splits that the data holds."""
    max_turns: int | None = None
    expert: bool = False
    agents: tuple[str, ...] = ()
    """Names of the agents of a multi-agent environment."""
    problem: str = ""
    """Why the environment cannot be made, and the remedy; empty if it can."""

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Argument:
    """A keyword argument of an environment."""

    name: str
    default: str
    """Default value in Python's notation; empty if there is none."""
    about: str


@dataclass(frozen=True, slots=True)
class Details:
    """The details of an environment, with an example of a start."""

    entry: Entry
    doc: str
    arguments: list[Argument]
    panels: dict[str, str]
    """SHA-256 of the ordered tasks, by split."""
    experts: list[str]
    """Kinds of expert that the environment has: "honest", "full"."""
    task: str
    goal: str
    observation: str
    actions: list[str]
    """Admissible actions at the example's start."""

    def to_json(self) -> dict[str, Any]:
        """Return the details as JSON values."""
        values = asdict(self)
        return {**values.pop("entry"), **values}


def registered(modules: Sequence[str] = ()) -> list[str]:
    """Return the ids of this package's environments, and of those that modules register.

    Raises:
        PluginError: a module cannot be imported.
    """
    before = _all_ids()
    for module in modules:
        load_module(module, "its environments", "module:")
    ours = {name for name in _all_ids() if name.startswith("anchorgym/")}
    theirs = {name for name in _all_ids() if name not in before or _is_of(name, modules)}
    return sorted(ours) + sorted(theirs - ours)


def entry(env_id: str) -> Entry:
    """Return the entry of an environment; its `problem` says why it cannot be made."""
    name = env_id.rpartition(":")[2]
    try:
        env: Any = make_parallel(env_id) if is_parallel(env_id) else make(env_id)
    except (AnchorgymError, ImportError) as error:
        return Entry(name, _about(_class(name)), problem=str(error))
    kind = type(env)
    if not isinstance(env, TextEnv | MultiAgentEnv):  # another package's environment
        return Entry(name, _about(_kind(env)), agents=tuple(env.possible_agents))
    base = TextEnv if isinstance(env, TextEnv) else MultiAgentEnv
    expert = kind.expert_action is not base.expert_action
    agents = () if isinstance(env, TextEnv) else tuple(env.possible_agents)
    return Entry(name, _about(kind), _splits(env), env.max_turns, expert, agents)


def details(env_id: str) -> Details:
    """Return the details of an environment, which is started once.

    Raises:
        AnchorgymError: the environment does not exist, or cannot be made or started.
    """
    line = entry(env_id)
    if is_parallel(env_id):
        return _details_of_several(make_parallel(env_id), line)
    env = make(env_id)
    observation, info = env.reset(seed=0)
    return Details(
        entry=line,
        doc=inspect.getdoc(type(env)) or "",
        arguments=_arguments(type(env), dict(_spec(line.id).kwargs)),
        panels={split: panel_hash(env.tasks(split)) for split in line.splits},
        experts=list(experts(env)),
        task=info["task_id"],
        goal=info["goal"],
        observation=observation,
        actions=list(info["admissible_actions"]),
    )


def _details_of_several(env: Any, line: Entry) -> Details:
    """Return the details of a multi-agent environment, seen by the first active agent."""
    observations, infos = env.reset(seed=0)
    agent = next((a for a in env.agents if infos[a].get("active", True)), env.agents[0])
    seen, info = observations[agent], infos[agent]
    text = seen.get("text") if isinstance(seen, dict) else None
    kinds, kind = ["honest"] if line.expert else [], _kind(env)
    return Details(
        entry=line,
        doc=inspect.getdoc(kind) or "",
        arguments=_arguments(kind, dict(_spec(line.id).kwargs)),
        panels={split: panel_hash(env.tasks(split)) for split in line.splits},
        experts=kinds,
        task=info.get("task_id", ""),
        goal=info.get("goal", ""),
        observation=text if isinstance(text, str) else str(seen),
        actions=[str(action) for action in info.get("admissible_actions", ())]
        or ([] if text else [f"any of {env.action_space(agent)}"]),
    )


def _kind(env: Any) -> type[Any]:
    """Return the class of an environment, without what makes it one of this package's kind."""
    return type(env.env.unwrapped) if isinstance(env, OneActiveEnv) else type(env)


def _registries() -> list[Any]:
    return [gym.registry, pettingzoo.parallel_registry, pettingzoo.aec_registry]


def _all_ids() -> set[str]:
    return {name for registry in _registries() for name in registry}


def _splits(env: Any) -> dict[str, int]:
    sizes = {}
    for split in env.splits:
        try:
            sizes[split] = len(env.tasks(split))
        except AnchorgymError:  # the data has no such split
            continue
    return sizes


def _spec(name: str) -> Any:
    return next(registry[name] for registry in _registries() if name in registry)


def _class(name: str) -> object:
    """Return the class of an environment id, if it can be imported."""
    point = _spec(name).entry_point if name in _all_ids() else None
    if not isinstance(point, str):
        return point
    module, _, attribute = point.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return None


def _is_of(name: str, modules: Sequence[str]) -> bool:
    point = _spec(name).entry_point
    module = point.partition(":")[0] if isinstance(point, str) else getattr(point, "__module__", "")
    return any(module == m or str(module).startswith(f"{m}.") for m in modules)


def _about(kind: object) -> str:
    own = getattr(kind, "__doc__", None) if kind is not None else None
    return inspect.cleandoc(own or "").partition("\n")[0]


def _arguments(kind: type[Any], registered: dict[str, Any]) -> list[Argument]:
    about = _argument_docs(TextEnv) | _argument_docs(kind)
    found = []
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        missing = parameter.default is parameter.empty
        default = registered.get(name, None if missing else parameter.default)
        known = not missing or name in registered
        found.append(Argument(name, repr(default) if known else "", about.get(name, "")))
    return found


def _argument_docs(kind: type[object]) -> dict[str, str]:
    """Return the texts of a docstring's `Args:` by name."""
    text = inspect.cleandoc(kind.__doc__ or "").partition("\nArgs:\n")[2]
    part = re.split(r"\n\w", text, maxsplit=1)[0]
    return {m["name"]: " ".join(m["text"].split()) for m in _ARGUMENT.finditer(part)}
