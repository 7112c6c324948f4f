"""Learning: from episodes to advantages, training rows and weight updates."""
