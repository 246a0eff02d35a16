//! The fold root: a process above a service to which all its orphans return.
//!
//! `foldroot FD FILE ARGV0 [ARGUMENT...]` becomes a subreaper, starts FILE as its child, writes what becomes of
//! its children to FD (see `sys/src/foldroot.rs` for the records), and exits 0 when the last of them is gone.
//!
//! One of these stands above every service that needs one, so it is as small as can be: no C library, no
//! heap, one page of stack. It holds no descriptor but FD, and no directory; all signals are blocked, and
//! nothing is passed on. A supervisor that has gone does not concern it.

#![no_std]
#![no_main]
// this program is nothing but system calls
#![allow(clippy::undocumented_unsafe_blocks)]

use core::mem::MaybeUninit;

#[cfg(target_arch = "x86_64")]
mod nr {
    pub const WRITE: usize = 1;
    pub const CLOSE: usize = 3;
    pub const RT_SIGACTION: usize = 13;
    pub const RT_SIGPROCMASK: usize = 14;
    pub const GETPID: usize = 39;
    pub const CLONE: usize = 56;
    pub const EXECVE: usize = 59;
    pub const FCNTL: usize = 72;
    pub const CHDIR: usize = 80;
    pub const SETSID: usize = 112;
    pub const GETSID: usize = 124;
    pub const PRCTL: usize = 157;
    pub const EXIT_GROUP: usize = 231;
    pub const WAITID: usize = 247;
    pub const PPOLL: usize = 271;
    pub const CLOSE_RANGE: usize = 436;
}

#[cfg(target_arch = "aarch64")]
mod nr {
    pub const FCNTL: usize = 25;
    pub const CHDIR: usize = 49;
    pub const CLOSE: usize = 57;
    pub const WRITE: usize = 64;
    pub const PPOLL: usize = 73;
    pub const EXIT_GROUP: usize = 94;
    pub const WAITID: usize = 95;
    pub const RT_SIGACTION: usize = 134;
    pub const RT_SIGPROCMASK: usize = 135;
    pub const GETSID: usize = 156;
    pub const SETSID: usize = 157;
    pub const PRCTL: usize = 167;
    pub const GETPID: usize = 172;
    pub const CLONE: usize = 220;
    pub const EXECVE: usize = 221;
    pub const CLOSE_RANGE: usize = 436;
}

#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {main}",
    "ud2",
    main = sym main,
);

#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, xzr",
    "mov x30, xzr",
    "mov x0, sp",
    "and sp, x0, #-16",
    "bl {main}",
    "brk #1",
    main = sym main,
);

#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn call(nr: usize, a: usize, b: usize, c: usize, d: usize, e: usize) -> isize {
    let result: isize;
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") nr as isize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
unsafe fn call(nr: usize, a: usize, b: usize, c: usize, d: usize, e: usize) -> isize {
    let result: isize;
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") nr,
            inlateout("x0") a as isize => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e,
            options(nostack),
        );
    }
    result
}

const EINTR: isize = -4;
const ECHILD: isize = -10;
const EAGAIN: isize = -11;

const SIGCHLD: usize = 17;
const SIG_SETMASK: usize = 2;
const SIGSET_SIZE: usize = 8;
/// handler, flags, restorer, mask; zeros are the default.
type Action = [u64; 4];

const STARTED: i32 = 1;
const FAILED: i32 = 2;
const ENDED: i32 = 3;
/// kind, pid, code, status
type Record = [i32; 4];

#[repr(C)]
struct PollFd {
    fd: i32,
    events: i16,
    revents: i16,
}

/// `stack` is what the kernel leaves to a new program: argc, argv..., 0, envp..., 0.
unsafe extern "C" fn main(stack: *const usize) -> ! {
    unsafe {
        let argc = *stack;
        let argv = stack.add(1);
        if argc < 4 {
            exit(100);
        }
        let fd = number(*argv.add(1) as *const u8);
        call(nr::PRCTL, 36 /* PR_SET_CHILD_SUBREAPER */, 1, 0, 0, 0);
        call(nr::PRCTL, 15 /* PR_SET_NAME */, c"foldroot".as_ptr() as usize, 0, 0, 0);
        call(nr::FCNTL, fd, 2 /* F_SETFD */, 1 /* FD_CLOEXEC */, 0, 0);

        // Everything is blocked here; and children must not vanish unreported because SIGCHLD is ignored.
        let (mut mask, all) = (0u64, !0u64);
        let (mut action, default): (Action, Action) = ([0; 4], [0; 4]);
        set_mask(&all, &mut mask);
        set_action(&default, &mut action);

        let leads = call(nr::GETSID, 0, 0, 0, 0, 0) == call(nr::GETPID, 0, 0, 0, 0, 0);
        let child = call(nr::CLONE, SIGCHLD, 0, 0, 0, 0);
        if child == 0 {
            let pid = call(nr::GETPID, 0, 0, 0, 0, 0) as i32;
            report(fd, &[STARTED, pid, 0, 0], true);
            if leads {
                // what the fold root was given, its child gets too
                call(nr::SETSID, 0, 0, 0, 0, 0);
            }
            set_action(&action, core::ptr::null_mut());
            set_mask(&mask, core::ptr::null_mut());
            let envp = argv.add(argc + 1);
            let error = call(nr::EXECVE, *argv.add(2), argv.add(3) as usize, envp as usize, 0, 0);
            report(fd, &[FAILED, pid, -error as i32, 0], true);
            exit(111);
        }
        if child < 0 {
            report(fd, &[FAILED, 0, -child as i32, 0], true);
            exit(111);
        }
        let_go(fd);
        reap(fd, child as i32)
    }
}

/// Keeps nothing of the service's: no pipe of its logger, no directory, no terminal.
unsafe fn let_go(fd: usize) {
    unsafe {
        call(nr::CHDIR, c"/".as_ptr() as usize, 0, 0, 0, 0);
        let below = fd == 0 || call(nr::CLOSE_RANGE, 0, fd - 1, 0, 0, 0) == 0;
        if !below || call(nr::CLOSE_RANGE, fd + 1, u32::MAX as usize, 0, 0, 0) != 0 {
            // before Linux 5.9: the low ones, which are all that a spawner gives
            let mut n = 0;
            while n < 64 {
                if n != fd {
                    call(nr::CLOSE, n, 0, 0, 0, 0);
                }
                n += 1;
            }
        }
    }
}

/// Reaps until there is no child left.
unsafe fn reap(fd: usize, leader: i32) -> ! {
    loop {
        // signo, errno, code, padding, pid, uid, status
        let mut info = MaybeUninit::<[i32; 32]>::uninit();
        let fields = info.as_mut_ptr().cast::<i32>();
        unsafe {
            let result = call(nr::WAITID, 0 /* P_ALL */, 0, fields as usize, 4 /* WEXITED */, 0);
            if result == ECHILD {
                exit(0);
            }
            if result == 0 {
                let (code, pid, status) = (*fields.add(2), *fields.add(4), *fields.add(6));
                // an orphan's end may be lost to a reader that is behind; the leader's may not
                report(fd, &[ENDED, pid, code, status], pid == leader);
            }
        }
    }
}

/// Writes one record: 16 bytes, so whole or not at all. A reader that has gone is not waited for.
unsafe fn report(fd: usize, record: &Record, must: bool) {
    loop {
        match unsafe { call(nr::WRITE, fd, record.as_ptr() as usize, size_of::<Record>(), 0, 0) } {
            EINTR => {}
            EAGAIN if must => {
                let mut poll = PollFd { fd: fd as i32, events: 4 /* POLLOUT */, revents: 0 };
                unsafe { call(nr::PPOLL, (&raw mut poll) as usize, 1, 0, 0, SIGSET_SIZE) };
            }
            _ => return,
        }
    }
}

unsafe fn set_mask(new: *const u64, old: *mut u64) {
    unsafe { call(nr::RT_SIGPROCMASK, SIG_SETMASK, new as usize, old as usize, SIGSET_SIZE, 0) };
}

unsafe fn set_action(new: *const Action, old: *mut Action) {
    unsafe { call(nr::RT_SIGACTION, SIGCHLD, new as usize, old as usize, SIGSET_SIZE, 0) };
}

/// A decimal number.
unsafe fn number(mut text: *const u8) -> usize {
    let mut value = 0usize;
    unsafe {
        while *text != 0 {
            value = value.wrapping_mul(10).wrapping_add((*text).wrapping_sub(b'0') as usize);
            text = text.add(1);
        }
    }
    value
}

unsafe fn exit(code: usize) -> ! {
    loop {
        unsafe { call(nr::EXIT_GROUP, code, 0, 0, 0, 0) };
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    unsafe { exit(112) }
}
