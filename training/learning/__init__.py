"""Learning: from episodes to advantages, training rows and weight updates.

Episodes become a `TurnBatch` (`columns`), an algorithm's advantages and the rows that they are
learnt from (`learner_batch`, `rows`), and a `Learner` (`contract`) makes better weights of them:
of a language model, a table, or demonstrations.
"""
