//! How a stopped node finds its place: as it was, or behind whoever was promoted in its absence.

use std::{
    fs::{self, File},
    path::Path,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{Cluster, disk, election, live, seed, server_name};
use crate::{
    error::{Result, StackError},
    server::Launch,
    servers::pgpool,
};

/// How long a primary that died waits for another to be promoted. Pgpool-II notices after 3 s, or 11 s when
/// it hangs; the failover script needs less than one second, at most about 12.
const DECISION_DEADLINE: Duration = Duration::from_secs(15);

/// How long a node waits for the primary that it has to follow.
const PRIMARY_DEADLINE: Duration = Duration::from_secs(60);

const LOCK_DEADLINE: Duration = Duration::from_secs(30);
const REWIND_DEADLINE: Duration = Duration::from_secs(60);
const COPY_DEADLINE: Duration = Duration::from_secs(600);
/// All of the above one after the other, and some time for the files.
pub(super) const DEADLINE: Duration = Duration::from_secs(900);
const POLL: Duration = Duration::from_millis(100);

/// Says that a data folder is not whole: a rewind began and did not end, or the node could not follow.
pub(super) const SPOILT: &str = "data.spoilt";

/// Before the stack starts: nobody runs, so what is on the disks holds.
pub(super) async fn at_start(cluster: &Cluster, index: usize) -> Result<()> {
    let primary = election::primary_at_start(cluster).await?;
    if primary == index { Ok(()) } else { follow(cluster, index, primary).await }
}

/// After this node died: Pgpool-II may be promoting another one at this moment.
pub(super) async fn after_death(cluster: &Cluster, index: usize) -> Result<()> {
    if cluster.primary_on_disk() != Some(index) {
        // Pgpool-II may be away itself, which does not keep a node from coming back.
        pgpool::detach(&cluster.stack, index).await.ok();
    }
    let deadline = Instant::now() + DECISION_DEADLINE;
    while cluster.primary_on_disk() == Some(index) && Instant::now() < deadline {
        sleep(POLL).await;
    }
    // A failover at work holds this lock; once we have it, the decision is on the disks.
    let _lock = lock(&cluster.failover_lock()).await?;
    match cluster.primary_on_disk() {
        Some(primary) if primary != index => follow(cluster, index, primary).await,
        _ => Ok(()),
    }
}

/// Makes a stopped node a standby of `primary`.
async fn follow(cluster: &Cluster, index: usize, primary: usize) -> Result<()> {
    let folder = cluster.stack.server_folder(&server_name(index))?;
    let data = cluster.data(index);
    let spoilt = folder.join(SPOILT);
    match disk::role(&data) {
        disk::Role::Standby if !spoilt.exists() => {}
        disk::Role::Primary { .. } if !spoilt.exists() => {
            wait_for_primary(cluster, primary).await?;
            cluster.stack.account.write_private(&spoilt, "a rewind began\n")?;
            if let Err(error) = rewind(cluster, index, primary).await {
                eprintln!("{}: {error}; it is copied instead", server_name(index));
                copy(cluster, index, primary).await?;
            }
        }
        _ => {
            wait_for_primary(cluster, primary).await?;
            copy(cluster, index, primary).await?;
        }
    }
    cluster.make_standby(index, &data, primary)?;
    match fs::remove_file(&spoilt) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StackError::path("remove", &spoilt)(error))
        }
        _ => Ok(()),
    }
}

async fn wait_for_primary(cluster: &Cluster, primary: usize) -> Result<()> {
    let deadline = Instant::now() + PRIMARY_DEADLINE;
    while !matches!(live::role(&cluster.stack, primary).await, Ok(live::Role::Primary { .. })) {
        if Instant::now() >= deadline {
            return Err(StackError::refused(format!("{} is not there to be followed", server_name(primary))));
        }
        sleep(POLL).await;
    }
    Ok(())
}

/// Takes back what the node wrote and nobody confirmed, then copies what has changed since.
async fn rewind(cluster: &Cluster, index: usize, primary: usize) -> Result<()> {
    live::checkpoint(&cluster.stack, primary).await?;
    let name = server_name(index);
    let launch = Launch::new(cluster.programs.join("pg_rewind"))
        .arg("--target-pgdata")
        .arg(cluster.data(index))
        .arg("--config-file")
        .arg(cluster.configuration(index))
        .arg(format!("--source-server={} dbname=postgres", cluster.conninfo_from_folder(index, primary)));
    cluster.stack.run(&name, &launch, REWIND_DEADLINE).await.map(drop)
}

/// A whole new copy of the primary.
async fn copy(cluster: &Cluster, index: usize, primary: usize) -> Result<()> {
    let data = cluster.data(index);
    let fresh = data.with_extension("new");
    seed::remove(&fresh)?;
    let launch = Launch::new(cluster.programs.join("pg_basebackup"))
        .args(["--checkpoint=fast", "--wal-method=stream", "--pgdata"])
        .arg(&fresh)
        .arg(format!("--dbname={}", cluster.conninfo_from_folder(index, primary)));
    cluster.stack.run(&server_name(index), &launch, COPY_DEADLINE).await?;
    // Before it gets its name: a folder that is no standby could be taken for the primary's.
    cluster.make_standby(index, &fresh, primary)?;
    seed::remove(&data)?;
    fs::rename(&fresh, &data).map_err(StackError::path("make", &data))
}

/// Takes the lock that the failover script takes.
async fn lock(path: &Path) -> Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(StackError::path("open", path))?;
    let deadline = Instant::now() + LOCK_DEADLINE;
    while file.try_lock().is_err() {
        if Instant::now() >= deadline {
            return Err(StackError::refused("a failover has not ended yet"));
        }
        sleep(POLL).await;
    }
    Ok(file)
}

/// Whether a failover is at work now.
pub(super) fn failover_is_at_work(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_err())
}
