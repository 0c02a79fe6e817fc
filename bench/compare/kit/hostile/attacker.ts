/**
 * The hostile guest: a raw one, on a socket of the yard's listener.
 *
 *   attacker.ts PATH ATTACK PORTS-AS-JSON
 *
 * Says `ready` once it is connected, begins at a line on its input, and ends with its input. Prints what it sent.
 */
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { ATTACKS, type Ports, type Wire } from './attacks.ts';
import { announcement, arpReply, askedFor, hearTcp, type Sender } from './frames.ts';

const [, , path = '', name = '', ports = '{}'] = process.argv;
const attack = ATTACKS.find((one) => one.name === name);
if (attack === undefined) throw new Error(`no attack '${name}'`);

const self: Sender = { mac: 0x525400aa0001, address: 0x0a000242 };
/** One write: large enough to cost little, small enough to stop soon. */
const CHUNK_BYTES = 128 * 1024;
/** Single frames waiting for the socket: beyond it they are not sent, as the attack is at full rate already. */
const MOST_WAITING = 16 * 1024 * 1024;

const socket = connect(path);
let sent = 0;
let ended = false;
const timers: NodeJS.Timeout[] = [];

const wire: Wire = {
  self,
  onTcp: () => {},
  send: (frame) => {
    if (ended || socket.writableLength > MOST_WAITING) return;
    sent += frame.length;
    socket.write(frame);
  },
  every: (milliseconds, act) => void timers.push(setInterval(act, milliseconds)),
  flood: (frames) => {
    const all = Buffer.concat(frames);
    let at = 0;
    const more = (): void => {
      while (!ended) {
        const chunk = all.subarray(at, at + CHUNK_BYTES);
        at = at + chunk.length >= all.length ? 0 : at + chunk.length;
        sent += chunk.length;
        if (!socket.write(chunk)) return;
      }
    };
    socket.on('drain', more);
    more();
  },
};

let held: Buffer = Buffer.alloc(0);
socket.on('data', (data: Buffer) => {
  held = held.length === 0 ? data : Buffer.concat([held, data]);
  let at = 0;
  while (held.length - at >= 4) {
    const length = held.readUInt32BE(at);
    if (held.length - at - 4 < length) break;
    const address = askedFor(held, at + 4);
    if (address !== undefined && address >= self.address && address < self.address + 2) {
      wire.send(arpReply({ mac: self.mac, address }));
    }
    const heard = hearTcp(held, at + 4);
    if (heard !== undefined) wire.onTcp(heard);
    at += 4 + length;
  }
  held = held.subarray(at);
});
socket.on('error', () => process.exit(1));
socket.on('connect', () => {
  wire.send(announcement(self));
  process.stdout.write('ready\n');
});

const input = createInterface({ input: process.stdin });
input.once('line', () => attack.begin(wire, JSON.parse(ports) as Ports));
input.once('close', () => {
  ended = true;
  for (const timer of timers) clearInterval(timer);
  process.stdout.write(`${JSON.stringify({ megabytes: sent / 1e6 })}\n`, () => process.exit(0));
});
