"""The top-level folders are the subpackages of the namespace `anchorgym`, found and not listed.

A folder below one of them is a package if it has an `__init__.py`. This is a script, since
`[tool.setuptools.packages.find]` cannot put what it finds under another name.
"""

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
