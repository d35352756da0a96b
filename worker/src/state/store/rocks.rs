//! A byte store in a RocksDB database.
//!
//! Its files are derived state: there is no write-ahead log, and what a checkpoint does not hold may be lost with the process.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use rocksdb::{
    BlockBasedOptions, DB, DBCompactionStyle, DBCompressionType, IngestExternalFileOptions, LogLevel,
    Options, ReadOptions, SstFileWriter, UniversalCompactOptions, WriteBatch, WriteOptions,
    checkpoint::Checkpoint,
};
use weir_model::Failure;

use super::{Batch, Each, Store};
use crate::state::MemoryBudget;

/// From so many bytes on, a batch becomes a file at once and does not go through a memtable.
const INGESTED_BYTES: usize = 1 << 20;
/// How large the files of one sorted run get.
const FILE_BYTES: u64 = 64 << 20;
/// As much as fits a batch that is not ingested, with room.
const MEMTABLE_BYTES: usize = 8 << 20;
/// Blocks are read in the order of their keys at restores, where large ones compress better, and key by key where state is larger than
/// memory.
const BLOCK_BYTES: usize = 16 << 10;
/// Bits of a filter per key: one in a hundred keys that are not there is looked for.
const FILTER_BITS: f64 = 10.0;
/// What is read ahead of a scan.
const READAHEAD_BYTES: usize = 2 << 20;
/// Sorted runs that make a compaction. Reads are rare, and each compaction uploads what it writes.
const RUNS: i32 = 8;
/// Open files per database: a worker has a database per subtask, and systems allow about a thousand files.
const OPEN_FILES: i32 = 64;

/// A database in a folder.
pub struct Rocks {
    db: DB,
    folder: PathBuf,
    options: Options,
    /// How many files were ingested, which names the next one.
    ingested: AtomicU64,
}

impl Rocks {
    /// Opens the database of a folder, or makes one.
    pub fn open(folder: &Path, memory: &MemoryBudget) -> Result<Self, Failure> {
        let mut options = options(memory);
        options.create_if_missing(true);
        let db = DB::open(&options, folder).map_err(|e| failed(folder, "open", &e))?;
        Ok(Self::of(db, folder, options))
    }

    /// Opens a database to read from it.
    pub fn open_for_reading(folder: &Path, memory: &MemoryBudget) -> Result<Self, Failure> {
        let options = options(memory);
        let db = DB::open_for_read_only(&options, folder, false).map_err(|e| failed(folder, "open", &e))?;
        Ok(Self::of(db, folder, options))
    }

    fn of(db: DB, folder: &Path, options: Options) -> Self {
        Self {
            db,
            folder: folder.to_owned(),
            options,
            ingested: AtomicU64::new(0),
        }
    }

    /// Makes files of what is in memory yet, which then outlives the process.
    pub fn flush(&self) -> Result<(), Failure> {
        self.db.flush().map_err(|e| failed(&self.folder, "write", &e))
    }

    /// Deletes all entries but those of a range of keys, whose ends are not empty; files that have no others go at once.
    pub fn keep(&self, kept: &Range<Vec<u8>>) -> Result<(), Failure> {
        let greatest = vec![u8::MAX; kept.end.len() + 1];
        let mut deletes = WriteBatch::default();
        deletes.delete_range(&kept.end, &greatest);
        let mut done = self.db.delete_file_in_range(&kept.end, &greatest);
        // There is nothing before the first key.
        if let Some(before) = just_before(&kept.start) {
            deletes.delete_range(Vec::new(), kept.start.clone());
            done = done.and_then(|()| self.db.delete_file_in_range(Vec::new(), before));
        }
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        done.and_then(|()| self.db.write_opt(deletes, &options))
            .and_then(|()| self.db.flush())
            .map_err(|e| failed(&self.folder, "take out of", &e))
    }

    /// The first so many keys from one to another.
    pub fn first_keys(&self, from: &[u8], to: &[u8], most: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let mut entries = self.db.raw_iterator();
        entries.seek(from);
        let mut keys = Vec::new();
        while let Some(key) = entries.key().filter(|key| *key < to && keys.len() < most) {
            keys.push(key.to_vec());
            entries.next();
        }
        let read = entries.status().map_err(|e| failed(&self.folder, "read", &e));
        read.map(|()| keys)
    }

    fn scan_with(
        &self,
        options: ReadOptions,
        ranges: &[Range<Vec<u8>>],
        each: &mut Each<'_>,
    ) -> Result<(), Failure> {
        let mut entries = self.db.raw_iterator_opt(options);
        let mut is_placed = false;
        for range in ranges {
            // Where the last range ended may be in this one already, or behind it.
            if !is_placed || entries.key().is_some_and(|key| key < range.start.as_slice()) {
                entries.seek(&range.start);
                is_placed = true;
            }
            while let Some((key, value)) = entries.item().filter(|(key, _)| *key < range.end.as_slice()) {
                each(key, value)?;
                entries.next();
            }
        }
        entries.status().map_err(|e| failed(&self.folder, "read", &e))
    }

    fn put(&self, batch: &Batch) -> Result<(), rocksdb::Error> {
        let mut writes = WriteBatch::default();
        for (key, value) in batch.iter() {
            match value {
                Some(value) => writes.put(key, value),
                None => writes.delete(key),
            }
        }
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.db.write_opt(writes, &options)
    }

    fn ingest(&self, batch: &Batch) -> Result<(), rocksdb::Error> {
        let number = self.ingested.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("batch-{number}"));
        let mut writer = SstFileWriter::create(&self.options);
        writer.open(&path)?;
        for (key, value) in batch.iter() {
            match value {
                Some(value) => writer.put(key, value)?,
                None => writer.delete(key)?,
            }
        }
        writer.finish()?;
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        self.db.ingest_external_file_opts(&options, vec![path])
    }
}

impl fmt::Debug for Rocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rocks").field(&self.folder).finish()
    }
}

impl Store for Rocks {
    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let values = self.db.multi_get(keys).into_iter();
        let values = values.collect::<Result<_, _>>();
        values.map_err(|e| failed(&self.folder, "read", &e))
    }

    fn scan(&self, ranges: &[Range<Vec<u8>>], each: &mut Each<'_>) -> Result<(), Failure> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        options.set_readahead_size(READAHEAD_BYTES);
        self.scan_with(options, ranges, each)
    }

    fn scan_few(&self, ranges: &[Range<Vec<u8>>], each: &mut Each<'_>) -> Result<(), Failure> {
        self.scan_with(ReadOptions::default(), ranges, each)
    }

    fn write(&self, batch: &mut Batch) -> Result<(), Failure> {
        if batch.is_empty() {
            return Ok(());
        }
        batch.sort();
        let written = if batch.bytes() < INGESTED_BYTES {
            self.put(batch)
        } else {
            self.ingest(batch)
        };
        written.map_err(|e| failed(&self.folder, "write", &e))
    }
    fn checkpoint(&self, folder: &Path) -> Result<(), Failure> {
        // Hard links to files that never change, and a copy of the list of them.
        let made = Checkpoint::new(&self.db).and_then(|checkpoint| checkpoint.create_checkpoint(folder));
        made.map_err(|e| failed(&self.folder, "take a checkpoint of", &e))
    }

    fn bytes(&self) -> u64 {
        let property = |name: &str| self.db.property_int_value(name).ok().flatten().unwrap_or(0);
        property("rocksdb.live-sst-files-size") + property("rocksdb.cur-size-all-mem-tables")
    }
}

/// A key before this one, and behind all others that begin otherwise; none: there is none.
fn just_before(key: &[u8]) -> Option<Vec<u8>> {
    let last = key.iter().rposition(|byte| *byte > 0)?;
    let mut before = key[..=last].to_vec();
    before[last] -= 1;
    // As long as no key is whose first bytes are all the greatest.
    before.resize(key.len() + 8, u8::MAX);
    Some(before)
}

fn options(memory: &MemoryBudget) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_size(BLOCK_BYTES);
    blocks.set_block_cache(memory.cache());
    // Otherwise indexes are kept outside of the cache, and outside of the budget.
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_bloom_filter(FILTER_BITS, false);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_write_buffer_manager(memory.write_buffers());
    options.set_write_buffer_size(MEMTABLE_BYTES);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_target_file_size_base(FILE_BYTES);
    options.set_max_open_files(OPEN_FILES);
    lazily_compacted(&mut options);
    quiet(&mut options);
    options
}

/// Few compactions: nothing reads in between, and what a compaction writes is uploaded anew. Runs of like size are merged; all of it
/// is when as much is outdated as is valid.
fn lazily_compacted(options: &mut Options) {
    let mut universal = UniversalCompactOptions::default();
    universal.set_max_size_amplification_percent(100);
    options.set_compaction_style(DBCompactionStyle::Universal);
    options.set_universal_compaction_options(&universal);
    options.set_level_zero_file_num_compaction_trigger(RUNS);
    // Writes need not wait for compactions, however late those are: they are batches, one per checkpoint.
    options.set_level_zero_slowdown_writes_trigger(1000);
    options.set_level_zero_stop_writes_trigger(2000);
    options.set_soft_pending_compaction_bytes_limit(0);
    options.set_hard_pending_compaction_bytes_limit(0);
    options.set_max_background_jobs(2);
    options.set_max_subcompactions(1);
}

/// Small logs, and no statistics that nobody reads.
fn quiet(options: &mut Options) {
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(1);
    options.set_max_log_file_size(1 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_skip_stats_update_on_db_open(true);
    options.set_max_manifest_file_size(1 << 20);
}

fn failed(folder: &Path, what: &str, error: &rocksdb::Error) -> Failure {
    let folder = folder.display();
    Failure::internal(format!(
        "cannot {what} the database of state in {folder}: {error}"
    ))
}
