# shellcheck shell=bash
# The browser in which the tests look at the bridge's page. Needs talk.sh and system.sh.

has_browser() { have chromium && have chromedriver; }

ensure_browser() {
  has_browser && return
  { install_packages chromium chromium-driver && hash -r && has_browser; } ||
    fail "$EXIT_FAILED" "there is no Chromium for the tests, and this script could not install one" \
      "as root: apt-get install chromium chromium-driver"
}
