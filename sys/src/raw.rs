//! System calls that go past the C library.
//!
//! A child that shares its parent's memory must not touch the thread-local `errno`, so it cannot use
//! the library's wrappers. One instruction each; results are the kernel's: a negative errno on failure.

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!(
    "pinfold starts children by clone3 on a stack of their own; add this architecture's entry to sys/src/raw.rs"
);

/// One system call with up to five arguments.
///
/// # Safety
/// As for the call itself: pointers must be valid for what the kernel reads or writes.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) unsafe fn call(nr: libc::c_long, args: [usize; 5]) -> isize {
    let result: isize;
    // SAFETY: the x86-64 system call convention; rcx and r11 are the only registers it destroys.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") nr as isize => result,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2], in("r10") args[3], in("r8") args[4],
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// One system call with up to five arguments.
///
/// # Safety
/// As for the call itself: pointers must be valid for what the kernel reads or writes.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub(crate) unsafe fn call(nr: libc::c_long, args: [usize; 5]) -> isize {
    let result: isize;
    // SAFETY: the arm64 system call convention; only x0 is changed.
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") nr,
            inlateout("x0") args[0] as isize => result,
            in("x1") args[1], in("x2") args[2], in("x3") args[3], in("x4") args[4],
            options(nostack),
        );
    }
    result
}

/// A clone call whose child goes to `entry(argument)` on the stack that `args` name, and never returns here.
///
/// # Safety
/// `args` must describe a valid `clone3` (or `clone`) call with a stack of its own, aligned to 16 bytes;
/// `entry` must keep to raw calls and leave by `exit` or `execve`; all it reads must outlive it.
#[cfg(target_arch = "x86_64")]
#[inline(never)]
pub(crate) unsafe fn clone_to(
    nr: libc::c_long,
    args: [usize; 5],
    entry: unsafe extern "C" fn(usize) -> !,
    argument: usize,
) -> isize {
    let result: isize;
    // SAFETY: r12 and r13 survive the call in both processes; the child has a fresh stack (so `call`
    // keeps the alignment the ABI wants) and does not come back, so the parent's frame is untouched.
    unsafe {
        core::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") nr as isize => result,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2], in("r10") args[3], in("r8") args[4],
            in("r12") argument, in("r13") entry,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// A clone call whose child goes to `entry(argument)` on the stack that `args` name, and never returns here.
///
/// # Safety
/// `args` must describe a valid `clone3` (or `clone`) call with a stack of its own, aligned to 16 bytes;
/// `entry` must keep to raw calls and leave by `exit` or `execve`; all it reads must outlive it.
#[cfg(target_arch = "aarch64")]
#[inline(never)]
pub(crate) unsafe fn clone_to(
    nr: libc::c_long,
    args: [usize; 5],
    entry: unsafe extern "C" fn(usize) -> !,
    argument: usize,
) -> isize {
    let result: isize;
    // SAFETY: x9 and x10 survive the call in both processes; the child has a fresh stack and does not
    // come back, so the parent's frame is untouched.
    unsafe {
        core::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x30, xzr",
            "mov x0, x9",
            "blr x10",
            "brk 1",
            "2:",
            in("x8") nr,
            inlateout("x0") args[0] as isize => result,
            in("x1") args[1], in("x2") args[2], in("x3") args[3], in("x4") args[4],
            in("x9") argument, in("x10") entry,
        );
    }
    result
}
