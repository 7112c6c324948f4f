"""Drivers: how the requests of many episodes meet engines."""
