"""Rollouts: playing episodes in environments.

types          starts, turns, episodes and matches
play           `rollout` and `play_matches`; `planning` for teams with a planner
episode_run    one episode as a state machine: requests out, answers in, a joint turn
worlds, sides  adapters of a run: `worlds` for environments, `sides` for policies and planners
drivers        advance many runs at a time, and have engines answer their requests
strategies     how the groups of an iteration are rolled out; `group_sampler` draws their tasks
env_pool       environments of one kind; `fork_store` keeps sessions and states for forks
"""
