#!/bin/busybox sh
# Commands arrive on the second serial port as "RUN <id> <base64>" and are answered with "DONE <id> <status> <base64 of
# the last output>"; each runs in the background, so a transfer and a ping overlap.

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
  # Twice removed: the end of a child would interrupt `read`, which then forgets the part of a line that it has.
  ( run "$id" 3<&- & )
done
