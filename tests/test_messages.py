"""The dialect of errors: ``argument: got X; expected Y; fix: Z`` in every message of the source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import rashin

SOURCE = Path(rashin.__file__).parent
NAMED = re.compile(r"[^;]+?: got .+; expected .+", re.DOTALL)
NAMED_BY_OPTION = re.compile(r"got .+; expected .+", re.DOTALL)  # the command line puts the option before it
EXCEPTIONS = {
    "{}: {}": "adds a place to a message, or the other way round",
    "{}, {}": "adds a place to a message; or a type, which whoever catches it says was got",
    "{}, {}: {}; expected one column for each class": "adds a place to the next one",
    "got columns that name one class twice, {}": "gets its place from the one before",
    "{} ({})": "a type, which whoever catches it says was got",
    "it is {} bytes long": "stands in the parentheses of a message",
    "it ends too early": "stands in the parentheses of a message",
    "it is not a call": "stands in the parentheses of a message",
    "packed as NumPy never does": "stands in the parentheses of a message",
    "{}; fix: remove a damaged copy, and it is downloaded again; path= loads data of your own": "adds a remedy",
    "module {} has no attribute {}": "Python's words for a name that a module lacks",
    "module {} has no attribute {}{}": "Python's words for a name that a module lacks",
    "rashin.dialects.{} has no {}{}": "a name that a module lacks",
    "{} needs {}, which {} {}; fix: {}": "an optional package: nothing was passed",
    "{}: has no axis: it compares element by element": "a loss without the method: no value would do",
    "{}: has no hessian_vector_product: its formula of whole rows gives the diagonal of the Hessian only; fix: use "
    "hessian, or make the loss with product=..., or with separable=True if it is a sum over the classes": "a loss "
    "without the method",
    "inputs: row {} and row {} of the classifier give the logit nan, since infinities meet there (or products beyond "
    "{}); expected rows whose product is a number; fix: replace what is infinite{}": "two arguments, each fine",
    "{} is an instruction of compiled code; it cannot be called from Python": "cannot happen to a user",
    "a row that was refused is refused again": "cannot happen",
    "a loss that JAX could not compute could be computed again": "cannot happen",
}


def text_of(node, names):
    """The text of an expression, with {} for what is filled in; None if it holds a message made elsewhere."""
    if isinstance(node, ast.Name):
        return text_of(names[node.id], names) if node.id in names else None
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


def errors(tree):
    """(line, class, its arguments, texts by local name) of each error that is made."""
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        names = {
            node.targets[0].id: node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(function):
            if isinstance(node, ast.Call):
                made = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if made.endswith(("Error", "BadParameter", "BadZipFile")) or made in ("kind", "Refusal", "Diverged"):
                    yield node.lineno, made, node.args, names


@pytest.fixture(scope="module")
def messages():
    """The texts of each error; reading the whole package takes seconds, which every process would spend at import."""
    return {
        (path.relative_to(SOURCE).as_posix(), line, made): [text_of(argument, names) for argument in arguments]
        for path in sorted(SOURCE.rglob("*.py"))
        for line, made, arguments, names in errors(ast.parse(path.read_text(encoding="utf-8")))
    }


@pytest.fixture(scope="module")
def whole(messages):
    return {place: texts[0] for place, texts in messages.items() if place[2] != "Refusal" and texts and texts[0]}


def test_every_message_says_what_came_and_what_is_expected_after_a_name(whole):
    assert len(whole) > 250
    shapes = {place: NAMED_BY_OPTION if place[2] == "BadParameter" else NAMED for place in whole}
    wrong = {place: text for place, text in whole.items() if text not in EXCEPTIONS and not shapes[place].match(text)}
    assert not wrong


def test_the_parts_of_a_refusal_hold_no_words_that_it_adds(messages):
    parts = {place: texts for place, texts in messages.items() if place[2] == "Refusal"}
    assert len(parts) > 60
    added = re.compile(r"(got|expected|fix:)\b")
    assert not {place: texts for place, texts in parts.items() if any(text and added.match(text) for text in texts)}


def test_messages_are_one_line_without_a_full_stop(messages):
    texts = [text for texts in messages.values() for text in texts if text]
    assert not [text for text in texts if "\n" in text or re.search(r"[^.]\.$", text)]


@pytest.mark.parametrize("text", EXCEPTIONS)
def test_an_exception_is_still_one(text, whole):
    assert text in whole.values()
    assert not NAMED.match(text)
