# A PostgreSQL node that is the primary or a standby, as it finds its peers; the configuration is that of ./dev up.
FROM postgres:15.14-bookworm
COPY deploy/postgres/postgresql.conf.template deploy/postgres/roles.sql /etc/entrepot/
COPY deploy/images/pg_hba.conf /etc/entrepot/pg_hba.conf
COPY deploy/images/postgres-node.sh /usr/local/bin/postgres-node
# The image's own account, postgres.
USER 999:999
ENTRYPOINT ["postgres-node"]
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s CMD ["pg_isready", "--quiet", "--host=127.0.0.1"]
