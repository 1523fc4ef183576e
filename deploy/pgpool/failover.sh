#!/bin/bash
# Pgpool-II's failover_command: failover.sh SETTINGS FAILED_NODE_ID OLD_PRIMARY_NODE_ID
#
# Pgpool-II itself would promote the first live node in id order, which may lack a commit that another standby
# has confirmed. Here: stop every remaining standby's WAL receiver (from then on the old primary, if it still
# lives, can get no commit confirmed), compare what each one has, promote the one that has most, point the
# other at it.
#
# With n standbys and k confirmations for each commit, n - k + 1 of them must answer, or a confirmed commit
# could be on none of those compared. Here n = 2 and k = 1: both. Otherwise nothing is promoted and the exit
# code is not 0.
#
# SETTINGS is a bash file: NODES (an array of host:port, by Pgpool-II's node id), NAMES (their application
# names), PSQL, REPLICATION (conninfo words common to all), LOG, LOCK, PGPASSFILE for the role
# pgpool_failover, and a function stop_node NODE, which kills a node for good where that is possible
# (Pgpool-II 4.3.5 waits without end for a node that is frozen when it looks for the new primary). Nothing
# here relies on it: the stopped receivers are the fence.
set -uo pipefail

settings=$1 failed=$2 old_primary=$3
# shellcheck source=/dev/null
source "$settings"
export PGPASSFILE PGCONNECT_TIMEOUT=2 PGAPPNAME=failover
exec >>"$LOG" 2>&1

log() { printf '%s failover: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)" "$*"; }

# sql NODE STATEMENT [NAME=VALUE]: one statement, its answer on standard output, at most 3 s.
sql() {
    local address=${NODES[$1]}
    printf '%s\n' "$2" | timeout 3 "$PSQL" -XAtqw -v ON_ERROR_STOP=1 ${3:+-v "$3"} \
        -h "${address%:*}" -p "${address#*:}" -U pgpool_failover -d postgres -f -
}

# until_true SECONDS COMMAND...: again every 50 ms until it succeeds.
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < end)) || return 1
        sleep 0.05
    done
}

# follow NODE PRIMARY: re-points a running standby; an empty PRIMARY stops its WAL receiver.
follow() {
    local conninfo=''
    if [[ -n $2 ]]; then
        conninfo="host=${NODES[$2]%:*} port=${NODES[$2]#*:} application_name=${NAMES[$1]} $REPLICATION"
    fi
    point "$1" "$conninfo"
}

# point NODE CONNINFO
point() {
    sql "$1" "ALTER SYSTEM SET primary_conninfo = :'conninfo'" "conninfo=$2" >/dev/null &&
        sql "$1" 'SELECT pg_reload_conf()' >/dev/null
}

is_standby() { [[ $(sql "$1" 'SELECT pg_is_in_recovery()') == t ]]; }
is_primary() { [[ $(sql "$1" 'SELECT pg_is_in_recovery()') == f ]]; }
is_fenced() { [[ $(sql "$1" 'SELECT count(*) FROM pg_stat_wal_receiver') == 0 ]]; }
is_followed_by() {
    [[ $(sql "$1" "SELECT count(*) FROM pg_stat_replication
                    WHERE application_name = :'name' AND state = 'streaming'" \
        "name=${NAMES[$2]}") == 1 ]]
}

# position NODE: "TIMELINE LSN", both as text of a fixed width, so that they sort as they compare.
# The control file's timeline lags behind a switch; the newest segment and the newest recovery end do not.
position() {
    sql "$1" "WITH lsn AS (
            SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'::pg_lsn AS bytes),
        timeline AS (
            SELECT greatest(
                (SELECT timeline_id FROM pg_control_checkpoint()),
                (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
                (SELECT max(('x' || left(name, 8))::bit(32)::int) FROM pg_ls_waldir()
                  WHERE name ~ '^[0-9A-F]{24}\$')) AS number)
        SELECT lpad(number::text, 10, '0') || ' ' || lpad(bytes::text, 20, '0') FROM lsn, timeline"
}

# create_slot PRIMARY NODE: one that reserves at once, so that a node that is away finds its WAL again.
create_slot() {
    sql "$1" "SELECT pg_create_physical_replication_slot(:'name', true)
               WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = :'name')" \
        "name=${NAMES[$2]}" >/dev/null
}

refuse() {
    log "refused: $*"
    log 'nothing was promoted; the cluster stays read-only until a person or the old primary comes back'
    exit 1
}

# choose STANDBY...: prints the id of the one that has most, fails when a position cannot be read.
choose() {
    local node found best='' chosen=''
    for node in "$@"; do
        found=$(position "$node") || return 1
        [[ -n $found ]] || return 1
        log "${NAMES[$node]} has timeline and position $found" >&2
        if [[ -z $best || $found > $best ]]; then
            best=$found chosen=$node
        fi
    done
    printf '%s' "$chosen"
}

fence() {
    local node
    for node in "$@"; do
        follow "$node" '' || return 1
    done
    for node in "$@"; do
        until_true 3 is_fenced "$node" || return 1
        log "${NAMES[$node]}: WAL receiver stopped"
    done
}

# restore STANDBY...: follow the old primary as before.
restore() {
    local node
    for node in "$@"; do
        follow "$node" "$failed" || log "${NAMES[$node]}: its WAL receiver could not be restored"
    done
}

# follow_all PRIMARY STANDBY...: slots for everybody, and every other standby behind the new primary.
follow_all() {
    local primary=$1 node
    shift
    for node in "$@"; do
        [[ $node == "$primary" ]] && continue
        create_slot "$primary" "$node" || log "${NAMES[$node]}: its slot could not be made"
        follow "$node" "$primary" || log "${NAMES[$node]}: could not be re-pointed"
        if until_true 3 is_followed_by "$primary" "$node"; then
            log "${NAMES[$node]} follows ${NAMES[$primary]}"
        else
            log "${NAMES[$node]} does not follow yet"
        fi
    done
    create_slot "$primary" "$failed" || log "${NAMES[$failed]}: its slot could not be made"
}

main() {
    local node chosen standbys=()
    log "node $failed is down, the primary was $old_primary"
    if [[ $failed != "$old_primary" ]]; then
        log 'not the primary: nothing to do'
        exit 0
    fi
    for node in "${!NODES[@]}"; do
        [[ $node == "$failed" ]] || standbys+=("$node")
    done
    if is_primary "$failed" 2>/dev/null; then
        refuse "${NAMES[$failed]} answers as the primary"
    fi
    for node in "${standbys[@]}"; do
        until_true 2 is_standby "$node" || refuse "${NAMES[$node]} does not answer as a standby"
    done
    if ! fence "${standbys[@]}"; then
        restore "${standbys[@]}"
        refuse 'the WAL receivers could not all be stopped'
    fi
    if ! chosen=$(choose "${standbys[@]}" 2>>"$LOG"); then
        restore "${standbys[@]}"
        refuse 'a position could not be read'
    fi
    stop_node "$failed"
    # No way back from here: if the answer is lost, the promotion may still happen, so nobody is re-pointed at
    # the old primary.
    [[ $(sql "$chosen" 'SELECT pg_promote(true, 2)') == t ]] ||
        until_true 5 is_primary "$chosen" || refuse "${NAMES[$chosen]} did not become primary in time"
    log "${NAMES[$chosen]} is the primary"
    follow_all "$chosen" "${standbys[@]}"
    log 'done'
}

# One at a time, and never beside the start of an old primary: devstack takes the same lock.
exec 9>>"$LOCK"
flock -w 10 9 || refuse 'another failover or a start holds the lock'
main
