# Pgpool-II with the configuration and the failover script of ./dev up.
FROM debian:12.12-slim
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install --yes --no-install-recommends pgpool2 postgresql-client-15 && \
    rm -rf /var/lib/apt/lists/* && \
    groupadd --gid 10002 pgpool && \
    useradd --uid 10002 --gid 10002 --no-create-home --shell /usr/sbin/nologin pgpool && \
    install -d -o pgpool -g pgpool /var/lib/pgpool
COPY deploy/pgpool/pgpool.conf.template deploy/pgpool/failover.sh /etc/entrepot/
COPY deploy/images/failover.settings deploy/images/pool_hba.conf /etc/entrepot/
COPY deploy/images/pgpool-start.sh /usr/local/bin/pgpool-start
USER 10002:10002
ENTRYPOINT ["pgpool-start"]
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s \
    CMD ["bash", "-c", "PGPASSWORD=$APPLICATION_PASSWORD psql -XAtqw -h 127.0.0.1 -U entrepot -c 'SELECT 1' entrepot"]
