/** Linux's numbers (asm-generic; the same on x86-64 and arm64) for what the sockets of this folder ask of the kernel. */

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_VSOCK = 40;

export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
/** How every socket of ours is made. */
export const SOCK_FLAGS = SOCK_NONBLOCK | SOCK_CLOEXEC;

export const O_NONBLOCK = 0o4000;

export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_TYPE = 3;
export const SO_ERROR = 4;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_BUF_LOCK = 72;
export const SO_KEEPALIVE = 9;
export const SO_OOBINLINE = 10;
export const SO_LINGER = 13;
export const SO_ACCEPTCONN = 30;
export const SO_DOMAIN = 39;
export const SO_MEMINFO = 55;
/** linux/sock_diag.h: nine numbers, of which these are the size of the send buffer and what is in it. */
export const MEMINFO_BYTES = 36;
export const MEMINFO_SNDBUF = 3 * 4;
export const MEMINFO_WMEM_QUEUED = 5 * 4;

export const IPPROTO_IP = 0;
export const IPPROTO_ICMP = 1;
export const IPPROTO_TCP = 6;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_ICMPV6 = 58;

export const TCP_NODELAY = 1;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;

export const IP_PKTINFO = 8;
export const IP_TTL = 2;
export const IP_RECVERR = 11;
export const IP_BIND_ADDRESS_NO_PORT = 24;
export const IP_MULTICAST_IF = 32;
export const IP_MULTICAST_LOOP = 34;
export const IP_ADD_MEMBERSHIP = 35;

export const IPV6_UNICAST_HOPS = 16;
export const IPV6_MULTICAST_IF = 17;
export const IPV6_MULTICAST_LOOP = 19;
export const IPV6_ADD_MEMBERSHIP = 20;
export const IPV6_RECVERR = 25;
export const IPV6_V6ONLY = 26;
export const IPV6_RECVPKTINFO = 49;

export const MSG_OOB = 1;
export const MSG_PEEK = 2;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;

export const SHUT_WR = 1;

/** errno, negated as the calls answer it. */
export const EINTR = -4;
export const EAGAIN = -11;
export const EACCES = -13;
export const EAFNOSUPPORT = -97;
export const ECONNABORTED = -103;
export const ENOBUFS = -105;
export const EALREADY = -114;
export const EINPROGRESS = -115;
