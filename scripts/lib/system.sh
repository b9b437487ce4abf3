# shellcheck shell=bash
# What needs the system's administrator: root, or a sudo that does not ask. Needs talk.sh.

may_administrate() { ((EUID == 0)) || { have sudo && sudo -n true 2>/dev/null; }; }

as_root() {
  if ((EUID == 0)); then "$@"; else sudo -n -- "$@"; fi
}

# install_packages PACKAGE...: with apt; whether that was possible.
install_packages() {
  { have apt-get && may_administrate; } || return 1
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120)
  say "installing $*"
  # A mirror that is away is no obstacle while the lists that are there still serve.
  as_root "${apt[@]}" update >&2 || note "apt-get update failed; trying with the lists that are here"
  as_root "${apt[@]}" install --no-install-recommends "$@" >&2 </dev/null
}
