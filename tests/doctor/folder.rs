//! The data folder: marks, modes, owners, secrets, halves.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use devstack::account::Account;
use devstack::doctor::{Context, Mend};
use futures_util::FutureExt;
use rustix::process::geteuid;

use crate::trial::{Seed, Trial, follow, found, gone};

pub const SEEDS: &[Seed] = &[
    ("folder-of-other", |trial| of_other(trial).boxed_local()),
    ("folder-closed", |trial| closed(trial).boxed_local()),
    ("folder-owner", |trial| owner(trial).boxed_local()),
    ("secrets-open", |trial| secrets_open(trial).boxed_local()),
    ("secrets-broken", |trial| secrets_broken(trial).boxed_local()),
    ("data-half-made", |trial| half_made(trial).boxed_local()),
    ("data-version", |trial| version(trial).boxed_local()),
];

#[tokio::test]
async fn faults_of_the_folder_are_named_and_mended() {
    let mut trial = Trial::new();
    trial.plant(SEEDS).await;
    trial.end().await;
}

async fn of_other(trial: &mut Trial) {
    gone(|| trial.context(), "folder-of-other").await;
    let folders = &trial.stack.folders;
    let own = fs::read_to_string(folders.marker()).expect("a mark");
    fs::write(folders.marker(), "/another/checkout\n").expect("a mark");
    let trouble = found(|| trial.context(), "folder-of-other").await;
    assert!(trouble.seen.contains("/another/checkout"), "{trouble:?}");
    assert!(
        matches!(&trouble.mend, Mend::Action(words) if words.contains("/another/checkout")),
        "{trouble:?}"
    );
    // The same as a link to the other's folder.
    let (link, other) = (folders.link(trial.stack.kind), trial.checkout.join("other"));
    fs::rename(&link, &other).expect("moved");
    symlink(&other, &link).expect("a link");
    let trouble = found(|| trial.context(), "folder-of-other").await;
    follow(&trouble, &trial.checkout);
    assert!(!link.exists(), "the link is removed");
    let mark = fs::read_to_string(other.join("checkout")).expect("a mark");
    assert_eq!(mark, "/another/checkout\n", "the other's mark stays");
    fs::rename(&other, &link).expect("moved back");
    fs::write(folders.marker(), own).expect("as before");
    gone(|| trial.context(), "folder-of-other").await;
}

/// Without the right to pass, not even the owner gets through.
async fn closed(trial: &mut Trial) {
    let account = Account { change: true, ..trial.stack.account.clone() };
    let look = || Context { account: Some(account.clone()), ..trial.context() };
    gone(look, "folder-closed").await;
    let context = look();
    fs::set_permissions(&trial.checkout, fs::Permissions::from_mode(0o600)).expect("closed");
    let finding = devstack::doctor::ask(&context, "folder-closed").await.expect("a known code");
    fs::set_permissions(&trial.checkout, fs::Permissions::from_mode(0o700)).expect("half open");
    if geteuid().is_root() {
        let trouble = found(look, "folder-closed").await;
        assert!(trouble.seen.contains(&trial.checkout.display().to_string()), "{trouble:?}");
        follow(&trouble, &trial.checkout);
        assert!(finding.trouble().is_some(), "{finding:?}");
    }
    gone(look, "folder-closed").await;
}

/// Only root can give a file away; for others it is the account that changes.
async fn owner(trial: &mut Trial) {
    let folder = trial.stack.server_folder("redis").expect("a folder");
    fs::create_dir_all(folder.join("copied/by")).expect("a folder");
    fs::write(folder.join("copied/by/root"), "").expect("a file");
    let stranger = Account { uid: geteuid().as_raw() + 1, ..trial.stack.account.clone() };
    let account = if geteuid().is_root() { trial.stack.account.clone() } else { stranger };
    let trouble =
        found(|| Context { account: Some(account.clone()), ..trial.context() }, "folder-owner").await;
    assert!(matches!(&trouble.mend, Mend::Command(line) if line.starts_with("chown -R ")), "{trouble:?}");
    if geteuid().is_root() {
        follow(&trouble, &trial.checkout);
        // The folder above was made by root as well.
        trial.stack.account.own(&trial.stack.folders.data.join("servers")).expect("given away");
    }
    gone(|| trial.context(), "folder-owner").await;
    let settings = trial.stack.folders.settings();
    let there = settings.exists();
    if !there {
        trial.stack.account.write_private(&settings, "").expect("settings");
    }
    fs::set_permissions(&settings, fs::Permissions::from_mode(0o000)).expect("closed");
    let trouble = found(|| trial.context(), "folder-owner").await;
    assert!(trouble.seen.contains("settings.toml"), "{trouble:?}");
    follow(&trouble, &trial.checkout);
    gone(|| trial.context(), "folder-owner").await;
    if !there {
        fs::remove_file(&settings).expect("removed");
    }
}

async fn secrets_open(trial: &mut Trial) {
    let file = trial.stack.folders.secrets();
    gone(|| trial.context(), "secrets-open").await;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("opened");
    let trouble = found(|| trial.context(), "secrets-open").await;
    assert!(trouble.seen.contains("644"), "{trouble:?}");
    follow(&trouble, &trial.checkout);
    gone(|| trial.context(), "secrets-open").await;
}

async fn secrets_broken(trial: &mut Trial) {
    let file = trial.stack.folders.secrets();
    let whole = fs::read_to_string(&file).expect("secrets");
    let cut = &whole[..whole.len() / 2];
    fs::write(&file, cut).expect("cut off");
    let trouble = found(|| trial.context(), "secrets-broken").await;
    let secret = &trial.stack.secrets.postgres_superuser;
    assert!(!trouble.seen.contains(secret.as_str()), "a secret is shown");
    assert!(matches!(&trouble.mend, Mend::Action(words) if words.contains("./dev reset")), "{trouble:?}");
    fs::write(&file, whole).expect("put back");
    gone(|| trial.context(), "secrets-broken").await;
}

async fn half_made(trial: &mut Trial) {
    let folders = &trial.stack.folders;
    let whole = folders.server("postgres_1").join("data");
    let half = folders.server("postgres_2").join("data");
    for data in [&whole, &half] {
        fs::create_dir_all(data.join("pg_wal")).expect("a folder");
    }
    fs::write(whole.join("PG_VERSION"), "15\n").expect("whole");
    let trouble = found(|| trial.context(), "data-half-made").await;
    assert!(trouble.seen.contains("postgres_2"), "{trouble:?}");
    follow(&trouble, &trial.checkout);
    assert!(!half.exists() && whole.exists(), "only the broken one is removed");
    gone(|| trial.context(), "data-half-made").await;
    // Of a primary nothing is removed: a standby takes its place.
    fs::create_dir_all(half.join("pg_wal")).expect("a folder");
    fs::write(whole.join("standby.signal"), "").expect("a standby");
    let trouble = found(|| trial.context(), "data-half-made").await;
    assert!(matches!(&trouble.mend, Mend::Action(words) if words.contains("./dev reset")), "{trouble:?}");
    let other = folders.server("postgres_3").join("data");
    fs::create_dir_all(&other).expect("a folder");
    for file in ["PG_VERSION", "standby.signal"] {
        fs::write(other.join(file), "15\n").expect("a standby");
    }
    let trouble = found(|| trial.context(), "data-half-made").await;
    assert!(trouble.cause.contains("a standby takes its place"), "{trouble:?}");
    follow(&trouble, &trial.checkout);
    let aside = half.with_extension("aside");
    assert!(!half.exists() && aside.join("pg_wal").exists() && whole.exists(), "it is put aside");
    for folder in [&aside, &other] {
        fs::remove_dir_all(folder).expect("removed");
    }
    gone(|| trial.context(), "data-half-made").await;
    fs::remove_dir_all(&whole).expect("removed");
    fs::create_dir_all(&whole).expect("a folder");
    let trouble = found(|| trial.context(), "data-half-made").await;
    assert_eq!(trouble.mend, Mend::command("./dev reset && ./dev up"));
    fs::remove_dir_all(&whole).expect("removed");
}

async fn version(trial: &mut Trial) {
    let data = trial.stack.folders.server("postgres_1").join("data");
    fs::create_dir_all(&data).expect("a folder");
    fs::write(data.join("PG_VERSION"), "9\n").expect("an old one");
    let trouble = found(|| trial.context(), "data-version").await;
    assert!(trouble.seen.contains("says 9"), "{trouble:?}");
    fs::remove_dir_all(&data).expect("begun anew");
    gone(|| trial.context(), "data-version").await;
}
