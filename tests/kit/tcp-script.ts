/**
 * Scripted segment tests, in the manner of packetdrill: one line an event, sequence numbers relative to each side's
 * initial one, both of which lie just below the wrap. Segments from the stack must come exactly as listed.
 *
 *   > S 0 <mss 1460,sackOK,wscale 7>     the guest sends: flags, seq or seq:end(length), ack, win, urg, options
 *   < S. 0 ack 1 win 65535 <mss 1460>    the stack sends; win, urg and options are compared where given
 *   + 200                                time passes, milliseconds
 *   jump 200                             the same at once: this program was stopped meanwhile
 *   suspend 200                          the machine was: only the wall clock went on
 *   = ESTABLISHED                        the flow's state; `= gone` for none
 *   busy / clear                         the way to the guest is over its mark / clear again
 *   icmp host                            an ICMP error with this reason was sent, quoting the guest's SYN; perhaps whose
 *   ttl 1                                of the guest's packets from now on
 *   host vanish                          it answers no kernel's question any more
 *   host urgent | mark                   one urgent byte is written; the next one to be read is urgent
 *   host write 100 | read 100 | eof | shutdown | close | reset | error ECONNRESET | capacity 1000 | connect
 *   drop tcp-checksum                    this drop was counted
 *
 * Flags as tcpdump has them: S F R P and `.` for ACK. Payload bytes follow from their sequence number.
 */
import { expect } from 'vitest';
import { SOCKET_FAILED, type StreamSocket, WOULD_BLOCK } from '../../src/net/host.ts';
import { ipv4Address } from '../../src/slirp/address.ts';
import { TcpStack, type TcpStackOptions } from '../../src/slirp/tcp-stack.ts';
import type { TcpOptions } from '../../src/wire/index.ts';
import { createTestHost, type TestHost } from './host.ts';
import { HOST_ALIAS, type Segment, TcpLink } from './tcp-link.ts';

/** The guest's and the stack's initial sequence numbers. */
export const GUEST_ISN = 0xffff_ff80;
export const STACK_ISN = 0xffff_ffc0;
const PORT = 80;
const GUEST_PORT = 5000;
const FORWARDED_PORT = 22;
const FLAG_BITS: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, P: 8, '.': 16, U: 32 };

/** The handshake most scripts begin with. */
export const OPEN = `
  > S 0 win 65535 <mss 1460,sackOK,wscale 7>
  < S. 0 ack 1 win 65535 <mss 1460,sackOK,wscale 7>
  > . 1 ack 1 win 1024
  = ESTABLISHED
`;
/** Without options but the MSS. */
export const PLAIN = `
  > S 0 <mss 1000>
  < S. 0 ack 1 win 65535 <mss 1460>
  > . 1 ack 1
  = ESTABLISHED
`;

export interface ScriptOptions extends TcpStackOptions {
  /** Without it the host's port 80 listens before the first line. */
  refuse?: boolean;
  /** Addresses that route() does not know. */
  unroutable?: readonly string[];
  remote?: number;
  prepare?: (test: TestHost) => void;
  mtu?: number;
}

interface Line {
  flags: number;
  seq: number;
  length: number;
  ack: number | undefined;
  win: number | undefined;
  urg: number | undefined;
  options: string | undefined;
}

/** Runs a script on a stack of its own, which it closes; fails on anything left behind. */
export async function runScript(script: string, options: ScriptOptions = {}): Promise<Record<string, number>> {
  const world = await ScriptWorld.create(options);
  let number = 0;
  for (const raw of script.split('\n')) {
    number++;
    const line = raw.replace(/#.*$/, '').trim();
    if (line === '') continue;
    try {
      await world.run(line);
    } catch (cause) {
      throw new Error(`line ${number}: ${line}\n${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
  }
  return world.finish();
}

class ScriptWorld {
  readonly #test: TestHost;
  readonly #link: TcpLink;
  readonly #stack: TcpStack;
  readonly #queue: Segment[] = [];
  readonly #remote: Uint32Array;
  #guestPort = GUEST_PORT;
  #remotePort = PORT;
  #socket: StreamSocket | undefined;
  #failed: string | undefined;
  #written = 1;
  #ttl = 64;
  #read = 1;

  constructor(test: TestHost, link: TcpLink, stack: TcpStack, remote: number | undefined) {
    this.#test = test;
    this.#link = link;
    this.#stack = stack;
    this.#remote = remote === undefined ? HOST_ALIAS : ipv4Address(remote);
    link.onSegment = (segment) => this.#queue.push(segment);
  }

  static async create(options: ScriptOptions): Promise<ScriptWorld> {
    const { refuse, unroutable, remote, prepare, mtu, ...stackOptions } = options;
    const test = createTestHost();
    prepare?.(test);
    const link = new TcpLink(test.host, test.loop);
    link.mtu = mtu ?? 1500;
    for (const host of unroutable ?? []) link.refused.add(host);
    const stack = new TcpStack(link, { initialSequence: () => STACK_ISN, ...stackOptions });
    link.stack = stack;
    const world = new ScriptWorld(test, link, stack, remote);
    if (refuse !== true) {
      const at = { family: 'ipv4', host: '127.0.0.1', port: PORT } as const;
      const listener = await test.network.local.sockets.listen(at);
      listener.onConnection = (socket) => world.#adopt(socket);
    }
    return world;
  }

  async run(line: string): Promise<void> {
    const [word = '', ...rest] = line.split(/\s+/);
    switch (word) {
      case '>':
        this.#send(parseLine(rest));
        this.#test.runUntilIdle();
        return;
      case '<':
        this.#expect(parseLine(rest));
        return;
      case '+':
        this.#expectNothing();
        this.#test.advance(Number(rest[0]));
        return;
      case '=':
        this.#test.runUntilIdle();
        expect(this.#stack.flows()[0]?.state ?? 'gone').toBe(rest[0]);
        return;
      case 'busy':
        this.#link.busy = true;
        return;
      case 'clear':
        this.#link.busy = false;
        this.#stack.resumeGuest(this.#link.guest);
        this.#test.runUntilIdle();
        return;
      case 'icmp':
        this.#icmp(rest[0], rest[1]);
        return;
      case 'jump':
        this.#test.loop.jump(this.#test.loop.now() + Number(rest[0]));
        this.#test.runUntilIdle();
        return;
      case 'suspend':
        this.#test.loop.suspend(Number(rest[0]));
        return;
      case 'ttl':
        this.#ttl = Number(rest[0]);
        return;
      case 'drop':
        expect(Object.keys(this.#link.drops)).toContain(rest[0]);
        return;
      case 'host':
        await this.#host(rest[0] ?? '', rest[1]);
        this.#test.runUntilIdle();
        return;
      default:
        throw new RangeError(`no such line: ${line}`);
    }
  }

  async finish(): Promise<Record<string, number>> {
    this.#test.runUntilIdle();
    this.#expectNothing();
    expect(this.#link.unreachable).toEqual([]);
    const statistics = this.#stack.statistics();
    await this.#stack.close();
    await this.#test.settle();
    expect(this.#test.leaks()).toEqual([]);
    expect(this.#stack.statistics()['tcp.poolBytes']).toBe(0);
    expect(this.#stack.statistics()).toMatchObject({ 'tcp.connecting': 0, 'tcp.dialing': 0 });
    return statistics;
  }

  #adopt(socket: StreamSocket): void {
    this.#socket = socket;
    socket.onEvent = (event) => {
      if (event === 'error') this.#failed = socket.error?.code;
    };
  }

  #icmp(reason: string | undefined, from: string | undefined): void {
    const error = this.#link.unreachable.shift();
    expect(error?.reason).toBe(reason);
    if (from !== undefined) expect(error?.from).toBe(from);
  }

  #send(line: Line): void {
    const payload = new Uint8Array(line.length);
    for (let i = 0; i < line.length; i++) payload[i] = pattern(line.seq + i);
    this.#link.inject({
      remote: this.#remote,
      guestPort: this.#guestPort,
      remotePort: this.#remotePort,
      seq: (GUEST_ISN + line.seq) >>> 0,
      ack: line.ack === undefined ? 0 : (STACK_ISN + line.ack) >>> 0,
      flags: line.flags,
      window: line.win ?? 65535,
      urgent: line.urg ?? 0,
      ttl: this.#ttl,
      payload,
      ...(line.options === undefined ? {} : { options: encodeOptions(line.options) }),
    });
  }

  #expect(line: Line): void {
    this.#test.runUntilIdle();
    const segment = this.#queue.shift();
    if (segment === undefined) throw new RangeError('the stack sent nothing');
    const sent = {
      flags: flagText(segment.flags),
      // A RST in answer to a segment without ACK has the number zero.
      seq: segment.seq === 0 && line.seq === 0 ? 0 : (segment.seq - STACK_ISN) | 0,
      length: segment.payload.length,
      ack: (segment.flags & 16) === 0 ? undefined : (segment.ack - GUEST_ISN) | 0,
    };
    const wanted = { flags: flagText(line.flags), seq: line.seq, length: line.length, ack: line.ack };
    expect(sent).toEqual(wanted);
    if (line.win !== undefined) expect(segment.window).toBe(line.win);
    if (line.urg !== undefined) expect(segment.urgent).toBe(line.urg);
    if (line.options !== undefined) expect(decodeOptions(segment.options)).toBe(line.options);
    for (let i = 0; i < segment.payload.length; i++) {
      if (segment.payload[i] !== pattern(sent.seq + i)) throw new RangeError(`wrong payload at ${sent.seq + i}`);
    }
  }

  #expectNothing(): void {
    const [extra] = this.#queue;
    if (extra === undefined) return;
    const seq = (extra.seq - STACK_ISN) | 0;
    const ack = (extra.ack - GUEST_ISN) | 0;
    throw new RangeError(`not expected: ${flagText(extra.flags)} ${seq}(${extra.payload.length}) ack ${ack}`);
  }

  async #host(action: string, value: string | undefined): Promise<void> {
    if (action === 'connect') {
      await this.#connect();
      return;
    }
    const socket = this.#socket;
    if (socket === undefined) throw new RangeError('the host has accepted nothing');
    const length = Number(value ?? 0);
    switch (action) {
      case 'write': {
        const bytes = new Uint8Array(length);
        for (let i = 0; i < length; i++) bytes[i] = pattern(this.#written + i);
        expect(socket.write(bytes, 0, length)).toBe(length);
        this.#written += length;
        return;
      }
      case 'read': {
        const bytes = new Uint8Array(length + 1);
        expect(socket.readInto(bytes, 0, length + 1)).toBe(length === 0 ? WOULD_BLOCK : length);
        for (let i = 0; i < length; i++) {
          if (bytes[i] !== pattern(this.#read + i)) throw new RangeError(`the host read a wrong byte at ${i}`);
        }
        this.#read += length;
        return;
      }
      case 'urgent':
        expect(socket.writeUrgent?.(pattern(this.#written++))).toBe(1);
        return;
      case 'vanish':
        for (const stream of this.#test.network.streams) stream.isPeerGone = true;
        return;
      case 'mark':
        expect(socket.isUrgentNext?.()).toBe(true);
        return;
      case 'eof':
        expect(socket.readInto(new Uint8Array(1), 0, 1)).toBe(0);
        return;
      case 'error':
        expect(socket.readInto(new Uint8Array(1), 0, 1)).toBe(SOCKET_FAILED);
        expect(this.#failed).toBe(value);
        return;
      case 'capacity':
        // Of the stack's end: what it may write ahead of the host's reading.
        for (const stream of this.#test.network.streams) stream.capacity = length;
        return;
      case 'shutdown':
        socket.shutdown();
        return;
      case 'close':
        socket.close();
        return;
      case 'reset':
        socket.reset();
        return;
      default:
        throw new RangeError(`no such action: ${action}`);
    }
  }

  /** A client connects to a forward of the guest's port 22. */
  async #connect(): Promise<void> {
    const guestAddress = this.#link.guest;
    const forward = await this.#stack.addForward({
      hostAddress: '127.0.0.1',
      hostPort: 0,
      guestAddress,
      guestPort: FORWARDED_PORT,
    });
    const to = { family: 'ipv4', host: '127.0.0.1', port: forward.hostPort } as const;
    const socket = this.#test.network.local.sockets.connect(to);
    this.#adopt(socket);
    this.#test.runUntilIdle();
    this.#guestPort = FORWARDED_PORT;
    const local = socket.localAddress;
    this.#remotePort = local !== undefined && local.family !== 'unix' ? local.port : 0;
  }
}

/** The byte at a relative sequence number. */
const pattern = (seq: number): number => (seq * 31 + (seq >> 8) * 7) & 255;

function parseLine(words: readonly string[]): Line {
  const text = words.join(' ');
  const match =
    /^([SFRPU.]+) (-?\d+)(?::(-?\d+)\((\d+)\))?(?: ack (-?\d+))?(?: win (\d+))?(?: urg (\d+))?(?: <([^>]*)>)?$/.exec(
      text,
    );
  if (match === null) throw new RangeError('not a segment');
  let flags = 0;
  for (const letter of match[1] ?? '') flags |= FLAG_BITS[letter] ?? 0;
  const seq = Number(match[2]);
  const length = match[4] === undefined ? 0 : Number(match[4]);
  if (match[3] !== undefined && Number(match[3]) !== seq + length) throw new RangeError('end and length disagree');
  return {
    flags,
    seq,
    length,
    ack: match[5] === undefined ? undefined : Number(match[5]),
    win: match[6] === undefined ? undefined : Number(match[6]),
    urg: match[7] === undefined ? undefined : Number(match[7]),
    options: match[8],
  };
}

function flagText(flags: number): string {
  let text = '';
  for (const [letter, bit] of Object.entries(FLAG_BITS)) if ((flags & bit) !== 0) text += letter;
  return text;
}

/** Blocks are relative to the stack's numbers when the guest reports them. */
function encodeOptions(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const option of text.split(',').filter((part) => part !== '')) {
    const [name, ...values] = option.split(' ');
    const [first = 0] = values.map(Number);
    if (name === 'mss') bytes.push(2, 4, first >> 8, first & 255);
    else if (name === 'sackOK') bytes.push(4, 2);
    else if (name === 'wscale') bytes.push(3, 3, first);
    else if (name === 'TS') bytes.push(8, 10, 0, 0, 0, 1, 0, 0, 0, 0);
    else if (name === 'sack') bytes.push(...encodeSack(values));
    else if (name === 'raw') bytes.push(...values.map(Number));
  }
  while (bytes.length % 4 !== 0) bytes.push(1);
  return Uint8Array.from(bytes);
}

function encodeSack(blocks: readonly string[]): number[] {
  const bytes = [5, 2 + 8 * blocks.length];
  for (const block of blocks) {
    for (const edge of block.split(':')) {
      const seq = (STACK_ISN + Number(edge)) >>> 0;
      bytes.push(seq >>> 24, (seq >>> 16) & 255, (seq >>> 8) & 255, seq & 255);
    }
  }
  return bytes;
}

function decodeOptions(options: TcpOptions): string {
  const found: string[] = [];
  if (options.mss !== 0) found.push(`mss ${options.mss}`);
  if (options.sackPermitted) found.push('sackOK');
  if (options.windowShift >= 0) found.push(`wscale ${options.windowShift}`);
  if (options.timestamps) found.push('TS');
  const blocks: string[] = [];
  for (let i = 0; i < options.sackCount; i++) {
    const left = (options.sack[2 * i]! - GUEST_ISN) | 0;
    const right = (options.sack[2 * i + 1]! - GUEST_ISN) | 0;
    blocks.push(`${left}:${right}`);
  }
  if (blocks.length > 0) found.push(`sack ${blocks.join(' ')}`);
  return found.join(',');
}
