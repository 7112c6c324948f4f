"""Playing by hand in the terminal, in single-agent and multi-agent worlds."""
