"""The full comparison of questions, seed by seed, and its table.

questions.py RESULT...             asks the new users of each seed; RESULT is named by it, such as
                                   build/questions/7.safetensors
questions.py --table FILE RESULT...  writes the table of all seeds' results to a CSV file
"""

import sys
from pathlib import Path

from lore_core.evaluation import question_rows

if __name__ == "__main__":
    if sys.argv[1] == "--table":
        table, *results = sys.argv[2:]
        question_rows.write(question_rows.table(list(map(question_rows.load, results))), table)
    else:
        for result in sys.argv[1:]:
            question_rows.save(question_rows.reached(int(Path(result).stem)), result)
