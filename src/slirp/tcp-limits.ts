/** Limits and timers of the user network's TCP, each with its reason. Times in milliseconds, sizes in bytes. */

/** Flows of a stack: a port scan of one guest must not end in gigabytes. */
export const MAX_FLOWS = 16_384;
/** Host connects under way; and as many dials towards guests. */
export const MAX_CONNECTING = 1024;
/**
 * Out-of-order data, which may be refused (RFC 2018, 8), takes less of the pool than other bytes: one port may hold as much
 * as it leaves free, so that its guests can download as well, and others find room for theirs.
 */
export const PIECES_OF_FREE = 1;
/** A dial that its guest has not answered for so long gives way to a new one. Its SYN was sent twice by then. */
export const DIAL_PATIENCE_MS = 2000;
/** Entries looked at when a new flow needs the place of an old one. */
export const EVICTION_DEPTH = 64;
/** A flow unused for this long may have to give way to a new one. */
export const EVICTION_IDLE_MS = 60_000;

/** Largest window and send buffer of a flow. */
export const MAX_WINDOW = 4 * 1024 * 1024;
/**
 * The kernel holds so much for the flows of one port that do not take what waits for them, together, if these are many; but
 * for each at least what a round trip needs.
 */
export const UNREAD_BYTES = 32 * 1024 * 1024;
export const MANY_UNREAD = 32;
export const MIN_RECEIVE_BYTES = 16 * 1024;
/** So long after its port is gone a guest has to have come in by another one, or its unread flows end but for a few. */
export const ORPHAN_GRACE_MS = 3000;
/** Where the window offered to a guest begins; it doubles while it is filled. */
export const INITIAL_WINDOW = 65_536;
/**
 * What is offered to all flows that guests send on at once, together, and to each at least: the queue in front of us may be
 * a tap's, of 500 frames. Counted in periods of so long.
 */
export const CROWD_BYTES = 8 * 1024 * 1024;
export const CROWD_MIN_WINDOW = 16 * 1024;
export const CROWD_PERIOD_MS = 50;
/** 65535 << 7 covers MAX_WINDOW. */
export const WINDOW_SHIFT = 7;
/** SACK and window games with tiny segments cost more than they carry (CVE-2019-11477 and its like). */
export const MIN_MSS = 88;
export const DEFAULT_MSS_IPV4 = 536;
export const DEFAULT_MSS_IPV6 = 1220;
/** On loss the window towards the guest is halved, but never below this many segments: the link itself does not congest. */
export const MIN_CWND_SEGMENTS = 10;

/** A flow's turn in the round robin, and that of one which is alone there. */
export const QUANTUM = 65_536;
export const LONE_QUANTUM = 524_288;
/**
 * All flows, per turn of the loop, in the round robin and outside of it. Half as much shortens nobody's wait any more,
 * four times as much doubles it, and throughput is the same.
 */
export const TURN_BYTES = 131_072;
export const AT_ONCE_BYTES = 131_072;
export const TURN_MS = 1;

export const MIN_RTO_MS = 200;
/** RFC 6298 §2: before the first sample. */
export const INITIAL_RTO_MS = 1000;
export const MAX_RTO_MS = 60_000;
/** Added to two round trips before the last segment is sent again; the longer one outlasts a guest's delayed ACK. */
export const MIN_TAIL_PROBE_MS = 10;
export const TAIL_PROBE_DELAYED_ACK_MS = 60;
/** Unanswered retransmissions, or window probes, before a guest counts as gone. */
export const MAX_RETRIES = 15;
/** A SYN that went nowhere is sent again after this long. */
export const UNHEARD_RETRY_MS = 200;
/** Connecting to the host, and the guest's handshake (libslirp: 75 s). */
export const CONNECT_TIMEOUT_MS = 75_000;
/** As libslirp: the guest side is a link of one hop, no old duplicates linger for minutes. */
export const TIME_WAIT_MS = 10_000;
/** Flows in TIME-WAIT; the oldest gives way. On a link of one hop a FIN that is sent again comes soon. */
export const MAX_TIME_WAIT = 1024;
/** TIME-WAIT ends at a multiple of this. */
export const TIME_WAIT_STEP_MS = 250;
/**
 * One side has closed, the other neither sends nor closes: the guest is asked whether it is alive. Its kernel may have
 * forgotten a program that is gone within a minute.
 */
export const HALF_CLOSED_IDLE_MS = 600_000;
/** The same of any other flow. A living guest answers, so idle flows never expire. */
export const KEEPALIVE_IDLE_MS = 7_200_000;
export const KEEPALIVE_INTERVAL_MS = 75_000;
/**
 * Whether this program slept is looked at so often; a clock that went further than that by so much says so. Then both
 * sides of every flow are asked, spread over a few seconds: whoever does not answer is gone within a minute.
 */
export const WAKE_CHECK_MS = 10_000;
export const WAKE_GAP_MS = 30_000;
export const WAKE_MS = 60_000;
export const WAKE_SPREAD_MS = 5000;
export const WAKE_INTERVAL_MS = 10_000;
export const WAKE_PROBES = 5;
/** What came before a reset goes out before it; a side that takes none of it for so long gets the reset alone. */
export const LAST_WORDS_MS = 60_000;
/** Sockets of flows that guests have reset while bytes waited for them; each port has its share, and loses its oldest. */
export const MAX_LAST_WORDS = 256;
export const KEEPALIVE_PROBES = 9;
/** A parked flow looks by itself whether the way is clear, should the wake-up be lost. */
export const PARK_CHECK_MS = 1000;
/** Room appeared, but too little to tell the guest: looked at again, instead of spinning on a level-triggered event. */
export const WINDOW_CHECK_MS = 20;

/** ACKs to segments that carry nothing acceptable, per flow and half second (RFC 5961 §7; two peers must not ping-pong). */
export const DUBIOUS_ACKS = 10;
export const DUBIOUS_PERIOD_MS = 500;
/** Challenge ACKs of the whole stack per second; each port has its share. */
export const CHALLENGE_ACKS = 100;
/** Resets without a flow that the segments of one port are answered with. */
export const STRAY_RESETS_PER_SECOND = 200;
export const STRAY_RESET_BURST = 200;
/**
 * A SYN with so few hops left is one that counts them (traceroute): it gets as many on its further way. Systems begin a
 * connection with 64 and more, the oldest Windows with 32.
 */
export const COUNTED_HOPS = 31;
/** Bytes kept of a guest's SYN behind its IP header, to be quoted by an ICMP error: more than the longest TCP header. */
export const QUOTE_BYTES = 128;
