"""A way into compiled code for threads that are not Python's, which may come while the process ends."""

from __future__ import annotations

import atexit
import ctypes
import os
import time

from rashin.native.engine import ENTRY, Machine, host

__all__ = ["Doorway"]

# XLA's threads take subnormal numbers for 0, by bits in the processor's mode of arithmetic: to clear and to restore.
_MODES = {
    "x86_64": (
        "store i64 8064, ptr %plain\n  call void @llvm.x86.sse.stmxcsr(ptr %mode)\n"
        "  call void @llvm.x86.sse.ldmxcsr(ptr %plain)",
        "call void @llvm.x86.sse.ldmxcsr(ptr %mode)",
        "declare void @llvm.x86.sse.stmxcsr(ptr)\ndeclare void @llvm.x86.sse.ldmxcsr(ptr)",
    ),
    "aarch64": (
        "%before = call i64 @llvm.aarch64.get.fpcr()\n  call void @llvm.aarch64.set.fpcr(i64 0)",
        "call void @llvm.aarch64.set.fpcr(i64 %before)",
        "declare i64 @llvm.aarch64.get.fpcr()\ndeclare void @llvm.aarch64.set.fpcr(i64)",
    ),
}

_CODE = """
define i64 @{entry}(ptr %given) {{
  %mode = alloca i64
  %plain = alloca i64
  %block = alloca [3 x i64]
  %inside = atomicrmw add ptr inttoptr (i64 {inside} to ptr), i64 1 seq_cst
  %closed = load atomic i64, ptr inttoptr (i64 {closed} to ptr) seq_cst, align 8
  %open = icmp eq i64 %closed, 0
  br i1 %open, label %first, label %done
first:
  %number = ptrtoint ptr %given to i64
  %second = getelementptr i64, ptr %block, i64 1
  %third = getelementptr i64, ptr %block, i64 2
  store i64 0, ptr %block
  store i64 %number, ptr %second
  store i64 {argument}, ptr %third
  {change}
  %found = call i64 inttoptr (i64 {machine} to ptr)(ptr %block)
  %fine = icmp eq i64 %found, 0
  br i1 %fine, label %back, label %otherwise
otherwise:
  %other = call i64 inttoptr (i64 {otherwise} to ptr)(ptr %given)
  br label %back
back:
  %answer = phi i64 [ 0, %first ], [ %other, %otherwise ]
  {restore}
  br label %done
done:
  %result = phi i64 [ 0, %0 ], [ %answer, %back ]
  %outside = atomicrmw sub ptr inttoptr (i64 {inside} to ptr), i64 1 seq_cst
  ret i64 %result
}}
{declared}
"""


class Doorway:
    """A C function of one pointer, at ``address``, for whatever threads: it runs a kernel on the pointer and a number.

    It returns 0, or if the kernel finds anything, what a second C function of the pointer returns, which may be
    Python's. Subnormal numbers are numbers inside. It closes as Python ends, once all are out: from then on it returns
    0 at once, and nothing behind it is needed.
    """

    def __init__(self, machine: Machine, argument: int, otherwise: int) -> None:
        import llvmlite.binding as llvm

        target = host()
        processor = target.triple.partition("-")[0].replace("arm64", "aarch64")
        change, restore, declared = _MODES.get(processor, ("", "", ""))
        self._state = (ctypes.c_int64 * 2)()  # how many are inside, and whether it is closed
        inside = ctypes.addressof(self._state)
        module = llvm.parse_assembly(
            _CODE.format(
                entry=ENTRY, inside=inside, closed=inside + 8, argument=argument, machine=machine.address,
                otherwise=otherwise, change=change, restore=restore, declared=declared,
            )
        )  # fmt: skip
        code = target.create_target_machine(reloc="pic", codemodel="jitdefault").emit_object(module)
        self._behind, self._code, self._process = machine, Machine(code), os.getpid()
        self.address = self._code.address
        for needed in (self._state, self._code):  # also after Python has ended
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(needed))
        atexit.register(self.close)

    def close(self) -> None:
        """Wait for those inside, and let nobody in any more. A fork has none of the threads that were inside."""
        self._state[1] = 1
        while self._state[0] and os.getpid() == self._process:
            time.sleep(1e-4)
