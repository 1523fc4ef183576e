#!/bin/bash
# Fills in the configuration and becomes Pgpool-II. Its status file is on a volume: it keeps a returned old primary out.
set -euo pipefail
run=/run/entrepot
umask 077
printf '%s\n' "*:*:*:pgpool_failover:$FAILOVER_PASSWORD" >"$run/failover.pgpass"
printf '%s\n' "entrepot:TEXT$APPLICATION_PASSWORD" >"$run/pool_passwd"
printf 'entrepot:%s\n' "$(pg_md5 "$PCP_PASSWORD")" >"$run/pcp.conf"
cp /etc/entrepot/pool_hba.conf "$run/pool_hba.conf"
printf '#!/bin/sh\nexec /bin/bash /etc/entrepot/failover.sh /etc/entrepot/failover.settings "$@"\n' >"$run/failover"
chmod 700 "$run/failover"
backends=''
for index in 0 1 2; do
    backends+="backend_hostname$index = 'postgres-$((index + 1))'\nbackend_port$index = 5432\n"
    backends+="backend_weight$index = 1\nbackend_flag$index = 'ALLOW_TO_FAILOVER'\n"
    backends+="backend_application_name$index = 'node$((index + 1))'\n"
done
sed -e 's|@PORT@|5432|' -e 's|@PCP_PORT@|9898|' -e "s|@SOCKETS@|$run|" -e 's|@FOLDER@|/var/lib/pgpool|' \
    -e 's|@CHILDREN@|64|' -e "s|@CHECK_PASSWORD@|$CHECK_PASSWORD|" -e "s|@FAILOVER@|$run/failover|" \
    -e "s|@BACKENDS@|$backends|" -e "s|^listen_addresses = .*|listen_addresses = '*'|" \
    /etc/entrepot/pgpool.conf.template >"$run/pgpool.conf"
rm -f /var/lib/pgpool/pgpool.pid
exec /usr/sbin/pgpool -n -f "$run/pgpool.conf" -F "$run/pcp.conf" -a "$run/pool_hba.conf"
