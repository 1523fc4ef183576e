//! The state that all keepers write to, mirrored in the state file, and what they wait for.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::{
    account::Account,
    stack::Stack,
    state::{Failure, ServerState, State},
};

pub(super) struct Board {
    state: Mutex<State>,
    /// Names that were ready once: what others may build upon.
    reached: watch::Sender<HashSet<String>>,
    file: PathBuf,
    account: Account,
}

impl Board {
    pub(super) fn new(state: State, stack: &Stack) -> Self {
        Self {
            state: Mutex::new(state),
            reached: watch::Sender::new(HashSet::new()),
            file: stack.folders.state(),
            account: stack.account.clone(),
        }
    }

    /// Changes the state, and the file when the change is one.
    pub(super) fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        let before = state.clone();
        change(&mut state);
        let changed = *state != before;
        drop(state);
        if changed {
            self.save();
        }
    }

    /// Changes the state of one server.
    pub(super) fn update_server(&self, name: &str, change: impl FnOnce(&mut ServerState)) {
        self.update(|state| {
            if let Some(server) = state.servers.iter_mut().find(|server| server.name == name) {
                change(server);
            }
        });
    }

    /// Says in words what is being done with a server.
    pub(super) fn doing(&self, name: &str, words: &str) {
        self.update_server(name, |server| words.clone_into(&mut server.doing));
    }

    /// Writes the file. A full disk must not stop the servers, so this only complains.
    pub(super) fn save(&self) {
        if let Err(error) = self.lock().save(&self.file, &self.account) {
            eprintln!("{error}");
        }
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        self.lock().failure.clone()
    }

    /// Notes that a name was ready once.
    pub(super) fn reach(&self, name: &str) {
        self.reached.send_modify(|reached| {
            reached.insert(name.to_owned());
        });
    }

    /// Waits until every name was ready once. The caller is stopped from outside when that never happens.
    pub(super) async fn wait_for(&self, names: &[String]) {
        let mut reached = self.reached.subscribe();
        let all = reached.wait_for(|reached| names.iter().all(|name| reached.contains(name))).await;
        debug_assert!(all.is_ok(), "the board outlives those who wait at it");
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
