# shellcheck shell=bash
# The SSH server that the tests run themselves, on a port of their own. Needs talk.sh and system.sh.

has_ssh() { have ssh && have ssh-keygen && [[ -x /usr/sbin/sshd || -x /usr/bin/sshd ]]; }

ensure_ssh() {
  has_ssh && return
  # The package would start a server for the whole machine, which nobody asked for.
  if [[ -d /run/systemd/system ]] && may_administrate; then
    note "keeping the machine's own SSH server off; to have it: systemctl unmask ssh.service ssh.socket"
    as_root systemctl mask ssh.service ssh.socket >/dev/null 2>&1 || true
  fi
  { install_packages openssh-server openssh-client && hash -r && has_ssh; } ||
    fail "$EXIT_FAILED" "there is no SSH server for the tests, and this script could not install one" \
      "as root: apt-get install openssh-server openssh-client"
}
