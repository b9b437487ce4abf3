#!/usr/bin/env python3
"""From nothing to running: `mcpo-deploy up` against Compose, in turn, on the same engine.

Both sides build the same two images from the same static programs (no cache), create a network and
a volume, and start the bridge hardened alike. Ours then also verifies. Compose waits for the health
check. With `--interval 30s` it has that of our image, the same as ours; a shorter one is in Compose's
favour, since ours asks the bridge itself and does not wait for the check. Prints medians and the
ratio of pairs.

    benches/up_against_compose.py --programs FOLDER --compose PATH [--runs 5] [--interval 1s]
"""

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import tarfile
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent.parent
HARDENING = """
    read_only: true
    tmpfs: ["/tmp:rw,noexec,nosuid,nodev,size=64m,mode=1777"]
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    user: "65532:65532"
    mem_limit: 2g
    memswap_limit: 2g
    cpus: 2
    pids_limit: 256
    restart: unless-stopped
    logging: {driver: json-file, options: {max-size: 10m, max-file: "3"}}
"""


def run(argv, **options):
    done = subprocess.run(argv, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"{argv} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def timed(argv, **options):
    begun = time.monotonic()
    run(argv, **options)
    return time.monotonic() - begun


def compose_folder(folder, programs, interval, images):
    """The two images' contexts and the compose file."""
    templates = HERE / "templates" / "image"
    for name, program in (("orchestrator", "mcp-orchestrator"), ("bridge", "mcp-bridge")):
        context = folder / name
        context.mkdir(parents=True)
        with tarfile.open(context / "added.tar", "w") as added:
            logs = tarfile.TarInfo("app/logs")
            logs.type, logs.mode, logs.uid, logs.gid = tarfile.DIRTYPE, 0o755, 65532, 65532
            added.addfile(logs)
            added.add(programs / program, program, filter=lambda entry: entry.replace(mode=0o755, uid=0, gid=0, deep=False))
        text = (templates / f"{name}.Dockerfile").read_text()
        for key, value in (("base", images[0]), ("user", "65532:65532"), ("command", '[\\"/mcp-orchestrator\\"]')):
            text = text.replace("{{ " + key + " }}", value)
        # The labels say nothing of the image, and one instruction either way.
        text = re.sub(r"^LABEL .*$", 'LABEL "bench"="1"', text, flags=re.MULTILINE)
        (context / "Dockerfile").write_text(text)
    (folder / "docker-compose.yml").write_text(f"""
services:
  mcp-orchestrator:
    build: ./orchestrator
    image: {images[0]}
    profiles: [build-only]
  mcp-bridge:
    build: ./bridge
    image: {images[1]}
    ports: ["127.0.0.1:18871:8765", "127.0.0.1:18872:5000"]
    volumes: ["logs:/app/logs"]
    healthcheck: {{test: ["CMD", "/mcp-bridge", "probe"], interval: {interval}}}{HARDENING}
volumes: {{logs: {{}}}}
""")


def remove_images(images):
    subprocess.run(["docker", "image", "rm", "-f", *images], capture_output=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=pathlib.Path, required=True, help="the folder with the three programs")
    parser.add_argument("--compose", required=True, help="docker-compose, version 5")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--interval", default="1s", help="Compose's health interval")
    options = parser.parse_args()
    programs = options.programs.resolve()
    up = [str(programs / "mcpo-deploy"), "--project", "bench-ours", "--set", "orchestrator.required_keys=",
          "--set", "bridge.websocket_port=18873", "--set", "bridge.rest_port=18874"]
    ours, theirs, second, checks = [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        ours_images = ["mcp-orchestrator:latest", "mcp-bridge:latest"]
        images = ["bench-orchestrator:latest", "bench-bridge:latest"]
        compose_folder(folder, programs, options.interval, images)
        compose = [options.compose, "--project-name", "bench-theirs"]
        environment = {**os.environ, "COMPOSE_BAKE": "false"}
        for _ in range(options.runs):
            remove_images(ours_images)
            ours.append(timed([*up, "up"], cwd=folder))
            second.append(timed([*up, "up"], cwd=folder))
            checks.append(timed([*up, "verify"], cwd=folder))
            run([*up, "down", "--volumes"], cwd=folder)
            remove_images(images)
            # Compose builds services side by side, so the base is built first, as its users must.
            begun = time.monotonic()
            run([*compose, "--profile", "build-only", "build", "--no-cache", "mcp-orchestrator"], cwd=folder, env=environment)
            run([*compose, "build", "--no-cache", "mcp-bridge"], cwd=folder, env=environment)
            run([*compose, "up", "-d", "--wait"], cwd=folder, env=environment)
            theirs.append(time.monotonic() - begun)
            run([*compose, "down", "--volumes"], cwd=folder, env=environment)
        remove_images(images)
    ratios = [one / other for one, other in zip(ours, theirs)]
    for label, values in (("mcpo-deploy up, from nothing", ours), ("mcpo-deploy up, again", second),
                          ("mcpo-deploy verify", checks), (f"Compose, health interval {options.interval}", theirs)):
        print(f"{label:40} median {statistics.median(values):6.3f} s  (min {min(values):.3f}, max {max(values):.3f})")
    print(f"{'ratio, pair by pair':40} median {statistics.median(ratios):6.3f}    (min {min(ratios):.3f}, max {max(ratios):.3f})")


if __name__ == "__main__":
    main()
