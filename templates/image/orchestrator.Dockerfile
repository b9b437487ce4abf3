# The orchestrator's image from the static program beside the command line: one stage, no network,
# no compiler. A tera template: what is between braces is filled in, quoted, when the image is built.
# The classic builder makes a layer or a container for every line, so there are few.
FROM scratch
# /mcp-orchestrator, and the folder for logs, which is its writer's: a fresh volume takes its owner.
ADD added.tar /
USER 65532:65532
ENTRYPOINT ["/mcp-orchestrator"]
LABEL {% for label in labels %}"{{ label[0] }}"="{{ label[1] }}" {% endfor %}
