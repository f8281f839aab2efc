"""Machine code in memory: objects are loaded by LLVM, and called by their addresses."""

from __future__ import annotations

import functools
from typing import Any

__all__ = ["ENTRY", "Machine", "host"]

ENTRY = "rashin_entry"  # the function of an object


@functools.cache
def host() -> Any:
    """LLVM's target for this process."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple()


class Machine:
    """The machine code of one object, as long as it is referred to."""

    def __init__(self, content: bytes) -> None:
        import llvmlite.binding as llvm

        # An engine of its own, which frees the code with the object; it becomes the owner of its target machine.
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), host().create_target_machine())
        engine.add_object_file(llvm.ObjectFileRef.from_data(content))
        engine.finalize_object()
        self._engine = engine
        self.content = content
        self.address: int = engine.get_function_address(ENTRY)
