//! What workers tell each other of sources that keep together, by way of the control plane.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use weir_model::EventTime;
use weir_proto::{
    control::{GroupProgress, GroupsProgress},
    graph::operator::Spec,
};

use super::ledger::Key;
use crate::runtime::{
    alignment::Alignment,
    deployment::{Location, Order},
};

/// No group is told of more often.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);

/// The groups of a deployment that has subtasks in other workers too.
#[derive(Clone, Debug)]
pub struct Aligned {
    here: Arc<Alignment>,
    /// How often others are told.
    pub interval: Duration,
    groups: BTreeSet<String>,
}

impl Aligned {
    /// None where nobody else has to know: no source keeps together with others, or all are here.
    pub fn of(order: &Order) -> Option<Self> {
        let is_elsewhere = |location: &Location| *location != Location::Here;
        if !order.placement.values().any(is_elsewhere) {
            return None;
        }
        let sources = order.job.graph.operators.iter().filter_map(|o| match &o.spec {
            Some(Spec::Source(source)) => source.watermark.as_ref()?.alignment.as_ref(),
            _ => None,
        });
        let (intervals, groups): (Vec<u64>, BTreeSet<String>) =
            sources.map(|a| (a.update_interval_ms, a.group.clone())).unzip();
        Some(Self {
            here: Arc::clone(&order.job.alignment),
            interval: Duration::from_millis(intervals.into_iter().min()?).max(SHORTEST_INTERVAL),
            groups,
        })
    }

    /// How far the sources here have come.
    pub fn report(&self, (job, generation): &Key) -> GroupsProgress {
        let groups = self.here.least().into_iter().map(|(group, least)| GroupProgress {
            group,
            least_ms: least.map(|at| at.0),
        });
        GroupsProgress {
            job_id: job.clone(),
            generation: generation.0,
            groups: groups.collect(),
        }
    }

    /// How far those of other workers have come.
    pub fn hear(&self, progress: &[GroupProgress]) {
        for group in &self.groups {
            let told = progress.iter().find(|told| told.group == *group);
            self.here
                .hear(group, told.and_then(|told| told.least_ms).map(EventTime));
        }
    }

    /// Nobody tells any more: others hold nobody back here.
    pub fn forget(&self) {
        self.hear(&[]);
    }
}
