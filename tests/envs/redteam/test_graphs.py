"""Teams on graphs, and how many rounds they need."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchorgym.envs.errors import OptionError
from anchorgym.envs.redteam import TOPOLOGIES, RedTeamEnv, Team, TooFewRoundsError
from anchorgym.envs.redteam.payoffs import play

sizes = st.integers(1, 24)
topologies = st.sampled_from(TOPOLOGIES)


def reference(topology: str, size: int) -> nx.Graph:
    """Return networkx's graph of that name."""
    if topology == "chain":
        return nx.path_graph(size)
    if topology == "star":
        return nx.star_graph(size - 1)
    if topology == "complete":
        return nx.complete_graph(size)
    tree = nx.full_rary_tree(2, size)
    assert isinstance(tree, nx.Graph)
    return tree


@given(topologies, sizes, st.data())
def test_graphs_and_distances_are_those_of_networkx(
    topology: str, size: int, data: st.DataObject
) -> None:
    decider = data.draw(st.integers(0, size - 1))
    team, graph = Team(topology, size, decider), reference(topology, size)
    assert {tuple(sorted(edge)) for edge in team.edges()} == {
        tuple(sorted(edge)) for edge in graph.edges
    }
    assert dict(enumerate(team.distance)) == nx.shortest_path_length(graph, decider)
    assert team.eccentricity == nx.eccentricity(graph, decider)
    assert team.distance[team.entry] == team.eccentricity


@pytest.mark.parametrize(
    ("topology", "size", "decider", "eccentricity"),
    [("chain", 4, 3, 3), ("tree", 7, 0, 2), ("star", 9, 0, 1), ("complete", 5, 4, 1)],
)
def test_each_topology_has_a_decider(
    topology: str, size: int, decider: int, eccentricity: int
) -> None:
    team = Team(topology, size)
    assert (team.decider, team.eccentricity) == (decider, eccentricity)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_attacks_from_the_far_end_need_as_many_rounds_as_are_required(topology: str) -> None:
    needed = Team(topology, 6).eccentricity + 1
    env = RedTeamEnv(topology=topology, defenders=6, rounds=needed)
    assert play(env, "test/attack/override/user/0", "authority", "naive").record.hit
    with pytest.raises(TooFewRoundsError, match=f"at least {needed}"):
        RedTeamEnv(topology=topology, defenders=6, rounds=needed - 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"topology": "tre"}, "Did you mean 'tree'"),
        ({"defenders": 0}, "at least 1 member"),
        ({"decider": 3}, "0 to 2"),
        ({"attackers": 0}, "at least 1 attacker"),
        ({"goals": ["leek"]}, "Did you mean 'leak'"),
        ({"surfaces": []}, "at least one surface"),
        ({"defenders": 1, "surfaces": ["agent"]}, "cannot reach"),
        ({"mix": (0.5, 0.5)}, "a share for each"),
        ({"mix": (0.5, 0.5, 0.5)}, "add up to 1"),
        ({"work": "arithmetics"}, "Did you mean 'arithmetic'"),
        ({"work_options": {"max_turns": 3}}, "take no options"),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(options: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        RedTeamEnv(**options)  # type: ignore[arg-type]


def test_a_team_of_one_is_attacked_through_user_and_tool_only() -> None:
    env = RedTeamEnv(defenders=1)
    assert {task.split("/")[3] for task in env.tasks() if "attack" in task} == {"user", "tool"}
