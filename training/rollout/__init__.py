"""Rollouts: how episodes are played.

types          starts, turns, episodes, matches
play           `rollout` and `play_matches`; `planning` for teams with a planner
episode_run    one episode as a pump: requests out, answers in, a joint turn
worlds, sides  what a run meets on both sides: any world, and who plays in it
drivers        pump many runs, and have engines answer
strategies     how the groups of an iteration are made; `group_sampler` draws their tasks
env_pool       environments of one kind; `fork_store` keeps what forks go on from
"""
