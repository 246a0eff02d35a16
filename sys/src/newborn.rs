//! The child's side of a start: what it is told, and its way from clone to exec.
//!
//! It runs in its parent's memory, on a small stack of its own. Raw system calls only, nothing that allocates, panics or
//! sets an errno: see `spawn.rs` for why.

use crate::raw;
use crate::spawn::{MOST_FDS, Stage, TRAY_END};
use std::sync::atomic::{AtomicU32, Ordering};

/// What the child reads, and the two words it writes.
pub(crate) struct Plan {
    pub(crate) procs: *const libc::c_char,
    pub(crate) directory: *const libc::c_char,
    pub(crate) file: *const libc::c_char,
    pub(crate) arguments: *const *const libc::c_char,
    pub(crate) environment: *const *const libc::c_char,
    pub(crate) descriptors: [(i32, i32); MOST_FDS],
    pub(crate) descriptor_count: usize,
    pub(crate) session: bool,
    pub(crate) ignore_sigpipe: bool,
    pub(crate) limit: libc::rlimit,
    pub(crate) mask: u64,
    pub(crate) stage: AtomicU32,
    pub(crate) errno: AtomicU32,
}

/// The child's way from clone to exec. Raw calls only: no errno, no allocation, nothing that could panic.
pub(crate) unsafe extern "C" fn child(plan: usize) -> ! {
    let plan = plan as *const Plan;
    // SAFETY: the parent keeps the plan in place until the kernel clears the slot's word, which it does
    // when this process leaves the shared memory (by exec or by exit).
    unsafe {
        let plan = &*plan;
        plan.stage.store(Stage::Descriptors as u32, Ordering::Release);
        let unshare = [TRAY_END as usize, u32::MAX as usize, libc::CLOSE_RANGE_UNSHARE as usize, 0, 0];
        if raw::call(libc::SYS_close_range, unshare) < 0 {
            // before 5.9, or filtered: copy the whole table; close-on-exec does the rest
            let result = raw::call(libc::SYS_unshare, [libc::CLONE_FILES as usize, 0, 0, 0, 0]);
            quit_unless(plan, result);
        }
        let mut n = 0;
        while n < plan.descriptor_count && n < MOST_FDS {
            let (from, to) = *(&raw const plan.descriptors).cast::<(i32, i32)>().add(n);
            quit_unless(plan, duplicate(from, to));
            n = n.wrapping_add(1);
        }
        if !plan.procs.is_null() {
            plan.stage.store(Stage::Cgroup as u32, Ordering::Release);
            quit_unless(plan, enter(plan.procs));
        }
        if plan.session {
            // fails only for a group leader, which a new process is not
            raw::call(libc::SYS_setsid, [0; 5]);
        }
        plan.stage.store(Stage::Directory as u32, Ordering::Release);
        quit_unless(plan, raw::call(libc::SYS_chdir, [plan.directory as usize, 0, 0, 0, 0]));
        restore(plan);
        plan.stage.store(Stage::Exec as u32, Ordering::Release);
        let exec = [plan.file as usize, plan.arguments as usize, plan.environment as usize, 0, 0];
        quit_unless(plan, raw::call(libc::SYS_execve, exec));
        leave()
    }
}

/// # Safety
/// Only in the child.
unsafe fn duplicate(from: i32, to: i32) -> isize {
    // SAFETY: integers only; the table is the child's own by now.
    unsafe {
        if from == to {
            // it would keep its close-on-exec flag otherwise
            return raw::call(libc::SYS_fcntl, [to as usize, libc::F_SETFD as usize, 0, 0, 0]);
        }
        raw::call(libc::SYS_dup3, [from as usize, to as usize, 0, 0, 0])
    }
}

/// # Safety
/// Only in the child; `procs` is a valid C string.
unsafe fn enter(procs: *const libc::c_char) -> isize {
    let flags = (libc::O_WRONLY | libc::O_CLOEXEC) as usize;
    // SAFETY: the path and the one byte written are valid.
    unsafe {
        let fd = raw::call(libc::SYS_openat, [libc::AT_FDCWD as usize, procs as usize, flags, 0, 0]);
        if fd < 0 {
            return fd;
        }
        // "0" is the writer itself
        let zero = b'0';
        let result = raw::call(libc::SYS_write, [fd as usize, (&raw const zero) as usize, 1, 0, 0]);
        raw::call(libc::SYS_close, [fd as usize, 0, 0, 0, 0]);
        result
    }
}

/// Signal dispositions, mask and descriptor limit as svscan was started with.
///
/// # Safety
/// Only in the child.
unsafe fn restore(plan: &Plan) {
    // The kernel's sigaction: handler, flags, restorer (x86-64), mask. Zero is SIG_DFL, one is SIG_IGN.
    let action: [u64; 4] = [u64::from(plan.ignore_sigpipe), 0, 0, 0];
    let limit = &raw const plan.limit as usize;
    let mask = &raw const plan.mask as usize;
    let how = libc::SIG_SETMASK as usize;
    // SAFETY: the handlers are this process's own (no CLONE_SIGHAND); all pointers are into the plan or our
    // stack, of the sizes named. None of these can fail in a way that matters: the limit is only lowered.
    unsafe {
        let pipe = [libc::SIGPIPE as usize, (&raw const action) as usize, 0, 8, 0];
        raw::call(libc::SYS_rt_sigaction, pipe);
        raw::call(libc::SYS_prlimit64, [0, libc::RLIMIT_NOFILE as usize, limit, 0, 0]);
        raw::call(libc::SYS_rt_sigprocmask, [how, mask, 0, 8, 0]);
    }
}

/// # Safety
/// Only in the child.
unsafe fn quit_unless(plan: &Plan, result: isize) {
    if result < 0 {
        plan.errno.store(result.wrapping_neg() as u32, Ordering::Release);
        // SAFETY: we are the child.
        unsafe { leave() }
    }
}

/// # Safety
/// Only in the child.
unsafe fn leave() -> ! {
    // daemontools' exit code for a run that can't be started
    // SAFETY: does not return; only this process ends.
    unsafe { raw::call(libc::SYS_exit_group, [111, 0, 0, 0, 0]) };
    loop {
        std::hint::spin_loop();
    }
}
