"""Drivers, which advance many episodes and have engines answer their requests.

    lock_step     all episodes take their turns together, one batch an engine and turn
    module:Name   a class of your own that implements `Driver`

A class is called with all options in the section `driver` except its name.
"""

from __future__ import annotations

from collections.abc import Callable

from anchorgym.envs.errors import did_you_mean
from anchorgym.envs.plugins import PluginError, is_reference, load_object, require_methods
from anchorgym.training.config.general import DriverConfig
from anchorgym.training.config.section import ConfigError
from anchorgym.training.rollout.drivers.contract import Driver, Finished, SamplingRule
from anchorgym.training.rollout.drivers.lock_step import LockStepDriver

__all__ = ["Driver", "Finished", "LockStepDriver", "SamplingRule", "find_driver", "make_driver"]

_DRIVERS: dict[str, Callable[..., Driver]] = {"lock_step": LockStepDriver}


def find_driver(name: str) -> Callable[..., Driver]:
    """Return the class or function that makes a driver.

    Args:
        name: a name listed above, or `module:Name`.

    Raises:
        ConfigError: there is no driver of that name.
    """
    if name in _DRIVERS:
        return _DRIVERS[name]
    if not is_reference(name):
        raise ConfigError(
            f"driver.name: there is no driver {name!r}.{did_you_mean(name, _DRIVERS)} There is "
            f"{', '.join(_DRIVERS)}; one of your own is named as module:Name"
        )
    try:
        found = load_object(name, "a driver")
    except PluginError as error:
        raise ConfigError(f"driver.name: {error}") from error
    if not callable(found):
        raise ConfigError(
            f"driver.name: {name!r} is {found!r:.80}, not a class that makes a driver"
        )
    made: Callable[..., Driver] = found
    return made


def make_driver(config: DriverConfig) -> Driver:
    """Make the driver that a configuration names.

    Raises:
        ConfigError: there is no driver of that name, or it does not take these options.
    """
    make = find_driver(config.name)
    try:
        made = make(**config.options)
    except TypeError as error:
        raise ConfigError(f"driver: cannot make {config.name!r}: {error}") from error
    require_methods(made, ("play",), "a driver", f"driver.name: {config.name!r}")
    return made
