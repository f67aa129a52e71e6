#!/bin/sh
# Takes away what "tango install" wrote. It refuses while pods run on tango, and so
# does the removal of the package; an upgrade leaves everything in place.
set -e
[ "$1" = remove ] || exit 0
/usr/bin/tango uninstall
