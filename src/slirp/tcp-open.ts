/**
 * How flows begin.
 *
 * A guest's SYN: the host is asked first (route, connect) and answers decide what the guest gets: SYN-ACK, RST or an
 * ICMP error. Nothing is said meanwhile; the guest's repeated SYNs find the flow and are ignored.
 * A connection that a forward accepted: the guest gets a SYN; nothing is read from the socket before it has answered, but
 * an error of it ends the dial at once. Its end does not: who sent a request and closed that half waits for the answer.
 *
 * Caps on flows and on those still connecting, with a share for each port that guests come in by; the latter apart for each
 * direction, as strangers at a forward must not keep the guest from the outside. Beyond its share,
 *   a connect takes the place of the one whose SYN was last repeated longest ago. Its program has most likely given up;
 *   if not, the next repetition begins anew.
 *   a dial takes the place of the oldest that has not been answered for a while; without one the client is refused.
 *   a flow takes the place of the longest unused one if that has been silent for a minute; else it is refused.
 * What belonged to a port that is gone gives way first, whatever its age. TIME-WAIT has a cap of its own.
 */
import type { StreamSocket } from '../net/host.ts';
import { ORPHANS, STRANGERS } from '../net/index.ts';
import {
  parseTcpOptions,
  seqAdd,
  TCP_ACK,
  TCP_RST,
  type TcpOptions,
  tcpHeaderLength,
  tcpSeq,
  tcpWindow,
} from '../wire/index.ts';
import { addressText } from './address.ts';
import { COST_CONNECTION_MS } from './costs.ts';
import type { IpAddress, IpPacket } from './ip-layer.ts';
import type { TcpCore } from './tcp-core.ts';
import { abort } from './tcp-end.ts';
import { NEVER, TcpFlow } from './tcp-flow.ts';
import { attachSocket, watch } from './tcp-host.ts';
import {
  CONNECT_TIMEOUT_MS,
  COUNTED_HOPS,
  DEFAULT_MSS_IPV4,
  DEFAULT_MSS_IPV6,
  DIAL_PATIENCE_MS,
  EVICTION_DEPTH,
  EVICTION_IDLE_MS,
  INITIAL_RTO_MS,
  KEEPALIVE_IDLE_MS,
  MIN_MSS,
  QUOTE_BYTES,
  WINDOW_SHIFT,
} from './tcp-limits.ts';
import { MAX_WINDOW_FIELD, segmentSize, sendReset } from './tcp-segment.ts';
import { armTimer } from './tcp-timer.ts';
import { onTimer, sendHandshake } from './tcp-timers.ts';

/** Flows that one connection may cost for the sake of its descriptor. */
const MAX_GIVEN_UP = 4;
const ECN_BITS = 0x03;

/** A SYN for which there is no flow. The segment was checked. */
export function openFromGuest(core: TcpCore, packet: IpPacket, guestPort: number, remotePort: number): void {
  const { source, destination } = packet;
  const to = core.ip.route(destination, 'tcp', remotePort);
  if (to === undefined) {
    core.counters.refused++;
    const reason = core.ip.refusal?.(destination, 'tcp', remotePort);
    if (reason !== undefined) core.ip.sendUnreachable(packet, reason);
    else refuseStray(core, packet, guestPort, remotePort);
    return;
  }
  // Our own addresses are no hop.
  const countsHops = packet.ttl <= COUNTED_HOPS && to.host === addressText(destination);
  if (countsHops && packet.ttl <= 1) {
    core.ip.sendTimeExceeded(packet);
    return;
  }
  const { ingress } = packet;
  if (!mayAdd(core, ingress)) return;
  if (!mayConnect(core, ingress)) {
    core.counters.refused++;
    refuseStray(core, packet, guestPort, remotePort);
    return;
  }
  for (let loser = core.connecting.loser(ingress); loser !== undefined; loser = core.connecting.loser(ingress)) {
    core.ip.drop('tcp-connecting-limit');
    abort(core, loser, false);
  }
  const flow = createFlow(core, source, guestPort, destination, remotePort, ingress, ingress);
  flow.tos = packet.tos & ~ECN_BITS;
  takeSyn(flow, packet, core.segmentOptions);
  core.setState(flow, 'SYN-SENT');
  flow.lifeAt = core.now() + CONNECT_TIMEOUT_MS;
  armTimer(flow);
  core.ip.charge(packet.ingress, COST_CONNECTION_MS);
  attachSocket(core, flow, core.ip.connect(packet, to, countsHops ? packet.ttl - 1 : undefined), answerGuest);
}

/** What a SYN says about its sender; also for one that repeats itself with another number while the host connects. */
export function takeSyn(flow: TcpFlow, packet: IpPacket, options: TcpOptions): void {
  const { bytes, transportOffset } = packet;
  parseTcpOptions(bytes, transportOffset, tcpHeaderLength(bytes, transportOffset), options);
  if (!flow.forwarded) flow.quote = quoteOf(packet);
  flow.irs = tcpSeq(bytes, transportOffset);
  flow.rcvNxt = seqAdd(flow.irs, 1);
  flow.rcvEdge = seqAdd(flow.rcvNxt, MAX_WINDOW_FIELD);
  flow.rcvGrowAt = seqAdd(flow.rcvNxt, flow.rcvLimit);
  const scaled = options.windowShift >= 0;
  flow.rcvShift = scaled ? WINDOW_SHIFT : 0;
  flow.sndShift = scaled ? options.windowShift : 0;
  flow.sackOk = options.sackPermitted;
  flow.sndWnd = tcpWindow(bytes, transportOffset);
  flow.maxSndWnd = flow.sndWnd;
  flow.sndWl1 = flow.irs;
  const fallback = flow.path.family === 'ipv4' ? DEFAULT_MSS_IPV4 : DEFAULT_MSS_IPV6;
  const wanted = options.mss === 0 ? fallback : options.mss;
  flow.guestMss = wanted;
  flow.mss = segmentSize(flow.path, Math.max(wanted, MIN_MSS));
}

/** The host is connected: now the guest hears of it. */
function answerGuest(core: TcpCore, flow: TcpFlow): void {
  flow.quote = undefined;
  flow.lifeAt = core.now() + CONNECT_TIMEOUT_MS;
  openSend(core, flow);
  core.setState(flow, 'SYN-RECEIVED');
  beginHandshake(core, flow);
}

/**
 * An accepted connection dials `guest`. False: at a cap, the caller resets it.
 * @param forward whose share of the dials it takes.
 */
export function dialGuest(
  core: TcpCore,
  socket: StreamSocket,
  forward: number,
  guest: IpAddress,
  guestPort: number,
  remote: IpAddress,
  remotePort: number,
): boolean {
  if (!mayDial(core, forward) || !mayAdd(core, STRANGERS)) return false;
  const flow = createFlow(core, guest, guestPort, remote, remotePort, STRANGERS, forward);
  flow.hostConnected = true;
  core.counters.accepted++;
  attachSocket(core, flow, socket, () => {});
  watch(flow, true, false);
  flow.mss = segmentSize(flow.path, flow.path.family === 'ipv4' ? DEFAULT_MSS_IPV4 : DEFAULT_MSS_IPV6);
  flow.lifeAt = core.now() + CONNECT_TIMEOUT_MS;
  openSend(core, flow);
  core.setState(flow, 'SYN-SENT');
  beginHandshake(core, flow);
  return true;
}

function openSend(core: TcpCore, flow: TcpFlow): void {
  flow.iss = core.initialSequence(flow);
  flow.sndUna = flow.iss;
  flow.sndNxt = seqAdd(flow.iss, 1);
  flow.bufferEnd = flow.sndNxt;
  flow.rexmitNext = flow.sndNxt;
  flow.lossEnd = flow.sndNxt;
  flow.rexmitMark = flow.sndNxt;
  flow.recoverSeq = flow.sndNxt;
  flow.rttSeq = flow.sndNxt;
}

function beginHandshake(core: TcpCore, flow: TcpFlow): void {
  const now = core.now();
  flow.timing = true;
  flow.rttAt = now;
  flow.rexmitAt = now + flow.rto;
  armTimer(flow);
  sendHandshake(core, flow);
}

/** The handshake is over: bytes may flow. */
export function established(core: TcpCore, flow: TcpFlow): void {
  core.settled(flow);
  core.counters.opened++;
  core.setState(flow, 'ESTABLISHED');
  flow.rexmitAt = NEVER;
  flow.rto = flow.srtt > 0 ? flow.rto : INITIAL_RTO_MS;
  flow.lifeAt = core.now() + KEEPALIVE_IDLE_MS;
  flow.retries = 0;
  core.rounds.schedule(flow);
}

/** Room for one more dial of this forward, perhaps in place of one that its guest leaves unanswered. */
function mayDial(core: TcpCore, forward: number): boolean {
  for (let loser = core.dialing.loser(forward); loser !== undefined; loser = core.dialing.loser(forward)) {
    core.ip.drop('tcp-dialing-limit');
    if (core.now() - loser.startedAt < DIAL_PATIENCE_MS) return false;
    abort(core, loser, true);
  }
  return true;
}

/** A descriptor for one more connection of this port, perhaps that of an old flow. */
function mayConnect(core: TcpCore, ingress: number): boolean {
  const { sockets } = core.ip.host;
  // A host may close a descriptor a little later: not all are given up for one.
  for (let tries = 0; sockets.mayConnect?.(ingress) === false; tries++) {
    const flow =
      core.table.oldestOf(ORPHANS) ?? longSilent(core, core.table.oldestOf(ingress)) ?? givenUp(core, ingress);
    if (flow === undefined || tries === MAX_GIVEN_UP) {
      core.ip.drop('tcp-descriptor-limit');
      return false;
    }
    core.counters.evicted++;
    abort(core, flow, true);
  }
  return true;
}

/** Room for one more flow of this port, perhaps in place of an old one. */
function mayAdd(core: TcpCore, ingress: number): boolean {
  for (let loser = core.table.loser(ingress); loser !== undefined; loser = core.table.loser(ingress)) {
    const flow = loser.ingress === ORPHANS ? loser : longSilent(core, loser);
    if (flow === undefined) {
      core.ip.drop('tcp-flow-limit');
      return false;
    }
    core.counters.evicted++;
    abort(core, flow, true);
  }
  return true;
}

/** A connect of this port whose SYN was not repeated for a while. */
function givenUp(core: TcpCore, ingress: number): TcpFlow | undefined {
  const flow = core.connecting.oldest(ingress);
  return flow !== undefined && core.now() - flow.heardAt > DIAL_PATIENCE_MS ? flow : undefined;
}

/** The first of `flow` and those used after it that has been silent for long. */
function longSilent(core: TcpCore, flow: TcpFlow | undefined): TcpFlow | undefined {
  const idleSince = core.now() - EVICTION_IDLE_MS;
  for (let i = 0; i < EVICTION_DEPTH && flow !== undefined; i++, flow = flow.newer) {
    if (flow.heardAt < idleSince) return flow;
  }
  return undefined;
}

function createFlow(
  core: TcpCore,
  guest: IpAddress,
  guestPort: number,
  remote: IpAddress,
  remotePort: number,
  ingress: number,
  handshakeOwner: number,
): TcpFlow {
  const forwarded = ingress === STRANGERS;
  const ours = core.keptGuest(guest);
  const theirs = core.keptRemote(remote);
  const path = core.ip.openPath(ours, theirs);
  const flow = new TcpFlow(ours, guestPort, theirs, remotePort, path, forwarded, core.pool);
  flow.ingress = ingress;
  flow.timer = core.ip.host.timers.create(() => onTimer(core, flow));
  flow.startedAt = core.now();
  flow.heardAt = flow.startedAt;
  core.register(flow, handshakeOwner);
  return flow;
}

/**
 * RST in answer to a segment without a flow (RFC 9293 §3.10.7.1), with libslirp's field values. At a limited rate: where
 * the segment says it is from may be nowhere, and the switch floods what it knows no port for.
 */
export function refuseStray(core: TcpCore, packet: IpPacket, guestPort: number, remotePort: number): void {
  if (!core.strayResets.take(packet.ingress, core.now())) {
    core.ip.drop('tcp-stray-limit');
    return;
  }
  const { bytes, transportOffset } = packet;
  const path = core.ip.openPath(packet.source.slice(), packet.destination.slice());
  const flags = bytes[transportOffset + 13]!;
  core.counters.strayResets++;
  if ((flags & TCP_ACK) !== 0) {
    const ack =
      ((bytes[transportOffset + 8]! << 24) |
        (bytes[transportOffset + 9]! << 16) |
        (bytes[transportOffset + 10]! << 8) |
        bytes[transportOffset + 11]!) >>>
      0;
    sendReset(core, path, remotePort, guestPort, ack, 0, TCP_RST);
    return;
  }
  const payload = packet.transportLength - tcpHeaderLength(bytes, transportOffset);
  const ack = seqAdd(tcpSeq(bytes, transportOffset), payload + ((flags >> 1) & 1));
  sendReset(core, path, remotePort, guestPort, 0, ack, TCP_RST | TCP_ACK);
}

/** The packet is borrowed. An ICMP error quotes this much of it. */
function quoteOf(packet: IpPacket): Uint8Array {
  const end = packet.transportOffset + Math.min(packet.transportLength, QUOTE_BYTES);
  return packet.bytes.slice(packet.ipOffset, end);
}
