//! The rows that were on their way to a subtask at a barrier, in a file of an unaligned checkpoint.
//!
//! Each batch stands there as it travels between workers, in the order in which the batches are to be taken: the number of its input
//! (4 bytes), the lengths of its header (4) and its body (8), little-endian, then both.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use arrow_array::RecordBatch;
use bytes::{Buf, Bytes};
use tokio::{sync::mpsc::UnboundedReceiver, task::spawn_blocking};
use weir_checkpoint::manifest::{CheckpointId, StateFile};
use weir_env::Clock;
use weir_model::Failure;

use super::{
    StateFolder,
    file::reader::damaged,
    transfer::{download, upload},
};
use crate::exchange::ipc::{Encoded, Encoder};

/// Bytes before the header of a batch.
const PREFIX_BYTES: usize = 16;

/// A batch on its way, in the form in which it was when it was found there.
#[derive(Clone, Debug)]
pub enum Rows {
    /// From this process.
    Batch(RecordBatch),
    /// From another one.
    Encoded(Encoded),
}

/// What there is to write.
#[derive(Debug)]
pub enum Entry {
    /// Rows, with the number of their input.
    Rows(u32, Rows),
    /// That was all.
    End,
}

/// Writes rows to a new file of the folder, as they come; none if there are none. `scratch` is where it is made on this machine.
///
/// # Errors
/// Internal ones where the disk fails, or nothing more comes and the end has not; external ones where the store fails.
pub async fn write(
    rows: UnboundedReceiver<Entry>,
    checkpoint: CheckpointId,
    folder: &StateFolder,
    scratch: PathBuf,
    clock: &dyn Clock,
) -> Result<Option<StateFile>, Failure> {
    let name = format!("{checkpoint}-in-flight");
    let made = Scratch(scratch);
    let to = made.0.clone();
    let given_up = move || {
        Failure::internal(format!(
            "checkpoint {checkpoint} was given up while rows in flight were recorded"
        ))
    };
    if !blocking(move || write_local(rows, &to, given_up)).await? {
        return Ok(None);
    }
    let file = upload(&made.0, folder, folder.path(&name), name, clock).await?;
    Ok(Some(file))
}

/// Reads a file that was written so. `scratch` is where it is put on this machine meanwhile.
pub async fn read(
    file: &StateFile,
    folder: &StateFolder,
    scratch: PathBuf,
    clock: &dyn Clock,
) -> Result<Vec<(u32, Encoded)>, Failure> {
    let made = Scratch(scratch);
    make_folder(&made.0).map_err(|e| on_disk(&made.0, &e))?;
    download(folder, file, &made.0, clock).await?;
    let from = made.0.clone();
    let bytes = blocking(move || fs::read(&from).map_err(|e| on_disk(&from, &e))).await?;
    parse(bytes.into()).ok_or_else(|| damaged(&folder.called(&file.path), "it ends within a batch"))
}

fn parse(mut bytes: Bytes) -> Option<Vec<(u32, Encoded)>> {
    let mut batches = Vec::new();
    while bytes.has_remaining() {
        if bytes.remaining() < PREFIX_BYTES {
            return None;
        }
        let input = bytes.get_u32_le();
        let header = bytes.get_u32_le() as usize;
        let body = usize::try_from(bytes.get_u64_le()).ok()?;
        if bytes.remaining() < header.checked_add(body)? {
            return None;
        }
        let (header, body) = (bytes.split_to(header), bytes.split_to(body));
        batches.push((input, Encoded { header, body }));
    }
    Some(batches)
}

/// Returns whether there was anything to write.
fn write_local(
    mut rows: UnboundedReceiver<Entry>,
    to: &Path,
    given_up: impl Fn() -> Failure,
) -> Result<bool, Failure> {
    let failed = |e| on_disk(to, &e);
    let mut encoder = Encoder::default();
    let mut file: Option<BufWriter<File>> = None;
    loop {
        let (input, encoded) = match rows.blocking_recv().ok_or_else(&given_up)? {
            Entry::Rows(input, Rows::Encoded(encoded)) => (input, encoded),
            Entry::Rows(input, Rows::Batch(batch)) => (input, encoder.encode(&batch)?),
            Entry::End => break,
        };
        let file = match &mut file {
            Some(file) => file,
            none => {
                make_folder(to).map_err(failed)?;
                none.insert(BufWriter::new(File::create(to).map_err(failed)?))
            }
        };
        write_one(file, input, &encoded).map_err(failed)?;
    }
    match &mut file {
        Some(file) => file.flush().map_err(failed)?,
        None => return Ok(false),
    }
    Ok(true)
}

fn write_one(file: &mut impl Write, input: u32, Encoded { header, body }: &Encoded) -> io::Result<()> {
    file.write_all(&input.to_le_bytes())?;
    file.write_all(&(header.len() as u32).to_le_bytes())?;
    file.write_all(&(body.len() as u64).to_le_bytes())?;
    file.write_all(header)?;
    file.write_all(body)
}

fn make_folder(of: &Path) -> io::Result<()> {
    of.parent().map_or(Ok(()), fs::create_dir_all)
}

fn on_disk(path: &Path, error: &io::Error) -> Failure {
    Failure::internal(format!(
        "cannot keep rows in flight in {}, on this machine's disk: {error}",
        path.display()
    ))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|e| {
        Err(Failure::internal(format!(
            "a thread that works on rows in flight broke down: {e}"
        )))
    })
}

/// A file that goes with this.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays goes with the folder of the worker.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array};
    use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory, path};
    use tokio::sync::mpsc::unbounded_channel;
    use weir_env::SystemClock;

    use super::*;
    use crate::exchange::ipc;

    fn batch(numbers: std::ops::Range<i64>) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
        RecordBatch::try_from_iter([("n", numbers)]).expect("one column")
    }

    fn folder(store: &Arc<InMemory>) -> StateFolder {
        StateFolder {
            store: Arc::clone(store) as Arc<dyn ObjectStore>,
            root: path::Path::from("job"),
            url: "memory:///job".to_owned(),
            prefix: "state/1/0-0".to_owned(),
        }
    }

    fn entries(rows: Vec<(u32, Rows)>, is_all: bool) -> UnboundedReceiver<Entry> {
        let (entries, coming) = unbounded_channel();
        let rows = rows.into_iter().map(|(input, rows)| Entry::Rows(input, rows));
        for entry in rows.chain(is_all.then_some(Entry::End)) {
            entries.send(entry).expect("it is read");
        }
        coming
    }

    #[tokio::test]
    async fn batches_are_read_as_they_were_written_whatever_form_they_had() {
        let (store, clock) = (Arc::default(), SystemClock::new());
        let (folder, local) = (folder(&store), tempfile::tempdir().expect("a folder"));
        let encoded = Encoder::default().encode(&batch(3..700)).expect("encodes");
        let rows = vec![
            (1, Rows::Batch(batch(0..2))),
            (0, Rows::Encoded(encoded)),
            (1, Rows::Batch(batch(0..1000).slice(500, 7))),
        ];
        let scratch = || local.path().join("a/b");
        let file = write(entries(rows, true), CheckpointId(4), &folder, scratch(), &clock)
            .await
            .expect("is written")
            .expect("there are rows");
        assert_eq!(file.path, "state/1/0-0/4-in-flight");
        let read = super::read(&file, &folder, scratch(), &clock)
            .await
            .expect("is read");
        let read: Vec<_> = read
            .into_iter()
            .map(|(input, encoded)| {
                let batch = ipc::decode(encoded, &batch(0..1).schema()).expect("decodes");
                (input, batch)
            })
            .collect();
        assert_eq!(read, [(1, batch(0..2)), (0, batch(3..700)), (1, batch(500..507))]);
        assert!(!scratch().exists(), "nothing stays on this machine");
    }

    #[tokio::test]
    async fn no_rows_are_no_file_and_rows_without_an_end_are_none_either() {
        let (store, clock) = (Arc::<InMemory>::default(), SystemClock::new());
        let (folder, local) = (folder(&store), tempfile::tempdir().expect("a folder"));
        let write = async |rows, is_all| {
            let scratch = local.path().join("rows");
            super::write(entries(rows, is_all), CheckpointId(4), &folder, scratch, &clock).await
        };
        assert_eq!(write(Vec::new(), true).await, Ok(None));
        let failure = write(vec![(0, Rows::Batch(batch(0..9)))], false).await;
        let failure = failure.expect_err("it was given up");
        assert!(failure.message.contains("checkpoint 4 was given up"), "{failure}");
        let at = path::Path::from("job/state/1/0-0/4-in-flight");
        assert!(store.get(&at).await.is_err(), "nothing was written");
    }

    #[tokio::test]
    async fn a_damaged_file_is_named() {
        let (store, clock) = (Arc::<InMemory>::default(), SystemClock::new());
        let (folder, local) = (folder(&store), tempfile::tempdir().expect("a folder"));
        let scratch = || local.path().join("rows");
        let rows = vec![(0, Rows::Batch(batch(0..9)))];
        let file = write(entries(rows, true), CheckpointId(4), &folder, scratch(), &clock)
            .await
            .expect("is written")
            .expect("there are rows");
        let at = path::Path::from("job/state/1/0-0/4-in-flight");
        let whole = store
            .get(&at)
            .await
            .expect("is there")
            .bytes()
            .await
            .expect("is read");
        let cut = whole.slice(..whole.len() - 1);
        let shorter = StateFile {
            bytes: cut.len() as u64,
            crc32: crc32fast::hash(&cut),
            ..file.clone()
        };
        store.put(&at, cut.into()).await.expect("is written");
        for (file, expected) in [(file, "bytes of"), (shorter, "it ends within a batch")] {
            let failure = read(&file, &folder, scratch(), &clock)
                .await
                .expect_err("it is damaged");
            assert!(failure.message.contains(expected), "{failure}");
            assert!(failure.message.contains("4-in-flight"), "{failure}");
        }
    }
}
