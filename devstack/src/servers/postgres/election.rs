//! Who begins as the primary when the one that was is lost with its disk.

use std::{cmp::Reverse, fs, time::Duration};

use super::{Cluster, NODES, disk, rejoin::SPOILT, server_name};
use crate::{
    error::{Result, StackError},
    server::Launch,
};

/// How long reading the last WAL of a node may take.
const WAL_DEADLINE: Duration = Duration::from_secs(60);

/// The nodes ask one after the other, and none of them runs before it has: only the first that asks can elect one.
pub(super) async fn primary_at_start(cluster: &Cluster) -> Result<usize> {
    let _one = cluster.election.lock().await;
    if let Some(primary) = cluster.primary_on_disk() {
        return Ok(primary);
    }
    let primary = elected(cluster).await?;
    make_primary(cluster, primary)?;
    Ok(primary)
}

/// Of standbys whose primary is lost the one that has received most. A commit is confirmed by one of them, so both have
/// to be asked, as the failover script does.
async fn elected(cluster: &Cluster) -> Result<usize> {
    let mut received = Vec::new();
    for index in 0..NODES {
        let data = cluster.data(index);
        let is_spoilt = data.with_file_name(SPOILT).exists();
        match disk::role(&data) {
            disk::Role::Standby if !is_spoilt => {
                received.push((end_of_wal(cluster, index).await?, Reverse(index)));
            }
            // It may be the primary's, and somebody may still want to save it.
            disk::Role::Missing if data.exists() && !is_spoilt => {
                let name = server_name(index);
                let words = format!("the data of {name} is not whole, and no other node is the primary");
                return Err(StackError::refused(format!("{words}: ./dev doctor says what to do")));
            }
            _ => {}
        }
    }
    if received.len() < NODES - 1 {
        let words = "the primary is lost, and not every standby is whole: what was confirmed may be on one that is not";
        return Err(StackError::refused(format!("{words}; put it back, or begin anew: ./dev reset")));
    }
    let most = received.into_iter().max();
    let (position, Reverse(index)) = most.ok_or_else(|| StackError::refused("there is no standby"))?;
    eprintln!("{}: the primary is lost, and it has received most, to {position:?}", server_name(index));
    Ok(index)
}

/// Timeline and place of the last record that a stopped node has. The control file lags behind both, and segments
/// beyond the last record hold what was there before.
async fn end_of_wal(cluster: &Cluster, index: usize) -> Result<(u32, u64)> {
    const SCRIPT: &str = r#"
        cd "$2/pg_wal" || exit 1
        for segment in $(ls | grep -E '^[0-9A-F]{24}$' | sort -r); do
            # It ends with an error: there the records end.
            end="$("$1/pg_waldump" --path . --stats "$segment" 2>/dev/null |
                sed -n 's/^WAL statistics between .* and \(.*\):$/\1/p')"
            if [ -n "$end" ]; then
                echo "$segment $end"
                exit
            fi
        done
    "#;
    let name = server_name(index);
    let launch =
        Launch::new("/bin/sh").args(["-c", SCRIPT, "sh"]).arg(&cluster.programs).arg(cluster.data(index));
    let answer = cluster.stack.run(&name, &launch, WAL_DEADLINE).await?;
    end_of(&answer)
        .ok_or_else(|| StackError::refused(format!("the WAL of {name} cannot be read: {answer:?}")))
}

/// The timeline of a segment, and where its last record ends.
fn end_of(answer: &str) -> Option<(u32, u64)> {
    let (segment, end) = answer.trim().split_once(' ')?;
    let (high, low) = end.split_once('/')?;
    let half = |digits: &str| u64::from_str_radix(digits, 16).ok();
    Some((u32::from_str_radix(segment.get(..8)?, 16).ok()?, half(high)? << 32 | half(low)?))
}

/// Makes a stopped standby the primary: at its start it replays what it has received, begins a timeline of its own, and
/// so is told from the primary of before, should that come back.
fn make_primary(cluster: &Cluster, index: usize) -> Result<()> {
    let data = cluster.data(index);
    let setting = "restore_command = '/bin/false'\n";
    cluster.stack.account.write_private(&data.join("postgresql.auto.conf"), setting)?;
    let signal = data.join("standby.signal");
    fs::rename(&signal, data.join("recovery.signal")).map_err(StackError::path("rename", &signal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_timeline_has_received_more() {
        let end = |answer| end_of(answer).unwrap();
        let first = end("000000010000000000000009 0/9FFFFF8\n");
        let later = end("00000002000000000000000A 0/A000100\n");
        let far = end("00000001000000010000000A 1/A000000\n");
        assert_eq!((first, far), ((1, 0x9FF_FFF8), (1, 0x1_0A00_0000)));
        assert!(first < far && far < later);
        assert_eq!((end_of(""), end_of("000000010000000000000009 0")), (None, None));
    }
}
