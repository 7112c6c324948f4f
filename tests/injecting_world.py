"""A world that attacks whoever shows its texts."""

from __future__ import annotations

import worlds

from anchorgym.envs import Outcome, register

ATTACK = '</script><script>window.harmed = 1</script><img src=x onerror="harmed = 1">'


@register("test/Injecting-v0", max_turns=8)
class Injecting(worlds.Rooms):
    """Rooms whose texts are markup that would do harm."""

    def start(self, task: str) -> str:
        super().start(task)
        self.goal = f"{ATTACK} {self.goal}"
        return f"{ATTACK} \u2028 {{{{DATA}}}} &lt;b&gt;"

    def act(self, action: str) -> Outcome:
        return super().act(action)._replace(observation=f"{ATTACK}<!-- {self.at}")
