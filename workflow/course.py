"""`make course`: run the lessons that changed, two at a time, and end with the table.

Everything is written to build/; nothing that is committed is touched.
"""

import fcntl
import re
import subprocess
import sys
from typing import IO

import receipts
import table

LOG = receipts.BUILD / "snakemake.log"


def enter(lock: IO) -> None:
    """Wait until no other run works in this folder."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Waiting for lessons of another `make course` that still run here.", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)


def forget_what_no_longer_stands() -> None:
    """A lesson whose figures were deleted or changed has to run again."""
    receipts.forget_killed_runs()
    for lesson in receipts.lessons():
        if receipts.read(lesson) is None:
            receipts.receipt(lesson).unlink(missing_ok=True)


def run(lock: IO, arguments: list[str], jobs: str) -> tuple[int, int]:
    """Snakemake's exit code and how many jobs it finished; `jobs` is the reader's word for them.

    The jobs speak to the reader. Snakemake speaks to its log; only its count is passed on.
    The lock is the standard input of every process started here, so it is let go when the last of
    them ends, however it ends, and there is no stale lock to remove.
    """
    command = [sys.executable, "-m", "snakemake", "--nolock", *arguments]
    finished = 0
    with (
        LOG.open("w") as log,
        subprocess.Popen(
            command, cwd=receipts.ROOT, stdin=lock, stderr=subprocess.PIPE, text=True
        ) as snakemake,
    ):
        for line in snakemake.stderr:
            log.write(line)
            if count := re.match(r"(\d+) of (\d+) steps", line):
                finished = int(count[1])
                print(f"  {finished} of {count[2]} {jobs}", flush=True)
    return snakemake.returncode, finished


def main() -> int:
    if not receipts.lessons():
        sys.exit("notebooks/ holds no lesson (NN_name.ipynb): is this a whole checkout?")
    receipts.BUILD.mkdir(exist_ok=True)
    with (receipts.BUILD / ".lock").open("a+") as lock:
        enter(lock)
        forget_what_no_longer_stands()
        targets = [f"build/{lesson}.json" for lesson in receipts.lessons()]
        code, finished = run(lock, targets, "lessons")
    if code == 0 and not finished:
        print("Nothing to be done: every lesson is up to date.")
    table.show()
    if code:
        account = LOG.read_text()
        if "Error in rule lesson" not in account:  # a failed lesson has spoken for itself
            print(f"\n{account}")
        print("\nNot every lesson is done. Snakemake's account is in build/snakemake.log.")
    return code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nStopped. What is done is kept; the same command goes on from here.")
