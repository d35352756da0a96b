//! The threads that tasks run on, apart from those that answer other processes.

use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime for tasks: heavy compute on it never delays heartbeats.
#[derive(Debug)]
pub struct Compute {
    runtime: Option<Runtime>,
}

impl Compute {
    /// So many threads, at least one.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("weir-task")
            .enable_all()
            .build()?;
        Ok(Self {
            runtime: Some(runtime),
        })
    }

    /// Where to spawn tasks.
    pub fn handle(&self) -> Handle {
        self.runtime
            .as_ref()
            .map(|r| r.handle().clone())
            .expect("the runtime is there until it is dropped")
    }
}

impl Drop for Compute {
    fn drop(&mut self) {
        // A runtime may not be waited for within another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
