#!/bin/busybox sh
# udhcpc tells what the lease says in variables and leaves the configuring to this script.
case "$1" in
  bound|renew)
    /bin/ip addr flush dev "$interface"
    /bin/ip addr add "$ip/${mask:-24}" dev "$interface"
    [ -n "$router" ] && /bin/ip route replace default via "${router%% *}" dev "$interface"
    : >/etc/resolv.conf
    for server in $dns; do echo "nameserver $server" >>/etc/resolv.conf; done
    echo "lease $ip mask ${mask:-24} router $router dns $dns server $serverid seconds $lease"
    ;;
  deconfig)
    /bin/ip addr flush dev "$interface"
    /bin/ip link set "$interface" up
    ;;
esac
exit 0
