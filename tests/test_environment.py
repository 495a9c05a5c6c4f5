"""pyproject.toml, requirements.lock, environment.yml and what is installed say the same.

So do the version, the addresses, and what is packed when the library is built.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distributions, packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import lore_core
from lore_core.datasets import shipped
from lore_core.tools import checksums

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CODE = sorted((ROOT / "lore_core").rglob("*.py"))
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
PYPI_NAME = {"matplotlib-base": "matplotlib"}  # where conda-forge calls it otherwise
LOCK_PLATFORM = default_environment() | {
    "python_version": "3.11",
    "python_full_version": "3.11.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
}
APART = {"cluster"}  # an extra that is installed by hand, where there is such a cluster
# torch's builds differ by index in the accelerator libraries they bring; those are not pinned here.
ACCELERATOR = re.compile(r"nvidia-|cuda-|triton")


def by_name(requirements):
    parsed = map(Requirement, requirements)
    return {canonicalize_name(r.name): r for r in parsed}


def specifiers(requirements):
    return {name: r.specifier for name, r in by_name(requirements).items()}


def project_requirements():
    extras = PROJECT["optional-dependencies"].items()
    lines = [line for name, extra in extras if name not in APART for line in extra]
    return PROJECT["dependencies"] + lines


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


def test_an_extra_apart_asks_for_nothing_that_the_lock_has():
    """So it adds to a pinned environment and cannot contradict it by itself."""
    asked = [line for name in APART for line in PROJECT["optional-dependencies"][name]]
    assert asked and not by_name(asked).keys() & locked().keys()


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


def imported(path):
    """Top-level names of what a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


def test_what_the_library_imports_is_declared():
    ours = sys.stdlib_module_names | {"lore_core"}
    modules = {name for path in CODE for name in imported(path)} - ours
    owners, declared = packages_distributions(), by_name(project_requirements())
    assert modules
    for module in modules:
        owner = {canonicalize_name(name) for name in owners.get(module, [module])}
        assert owner & declared.keys(), f"{module} is imported, and is not in pyproject.toml"


def test_two_extras_ask_for_a_package_in_the_same_words():
    asked = {}
    for line in project_requirements():
        asked.setdefault(canonicalize_name(Requirement(line).name), set()).add(line)
    assert {name: lines for name, lines in asked.items() if len(lines) > 1} == {}


def test_the_library_lets_its_user_choose_a_torch_and_the_lock_does_not():
    torch = specifiers(PROJECT["dependencies"])["torch"]
    assert {part.operator for part in torch} == {">="}
    assert locked()["torch"] in torch


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The library as it is packed, from a copy: a build leaves folders behind."""
    copy = tmp_path_factory.mktemp("project")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(
        ROOT / "lore_core", copy / "lore_core", ignore=shutil.ignore_patterns("__pycache__")
    )
    build = "from setuptools import build_meta; build_meta.build_wheel('.')"
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True)
    [path] = copy.glob("*.whl")
    return zipfile.ZipFile(path)


def test_every_room_is_packed_and_nothing_else(wheel):
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    others = "py.typed", "people/page.html.jinja", "datasets/shipped.sha256"
    files = [*CODE, *(ROOT / "lore_core" / name for name in others)]
    assert packed == {path.relative_to(ROOT).as_posix() for path in files}


LOAD = "from lore_core.datasets import alpaca_eval; print(len(alpaca_eval.load()))"


def run_installed(wheel, folder, **variables):
    """Run LOAD with the unpacked wheel, far from the repository and without a network."""
    wheel.extractall(folder)
    nowhere = {f"{kind}_PROXY": "http://127.0.0.1:9" for kind in ("HTTP", "HTTPS")}
    environment = os.environ | nowhere | {"PYTHONPATH": str(folder), "LORE_CACHE": str(folder)}
    command = [sys.executable, "-c", LOAD]
    return subprocess.run(
        command, cwd=folder, env=environment | variables, capture_output=True, text=True
    )


def test_outside_the_repository_a_data_set_is_found_where_lore_data_says(wheel, tmp_path):
    found = run_installed(wheel, tmp_path, LORE_DATA=str(ROOT / "data"))
    assert found.stdout == "6440\n", found.stderr


def test_outside_the_repository_and_without_a_network_an_error_says_what_to_do(wheel, tmp_path):
    found = run_installed(wheel, tmp_path)
    assert found.returncode != 0
    assert "alpaca_eval.safetensors is not part of the installed package" in found.stderr
    assert "in the variable LORE_DATA" in found.stderr


def test_the_checksums_in_the_package_are_those_of_the_committed_files():
    sums = checksums.read_sums(shipped.SUMS)
    kinds = ("alpaca_eval", "rating", "shifts")
    found = [path for kind in kinds for path in (ROOT / "data").glob(f"{kind}*.sha256")]
    assert {path.name for path in found} - sums.keys() == {"alpaca_eval.source.sha256"}, (
        "which only the build reads"
    )
    for name, digest in sums.items():
        assert checksums.sha256((ROOT / "data" / name).read_bytes()) == digest, name


def test_the_version_is_the_one_in_the_code(wheel):
    [metadata] = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    assert f"\nVersion: {lore_core.__version__}\n" in wheel.read(metadata).decode()


def test_changelog_and_citation_know_the_version():
    """What is cited is the newest release; above it the changelog may gather the next one."""
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    version = Version(lore_core.__version__)
    if version.is_devrelease:
        assert headings.pop(0) == f"{version.base_version} (not released)"
    else:
        assert cited["version"] == str(version)
    assert headings[0] == f"{cited['version']} ({cited['date-released']})"


REPOSITORY = re.compile(
    r"(?:github\.com|research\.google\.com/github|binder\.org/v2/gh)/([\w-]+/[\w-]+)"
)
NEIGHBOURS = {"facebookresearch/LoRe", "tatsu-lab/alpaca_eval"}


def addressed():
    """{page: repositories on GitHub that it points to}, of the pages that are not code."""
    pages = [ROOT / "pyproject.toml", ROOT / "CITATION.cff", *ROOT.glob("*.md")]
    pages += [path for path in (ROOT / ".github").rglob("*") if path.is_file()]
    found = {path.name: set(REPOSITORY.findall(path.read_text())) for path in pages}
    return {name: repositories for name, repositories in found.items() if repositories}


def test_every_page_gives_the_same_address_for_this_project():
    """Another project that is linked to belongs into NEIGHBOURS; ours moves in one command."""
    home = PROJECT["urls"]["Repository"].removeprefix("https://github.com/")
    for page, repositories in addressed().items():
        assert repositories <= NEIGHBOURS | {home}, page
    assert {"README.md", "CONTRIBUTING.md", "CITATION.cff", "config.yml"} <= addressed().keys()


def test_the_project_s_links_start_at_its_address():
    links = PROJECT["urls"]
    assert links.keys() == {"Homepage", "Documentation", "Repository", "Issues", "Changelog"}
    assert [link for link in links.values() if not link.startswith(links["Repository"])] == []


def test_the_workflow_runs_the_pythons_that_are_named():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == named
