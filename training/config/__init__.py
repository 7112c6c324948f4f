"""Settings: their sections, flags and files, and the folders of runs."""
