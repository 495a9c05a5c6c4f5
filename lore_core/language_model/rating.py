"""A response and what it is asked to be rated by: a prompt that one token answers.

SmolLM2 writes " 5" as two tokens, a space and a digit. So the prompt ends with the space, and the
answer is one token: a digit, or a letter where labels have no order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lore_core.language_model.chat import rendered
from lore_core.language_model.messages import readable
from lore_core.tools import checks

LABELS = {"digits": tuple("12345"), "letters": tuple("ABCDEF")}
ASKED = "Rating: "  # where the assistant's answer begins
INSTRUCTION = 48  # tokens that are kept of an instruction
RESPONSE = 112  # and of a response
TEXT = "Instruction: {}\n\nResponse: {}"


def questions(
    tokenizer: Any,
    instructions: Sequence[str],
    responses: Sequence[str],
    instruction: int = INSTRUCTION,
    response: int = RESPONSE,
) -> list[list[int]]:
    """The tokens of each prompt; the answer's token comes next.

    Args:
        tokenizer: a fast one with a chat template.
        instructions, responses: n texts each.
        instruction, response: tokens that are kept of each; the rest is cut off.

    Raises:
        ValueError: there are not as many instructions as responses, or nothing is to be kept.
    """
    checks.same_length("instructions", instructions, "responses", responses)
    checks.whole_numbers(1, instruction=instruction, response=response)
    pairs = zip(
        beginnings(tokenizer, instructions, instruction),
        beginnings(tokenizer, responses, response),
        strict=True,
    )
    chats = [[{"role": "user", "content": TEXT.format(*pair)}] for pair in pairs]
    heads = [rendered(tokenizer, chat, add_generation_prompt=True) for chat in chats]
    return [tokenizer(head + ASKED, add_special_tokens=False).input_ids for head in heads]


def beginnings(tokenizer: Any, texts: Sequence[str], n: int) -> list[str]:
    """The first n tokens of each text, as text; a character is kept whole or not at all."""
    if not texts:
        return []
    clean = [readable(text) for text in texts]
    read = tokenizer(clean, add_special_tokens=False, return_offsets_mapping=True)
    ends = [max([end for _, end in places[:n]], default=0) for places in read.offset_mapping]
    return [text[:end] for text, end in zip(clean, ends, strict=True)]


def label_tokens(tokenizer: Any, labels: str) -> list[int]:
    """The token of each label, behind the space that the prompt ends with.

    Args:
        tokenizer: the model's.
        labels: one of LABELS.

    Raises:
        ValueError: there are no such labels, or the tokenizer needs several tokens for one.
    """
    checks.one_of("labels", labels, tuple(LABELS))
    found = tokenizer(list(LABELS[labels]), add_special_tokens=False).input_ids
    for label, ids in zip(LABELS[labels], found, strict=True):
        if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
            raise ValueError(
                f"{tokenizer.name_or_path!r} writes the label {label!r} as the tokens {ids}, "
                "expected one that stands for it alone; give a model that has such a token"
            )
    return [ids[0] for ids in found]
