"""The experiments of docs/results.md: resumable, one line of results a run.

    python docs/experiments/run.py official --data FOLDER --seeds 0 1 2
    python docs/experiments/run.py generated --seeds 0 1 2
    python docs/experiments/run.py webshop --seeds 0 1 2 3 4
    python docs/experiments/run.py language --seeds 0 1 2
    python docs/experiments/run.py language_grpo --seeds 0 1 2

A run that was interrupted goes on where it was; one that is among the results is not run again.
Results are appended to docs/experiments/NAME.jsonl as they come.

`official` trains on the official games with official.toml. `generated` runs the default job and,
beside it, a control: the same job without reinforcement, whose cloning takes the CPU seconds that
reinforcement took. Both are compared with the clone that reinforcement began from, task by task.
`webshop` clones the expert once (seed 0) and goes on from there with GRPO and with GiGPO, each seed
with the same tasks for both; they are compared with each other and with the clone. `language` is
`make train-llm` on one thread, so that two runs can share two cores, and `language_grpo` the same
with GRPO; both are measured on 48 games that they were not trained on, greedy and sampled.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lines import add_line, read_lines
from rich.console import Console

from anchorgym.training import (
    Evaluation,
    Run,
    RunFinishedError,
    TrainConfig,
    paired_difference,
    train,
)
from anchorgym.training.config.overrides import parse_settings

HERE = Path(__file__).parent
_LANGUAGE = [f"@{HERE.parent.parent / 'examples' / 'train_llm.toml'}", "--threads", "1"]


def official(seed: int, runs: Path, data: str | None) -> dict[str, Any]:
    """Train on the official games; measured on all of valid_seen."""
    if data is None:
        raise SystemExit("official needs --data, the folder that holds json_2.1.1/")
    settings = [f"@{HERE / 'official.toml'}", "--env.data", data, "--seed", str(seed)]
    return figures(finished(settings, runs / f"official-s{seed}"))


def generated(seed: int, runs: Path, data: str | None) -> dict[str, Any]:
    """Run the default job and its control; measured on 500 tasks of valid_unseen."""
    result = finished(["--seed", str(seed)], runs / f"generated-s{seed}")
    spent = result["cpu_seconds"]
    reinforced = sum(spent.get(phase, 0.0) for phase in ("generation", "prompts", "update"))
    updates = TrainConfig().clone_updates
    more = round(updates * (1 + reinforced / spent["clone"]))
    control = finished(
        ["--seed", str(seed), "--clone.updates", str(more), "--rollout.iterations", "0"],
        runs / f"control-s{seed}",
    )
    found = {
        "after": Evaluation.from_json(result["after"]["greedy"]),
        "before": Evaluation.from_json(result["before"]["greedy"]),
        "control": Evaluation.from_json(control["before"]["greedy"]),
    }
    return {
        **figures(result),
        "control": {
            "updates": more,
            "cpu_seconds": control["cpu_seconds"],
            "success": asdict(found["control"].success),
            "reinforced minus control": asdict(paired_difference(found["after"], found["control"])),
            "control minus clone": asdict(paired_difference(found["control"], found["before"])),
        },
    }


def webshop(seed: int, runs: Path, data: str | None) -> dict[str, Any]:
    """Go on from one clone with two algorithms; measured on 200 tasks of test."""
    recipe = f"@{HERE / 'webshop.toml'}"
    folder = runs / "webshop-clone"
    cloned = finished([recipe, "--rollout.iterations", "0"], folder)
    start = [
        recipe,
        "--seed",
        str(seed),
        "--policy",
        str(folder / "policy"),
        "--clone.updates",
        "0",
    ]
    results = {
        name: finished([*start, "--algorithm", name], runs / f"webshop-{name}-s{seed}")
        for name in ("grpo", "gigpo")
    }
    after = {
        name: Evaluation.from_json(found["after"]["greedy"]) for name, found in results.items()
    }
    return {
        "clone": {"cpu_seconds": cloned["cpu_seconds"]},
        **{name: figures(found) for name, found in results.items()},
        "gigpo minus grpo": asdict(paired_difference(after["gigpo"], after["grpo"])),
    }


def language(seed: int, runs: Path, data: str | None) -> dict[str, Any]:
    """Train SmolLM2 by the recipe of `make train-llm`."""
    return figures(finished([*_LANGUAGE, "--seed", str(seed)], runs / f"language-s{seed}"))


def language_grpo(seed: int, runs: Path, data: str | None) -> dict[str, Any]:
    """The same with GRPO, whose clone is the same."""
    settings = [*_LANGUAGE, "--seed", str(seed), "--algorithm.name", "grpo"]
    return figures(finished(settings, runs / f"language_grpo-s{seed}"))


def finished(settings: list[str], folder: Path) -> dict[str, Any]:
    """Bring a run to its end, wherever it is, and return what `result.json` says."""
    config = TrainConfig.parse(parse_settings(settings, TrainConfig))
    try:
        run: Run = train(config, folder, Console(), resume=True)
        folder = run.folder
    except RunFinishedError:
        pass
    return dict(json.loads((folder / "result.json").read_text(encoding="utf-8")))


def figures(result: dict[str, Any]) -> dict[str, Any]:
    """Return the figures that are kept of a run."""
    kept = ("split", "panel", "success", "returns", "by_type", "turns", "invalid")
    return {
        "gain": result["gain"],
        "cpu_seconds": result["cpu_seconds"],
        "iteration": result["iteration"],
        **{
            when: {
                mode: {name: found[name] for name in kept} for mode, found in result[when].items()
            }
            for when in ("before", "after")
        },
    }


EXPERIMENTS = {
    "official": official,
    "generated": generated,
    "webshop": webshop,
    "language": language,
    "language_grpo": language_grpo,
}


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=EXPERIMENTS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", help="folder of the official games")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where runs are kept")
    known = parser.parse_args()
    results = HERE / f"{known.name}.jsonl"
    done = {line["seed"] for line in read_lines(results)}
    for seed in known.seeds:
        if seed in done:
            continue
        found = EXPERIMENTS[known.name](seed, known.runs, known.data)
        add_line(results, {"experiment": known.name, "seed": seed, **found})


if __name__ == "__main__":
    main()
