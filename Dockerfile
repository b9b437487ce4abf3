# The orchestrator's image from source: what `docker build -t mcp-orchestrator:latest .` makes.
# `mcpo-deploy build` needs none of this where the static programs lie beside it; the image that it
# makes then is the same, from templates/image/orchestrator.Dockerfile.
#
# Both builders can read this file: no `COPY --chmod`, no `RUN --mount`, no syntax directive. The
# first two stages are also Dockerfile.bridge's, word for word, so that the second build of the two
# takes them from the cache.

# Any image with cargo, a C compiler and a static C library: `--build-arg RUST_IMAGE=…` for a mirror.
ARG RUST_IMAGE=rust:1.95-slim-bookworm

FROM ${RUST_IMAGE} AS sources
WORKDIR /src
COPY . .
# An empty folder, for the logs.
RUN mkdir -p /out/logs

FROM sources AS orchestrator-builder
RUN cargo build --release --locked --no-default-features --features orchestrator --bin mcp-orchestrator \
  && cp target/*/release/mcp-orchestrator /out/

FROM scratch AS orchestrator
# A fresh volume takes its owner from this folder.
COPY --from=orchestrator-builder --chown=65532:65532 /out/logs /app/logs
COPY --from=orchestrator-builder /out/mcp-orchestrator /mcp-orchestrator
USER 65532:65532
ENTRYPOINT ["/mcp-orchestrator"]
# The revision and the address of the sources are the caller's to say: a context has no history.
ARG VERSION=0.1.0
ARG REVISION=
ARG SOURCE=
LABEL io.mcpo-deploy.program="mcp-orchestrator" \
  org.opencontainers.image.title="mcp-orchestrator" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.source="${SOURCE}" \
  org.opencontainers.image.licenses="MIT OR Apache-2.0"
