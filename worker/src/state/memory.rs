//! What a worker's memory is for.

use std::{
    fmt,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use rocksdb::{Cache, Env, WriteBufferManager};
use weir_env::Clock;

/// The part of all memory that the databases of state share, one in so many.
const STATE_PART: u64 = 8;
/// The part of that in which writes gather, one in so many.
const WRITE_PART: u64 = 2;
/// Below this, databases of state do not work well.
const MIN_STATE_BYTES: u64 = 16 << 20;
/// What is left free of all memory for what writing state to disk needs, one in so many, and this at least.
const FREE_PART: u64 = 3;
const MIN_FREE_BYTES: u64 = 32 << 20;
/// How often that is looked at, and how long what was written has to be given back.
const LOOK: Duration = Duration::from_millis(10);
const RELIEF: Duration = Duration::from_millis(50);
/// The part of all memory that the channels of a deployment share, one in so many, and what each has at least.
const CHANNELS_PART: u64 = 8;
const MIN_CHANNEL_BYTES: u64 = 16 << 10;
/// The part of all memory that gathers of a state before it is written to disk, one in so many, and the most that does.
const WRITTEN_PART: u64 = 64;
const MAX_WRITTEN_BYTES: u64 = 8 << 20;
/// So few keys are not worth a file.
const FEW_KEYS: usize = 4096;
/// So much state is read before its operator begins, in bytes of its files: that takes no time that anybody notices.
const SMALL_STATE_BYTES: u64 = 16 << 20;
/// State that nobody asked for is read until the process has come so near to where state is written to disk.
const ROOM_PERCENT: u64 = 75;
/// Threads that merge files of databases, in the whole process, and as many that write them.
const THREADS: i32 = 2;

/// The memory of a worker, divided.
///
/// - An eighth, and 16 MiB at least, is what all RocksDB databases of the worker share: one block cache, to which memtables are charged
///   too. A write buffer manager holds memtables to half of it. They are needed at checkpoints and restores alone.
/// - The channels of a deployment hold another eighth of it at most, beside the one message that each takes whatever it holds.
/// - The rest is for what lives in memory all the time: the state of operators, and rows on their way. The whole process is measured, not
///   what each of them has: when it comes near to its memory, operators [spill](super::spill).
///
/// It is made once per worker. Files on disk are not counted, nor what the system caches of them, the program
/// among them.
pub struct MemoryBudget {
    bytes: u64,
    state_bytes: u64,
    cache: Cache,
    write_buffers: WriteBufferManager,
    /// How often memory has been short.
    pressure: AtomicU32,
    /// What the process had when that was looked at last, in bytes.
    seen_bytes: AtomicU64,
    small_state_bytes: u64,
    /// It is short each time that so many have looked whether it is: a rehearsal of that.
    short_every: Option<u32>,
}

impl MemoryBudget {
    /// Divides so many bytes.
    pub fn new(bytes: u64) -> Self {
        let state_bytes = (bytes / STATE_PART).max(MIN_STATE_BYTES);
        let cache = Cache::new_lru_cache(state_bytes as usize);
        let write_bytes = (state_bytes / WRITE_PART) as usize;
        // Writers never wait: what is over the limit is flushed.
        let write_buffers =
            WriteBufferManager::new_write_buffer_manager_with_cache(write_bytes, false, cache.clone());
        limit_threads();
        Self {
            bytes,
            state_bytes,
            cache,
            write_buffers,
            pressure: AtomicU32::new(0),
            seen_bytes: AtomicU64::new(0),
            small_state_bytes: SMALL_STATE_BYTES,
            short_every: None,
        }
    }

    /// The same, short of memory each time that so many have looked whether it is: a rehearsal of that.
    #[must_use]
    pub fn short_every(self, looks: u32) -> Self {
        Self {
            short_every: Some(looks),
            ..self.without_small_state()
        }
    }

    /// The same, where no state is so small that it is read before its operator begins.
    #[must_use]
    pub fn without_small_state(self) -> Self {
        Self {
            small_state_bytes: 0,
            ..self
        }
    }

    /// A number that changes each time memory becomes short.
    pub fn pressure(&self) -> u32 {
        match self.short_every {
            Some(looks) => self.pressure.fetch_add(1, Relaxed) / looks,
            None => self.pressure.load(Relaxed),
        }
    }

    /// So few keys need not go to make room.
    pub(super) fn few_keys(&self) -> usize {
        if self.short_every.is_some() { 1 } else { FEW_KEYS }
    }

    /// Files of so many bytes are read before their operator begins.
    pub(super) fn small_state_bytes(&self) -> u64 {
        self.small_state_bytes
    }

    /// Whether there is room for state that nobody has asked for yet.
    pub(super) fn has_room(&self) -> bool {
        self.seen_bytes.load(Relaxed) < self.full_bytes() / 100 * ROOM_PERCENT
    }

    /// What of a state is in memory at once while all of it is gone through, about.
    pub(super) fn passing_bytes(&self) -> usize {
        if self.short_every.is_some() {
            64
        } else {
            self.written_bytes()
        }
    }

    /// Memory is short.
    fn press(&self) {
        self.pressure.fetch_add(1, Relaxed);
    }

    /// Sees to it for ever that state is written to disk when the process has come near to all of its memory. `own_bytes` says what it has
    /// now, `give_back` makes its allocator give back what is free.
    pub async fn watch(&self, clock: &dyn Clock, own_bytes: impl Fn() -> u64, give_back: impl Fn()) {
        let full = self.full_bytes();
        loop {
            let now = own_bytes();
            self.seen_bytes.store(now, Relaxed);
            if now < full {
                clock.sleep(LOOK).await;
                continue;
            }
            give_back();
            tracing::debug!(
                budget_bytes = self.bytes,
                "memory is short: state is written to disk"
            );
            self.press();
            clock.sleep(RELIEF).await;
        }
    }

    /// What the process may have before state is written to disk.
    fn full_bytes(&self) -> u64 {
        let free = (self.bytes / FREE_PART).max(MIN_FREE_BYTES);
        self.bytes.saturating_sub(free)
    }

    /// What a channel may hold where a deployment has so many.
    pub fn channel_bytes(&self, channels: usize) -> u64 {
        let each = self.bytes / CHANNELS_PART / (channels as u64).max(1);
        each.max(MIN_CHANNEL_BYTES)
    }

    /// What of a state gathers before it is written to disk, about.
    pub(super) fn written_bytes(&self) -> usize {
        (self.bytes / WRITTEN_PART).min(MAX_WRITTEN_BYTES) as usize
    }

    /// All of it.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is left for operators and for rows on their way, in bytes.
    pub fn operator_bytes(&self) -> u64 {
        self.bytes.saturating_sub(self.state_bytes)
    }

    /// What databases use of it now, in bytes.
    pub fn state_usage_bytes(&self) -> u64 {
        self.cache.get_usage() as u64
    }

    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    pub(super) fn write_buffers(&self) -> &WriteBufferManager {
        &self.write_buffers
    }
}

impl fmt::Debug for MemoryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBudget")
            .field("bytes", &self.bytes)
            .field("state_bytes", &self.state_bytes)
            .finish_non_exhaustive()
    }
}

/// All databases of a process share its background threads: few, and they give way to tasks.
fn limit_threads() {
    match Env::new() {
        Ok(mut env) => {
            env.set_low_priority_background_threads(THREADS);
            env.set_high_priority_background_threads(THREADS);
            env.lower_thread_pool_cpu_priority();
        }
        Err(error) => tracing::warn!(%error, "the threads of databases of state keep their priority"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_get_an_eighth_and_what_they_cannot_do_without() {
        let budget = MemoryBudget::new(1 << 30);
        assert_eq!(budget.operator_bytes(), (1 << 30) / 8 * 7);
        let small = MemoryBudget::new(8 << 20);
        assert_eq!((small.bytes(), small.operator_bytes()), (8 << 20, 0));
    }

    #[test]
    fn what_is_beside_state_shrinks_with_memory() {
        let (large, small) = (MemoryBudget::new(4 << 30), MemoryBudget::new(96 << 20));
        assert_eq!(
            (large.full_bytes(), small.full_bytes()),
            ((4 << 30) - (4 << 30) / 3, 64 << 20)
        );
        assert_eq!(
            (large.channel_bytes(4), small.channel_bytes(4)),
            (128 << 20, 3 << 20)
        );
        assert_eq!(small.channel_bytes(1 << 20), MIN_CHANNEL_BYTES);
        assert_eq!((large.written_bytes(), small.written_bytes()), (8 << 20, 3 << 19));
    }
}
