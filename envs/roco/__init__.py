"""RoCoBench's difficult variant as symbolic worlds: sweep floor, make sandwich, sort cubes.

Source: Mandi et al. (2023), arXiv 2307.04738; the levels are those of Zhang et al. (2024), arXiv
2405.14314. Robots agree on a plan each round; there is no physics, and what their motion planner
would refuse is refused by the rules.
"""
