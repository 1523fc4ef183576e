//! Makes a fresh cluster: one folder with roles and database, copied twice while nobody runs.

use std::{fs, path::Path, time::Duration};

use super::{Cluster, NODES, node_name, quoted, render, server_name};
use crate::{
    error::{Result, StackError},
    server::Launch,
    stack::StackKind,
};

const ROLES: &str = include_str!("../../../../deploy/postgres/roles.sql");

const DEADLINE: Duration = Duration::from_secs(60);

/// Whether no node has data yet.
pub(super) fn is_needed(cluster: &Cluster) -> bool {
    (0..NODES).all(|index| !cluster.data(index).exists())
}

/// Makes the data folders of all nodes. The first one, the primary, appears whole or not at all; a standby
/// that is missing after an interruption is made from it.
pub(super) async fn run(cluster: &Cluster) -> Result<()> {
    let stack = &cluster.stack;
    let first = server_name(0);
    let seed = stack.server_folder(&first)?.join("data.new");
    remove(&seed)?;
    initialise(cluster, &seed).await?;
    create_roles(cluster, &seed).await?;
    for index in 1..NODES {
        let copy = stack.server_folder(&server_name(index))?.join("data.new");
        remove(&copy)?;
        let launch = Launch::new("/bin/cp").arg("--archive").arg(&seed).arg(&copy);
        stack.run(&first, &launch, DEADLINE).await?;
        cluster.make_standby(index, &copy, 0)?;
    }
    for index in 0..NODES {
        let data = cluster.data(index);
        fs::rename(data.with_extension("new"), &data).map_err(StackError::path("make", &data))?;
    }
    Ok(())
}

/// Removes a folder, which need not be there.
pub(super) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StackError::path("remove", folder)(error))
        }
        _ => Ok(()),
    }
}

async fn initialise(cluster: &Cluster, seed: &Path) -> Result<()> {
    let stack = &cluster.stack;
    let password = stack.folders.server(&server_name(0)).join("superuser.password");
    stack.account.write_private(&password, &stack.secrets.postgres_superuser)?;
    let mut launch = Launch::new(cluster.programs.join("initdb"))
        .args(["--username=postgres", "--auth=scram-sha-256", "--data-checksums"])
        .args(["--encoding=UTF8", "--locale=C.UTF-8"])
        .arg(format!("--pwfile={}", password.display()))
        .arg("--pgdata")
        .arg(seed);
    if stack.kind == StackKind::Test {
        launch = launch.arg("--no-sync");
    }
    let outcome = stack.run(&server_name(0), &launch, DEADLINE).await;
    fs::remove_file(&password).map_err(StackError::path("remove", &password))?;
    outcome.map(drop)
}

/// In a single-user server, which nobody can reach yet. It would wait for a standby too, so it is told of
/// none.
async fn create_roles(cluster: &Cluster, seed: &Path) -> Result<()> {
    let stack = &cluster.stack;
    let secrets = &stack.secrets;
    let script = stack.folders.server(&server_name(0)).join("roles.sql");
    let names: Vec<String> = (0..NODES).map(|index| quoted(&node_name(index))).collect();
    let statements = render(
        ROLES,
        &[
            ("CREATEDB", if stack.kind == StackKind::Test { "CREATEDB" } else { "NOCREATEDB" }),
            ("ENTREPOT_PASSWORD", &quoted(&secrets.postgres_application)),
            ("REPLICATOR_PASSWORD", &quoted(&secrets.postgres_replicator)),
            ("CHECK_PASSWORD", &quoted(&secrets.postgres_check)),
            ("FAILOVER_PASSWORD", &quoted(&secrets.postgres_failover)),
            ("NODE_NAMES", &names.join(", ")),
        ],
    );
    stack.account.write_private(&script, &statements)?;
    // Standard input is closed for every child, so a shell opens the script.
    const SINGLE_USER: &str = "exec \"$0\" --single -j -c synchronous_standby_names= -c exit_on_error=on \
         -D \"$1\" postgres <\"$2\"";
    let launch = Launch::new("/bin/sh")
        .args(["-c", SINGLE_USER])
        .arg(cluster.programs.join("postgres"))
        .arg(seed)
        .arg(&script);
    let outcome = stack.run(&server_name(0), &launch, DEADLINE).await;
    fs::remove_file(&script).map_err(StackError::path("remove", &script))?;
    outcome.map(drop)
}
