#!/bin/bash
# Starts one node. NODE is its name, PEERS are the others. An empty folder becomes a copy of the primary, or on
# the first node of a new cluster the primary itself. A node that was the primary does not start beside another
# primary: its folder has to be emptied first, and it comes back as a copy.
set -euo pipefail

run=/run/entrepot
umask 077
printf '%s\n' "*:*:*:replicator:$REPLICATOR_PASSWORD" >"$run/replicator.pgpass"
export PGPASSFILE="$run/replicator.pgpass" PGCONNECT_TIMEOUT=3

fill() {
    sed -e "s|@DATA@|$PGDATA|" -e 's|@HBA@|/etc/entrepot/pg_hba.conf|' -e "s|@NAME@|$NODE|" -e 's|@PORT@|5432|' \
        -e 's|@MAX_CONNECTIONS@|128|' -e 's|@FSYNC@|on|' -e 's|@STANDBY_NAMES@|node1, node2, node3|' \
        -e "s|^listen_addresses = .*|listen_addresses = '*'|" /etc/entrepot/postgresql.conf.template
}

# The peer that takes writes, if there is one.
primary() {
    local peer
    for peer in $PEERS; do
        if [ "$(psql -XAtqw -h "$peer" -U replicator -d postgres -c 'SELECT pg_is_in_recovery()' 2>/dev/null)" = f ]
        then
            printf '%s' "$peer"
            return
        fi
    done
}

# Passwords by random hex digits need no quoting inside the text; anything else is refused.
literal() {
    case $1 in *[!0-9A-Za-z]* | '') echo 'a password may hold letters and digits only' >&2; exit 1 ;; esac
    printf "'%s'" "$1"
}

seed() {
    initdb --pgdata="$PGDATA" --username=postgres --pwfile=<(printf '%s' "$SUPERUSER_PASSWORD") \
        --auth=scram-sha-256 --data-checksums --encoding=UTF8 --locale=C.UTF-8
    local sockets="$run/seed" file="$run/roles.sql"
    mkdir -p "$sockets"
    sed -e 's|@CREATEDB@||' -e "s|@ENTREPOT_PASSWORD@|$(literal "$APPLICATION_PASSWORD")|" \
        -e "s|@REPLICATOR_PASSWORD@|$(literal "$REPLICATOR_PASSWORD")|" \
        -e "s|@CHECK_PASSWORD@|$(literal "$CHECK_PASSWORD")|" \
        -e "s|@FAILOVER_PASSWORD@|$(literal "$FAILOVER_PASSWORD")|" \
        -e "s|@NODE_NAMES@|'node1', 'node2', 'node3'|" /etc/entrepot/roles.sql >"$file"
    # Before any standby: with the cluster's own settings the first commit would wait for one.
    pg_ctl --pgdata="$PGDATA" --wait --options="-c listen_addresses= -c unix_socket_directories=$sockets" start
    PGPASSWORD="$SUPERUSER_PASSWORD" psql -Xq -v ON_ERROR_STOP=1 -h "$sockets" -U postgres -d postgres -f "$file"
    pg_ctl --pgdata="$PGDATA" --wait stop
    rm -r "$file" "$sockets"
}

copy() {
    local from=$1 conninfo
    conninfo="host=$from port=5432 user=replicator passfile=$run/replicator.pgpass application_name=$NODE"
    pg_basebackup --pgdata="$PGDATA" --wal-method=stream --checkpoint=fast --no-password \
        --dbname="$conninfo connect_timeout=3"
    printf "primary_conninfo = '%s connect_timeout=3'\n" "$conninfo" >"$PGDATA/postgresql.auto.conf"
    touch "$PGDATA/standby.signal"
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    end=$((SECONDS + 120))
    until found=$(primary) && [ -n "$found" ] || [ "$NODE" = node1 ]; do
        [ "$SECONDS" -lt "$end" ] || { echo 'no primary to copy' >&2; exit 1; }
        sleep 2
    done
    if [ -n "$found" ]; then copy "$found"; else seed; fi
elif [ ! -e "$PGDATA/standby.signal" ]; then
    found=$(primary)
    if [ -n "$found" ]; then
        echo "$found is the primary now: empty this node's volume, then it comes back as a copy" >&2
        exit 1
    fi
fi
fill >"$run/postgresql.conf"
exec postgres -c config_file="$run/postgresql.conf"
