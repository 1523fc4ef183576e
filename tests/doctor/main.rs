//! Every fault that `./dev doctor` knows is seeded on real servers, named by its code, mended as it says, and gone.

mod broker;
mod build;
mod caches;
mod command_line;
mod election;
mod folder;
mod machine;
mod mongo;
mod postgres;
mod search;
mod servers;
mod shop;
mod split;
mod targets;
mod trial;

use std::collections::BTreeSet;

use devstack::StackKind;
use devstack::doctor::{self, CHECKS, Context, Names};
use support::files::checkout;
use tokio::sync::Mutex;

use trial::Seed;

/// The tests that change the shared test stack take turns.
static SHARED: Mutex<()> = Mutex::const_new(());

const SEEDS: [&[Seed]; 11] = [
    machine::SEEDS,
    build::SEEDS,
    folder::SEEDS,
    servers::SEEDS,
    postgres::SEEDS,
    split::SEEDS,
    mongo::SEEDS,
    broker::SEEDS,
    search::SEEDS,
    caches::SEEDS,
    shop::SEEDS,
];

#[test]
fn every_check_is_seeded() {
    let seeded: BTreeSet<&str> =
        SEEDS.iter().copied().flatten().chain(targets::SEEDS).map(|(code, _)| *code).collect();
    let known: BTreeSet<&str> = CHECKS.iter().map(|check| check.code).collect();
    assert_eq!(known.len(), CHECKS.len(), "a code is there twice");
    assert_eq!(seeded, known);
}

#[tokio::test]
async fn a_healthy_stack_has_no_failure() {
    let _turn = SHARED.lock().await;
    let report = doctor::examine(&shared(None)).await;
    assert!(report.failures().is_empty(), "{report}");
    let nothing = Context::open(StackKind::Development, std::path::Path::new("/nonexistent"));
    doctor::examine(&nothing).await;
}

/// The shared test stack, as the doctor sees it.
fn shared(names: Option<Names>) -> Context {
    let context = Context::open(StackKind::Test, checkout());
    let folder = support::stack().settings.parent().expect("a folder");
    assert_eq!(context.folders.data, folder, "the test stack of this checkout");
    Context { names, ..context }
}
