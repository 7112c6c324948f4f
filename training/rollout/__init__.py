"""Rollouts: episodes, the environments they are played in, and the drivers that play them."""
