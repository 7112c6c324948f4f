"""Every folder at the top level is a subpackage of `anchorgym`: found, not listed by hand."""

from setuptools import find_packages, setup

FOLDERS = ("agents", "assets", "envs", "gigpo", "training")

setup(
    packages=[
        name
        for folder in FOLDERS
        for name in (
            f"anchorgym.{folder}",
            *(f"anchorgym.{folder}.{inner}" for inner in find_packages(folder)),
        )
    ],
    package_dir={f"anchorgym.{folder}": folder for folder in FOLDERS},
)
