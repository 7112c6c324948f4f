"""Under `compat="verl-agent"` the numbers are those of verl-agent, quirks included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anchorgym.gigpo import TurnBatch, advantages, compat, make_algorithm

# What each case shows of the implementation we compare with.
QUIRKS = {
    "paper_fig3": "statistics over rows: the longer trajectory weighs more, +3.75 against -6.25",
    "singletons": "an episode group of one row keeps its raw score as advantage",
    "one_row_per_traj": "none: with one turn a trajectory, rows are trajectories",
    "all_equal": "none: values that float32 holds exactly give exactly 0",
    "all_equal_inexact": "equal values whose float32 mean is off get |A| up to 0.65",
    "duplicated_rows": "rows repeated before the statistics count as often as they occur",
    "same_obs_other_task": "none: groups never cross tasks",
    "nonstring_anchor": "array keys are flattened: a 2 x 2 array equals a vector of 4",
    "similarity": "a text joins the first cluster whose first member difflib finds close",
    "similarity_long_text": "one character more in 294 is still similar, despite autojunk",
    "random_3x4": "a penalty lowers one row's score and return, not those of earlier turns",
}
TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def cases(reference: Path) -> dict[str, Any]:
    vectors = json.loads((reference / "data/gigpo/reference_vectors.json").read_text())
    return {case["name"]: case for case in vectors["cases"]}


def batch_of(case: dict[str, Any]) -> TurnBatch:
    rows = case["input"]
    anchors = [np.array(a) if isinstance(a, list) else a for a in rows["anchor_obs"]]
    n_repeated = len(case["duplicated_rows"])
    original = slice(0, len(anchors) - n_repeated)
    batch = TurnBatch.from_rows(
        group=rows["task_uid"][original],
        trajectory=rows["traj_uid"][original],
        anchor=anchors[original],
        reward=rows["reward"][original],
        valid=rows["is_action_valid"][original],
    )
    return batch.take([*range(len(batch)), *case["duplicated_rows"]])


def options_of(case: dict[str, Any], output: dict[str, Any]) -> dict[str, Any]:
    return {
        "compat": "verl-agent",
        "gamma": case["gamma"],
        "invalid_penalty": case["invalid_action_penalty_coef"],
        "norm": output["mode"].removesuffix("_norm"),
        "step_weight": output["step_advantage_w"],
        "similarity": output["similarity_thresh"],
    }


def test_every_case_is_explained(cases: dict[str, Any]) -> None:
    assert set(cases) == set(QUIRKS)


@pytest.mark.parametrize("name", QUIRKS)
def test_advantages(cases: dict[str, Any], name: str) -> None:
    case = cases[name]
    batch = batch_of(case)
    for output in case["output"]:
        options = options_of(case, output)
        result = advantages("gigpo", batch, **options)
        assert result.dtype == np.float64
        np.testing.assert_allclose(result, output["adv"], atol=TOLERANCE, rtol=0, err_msg=name)


@pytest.mark.parametrize("name", QUIRKS)
def test_terms_and_step_groups(cases: dict[str, Any], name: str) -> None:
    case = cases[name]
    batch = batch_of(case)
    for output in case["output"]:
        options = options_of(case, output)
        algorithm: Any = make_algorithm("gigpo", **options)
        per_trajectory: Any = make_algorithm("gigpo", **options, stats="trajectory")
        for result, key in (
            (algorithm.episode_advantages(batch), "episode_adv"),
            (algorithm.step_advantages(batch), "step_adv"),
            (per_trajectory.episode_advantages(batch), "episode_adv_per_trajectory_stats"),
        ):
            np.testing.assert_allclose(result, output[key], atol=TOLERANCE, rtol=0, err_msg=key)
        groups = compat.step_groups(batch, output["similarity_thresh"])
        assert groups.tolist() == output["step_group_id"]


@pytest.mark.parametrize("name", QUIRKS)
def test_grpo(cases: dict[str, Any], name: str) -> None:
    case = cases[name]
    batch, expected = batch_of(case), case["other_estimators"]
    penalty = case["invalid_action_penalty_coef"]
    runs: tuple[tuple[str, dict[str, Any]], ...] = (
        ("grpo_std", {"norm": "mean_std"}),
        ("grpo_nostd_drgrpo", {"norm": "mean"}),
        ("grpo_std_per_trajectory_stats", {"norm": "mean_std", "stats": "trajectory"}),
    )
    for key, options in runs:
        result = advantages("grpo", batch, compat="verl-agent", invalid_penalty=penalty, **options)
        np.testing.assert_allclose(result, expected[key], atol=TOLERANCE, rtol=0, err_msg=key)


def test_repeated_rows_without_turn_numbers(cases: dict[str, Any]) -> None:
    # As the rows reach a caller who has only columns: the returns tell repetitions from visits.
    case = cases["duplicated_rows"]
    rows = case["input"]
    batch = TurnBatch.from_rows(
        group=rows["task_uid"],
        trajectory=rows["traj_uid"],
        anchor=rows["anchor_obs"],
        reward=rows["reward"],
        valid=rows["is_action_valid"],
    )
    returns = case["intermediate"]["discounted_return_before_penalty"]
    returns = returns + [returns[row] for row in case["duplicated_rows"]]
    for output in case["output"]:
        result = advantages("gigpo", batch, returns=returns, **options_of(case, output))
        np.testing.assert_allclose(result, output["adv"], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", ["singletons", "all_equal_inexact"])
def test_the_default_has_no_such_quirk(cases: dict[str, Any], name: str) -> None:
    batch = batch_of(cases[name])
    for norm in ("mean", "mean_std"):
        rows = batch.trajectory >= (1 if name == "singletons" else 0)
        result = advantages("gigpo", batch.take(rows), norm=norm, gamma=cases[name]["gamma"])
        assert (result == 0).all()


def test_the_default_counts_trajectories_once(cases: dict[str, Any]) -> None:
    case = cases["paper_fig3"]
    batch = batch_of(case)
    trajectories = advantages("gigpo", batch, norm="mean", step_weight=0.0)
    assert sorted(set(trajectories)) == [-5.0, 5.0]
    turns = advantages("gigpo", batch, norm="mean", step_weight=0.0, stats="turn")
    assert sorted(set(turns)) == [-6.25, 3.75]
    for output in case["output"]:
        algorithm: Any = make_algorithm(
            "gigpo", norm=output["mode"].removesuffix("_norm"), gamma=case["gamma"]
        )
        np.testing.assert_allclose(algorithm.step_advantages(batch), output["step_adv"], atol=1e-5)
