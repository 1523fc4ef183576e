//! The machine: real mounts in a namespace of their own, real limits, a kernel file with other figures.

use std::fs;
use std::os::unix::fs::symlink;

use devstack::doctor::Context;
use devstack::tools::Tools;
use futures_util::FutureExt;
use support::files::folder;

use crate::command_line::{devstack, examined, in_namespace};
use crate::trial::{Seed, Trial, found, gone};

pub const SEEDS: &[Seed] = &[
    ("packages-missing", |_| packages_missing().boxed_local()),
    ("programs-missing", |trial| programs_missing(trial).boxed_local()),
    ("java-too-old", |trial| java_too_old(trial).boxed_local()),
    ("disk-full", |_| disk_full().boxed_local()),
    ("memory-short", |trial| memory_short(trial).boxed_local()),
    ("open-files-few", |_| open_files_few().boxed_local()),
    ("mount-noexec", |_| mount_noexec().boxed_local()),
];

#[tokio::test]
async fn faults_of_the_machine_are_named_and_mended() {
    let mut trial = Trial::new();
    trial.plant(SEEDS).await;
    trial.end().await;
}

async fn packages_missing() {
    let doctor = format!("{} --checkout / doctor --json", devstack());
    let script = format!("mount -t tmpfs none /usr/lib/rabbitmq && {doctor}");
    let check = examined(&in_namespace(&script), "packages-missing");
    assert_eq!(check["verdict"], "fail", "{check}");
    assert!(check["seen"].as_str().expect("words").contains("rabbitmq-server"), "{check}");
    assert!(check["mend"]["command"].as_str().expect("a command").starts_with("apt-get "), "{check}");
    assert_eq!(examined(&in_namespace(&doctor), "packages-missing")["verdict"], "ok");
}

async fn programs_missing(trial: &mut Trial) {
    let real = Tools::locate().expect("tools");
    let root = folder("tools");
    let tools = Tools { root: root.clone(), javas: real.javas.clone() };
    let look = || Context { tools: Some(tools.clone()), ..trial.context() };
    let trouble = found(look, "programs-missing").await;
    assert!(trouble.seen.contains("mongod") && trouble.seen.contains("opensearch"), "{trouble:?}");
    for entry in fs::read_dir(&real.root).expect("tools").flatten() {
        symlink(entry.path(), root.join(entry.file_name())).expect("installed");
    }
    gone(look, "programs-missing").await;
}

async fn java_too_old(trial: &mut Trial) {
    let newest = Tools::locate().expect("tools").java_home().expect("a Java");
    let tools = Tools { root: folder("tools"), javas: folder("javas") };
    let look = || Context { tools: Some(tools.clone()), ..trial.context() };
    let old = tools.javas.join("java-17");
    fs::create_dir_all(old.join("bin")).expect("a Java");
    fs::write(old.join("bin/java"), "").expect("a program");
    fs::write(old.join("release"), "JAVA_VERSION=\"17.0.13\"\n").expect("a release file");
    let trouble = found(look, "java-too-old").await;
    assert!(trouble.seen.contains("the newest is 17"), "{trouble:?}");
    symlink(newest, tools.javas.join("newest")).expect("installed");
    gone(look, "java-too-old").await;
}

async fn disk_full() {
    let mount = folder("disk");
    let place = mount.display();
    let doctor = format!("{} --checkout {place} doctor --json", devstack());
    let full = format!("mount -t tmpfs -o size=64m none {place} && {doctor}");
    let check = examined(&in_namespace(&full), "disk-full");
    assert_eq!(check["verdict"], "fail", "{check}");
    assert!(check["mend"]["action"].as_str().expect("words").contains("make room"), "{check}");
    let roomy =
        format!("mount -t tmpfs -o size=64m none {place} && mount -o remount,size=9g {place} && {doctor}");
    assert_eq!(examined(&in_namespace(&roomy), "disk-full")["verdict"], "ok");
}

async fn mount_noexec() {
    let mount = folder("noexec");
    let place = mount.display();
    let doctor = format!("{} --checkout {place} doctor --json", devstack());
    let closed = format!("mount -t tmpfs -o noexec,size=64m none {place}");
    let check = examined(&in_namespace(&format!("{closed} && {doctor}")), "mount-noexec");
    assert_eq!(check["verdict"], "fail", "{check}");
    let mend = check["mend"]["command"].as_str().expect("a command");
    let mended = in_namespace(&format!("{closed} && {mend} && {doctor}"));
    assert_eq!(examined(&mended, "mount-noexec")["verdict"], "ok");
}

async fn memory_short(trial: &mut Trial) {
    let file = folder("memory").join("meminfo");
    let look = || Context { memory: file.clone(), ..trial.context() };
    fs::write(&file, "MemTotal: 24000000 kB\nMemAvailable:     102400 kB\n").expect("figures");
    let trouble = found(look, "memory-short").await;
    assert!(trouble.seen.contains("100 MB available"), "{trouble:?}");
    fs::write(&file, "MemTotal: 24000000 kB\nMemAvailable:   16000000 kB\n").expect("figures");
    gone(look, "memory-short").await;
}

async fn open_files_few() {
    let doctor = format!("{} --checkout / doctor --json", devstack());
    let check = examined(&in_namespace(&format!("ulimit -n 1024 && {doctor}")), "open-files-few");
    assert_eq!(check["verdict"], "fail", "{check}");
    assert!(check["mend"]["command"].as_str().expect("a command").starts_with("ulimit -n "), "{check}");
    assert_eq!(examined(&in_namespace(&doctor), "open-files-few")["verdict"], "ok");
}
