#!/bin/busybox sh
# First process of the test guest: brings up what a shell needs, then serves commands until the serial port ends.
/bin/busybox mkdir -p /bin /sbin /proc /sys /dev /tmp /etc /www/cgi-bin /usr/bin /usr/sbin
/bin/busybox --install -s /bin
export PATH=/bin:/sbin HOME=/
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod /modules/$module || echo "insmod $module failed"; done
ip link set lo up
ip link set eth0 up
hostname guest
# As a process of its own: this one inherits, and reaps, the orphans that the commands are.
sh /serve
poweroff -f
