"""Compile `overcooked_layouts.json` from the kitchens of the reference package, overcooked 0.2.1.

    python assets/compile_layouts.py

Left out: kitchens for one cook or four, and `tutorial_3`, whose bonus is infinite.
"""

from __future__ import annotations

import ast
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

LEFT_OUT = {"tutorial_3"}
NAMES = {"counter_circuit": "counter_circuit_tomato", "counter_circuit_o_1order": "counter_circuit"}
"""Under `counter_circuit` the literature knows the kitchen of onions alone."""
TWINS = {"random0", "random3"}
"""The same kitchens as forced_coordination and counter_circuit."""
FACING = {(0, -1): "north", (0, 1): "south", (1, 0): "east", (-1, 0): "west"}


def main() -> None:
    """Write the file beside this script."""
    package = find_spec("overcooked")
    if package is None or package.origin is None:
        raise SystemExit("the reference is not installed: pip install overcooked==0.2.1")
    folder = Path(package.origin).parent / "data" / "layouts"
    layouts = {}
    for file in sorted(folder.glob("*.layout")):
        if file.stem in LEFT_OUT | TWINS:
            continue
        raw = ast.literal_eval(file.read_text())
        grid = [row.strip() for row in raw["grid"].split("\n")]
        if sorted(c for c in "".join(grid) if c.isdigit()) == ["1", "2"]:
            layouts[NAMES.get(file.stem, file.stem)] = _layout(file.stem, grid, raw)
    target = Path(__file__).with_name("overcooked_layouts.json")
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(layouts.items()))
    target.write_text(f"{{\n{lines}\n}}\n")


def _layout(name: str, grid: list[str], raw: dict[str, Any]) -> dict[str, Any]:
    orders = [_recipe(order["ingredients"]) for order in raw.get("start_all_orders", [])]
    rules: dict[str, Any] = {
        "orders": orders,
        "bonus": [_recipe(order["ingredients"]) for order in raw.get("start_bonus_orders", [])],
        "cooking": "auto" if orders and all(len(o) == 3 for o in orders) else "manual",
    }
    for what in ("value", "time"):
        if f"recipe_{what}s" in raw:
            rules[what] = dict(zip(orders, raw[f"recipe_{what}s"], strict=True))
        elif f"onion_{what}" in raw:
            rules[what] = {kind: raw[f"{kind}_{what}"] for kind in ("onion", "tomato")}
    layout: dict[str, Any] = {"reference": name, "grid": grid, "rules": rules}
    if "start_state" in raw:
        layout["start"] = _start(raw["start_state"])
    return layout


def _start(raw: dict[str, Any]) -> dict[str, Any]:
    cooks = [
        {"at": cook["position"], "facing": FACING[tuple(cook["orientation"])]}
        for cook in raw["players"]
    ]
    pots = [
        {"at": pot["position"], "recipe": _recipe([i["name"] for i in pot["_ingredients"]])}
        for pot in raw["objects"]
    ]
    return {"cooks": cooks, "pots": pots}


def _recipe(ingredients: list[str]) -> str:
    return "".join(sorted(name[0] for name in ingredients))


if __name__ == "__main__":
    main()
