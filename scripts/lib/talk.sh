# shellcheck shell=bash
# What the scripts say, on stderr: stdout is for the programs that they run.

# Exit codes as in docs/reference/exit-codes.md.
readonly EXIT_FAILED=1 EXIT_NO_ENGINE=69
export EXIT_FAILED EXIT_NO_ENGINE

say() { printf '%s\n' "== $*" >&2; }
note() { printf '%s\n' "   $*" >&2; }

# fail CODE MESSAGE [HINT]...
fail() {
  local code=$1
  printf '%s\n' "error: $2" >&2
  shift 2
  if (($#)); then printf '\nhint: %s\n' "$1" >&2; shift; fi
  if (($#)); then printf '      %s\n' "$@" >&2; fi
  exit "$code"
}

have() { command -v "$1" >/dev/null 2>&1; }

# wait_until SECONDS COMMAND...: whether it succeeds before the deadline.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.2
  done
}
