"""The commands of `anchorgym overcooked`, a module each."""
