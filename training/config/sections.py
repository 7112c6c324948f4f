"""The settings of a training run, which are validated before anything starts."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from anchorgym.envs.errors import did_you_mean
from anchorgym.training.config.general import PolicyRunConfig
from anchorgym.training.config.limits import MOST_LAYERS, MOST_WIDTH
from anchorgym.training.config.lora import LoraConfig
from anchorgym.training.config.message_files import read_message
from anchorgym.training.config.section import Section

_ANCHOR = re.compile(r"state|observation|history:[1-9]\d{0,3}")
CLONE_UPDATES = 380
"""Default number of optimizer steps of cloning a new policy."""
LEAST_CONTEXT = 64
"""Least number of tokens of a context."""
MOST_EXAMPLES = 64
"""Most worked examples of a policy; equal to `anchorgym.agents.prompts.examples.MOST`."""
_CHAT = ("end_tokens", "system", "think", "tools", "template_file", "examples")
"""Prompt settings that only chat models have."""
Exploration = Literal["none", "episodic", "global", "product"]
"""Kinds of novelty bonus; equal to `anchorgym.gigpo.novelty.Novelty`."""
STRATEGIES = ("independent", "adaptive", "fork", "tree")
"""Names of the rollout strategies, beside the user's own."""


class EnvConfig(Section):
    """Environment to train on. Further keys are arguments of its own, such as `env.data`."""

    model_config = ConfigDict(
        extra="allow", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    id: str = "anchorgym/ALFWorld-v0"
    """Environment's id: namespace/Name-vN, or module:namespace/Name-vN for one that a module of
    yours registers."""
    split: str = "train"
    """Split of the environment's tasks to train on."""
    max_turns: int | None = Field(None, ge=1)
    """Turns after which an episode is cut; by default the environment's own limit."""

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the environment, without the split."""
        limit = {} if self.max_turns is None else {"max_turns": self.max_turns}
        return {**limit, **(self.model_extra or {})}


class PromptConfig(Section):
    """Prompts of language policies; what is not set stays as the policy was saved."""

    max_context: int = Field(1536, ge=LEAST_CONTEXT)
    """Longest context of prompt and responses, in tokens; an episode that outgrows it is cut."""
    max_response: int | None = Field(None, ge=1)
    """Longest response, in tokens; by default as many as the longest known action needs, and for a
    pretrained model 256, or 512 for one of a billion weights or more."""
    form: Literal["transcript", "window"] = "transcript"
    """Prompt before each response: the growing `transcript` of the episode, or a `window` of its
    last turns that is written anew each turn."""
    history: int = Field(2, ge=0)
    """Number of past turns that a window shows."""
    shows_actions: Literal["none", "new", "all"] = "none"
    """Admissible actions that the prompt lists: none, all, or only the new ones that the first turn
    of the episode did not offer."""
    constrained: bool = False
    """Whether decoding is constrained to admissible actions; training uses the same mask."""
    end_tokens: tuple[str, ...] = ()
    """Tokens that end a response of a chat model, beside those that the model, its tokenizer and
    its chat format name, such as `["<end_of_turn>"]`."""
    system: str = ""
    """System message of a chat model; by default that of its chat format, if it has one."""
    think: bool = True
    """Whether a chat model is asked to think before it acts, in `<think> </think>`."""
    tools: bool = False
    """Whether a chat model acts by calls of a tool, in the way in which it was trained to use
    tools, in place of `<action> </action>`."""
    template_file: str = ""
    """File with a template of a chat model's user messages, in Jinja's language, such as
    `{{ goal }} {{ observation }} {{ ask }}`; it may also place actions, history, turns, valid and
    reason. By default the messages are those of GiGPO."""
    examples: int = Field(0, ge=0, le=MOST_EXAMPLES)
    """Number of turns of play, of training tasks, that every conversation of a chat model begins
    with: in `train` that of `clone.teacher`, elsewhere that of the honest expert, or random play
    where there is none."""

    def prompt_changes(self) -> dict[str, Any]:
        """Return the prompt settings that were set explicitly, which override a saved policy's.

        The template of messages is read from its file. Worked examples are left out: they have to
        be played first.

        Raises:
            ConfigError: the file of the template cannot be read.
        """
        set_ = self.model_fields_set & PromptConfig.model_fields.keys()
        values = {name: getattr(self, name) for name in PromptConfig.model_fields if name in set_}
        changes = {name: value for name, value in values.items() if value is not None}
        changes.pop("examples", None)
        if "template_file" in changes:
            changes["message"] = read_message(changes.pop("template_file"))
        return changes

    def chat_changes(self) -> list[str]:
        """Return the names of settings for chat models alone that were set to other values."""
        usual = PromptConfig()
        return [name for name in _CHAT if getattr(self, name) != getattr(usual, name)]


class PolicyConfig(PromptConfig):
    """Policy to train: a small model built from nothing, or one that was saved before."""

    name: str = "tiny"
    """Policy to begin with: `tiny` (built and cloned from nothing), the folder of a saved policy or
    of a chat model in Hugging Face format, or `module:Name` for a loader of your own."""
    hidden: int = Field(128, ge=8, le=MOST_WIDTH)
    """Width of the hidden layers of a `tiny` policy."""
    layers: int = Field(3, ge=1, le=MOST_LAYERS)
    """Number of layers of a `tiny` policy."""
    heads: int = Field(4, ge=1, le=MOST_WIDTH)
    """Number of attention heads in each layer of a `tiny` policy."""
    kv_heads: int | None = Field(None, ge=1)
    """Number of key and value heads, which must divide `heads`; by default as many as `heads`."""
    feed_forward: int = Field(384, ge=8, le=MOST_WIDTH)
    """Width of the feed-forward layers of a `tiny` policy."""
    vocabulary_tasks: int = Field(600, ge=1)
    """Number of training tasks whose texts make up the vocabulary of a `tiny` policy."""

    @model_validator(mode="after")
    def _belongs_to_its_kind(self) -> Self:
        changes = self.chat_changes()
        if self.name == "tiny" and changes:
            raise ValueError(
                f"{', '.join(changes)} can be set of a chat model only, and `tiny` is built from "
                "nothing: name the folder of a chat model, or leave this out"
            )
        return self

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden must be a multiple of 2 * heads = {2 * self.heads}")
        if self.kv_heads is not None and self.heads % self.kv_heads:
            raise ValueError(f"kv_heads must divide heads = {self.heads}")
        return self


class CloneConfig(Section):
    """Behaviour cloning of the environment's expert before reinforcement learning begins."""

    updates: int | None = Field(None, ge=0)
    """Number of optimizer steps of cloning; by default 380 for a new policy and 0 for a loaded
    one."""
    teacher: Literal["auto", "expert", "full", "random"] = "auto"
    """Play that is cloned: that of the honest `expert`, which knows what the player has seen; of
    the `full` one, which knows everything; `random` play of admissible actions, which shows how
    actions are written and not which are good; or `auto`: the honest expert's if there is one."""
    batch: int = Field(8, ge=1)
    """Number of rows in each update of cloning: episodes with transcripts, turns with windows."""
    learning_rate: float = Field(2e-3, gt=0)
    """Learning rate of AdamW, which updates embeddings and norms; 5e-5 for a pretrained model, and
    5e-4 for adapters of one (LoRA)."""
    matrix_learning_rate: float = Field(0.02, ge=0)
    """Learning rate of Muon, which updates the weight matrices; 0, as for a pretrained model,
    leaves them to AdamW."""
    weight_decay: float = Field(0.05, ge=0)
    """Weight decay of AdamW and Muon; 0 for a pretrained model."""
    observation_weight: float = Field(0.3, ge=0)
    """Weight of the loss on predicting observations, beside the loss on actions; 0 for a pretrained
    model."""
    observation_share: float = Field(1.0, gt=0, le=1)
    """Share of observation tokens that are predicted, drawn anew in each update; less than 1 saves
    time where observations are long."""
    max_tokens: int | None = Field(None, ge=32)
    """Longest demonstration, in tokens; longer ones are left out. By default 448, or one and a half
    times the length of the expert's episodes where that is more."""
    noise: float = Field(0.15, ge=0, le=0.5)
    """Probability of a wrong action in a demonstration: a third of the episodes have none, a third
    have twice as many. Wrong actions stay in the transcript and are not imitated."""
    corrections: float = Field(0.4, ge=0, le=1)
    """Share of turns that the policy takes itself in corrected episodes (DAgger), which are a third
    of those imitated; 0 leaves them out."""
    corrections_from: float = Field(0.2, ge=0, le=1)
    """Share of the updates of cloning after which corrected episodes begin."""


class AlgorithmConfig(Section):
    """Algorithm that turns rewards into advantages. Further keys are options of its own, such as
    `algorithm.step_weight`; `anchorgym algorithms NAME` lists them."""

    model_config = ConfigDict(
        extra="allow", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    name: str = "gigpo"
    """Algorithm's name, as `anchorgym algorithms` lists them, or `module:Class` for one of your
    own."""
    anchor: str = "state"
    """Key that turns are grouped by: `state` (the environment's state), `observation` (the text
    that was shown), or `history:k` (the last k texts)."""
    exploration: Exploration = "none"
    """Bonus beside the reward for rarely visited states: `episodic` counts visits in the episode,
    `global` those in the whole run, `product` multiplies both. States are those of `anchor`."""
    exploration_coef: float = Field(0.1, ge=0)
    """Weight of the exploration bonus, which is at most 1 in each turn."""
    kl_coef: float = Field(0.0, ge=0)
    """Weight of the divergence from the policy at the start of training; any value above 0 costs a
    second forward pass. For a pretrained model the algorithm's own value, .01 in GiGPO."""

    @field_validator("anchor")
    @classmethod
    def _is_a_key(cls, value: str) -> str:
        if not _ANCHOR.fullmatch(value):
            raise ValueError("must be state, observation, or history:k with k from 1 to 9999")
        return value

    @property
    def options(self) -> dict[str, Any]:
        """Options of the algorithm's own, by name."""
        return {"kl_coef": self.kl_coef, **(self.model_extra or {})}


class RolloutConfig(Section):
    """Rollouts: each task of an iteration is played by a group of episodes."""

    iterations: int = Field(6, ge=0)
    """Number of iterations, each of which plays episodes and then updates the policy."""
    tasks: int = Field(16, ge=1)
    """Number of tasks that are played in each iteration."""
    group_size: int = Field(8, ge=2)
    """Number of episodes of each task, which are compared with each other."""
    temperature: float = Field(1.0, gt=0)
    """Temperature at which responses are sampled; a higher one explores more."""
    max_turns: int = Field(30, ge=1)
    """Turns after which a training episode is cut, where the environment's limit is not lower."""
    patience: int | None = Field(None, ge=1)
    """Invalid turns in a row after which a training episode is cut, so that no time is spent on a
    policy that repeats an invalid action; by default there is no such limit."""
    strategy: str = "independent"
    """Way in which groups are played. `independent` begins every episode at the task's start;
    `adaptive` does too, and plays tasks of uncertain success more often; `fork` plays `roots`
    episodes from the start, then `siblings` from states that `fork_from` picks; `tree` branches
    every `segment_turns` turns, as `branching` says. An algorithm that compares only whole episodes
    learns nothing from forks. `module:Name` is a strategy of your own."""
    roots: int = Field(4, ge=1)
    """Number of episodes of each task that begin at its start, with strategy `fork`."""
    siblings: int = Field(2, ge=1)
    """Number of episodes that begin in each picked state, with strategy `fork`."""
    fork_from: Literal["rarest", "uncertain"] = "rarest"
    """States that forks begin in: the `rarest`, which the fewest episodes of the group reached, or
    the `uncertain`, whose value is least certain."""
    branching: tuple[int, ...] = Field((4, 2, 2), min_length=2)
    """Number of branches at the task's start and at each later cut, with strategy `tree`."""
    segment_turns: int | None = Field(None, ge=1)
    """Turns between two cuts of a tree; by default the cuts divide `max_turns` evenly."""
    fork_turns: int | None = Field(None, ge=0)
    """Turns that the forks of an iteration may take; by default those of the episodes by which
    groups fall short of `group_size`, so that all strategies cost the same."""
    hints: Literal["off", "masked", "corrected"] = "off"
    """Use of the expert if every episode of a task scored nothing: the expert takes the first turns
    and the policy continues. The expert's turns are not trained on (`masked`), or are trained on
    with a corrected probability ratio (`corrected`)."""
    hint_episodes: int = Field(2, ge=1)
    """Number of hinted episodes of such a task, beyond those of its group."""
    hint_share: float = Field(0.5, gt=0, lt=1)
    """Share of the expert's solution that the expert plays in a hinted episode."""
    redraws: int = Field(3, ge=0)
    """Greatest number of rounds in which further tasks replace groups that the algorithm drops, as
    `dapo` and `ngrpo` do; the metrics show their cost."""
    record_every: int = Field(5, ge=0)
    """Iterations between two recordings of episodes, beside the first and the last iteration; 0
    records none."""
    record_groups: int = Field(4, ge=1)
    """Number of groups that are recorded in such an iteration."""

    @property
    def has_forks(self) -> bool:
        """Whether a built-in strategy forks episodes; the user's own declare it themselves."""
        return self.strategy in ("fork", "tree")

    @field_validator("strategy")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in STRATEGIES and ":" not in value:
            raise ValueError(
                f"there is no strategy of this name.{did_you_mean(value, STRATEGIES)} There are "
                f"{', '.join(STRATEGIES)}; one of your own is named as module:Name"
            )
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        first = self.roots if self.strategy == "fork" else self.branching[0]
        if self.has_forks and not 2 <= first <= self.group_size:
            name = "roots" if self.strategy == "fork" else "branching[0]"
            raise ValueError(f"{name} must be from 2 to group_size = {self.group_size}")
        if min(self.branching) < 1:
            raise ValueError("branching holds numbers of at least 1")
        return self


class LearnerConfig(Section):
    """Updates of the policy's weights from the episodes that were played."""

    name: str = Field("auto", pattern=r"^(auto|[^:]+:[^:]+)$")
    """`auto`, which fits the kind of policy, or `module:Name` of a learner of your own."""
    learning_rate: float = Field(3e-4, gt=0)
    """Highest learning rate of AdamW during the run; 2e-5 for a pretrained model, 1e-6 for one of a
    billion weights or more, and ten times these for adapters (LoRA)."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """Course of the learning rate after the warm-up; `linear` and `cosine` fall to its share
    `final` in the last iteration."""
    warmup: int = Field(0, ge=0)
    """Number of iterations over which the learning rate rises at first."""
    final: float = Field(0.1, ge=0, le=1)
    """Share of the highest learning rate that is left in the last iteration."""
    minibatch: int = Field(16, ge=1)
    """Number of episodes in each optimizer step."""
    epochs: int = Field(1, ge=1)
    """Number of passes over the episodes of an iteration."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Largest norm of the gradient; longer gradients are scaled down to it."""
    micro_tokens: int | None = Field(None, ge=1)
    """Most tokens of a forward and backward pass; a larger mini-batch is taken in parts, with the
    same gradient. By default as many as there is memory for."""
    recompute: bool | None = None
    """Whether layers are computed again in the backward pass, which takes a third more time and
    little memory (gradient checkpointing); by default for rows longer than `micro_tokens`."""
    packing: bool | None = None
    """Whether the rows of a pass are packed into one sequence without padding. A beginning that
    several of them share is then stored and computed once, if that saves a fifth or more; on a CPU,
    with heads of at least 64 units, that is the default."""
    correction: Literal["auto", "off", "token", "turn"] = "auto"
    """Correction of the difference between the log-probabilities of an engine and those of the
    learner: the loss of each `token`, or of each response (`turn`), is weighted with the ratio of
    its probabilities. `auto` is `token` for an engine with computations of its own, such as vLLM,
    which costs a further forward pass, and `off` for `torch`."""
    correction_cap: float = Field(2.0, ge=1)
    """Largest weight of a token in that correction."""
    correction_limit: float = Field(8.0, gt=1)
    """Ratio beyond which, or below whose inverse, tokens are left out of the loss as outliers."""


class EvaluationConfig(Section):
    """Evaluation of success, on held-out tasks if the environment has any."""

    split: str | None = None
    """Split of the evaluations before and after training; by default the first held-out split that
    the environment has of test, valid_unseen, valid_seen, valid and dev."""
    tasks: int = Field(500, ge=1)
    """Greatest number of tasks of that split to measure on."""
    modes: tuple[Literal["greedy", "sampled"], ...] = Field(("greedy",), min_length=1)
    """Ways of playing those tasks: `greedy` takes the likeliest tokens, `sampled` draws them at
    temperature 1."""
    validation_split: str | None = None
    """Split of the validation during training, by which the best policy is chosen; by default
    another held-out split than `split`, or else training tasks that are set aside."""
    validation_tasks: int = Field(100, ge=1)
    """Greatest number of validation tasks; at most a quarter of the training tasks is set aside
    for them."""
    every: int = Field(6, ge=1)
    """Number of iterations between two validations."""


class TrainConfig(PolicyRunConfig):
    """Configuration of a run: clone the expert, improve by reinforcement learning, evaluate.

    `env`, `policy`, `engine`, `algorithm` and `driver` may be given by their id or name alone.
    """

    env: EnvConfig = EnvConfig()
    policy: PolicyConfig = PolicyConfig()
    lora: LoraConfig = LoraConfig()
    clone: CloneConfig = CloneConfig()
    algorithm: AlgorithmConfig = AlgorithmConfig()
    rollout: RolloutConfig = RolloutConfig()
    learner: LearnerConfig = LearnerConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @property
    def clone_updates(self) -> int:
        """Number of optimizer steps of cloning."""
        if self.clone.updates is not None:
            return self.clone.updates
        return CLONE_UPDATES if self.policy.name == "tiny" else 0

    @model_validator(mode="after")
    def _has_a_base(self) -> Self:
        self.lora.require_base(self.policy.name, new=("tiny",))
        return self
