"""A system call in the name of another process, within the bounds that it set itself: as who has taken it over would make it.

x86_64, by ptrace(2).
"""

import ctypes
import os
import signal

ATTACH, DETACH, STEP, GETREGS, SETREGS, PEEK = 16, 17, 9, 12, 13, 1
NAMES = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs"
         " gs").split()
SYSCALL = 0x050f


class Registers(ctypes.Structure):
    """struct user_regs_struct of sys/user.h."""
    _fields_ = [(name, ctypes.c_ulonglong) for name in NAMES]


def _ptrace(request, pid, address, data):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.restype = ctypes.c_long
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    ctypes.set_errno(0)
    result = libc.ptrace(request, pid, address, data)
    if result == -1 and ctypes.get_errno():
        raise OSError(ctypes.get_errno(), f"ptrace {request}: {os.strerror(ctypes.get_errno())}")
    return result


def system_calls(pid, calls):
    """What each of `calls`, (number, arguments...), returns in the first thread of `pid`, which waits in a call of its own:
    a negative number is an errno."""
    _ptrace(ATTACH, pid, None, None)
    try:
        os.waitpid(pid, 0x40000000)  # __WALL
        before = Registers()
        _ptrace(GETREGS, pid, None, ctypes.addressof(before))
        at = before.rip - 2
        if _ptrace(PEEK, pid, at, None) & 0xffff != SYSCALL:
            raise OSError("the thread does not wait in a system call")
        results = [_one(pid, before, at, call) for call in calls]
        _ptrace(SETREGS, pid, None, ctypes.addressof(before))
        return results
    finally:
        _ptrace(DETACH, pid, None, None)


def _one(pid, before, at, call):
    now = Registers.from_buffer_copy(before)
    # No call is to be begun again in the place of this one.
    now.rip, now.orig_rax, now.rax = at, 2 ** 64 - 1, call[0]
    for name, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), (*call[1:], 0, 0, 0, 0, 0, 0)):
        setattr(now, name, value)
    _ptrace(SETREGS, pid, None, ctypes.addressof(now))
    _ptrace(STEP, pid, None, None)
    _, status = os.waitpid(pid, 0x40000000)
    if not os.WIFSTOPPED(status) or os.WSTOPSIG(status) != signal.SIGTRAP:
        raise OSError(f"the thread did not come back from call {call}: status {status:#x}")
    _ptrace(GETREGS, pid, None, ctypes.addressof(now))
    return ctypes.c_longlong(now.rax).value
