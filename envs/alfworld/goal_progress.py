"""How far a game has come: won, goal conditions, progress."""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence, Set
from typing import NamedTuple, Protocol

from anchorgym.envs.alfworld.game import Game


class GoalProgress(NamedTuple):
    """How far a game has come in its present state."""

    won: bool
    met: int
    """Conditions of the goal that hold, under the binding of objects under which most do."""
    conditions: int
    progress: float
    """Share of the subgoals that hold, in [0, 1]; 1 exactly when the game is won."""


class _Situation(Protocol):
    """The part of a state that goals are about; see `State` for what its attributes hold."""

    @property
    def game(self) -> Game: ...
    @property
    def location(self) -> int: ...
    @property
    def holding(self) -> int: ...
    @property
    def contents(self) -> Sequence[Collection[int]]: ...
    @property
    def clean(self) -> Set[int]: ...
    @property
    def hot(self) -> Set[int]: ...
    @property
    def cool(self) -> Set[int]: ...
    @property
    def toggled(self) -> Set[int]: ...


def assess(state: _Situation) -> GoalProgress:
    """Return how far a state's game has come.

    Goal conditions, and the subgoals that progress counts, by kind:

    - place: placed | held or placed, placed
    - clean, heat, cool: treated, placed | held or done, treated, done (one object throughout)
    - two: first placed, second placed in the same receptacle | and before each, one held
    - look: lamp on and here, object held | lamp on anywhere, lamp on and here, object held
    """
    kind = state.game.goal.kind
    if kind == "look":
        return _assess_look(state)
    if kind == "two":
        return _assess_two(state)
    if kind == "place":
        return _assess_place(state)
    return _assess_treated(
        state, state.clean if kind == "clean" else state.hot if kind == "heat" else state.cool
    )


def _assess_place(state: _Situation) -> GoalProgress:
    placed = bool(_placed(state))
    held = state.holding in state.game.goal_objects
    return GoalProgress(placed, int(placed), 1, 1.0 if placed else 0.5 if held else 0.0)


def _assess_treated(state: _Situation, treated: Container[int]) -> GoalProgress:
    placed = _placed(state)
    best, met = 0, 0
    for thing in state.game.goal_objects:
        is_treated, is_placed = thing in treated, thing in placed
        done = is_treated and is_placed
        met = max(met, is_treated + is_placed)
        best = max(best, (done or thing == state.holding) + is_treated + done)
    return GoalProgress(best == 3, met, 2, best / 3)


def _assess_two(state: _Situation) -> GoalProgress:
    game = state.game
    goal_objects = game.goal_objects
    most = 0
    for receptacle in game.goal_receptacles:
        most = max(most, len(goal_objects.intersection(state.contents[receptacle])))
    if most > 1:
        return GoalProgress(True, 2, 2, 1.0)
    return GoalProgress(False, most, 2, (2 * most + (state.holding in goal_objects)) / 4)


def _assess_look(state: _Situation) -> GoalProgress:
    game = state.game
    lit = state.toggled & game.goal_lamps
    here = game.receptacles_at[state.location]
    lit_here = bool(lit) and any(not lit.isdisjoint(state.contents[r]) for r in here)
    held = state.holding in game.goal_objects
    met = lit_here + held
    return GoalProgress(met == 2, met, 2, (bool(lit) + met) / 3)


def _placed(state: _Situation) -> set[int]:
    goal_objects = state.game.goal_objects
    contents = state.contents
    return {
        thing
        for receptacle in state.game.goal_receptacles
        for thing in contents[receptacle]
        if thing in goal_objects
    }
