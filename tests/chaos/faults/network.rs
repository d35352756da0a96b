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

    pub(super) async fn cut_pair(&mut self) -> Result<()> {
        let moment = self.chance.ms(0, 3_000);
        let pair = self.pair().await?;
        let before = pair.count(Link::broken);
        pair.set(State::Cut);
        let broken = grows("a connection between two workers to break", before, || {
            pair.count(Link::broken)
        })
        .await;
        SystemClock::new().sleep(moment).await;
        pair.set(State::Open);
        broken
    }

    pub(super) async fn stall_pair(&mut self) -> Result<()> {
        let moment = self.chance.ms(500, 12_000);
        let pair = self.pair().await?;
        let before = pair.count(Link::held);
        pair.set(State::Stalled);
        let held = grows("rows between two workers to be held back", before, || {
            pair.count(Link::held)
        })
        .await;
        SystemClock::new().sleep(moment).await;
        pair.set(State::Open);
        held
    }

    /// Two workers of which one gets rows from the other.
    async fn pair(&mut self) -> Result<Pair<'a>> {
        self.spread().await?;
        let nth = self.chance.below(1_000) as usize;
        until("two workers of which one feeds the other", PATIENCE, async || {
            let pairs = self.workers.iter().flat_map(|to| {
                let from = self.workers.iter().filter(|from| from.pid() != to.pid());
                from.filter(|from| to.data.connections_of(from.pid()) > 0)
                    .map(|from| Pair([from, to], [from.pid(), to.pid()]))
            });
            let mut pairs: Vec<_> = pairs.collect();
            Ok(match pairs.len() {
                0 => Seen::NotYet("none has a connection".to_owned()),
                count => Seen::Done(pairs.swap_remove(nth % count)),
            })
        })
        .await
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

/// Two workers, and the processes that they were when something was done to them.
struct Pair<'a>([&'a Worker; 2], [i32; 2]);

impl Pair<'_> {
    /// Both ways between them.
    fn set(&self, state: State) {
        let Self([one, two], [of_one, of_two]) = self;
        one.data.set_for(*of_two, state);
        two.data.set_for(*of_one, state);
    }

    fn count(&self, count: impl Fn(&Link) -> usize) -> usize {
        self.0.iter().map(|worker| count(&worker.data)).sum()
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
