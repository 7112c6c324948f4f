"""Pictures of runs: learning curves and anchor groups."""
