//! The experiment that runs, this process' copy: see [`crate::live_tuning`], which follows both.

use std::sync::{Arc, PoisonError, RwLock};

use domain::experiment::{Assignment, Coins, Experiment};
use domain::ids::{ExperimentId, SessionId};
use search_indexer::tuned::LiveTuning;

/// An experiment with its draft's tuning ready for searches.
#[derive(Debug)]
pub struct RunningExperiment {
    experiment: Experiment,
    /// What the draft sets.
    pub treatment: LiveTuning,
}

impl RunningExperiment {
    fn new(experiment: Experiment) -> Self {
        let treatment = LiveTuning::new(experiment.control_release, experiment.tuning.clone());
        Self { experiment, treatment }
    }

    /// Its id.
    pub fn id(&self) -> ExperimentId {
        self.experiment.id
    }

    /// Whether it compares with that release: with another one it is about to end.
    pub fn is_beside(&self, release: i64) -> bool {
        self.experiment.control_release == release
    }

    /// How a visit's searches are answered; `None`: the visit does not take part.
    pub fn assignment(&self, session: SessionId) -> Option<Assignment> {
        self.experiment.assignment(session)
    }

    /// Whose turn it is in a visit's search for `text`.
    pub fn coins(&self, session: SessionId, text: &str) -> Coins {
        self.experiment.coins(session, text)
    }
}

/// The copy.
#[derive(Debug, Default)]
pub struct RunningExperimentCell(RwLock<Held>);

#[derive(Debug, Default)]
struct Held {
    running: Option<Arc<RunningExperiment>>,
    /// The last one that this process has ended: who read it before does not bring it back.
    ended: Option<ExperimentId>,
}

impl RunningExperimentCell {
    /// What runs, as far as this process knows.
    pub fn get(&self) -> Option<Arc<RunningExperiment>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).running.clone()
    }

    /// Its id.
    pub fn id(&self) -> Option<ExperimentId> {
        self.get().map(|running| running.id())
    }

    /// An experiment began, or none runs.
    pub fn put(&self, experiment: Option<Experiment>) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let ended = held.ended;
        let experiment = experiment.filter(|experiment| ended != Some(experiment.id));
        let id = experiment.as_ref().map(|experiment| experiment.id.to_string());
        held.running = experiment.map(|experiment| Arc::new(RunningExperiment::new(experiment)));
        tracing::info!(experiment = id, "another experiment runs, or none");
    }

    /// An experiment ended.
    pub fn end(&self, id: ExperimentId) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        held.ended = Some(id);
        held.running = held.running.take().filter(|running| running.id() != id);
    }
}
