"""Learning: from episodes to advantages, training rows and weight updates.

Episodes become a `TurnBatch` (`columns`), then advantages and training rows (`learner_batch`,
`rows`), with which a `Learner` (`contract`) updates the weights of a language model or a table.
Another learner clones demonstrations.
"""
