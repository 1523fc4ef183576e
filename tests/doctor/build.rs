//! Programs, sources and the compiler.

use std::fs;

use devstack::doctor::{Context, Mend};
use futures_util::FutureExt;

use crate::trial::{Seed, Trial, follow, found, gone, shell};

pub const SEEDS: &[Seed] = &[
    ("toolchain-missing", |trial| toolchain_missing(trial).boxed_local()),
    ("build-stale", |trial| build_stale(trial).boxed_local()),
    ("running-old", |trial| running_old(trial).boxed_local()),
];

#[tokio::test]
async fn faults_of_the_build_are_named_and_mended() {
    let mut trial = Trial::new();
    trial.plant(SEEDS).await;
    trial.end().await;
}

async fn toolchain_missing(trial: &mut Trial) {
    let file = trial.checkout.join("rust-toolchain.toml");
    fs::write(&file, "[toolchain]\nchannel = \"1.10.0\"\n").expect("a file");
    let trouble = found(|| trial.context(), "toolchain-missing").await;
    let expected = "rustup toolchain install 1.10.0 --profile minimal --component clippy,rustfmt";
    assert_eq!(trouble.mend, Mend::command(expected));
    fs::copy(support::files::checkout().join("rust-toolchain.toml"), &file).expect("the real one");
    gone(|| trial.context(), "toolchain-missing").await;
    fs::remove_file(&file).expect("removed");
}

/// A program of one file, built by cargo itself.
async fn build_stale(trial: &mut Trial) {
    let checkout = trial.checkout.clone();
    let manifest = "[package]\nname = \"api\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
    fs::create_dir(checkout.join("src")).expect("a folder");
    fs::write(checkout.join("Cargo.toml"), manifest).expect("a manifest");
    fs::write(checkout.join("src/main.rs"), "fn main() {}\n").expect("a source");
    shell("cargo build --offline --quiet", &checkout);
    let look = || Context { programs: checkout.join("target/debug"), ..trial.context() };
    gone(look, "build-stale").await;
    fs::write(checkout.join("src/main.rs"), "fn main() { println!(); }\n").expect("a change");
    let trouble = found(look, "build-stale").await;
    assert!(trouble.seen.contains("src/main.rs"), "{trouble:?}");
    follow(&trouble, &checkout);
    gone(look, "build-stale").await;
}

async fn running_old(trial: &mut Trial) {
    let built = trial.checkout.join("target/debug/api");
    let copy = trial.stack.folders.binaries.join("api");
    let look = || Context { programs: trial.checkout.join("target/debug"), ..trial.context() };
    fs::copy(&built, &copy).expect("started");
    gone(look, "running-old").await;
    fs::write(trial.checkout.join("src/main.rs"), "fn main() { println!(\"new\"); }\n").expect("a change");
    shell("cargo build --offline --quiet", &trial.checkout);
    let trouble = found(look, "running-old").await;
    follow(&trouble, &trial.checkout);
    let calls = fs::read_to_string(trial.checkout.join("dev.calls")).expect("calls");
    assert_eq!(calls, "down\nup\n");
    // What a start does first.
    fs::copy(&built, &copy).expect("started again");
    gone(look, "running-old").await;
}
