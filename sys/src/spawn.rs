//! Starting a program: born inside its cgroup, without stopping or copying the parent.
//!
//! The child shares the parent's memory and descriptor table until it execs (`CLONE_VM | CLONE_FILES`,
//! not `CLONE_VFORK`), runs on a small stack of its own, and leaves the table first thing
//! (`close_range` with `CLOSE_RANGE_UNSHARE`, which copies the low descriptors only). So the cost of a
//! start depends neither on how many descriptors nor on how much memory the supervisor has, a slow
//! exec holds up nobody, and the child's error arrives in memory: there is no error pipe.
//!
//! Descriptors for the child are put on the *tray*: numbers 3 to [`TRAY_END`], reserved at start, a few
//! for each slot. They are all the child inherits.

use crate::clock::boot_ticks;
use crate::newborn::{Plan, child};
use crate::process::{Identity, Pidfd};
use crate::{Errno, Fail, raw, startup};
use nix::sys::resource::{Resource, getrlimit};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where in its preparations a child failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Stage {
    /// It never ran an instruction: killed at birth.
    Birth = 0,
    /// Leaving the shared descriptor table.
    Descriptors = 1,
    /// Entering its cgroup by writing `cgroup.procs`.
    Cgroup = 2,
    /// Entering its working directory.
    Directory = 3,
    /// Executing the program.
    Exec = 4,
}

impl Stage {
    /// Every stage, at the place of its code.
    pub const ALL: [Stage; 5] =
        [Stage::Birth, Stage::Descriptors, Stage::Cgroup, Stage::Directory, Stage::Exec];

    /// What was being done, as a verb.
    pub fn doing(self) -> &'static str {
        match self {
            Stage::Birth => "start a process",
            Stage::Descriptors => "set up descriptors",
            Stage::Cgroup => "enter cgroup",
            Stage::Directory => "change to directory",
            Stage::Exec => "exec",
        }
    }
}

/// Why a child never became the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotStarted {
    /// How far it got.
    pub stage: Stage,
    /// The kernel's reason; 0 (`UnknownErrno`) if it was killed there, as always for [`Stage::Birth`].
    pub errno: Errno,
}

/// How a child gets into its cgroup.
pub enum Place<'a> {
    /// It stays in the parent's.
    Here,
    /// It is born inside this group (a cgroup v2 directory).
    Into(BorrowedFd<'a>),
    /// It writes itself into this `cgroup.procs` first thing.
    Writes(CString),
}

/// A program to start. All it needs is prepared here; the child allocates nothing.
pub struct Program {
    /// The file to execute, relative to `directory` if not absolute. No search of `PATH`.
    pub file: CString,
    /// Its arguments, the name first.
    pub arguments: Vec<CString>,
    /// Its environment, `NAME=VALUE`.
    pub environment: Vec<CString>,
    /// Its working directory.
    pub directory: CString,
    /// Whether it leads a session of its own.
    pub session: bool,
}

/// Descriptors for the child: (ours, its number). At most [`MOST_FDS`]; others are inherited only if
/// they are 0, 1 and 2.
pub type Descriptors<'a> = &'a [(BorrowedFd<'a>, i32)];

/// The most descriptors a child can be given.
pub const MOST_FDS: usize = 5;
const SLOTS: usize = 12;
/// One past the last number of the tray. At most 64, so that a child's table is the small one inside its task.
pub const TRAY_END: i32 = 3 + (SLOTS * MOST_FDS) as i32;
/// linux/sched.h; the C library's constant is too narrow to hold it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
/// For a child on its way to exec, which makes a dozen raw system calls: a debug build uses 904 bytes.
const STACK: usize = 4 * 1024;
/// How long a start waits for a slot when all are taken by children that have not got through exec, in ms.
const PATIENCE_MS: i64 = 100;

/// Everything that must stay in place until the child has left our memory.
struct Slot {
    /// Not zero while the child may still use this slot; the kernel clears it (CHILD_CLEARTID).
    busy: AtomicU32,
    pid: i32,
    plan: Plan,
    stack: Vec<u8>,
    kept: Option<Kept>,
}

/// What the plan points into: the program, the tables of its arguments and environment, and `cgroup.procs`.
type Kept = (Program, Vec<*const libc::c_char>, Vec<*const libc::c_char>, Option<CString>);

/// A child that was made. Whether it became the program is known when it ends: see [`Spawner::verdict`].
pub struct Child {
    /// Its pid.
    pub pid: i32,
    /// When it was made, as [`Identity`] has it; 0 if that could not be told.
    pub start: u64,
    /// A handle on it.
    pub pidfd: Pidfd,
}

impl Child {
    /// Who it is.
    pub fn identity(&self) -> Identity {
        Identity { pid: self.pid, start: self.start }
    }
}

/// The way children are made; the later ones are fallbacks for kernels and seccomp filters without the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// clone3, the parent goes on at once.
    Clone3,
    /// clone3 with CLONE_VFORK: the parent waits for the exec.
    Vfork,
    /// The older clone, with CLONE_VFORK; it cannot place the child into a cgroup.
    Clone,
}

/// Starts programs. One for a process.
#[expect(clippy::vec_box, reason = "a child knows its slot by address")]
pub struct Spawner {
    slots: Vec<Box<Slot>>,
    null: OwnedFd,
    failures: Vec<(i32, NotStarted)>,
    /// The way in use.
    pub way: Way,
    limit: libc::rlimit,
    /// Whether our clock tells when a child was made, which a first one has shown.
    clock_is_right: Option<bool>,
}

impl Spawner {
    /// Reserves the tray. Descriptors 3 to [`TRAY_END`] must be free or worthless: they are overwritten.
    ///
    /// Call before this process raises its own RLIMIT_NOFILE: children get the limit that is in force now.
    pub fn new() -> Result<Spawner, Fail> {
        let null = open_null().map_err(|e| Fail::io("open", std::path::Path::new("/dev/null"), &e))?;
        // the first descriptor is probably on the tray: it must be closed before the tray is laid
        let null = above_tray(OwnedFd::from(null).as_fd())?;
        let (soft, hard) =
            getrlimit(Resource::RLIMIT_NOFILE).map_err(|e| Fail::of("read the descriptor limit", e))?;
        let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
        let spawner = Spawner {
            slots: (0..SLOTS).map(|_| Slot::new()).collect(),
            null,
            failures: Vec::new(),
            way: Way::Clone3,
            limit,
            clock_is_right: None,
        };
        for number in 3..TRAY_END {
            spawner.put(&spawner.null, number)?;
        }
        Ok(spawner)
    }

    /// The descriptor limit that children are given: (soft, hard).
    pub fn child_limit(&self) -> (u64, u64) {
        (self.limit.rlim_cur, self.limit.rlim_max)
    }

    /// Says which descriptor limit children get, if it is not the one this process had at its start.
    pub fn set_child_limit(&mut self, soft: u64, hard: u64) {
        self.limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    }

    /// Starts `program`. Returns as soon as the process exists; `EAGAIN` also when [`SLOTS`] children are
    /// stuck before their exec (a dead network file system, say).
    pub fn spawn(
        &mut self,
        program: Program,
        place: &Place<'_>,
        fds: Descriptors<'_>,
    ) -> Result<Child, Errno> {
        if fds.len() > MOST_FDS {
            return Err(Errno::E2BIG);
        }
        let index = self.free_slot().ok_or(Errno::EAGAIN)?;
        let mut descriptors = [(0, 0); MOST_FDS];
        for (plan, ((fd, number), from)) in descriptors.iter_mut().zip(fds.iter().zip(on_tray(index, fds))) {
            self.put(fd, from).map_err(|fail| fail.errno)?;
            *plan = (from, *number);
        }
        let limit = self.limit;
        let way = self.way;
        let slot = &mut self.slots[index];
        slot.prepare(program, place, limit);
        slot.plan.descriptors = descriptors;
        slot.plan.descriptor_count = fds.len();
        let before = boot_ticks();
        let made = slot.clone_child(way, place);
        let after = boot_ticks();
        match made {
            Ok(child) => Ok(Child { start: self.start_of(child.pid, before, after), ..child }),
            Err(errno) => {
                slot.busy.store(0, Ordering::Release);
                self.release(index);
                Err(errno)
            }
        }
    }

    /// The start time of a child made between these two. One tick nearly always: then nothing has to be read, and no
    /// entry below `/proc` made that costs more when the child ends than it did to read.
    fn start_of(&mut self, pid: i32, before: u64, after: u64) -> u64 {
        if before == after && self.clock_is_right == Some(true) {
            return before;
        }
        let Some(who) = Identity::of(pid) else { return 0 };
        if before == after {
            self.clock_is_right.get_or_insert(who.start == before);
        }
        who.start
    }

    /// After the child has ended: why it never became the program, or `None` if it did.
    pub fn verdict(&mut self, pid: i32) -> Option<NotStarted> {
        self.reclaim();
        let found = self.failures.iter().position(|(who, _)| *who == pid)?;
        Some(self.failures.swap_remove(found).1)
    }

    /// Leaves `fd` open under `number`, which is on the tray, for the program that is about to take this one's
    /// place; or takes the number back.
    pub fn leave(&self, fd: Option<BorrowedFd<'_>>, number: i32) -> Result<(), Fail> {
        let Some(fd) = fd else { return self.put(&self.null, number) };
        self.put(&fd, number)?;
        // SAFETY: F_SETFD takes an integer, and the number is on the tray, which this type owns.
        let result = unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
        Errno::result(result).map(drop).map_err(|e| Fail::of("leave a descriptor open", e))
    }

    /// How many bytes of its stack any child has used so far, of how many.
    pub fn stack_used(&self) -> (usize, usize) {
        let untouched = |slot: &Slot| slot.stack.iter().take_while(|byte| **byte == 0).count();
        (self.slots.iter().map(|slot| STACK - untouched(slot)).max().unwrap_or(0), STACK)
    }

    /// Whether no child is on its way to its program: why it does not get there would be lost with this memory.
    pub fn is_idle(&mut self) -> bool {
        self.reclaim();
        self.slots.iter().all(|slot| slot.pid == 0)
    }

    /// Frees the slots of children that have left our memory, and closes what was on their trays.
    /// Cheap when there are none.
    pub fn reclaim(&mut self) {
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            if slot.pid != 0 && slot.busy.load(Ordering::Acquire) == 0 {
                self.release(index);
            }
        }
    }

    fn release(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        let stage = slot.plan.stage.load(Ordering::Acquire);
        let errno = slot.plan.errno.load(Ordering::Acquire) as i32;
        // A child that got through exec left `stage` at Exec and `errno` at 0. One that stopped before it
        // without an errno was killed.
        if slot.pid != 0 && (errno != 0 || stage != Stage::Exec as u32) {
            let stage = Stage::ALL[(stage as usize).min(Stage::ALL.len() - 1)];
            self.failures.push((slot.pid, NotStarted { stage, errno: Errno::from_raw(errno) }));
        }
        slot.pid = 0;
        slot.kept = None;
        let count = std::mem::take(&mut slot.plan.descriptor_count);
        let descriptors = slot.plan.descriptors;
        for (number, _) in descriptors.into_iter().take(count) {
            // cannot fail: the number is open and within our limit
            let _ = self.put(&self.null, number);
        }
    }

    fn free_slot(&mut self) -> Option<usize> {
        self.reclaim();
        let free = |slots: &[Box<Slot>]| slots.iter().position(|slot| slot.pid == 0);
        if let Some(index) = free(&self.slots) {
            return Some(index);
        }
        let deadline = crate::clock::monotonic_ms() as i64 + PATIENCE_MS;
        while crate::clock::monotonic_ms() as i64 <= deadline {
            // the children run in the order in which they were made, more or less: any slot will do
            for slot in &self.slots {
                slot.wait(PATIENCE_MS / SLOTS as i64);
                if slot.busy.load(Ordering::Acquire) == 0 {
                    break;
                }
            }
            self.reclaim();
            if let Some(index) = free(&self.slots) {
                return Some(index);
            }
        }
        None
    }

    fn put(&self, fd: &impl AsFd, number: i32) -> Result<(), Fail> {
        // SAFETY: `number` is on the tray, which this type owns; `fd` is open.
        let result = unsafe { libc::dup3(fd.as_fd().as_raw_fd(), number, libc::O_CLOEXEC) };
        Errno::result(result).map(drop).map_err(|e| Fail::of("put a descriptor on the tray", e))
    }
}

fn open_null() -> std::io::Result<std::fs::File> {
    std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")
}

/// Where on a slot's tray each descriptor goes. One whose number is on that tray is put right there, so that
/// the child never overwrites one that it has yet to place.
fn on_tray(index: usize, fds: Descriptors<'_>) -> impl Iterator<Item = i32> {
    let first = 3 + (index * MOST_FDS) as i32;
    let tray = first..first + MOST_FDS as i32;
    let wanted = |number: &i32| fds.iter().any(|(_, other)| other == number);
    let mut others = tray.clone().filter(move |number| !wanted(number));
    // as many others as there are descriptors that do not stay: the tray has room for all
    fds.iter().map(move |(_, number)| match tray.contains(number) {
        true => *number,
        false => others.next().unwrap_or(first),
    })
}

/// A duplicate of `fd` whose number is above the tray, close-on-exec.
pub fn above_tray(fd: BorrowedFd<'_>) -> Result<OwnedFd, Fail> {
    // SAFETY: F_DUPFD_CLOEXEC takes an integer and returns a new descriptor.
    let number = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, TRAY_END) };
    let number = Errno::result(number).map_err(|e| Fail::of("move a descriptor", e))?;
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// The same for one of our own, close-on-exec already: itself where it is there, as whatever was opened since
/// the tray was laid is.
pub fn lift(fd: OwnedFd) -> Result<OwnedFd, Fail> {
    if fd.as_raw_fd() >= TRAY_END { Ok(fd) } else { above_tray(fd.as_fd()) }
}

impl Slot {
    fn new() -> Box<Slot> {
        Box::new(Slot {
            busy: AtomicU32::new(0),
            pid: 0,
            plan: Plan {
                procs: std::ptr::null(),
                directory: std::ptr::null(),
                file: std::ptr::null(),
                arguments: std::ptr::null(),
                environment: std::ptr::null(),
                descriptors: [(0, 0); MOST_FDS],
                descriptor_count: 0,
                session: false,
                ignore_sigpipe: false,
                limit: libc::rlimit { rlim_cur: 0, rlim_max: 0 },
                mask: 0,
                stage: AtomicU32::new(0),
                errno: AtomicU32::new(0),
            },
            stack: vec![0; STACK],
            kept: None,
        })
    }

    fn prepare(&mut self, program: Program, place: &Place<'_>, limit: libc::rlimit) {
        let pointers = |strings: &[CString]| {
            strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>()
        };
        let (arguments, environment) = (pointers(&program.arguments), pointers(&program.environment));
        let procs = match place {
            Place::Writes(path) => Some(path.clone()),
            Place::Here | Place::Into(_) => None,
        };
        let plan = &mut self.plan;
        plan.procs = procs.as_ref().map_or(std::ptr::null(), |path| path.as_ptr());
        plan.directory = program.directory.as_ptr();
        plan.file = program.file.as_ptr();
        plan.arguments = arguments.as_ptr();
        plan.environment = environment.as_ptr();
        plan.session = program.session;
        plan.ignore_sigpipe = startup::sigpipe_ignored();
        plan.mask = kernel_mask();
        plan.limit = limit;
        plan.stage = AtomicU32::new(Stage::Birth as u32);
        plan.errno = AtomicU32::new(0);
        self.kept = Some((program, arguments, environment, procs));
    }

    fn clone_child(&mut self, way: Way, place: &Place<'_>) -> Result<Child, Errno> {
        let mut pidfd: i32 = -1;
        let busy = self.busy.as_ptr() as u64;
        let top = (self.stack.as_ptr() as usize + STACK) & !15;
        let bottom = (self.stack.as_ptr() as usize + 15) & !15;
        let mut flags = (libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_PIDFD) as u64;
        flags |= libc::CLONE_CHILD_CLEARTID as u64;
        if way != Way::Clone3 {
            flags |= libc::CLONE_VFORK as u64;
        }
        let mut cgroup = 0;
        if let Place::Into(group) = place {
            flags |= CLONE_INTO_CGROUP;
            cgroup = group.as_raw_fd() as u64;
        }
        let args = libc::clone_args {
            flags,
            pidfd: (&raw mut pidfd) as u64,
            child_tid: busy,
            parent_tid: 0,
            exit_signal: libc::SIGCHLD as u64,
            stack: bottom as u64,
            stack_size: (top - bottom) as u64,
            tls: 0,
            set_tid: 0,
            set_tid_size: 0,
            cgroup,
        };
        self.busy.store(1, Ordering::Release);
        let plan = (&raw mut self.plan) as usize;
        let result = if way == Way::Clone {
            if cgroup != 0 {
                return Err(Errno::ENOSYS);
            }
            let flags = flags as usize | libc::SIGCHLD as usize;
            let pidfd = (&raw mut pidfd) as usize;
            // argument 4 is child_tid on x86-64, and tls on arm64, where child_tid is argument 5
            let (four, five) =
                if cfg!(target_arch = "x86_64") { (busy as usize, 0) } else { (0, busy as usize) };
            // SAFETY: as below; the older call takes the top of the stack and, for CLONE_PIDFD, the place of
            // the descriptor as parent_tid.
            unsafe { raw::clone_to(libc::SYS_clone, [flags, top, pidfd, four, five], child, plan) }
        } else {
            let size = size_of::<libc::clone_args>();
            let args = (&raw const args) as usize;
            // SAFETY: the slot is boxed and not reused before the kernel has cleared `busy`, so the stack, the
            // plan and the strings it points to outlive the child's use of them; `child` makes raw calls only.
            unsafe { raw::clone_to(libc::SYS_clone3, [args, size, 0, 0, 0], child, plan) }
        };
        if result < 0 {
            return Err(Errno::from_raw(-result as i32));
        }
        self.pid = result as i32;
        // SAFETY: CLONE_PIDFD made this descriptor for us (the parent's table is its own again only in the
        // child; the number is put there before the child runs).
        let pidfd = Pidfd::from_owned(unsafe { OwnedFd::from_raw_fd(pidfd) });
        Ok(Child { pid: self.pid, start: 0, pidfd })
    }

    /// Waits at most `ms` for the child to leave our memory.
    fn wait(&self, ms: i64) {
        let timeout = libc::timespec { tv_sec: 0, tv_nsec: ms.max(1) * 1_000_000 };
        let busy = self.busy.load(Ordering::Acquire);
        if busy == 0 {
            return;
        }
        let word = self.busy.as_ptr();
        // SAFETY: the word lives in a boxed slot; FUTEX_WAIT only reads it and the timeout.
        unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT, busy, &raw const timeout) };
    }
}

/// The mask the program was started with, in the kernel's form: 64 signals.
fn kernel_mask() -> u64 {
    let mask = startup::signal_mask();
    let all: &libc::sigset_t = mask.as_ref();
    // SAFETY: the C library's sigset_t is at least 64 bits, of which the kernel's set is the first.
    unsafe { (&raw const *all).cast::<u64>().read_unaligned() }
}

// A child's table of at most 64 descriptors is the small one inside its own bookkeeping.
const _: () = assert!(TRAY_END <= 64);
