# The orchestrator's image from the static program beside the command line: one stage, no network,
# no compiler. The classic builder makes a layer or a container for every line, so there are few.
FROM scratch
COPY --chown=65532:65532 logs /app/logs
COPY mcp-orchestrator /mcp-orchestrator
USER 65532:65532
ENTRYPOINT ["/mcp-orchestrator"]
