//! The nodes of PostgreSQL: one primary, standbys that follow it, commits on two disks, no WAL kept for nobody.

use super::{
    Context, Finding, Mend,
    context::megabytes,
    roles::{nodes, primary, server_of},
};
use crate::{
    error::Result,
    servers::postgres::{NODES, conninfo, node_name, server_name},
};

/// A slot that nobody reads from may hold this much WAL without a word.
const IDLE_SLOT_WARNS: u64 = 16 * 1024 * 1024;
const IDLE_SLOT_FAILS: u64 = 1024 * 1024 * 1024;
/// Pgpool-II reads no more from a standby that is this far behind.
const LAG_WARNS: u64 = 16 * 1024 * 1024;

pub(super) async fn has_primary(context: &Context) -> Result<Finding> {
    let nodes = nodes(context).await?;
    if let Some(primary) = nodes.iter().find(|node| node.is_primary) {
        return Ok(Finding::well(server_name(primary.index)));
    }
    let names: Vec<String> = nodes.iter().map(|node| server_name(node.index)).collect();
    Ok(Finding::failure(
        format!("{} nodes answer ({}), each as a standby", nodes.len(), names.join(", ")),
        "the primary died and nobody was promoted: that needs both standbys, so that no commit is lost",
        Mend::command(context.start_anew()),
    ))
}

pub(super) async fn split_roles(context: &Context) -> Result<Finding> {
    let mut primaries = Vec::new();
    for node in nodes(context).await?.into_iter().filter(|node| node.is_primary) {
        const TIMELINE: &str = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8), \
             (SELECT count(*) FROM pg_stat_replication)";
        let row = node.session.query_one(TIMELINE, &[]).await?;
        let timeline = u32::from_str_radix(row.get(0), 16).unwrap_or(0);
        let followers: i64 = row.get(1);
        primaries.push((timeline, followers, node.index));
    }
    // The true one was promoted last, or has the followers; the other cannot confirm a commit.
    primaries.sort_unstable();
    match primaries.as_slice() {
        [] => Ok(Finding::skipped("there is no primary")),
        [(timeline, _, index)] => {
            Ok(Finding::well(format!("only {}, timeline {timeline}", server_name(*index))))
        }
        [(_, _, false_one), ..] => {
            let words: Vec<String> = primaries
                .iter()
                .map(|(timeline, followers, index)| {
                    format!("{} (timeline {timeline}, {followers} followers)", server_name(*index))
                })
                .collect();
            let name = server_name(*false_one);
            let pid_file = context.folders.server(&name).join("data/postmaster.pid");
            Ok(Finding::failure(
                format!("{} take writes", words.join(" and ")),
                format!("{name} came back, or was started by hand, while another had been promoted"),
                Mend::command(format!("kill -QUIT $(head -n 1 {})", super::context::shell(&pid_file))),
            ))
        }
    }
}

pub(super) async fn streaming(context: &Context) -> Result<Finding> {
    let nodes = nodes(context).await?;
    let Some(primary) = nodes.iter().find(|node| node.is_primary) else {
        return Ok(Finding::skipped("there is no primary"));
    };
    const FOLLOWERS: &str = "SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'";
    let rows = primary.session.query(FOLLOWERS, &[]).await?;
    let followers: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let missing: Vec<usize> = (0..NODES)
        .filter(|index| *index != primary.index && !followers.contains(&node_name(*index)))
        .collect();
    let Some(first) = missing.first().copied() else {
        return Ok(Finding::well(format!(
            "{} standbys follow {}",
            followers.len(),
            server_name(primary.index)
        )));
    };
    let names: Vec<String> = missing.iter().map(|index| server_name(*index)).collect();
    let seen = format!("{} of {} standbys do not follow: {}", missing.len(), NODES - 1, names.join(", "));
    let Some(standby) = nodes.iter().find(|node| node.index == first && !node.is_primary) else {
        let cause = "it does not run, or does not answer as a standby";
        return Ok(Finding::failure(seen, cause, Mend::command(context.dev(&format!("logs {}", names[0])))));
    };
    const POINTED: &str = "SELECT substring(current_setting('primary_conninfo') FROM 'port=([0-9]+)')";
    let pointed: Option<String> = standby.session.query_one(POINTED, &[]).await?.get(0);
    let port = context.ports.postgres[primary.index];
    if pointed.as_deref() == Some(port.to_string().as_str()) {
        let cause = "it is pointed at the primary and does not get on: the WAL that it needs may be gone";
        return Ok(Finding::failure(seen, cause, Mend::command(context.dev(&format!("logs {}", names[0])))));
    }
    let point = format!("ALTER SYSTEM SET primary_conninfo = '{}'", conninfo(first, port));
    Ok(Finding::failure(
        seen,
        format!(
            "it looks for its primary at port {}, which is at {port}",
            pointed.as_deref().unwrap_or("none")
        ),
        Mend::command(context.psql(first, "postgres", &[&point, "SELECT pg_reload_conf()"])),
    ))
}

pub(super) async fn synchronous(context: &Context) -> Result<Finding> {
    let primary = primary(context).await?;
    const QUESTION: &str = "SELECT current_setting('synchronous_standby_names'), \
         (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')), \
         (SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep')";
    let row = primary.session.query_one(QUESTION, &[]).await?;
    let (names, confirming, waiting): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
    let reset = || {
        let statements = ["ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"];
        Mend::command(context.psql(primary.index, "postgres", &statements))
    };
    if names.trim().is_empty() {
        return Ok(Finding::failure(
            "synchronous_standby_names is empty".to_owned(),
            "a commit is acknowledged when it is on one disk only, and two primaries could both take writes",
            reset(),
        ));
    }
    if confirming > 0 {
        return Ok(Finding::well(format!("{confirming} standbys confirm, {waiting} commits wait")));
    }
    let seen = format!("nobody of {names} confirms, {waiting} commits wait");
    if (0..NODES).any(|index| names.contains(&node_name(index))) {
        let cause = "both standbys are away: every commit waits for one of them";
        return Ok(Finding::failure(seen, cause, Mend::command(context.start_anew())));
    }
    Ok(Finding::failure(seen, "somebody set names that no standby has: every commit waits for ever", reset()))
}

pub(super) async fn slots(context: &Context) -> Result<Finding> {
    let primary = primary(context).await?;
    const QUESTION: &str = "SELECT slot_name::text, \
         greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint FROM pg_replication_slots \
         WHERE NOT active AND restart_lsn IS NOT NULL ORDER BY 2 DESC";
    let rows = primary.session.query(QUESTION, &[]).await?;
    let Some(row) = rows.first() else {
        return Ok(Finding::well("every slot that keeps WAL is read from"));
    };
    let (name, kept): (String, i64) = (row.get(0), row.get(1));
    let kept = kept.unsigned_abs();
    let seen = format!("{} slots without a reader; {name} keeps {} of WAL", rows.len(), megabytes(kept));
    let (cause, mend) = match server_of(&name) {
        Some(server) => (
            format!("{server} does not follow, and the primary keeps what it will need"),
            Mend::command(context.dev(&format!("logs {server}"))),
        ),
        None => (
            "a reader that is gone for good left it, and WAL is kept for it until the limit of 2 GB"
                .to_owned(),
            Mend::command(context.psql(
                primary.index,
                "postgres",
                &[&format!("SELECT pg_drop_replication_slot('{}')", name.replace('\'', "''"))],
            )),
        ),
    };
    Ok(match kept {
        _ if kept >= IDLE_SLOT_FAILS => Finding::failure(seen, cause, mend),
        _ if kept >= IDLE_SLOT_WARNS || server_of(&name).is_none() => Finding::warning(seen, cause, mend),
        _ => Finding::well(seen),
    })
}

pub(super) async fn replay(context: &Context) -> Result<Finding> {
    let mut most = 0;
    for node in nodes(context).await?.into_iter().filter(|node| !node.is_primary) {
        const QUESTION: &str = "SELECT pg_is_wal_replay_paused(), \
             greatest(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), 0)::bigint";
        let row = node.session.query_one(QUESTION, &[]).await?;
        let behind = row.get::<_, Option<i64>>(1).unwrap_or(0).unsigned_abs();
        let name = server_name(node.index);
        if row.get(0) {
            return Ok(Finding::failure(
                format!("{name} has paused its replay, {} behind", megabytes(behind)),
                "somebody called pg_wal_replay_pause(); reads from it grow older and older",
                Mend::command(context.psql(node.index, "postgres", &["SELECT pg_wal_replay_resume()"])),
            ));
        }
        most = most.max(behind);
        if behind > LAG_WARNS {
            return Ok(Finding::warning(
                format!("{name} has {} of WAL to replay", megabytes(behind)),
                "it replays more slowly than the primary writes, or a long query holds it up",
                Mend::command(context.psql(
                    node.index,
                    "postgres",
                    &["SELECT pid, now() - query_start AS since, application_name FROM pg_stat_activity \
                       WHERE state <> 'idle' ORDER BY since DESC LIMIT 5"],
                )),
            ));
        }
    }
    Ok(Finding::well(format!("at most {} behind", megabytes(most))))
}
