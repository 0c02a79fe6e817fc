/**
 * What the guest's acknowledgments mean for the sender: bytes freed, round trips measured (RFC 6298), its window
 * (RFC 9293 §3.10.7.4), losses found by SACK or by three duplicates (RFC 6675, RFC 6582).
 */
import { seqAdd, seqDiff, seqGe, seqGt, seqLe, seqLt, seqMax, type TcpOptions } from '../wire/index.ts';
import { releaseAcknowledged } from './tcp-buffer.ts';
import type { TcpCore } from './tcp-core.ts';
import { abort, refreshState } from './tcp-end.ts';
import { flightSize, type TcpFlow, unsentBytes } from './tcp-flow.ts';
import { LAST_WORDS_MS, MAX_RTO_MS, MAX_WINDOW, MIN_CWND_SEGMENTS, MIN_RTO_MS } from './tcp-limits.ts';
import { pipeSize } from './tcp-output.ts';
import { startRetransmission } from './tcp-timer.ts';

const DUPLICATES = 3;

/**
 * Processes an acceptable ACK: SND.UNA-or-older up to SND.NXT. The flow may have ended afterwards.
 * @param bare the segment carries neither payload nor SYN nor FIN.
 */
export function takeAck(
  core: TcpCore,
  flow: TcpFlow,
  seq: number,
  ack: number,
  windowField: number,
  bare: boolean,
  options: TcpOptions,
): void {
  const una = flow.sndUna;
  const window = windowField << flow.sndShift;
  const sameWindow = window === flow.sndWnd;
  updateWindow(core, flow, seq, ack, window);
  let reported = false;
  if (flow.sackOk && options.sackCount > 0) reported = takeSacks(flow, options, ack);
  if (seqGt(ack, una)) {
    advance(core, flow, ack);
    if (flow.state === 'CLOSED' || flow.state === 'TIME-WAIT') return;
    if (flow.recovering && flow.sackOk) extendLoss(flow);
    core.rounds.schedule(flow);
    return;
  }
  if (ack !== una || flightSize(flow) === 0) return;
  if (reported || (bare && sameWindow && !flow.sackOk)) {
    flow.dupAcks++;
    findLoss(core, flow);
    core.rounds.schedule(flow);
  }
}

function updateWindow(core: TcpCore, flow: TcpFlow, seq: number, ack: number, window: number): void {
  if (seqLt(ack, flow.sndUna)) return;
  if (!(seqLt(flow.sndWl1, seq) || (flow.sndWl1 === seq && seqLe(flow.sndWl2, ack)))) return;
  const grew = seqGt(seqAdd(ack, window), seqAdd(flow.sndUna, flow.sndWnd));
  flow.sndWnd = window;
  flow.sndWl1 = seq;
  flow.sndWl2 = ack;
  if (window > flow.maxSndWnd) flow.maxSndWnd = window;
  if (window > 0) flow.persistBackoff = 0;
  if (grew) core.rounds.schedule(flow);
}

function takeSacks(flow: TcpFlow, options: TcpOptions, ack: number): boolean {
  const una = seqMax(flow.sndUna, ack);
  let told = false;
  for (let i = 0; i < options.sackCount; i++) {
    const left = options.sack[2 * i]!;
    const right = options.sack[2 * i + 1]!;
    if (flow.scoreboard.add(left, right, una, flow.sndNxt)) told = true;
  }
  return told;
}

function advance(core: TcpCore, flow: TcpFlow, ack: number): void {
  const acked = seqDiff(ack, flow.sndUna);
  flow.sndUna = ack;
  flow.sndWnd = flow.sndWl2 === ack ? flow.sndWnd : Math.max(0, flow.sndWnd - acked);
  flow.retries = 0;
  flow.probes = 0;
  flow.rexmitNext = seqMax(flow.rexmitNext, ack);
  flow.lossEnd = seqMax(flow.lossEnd, ack);
  flow.scoreboard.trim(ack);
  // A guest that acknowledges up to a range it had reported has forgotten that range.
  if (flow.scoreboard.begins(ack)) flow.scoreboard.clear();
  releaseAcknowledged(core, flow);
  if (flow.resetDue) {
    if (seqGe(ack, flow.bufferEnd)) {
      abort(core, flow, true);
      return;
    }
    flow.lifeAt = core.now() + LAST_WORDS_MS;
  }
  if (flow.timing && seqGe(ack, flow.rttSeq)) sampleRtt(flow, core.now() - flow.rttAt);
  else if (flow.srtt > 0) flow.rto = rtoOf(flow);
  if (flow.recovering) recover(flow, acked);
  else grow(flow, acked);
  flow.dupAcks = 0;
  flow.tailProbed = false;
  startRetransmission(flow, core.now());
  if (flow.finSent && !flow.finAcked && seqGe(ack, flow.sndNxt)) {
    flow.finAcked = true;
    refreshState(core, flow);
  }
}

function recover(flow: TcpFlow, acked: number): void {
  if (flow.afterTimeout && flow.cwnd < flow.ssthresh) flow.cwnd += acked;
  if (seqGe(flow.sndUna, flow.recoverSeq)) {
    flow.recovering = false;
    if (!flow.afterTimeout) flow.cwnd = flow.ssthresh;
    flow.afterTimeout = false;
    return;
  }
  // Partial: without SACK, what follows is the next hole (RFC 6582 §3.2).
  if (!flow.sackOk && !flow.afterTimeout) {
    flow.rexmitNext = flow.sndUna;
    flow.lossEnd = seqAdd(flow.sndUna, Math.min(flow.mss, flightSize(flow)));
  }
}

function grow(flow: TcpFlow, acked: number): void {
  if (flow.cwnd >= 2 * MAX_WINDOW) return;
  if (flow.cwnd < flow.ssthresh) flow.cwnd += acked;
  else flow.cwnd += Math.max(1, Math.floor((flow.mss * acked) / flow.cwnd));
}

/** Everything unreported below the highest report is lost: on a link of one hop, little is reordered for long. */
function extendLoss(flow: TcpFlow): void {
  if (flow.scoreboard.isEmpty) return;
  const highest = flow.scoreboard.highest(flow.sndUna);
  // Reports from beyond what was unsent at the last retransmission: that one was lost as well.
  if (seqGt(highest, seqAdd(flow.rexmitMark, DUPLICATES * flow.mss)) && seqGt(flow.rexmitNext, flow.sndUna)) {
    flow.rexmitNext = flow.sndUna;
    flow.rexmitMark = flow.sndNxt;
  }
  flow.lossEnd = seqMax(flow.lossEnd, highest);
}

function findLoss(core: TcpCore, flow: TcpFlow): void {
  if (flow.recovering) {
    if (flow.sackOk) extendLoss(flow);
    return;
  }
  if (flow.sackOk) {
    // With little in flight three reports never come (RFC 5827).
    const inFlight = flightSize(flow);
    const few = unsentBytes(flow) === 0 && inFlight <= DUPLICATES * flow.mss;
    const behind = seqDiff(flow.scoreboard.highest(flow.sndUna), flow.sndUna);
    if (behind <= (few ? inFlight - flow.mss : DUPLICATES * flow.mss)) return;
  } else if (flow.dupAcks < DUPLICATES) {
    return;
  }
  core.counters.fastRetransmits++;
  flow.ssthresh = Math.max(pipeSize(flow) >> 1, MIN_CWND_SEGMENTS * flow.mss);
  flow.cwnd = flow.ssthresh;
  flow.recovering = true;
  flow.afterTimeout = false;
  flow.recoverSeq = flow.sndNxt;
  flow.rexmitNext = flow.sndUna;
  flow.rexmitMark = flow.sndNxt;
  flow.lossEnd = flow.sackOk
    ? flow.scoreboard.highest(seqAdd(flow.sndUna, flow.mss))
    : seqAdd(flow.sndUna, Math.min(flow.mss, flightSize(flow)));
}

/** RFC 6298 §2. */
export function sampleRtt(flow: TcpFlow, rtt: number): void {
  flow.timing = false;
  const sample = rtt > 0 ? rtt : 0.01;
  if (flow.srtt === 0) {
    flow.srtt = sample;
    flow.rttvar = sample / 2;
  } else {
    flow.rttvar = 0.75 * flow.rttvar + 0.25 * Math.abs(flow.srtt - sample);
    flow.srtt = 0.875 * flow.srtt + 0.125 * sample;
  }
  flow.rto = rtoOf(flow);
}

function rtoOf(flow: TcpFlow): number {
  const rto = flow.srtt + 4 * flow.rttvar;
  return rto < MIN_RTO_MS ? MIN_RTO_MS : Math.min(rto, MAX_RTO_MS);
}
