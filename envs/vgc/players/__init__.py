"""Players that know the game by themselves: baselines, experts and opponents."""
