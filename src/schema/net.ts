/* Generated from schema/ by tools/generate-schema.ts: do not edit. */
import type { SchemaTable } from '../qapi/index.ts';

/** Where a TCP or UDP socket is, at the least. */
export interface InetSocketAddressBase {
  /** a host name or a numeric IPv4 or IPv6 address */
  host: string;
  /** a port number or a service name */
  port: string;
}

/**
 * A TCP or UDP socket, with what can be asked of it.
 *
 * When neither `ipv4` nor `ipv6` is given, the resolver decides which families are tried.
 */
export interface InetSocketAddress extends InetSocketAddressBase {
  /** promises that host and port are numbers, so nothing has to be resolved (default: false) (since 2.9) */
  numeric?: boolean | undefined;
  /** for a listening socket, the last port to try; all from the given port up to this one are tried in order */
  to?: number | bigint | undefined;
  /** whether IPv4 addresses may be used */
  ipv4?: boolean | undefined;
  /** whether IPv6 addresses may be used */
  ipv6?: boolean | undefined;
  /** probe an idle connection now and then; only for a socket that connects (default: false) (since 4.2) */
  'keep-alive'?: boolean | undefined;
  /** use multi-path TCP (since 6.1) */
  mptcp?: boolean | undefined;
}

/**
 * A TCP or UDP socket, with what can be asked of it.
 *
 * When neither `ipv4` nor `ipv6` is given, the resolver decides which families are tried.
 */
export interface InetSocketAddressOutput extends InetSocketAddressBase {
  /** promises that host and port are numbers, so nothing has to be resolved (default: false) (since 2.9) */
  numeric?: boolean | undefined;
  /** for a listening socket, the last port to try; all from the given port up to this one are tried in order */
  to?: number | undefined;
  /** whether IPv4 addresses may be used */
  ipv4?: boolean | undefined;
  /** whether IPv6 addresses may be used */
  ipv6?: boolean | undefined;
  /** probe an idle connection now and then; only for a socket that connects (default: false) (since 4.2) */
  'keep-alive'?: boolean | undefined;
  /** use multi-path TCP (since 6.1) */
  mptcp?: boolean | undefined;
}

/** A unix socket. */
export interface UnixSocketAddress {
  /** its path, or its name in the abstract name space */
  path: string;
  /** take the path as an abstract name, which exists without a file (default: false) (since 5.1) */
  abstract?: boolean | undefined;
  /**
   * for an abstract name, whether the address ends with the name (true) or is padded with NUL bytes to its full
   * size (default: true) (since 5.1)
   */
  tight?: boolean | undefined;
}

/** A socket between a hypervisor and its guests. */
export interface VsockSocketAddress {
  /** the context number of the machine */
  cid: string;
  /** the port number */
  port: string;
}

/** A socket that is open already. */
export interface FdSocketAddress {
  /** the number of its file descriptor, or a name under which a descriptor was handed over */
  str: string;
}

/**
 * The kinds of socket address.
 * - `inet`: TCP or UDP over IPv4 or IPv6
 * - `unix`: a unix socket
 * - `vsock`: a socket between hypervisor and guest
 * - `fd`: a descriptor that is open already
 */
export type SocketAddressType =
  | 'inet'
  | 'unix'
  | 'vsock'
  | 'fd';

/** What every SocketAddress has. */
export interface SocketAddressBase {
  /** the kind of address */
  type: SocketAddressType;
}

/** SocketAddress with type 'inet'. */
export interface SocketAddressInet extends SocketAddressBase, InetSocketAddress {
  type: 'inet';
}

/** SocketAddress with type 'unix'. */
export interface SocketAddressUnix extends SocketAddressBase, UnixSocketAddress {
  type: 'unix';
}

/** SocketAddress with type 'vsock'. */
export interface SocketAddressVsock extends SocketAddressBase, VsockSocketAddress {
  type: 'vsock';
}

/** SocketAddress with type 'fd'. */
export interface SocketAddressFd extends SocketAddressBase, FdSocketAddress {
  type: 'fd';
}

/** Where a socket is or goes. */
export type SocketAddress =
  | SocketAddressInet
  | SocketAddressUnix
  | SocketAddressVsock
  | SocketAddressFd;

/** What every SocketAddressOutput has. */
export interface SocketAddressOutputBase {
  /** the kind of address */
  type: SocketAddressType;
}

/** SocketAddressOutput with type 'inet'. */
export interface SocketAddressOutputInet extends SocketAddressOutputBase, InetSocketAddressOutput {
  type: 'inet';
}

/** SocketAddressOutput with type 'unix'. */
export interface SocketAddressOutputUnix extends SocketAddressOutputBase, UnixSocketAddress {
  type: 'unix';
}

/** SocketAddressOutput with type 'vsock'. */
export interface SocketAddressOutputVsock extends SocketAddressOutputBase, VsockSocketAddress {
  type: 'vsock';
}

/** SocketAddressOutput with type 'fd'. */
export interface SocketAddressOutputFd extends SocketAddressOutputBase, FdSocketAddress {
  type: 'fd';
}

/** Where a socket is or goes. */
export type SocketAddressOutput =
  | SocketAddressOutputInet
  | SocketAddressOutputUnix
  | SocketAddressOutputVsock
  | SocketAddressOutputFd;

export interface SetLinkArguments {
  /** the net client: the id of a backend, or the name of a NIC */
  name: string;
  /** true plugs it in, false pulls it out */
  up: boolean;
}

export interface NetdevDelArguments {
  /** the id of the backend */
  id: string;
}

/** A NIC, as the old option `-net nic` makes it. */
export interface NetLegacyNicOptions {
  /** the backend to plug it into; without it, hub 0 */
  netdev?: string | undefined;
  /** its Ethernet address */
  macaddr?: string | undefined;
  /** the kind of NIC, such as e1000 */
  model?: string | undefined;
  /** its address on the PCI bus */
  addr?: string | undefined;
  /** how many MSI-X vectors it has; 0 switches MSI-X off */
  vectors?: number | bigint | undefined;
}

/** One string in an object of its own, so that a list of them can be given on a command line as repeated keys. */
export interface String {
  /** the string */
  str: string;
}

/** A private network behind network address translation. It needs no rights on the host. */
export interface NetdevUserOptions {
  /** the name that the DHCP server gives to the guest */
  hostname?: string | undefined;
  /** let the guest reach neither the host nor anything beyond it, except through forwards (default: false) */
  restrict?: boolean | undefined;
  /** whether there is IPv4 (default: true, unless only `ipv6` is asked for) (since 2.6) */
  ipv4?: boolean | undefined;
  /** whether there is IPv6 (default: true, unless only `ipv4` is asked for) (since 2.6) */
  ipv6?: boolean | undefined;
  /** old spelling of `net` for a network with 24 bits */
  ip?: string | undefined;
  /**
   * the network that the guest sees, as address[/mask]. The mask is a number of bits or an address; without it, it
   * follows from the address (default: 10.0.2.0/24)
   */
  net?: string | undefined;
  /** the address under which the guest reaches the host (default: the second of the network) */
  host?: string | undefined;
  /** the directory that the TFTP server offers (default: no server) */
  tftp?: string | undefined;
  /** the file that BOOTP tells the guest to load */
  bootfile?: string | undefined;
  /** the first of the addresses that the DHCP server lends (default: the fifteenth of the network) */
  dhcpstart?: string | undefined;
  /** the address of the name server that the guest sees (default: the third of the network) */
  dns?: string | undefined;
  /** domains in which the guest shall look for short names */
  dnssearch?: String[] | undefined;
  /** the domain that the DHCP server gives to the guest (since 3.0) */
  domainname?: string | undefined;
  /** the IPv6 network, without its length (default: fec0::) (since 2.6) */
  'ipv6-prefix'?: string | undefined;
  /** the length of `ipv6-prefix` in bits (default: 64) (since 2.6) */
  'ipv6-prefixlen'?: number | bigint | undefined;
  /** the IPv6 address under which the guest reaches the host (since 2.6) */
  'ipv6-host'?: string | undefined;
  /** the IPv6 address of the name server that the guest sees (since 2.6) */
  'ipv6-dns'?: string | undefined;
  /** the directory that the SMB server offers (default: no server) */
  smb?: string | undefined;
  /** the address of the SMB server */
  smbserver?: string | undefined;
  /** ports of the host that lead to the guest, each as `[tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport` */
  hostfwd?: String[] | undefined;
  /**
   * addresses in the network whose connections go to a program or a character device of the host, each as
   * `[tcp]:server:port-dev` or `[tcp]:server:port-cmd:command`
   */
  guestfwd?: String[] | undefined;
  /** the TFTP server's name in DHCP (RFC 2132, option 66) (since 3.1) */
  'tftp-server-name'?: string | undefined;
  /**
   * whether the guest reaches the host's loopback, at `host` and in 127.0.0.0/8; the name server asks the host's
   * resolver in any case (default: true) (since netyard 0.1)
   */
  'host-loopback'?: boolean | undefined;
  /** whether the guest reaches the other addresses of the host's interfaces (default: true) (since netyard 0.1) */
  'host-addresses'?: boolean | undefined;
  /**
   * how many addresses the DHCP server lends, from `dhcpstart` on (default: all to the end of the network, at least
   * 16; 16 in a yard without a switch)
   */
  'dhcp-pool'?: number | bigint | undefined;
  /**
   * the file that keeps the leases for the next start (default: one in the directory of a yard that has a name,
   * else none)
   */
  leases?: string | undefined;
}

/** A tap interface of the host. */
export interface NetdevTapOptions {
  /** the name of the interface (default: the kernel chooses) */
  ifname?: string | undefined;
  /** a tap that is open already */
  fd?: string | undefined;
  /** several queues of one tap that are open already, separated by colons */
  fds?: string | undefined;
  /** the program that sets the interface up; `no` for none */
  script?: string | undefined;
  /** the program that takes it down; `no` for none */
  downscript?: string | undefined;
  /** the bridge that `helper` shall put it on (since 2.8) */
  br?: string | undefined;
  /** the program that opens the tap for a user without rights */
  helper?: string | undefined;
  /** the most bytes that wait in the interface; takes the suffixes of sizes (default: no limit) */
  sndbuf?: number | bigint | undefined;
  /** pass checksums and segmentation on to the kernel (IFF_VNET_HDR) */
  vnet_hdr?: boolean | undefined;
  /** let the kernel move the frames (vhost-net) */
  vhost?: boolean | undefined;
  /** a vhost-net device that is open already */
  vhostfd?: string | undefined;
  /** several of them, separated by colons */
  vhostfds?: string | undefined;
  /** use vhost-net also for a NIC without MSI-X */
  vhostforce?: boolean | undefined;
  /** how many queues to make */
  queues?: number | bigint | undefined;
  /** for how many microseconds vhost-net may poll before it sleeps (since 2.7) */
  'poll-us'?: number | bigint | undefined;
}

/**
 * A wire to another program through a socket, in the older spelling. Exactly one of `fd`, `listen`, `connect`,
 * `mcast` and `udp` says which kind of socket it is.
 */
export interface NetdevSocketOptions {
  /** a socket that is open already */
  fd?: string | undefined;
  /** wait for a TCP connection here, as [host]:port */
  listen?: string | undefined;
  /** make a TCP connection to there, as host:port */
  connect?: string | undefined;
  /** join this multicast group, as group:port */
  mcast?: string | undefined;
  /** where to send from: an address for `mcast`, host:port for `udp` */
  localaddr?: string | undefined;
  /** exchange UDP datagrams with this peer, as host:port */
  udp?: string | undefined;
}

/** A tunnel for Ethernet frames (L2TPv3, RFC 3931). */
export interface NetdevL2TPv3Options {
  /** our address */
  src: string;
  /** the peer's address */
  dst: string;
  /** our UDP port; must be given with `udp` */
  srcport?: string | undefined;
  /** the peer's UDP port; must be given with `udp` */
  dstport?: string | undefined;
  /** use IPv6 */
  ipv6?: boolean | undefined;
  /** put the tunnel into UDP instead of directly into IP */
  udp?: boolean | undefined;
  /** cookies have 64 bits instead of 32 */
  cookie64?: boolean | undefined;
  /** packets are numbered */
  counter?: boolean | undefined;
  /** the number is always 0, for peers and networks that stumble over reordered packets */
  pincounter?: boolean | undefined;
  /** the cookie in packets that we send */
  txcookie?: number | bigint | undefined;
  /** the cookie in packets that we receive */
  rxcookie?: number | bigint | undefined;
  /** the session number in packets that we send */
  txsession: number | bigint;
  /** the session number in packets that we receive (default: that of `txsession`) */
  rxsession?: number | bigint | undefined;
  /** how many further bytes stand between header and frame */
  offset?: number | bigint | undefined;
}

/** A port of a VDE switch on the host. */
export interface NetdevVdeOptions {
  /** the directory of the switch's sockets */
  sock?: string | undefined;
  /** which port of the switch */
  port?: number | bigint | undefined;
  /** the group that may use our socket */
  group?: string | undefined;
  /** the permissions of our socket */
  mode?: number | bigint | undefined;
}

/** A tap interface that a helper program puts on a bridge of the host. */
export interface NetdevBridgeOptions {
  /** the bridge (default: br0) */
  br?: string | undefined;
  /** the program, with its arguments */
  helper?: string | undefined;
}

/** A port of a hub, which repeats every frame to all its other ports. */
export interface NetdevHubPortOptions {
  /** the number of the hub; it is made with its first port */
  hubid: number | bigint;
  /** a backend to plug into the port (since 2.12) */
  netdev?: string | undefined;
}

/** A NIC under netmap, or a port of a VALE switch. */
export interface NetdevNetmapOptions {
  /**
   * the interface; or valeX:Y for port Y of the switch valeX, which is made when it does not exist. Ports with the
   * same X are on the same switch.
   */
  ifname: string;
  /** the device file of netmap (default: '/dev/netmap') */
  devname?: string | undefined;
}

/**
 * How an XDP program is attached.
 * - `native`: in the driver of the interface
 * - `skb`: in the network stack, which works with every interface
 */
export type AFXDPMode =
  | 'native'
  | 'skb';

/** Queues of a host interface, through AF_XDP sockets. */
export interface NetdevAFXDPOptions {
  /** the interface */
  ifname: string;
  /** how the XDP program is attached (default: native, and skb when that fails) */
  mode?: AFXDPMode | undefined;
  /** copy frames even where the interface could share its memory (default: false) */
  'force-copy'?: boolean | undefined;
  /** how many queues (default: 1) */
  queues?: number | bigint | undefined;
  /** the first of them (default: 0) */
  'start-queue'?: number | bigint | undefined;
  /** load no XDP program, but use the one that is there (default: false) */
  inhibit?: boolean | undefined;
  /**
   * AF_XDP sockets that are open and not bound yet, one for each queue in order, separated by colons. They stand in
   * the program's map already, so `inhibit` must be given.
   */
  'sock-fds'?: string | undefined;
  /**
   * the path under which the program's socket map is pinned; our sockets are entered into it. Needs `inhibit`.
   * (since 10.1)
   */
  'map-path'?: string | undefined;
  /** the map's entry for the first queue (default: 0) (since 10.1) */
  'map-start-index'?: number | bigint | undefined;
}

/** Another program that works on the guest's memory (vhost-user). */
export interface NetdevVhostUserOptions {
  /** the character device that is the connection: a unix socket */
  chardev: string;
  /** use it also for a NIC without MSI-X (default: false) */
  vhostforce?: boolean | undefined;
  /** how many queues (default: 1) (since 2.5) */
  queues?: number | bigint | undefined;
}

/** A device that speaks virtio on its queues, and something of its maker's on the control side (vDPA). */
export interface NetdevVhostVDPAOptions {
  /** its device file (default: '/dev/vhost-vdpa-0') */
  vhostdev?: string | undefined;
  /** the device file, open already */
  vhostfd?: string | undefined;
  /** how many queues (default: 1) */
  queues?: number | bigint | undefined;
  /**
   * put queues of our own between guest and device (default: false) (since 7.1)
   * @experimental
   */
  'x-svq'?: boolean | undefined;
}

/**
 * A network of macOS that reaches the host and the other guests on it (vmnet, host mode).
 *
 * The first three options belong together: give all or none. The addresses must be private ones (RFC 1918).
 *
 * Only with CONFIG_VMNET.
 */
export interface NetdevVmnetHostOptions {
  /** the first address of the network; the host has it, and those behind it are lent by DHCP */
  'start-address'?: string | undefined;
  /** the last address that is lent */
  'end-address'?: string | undefined;
  /** the mask of the network */
  'subnet-mask'?: string | undefined;
  /** keep guests of the network apart, so that each reaches only the host (macOS 11.0 or newer) */
  isolated?: boolean | undefined;
  /**
   * the UUID of a closed network to join; there is no DHCP in it, and only its members are reached (macOS 11.0 or
   * newer)
   */
  'net-uuid'?: string | undefined;
}

/**
 * A network of macOS behind address translation (vmnet, shared mode).
 *
 * The first three options belong together: give all or none. The addresses must be private ones (RFC 1918).
 *
 * Only with CONFIG_VMNET.
 */
export interface NetdevVmnetSharedOptions {
  /** the first address of the network; the host has it, and those behind it are lent by DHCP */
  'start-address'?: string | undefined;
  /** the last address that is lent */
  'end-address'?: string | undefined;
  /** the mask of the network */
  'subnet-mask'?: string | undefined;
  /** keep guests of the network apart, so that each reaches only the host (macOS 11.0 or newer) */
  isolated?: boolean | undefined;
  /** the IPv6 network, 64 bits long and unique local (fd00::/8) */
  'nat66-prefix'?: string | undefined;
}

/**
 * A network of macOS bridged to an interface of the host (vmnet, bridged mode).
 *
 * Only with CONFIG_VMNET.
 */
export interface NetdevVmnetBridgedOptions {
  /** the interface */
  ifname: string;
  /** keep guests of the network apart, so that each reaches only the host (macOS 11.0 or newer) */
  isolated?: boolean | undefined;
}

/** A wire to another program through a connection: each frame behind its length. */
export interface NetdevStreamOptions {
  /** where to listen, or where to connect to; the types inet, unix and fd can be used */
  addr: SocketAddress;
  /** listen instead of connecting (default: false) */
  server?: boolean | undefined;
  /** connect again this many seconds after the connection was lost or refused; 0 never does (default: 0) (since 8.0) */
  reconnect?: number | bigint | undefined;
  /** the same in milliseconds; not together with `reconnect` (default: 0) (since 9.2) */
  'reconnect-ms'?: number | bigint | undefined;
}

/**
 * A wire to other programs through datagrams, one for each frame.
 *
 * `local` must be given, except with a multicast address in `remote`. `remote` must be given, except with a
 * descriptor in `local`. When both are given they are of the same type, unless `remote` is a multicast address.
 */
export interface NetdevDgramOptions {
  /** where we receive; the types inet, unix and fd can be used */
  local?: SocketAddress | undefined;
  /** where we send to; the types inet and unix can be used */
  remote?: SocketAddress | undefined;
}

/** The program passt, started by us, as a user network. */
export interface NetdevPasstOptions {
  /** the program (default: passt) */
  path?: string | undefined;
  /** print no messages */
  quiet?: boolean | undefined;
  /** talk vhost-user with it instead of a stream */
  'vhost-user'?: boolean | undefined;
  /** the largest packet that is announced to the guest */
  mtu?: number | bigint | undefined;
  /** the guest's IPv4 or IPv6 address */
  address?: string | undefined;
  /** the guest's IPv4 netmask */
  netmask?: string | undefined;
  /** the Ethernet address that passt uses as its own */
  mac?: string | undefined;
  /** the guest's gateway */
  gateway?: string | undefined;
  /** the host's interface from which addresses are taken */
  interface?: string | undefined;
  /** the host's address for connections of the guest */
  outbound?: string | undefined;
  /** the host's interface for IPv4 connections of the guest */
  'outbound-if4'?: string | undefined;
  /** the host's interface for IPv6 connections of the guest */
  'outbound-if6'?: string | undefined;
  /** the name server that the guest is told */
  dns?: string | undefined;
  /** domains in which the guest shall look for short names */
  search?: String[] | undefined;
  /** the guest's name */
  fqdn?: string | undefined;
  /** tell the name server over DHCP, DHCPv6 and NDP */
  'dhcp-dns'?: boolean | undefined;
  /** tell the domains over DHCP, DHCPv6 and NDP */
  'dhcp-search'?: boolean | undefined;
  /** the address that leads to the host's loopback */
  'map-host-loopback'?: string | undefined;
  /** the address that leads to the host where guest and host have the same one */
  'map-guest-addr'?: string | undefined;
  /** the address whose queries go to the host's name server */
  'dns-forward'?: string | undefined;
  /** the host's name server for these queries */
  'dns-host'?: string | undefined;
  /** whether there is TCP */
  tcp?: boolean | undefined;
  /** whether there is UDP */
  udp?: boolean | undefined;
  /** whether there are ICMP and ICMPv6 */
  icmp?: boolean | undefined;
  /** whether there is a DHCP server */
  dhcp?: boolean | undefined;
  /** whether NDP is answered */
  ndp?: boolean | undefined;
  /** whether there is a DHCPv6 server */
  dhcpv6?: boolean | undefined;
  /** whether routers are advertised */
  ra?: boolean | undefined;
  /** listen also on addresses that the host does not have */
  freebind?: boolean | undefined;
  /** whether there is IPv4 */
  ipv4?: boolean | undefined;
  /** whether there is IPv6 */
  ipv6?: boolean | undefined;
  /** TCP ports that lead to the guest */
  'tcp-ports'?: String[] | undefined;
  /** UDP ports that lead to the guest */
  'udp-ports'?: String[] | undefined;
  /** further arguments of the program */
  param?: String[] | undefined;
}

/**
 * Any number of wires: every connection becomes a port of the yard's switch. On each, frames travel as with
 * `NetdevStreamOptions`.
 */
export interface NetdevListenerOptions {
  /** where to listen; the types inet and unix can be used */
  addr: SocketAddress;
}

/**
 * The kinds of net client.
 * - `none`: nothing
 * - `nic`: a NIC
 * - `user`: a private network behind address translation
 * - `tap`: a tap interface of the host
 * - `l2tpv3`: a tunnel (since 2.1)
 * - `socket`: a wire through a socket, older spelling
 * - `stream`: a wire through a connection (since 7.2)
 * - `dgram`: wires through datagrams (since 7.2)
 * - `vde`: a port of a VDE switch
 * - `bridge`: a tap interface on a bridge of the host
 * - `hubport`: a port of a hub
 * - `netmap`: a NIC under netmap
 * - `vhost-user`: another program that works on the guest's memory
 * - `vhost-vdpa`: a vDPA device (since 5.1)
 * - `af-xdp`: queues of a host interface (since 8.2)
 * - `vmnet-host`: a network of macOS with the host (since 7.1) Only with CONFIG_VMNET.
 * - `vmnet-shared`: a network of macOS behind address translation (since 7.1) Only with CONFIG_VMNET.
 * - `vmnet-bridged`: a network of macOS bridged to an interface (since 7.1) Only with CONFIG_VMNET.
 * - `passt`: the program passt (since 10.1)
 * - `listener`: any number of wires through connections (since netyard 0.1)
 */
export type NetClientDriver =
  | 'none'
  | 'nic'
  | 'user'
  | 'tap'
  | 'l2tpv3'
  | 'socket'
  | 'stream'
  | 'dgram'
  | 'vde'
  | 'bridge'
  | 'hubport'
  | 'netmap'
  | 'vhost-user'
  | 'vhost-vdpa'
  | 'af-xdp'
  | 'vmnet-host'
  | 'vmnet-shared'
  | 'vmnet-bridged'
  | 'passt'
  | 'listener';

/** What every Netdev has. */
export interface NetdevBase {
  /** its name */
  id: string;
  /** its driver, which decides about the other options */
  type: NetClientDriver;
  /**
   * whether what comes in by it may claim addresses that are the yard's own, as the gateway's; of a listener, by
   * any of its connections (default: false) (since netyard 0.1)
   */
  trusted?: boolean | undefined;
}

/** Netdev with type 'nic'. */
export interface NetdevNic extends NetdevBase, NetLegacyNicOptions {
  type: 'nic';
}

/** Netdev with type 'user'. */
export interface NetdevUser extends NetdevBase, NetdevUserOptions {
  type: 'user';
}

/** Netdev with type 'tap'. */
export interface NetdevTap extends NetdevBase, NetdevTapOptions {
  type: 'tap';
}

/** Netdev with type 'l2tpv3'. */
export interface NetdevL2tpv3 extends NetdevBase, NetdevL2TPv3Options {
  type: 'l2tpv3';
}

/** Netdev with type 'socket'. */
export interface NetdevSocket extends NetdevBase, NetdevSocketOptions {
  type: 'socket';
}

/** Netdev with type 'stream'. */
export interface NetdevStream extends NetdevBase, NetdevStreamOptions {
  type: 'stream';
}

/** Netdev with type 'dgram'. */
export interface NetdevDgram extends NetdevBase, NetdevDgramOptions {
  type: 'dgram';
}

/** Netdev with type 'vde'. */
export interface NetdevVde extends NetdevBase, NetdevVdeOptions {
  type: 'vde';
}

/** Netdev with type 'bridge'. */
export interface NetdevBridge extends NetdevBase, NetdevBridgeOptions {
  type: 'bridge';
}

/** Netdev with type 'hubport'. */
export interface NetdevHubport extends NetdevBase, NetdevHubPortOptions {
  type: 'hubport';
}

/** Netdev with type 'netmap'. */
export interface NetdevNetmap extends NetdevBase, NetdevNetmapOptions {
  type: 'netmap';
}

/** Netdev with type 'af-xdp'. */
export interface NetdevAfXdp extends NetdevBase, NetdevAFXDPOptions {
  type: 'af-xdp';
}

/** Netdev with type 'vhost-user'. */
export interface NetdevVhostUser extends NetdevBase, NetdevVhostUserOptions {
  type: 'vhost-user';
}

/** Netdev with type 'vhost-vdpa'. */
export interface NetdevVhostVdpa extends NetdevBase, NetdevVhostVDPAOptions {
  type: 'vhost-vdpa';
}

/**
 * Netdev with type 'vmnet-host'.
 *
 * Only with CONFIG_VMNET.
 */
export interface NetdevVmnetHost extends NetdevBase, NetdevVmnetHostOptions {
  type: 'vmnet-host';
}

/**
 * Netdev with type 'vmnet-shared'.
 *
 * Only with CONFIG_VMNET.
 */
export interface NetdevVmnetShared extends NetdevBase, NetdevVmnetSharedOptions {
  type: 'vmnet-shared';
}

/**
 * Netdev with type 'vmnet-bridged'.
 *
 * Only with CONFIG_VMNET.
 */
export interface NetdevVmnetBridged extends NetdevBase, NetdevVmnetBridgedOptions {
  type: 'vmnet-bridged';
}

/** Netdev with type 'passt'. */
export interface NetdevPasst extends NetdevBase, NetdevPasstOptions {
  type: 'passt';
}

/** Netdev with type 'listener'. */
export interface NetdevListener extends NetdevBase, NetdevListenerOptions {
  type: 'listener';
}

/** Netdev with type 'none'. */
export interface NetdevNone extends NetdevBase {
  type: 'none';
}

/** A network backend and its options. */
export type Netdev =
  | NetdevNic
  | NetdevUser
  | NetdevTap
  | NetdevL2tpv3
  | NetdevSocket
  | NetdevStream
  | NetdevDgram
  | NetdevVde
  | NetdevBridge
  | NetdevHubport
  | NetdevNetmap
  | NetdevAfXdp
  | NetdevVhostUser
  | NetdevVhostVdpa
  | NetdevVmnetHost
  | NetdevVmnetShared
  | NetdevVmnetBridged
  | NetdevPasst
  | NetdevListener
  | NetdevNone;

/**
 * Which frames of a kind a NIC receives.
 * - `normal`: those that its tables name
 * - `none`: none
 * - `all`: all
 */
export type RxState =
  | 'normal'
  | 'none'
  | 'all';

/** What a NIC receives. */
export interface RxFilterInfo {
  /** the NIC */
  name: string;
  /** whether it takes every frame */
  promiscuous: boolean;
  /** which multicast frames it takes */
  multicast: RxState;
  /** which unicast frames it takes */
  unicast: RxState;
  /** which VLANs it takes (since 2.0) */
  vlan: RxState;
  /** whether it takes broadcast frames */
  'broadcast-allowed': boolean;
  /** whether the guest wanted more multicast addresses than the table holds */
  'multicast-overflow': boolean;
  /** whether the guest wanted more unicast addresses than the table holds */
  'unicast-overflow': boolean;
  /** its own address */
  'main-mac': string;
  /** the VLANs that it takes */
  'vlan-table': number[];
  /** further unicast addresses that it takes */
  'unicast-table': string[];
  /** the multicast addresses that it takes */
  'multicast-table': string[];
}

export interface QueryRxFilterArguments {
  /** only this NIC */
  name?: string | undefined;
}

export interface NicRxFilterChangedData {
  /** the NIC, if it has an id */
  name?: string | undefined;
  /** the NIC's path in the tree of objects */
  path: string;
}

/** How often and how fast NICs announce themselves. */
export interface AnnounceParameters {
  /** milliseconds between the first announcement and the second */
  initial: number | bigint;
  /** the most milliseconds between two of them */
  max: number | bigint;
  /** how many there are; 0 ends an announcement that runs */
  rounds: number | bigint;
  /** by how many milliseconds each pause is longer than the one before */
  step: number | bigint;
  /** the NICs; without it, all (since 4.1) */
  interfaces?: string[] | undefined;
  /** a name for this announcement, so that a later one with the same name replaces it (since 4.1) */
  id?: string | undefined;
}

export interface FailoverNegotiatedData {
  /** the id of the NIC that agreed */
  'device-id': string;
}

export interface NetdevStreamConnectedData {
  /** the backend */
  'netdev-id': string;
  /** the peer; for a server on a unix socket, its own path */
  addr: SocketAddressOutput;
}

export interface NetdevStreamDisconnectedData {
  /** the backend */
  'netdev-id': string;
}

export interface NetdevVhostUserConnectedData {
  /** the backend */
  'netdev-id': string;
  /** its character device */
  'chardev-id': string;
}

export interface NetdevVhostUserDisconnectedData {
  /** the backend */
  'netdev-id': string;
}

/**
 * What a client may ask for while it negotiates.
 * - `oob`: commands run out of band, with `exec-oob`
 */
export type QMPCapability =
  | 'oob';

export interface QmpCapabilitiesArguments {
  /** the capabilities to switch on, out of those that the greeting offers (since 2.12) */
  enable?: QMPCapability[] | undefined;
}

/** The three numbers of a version. */
export interface VersionTriple {
  /** the first one */
  major: number;
  /** the second one */
  minor: number;
  /** the third one */
  micro: number;
}

/** Which program answers. */
export interface VersionInfo {
  /** the QEMU release whose behaviour the monitor follows */
  qemu: VersionTriple;
  /** who built the program, and its own version */
  package: string;
}

/** A command of this monitor. */
export interface CommandInfo {
  /** its name */
  name: string;
}

/** The name of the running program. */
export interface NameInfo {
  /** the name, if it was given one */
  name?: string | undefined;
}

/**
 * The states of a virtual machine. A yard is always running; the others are there for programs that know QEMU's
 * list.
 * - `debug`: stopped by a debugger
 * - `inmigrate`: waiting for the state of another machine
 * - `internal-error`: stopped by an error of the emulator
 * - `io-error`: stopped by a failed access to a disk
 * - `paused`: stopped on request
 * - `postmigrate`: moved to another host
 * - `prelaunch`: not started yet
 * - `finish-migrate`: in the last step of moving away
 * - `restore-vm`: loading a saved state
 * - `running`: running
 * - `save-vm`: saving its state
 * - `shutdown`: powered off
 * - `suspended`: asleep, in S3
 * - `watchdog`: stopped by its watchdog
 * - `guest-panicked`: the guest reported that it crashed
 * - `colo`: halted while a checkpoint for fault tolerance is made
 */
export type RunState =
  | 'debug'
  | 'inmigrate'
  | 'internal-error'
  | 'io-error'
  | 'paused'
  | 'postmigrate'
  | 'prelaunch'
  | 'finish-migrate'
  | 'restore-vm'
  | 'running'
  | 'save-vm'
  | 'shutdown'
  | 'suspended'
  | 'watchdog'
  | 'guest-panicked'
  | 'colo';

/** Whether and how the machine runs. */
export interface StatusInfo {
  /** true while it runs */
  running: boolean;
  /** the exact state */
  status: RunState;
}

/**
 * Why the program or its guest ends.
 * - `none`: for no known reason
 * - `host-error`: an error of the host
 * - `host-qmp-quit`: the command `quit` of QMP
 * - `host-qmp-system-reset`: a reset asked for over QMP
 * - `host-signal`: a signal such as SIGINT
 * - `host-ui`: the user closed a window
 * - `guest-shutdown`: the guest powered off
 * - `guest-reset`: the guest rebooted
 * - `guest-panic`: the guest crashed
 * - `subsystem-reset`: a part of the machine asked for a reset
 * - `snapshot-load`: a saved state is about to be loaded
 */
export type ShutdownCause =
  | 'none'
  | 'host-error'
  | 'host-qmp-quit'
  | 'host-qmp-system-reset'
  | 'host-signal'
  | 'host-ui'
  | 'guest-shutdown'
  | 'guest-reset'
  | 'guest-panic'
  | 'subsystem-reset'
  | 'snapshot-load';

export interface ShutdownData {
  /** true when a guest asked for it (since 2.10) */
  guest: boolean;
  /** why (since 4.0) */
  reason: ShutdownCause;
}

export interface HumanMonitorCommandArguments {
  /** the line */
  'command-line': string;
  /** the processor on which to run commands that need one */
  'cpu-index'?: number | bigint | undefined;
}

/**
 * The kinds of entry in the description of the schema.
 * - `builtin`: a type that the schema language defines
 * - `enum`: a choice between names
 * - `array`: a list
 * - `object`: a struct or a union
 * - `alternate`: a choice between types that look different in JSON
 * - `command`: a command
 * - `event`: an event
 */
export type SchemaMetaType =
  | 'builtin'
  | 'enum'
  | 'array'
  | 'object'
  | 'alternate'
  | 'command'
  | 'event';

/** What every SchemaInfo has. */
export interface SchemaInfoBase {
  /** the name of the command or event; a number for a type, or the name of a builtin type */
  name: string;
  /** what the entry describes */
  'meta-type': SchemaMetaType;
  /** remarks that a program can look for (since 4.2) */
  features?: string[] | undefined;
}

/** SchemaInfo with meta-type 'builtin'. */
export interface SchemaInfoBuiltinBranch extends SchemaInfoBase, SchemaInfoBuiltin {
  'meta-type': 'builtin';
}

/** SchemaInfo with meta-type 'enum'. */
export interface SchemaInfoEnumBranch extends SchemaInfoBase, SchemaInfoEnum {
  'meta-type': 'enum';
}

/** SchemaInfo with meta-type 'array'. */
export interface SchemaInfoArrayBranch extends SchemaInfoBase, SchemaInfoArray {
  'meta-type': 'array';
}

/** SchemaInfo with meta-type 'object'. */
export interface SchemaInfoObjectBranch extends SchemaInfoBase, SchemaInfoObject {
  'meta-type': 'object';
}

/** SchemaInfo with meta-type 'alternate'. */
export interface SchemaInfoAlternateBranch extends SchemaInfoBase, SchemaInfoAlternate {
  'meta-type': 'alternate';
}

/** SchemaInfo with meta-type 'command'. */
export interface SchemaInfoCommandBranch extends SchemaInfoBase, SchemaInfoCommand {
  'meta-type': 'command';
}

/** SchemaInfo with meta-type 'event'. */
export interface SchemaInfoEventBranch extends SchemaInfoBase, SchemaInfoEvent {
  'meta-type': 'event';
}

/** One entry of the description of the schema. */
export type SchemaInfo =
  | SchemaInfoBuiltinBranch
  | SchemaInfoEnumBranch
  | SchemaInfoArrayBranch
  | SchemaInfoObjectBranch
  | SchemaInfoAlternateBranch
  | SchemaInfoCommandBranch
  | SchemaInfoEventBranch;

/** A type that the schema language defines. */
export interface SchemaInfoBuiltin {
  /** how its values look in JSON */
  'json-type': JSONType;
}

/**
 * The kinds of JSON value.
 * - `string`: a string
 * - `number`: any number
 * - `int`: a number without fraction or exponent
 * - `boolean`: true or false
 * - `null`: null
 * - `object`: an object
 * - `array`: an array
 * - `value`: anything
 */
export type JSONType =
  | 'string'
  | 'number'
  | 'int'
  | 'boolean'
  | 'null'
  | 'object'
  | 'array'
  | 'value';

/** A choice between names. */
export interface SchemaInfoEnum {
  /** the names (since 6.2) */
  members: SchemaInfoEnumMember[];
  /**
   * the same names as plain strings
   * @deprecated
   */
  values: string[];
}

/** One name of a choice. */
export interface SchemaInfoEnumMember {
  /** the name */
  name: string;
  /** remarks that a program can look for */
  features?: string[] | undefined;
}

/** A list. */
export interface SchemaInfoArray {
  /** the type of its elements */
  'element-type': string;
}

/** A struct or a union. */
export interface SchemaInfoObject {
  /** the members that it always has */
  members: SchemaInfoObjectMember[];
  /** for a union, the member that selects the variant */
  tag?: string | undefined;
  /** for a union, the further members for each value of the tag */
  variants?: SchemaInfoObjectVariant[] | undefined;
}

/** A member of an object. */
export interface SchemaInfoObjectMember {
  /** its name */
  name: string;
  /** its type */
  type: string;
  /** present, and null, when the member may be left out */
  default?: unknown;
  /** remarks that a program can look for (since 5.0) */
  features?: string[] | undefined;
}

/** What a union has for one value of its tag. */
export interface SchemaInfoObjectVariant {
  /** the value */
  case: string;
  /** the object type whose members it adds */
  type: string;
}

/** A choice between types that look different in JSON. */
export interface SchemaInfoAlternate {
  /** the types */
  members: SchemaInfoAlternateMember[];
}

/** One type of the choice. */
export interface SchemaInfoAlternateMember {
  /** the type */
  type: string;
}

/** A command. */
export interface SchemaInfoCommand {
  /** the object type of its arguments */
  'arg-type': string;
  /** the type of its result */
  'ret-type': string;
  /** true when it can be run out of band (default: false) (since 2.12) */
  'allow-oob'?: boolean | undefined;
}

/** An event. */
export interface SchemaInfoEvent {
  /** the object type of its data */
  'arg-type': string;
}

export interface GetfdArguments {
  /** the name; it does not begin with a digit */
  fdname: string;
}

export interface ClosefdArguments {
  /** its name */
  fdname: string;
}

/** Frames dropped for one reason. */
export interface NetDropCount {
  /** why; the names are listed in the reference of counters */
  reason: string;
  /** how many */
  count: number;
}

/**
 * One end of a wire: a backend, a NIC, a port of a hub or of the switch.
 *
 * Counters are per wire end, before frames are cut into segments: what was sent has been delivered, was dropped or
 * is queued.
 */
export interface NetClientInfo {
  /** its name */
  name: string;
  /** its driver */
  type: NetClientDriver;
  /** which queue of a client with several it is */
  'queue-index': number;
  /** the name of the client at the other end of the wire, if there is one */
  peer?: string | undefined;
  /** whether it is a backend that `netdev_del` can remove */
  'is-netdev': boolean;
  /** whether frames pass: what `admin-link` and `carrier` say together */
  link: boolean;
  /** the state set with `set_link` */
  'admin-link': boolean;
  /** whether its connection, if it has one, is there */
  carrier: boolean;
  /** what `info network` shows about it */
  info: string;
  /** frames waiting to be delivered to it */
  'queued-frames': number;
  /** the bytes of these */
  'queued-bytes': number;
  /** frames that it sent */
  'sent-frames': number;
  /** the bytes of these */
  'sent-bytes': number;
  /** frames delivered to it */
  'received-frames': number;
  /** the bytes of these */
  'received-bytes': number;
  /** frames that were dropped on their way to it, or that it sent and that went nowhere, by reason */
  dropped: NetDropCount[];
}

/** An address that the switch knows. */
export interface NetSwitchAddress {
  /** the Ethernet address */
  mac: string;
  /** the name of the port behind which it is */
  port: string;
  /** true when the port claimed it for good, false when it was learned from a frame */
  static: boolean;
  /** how long ago it was last seen; 0 for a static one */
  'age-seconds': number;
}

/** The switch that connects what nothing else claims. */
export interface NetSwitchInfo {
  /** the addresses that it knows */
  addresses: NetSwitchAddress[];
  /** the names of its ports */
  ports: string[];
  /** those of them that may claim addresses of the yard's own */
  'trusted-ports': string[];
  /** frames that went to all ports, because they were for many or for an address unknown */
  'flooded-frames': number;
  /** how many addresses it can learn */
  cap: number;
}

/** An address that a user network lent to a guest. */
export interface NetLeaseInfo {
  /** the user network */
  id: string;
  /** the guest's Ethernet address */
  mac: string;
  /** the IPv4 address */
  address: string;
  /** how the guest calls itself, if it said so */
  hostname?: string | undefined;
  /** seconds until the address is free again */
  'expires-in': number;
}

export interface QueryNetLeasesArguments {
  /** only those of this one */
  id?: string | undefined;
}

/**
 * What can be forwarded.
 * - `tcp`: TCP connections
 * - `udp`: UDP datagrams
 */
export type NetForwardProtocol =
  | 'tcp'
  | 'udp';

/** A port of the host that leads to a guest. */
export interface NetForwardInfo {
  /** the user network */
  id: string;
  /** what is forwarded */
  protocol: NetForwardProtocol;
  /** where the host listens */
  'host-address': string;
  /** the port that is bound, also when port 0 was asked for */
  'host-port': number;
  /** the guest */
  'guest-address': string;
  /** the guest's port */
  'guest-port': number;
}

export interface QueryNetForwardsArguments {
  /** only those of this one */
  id?: string | undefined;
}

export interface HostfwdAddArguments {
  /** the user network */
  id: string;
  /**
   * protocol, host and guest, spelled as in the option hostfwd:
   * `[tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport`. With host port 0 the host chooses one.
   */
  rule: string;
}

export interface HostfwdRemoveArguments {
  /** the user network */
  id: string;
  /** the host's side of the forward: `[tcp|udp]:[hostaddr]:hostport` */
  rule: string;
}

/** Commands with their arguments and results, and events with their data, by name. */
export interface NetyardSchema {
  commands: {
    /**
     * Plugs or unplugs the cable of a net client.
     *
     * Frames to and from a client whose link is down are dropped. When the client is a backend, the link of its NIC
     * follows. The command succeeds also for a client that does not care about its link.
     */
    set_link: { arguments: SetLinkArguments; returns: Record<string, never> };
    /** Makes a network backend. */
    netdev_add: { arguments: Netdev; returns: Record<string, never> };
    /** Removes a network backend. */
    netdev_del: { arguments: NetdevDelArguments; returns: Record<string, never> };
    /** Shows what NICs receive. */
    'query-rx-filter': { arguments: QueryRxFilterArguments; returns: RxFilterInfo[] };
    /** Lets NICs send RARP broadcasts, from which switches learn where they are now. */
    'announce-self': { arguments: AnnounceParameters; returns: Record<string, never> };
    /** Ends the negotiation and opens the session for commands. */
    qmp_capabilities: { arguments: QmpCapabilitiesArguments; returns: Record<string, never> };
    /** Tells which program answers. */
    'query-version': { arguments: Record<string, never>; returns: VersionInfo };
    /** Lists the commands that can be run. */
    'query-commands': { arguments: Record<string, never>; returns: CommandInfo[] };
    /** Tells the name given with `-name`. */
    'query-name': { arguments: Record<string, never>; returns: NameInfo };
    /** Tells the run state. */
    'query-status': { arguments: Record<string, never>; returns: StatusInfo };
    /** Ends the program. The reply is sent first. */
    quit: { arguments: Record<string, never>; returns: Record<string, never> };
    /**
     * Runs one line of the monitor for people and returns what it prints.
     *
     * The text is made for reading. It can change from one release to the next.
     */
    'human-monitor-command': { arguments: HumanMonitorCommandArguments; returns: string };
    /**
     * Describes everything that this monitor takes and sends.
     *
     * Types are named by numbers, which mean nothing outside of this one reply. The order of the list is not
     * significant.
     */
    'query-qmp-schema': { arguments: Record<string, never>; returns: SchemaInfo[] };
    /**
     * Gives a name to a descriptor that was passed with this command over SCM_RIGHTS. An `fd` option takes the
     * name, once.
     */
    getfd: { arguments: GetfdArguments; returns: Record<string, never> };
    /** Closes a descriptor that `getfd` named. */
    closefd: { arguments: ClosefdArguments; returns: Record<string, never> };
    /** Lists all net clients in the order in which they were made. */
    'query-net-clients': { arguments: Record<string, never>; returns: NetClientInfo[] };
    /** Shows the switch of the yard. */
    'query-net-switch': { arguments: Record<string, never>; returns: NetSwitchInfo };
    /** Lists the addresses lent by user networks. */
    'query-net-leases': { arguments: QueryNetLeasesArguments; returns: NetLeaseInfo[] };
    /** Lists the host forwards of user networks. */
    'query-net-forwards': { arguments: QueryNetForwardsArguments; returns: NetForwardInfo[] };
    /** Lets a port of the host lead to a guest. */
    'hostfwd-add': { arguments: HostfwdAddArguments; returns: NetForwardInfo };
    /** Takes a host forward away. Connections that use it live on. */
    'hostfwd-remove': { arguments: HostfwdRemoveArguments; returns: Record<string, never> };
  };
  events: {
    /** Sent when a guest changes what its NIC receives: the first time, and then once after each `query-rx-filter`. */
    NIC_RX_FILTER_CHANGED: NicRxFilterChangedData;
    /**
     * Sent when a guest's virtio-net agreed to stand in for another NIC (VIRTIO_NET_F_STANDBY). That NIC can be
     * plugged in now.
     */
    FAILOVER_NEGOTIATED: FailoverNegotiatedData;
    /** Sent when a stream backend got its connection. */
    NETDEV_STREAM_CONNECTED: NetdevStreamConnectedData;
    /** Sent when a stream backend lost its connection. */
    NETDEV_STREAM_DISCONNECTED: NetdevStreamDisconnectedData;
    /** Sent when a vhost-user backend got its connection. */
    NETDEV_VHOST_USER_CONNECTED: NetdevVhostUserConnectedData;
    /** Sent when a vhost-user backend lost its connection. */
    NETDEV_VHOST_USER_DISCONNECTED: NetdevVhostUserDisconnectedData;
    /** Sent when the program is about to end. */
    SHUTDOWN: ShutdownData;
  };
}

/** The compiled table, for `new Schema(...)`. */
export const NETYARD_TABLE: SchemaTable = [
  'command set_link {name,up:bool}',
  'command netdev_add Netdev',
  'command netdev_del {id}',
  'command query-rx-filter {*name} [RxFilterInfo]',
  'event NIC_RX_FILTER_CHANGED {*name,path}',
  'command announce-self {initial:int,max:int,rounds:int,step:int,*interfaces:[str],*id}',
  'event FAILOVER_NEGOTIATED {device-id}',
  'event NETDEV_STREAM_CONNECTED {netdev-id,addr:SocketAddress}',
  'event NETDEV_STREAM_DISCONNECTED {netdev-id}',
  'event NETDEV_VHOST_USER_CONNECTED {netdev-id,chardev-id}',
  'event NETDEV_VHOST_USER_DISCONNECTED {netdev-id}',
  'command qmp_capabilities {*enable:[QMPCapability]}',
  'command query-version {} VersionInfo',
  'command query-commands {} [CommandInfo]',
  'command query-name {} NameInfo',
  'command query-status {} StatusInfo',
  'command quit {}',
  'event SHUTDOWN {guest:bool,reason:ShutdownCause}',
  'command human-monitor-command {command-line,*cpu-index:int} str',
  'command query-qmp-schema {} [SchemaInfo]',
  'command getfd {fdname}',
  'command closefd {fdname}',
  'command query-net-clients {} [NetClientInfo]',
  'command query-net-switch {} NetSwitchInfo',
  'command query-net-leases {*id} [NetLeaseInfo]',
  'command query-net-forwards {*id} [NetForwardInfo]',
  'command hostfwd-add {id,rule} NetForwardInfo',
  'command hostfwd-remove {id,rule}',
  'enum SocketAddressType inet unix vsock fd',
  'union SocketAddress type type:SocketAddressType | inet:{host,port,*numeric:bool,*to:uint16,*ipv4:bool,*ipv6:bool,*keep-alive:bool,*mptcp:bool} unix:{path,*abstract:bool,*tight:bool} vsock:{cid,port} fd:{str}',
  'object String str',
  'enum AFXDPMode native skb',
  'enum NetClientDriver none nic user tap l2tpv3 socket stream dgram vde bridge hubport netmap vhost-user vhost-vdpa af-xdp passt listener',
  'union Netdev type id type:NetClientDriver *trusted:bool | nic:{*netdev,*macaddr,*model,*addr,*vectors:uint32} user:{*hostname,*restrict:bool,*ipv4:bool,*ipv6:bool,*ip,*net,*host,*tftp,*bootfile,*dhcpstart,*dns,*dnssearch:[String],*domainname,*ipv6-prefix,*ipv6-prefixlen:int,*ipv6-host,*ipv6-dns,*smb,*smbserver,*hostfwd:[String],*guestfwd:[String],*tftp-server-name,*host-loopback:bool,*host-addresses:bool,*dhcp-pool:int,*leases} tap:{*ifname,*fd,*fds,*script,*downscript,*br,*helper,*sndbuf:size,*vnet_hdr:bool,*vhost:bool,*vhostfd,*vhostfds,*vhostforce:bool,*queues:uint32,*poll-us:uint32} l2tpv3:{src,dst,*srcport,*dstport,*ipv6:bool,*udp:bool,*cookie64:bool,*counter:bool,*pincounter:bool,*txcookie:uint64,*rxcookie:uint64,txsession:uint32,*rxsession:uint32,*offset:uint32} socket:{*fd,*listen,*connect,*mcast,*localaddr,*udp} stream:{addr:SocketAddress,*server:bool,*reconnect:uint32,*reconnect-ms:int} dgram:{*local:SocketAddress,*remote:SocketAddress} vde:{*sock,*port:uint16,*group,*mode:uint16} bridge:{*br,*helper} hubport:{hubid:int32,*netdev} netmap:{ifname,*devname} af-xdp:{ifname,*mode:AFXDPMode,*force-copy:bool,*queues:int,*start-queue:int,*inhibit:bool,*sock-fds,*map-path,*map-start-index:int32} vhost-user:{chardev,*vhostforce:bool,*queues:int} vhost-vdpa:{*vhostdev,*vhostfd,*queues:int,*x-svq:bool!unstable} passt:{*path,*quiet:bool,*vhost-user:bool,*mtu:int,*address,*netmask,*mac,*gateway,*interface,*outbound,*outbound-if4,*outbound-if6,*dns,*search:[String],*fqdn,*dhcp-dns:bool,*dhcp-search:bool,*map-host-loopback,*map-guest-addr,*dns-forward,*dns-host,*tcp:bool,*udp:bool,*icmp:bool,*dhcp:bool,*ndp:bool,*dhcpv6:bool,*ra:bool,*freebind:bool,*ipv4:bool,*ipv6:bool,*tcp-ports:[String],*udp-ports:[String],*param:[String]} listener:{addr:SocketAddress}',
  'enum RxState normal none all',
  'object RxFilterInfo name promiscuous:bool multicast:RxState unicast:RxState vlan:RxState broadcast-allowed:bool multicast-overflow:bool unicast-overflow:bool main-mac vlan-table:[int] unicast-table:[str] multicast-table:[str]',
  'enum QMPCapability oob',
  'object VersionTriple major:int minor:int micro:int',
  'object VersionInfo qemu:VersionTriple package',
  'object CommandInfo name',
  'object NameInfo *name',
  'enum RunState debug inmigrate internal-error io-error paused postmigrate prelaunch finish-migrate restore-vm running save-vm shutdown suspended watchdog guest-panicked colo',
  'object StatusInfo running:bool status:RunState',
  'enum ShutdownCause none host-error host-qmp-quit host-qmp-system-reset host-signal host-ui guest-shutdown guest-reset guest-panic subsystem-reset snapshot-load',
  'enum SchemaMetaType builtin enum array object alternate command event',
  'union SchemaInfo meta-type name meta-type:SchemaMetaType *features:[str] | builtin:{json-type:JSONType} enum:{members:[SchemaInfoEnumMember],values:[str]!deprecated} array:{element-type} object:{members:[SchemaInfoObjectMember],*tag,*variants:[SchemaInfoObjectVariant]} alternate:{members:[SchemaInfoAlternateMember]} command:{arg-type,ret-type,*allow-oob:bool} event:{arg-type}',
  'enum JSONType string number int boolean null object array value',
  'object SchemaInfoEnumMember name *features:[str]',
  'object SchemaInfoObjectMember name type *default:any *features:[str]',
  'object SchemaInfoObjectVariant case type',
  'object SchemaInfoAlternateMember type',
  'object NetDropCount reason count:int',
  'object NetClientInfo name type:NetClientDriver queue-index:int *peer is-netdev:bool link:bool admin-link:bool carrier:bool info queued-frames:int queued-bytes:int sent-frames:int sent-bytes:int received-frames:int received-bytes:int dropped:[NetDropCount]',
  'object NetSwitchAddress mac port static:bool age-seconds:int',
  'object NetSwitchInfo addresses:[NetSwitchAddress] ports:[str] trusted-ports:[str] flooded-frames:int cap:int',
  'object NetLeaseInfo id mac address *hostname expires-in:int',
  'enum NetForwardProtocol tcp udp',
  'object NetForwardInfo id protocol:NetForwardProtocol host-address host-port:uint16 guest-address guest-port:uint16',
];
