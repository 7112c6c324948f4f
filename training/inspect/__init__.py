"""Inspection: recorded episodes, their replay, and the pages that show a run."""
