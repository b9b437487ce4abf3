# The bridge's image from any orchestrator's image and the static program beside the command line.
# A tera template: what is between braces is filled in, quoted, when the image is built. The
# classic builder makes a layer or a container for every line, so there are few.
FROM {{ base }}
# /mcp-bridge, and the folder for logs, which is its writer's: a fresh volume takes its owner.
ADD added.tar /
# In its container the bridge listens on every address of its own network namespace; who can reach
# it is decided by what is published.
ENV MCP_BRIDGE_COMMAND="{{ command }}" MCP_BRIDGE_LISTEN="0.0.0.0:8765,0.0.0.0:5000" MCP_BRIDGE_BEHIND_PUBLICATION="true"
# What the base brings of these would be wrong here.
HEALTHCHECK --interval=30s --timeout=5s --retries=3 CMD ["/mcp-bridge", "probe"]
USER {{ user }}
ENTRYPOINT ["/mcp-bridge"]
LABEL {% for label in labels %}"{{ label[0] }}"="{{ label[1] }}" {% endfor %}
