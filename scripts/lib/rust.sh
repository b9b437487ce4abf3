# shellcheck shell=bash
# The compiler, and what a static link needs besides it. Needs talk.sh and system.sh.

# ensure_rust CHECKOUT
ensure_rust() {
  local wanted found cargo_home=${CARGO_HOME:-${HOME:-/root}/.cargo}
  # An installer that has just run has changed the next login's PATH, not this one's.
  have cargo || PATH=$cargo_home/bin:$PATH
  { have cargo && have rustc; } || fail "$EXIT_FAILED" "there is no Rust here: cargo and rustc are not in PATH" \
    "install it from https://rustup.rs, or from your distribution, and run this again"
  wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$1/Cargo.toml")
  found=$(rustc --version | cut -d' ' -f2)
  [[ $(printf '%s\n' "$wanted" "$found" | sort -V | head -n1) == "$wanted" ]] ||
    fail "$EXIT_FAILED" "Rust $found is too old: $wanted or newer is needed" "rustup update stable"
  ensure_static_c
}

# Static programs take the C library's archive, and ring a C compiler.
ensure_static_c() {
  links_statically && return
  { install_packages gcc libc6-dev && links_statically; } ||
    fail "$EXIT_FAILED" "there is no C compiler that links statically" "as root: apt-get install gcc libc6-dev"
}

links_statically() {
  have cc && echo 'int main(void) { return 0; }' | cc -static -x c -o /dev/null - 2>/dev/null
}

# Where cargo puts the programs: .cargo/config.toml names the host as target.
release_folder() {
  printf '%s/%s/release' "${CARGO_TARGET_DIR:-$1/target}" "$(rustc -vV | sed -n 's/^host: //p')"
}

# The images say in a label which commit their programs were built from.
build_release() {
  say "building the static programs"
  (cd "$1" && MCPO_REVISION=$(git describe --always --dirty --abbrev=40 2>/dev/null || true) &&
    export MCPO_REVISION && cargo build --release --locked --bins)
}
