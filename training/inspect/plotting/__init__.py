"""Pictures of runs: learning curves and step groups."""
