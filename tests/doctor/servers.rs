//! Processes and ports, with a Redis and a Memcached of the test's own.

use std::process::{Command, Stdio};

use devstack::doctor::{Context, Mend};
use devstack::process::{GroupGuard, Mark, signal_child};
use futures_util::FutureExt;
use rustix::process::Signal;

use crate::trial::{Seed, Trial, follow, found, gone};

pub const SEEDS: &[Seed] = &[
    ("supervisor-gone", |trial| supervisor_gone(trial).boxed_local()),
    ("server-down", |trial| server_down(trial).boxed_local()),
    ("restart-loop", |trial| restart_loop(trial).boxed_local()),
    ("port-taken", |trial| port_taken(trial).boxed_local()),
];

#[tokio::test]
async fn faults_of_processes_are_named_and_mended() {
    let mut trial = Trial::new();
    trial.start(&["redis", "memcached"]).await;
    trial.plant(SEEDS).await;
    trial.end().await;
}

async fn supervisor_gone(trial: &mut Trial) {
    gone(|| trial.context(), "supervisor-gone").await;
    let mut ended = Command::new("sleep").arg("60").spawn().expect("a process");
    let supervisor = Mark::of(ended.id()).expect("it runs");
    ended.kill().expect("killed");
    ended.wait().expect("its end");
    let own = std::mem::replace(&mut trial.state.supervisor, supervisor);
    let trouble = found(|| trial.context(), "supervisor-gone").await;
    assert!(trouble.seen.contains("redis") && trouble.seen.contains("memcached"), "{trouble:?}");
    follow(&trouble, &trial.checkout);
    trial.state.supervisor = own;
    gone(|| trial.context(), "supervisor-gone").await;
}

async fn server_down(trial: &mut Trial) {
    gone(|| trial.context(), "server-down").await;
    trial.kill("redis").await;
    let trouble = found(|| trial.context(), "server-down").await;
    assert!(trouble.seen.starts_with("redis: "), "{trouble:?}");
    follow(&trouble, &trial.checkout);
    trial.start(&["redis"]).await;
    gone(|| trial.context(), "server-down").await;
    signal_child(trial.pid("memcached"), Signal::STOP);
    let trouble = found(|| trial.context(), "server-down").await;
    signal_child(trial.pid("memcached"), Signal::CONT);
    assert!(trouble.seen.contains("memcached: "), "{trouble:?}");
    gone(|| trial.context(), "server-down").await;
}

async fn restart_loop(trial: &mut Trial) {
    for _ in 0..3 {
        trial.kill("redis").await;
        trial.start(&["redis"]).await;
    }
    let trouble = found(|| trial.context(), "restart-loop").await;
    assert!(trouble.seen.starts_with("redis: "), "{trouble:?}");
    follow(&trouble, &trial.checkout);
    let later =
        || Context { now: trial.context().now + jiff::SignedDuration::from_mins(5), ..trial.context() };
    gone(later, "restart-loop").await;
}

/// Another's Redis on the port of ours.
async fn port_taken(trial: &mut Trial) {
    trial.kill("redis").await;
    gone(|| trial.context(), "port-taken").await;
    let port = trial.stack.ports.redis.to_string();
    let mut command = tokio::process::Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port]).stdout(Stdio::null());
    let mut holder = GroupGuard::spawn(&mut command).expect("it starts");
    let trouble = found(|| trial.context(), "port-taken").await;
    let words = format!("port {port}, needed by redis, is taken by ");
    assert!(trouble.seen.starts_with(&words), "{trouble:?}");
    follow(&trouble, &trial.checkout);
    holder.wait().await.expect("its end");
    gone(|| trial.context(), "port-taken").await;
    // What another checkout's stack holds is not to be killed: its supervisor would start it again.
    let mut other = Trial::with_ports(trial.stack.ports.clone());
    other.start(&["redis"]).await;
    let trouble = found(|| trial.context(), "port-taken").await;
    let folder = other.stack.folders.data.display().to_string();
    assert!(trouble.cause.contains(&folder), "{trouble:?}");
    let down = format!("cd {} && ./dev down", other.checkout.display());
    assert!(matches!(&trouble.mend, Mend::Action(words) if words.ends_with(&down)), "{trouble:?}");
    other.end().await;
    gone(|| trial.context(), "port-taken").await;
}
