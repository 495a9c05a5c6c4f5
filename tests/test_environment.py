"""pyproject.toml, requirements.lock, environment.yml and what is installed say the same."""

import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
PYPI_NAME = {"matplotlib-base": "matplotlib"}  # where conda-forge calls it otherwise
LOCK_PLATFORM = default_environment() | {
    "python_version": "3.11",
    "python_full_version": "3.11.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
}
# torch's builds differ by index in the accelerator libraries they bring; those are not pinned here.
ACCELERATOR = re.compile(r"nvidia-|cuda-|triton")


def by_name(requirements):
    parsed = map(Requirement, requirements)
    return {canonicalize_name(r.name): r for r in parsed}


def specifiers(requirements):
    return {name: r.specifier for name, r in by_name(requirements).items()}


def project_requirements():
    extras = PROJECT["optional-dependencies"].values()
    return PROJECT["dependencies"] + [line for extra in extras for line in extra]


def conda_requirements():
    """The conda list and its pip list as pip would write them; python, pip and `-e .` left out."""
    pip = next(item["pip"] for item in CONDA if isinstance(item, dict))
    conda = [item for item in CONDA if isinstance(item, str)]
    names = [re.sub(r"^[\w-]+", lambda m: PYPI_NAME.get(m[0], m[0]), item) for item in conda]
    return [r for r in names + pip if not re.match(r"(python|pip|-e)\b", r) and r != "-e ."]


def locked():
    """{name: version} of requirements.lock."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pins}


def installed():
    return {canonicalize_name(d.metadata["Name"]): d for d in distributions()}


def test_conda_road_asks_for_what_pyproject_asks_for():
    assert specifiers(conda_requirements()) == specifiers(project_requirements())


def test_conda_road_ends_with_the_project_itself():
    assert CONDA[-1]["pip"][-1] == "-e ."


def test_conda_python_is_one_the_project_supports():
    [python] = [item for item in CONDA if isinstance(item, str) and item.startswith("python=")]
    assert Version(python.removeprefix("python=")) in SpecifierSet(PROJECT["requires-python"])


def test_lock_satisfies_pyproject():
    pins = locked()
    for name, specifier in specifiers(project_requirements()).items():
        assert name in pins, f"{name} is in pyproject.toml, not in the lock: make lock"
        assert pins[name] in specifier, f"locked {name} {pins[name]} is not {specifier}: make lock"


def test_lock_is_closed():
    """What a locked package requires is locked too, so that pip chooses nothing by itself."""
    pins, here = locked(), installed()
    for name in pins.keys() & here.keys():
        for line in here[name].requires or []:
            needed = Requirement(line)
            if needed.marker and not needed.marker.evaluate(LOCK_PLATFORM | {"extra": ""}):
                continue
            if not ACCELERATOR.match(needed.name):
                assert canonicalize_name(needed.name) in pins, f"{name} needs {needed.name}"


def test_lock_holds_versions_only():
    """No address, path or local build: the lock means the same on every machine."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


def test_installed_packages_are_the_locked_ones():
    here = {name: Version(d.version).public for name, d in installed().items()}
    wanted = {name: version.public for name, version in locked().items()}
    assert {name: here.get(name) for name in wanted} == wanted
