/**
 * Segments from guests (RFC 9293 §3.10.7), in its order: sequence number, RST, SYN, ACK, bytes, FIN; with the checks of
 * RFC 5961 against blind resets. Nothing here throws; what is not acceptable is dropped and counted, and answered where
 * the RFC asks for it, at a limited rate.
 */
import {
  parseTcpOptions,
  seqAdd,
  seqGe,
  seqGt,
  seqLe,
  seqLt,
  TCP_ACK,
  TCP_FIN,
  TCP_HEADER_LENGTH,
  TCP_RST,
  TCP_SYN,
  TCP_URG,
  tcpAck,
  tcpCheck,
  tcpChecksumHolds,
  tcpDestinationPort,
  tcpFlags,
  tcpHeaderLength,
  tcpSeq,
  tcpSourcePort,
  tcpUrgent,
  tcpWindow,
} from '../wire/index.ts';
import { sameAddress } from './flow-table.ts';
import type { IpPacket } from './ip-layer.ts';
import { sampleRtt, takeAck } from './tcp-ack.ts';
import { challenge, dubious } from './tcp-challenge.ts';
import type { TcpCore } from './tcp-core.ts';
import { takeData } from './tcp-data.ts';
import { abort } from './tcp-end.ts';
import type { TcpFlow } from './tcp-flow.ts';
import { established, openFromGuest, refuseStray, takeSyn } from './tcp-open.ts';
import { acknowledge } from './tcp-output.ts';
import { FLOW_TTL, sendReset } from './tcp-segment.ts';
import { sendHandshake } from './tcp-timers.ts';
import { noteUrgent } from './tcp-urgent.ts';

/** A TCP packet of a guest. Borrowed. */
export function input(core: TcpCore, packet: IpPacket): void {
  const { bytes, transportOffset: at, transportLength } = packet;
  const drop = tcpCheck(bytes, at, at + transportLength);
  if (drop !== undefined) {
    core.ip.drop(drop);
    return;
  }
  if (!packet.checksumTrusted && !tcpChecksumHolds(bytes, at, transportLength, addressSum(packet))) {
    core.ip.drop('tcp-checksum');
    return;
  }
  core.counters.segmentsIn++;
  const guestPort = tcpSourcePort(bytes, at);
  const remotePort = tcpDestinationPort(bytes, at);
  const flow = core.table.find(packet.source, guestPort, packet.destination, remotePort);
  if (flow === undefined) {
    withoutFlow(core, packet, guestPort, remotePort);
    return;
  }
  core.table.touch(flow);
  flow.heardAt = core.now();
  switch (flow.state) {
    case 'SYN-SENT':
      if (flow.forwarded) dialed(core, flow, packet);
      else whileConnecting(core, flow, packet);
      return;
    case 'CLOSED':
      return;
    default:
      synchronized(core, flow, packet);
  }
}

function withoutFlow(core: TcpCore, packet: IpPacket, guestPort: number, remotePort: number): void {
  const hash = core.table.hashOf(packet.source, guestPort, packet.destination, remotePort);
  const row = core.timeWait.find(hash, packet.source, guestPort, packet.destination, remotePort);
  if (row >= 0 && inTimeWait(core, packet, row)) return;
  const flags = tcpFlags(packet.bytes, packet.transportOffset);
  if ((flags & TCP_RST) !== 0 || (flags & (TCP_SYN | TCP_FIN)) === (TCP_SYN | TCP_FIN)) {
    core.ip.drop('tcp-flags');
    return;
  }
  if (guestPort === 0 || remotePort === 0) {
    core.ip.drop('tcp-port');
    return;
  }
  if (sameAddress(packet.source, packet.destination)) {
    core.ip.drop('tcp-land');
    return;
  }
  if ((flags & TCP_SYN) !== 0 && (flags & TCP_ACK) === 0) openFromGuest(core, packet, guestPort, remotePort);
  else refuseStray(core, packet, guestPort, remotePort);
}

/** The host's connect is under way: only a reset, or a guest that starts over, matters. */
function whileConnecting(core: TcpCore, flow: TcpFlow, packet: IpPacket): void {
  const { bytes, transportOffset: at } = packet;
  const flags = tcpFlags(bytes, at);
  const seq = tcpSeq(bytes, at);
  if ((flags & TCP_RST) !== 0) {
    if (seq !== flow.irs && seq !== flow.rcvNxt) return;
    core.counters.resetByGuest++;
    abort(core, flow, false);
    return;
  }
  if ((flags & (TCP_SYN | TCP_ACK | TCP_FIN)) !== TCP_SYN) return;
  core.connecting.repeated(flow);
  if (seq === flow.irs) core.follow(flow, packet.ingress);
  else takeSyn(flow, packet, core.segmentOptions);
}

/** SYN-SENT of a forward (RFC 9293 §3.10.7.3). */
function dialed(core: TcpCore, flow: TcpFlow, packet: IpPacket): void {
  const { bytes, transportOffset: at } = packet;
  const flags = tcpFlags(bytes, at);
  const ack = tcpAck(bytes, at);
  const acknowledged = (flags & TCP_ACK) !== 0;
  if (acknowledged && ack !== flow.sndNxt) {
    if ((flags & TCP_RST) === 0) refuseStray(core, packet, flow.guestPort, flow.remotePort);
    return;
  }
  if ((flags & TCP_RST) !== 0) {
    if (!acknowledged) return;
    core.counters.resetByGuest++;
    abort(core, flow, false);
    return;
  }
  if ((flags & TCP_SYN) === 0 || (flags & TCP_FIN) !== 0) return;
  core.follow(flow, packet.ingress);
  takeSyn(flow, packet, core.segmentOptions);
  if (!acknowledged) {
    core.setState(flow, 'SYN-RECEIVED');
    sendHandshake(core, flow);
    return;
  }
  flow.sndWl2 = ack;
  finishHandshake(core, flow, ack);
  acknowledge(core, flow);
}

function finishHandshake(core: TcpCore, flow: TcpFlow, ack: number): void {
  if (flow.timing) sampleRtt(flow, core.now() - flow.rttAt);
  flow.sndUna = ack;
  established(core, flow);
}

function synchronized(core: TcpCore, flow: TcpFlow, packet: IpPacket): void {
  const { bytes, transportOffset: at } = packet;
  const flags = tcpFlags(bytes, at);
  const seq = tcpSeq(bytes, at);
  const headerLength = tcpHeaderLength(bytes, at);
  const length = packet.transportLength - headerLength;
  const fin = (flags & TCP_FIN) !== 0;
  // First: the sequence number. A segment that only touches the window's right edge is taken, as Linux does.
  const end = seqAdd(seq, length + (fin ? 1 : 0));
  const acceptable = seqLe(seq, flow.rcvEdge) && (end === seq ? seqGe(seq, flow.rcvNxt) : seqGt(end, flow.rcvNxt));
  if ((flags & TCP_RST) !== 0) {
    takeReset(core, flow, seq);
    return;
  }
  if (!acceptable) {
    takeUnacceptable(core, flow, flags, seq, length);
    return;
  }
  if ((flags & TCP_SYN) !== 0) {
    challenge(core, flow);
    return;
  }
  if ((flags & TCP_ACK) === 0) {
    core.ip.drop('tcp-flags');
    return;
  }
  const ack = tcpAck(bytes, at);
  if (flow.state === 'SYN-RECEIVED') {
    if (ack !== flow.sndNxt) {
      refuseStray(core, packet, flow.guestPort, flow.remotePort);
      return;
    }
    flow.sndWl1 = seqAdd(seq, -1);
    finishHandshake(core, flow, ack);
  }
  if (seqGt(ack, flow.sndNxt)) {
    dubious(core, flow);
    return;
  }
  if (seqLt(ack, seqAdd(flow.sndUna, -flow.maxSndWnd))) {
    challenge(core, flow);
    return;
  }
  core.follow(flow, packet.ingress);
  const options = core.segmentOptions;
  if (headerLength === TCP_HEADER_LENGTH) options.sackCount = 0;
  else parseTcpOptions(bytes, at, headerLength, options);
  takeAck(core, flow, seq, ack, tcpWindow(bytes, at), length === 0 && !fin, options);
  if (isGone(flow)) return;
  if ((flags & TCP_URG) !== 0) noteUrgent(flow, seq, tcpUrgent(bytes, at));
  if (length > 0 || fin) takeData(core, flow, seq, bytes, at + headerLength, length, fin);
}

const isGone = (flow: TcpFlow): boolean => flow.state === 'CLOSED';

/** A segment for what is left of a connection. False: a new one with its numbers begins (RFC 9293 §3.6.1). */
function inTimeWait(core: TcpCore, packet: IpPacket, row: number): boolean {
  const { bytes, transportOffset: at } = packet;
  const { rcvNxt, sndNxt, guest, remote, guestPort, remotePort, window } = core.timeWait.read(row);
  const flags = tcpFlags(bytes, at);
  const seq = tcpSeq(bytes, at);
  if ((flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) === TCP_SYN && seqGt(seq, rcvNxt)) {
    core.timeWait.end(row);
    return false;
  }
  if ((flags & TCP_RST) !== 0) {
    if (seq === rcvNxt) {
      core.counters.resetByGuest++;
      core.timeWait.end(row);
    } else {
      core.ip.drop('tcp-reset-window');
    }
    return true;
  }
  const isBareAck = (flags & (TCP_SYN | TCP_FIN)) === 0 && packet.transportLength === tcpHeaderLength(bytes, at);
  if (isBareAck && seq === rcvNxt) return true;
  if (!core.timeWait.mayAnswer(row)) {
    core.ip.drop('tcp-ack-limit');
    return true;
  }
  core.counters.duplicate++;
  const path = core.ip.openPath(guest.slice(), remote.slice());
  sendReset(core, path, remotePort, guestPort, sndNxt, rcvNxt, TCP_ACK, window, FLOW_TTL);
  return true;
}

/**
 * RFC 5961 §3: exactly RCV.NXT resets, elsewhere in the window a challenge. What came in order and waits for the socket is
 * not acknowledged yet; to the guest RCV.NXT lies behind it.
 */
function takeReset(core: TcpCore, flow: TcpFlow, seq: number): void {
  if (seq === flow.rcvNxt || seq === receivedEnd(flow)) {
    core.counters.resetByGuest++;
    abort(core, flow, false);
  } else if (seqGt(seq, flow.rcvNxt) && seqLe(seq, flow.rcvEdge)) {
    challenge(core, flow);
  } else {
    core.ip.drop('tcp-reset-window');
  }
}

/** Behind everything that came in order. */
function receivedEnd(flow: TcpFlow): number {
  const end = flow.assembler.endFrom(flow.rcvNxt);
  return flow.finKnown && end === flow.finSeq ? seqAdd(end, 1) : end;
}

function takeUnacceptable(core: TcpCore, flow: TcpFlow, flags: number, seq: number, length: number): void {
  if (flow.state === 'SYN-RECEIVED') {
    // The guest repeats its SYN: our answer was lost.
    if ((flags & (TCP_SYN | TCP_ACK)) === TCP_SYN && seq === flow.irs) sendHandshake(core, flow);
    return;
  }
  if ((flags & TCP_SYN) !== 0) {
    challenge(core, flow);
    return;
  }
  if (seqLt(seq, flow.rcvNxt)) core.counters.duplicate++;
  else core.counters.outOfWindow++;
  if (length > 0) acknowledge(core, flow);
  else dubious(core, flow);
}

/** Sum of the pseudo header's addresses. */
function addressSum(packet: IpPacket): number {
  const { source, destination } = packet;
  if (packet.family === 'ipv4') return words(source[3]!) + words(destination[3]!);
  let sum = 0;
  for (let i = 0; i < 4; i++) sum += words(source[i]!) + words(destination[i]!);
  return sum;
}

const words = (word: number): number => (word >>> 16) + (word & 0xffff);
