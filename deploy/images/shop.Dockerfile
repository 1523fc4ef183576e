# Every program of the shop in one image; the service chooses which. Built by the command that ./dev uses.
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --release --workspace --bins && \
    install -D --target-directory=/programs target/release/api target/release/ingest target/release/worker \
        target/release/search-indexer target/release/analytics target/release/migrations

FROM debian:12.12-slim
RUN groupadd --gid 10001 entrepot && \
    useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin entrepot && \
    install -d -o entrepot -g entrepot /var/lib/entrepot/lake /var/lib/entrepot/objects
COPY --from=build /programs/ /usr/local/bin/
COPY deploy/images/answers.sh /usr/local/bin/answers
COPY deploy/entrepot.toml /etc/entrepot/entrepot.toml
USER 10001:10001
WORKDIR /var/lib/entrepot
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["answers", "9000", "/metrics"]
CMD ["api", "--settings", "/etc/entrepot/entrepot.toml"]
