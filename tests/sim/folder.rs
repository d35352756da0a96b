//! The control plane and the job's folder: manifests come, and what is of no more use goes.

use weir_checkpoint::{
    coordinator::{After, Event},
    gc,
    manifest::{CheckpointId, Kind, Manifest},
    storage::{Object, layout},
};
use weir_model::Failure;

use crate::{
    messages::Happening,
    outside::{Phase, Status, check_cut},
    world::World,
};

impl World {
    pub(crate) fn write(&mut self, manifest: Manifest) {
        let (life, checkpoint) = (self.plane.life, manifest.checkpoint);
        let lost = self.fault(60, "a manifest's answer is lost");
        let late = lost && self.chance.is(500);
        let wait = if late { 1..8000 } else { 1..300 };
        self.later(
            wait,
            Happening::Create {
                life,
                manifest,
                answered: !lost,
            },
        );
        if lost {
            self.later(2000..4000, Happening::Void { life, checkpoint });
        }
    }

    /// A manifest arrives at the store.
    pub(crate) fn create(&mut self, life: u64, manifest: Manifest, answered: bool) {
        let checkpoint = manifest.checkpoint;
        let is_there = self.store.create(checkpoint, Some(manifest.clone())).is_some();
        let entry = &self.metadata.history[&checkpoint];
        if !is_there || entry.status != Status::InProgress {
            let was_voided = self.store.voids_deleted.contains(&checkpoint);
            assert!(
                !is_there || was_voided,
                "checkpoint {checkpoint} was given up and comes to be"
            );
            self.count("a manifest comes too late");
        } else {
            check_cut(&manifest, &self.store, &entry.folder);
            if entry.after != Some(After::GoOn) {
                let operators = manifest.subtasks.into_iter().flat_map(|state| state.operators);
                self.target
                    .allowed
                    .extend(operators.flat_map(|operator| operator.commits));
            }
        }
        if answered {
            self.later(
                1..100,
                Happening::Written {
                    life,
                    checkpoint,
                    is_there,
                },
            );
        }
    }

    /// The writer that had no answer makes sure, if it still lives.
    pub(crate) fn void(&mut self, life: u64, checkpoint: CheckpointId) {
        if life == self.plane.life && self.plane.up {
            let is_there = self.store.create(checkpoint, None).is_some();
            self.later(
                1..100,
                Happening::Written {
                    life,
                    checkpoint,
                    is_there,
                },
            );
        }
    }

    pub(crate) fn written(&mut self, checkpoint: CheckpointId, is_there: bool) {
        self.coordinate(if is_there {
            Event::ManifestWritten(checkpoint)
        } else {
            Event::ManifestFailed {
                checkpoint,
                why: Failure::external("not written"),
            }
        });
    }

    /// What is of no more use is deleted, some time: manifests before files.
    pub(crate) fn collect(&mut self, listed: &[Object]) {
        let live = (self.metadata.phase == Phase::Deployed).then_some(self.metadata.generation);
        if live.is_none() && !self.metadata.in_progress().is_empty() {
            return;
        }
        let kept = self.metadata.retained();
        let manifests = kept
            .iter()
            .map(|id| self.store.manifest(*id).expect("a complete one has its manifest"));
        let needs = gc::Needs {
            manifests: manifests.collect(),
            live,
        };
        for garbage in gc::garbage(listed, &needs) {
            let wait = if matches!(garbage.why, gc::Why::NotKept(_)) {
                1..100
            } else {
                100..3000
            };
            self.later(
                wait,
                Happening::Delete {
                    path: garbage.object.path,
                },
            );
        }
    }

    pub(crate) fn check_may_delete(&self, path: &str) {
        for id in self
            .metadata
            .retained()
            .into_iter()
            .chain(self.metadata.in_progress())
        {
            let Some(manifest) = self.store.manifest(id) else {
                continue;
            };
            let is_needed =
                manifest.kind == Kind::Checkpoint && manifest.paths().any(|needed| needed == path);
            assert!(!is_needed, "{path} is deleted, which checkpoint {id} has");
            assert_ne!(
                path,
                layout::checkpoint_manifest(id),
                "checkpoint {id} is deleted"
            );
        }
    }

    /// Savepoints have all of their files to the end.
    pub(crate) fn check_savepoints(&self) {
        for (id, entry) in &self.metadata.history {
            if entry.after.is_some() && entry.status == Status::Complete {
                let manifest = self.store.manifest(*id).expect("a savepoint has its manifest");
                check_cut(manifest, &self.store, &entry.folder);
            }
        }
    }
}
