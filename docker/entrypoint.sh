#!/bin/sh
# Become litmusd: `exec`, so that it is process 1 of the container and gets the SIGTERM of `docker stop` itself.
# What follows the image's name in `docker run` is for litmusd: another TARGET, --workers 4, --check, …
set -eu
exec litmusd -c /etc/litmus/litmus.toml "$@"
