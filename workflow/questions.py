"""The full comparison of questions, one seed at a time, and its table.

questions.py SEED OUT              asks one seed's new users by every policy (some ten seconds)
questions.py table FILE RESULT...  writes the table of all seeds' results to a CSV file
"""

import sys

from lore_core.evaluation import question_rows

if __name__ == "__main__":
    what, out, *results = sys.argv[1:]
    if what == "table":
        question_rows.write(question_rows.table(list(map(question_rows.load, results))), out)
    else:
        question_rows.save(question_rows.reached(int(what)), out)
