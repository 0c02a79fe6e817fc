/**
 * What happens when a flow's timer fires.
 *
 * rexmitAt   something is in flight (or a SYN, a SYN-ACK): sent again, RTO doubled (RFC 6298 §5), given up after
 *            MAX_RETRIES. While the way to the guest is not clear nothing is sent and nothing counts: a paused guest
 *            keeps its connections.
 * persistAt  the guest's window is shut and bytes wait: asked with a segment in front of the window, which it must
 *            answer (RFC 9293 §3.8.6.1). A guest that answers may stay shut for ever, one that does not is gone.
 * windowAt   the host socket's room is looked at again.
 * lifeAt     handshake limit, the longest silence before a keepalive (RFC 9293 §3.8.4), or how long a guest may leave
 *            unacknowledged what came before a reset.
 */
import { BUSY, DROPPED } from '../net/client.ts';
import { seqAdd, seqDiff, TCP_ACK, TCP_SYN } from '../wire/index.ts';
import type { TcpCore } from './tcp-core.ts';
import { abort, refuse } from './tcp-end.ts';
import { flightSize, isHalfClosed, NEVER, type TcpFlow } from './tcp-flow.ts';
import { offerRoom } from './tcp-host.ts';
import {
  HALF_CLOSED_IDLE_MS,
  KEEPALIVE_IDLE_MS,
  KEEPALIVE_INTERVAL_MS,
  KEEPALIVE_PROBES,
  MAX_RETRIES,
  MAX_RTO_MS,
  MIN_CWND_SEGMENTS,
  PARK_CHECK_MS,
  UNHEARD_RETRY_MS,
  WAKE_INTERVAL_MS,
  WAKE_MS,
  WAKE_PROBES,
} from './tcp-limits.ts';
import { persistDelay, probeTail } from './tcp-output.ts';
import { sendControl } from './tcp-segment.ts';
import { armTimer, startRetransmission } from './tcp-timer.ts';

export function onTimer(core: TcpCore, flow: TcpFlow): void {
  if (flow.state === 'CLOSED') return;
  flow.timerAt = NEVER;
  const now = core.now();
  if (flow.rexmitAt <= now) onRetransmit(core, flow, now);
  if (isOpen(flow) && flow.persistAt <= now) onPersist(core, flow, now);
  if (isOpen(flow) && flow.windowAt <= now) {
    flow.windowAt = NEVER;
    offerRoom(core, flow);
  }
  if (isOpen(flow) && flow.lifeAt <= now) onLife(core, flow, now);
  if (isOpen(flow)) armTimer(flow);
}

const isOpen = (flow: TcpFlow): boolean => flow.state !== 'CLOSED';

function onRetransmit(core: TcpCore, flow: TcpFlow, now: number): void {
  if (flow.parked || core.ip.busyGuests.has(flow.guest)) {
    flow.rexmitAt = now + Math.max(flow.rto, PARK_CHECK_MS);
    if (flow.parked && !core.ip.busyGuests.has(flow.guest)) {
      if (flightSize(flow) === 0) flow.rexmitAt = NEVER;
      core.unpark(flow.guest);
    }
    return;
  }
  if (flow.state === 'SYN-SENT' || flow.state === 'SYN-RECEIVED') {
    if (!flow.unheard) {
      flow.retries++;
      flow.timing = false;
      flow.rto = Math.min(flow.rto * 2, MAX_RTO_MS);
      core.counters.retransmitted++;
    }
    flow.rexmitAt = now + flow.rto;
    sendHandshake(core, flow);
    return;
  }
  if (flightSize(flow) === 0) {
    flow.rexmitAt = NEVER;
    return;
  }
  if (flow.tailProbe) {
    flow.tailProbed = true;
    core.counters.tailProbes++;
    probeTail(core, flow);
    if (isOpen(flow)) startRetransmission(flow, now);
    return;
  }
  if (flow.retries >= MAX_RETRIES) {
    core.counters.timedOut++;
    abort(core, flow, true);
    return;
  }
  flow.retries++;
  core.counters.retransmitTimeouts++;
  // RFC 5681 §3.1, once per loss event.
  if (flow.retries === 1) flow.ssthresh = Math.max(flightSize(flow) >> 1, MIN_CWND_SEGMENTS * flow.mss);
  flow.cwnd = MIN_CWND_SEGMENTS * flow.mss;
  if (flow.scoreboard.begins(flow.sndUna)) flow.scoreboard.clear();
  flow.recovering = true;
  flow.afterTimeout = true;
  flow.recoverSeq = flow.sndNxt;
  flow.lossEnd = flow.sndNxt;
  flow.rexmitNext = flow.sndUna;
  flow.dupAcks = 0;
  flow.timing = false;
  flow.rto = Math.min(flow.rto * 2, MAX_RTO_MS);
  flow.rexmitAt = now + flow.rto;
  core.rounds.schedule(flow);
}

/**
 * The segment that opens the connection towards the guest, first and again. One that nobody heard (the link is down, or too
 * many frames wait for the guest's Ethernet address) is sent again soon, and says nothing about the guest.
 */
export function sendHandshake(core: TcpCore, flow: TcpFlow): void {
  const flags = flow.state === 'SYN-RECEIVED' ? TCP_SYN | TCP_ACK : TCP_SYN;
  const result = sendControl(core, flow, flow.iss, flags);
  flow.unheard = result === DROPPED;
  if (flow.unheard) {
    flow.rexmitAt = core.now() + UNHEARD_RETRY_MS;
    armTimer(flow);
  }
  if (result === BUSY) core.park(flow);
}

function onPersist(core: TcpCore, flow: TcpFlow, now: number): void {
  flow.persistAt = NEVER;
  if (flow.sndWnd > 0 || flightSize(flow) > 0) {
    core.rounds.schedule(flow);
    return;
  }
  if (!flow.parked) {
    if (flow.probes >= MAX_RETRIES) {
      core.counters.timedOut++;
      abort(core, flow, true);
      return;
    }
    flow.probes++;
    flow.persistBackoff++;
    core.counters.windowProbes++;
    sendControl(core, flow, seqAdd(flow.sndUna, -1), TCP_ACK);
  }
  flow.persistAt = now + persistDelay(flow);
}

function onLife(core: TcpCore, flow: TcpFlow, now: number): void {
  switch (flow.state) {
    case 'SYN-SENT':
      core.counters.timedOut++;
      if (flow.forwarded) abort(core, flow, true);
      else refuse(core, flow, 'host');
      return;
    case 'SYN-RECEIVED':
      core.counters.timedOut++;
      abort(core, flow, true);
      return;
    default:
      if (flow.resetDue) abort(core, flow, true);
      else keepAlive(core, flow, now);
  }
}

function keepAlive(core: TcpCore, flow: TcpFlow, now: number): void {
  const wakeEndsAt = core.wokeAt + WAKE_MS;
  askHost(flow, now < wakeEndsAt);
  const limit = isHalfClosed(flow) ? HALF_CLOSED_IDLE_MS : KEEPALIVE_IDLE_MS;
  // It may be gone since before we slept.
  const isDoubtful = flow.heardAt < core.wokeAt;
  if (!isDoubtful && now - flow.heardAt < limit) {
    flow.keepaliveProbes = 0;
    flow.lifeAt = flow.hostAsked ? wakeEndsAt : flow.heardAt + limit;
    return;
  }
  flow.lifeAt = now + (isDoubtful ? WAKE_INTERVAL_MS : KEEPALIVE_INTERVAL_MS);
  if (flow.parked || core.ip.busyGuests.has(flow.guest)) return;
  if (flow.keepaliveProbes >= (isDoubtful ? WAKE_PROBES : KEEPALIVE_PROBES)) {
    core.counters.timedOut++;
    abort(core, flow, true);
    return;
  }
  flow.keepaliveProbes++;
  core.counters.keepalives++;
  // Retransmission already asks while something is in flight.
  if (seqDiff(flow.sndNxt, flow.sndUna) === 0) sendControl(core, flow, seqAdd(flow.sndNxt, -1), TCP_ACK);
}

/** Whether the host's kernel asks the other side, too. */
function askHost(flow: TcpFlow, wanted: boolean): void {
  if (flow.hostAsked === wanted) return;
  flow.hostAsked = wanted;
  flow.socket?.askPeer?.(wanted);
}
