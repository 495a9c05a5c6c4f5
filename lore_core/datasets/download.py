"""Files known by their SHA-256: fetched once, checked when read, written in one step."""

from pathlib import Path

from tqdm import tqdm

from lore_core.tools.checksums import inner, sha256, write


def fetch(base: str, folder, sums: dict[str, str], progress=True) -> None:
    """Bring files from `base + name` to `folder/name`; those already there and right are kept.

    Args:
        base: address of the folder, with a slash at its end.
        folder: where the files go.
        sums: {name: SHA-256} of the files wanted.
        progress: show a bar.

    Raises:
        OSError: no network or no such address; what came so far stays for the next call.
        ValueError: the address holds something else than expected.
    """
    missing = [inner(name) for name in sums if not _there(Path(folder, name), sums[name])]
    for name in tqdm(missing, desc="download", unit="file") if progress else missing:
        content = _get(base + name)
        if sha256(content) != sums[name]:
            raise ValueError(f"{base}{name}: SHA-256 is {sha256(content)}, expected {sums[name]}")
        write(Path(folder, name), content)


def _there(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path.read_bytes()) == digest


def _get(address: str) -> bytes:
    import requests

    try:
        answer = requests.get(address, timeout=60)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise OSError(
            f"cannot download {address}: {error}. Check the network and run it again "
            "(files already here are kept), or give a folder that holds the files with --source"
        ) from error
    return answer.content
