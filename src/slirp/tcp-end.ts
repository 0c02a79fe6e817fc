/**
 * How flows end: by both FINs, by a reset of either side that is passed on to the other, by errors of the host's socket
 * before or after it was connected, by time. Nothing of a flow is left afterwards but, for a while, a TIME-WAIT entry.
 */
import type { StreamSocket } from '../net/host.ts';
import { seqAdd, seqGt, TCP_ACK, TCP_RST } from '../wire/index.ts';
import { isForGuest } from './icmp-record.ts';
import type { ReasonAbout } from './ip-layer.ts';
import type { TcpCore } from './tcp-core.ts';
import { deriveState, isHalfClosed, isSynchronized, NEVER, type TcpFlow } from './tcp-flow.ts';
import { HALF_CLOSED_IDLE_MS, LAST_WORDS_MS } from './tcp-limits.ts';
import { FLOW_TTL, MAX_WINDOW_FIELD, sendReset } from './tcp-segment.ts';
import { armTimer } from './tcp-timer.ts';

/** errno of a failed connect to what the guest is told; the rest is a refusal (RST). */
const CONNECT_ERRORS: ReadonlyMap<string, ReasonAbout> = new Map([
  ['ENETUNREACH', 'network'],
  ['ENETDOWN', 'network'],
  ['EACCES', 'network'],
  ['EPERM', 'network'],
  ['EADDRNOTAVAIL', 'network'],
  ['EHOSTUNREACH', 'host'],
  ['EHOSTDOWN', 'host'],
  ['ETIMEDOUT', 'host'],
] as const);

/** The state that the facts now say, and what it entails. */
export function refreshState(core: TcpCore, flow: TcpFlow): void {
  if (flow.hostEnd && flow.guestFin && flow.socket !== undefined) {
    flow.socket.close();
    flow.socket = undefined;
  }
  const state = deriveState(flow);
  if (state === flow.state) return;
  if (state === 'CLOSED') {
    finish(core, flow);
    return;
  }
  core.setState(flow, state);
  if (isHalfClosed(flow)) {
    flow.lifeAt = core.now() + HALF_CLOSED_IDLE_MS;
    armTimer(flow);
  } else if (state === 'TIME-WAIT') {
    core.releaseBuffers(flow);
    flow.rexmitAt = flow.persistAt = flow.windowAt = flow.lifeAt = NEVER;
    armTimer(flow);
    // Once its last ACK is out the flow makes way for a record.
    core.rounds.schedule(flow);
  }
}

/** Ends a flow whose host side is done, or closes that side in order. */
export function finish(core: TcpCore, flow: TcpFlow): void {
  flow.socket?.close();
  flow.socket = undefined;
  core.remove(flow);
}

/** Ends a flow with a reset towards the host, behind all that came in order, and towards the guest if asked. */
export function abort(core: TcpCore, flow: TcpFlow, tellGuest: boolean): void {
  if (tellGuest) resetGuest(core, flow);
  const { socket } = flow;
  flow.socket = undefined;
  if (socket !== undefined) {
    if (flow.assembler.begins(flow.rcvNxt))
      core.lastWords.take(socket, flow.assembler.handOver(), flow.rcvNxt, flow.ingress);
    else socket.reset();
  }
  core.remove(flow);
}

/** The socket reports an error: before the connection a refusal of some kind, afterwards a reset. */
export function hostFailed(core: TcpCore, flow: TcpFlow): void {
  const { socket } = flow;
  if (socket === undefined) return;
  if (flow.state === 'SYN-SENT' && !flow.forwarded) {
    if (relayIcmp(core, flow, socket)) return;
    refuse(core, flow, CONNECT_ERRORS.get(socket.error?.code ?? ''));
    return;
  }
  core.counters.resetByHost++;
  if (isSynchronized(flow) && seqGt(flow.bufferEnd, flow.sndUna)) {
    socket.close();
    flow.socket = undefined;
    flow.resetDue = true;
    flow.lifeAt = core.now() + LAST_WORDS_MS;
    armTimer(flow);
    core.rounds.schedule(flow);
    return;
  }
  resetGuest(core, flow);
  finish(core, flow);
}

/** A hop on the way has answered the SYN of a guest that counts them: it hears of that hop. */
function relayIcmp(core: TcpCore, flow: TcpFlow, socket: StreamSocket): boolean {
  const { icmpError } = socket;
  const { quote: bytes, ingress } = flow;
  if (icmpError === undefined || bytes === undefined || !isForGuest(icmpError)) return false;
  const { type, code, mtu, offender } = icmpError;
  const from = offender === undefined ? undefined : core.ip.guestView(offender);
  core.ip.relayError({ bytes, length: bytes.length, ingress }, type, code, mtu, from);
  core.counters.refused++;
  finish(core, flow);
  return true;
}

/** The host cannot be reached: the guest's SYN is answered, and forgotten. */
export function refuse(core: TcpCore, flow: TcpFlow, reason: ReasonAbout | undefined): void {
  core.counters.refused++;
  if (reason !== undefined && flow.quote !== undefined) {
    const { quote: bytes, ingress } = flow;
    core.ip.sendUnreachableAbout({ bytes, length: bytes.length, ingress }, reason);
  } else {
    const ack = seqAdd(flow.irs, 1);
    const { path, remotePort, guestPort } = flow;
    sendReset(core, path, remotePort, guestPort, 0, ack, TCP_RST | TCP_ACK, MAX_WINDOW_FIELD, FLOW_TTL);
  }
  finish(core, flow);
}

function resetGuest(core: TcpCore, flow: TcpFlow): void {
  if (flow.state === 'TIME-WAIT') return;
  const { path, remotePort, guestPort } = flow;
  const known = isSynchronized(flow) || flow.state === 'SYN-RECEIVED';
  // A guest that has not answered a dial yet takes a RST for its side of the handshake only with the right number.
  if (known) sendReset(core, path, remotePort, guestPort, flow.sndNxt, flow.rcvNxt, TCP_RST | TCP_ACK, 0, FLOW_TTL);
  else if (flow.forwarded) sendReset(core, path, remotePort, guestPort, flow.sndNxt, 0, TCP_RST, 0, FLOW_TTL);
  else sendReset(core, path, remotePort, guestPort, 0, seqAdd(flow.irs, 1), TCP_RST | TCP_ACK, 0, FLOW_TTL);
}
