"""A custom call of XLA on small arrays: the sweep that it asks for, entered without Python.

A call carries a digest of all that it computes. For that digest the table has a plan: the block of words that the
sweep's machine code takes, in which the addresses of this call's arrays are missing.
"""

from __future__ import annotations

from rashin.kernels.pointwise import FINE
from rashin.native.kernel import DOUBLE, kernel
from rashin.native.language import doubles_at, enter, integers_at, labels_at, singles_at

__all__ = ["direct"]

LEFT = 1  # to be computed otherwise
PLAN = 14  # words of a plan

# What the words of a plan are. Buffers are numbered: arguments, then results, of which the last is room to work in.
MACHINE, BLOCK, WORDS, PATCHES, PATCH, BUFFERS, BATCH, MOVES = 0, 1, 2, 3, 4, 5, 6, 7
LABELS, LABELS_AT, VALUE, VALUES, VALUES_AT, SINGLE = 8, 9, 10, 11, 12, 13


def _plan(table: int, first: int, second: int) -> int:
    """Where the plan of this digest lies; 0 if there is none."""
    slots = integers_at(table, (1,))[0]
    mask = integers_at(slots, (1,))[0]
    place = first & mask
    while True:
        slot = integers_at(slots + 8 + 24 * place, (3,))
        if slot[2] == 0 or (slot[0] == first and slot[1] == second):
            return slot[2]
        place = (place + 1) & mask


def _data(arguments: int, count: int, results: int, buffer: int) -> int:
    """Where a buffer's numbers lie."""
    if buffer < count:
        return integers_at(integers_at(arguments + 8 * buffer, (1,))[0], (4,))[3]
    return integers_at(integers_at(results + 8 * (buffer - count), (1,))[0], (4,))[3]


@kernel("i8 i8", finds=True, elements=(DOUBLE,))
def direct(frame: int, table: int) -> tuple[int, int]:
    """Run the sweep for each loss of the batch; LEFT if there is no plan, or one of them finds something wrong.

    ``frame`` is where XLA's frame of the call lies, whose words are as its header ``xla/ffi/api/c_api.h`` has them.
    """
    call = integers_at(frame, (21,))
    if call[1] != 0 or call[17] != 2:
        return LEFT, 0
    digest = integers_at(integers_at(integers_at(call[20], (2,))[1], (3,))[2], (2,))
    where = _plan(table, digest[0], digest[1])
    if where == 0:
        return LEFT, 0
    plan = integers_at(where, (PLAN,))
    arguments, count, results = call[9], call[7], call[14]
    room = _data(arguments, count, results, plan[BUFFERS] - 1)
    block, words = integers_at(room, (plan[BLOCK],)), integers_at(plan[WORDS], (plan[BLOCK],))
    patches, moves = integers_at(plan[PATCH], (3 * plan[PATCHES],)), plan[MOVES]
    answers = doubles_at(room + plan[VALUES_AT], (max(plan[VALUES], 1),))
    for i in range(plan[BLOCK]):
        block[i] = words[i]
    for one in range(plan[BATCH]):
        moved = integers_at(moves + 8 * plan[BUFFERS] * one, (plan[BUFFERS],))
        for k in range(plan[PATCHES]):
            buffer = patches[3 * k + 1]
            block[patches[3 * k]] = _data(arguments, count, results, buffer) + moved[buffer] + patches[3 * k + 2]
        if plan[LABELS] > 0:
            labels = labels_at(_data(arguments, count, results, 1) + moved[1], (plan[LABELS],))
            whole = integers_at(room + plan[LABELS_AT], (plan[LABELS],))
            for i in range(plan[LABELS]):
                whole[i] = labels[i]
        if enter(plan[MACHINE], room) & 3 != FINE:
            return LEFT, 0
        if plan[VALUE] >= 0:
            if plan[VALUES] == 0 and answers[0] != answers[0]:
                return LEFT, 0
            start = _data(arguments, count, results, plan[VALUE]) + moved[plan[VALUE]]
            if plan[SINGLE] != 0:
                singles = singles_at(start, (answers.size,))
                for i in range(answers.size):
                    singles[i] = answers[i]
            else:
                doubles = doubles_at(start, (answers.size,))
                for i in range(answers.size):
                    doubles[i] = answers[i]
    return FINE, 0
