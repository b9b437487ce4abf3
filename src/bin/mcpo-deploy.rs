//! `mcpo-deploy`: builds, provisions and proves hardened containers for MCP servers.

fn main() -> std::process::ExitCode {
    mcpo_deploy::cli::main()
}
