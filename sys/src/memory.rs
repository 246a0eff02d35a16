//! Memory that is not needed any more.

use std::collections::VecDeque;

/// A queue that was longer than this was something large that happened once: all services were started, or told of.
const LONG: usize = 256;

/// To be called when a queue may have been emptied: after a long one it, and all pages in which nothing is allocated, go back
/// to the system. The process has done something large and will be small for a long time, but the allocator keeps what was
/// freed among what is still in use, and up to 128 kB at the end. See malloc_trim(3), which takes less than a millisecond
/// for some megabytes.
pub fn emptied<T>(queue: &mut VecDeque<T>) {
    if !queue.is_empty() || queue.capacity() <= LONG {
        return;
    }
    *queue = VecDeque::new();
    #[cfg(target_env = "gnu")]
    // SAFETY: takes an integer; concerns free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}
