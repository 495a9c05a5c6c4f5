"""Formulas over numbers that lie somewhere: `lore.mean - one_reward.mean`, `min(lead[:].low) > 0`.

A formula is read, never run: it knows numbers, text, names, branches (`a["b"].c`, and `a[:]` for
all of them), + - * /, comparisons, and the functions below. Several numbers are reckoned with one
by one, and a comparison of several holds if it holds for all.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from places import step

ARITHMETIC: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
COMPARISONS: dict[type, tuple[str, Callable]] = {
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("≤", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: ("≥", operator.ge),
    ast.Eq: ("=", operator.eq),
    ast.NotEq: ("≠", operator.ne),
}
FUNCTIONS: dict[str, Callable] = {
    "abs": np.abs,
    "min": lambda *numbers: np.hstack(numbers).min(),
    "max": lambda *numbers: np.hstack(numbers).max(),
    "mean": lambda *numbers: np.hstack(numbers).mean(),
    "sum": lambda *numbers: np.hstack(numbers).sum(),
    "count": lambda numbers: len(np.hstack([numbers])),
}


class Several(list):
    """What `[:]` leads to. A further step goes into each."""


def value(formula: str, names: Mapping[str, Any]) -> Any:
    """What a formula comes to: a number, or whether a comparison holds.

    Raises:
        ValueError: it is no formula, it names what is not there, or it ends in a branch.
    """
    try:
        found = walk(parse(formula), names)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise ValueError(f"{formula}: {error}") from error
    if isinstance(found, dict | list) or np.ndim(found):
        raise ValueError(f"{formula} is not one number; name a leaf, or take min, max or mean")
    return found.item() if isinstance(found, np.generic) else found


def parse(formula: str) -> ast.expr:
    try:
        return ast.parse(formula.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"{formula!r} is no formula: {error.msg}") from error


def walk(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=constant):
            return constant
        case ast.Name(id=name):
            return step(names, name)
        case ast.Attribute(value=tree, attr=key):
            return into(walk(tree, names), key)
        case ast.Subscript(value=tree, slice=ast.Slice(lower=None, upper=None, step=None)):
            return all_of(walk(tree, names))
        case ast.Subscript(value=tree, slice=ast.Constant(value=key)):
            return into(walk(tree, names), key)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -reckon(operand, names)
        case ast.BinOp(op=op, left=left, right=right) if type(op) in ARITHMETIC:
            return ARITHMETIC[type(op)](reckon(left, names), reckon(right, names))
        case ast.Compare(ops=ops) if all(type(op) in COMPARISONS for op in ops):
            return compare(node, names)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](*[reckon(arg, names) for arg in args])
    raise ValueError(f"{ast.unparse(node)!r} is no part of a formula (workflow/formulas.py)")


def into(tree: Any, key: Any) -> Any:
    return Several(into(branch, key) for branch in tree) if several(tree) else step(tree, key)


def all_of(tree: Any) -> Several:
    if several(tree):
        return Several(leaf for branch in tree for leaf in all_of(branch))
    return Several(tree.values() if isinstance(tree, dict) else tree)


def several(tree: Any) -> bool:
    return isinstance(tree, Several)


def reckon(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """A number, text, or an array of several."""
    found = walk(node, names)
    if isinstance(found, dict):
        raise ValueError(f"{ast.unparse(node)} has branches {', '.join(map(repr, found))}")
    return np.asarray(found) if isinstance(found, list) else found


def compare(node: ast.Compare, names: Mapping[str, Any]) -> bool:
    """A chain such as a < b < c. Of several numbers it has to hold for each."""
    sides = [reckon(side, names) for side in (node.left, *node.comparators)]
    tests = [COMPARISONS[type(op)][1] for op in node.ops]
    chain = zip(tests, sides[:-1], sides[1:], strict=True)
    return all(np.all(test(left, right)) for test, left, right in chain)


def in_numbers(formula: str, names: Mapping[str, Any]) -> str:
    """What a formula comes to; a comparison with the numbers on its sides."""
    node = parse(formula)
    if not isinstance(node, ast.Compare):
        return words(value(formula, names))
    first, *others = [words(reckon(side, names)) for side in (node.left, *node.comparators)]
    signs = [COMPARISONS[type(op)][0] for op in node.ops]
    return " ".join([first, *(f"{s} {o}" for s, o in zip(signs, others, strict=True))])


def interval(formula: str, names: Mapping[str, Any]) -> tuple[float, float] | None:
    """The bounds beside a mean: `a.mean` lies between `a.low` and `a.high`, if they are there."""
    node = parse(formula)
    if not isinstance(node, ast.Attribute) or not node.attr.endswith("mean"):
        return None
    try:
        stem = ast.unparse(node).removesuffix("mean")
        return value(stem + "low", names), value(stem + "high", names)
    except ValueError:
        return None


def names_in(formula: str) -> set[str]:
    """The names that a formula stands on."""
    nodes = ast.walk(parse(formula))
    return {node.id for node in nodes if isinstance(node, ast.Name)} - FUNCTIONS.keys()


def words(found: Any) -> str:
    """A number with up to four decimals."""
    if np.ndim(found):
        return ", ".join(map(words, np.ravel(found)))
    if isinstance(found, str | bool | np.bool_):
        return str(found)
    if found and abs(found) < 1e-3:
        return f"{found:.2g}"
    return f"{found:,.4f}".rstrip("0").rstrip(".")
