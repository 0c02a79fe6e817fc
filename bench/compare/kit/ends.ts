/**
 * The two ends of a measurement as plain blocking system calls, so that the program between them is what is measured:
 *
 *   ends.ts MODE ARGUMENTS...
 *
 * Prints `ready` when the other end may come, and its result as one line of JSON.
 */

import { udpReceive, udpSend } from './ends/datagrams.ts';
import { streamIdle, streamReceive, streamSend, vdeReceive, vdeSend } from './ends/frames.ts';
import { connectionClient, connectionServer, echoServer, flowClient, flowServer, latencyClient } from './ends/tcp.ts';

const [, , mode = '', first = '', ...rest] = process.argv;
const [a = 0, b = 0, c = 0, d = 0] = rest.map(Number);
const MODES: Readonly<Record<string, () => void | Promise<void>>> = {
  'connection-server': () => connectionServer(first, a),
  'connection-client': () => connectionClient(first, a, b),
  'echo-server': () => echoServer(first, a, b === 1),
  'latency-client': () => latencyClient(first, a, b, c),
  'udp-send': () => udpSend(first, a, b, c, d === 1),
  'udp-receive': () => udpReceive(first, a, b, c, d === 1),
  'flow-server': () => flowServer(first, a, b, c),
  'flow-client': () => flowClient(first, a, b, c),
  'stream-send': () => streamSend(first, a, b),
  'stream-receive': () => streamReceive(first, a, b),
  'stream-idle': () => streamIdle(first, a),
  'vde-send': () => vdeSend(first, rest[0] ?? '', b, c),
  'vde-receive': () => vdeReceive(first, rest[0] ?? '', b, c),
};
await MODES[mode]?.();
