//! The table: one file for a whole supervisor, a head and one [`Record`] a service.
//!
//! The supervisor writes a block by one `pwrite`; a reader takes many blocks in one read and believes
//! those whose hash is right (see [`record::is_whole`]). A mapping would save the system call, but a
//! full `/run` would then kill the supervisor (SIGBUS) instead of failing a write.

use crate::record::{self, Put, Record, SIZE, Take};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use sys::process::Identity;
use sys::{Errno, Fail, files};

/// The form of head and records; another form is no table of ours.
pub const MAGIC: u64 = u64::from_le_bytes(*b"pinfold5");
/// The file's name in the run directory.
pub const NAME: &str = "table";

/// What the whole supervisor has to say of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The boot in which this was written: identities and times of another boot mean nothing.
    pub boot: [u8; 16],
    /// The supervisor.
    pub supervisor: Option<Identity>,
    /// Its guardian, if it has one.
    pub guardian: Option<Identity>,
    /// The scan directory (or the service, for `supervise`).
    pub directory: Vec<u8>,
    /// The containment in force, in one word: `kill`, `freeze`, `list`, `v1`, `subtree`.
    pub containment: String,
    /// The directory of the house's groups; empty where there are none.
    pub house: Vec<u8>,
    /// What this containment cannot catch; empty for nothing.
    pub cannot_catch: String,
    /// When this supervisor, or this image of it, began: milliseconds on the monotonic clock.
    pub since: u64,
    /// Services without a logger write to systemd's journal, under their names.
    pub journal: bool,
}

/// The supervisor's side of it.
pub struct Table {
    file: OwnedFd,
    /// What each slot holds, by hash: a record that has not changed is not written.
    written: Vec<u64>,
    free: Vec<u32>,
}

impl Table {
    /// Opens or makes the table in `run`, keeping what is there (to be adopted from).
    pub fn open(run: &Path) -> Result<Table, Fail> {
        use nix::fcntl::{OFlag, open};
        let path = run.join(NAME);
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o644);
        let file = open(&path, flags, mode).map_err(|e| Fail::at("open", &path, e))?;
        let file = sys::spawn::above_tray(file.as_fd())?;
        Ok(Table { file, written: Vec::new(), free: Vec::new() })
    }

    /// Makes the file again where somebody has removed it. All slots stay what they are, and are to be written anew.
    pub fn make_again(&mut self, run: &Path) -> Result<(), Fail> {
        self.file = Table::open(run)?.file;
        self.written.fill(0);
        Ok(())
    }

    /// Forgets all records; for a start from nothing.
    pub fn clear(&mut self) -> Result<(), Errno> {
        self.written.clear();
        self.free.clear();
        nix::unistd::ftruncate(&self.file, 0)
    }

    /// Says who the supervisor is.
    pub fn put_head(&self, head: &Head) -> Result<(), Errno> {
        files::write_at(&self.file, &head.encode(), 0)
    }

    /// A slot for a new service.
    pub fn take_slot(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.written.push(0);
            self.written.len() as u32 - 1
        })
    }

    /// A particular slot, for a service taken over from it.
    pub fn keep_slot(&mut self, slot: u32) {
        while self.written.len() <= slot as usize {
            self.free.push(self.written.len() as u32);
            self.written.push(0);
        }
        self.free.retain(|&free| free != slot);
    }

    /// Writes a record into its slot, if it differs from what is there.
    pub fn put(&mut self, slot: u32, record: &Record) -> Result<(), Errno> {
        let bytes = record.encode();
        let sum = record::sealed_by(&bytes);
        let Some(written) = self.written.get_mut(slot as usize) else { return Ok(()) };
        if *written == sum {
            return Ok(());
        }
        files::write_at(&self.file, &bytes, offset(slot))?;
        *written = sum;
        Ok(())
    }

    /// Empties a slot.
    pub fn give_back(&mut self, slot: u32) -> Result<(), Errno> {
        self.free.push(slot);
        if let Some(written) = self.written.get_mut(slot as usize) {
            *written = 0;
        }
        files::write_at(&self.file, &[0; SIZE], offset(slot))
    }
}

fn offset(slot: u32) -> i64 {
    (i64::from(slot) + 1) * SIZE as i64
}

impl Head {
    fn encode(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        let mut put = Put { bytes: &mut bytes, at: 0 };
        put.u64(MAGIC);
        put.u32(SIZE as u32);
        self.boot.iter().for_each(|&b| put.u8(b));
        for who in [self.supervisor, self.guardian] {
            put.u32(who.map_or(0, |w| w.pid as u32));
            put.u64(who.map_or(0, |w| w.start));
        }
        put.text(&self.directory, 384);
        put.text(self.containment.as_bytes(), 16);
        put.text(&self.house, 256);
        put.text(self.cannot_catch.as_bytes(), 256);
        put.u64(self.since);
        put.u8(u8::from(self.journal));
        record::seal(&mut bytes);
        bytes
    }

    fn decode(block: &[u8]) -> Option<Head> {
        let mut take = Take { bytes: block, at: 0 };
        if !record::is_whole(block) || take.u64()? != MAGIC || take.u32()? != SIZE as u32 {
            return None;
        }
        let mut boot = [0; 16];
        for byte in &mut boot {
            *byte = take.u8()?;
        }
        let mut who = || {
            let (pid, start) = (take.u32()? as i32, take.u64()?);
            Some((pid != 0).then_some(Identity { pid, start }))
        };
        let (supervisor, guardian) = (who()?, who()?);
        let directory = take.text(384)?;
        let containment = String::from_utf8_lossy(&take.text(16)?).into_owned();
        let house = take.text(256)?;
        let cannot_catch = String::from_utf8_lossy(&take.text(256)?).into_owned();
        let since = take.u64()?;
        let journal = take.u8()? != 0;
        Some(Head { boot, supervisor, guardian, directory, containment, house, cannot_catch, since, journal })
    }
}

/// What a reader sees: the head and the records with their slots.
#[derive(Clone, Debug)]
pub struct View {
    /// The supervisor, if the head could be read.
    pub head: Head,
    /// The services, in the order of their slots.
    pub records: Vec<(u32, Record)>,
    /// Where the table is.
    pub run: PathBuf,
}

/// So many blocks are read at once: enough for few calls, and little memory to be touched.
const PIECE: usize = 64;

/// Reads a table. A block that was caught while being written is read again; one that stays broken
/// (another version's, damage) is left out. `NotFound` if there is none.
pub fn read(run: &Path) -> io::Result<View> {
    let file = File::open(run.join(NAME))?;
    let (mut head, mut records) = (None, Vec::new());
    each_block(&file, |number, block| match number.checked_sub(1) {
        None => head = Head::decode(block).or_else(|| Head::decode(&again(&file, 0)?)),
        Some(_) if block.iter().all(|&b| b == 0) => {}
        Some(slot) => {
            let record = Record::decode(block).or_else(|| Record::decode(&again(&file, offset(slot))?));
            records.extend(record.map(|record| (slot, record)));
        }
    })?;
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "not a table of this version of pinfold");
    Ok(View { head: head.ok_or_else(bad)?, records, run: run.to_owned() })
}

/// Gives every block to `take`, with its number: the head is 0.
fn each_block(file: &File, mut take: impl FnMut(u32, &[u8])) -> io::Result<()> {
    let mut piece = vec![0; PIECE * SIZE];
    for first in (0..).step_by(PIECE) {
        let mut length = 0;
        while length < piece.len() {
            match file.read_at(&mut piece[length..], u64::from(first) * SIZE as u64 + length as u64) {
                Ok(0) => break,
                Ok(n) => length += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        (first..).zip(piece[..length].chunks_exact(SIZE)).for_each(|(number, block)| take(number, block));
        if length < piece.len() {
            break;
        }
    }
    Ok(())
}

fn again(file: &File, at: i64) -> Option<Vec<u8>> {
    // a write of one block takes less than a microsecond: a few tries are plenty
    (0..100).find_map(|_| {
        let mut block = vec![0; SIZE];
        nix::sys::uio::pread(file, &mut block, at).ok()?;
        std::thread::yield_now();
        record::is_whole(&block).then_some(block)
    })
}
