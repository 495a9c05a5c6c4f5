"""`make figures`: the full comparison, then the lessons that show its tables.

Arguments, such as seed=1 out=build/seed_1, change what profiles/full.yaml says; the lessons, which
show the committed tables, are then left alone.
"""

import sys

import course
import receipts

FULL = ["--snakefile", "workflow/full.smk", "--configfile", "profiles/full.yaml"]


def main(changes: list[str]) -> int:
    receipts.BUILD.mkdir(exist_ok=True)
    with (receipts.BUILD / ".lock").open("a+") as lock:
        course.enter(lock)
        print("Every method on every crowd: up to half an hour. What is done is kept.", flush=True)
        options = ["--config", *changes] if changes else []
        code, finished = course.run(lock, FULL + options, "results")
    if code:
        print(f"\n{course.LOG.read_text()}\nNot every result is there; the same command goes on.")
        return code
    if not finished:
        print("Nothing to be trained: every result is up to date.")
    return 0 if changes else course.main()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("\nStopped. What is done is kept; the same command goes on from here.")
