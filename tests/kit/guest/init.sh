#!/bin/busybox sh
# First process of the test guest. Commands arrive on the second serial port as "RUN <id> <base64>" and are answered
# with "DONE <id> <status> <base64 of the last output>"; each runs in the background, so a transfer and a ping overlap.
/bin/busybox mkdir -p /bin /sbin /proc /sys /dev /tmp /etc /www/cgi-bin /usr/bin /usr/sbin
/bin/busybox --install -s /bin
export PATH=/bin:/sbin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
# Shells that redirect to /dev/null before devtmpfs is there would create a plain file; hence only now.
for module in $(cat /modules/order); do insmod /modules/$module || echo "insmod $module failed"; done
ip link set lo up
ip link set eth0 up
hostname guest
export HOME=/

run() {
  # Input must be a file: a command that reads the serial port would swallow the next request.
  sh "/tmp/run.$1" </dev/null >"/tmp/out.$1" 2>&1
  status=$?
  # One echo is one write(2), and the kernel keeps a write to a tty whole: answers never interleave.
  echo "DONE $1 $status $(tail -c 12000 "/tmp/out.$1" | base64 -w 0)" >/dev/ttyS1
  rm -f "/tmp/run.$1" "/tmp/out.$1"
}

stty -F /dev/ttyS1 raw -echo 115200
exec 3</dev/ttyS1
echo "READY" >/dev/ttyS1
while read -r verb id text <&3; do
  [ "$verb" = RUN ] || continue
  echo "$text" | base64 -d >"/tmp/run.$id"
  run "$id" 3<&- &
done
poweroff -f
