"""LaMP-3's files in small: four users, of whom two and two read and want the same."""

import json

from lore_core.tools import draws

ASK = "which score ? review: "
READ = (["one", "two", "three", "four"], ["six", "seven", "eight", "nine"])
DIGITS = [str(digit) for digit in range(10)]
USERS, GROUP = ("ann", "bob", "cyd", "dan"), (0, 1, 0, 1)
LIKED = (READ[0][0], READ[1][1])


def review(source, group):
    """Three words that the group reads, and the score: 5 with the word that it likes, else 2."""
    words = [READ[group][int(place)] for place in draws.order(source, 4)[:3]]
    return " ".join(words), "5" if LIKED[group] in words[:1] else "2"


def files(folder, items=10, part="dev", with_outputs=True):
    """The questions, one of each user, and their outputs, as files; the folder."""
    source, questions, golds = draws.generator(0), [], []
    for row, (name, group) in enumerate(zip(USERS, GROUP, strict=True)):
        wrote = [review(source, group) for _ in range(items)]
        profile = [{"id": f"{row}{i}", "text": t, "score": s} for i, (t, s) in enumerate(wrote)]
        text, score = review(source, group)
        text += row * " ten"  # no two questions are of one length
        asked = {"id": f"q{row}", "user_id": name, "input": ASK + text, "profile": profile}
        questions.append(asked)
        golds.append({"id": f"q{row}", "output": score})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{part}_questions.json").write_text(json.dumps(questions))
    if with_outputs:
        content = {"task": "LaMP_3", "golds": golds}
        (folder / f"{part}_outputs.json").write_text(json.dumps(content))
    return folder
