"""LaMP's tasks: what a question asks, what a profile's items hold, how answers are scored.

Source: LaMP (arXiv 2304.11406). Names of fields and labels are the files' own; the wording of what
a profile looks like in a prompt is ours.
"""

from dataclasses import dataclass

MOVIES = (
    "sci-fi",
    "based on a book",
    "comedy",
    "action",
    "twist ending",
    "dystopia",
    "dark comedy",
    "classic",
    "psychology",
    "fantasy",
    "romance",
    "thought-provoking",
    "social commentary",
    "violence",
    "true story",
)
NEWS = (
    "food & drink",
    "sports",
    "education",
    "parents",
    "religion",
    "travel",
    "business",
    "crime",
    "science & technology",
    "culture & arts",
    "entertainment",
    "politics",
    "women",
    "style & beauty",
    "healthy living",
)
TAGS, STARS, TEXT = "accuracy, macro F1", "MAE, RMSE", "ROUGE-1, ROUGE-L"


@dataclass(frozen=True)
class LampTask:
    """One task of LaMP.

    Args:
        name: as in the files of outputs.
        text: the long field of a profile's item.
        answer: the field that holds what its user made of it; none in LaMP-7.
        shown: an item in a prompt.
        ask: what a user's own items are asked, where their answers are learned; `mark` ends it.
        mark: what stands before the text in a question's input.
        scores: by what answers are scored.
        labels: all answers there are, or none.
        reposed: whether items lack what questions ask for, so that they are asked something else.
    """

    name: str
    text: str
    answer: str
    shown: str
    ask: str
    mark: str = ": "
    scores: str = TEXT
    labels: tuple[str, ...] = ()
    reposed: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """What every item of a profile has to hold."""
        return tuple(name for name in (self.text, self.answer) if name)


TASKS = {
    task.name: task
    for task in (
        LampTask(
            "LaMP_1",
            text="abstract",
            answer="title",
            shown='I wrote "{title}": {abstract}',
            ask="Write the abstract of a paper of this title: ",
            scores=TAGS,
            labels=("[1]", "[2]"),
            reposed=True,
        ),
        LampTask(
            "LaMP_2",
            text="description",
            answer="tag",
            shown='I gave the tag "{tag}" to the film: {description}',
            ask=f"Give this film one of the tags {', '.join(MOVIES)}. description: ",
            mark="description: ",
            scores=TAGS,
            labels=MOVIES,
        ),
        LampTask(
            "LaMP_2N",
            text="text",
            answer="category",
            shown='I put into the category "{category}" the article: {text}',
            ask=f"Put this article into one of the categories {', '.join(NEWS)}. article: ",
            mark="article: ",
            scores=TAGS,
            labels=NEWS,
        ),
        LampTask(
            "LaMP_3",
            text="text",
            answer="score",
            shown="I gave a score of {score} in the review: {text}",
            ask="Which score from 1 to 5 goes with this review? review: ",
            mark="review: ",
            scores=STARS,
            labels=("1", "2", "3", "4", "5"),
        ),
        LampTask(
            "LaMP_4",
            text="text",
            answer="title",
            shown='I wrote the headline "{title}" for the article: {text}',
            ask="Write a headline for this article: ",
        ),
        LampTask(
            "LaMP_5",
            text="abstract",
            answer="title",
            shown='I wrote the title "{title}" for the abstract: {abstract}',
            ask="Write a title for the paper with this abstract: ",
        ),
        LampTask(
            "LaMP_6",
            text="text",
            answer="title",
            shown='I wrote the subject "{title}" for the e-mail: {text}',
            ask="Write a subject for this e-mail: ",
        ),
        LampTask(
            "LaMP_7",
            text="text",
            answer="",
            shown="I wrote: {text}",
            ask="Go on with this message in the same voice: ",
            reposed=True,
        ),
    )
}


# As those call them who tune models for single users (OPPU, PerFit).
ALIASES = {"movie_tagging": "LaMP_2", "news_categorize": "LaMP_2N", "news_headline": "LaMP_4"}


def task_of(name: str) -> LampTask:
    """The task of a name; "LaMP-4", "LaMP_4" and "news_headline" are the same.

    Raises:
        ValueError: LaMP has no such task.
    """
    known = ALIASES.get(str(name), str(name)).replace("-", "_").lower()
    found = next((task for key, task in TASKS.items() if key.lower() == known), None)
    if found is None:
        raise ValueError(f"task is {name!r}, expected one of {', '.join(TASKS)}")
    return found
