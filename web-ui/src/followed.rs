//! A job that is followed live: what all parts of its page look at.

use std::time::Duration;

use leptos::prelude::*;
use weir_model::{
    JobId, Phase,
    api::{Job, LiveUpdate},
    metrics::JobMetrics,
};

use crate::{
    api,
    live::{self, Clock, Fetched, Stream},
};

/// How soon a stream that the browser gave up on is opened again.
const REOPEN_PERIOD: Duration = Duration::from_secs(2);

/// How often a stopped job is asked for, which somebody may resume.
const STOPPED_PERIOD: Duration = Duration::from_secs(3);

/// How long after the end of a job its output and events are still asked for.
const SETTLING_MS: i64 = 5_000;

/// A job as the parts of its page see it.
#[derive(Clone, Copy)]
pub(crate) struct Followed {
    pub(crate) id: JobId,
    pub(crate) job: Fetched<Job>,
    pub(crate) metrics: Fetched<JobMetrics>,
    /// Whether the event stream is open, or needs not be.
    pub(crate) is_connected: RwSignal<bool>,
    /// None until the job is known.
    pub(crate) phase: Memo<Option<Phase>>,
}

impl Followed {
    /// Follows a job as long as the owner lives.
    pub(crate) fn new(id: JobId) -> Self {
        let job = live::fetch(move || async move { api::get(&api::job_path(id, "")).await });
        let metrics = live::fetch(move || async move { api::get(&api::job_path(id, "/metrics")).await });
        let phase = Memo::new(move |_| job.value.with(|j: &Option<Job>| j.as_ref().map(|j| j.phase)));
        let followed = Self {
            id,
            job,
            metrics,
            is_connected: RwSignal::new(true),
            phase,
        };
        followed.stream();
        live::every(STOPPED_PERIOD, move || {
            if phase.get_untracked() == Some(Phase::Stopped) {
                job.refresh();
            }
        });
        followed
    }

    /// One thing about the job, told only when it changes; none until the job is known.
    pub(crate) fn part<T>(self, pick: fn(&Job) -> Option<T>) -> Memo<Option<T>>
    where
        T: PartialEq + Send + Sync + 'static,
    {
        Memo::new(move |_| self.job.value.with(|j| j.as_ref().and_then(pick)))
    }

    /// Refreshes what the job's moves may have changed: its phase, and the checkpoint that it completed last.
    pub(crate) fn refresh_on_moves<T: Send + Sync + 'static>(self, fetched: Fetched<T>) {
        let last_checkpoint = self.part(|j| j.last_checkpoint);
        let rescale_to = self.part(|j| j.rescale_to);
        Effect::new(move |_| {
            self.phase.track();
            last_checkpoint.track();
            rescale_to.track();
            fetched.refresh();
        });
    }

    /// Whether anything can still change.
    pub(crate) fn is_live(self) -> Signal<bool> {
        Signal::derive(move || self.phase.get().is_some_and(|p| !p.is_terminal()))
    }

    /// Whether lists about it can still grow: the last entries may come a little after the end.
    pub(crate) fn may_grow(self) -> Signal<bool> {
        let now = Clock::now();
        Signal::derive(move || {
            let ended_at_ms = self.job.value.with(|j| j.as_ref().map(|j| j.ended_at_ms));
            ended_at_ms.is_some_and(|at| at.is_none_or(|at| now.get() - at < SETTLING_MS))
        })
    }

    /// Keeps the event stream open while the job can change.
    fn stream(self) {
        let stream = StoredValue::new_local(None::<Stream>);
        let is_live = self.is_live();
        let open = move || {
            let opened = Stream::open(self.id, move |u| self.accept(u), move |ok| self.connection(ok));
            stream.set_value(opened);
        };
        let is_live = Memo::new(move |_| is_live.get());
        Effect::new(move |_| {
            if is_live.get() {
                open();
            } else {
                // The numbers at the end may be newer than the last message.
                if self.phase.get_untracked().is_some() {
                    self.metrics.refresh();
                }
                // Later: this may be a message's own call, and a closure can't be dropped while it runs.
                set_timeout(move || drop(stream.try_set_value(None)), Duration::ZERO);
            }
        });
        live::every(REOPEN_PERIOD, move || {
            if is_live.get_untracked() && stream.with_value(|s| s.as_ref().is_none_or(Stream::is_closed)) {
                open();
            }
        });
    }

    /// The stream leaves the script out.
    fn accept(self, update: LiveUpdate) {
        let sql = self
            .job
            .value
            .with_untracked(|j| j.as_ref().map(|j| j.sql.clone()));
        self.job.value.set(Some(Job {
            sql: sql.unwrap_or_default(),
            ..update.job
        }));
        self.metrics.value.set(Some(update.metrics));
    }

    fn connection(self, is_open: bool) {
        if self.is_connected.get_untracked() != is_open {
            self.is_connected.set(is_open);
        }
    }
}
