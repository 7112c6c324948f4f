"""Inspection of runs: recorded episodes, their replay, and pages that show a run."""
