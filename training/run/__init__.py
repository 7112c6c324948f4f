"""Training runs: the job, its components, checkpoints, metrics and progress display."""
