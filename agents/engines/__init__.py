"""Engines: who writes tokens. The contract, and the engine that runs a model in this process."""
