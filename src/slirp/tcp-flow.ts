/**
 * One TCP connection between a guest and the host's network: data only, no behaviour but its displayed state.
 *
 * Theory of operation. The stack ends the guest's TCP and carries bytes between it and a host socket. What happened on
 * either side is kept as facts (hostConnected, hostEnd, guestFin, finSent, finAcked); the RFC 9293 state shown to
 * people and tested by the code follows from them (deriveState).
 *
 *   guest opens:  SYN-SENT (the host's connect runs) -> SYN-RECEIVED (SYN-ACK sent) -> ESTABLISHED
 *   forward:      SYN-SENT (SYN sent to the guest) -> ESTABLISHED, or SYN-RECEIVED on simultaneous open
 *   guest's FIN:  ESTABLISHED -> CLOSE-WAIT, FIN-WAIT-1 -> CLOSING, FIN-WAIT-2 -> TIME-WAIT; shutdown() of the socket
 *   host's end:   ESTABLISHED -> FIN-WAIT-1, CLOSE-WAIT -> LAST-ACK, after all bytes before it
 *   ACK of it:    FIN-WAIT-1 -> FIN-WAIT-2, CLOSING -> TIME-WAIT, LAST-ACK -> CLOSED
 *
 * Towards the guest: bytes read from the socket stay in chunks from SND.UNA on. SND.NXT is the highest byte ever sent
 * and never goes back; what is lost lies below `lossEnd` and is sent again from `rexmitNext`.
 *
 *   sndUna ......... rexmitNext ...... lossEnd ......... sndNxt ......... bufferEnd
 *    (sent again)       (lost, to be sent again)   (in flight)    (unsent)
 *
 * From the guest: bytes go straight into the socket; RCV.NXT moves by what it took. `rcvEdge` is the right edge of the
 * offered window and never retreats. The assembler holds what lies behind a gap, or what the socket refused.
 */
import type { StreamSocket, Timer } from '../net/host.ts';
import { seqDiff } from '../wire/index.ts';
import type { Chunk, ChunkPool, PoolUser } from './chunk-pool.ts';
import type { FlowNode } from './flow-table.ts';
import type { GuestPath, IpAddress } from './ip-layer.ts';
import { Assembler } from './tcp-assembler.ts';
import { INITIAL_RTO_MS, INITIAL_WINDOW, MAX_WINDOW } from './tcp-limits.ts';
import { Scoreboard } from './tcp-scoreboard.ts';

export type TcpState =
  | 'CLOSED'
  | 'SYN-SENT'
  | 'SYN-RECEIVED'
  | 'ESTABLISHED'
  | 'FIN-WAIT-1'
  | 'FIN-WAIT-2'
  | 'CLOSE-WAIT'
  | 'CLOSING'
  | 'LAST-ACK'
  | 'TIME-WAIT';

/** No deadline. */
export const NEVER = Number.POSITIVE_INFINITY;

export class TcpFlow implements FlowNode<TcpFlow>, PoolUser {
  readonly guest: IpAddress;
  readonly guestPort: number;
  /** As the guest sees it. */
  readonly remote: IpAddress;
  readonly remotePort: number;
  readonly path: GuestPath;
  /** A connection from the host that a forward accepted. */
  readonly forwarded: boolean;
  ingress = 0;
  hash = 0;
  chain: TcpFlow | undefined;
  older: TcpFlow | undefined;
  newer: TcpFlow | undefined;

  state: TcpState = 'CLOSED';
  /** Whose share of the handshakes under way it has, while its own is. */
  handshakeOwner = 0;
  /** The last segment of the handshake went nowhere. */
  unheard = false;
  tos = 0;
  /** The guest's SYN, for an ICMP error while the host connects. */
  quote: Uint8Array | undefined;

  socket: StreamSocket | undefined;
  hostConnected = false;
  /** The host sent its end and everything before it was read. */
  hostEnd = false;
  /** The host side has failed: the guest is reset once it has acknowledged what came before. */
  resetDue = false;
  /** A read may bring something. */
  readable = false;
  /** The last read brought all that it could. */
  hasMore = false;
  /** Bytes wait in the socket that the guest does not take: see UnreadFlows. */
  unread = false;
  /** What the socket was told to hold. */
  receiveLimit = Number.POSITIVE_INFINITY;
  wantsRead = false;
  wantsWrite = false;

  irs = 0;
  rcvNxt = 0;
  rcvEdge = 0;
  rcvShift = 0;
  rcvLimit = INITIAL_WINDOW;
  /** Number of the period in which bytes of it last came in: see UploadCrowd. */
  sentInPeriod = 0;
  /** The offered window doubles when this many bytes were received. */
  rcvGrowAt = 0;
  readonly assembler: Assembler;
  /** Where the guest's FIN is, once it was seen. */
  finKnown = false;
  finSeq = 0;
  guestFin = false;
  ackPending = false;
  /** The guest's byte in front of `rcvUp` is urgent, and the socket has not taken it yet. */
  urgentIn = false;
  rcvUp = 0;

  iss = 0;
  sndUna = 0;
  sndNxt = 0;
  bufferEnd = 0;
  head: Chunk | undefined;
  tail: Chunk | undefined;
  /** Bytes of those chunks. */
  held = 0;
  sndWnd = 0;
  sndShift = 0;
  maxSndWnd = 0;
  sndWl1 = 0;
  sndWl2 = 0;
  mss = 0;
  /** What the guest asked for, which may be more than its path is known to carry. */
  guestMss = 0;
  sackOk = false;
  finSent = false;
  finAcked = false;
  /** The host's byte in front of SND.UP is urgent; segments that begin before it say so. */
  urgentOut = false;
  sndUp = 0;
  /** Our FIN went out before the guest's came in. */
  closedFirst = false;

  cwnd = 2 * MAX_WINDOW;
  ssthresh = 2 * MAX_WINDOW;
  dupAcks = 0;
  recovering = false;
  afterTimeout = false;
  recoverSeq = 0;
  rexmitNext = 0;
  lossEnd = 0;
  /** SND.NXT when the first hole was last sent again: SACKs beyond it tell that this was lost too. */
  rexmitMark = 0;
  /** The retransmission timer stands for a probe of the last segment (RFC 8985 §7), which was not sent yet. */
  tailProbe = false;
  tailProbed = false;
  readonly scoreboard = new Scoreboard();

  srtt = 0;
  rttvar = 0;
  rto = INITIAL_RTO_MS;
  timing = false;
  rttSeq = 0;
  rttAt = 0;
  retries = 0;
  probes = 0;
  persistBackoff = 0;
  keepaliveProbes = 0;
  /** The host's kernel asks whether the other side is there. */
  hostAsked = false;

  timer: Timer | undefined;
  timerAt = NEVER;
  rexmitAt = NEVER;
  persistAt = NEVER;
  lifeAt = NEVER;
  windowAt = NEVER;
  startedAt = 0;
  heardAt = 0;

  dubiousCount = 0;
  dubiousAt = 0;

  queued = false;
  ackQueued = false;
  ringNext: TcpFlow | undefined;
  parked = false;
  starving = false;

  constructor(
    guest: IpAddress,
    guestPort: number,
    remote: IpAddress,
    remotePort: number,
    path: GuestPath,
    forwarded: boolean,
    pool: ChunkPool,
  ) {
    this.guest = guest;
    this.guestPort = guestPort;
    this.remote = remote;
    this.remotePort = remotePort;
    this.path = path;
    this.forwarded = forwarded;
    this.assembler = new Assembler(pool, this);
  }
}

/** The state that follows from the facts, once the handshake is over. */
export function deriveState(flow: TcpFlow): TcpState {
  if (!flow.finSent) return flow.guestFin ? 'CLOSE-WAIT' : 'ESTABLISHED';
  if (!flow.guestFin) return flow.finAcked ? 'FIN-WAIT-2' : 'FIN-WAIT-1';
  if (flow.closedFirst) return flow.finAcked ? 'TIME-WAIT' : 'CLOSING';
  return flow.finAcked ? 'CLOSED' : 'LAST-ACK';
}

/** The handshake is over and bytes may still flow in some direction. */
export const isSynchronized = (flow: TcpFlow): boolean =>
  flow.state !== 'SYN-SENT' && flow.state !== 'SYN-RECEIVED' && flow.state !== 'CLOSED';

/** One side has closed, and that is known to both; the other may go on for as long as it likes. */
export const isHalfClosed = (flow: TcpFlow): boolean => flow.state === 'FIN-WAIT-2' || flow.state === 'CLOSE-WAIT';

/** Sent and not acknowledged, in sequence space (a FIN counts). */
export const flightSize = (flow: TcpFlow): number => seqDiff(flow.sndNxt, flow.sndUna);

/** Buffered and never sent. */
export const unsentBytes = (flow: TcpFlow): number => (flow.finSent ? 0 : seqDiff(flow.bufferEnd, flow.sndNxt));
