/** Plain counters, shown by statistics() with the prefix `tcp.`. */
export class TcpCounters {
  segmentsIn = 0;
  segmentsOut = 0;
  bytesToHost = 0;
  bytesToGuest = 0;
  opened = 0;
  accepted = 0;
  refused = 0;
  resetByGuest = 0;
  resetByHost = 0;
  timedOut = 0;
  evicted = 0;
  retransmitted = 0;
  retransmitTimeouts = 0;
  fastRetransmits = 0;
  tailProbes = 0;
  windowProbes = 0;
  keepalives = 0;
  wakes = 0;
  outOfOrder = 0;
  outOfOrderRefused = 0;
  duplicate = 0;
  outOfWindow = 0;
  challengeAcks = 0;
  strayResets = 0;
  frameDropped = 0;
  parked = 0;
  starved = 0;
}
