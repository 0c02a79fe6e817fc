#!/bin/sh
# Called by udhcpc, which exports what it was lent.
[ "$1" = bound ] && echo "lease $ip"
exit 0
