//! Links that are cut and stalled, and heal.

use std::time::Duration;

use anyhow::Result;
use weir_env::{Clock, SystemClock};
use weir_tests::wait::{Seen, until};

use super::{Chaos, PATIENCE};
use crate::{
    link::{Link, State},
    workers::Worker,
};

impl<'a> Chaos<'a> {
    pub(super) async fn cut_control(&mut self) -> Result<()> {
        let moment = self.chance.ms(0, 3_000);
        let link = &self.used_worker().await?.control;
        let before = link.broken();
        link.set(State::Cut);
        let broken = grows("a connection to the control plane to break", before, || {
            link.broken()
        })
        .await;
        heal(link, moment).await;
        broken
    }

    pub(super) async fn stall_control(&mut self) -> Result<()> {
        // Long enough for its tasks to run elsewhere, while it goes on with them.
        let moment = self.chance.ms(0, 4_000);
        let worker = self.used_worker().await?;
        let (pid, link) = (worker.pid(), &worker.control);
        let before = link.held();
        link.set(State::Stalled);
        let held = grows("words to be held back", before, || link.held()).await;
        let lost = self.wait_lost(pid).await;
        heal(link, moment).await;
        held.and(lost)
    }

    pub(super) async fn cut_rows(&mut self) -> Result<()> {
        let moment = self.chance.ms(0, 3_000);
        let link = &self.fed_worker().await?.data;
        let before = link.broken();
        link.set(State::Cut);
        let broken = grows("a connection between workers to break", before, || link.broken()).await;
        heal(link, moment).await;
        broken
    }

    pub(super) async fn stall_rows(&mut self) -> Result<()> {
        // Shorter and longer than what is taken for the end of a connection.
        let moment = self.chance.ms(500, 12_000);
        let link = &self.fed_worker().await?.data;
        let before = link.held();
        link.set(State::Stalled);
        let held = grows("rows to be held back", before, || link.held()).await;
        heal(link, moment).await;
        held
    }

    /// A worker that gets rows from another.
    async fn fed_worker(&mut self) -> Result<&'a Worker> {
        self.spread().await?;
        let nth = self.chance.below(1_000) as usize;
        until("a worker that gets rows from another", PATIENCE, async || {
            let fed: Vec<_> = self.workers.iter().filter(|w| w.data.connections() > 0).collect();
            Ok(match fed.len() {
                0 => Seen::NotYet("none has a connection".to_owned()),
                count => Seen::Done(fed[nth % count]),
            })
        })
        .await
    }
}

async fn heal(link: &Link, after: Duration) {
    SystemClock::new().sleep(after).await;
    link.set(State::Open);
}

async fn grows(what: &str, before: usize, count: impl Fn() -> usize) -> Result<()> {
    until(what, PATIENCE, async || {
        Ok(match count() {
            now if now > before => Seen::Done(()),
            now => Seen::NotYet(format!("{now}")),
        })
    })
    .await
}
