"""Remedies for errors of an environment; the most common mistakes have one of their own."""

from __future__ import annotations

import re

from anchorgym.envs.core import TextEnv
from anchorgym.envs.errors import ContractError, OutcomeError

FIX_CRASH = "let nothing but anchorgym's own errors out, and those only where documented"
RETURN_OUTCOME = "act() returns an Outcome(observation, reward, terminated, reason)"
RETURN_JSON = (
    "save() returns JSON values: lists instead of sets, strings instead of tuples as keys, "
    "int(x) and float(x) of NumPy's numbers"
)
PASS_ON = "pass split, max_turns and render_mode on to TextEnv.__init__"
DERIVE = "derive the class from anchorgym.envs.TextEnv, and give it without wrappers"
FIX_CONSTRUCTOR = "mend the constructor, or give check_env the arguments that it needs"

WRONG_INFO = {
    "goal": "set self.goal to a string in start()",
    "anchor": "anchor() returns bytes, 16 of them by default",
    "admissible_actions": "return a tuple of strings from admissible_actions()",
    "reason": "let Outcome.reason be a string, empty for a valid action",
    "won": "return a bool from won()",
    "progress": "return a number in [0, 1] from progress()",
}
"""Remedies for info values of a wrong type, by the key."""

_SET_BY_TEXT_ENV = (
    *("split", "max_turns", "render_mode", "observation_space", "action_space"),
    *("_task", "_turn", "_observation"),
)
_NOT_JSON = re.compile(r"not JSON serializable|keys must be str, int|Circular reference")
_ABSTRACT = re.compile(r"abstract class .* abstract methods? (?P<names>.+)")
_ARGUMENTS = re.compile(r"__init__\(\) (got an unexpected keyword|takes \d+ positional)")


def crash_remedy(error: BaseException, default: str = FIX_CRASH) -> str:
    """Return what to do about an error that came out of a call."""
    if isinstance(error, OutcomeError):
        return RETURN_OUTCOME
    if isinstance(error, TypeError | ValueError) and _NOT_JSON.search(str(error)):
        return RETURN_JSON
    if (
        isinstance(error, AttributeError)
        and isinstance(error.obj, TextEnv)
        and error.name in _SET_BY_TEXT_ENV
    ):
        return f"call super().__init__ in the constructor, and {PASS_ON}"
    return default


def make_remedy(error: BaseException) -> str:
    """Return what to do about an error that came out of making an instance."""
    if isinstance(error, ContractError):
        return DERIVE
    if abstract := _ABSTRACT.search(str(error)):
        return f"implement {abstract['names']} as TextEnv describes"
    return PASS_ON if _ARGUMENTS.search(str(error)) else crash_remedy(error, FIX_CONSTRUCTOR)
