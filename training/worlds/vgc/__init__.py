"""Learning to battle: a policy over tokens, and populations of such policies."""
