"""Playing by hand in the terminal, alone or at the table of a world of several agents."""
