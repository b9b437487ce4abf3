# shellcheck shell=bash
# A Docker engine that answers: the one that is there, or one that is installed and started.
# Needs talk.sh and system.sh.

# How long a started engine may take to answer, in seconds.
readonly ENGINE_DEADLINE=60

engine_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }
engine_refuses() { [[ $(docker version 2>&1 || true) == *'permission denied'* ]]; }

# ensure_engine SCRIPT [ARGUMENT]...: returns with an engine that answers, or runs the script anew
# as a member of the group that may talk to it, or ends with the reason and what to do.
ensure_engine() {
  if ! have docker; then
    [[ -z ${DOCKER_HOST:-} ]] || fail "$EXIT_NO_ENGINE" "DOCKER_HOST is $DOCKER_HOST, and there is no docker program" \
      "as root: apt-get install docker.io"
    install_engine
  fi
  engine_answers && return
  if engine_is_elsewhere; then
    docker version >&2 || true
    fail "$EXIT_NO_ENGINE" "the Docker engine that is configured does not answer, and it is not this script's to start" \
      "start it, or say which to use: unset DOCKER_HOST, docker context use default"
  fi
  engine_refuses || start_engine
  engine_answers && return
  engine_refuses && join_engines_group "$@"
  docker version >&2 || true
  fail "$EXIT_NO_ENGINE" "the Docker engine does not answer"
}

# Whether somebody chose an engine: by variable, or by a context.
engine_is_elsewhere() {
  [[ -n ${DOCKER_HOST:-} ]] || [[ $(docker context show 2>/dev/null || echo default) != default ]]
}

install_engine() {
  local packages=(docker.io iptables ca-certificates)
  { may_administrate && have apt-get; } || fail "$EXIT_NO_ENGINE" "there is no Docker engine here, and this script may not install one" \
    "as root, on Debian or Ubuntu: apt-get update && apt-get install -y docker.io" \
    "elsewhere: https://docs.docker.com/engine/install/"
  # From Debian 13 on the client is a package of its own.
  if apt-cache show docker-cli >/dev/null 2>&1; then packages+=(docker-cli); fi
  { install_packages "${packages[@]}" && hash -r && have docker; } ||
    fail "$EXIT_NO_ENGINE" "the Docker engine could not be installed" "as root: apt-get install -y ${packages[*]}"
}

start_engine() {
  local log=/var/log/dockerd.log
  have dockerd || [[ -x /usr/sbin/dockerd ]] || install_engine
  may_administrate || fail "$EXIT_NO_ENGINE" "the Docker engine is not running, and this script may not start it" \
    "as root: systemctl start docker (or, without systemd: dockerd &)"
  say "starting the Docker engine"
  if [[ -d /run/systemd/system ]]; then
    as_root systemctl start docker || true
    wait_until "$ENGINE_DEADLINE" engine_speaks ||
      fail "$EXIT_NO_ENGINE" "the Docker engine did not start" "look at: journalctl -u docker"
    return
  fi
  remove_stale_pid_file dockerd /var/run/docker.pid
  remove_stale_pid_file containerd /var/run/docker/containerd/containerd.pid
  # In a session of its own, so that the end of this script's terminal is not the engine's.
  # shellcheck disable=SC2016 # the inner shell expands these
  as_root sh -c 'PATH=$PATH:/usr/sbin:/sbin; setsid dockerd >>"$1" 2>&1 </dev/null &' sh "$log"
  wait_until "$ENGINE_DEADLINE" engine_speaks && return
  as_root tail -n 15 "$log" >&2 || true
  fail "$EXIT_NO_ENGINE" "the Docker engine did not answer within $ENGINE_DEADLINE s of its start" "its log is $log"
}

# It runs, whether or not we may talk to it.
engine_speaks() { engine_answers || engine_refuses; }

# remove_stale_pid_file PROGRAM FILE: an engine that was killed leaves it behind, and the next one
# refuses to start; a live engine's is left alone.
remove_stale_pid_file() {
  local pid
  as_root test -e "$2" || return 0
  pid=$(as_root cat "$2")
  if [[ $pid =~ ^[0-9]+$ ]] && [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$1" ]]; then
    note "$1 runs as process $pid already"
  else
    note "removing $2, which a killed $1 left behind"
    as_root rm -f "$2"
  fi
}

# join_engines_group SCRIPT [ARGUMENT]...: the engine's socket belongs to a group. Where sudo may be
# used anyway, the script runs again as the same user in that group too, for this once.
join_engines_group() {
  local socket=/var/run/docker.sock group groups variables
  group=$(stat -c %g "$socket" 2>/dev/null || true)
  if [[ -n $group && $group != 0 && -z ${MCPO_JOINED_GROUP:-} ]] && ((EUID)) && may_administrate && have setpriv; then
    note "the engine's socket is its group's; using sudo to be in that group for this run"
    groups=$(id -G | tr ' ' ',')
    variables=("PATH=$PATH" "HOME=$HOME" MCPO_JOINED_GROUP=1)
    exec sudo -n -- setpriv --reuid "$(id -u)" --regid "$(id -g)" --groups "$groups,$group" \
      env "${variables[@]}" bash "$@"
  fi
  fail "$EXIT_NO_ENGINE" "the Docker engine runs, and user $(id -un) may not talk to it" \
    "sudo usermod -aG docker $(id -un), then log in again; that group is as powerful as root"
}
