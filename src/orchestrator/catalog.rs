//! The tools as MCP lists them.

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

use super::tools::{ORCHESTRATE, STATUS, STRATEGIES};

/// Every tool, in a fixed order.
pub(super) fn tools() -> Vec<Tool> {
    vec![status(), orchestrate()]
}

fn status() -> Tool {
    let text = "How this server is doing: runtime, tasks, cost, models and limits. Contacts nobody.";
    let input = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let amount = |about: &str| json!({"type": ["number", "null"], "description": about});
    let texts = |about: &str| json!({"type": "array", "items": {"type": "string"}, "description": about});
    let output = json!({
        "type": "object",
        "properties": {
            "status": {"const": "active"},
            "runtime_seconds": {"type": "number", "description": "Seconds since this process started"},
            "request_count": {"type": "integer", "description": "Tasks sent to a model by this process"},
            "total_cost": {"type": "number", "description": "US dollars, as far as providers told the cost"},
            "requests_without_cost": {"type": "integer", "description": "Tasks whose cost was not told"},
            "models_available": texts("Adapters that have a key"),
            "model": {"type": ["string", "null"], "description": "The model that tasks go to"},
            "strategies": texts("The strategies that orchestrate_task takes"),
            "default_strategy": {"type": "string"},
            "config": {
                "type": "object",
                "properties": {
                    "max_cost_per_request": amount("US dollars; null where none is configured"),
                    "daily_limit": amount("US dollars per UTC day; null where none is configured"),
                },
                "required": ["max_cost_per_request", "daily_limit"],
            },
            "adapter_status": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "By adapter: missing (and which key), configured (not called yet), \
                    healthy or failing (the last call)",
            },
        },
        "required": [
            "status", "runtime_seconds", "request_count", "total_cost", "models_available",
            "strategies", "default_strategy", "config", "adapter_status",
        ],
    });
    let hints = ToolAnnotations::new().read_only(true).destructive(false).idempotent(true).open_world(false);
    Tool::new(STATUS, text, object(input))
        .with_title("Orchestrator status")
        .with_raw_output_schema(object(output))
        .with_annotations(hints)
}

fn orchestrate() -> Tool {
    let text = "Hands a task to the configured external model and returns its answer. Costs money.";
    let input = json!({
        "type": "object",
        "properties": {
            "description": {"type": "string", "minLength": 1, "description": "What is to be done"},
            "strategy": {"type": "string", "enum": STRATEGIES, "default": STRATEGIES[0]},
            "context": {
                "type": ["string", "object"],
                "description": "What the model should know: text, or an object that is passed on as JSON",
            },
        },
        "required": ["description"],
    });
    let count = json!({"type": ["integer", "null"]});
    let output = json!({
        "type": "object",
        "properties": {
            "strategy": {"type": "string"},
            "model": {"type": "string"},
            "response": {"type": "string"},
            "cost": {"type": ["number", "null"], "description": "US dollars; null where it was not told"},
            "usage": {
                "type": "object",
                "properties": {"input_tokens": count, "output_tokens": count},
            },
            "duration_seconds": {"type": "number"},
            "error": {
                "type": "object",
                "properties": {"kind": {"type": "string"}, "message": {"type": "string"}},
                "required": ["kind", "message"],
            },
        },
        "oneOf": [{"required": ["response", "model", "strategy"]}, {"required": ["error"]}],
    });
    let hints = ToolAnnotations::new().read_only(false).destructive(false).idempotent(false).open_world(true);
    Tool::new(ORCHESTRATE, text, object(input))
        .with_title("Orchestrate a task")
        .with_raw_output_schema(object(output))
        .with_annotations(hints)
}

fn object(schema: Value) -> Arc<JsonObject> {
    Arc::new(if let Value::Object(schema) = schema { schema } else { JsonObject::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_has_schemas_of_objects_and_all_four_hints() {
        for tool in tools() {
            assert_eq!(tool.input_schema["type"], "object");
            assert_eq!(tool.output_schema.expect("declared")["type"], "object");
            let hints = tool.annotations.expect("declared");
            assert!(hints.read_only_hint.is_some() && hints.open_world_hint.is_some());
            assert!(hints.destructive_hint.is_some() && hints.idempotent_hint.is_some());
        }
    }
}
