/**
 * What idle TCP flows of the user network cost, after a byte each way: JavaScript heap, memory outside of it, and RSS.
 * The host's side is real sockets, the guest is made of frames in this process.
 *
 *   node --expose-gc --import tsx bench/process/flow-memory.ts [FLOWS]
 *
 * One JSON line for native sockets and one for node:net, bytes a flow. bench:compare has the whole program's RSS.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { Frame } from '../../src/net/frame.ts';
import { createUserNetdev } from '../../src/netdevs/user/index.ts';
import { createNodeHost } from '../../src/node/index.ts';
import * as w from '../../src/wire/index.ts';
import { createRecordingContext, RecordingPort } from '../../tests/kit/netdev-context.ts';

const GUEST = 0x0a00020f;
const GATEWAY = 0x0a000202;
const GUEST_MAC = 0x525400123456;
const GATEWAY_MAC = 0x52550a000202;
const FIRST_PORT = 10_000;
/** Of compiled code and grown tables. */
const WARM_UP = 500;
/** Opened at once: the stack bounds those that are still connecting. */
const STEP = 200;

/** Plain JavaScript for `node -e`: returns the bytes it gets. */
const SERVER = `
const server = require('node:net').createServer({ noDelay: true }, (s) => { s.on('error', () => {}); s.pipe(s); });
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => console.log(server.address().port));
`;

const flowCount = Number(process.argv[2] ?? 10_000);
const mode = process.argv[3];

class Guest extends RecordingPort {
  readonly sequence = new Uint32Array(65_536);
  readonly acknowledge = new Uint32Array(65_536);
  readonly #frame = new Frame();
  readonly #bytes = new Uint8Array(64);
  /** Set once the port exists: what the guest sends goes here. */
  give: (frame: Frame) => void = () => {};
  echoed = 0;
  #todo: number[] = [];

  override send(frame: Frame): ReturnType<RecordingPort['send']> {
    const at = frame.offset + 34;
    const { bytes } = frame;
    if (bytes[frame.offset + 23] !== w.PROTOCOL_TCP) return super.send(frame);
    const port = w.u16(bytes, at + 2);
    const payload = frame.length - 34 - ((bytes[at + 12] ?? 0) >> 4) * 4;
    const syn = ((bytes[at + 13] ?? 0) & w.TCP_SYN) !== 0;
    this.acknowledge[port] = w.u32(bytes, at + 4) + payload + (syn ? 1 : 0);
    if (syn) this.#todo.push(port);
    else if (payload > 0) {
      this.echoed++;
      this.#todo.push(-port);
    }
    return super.send(frame);
  }

  /** Answers: a byte to a SYN-ACK, an ACK to a byte. */
  proceed(serverPort: number): void {
    for (const port of this.#todo.splice(0)) this.segment(Math.abs(port), serverPort, w.TCP_ACK, port > 0 ? 1 : 0);
  }

  segment(port: number, serverPort: number, flags: number, payload: number): void {
    const bytes = this.#bytes;
    const length = 20 + payload;
    w.emitEthernet(bytes, 0, GATEWAY_MAC, GUEST_MAC, w.ETHERTYPE_IPV4);
    w.emitIpv4(bytes, 14, length, 0, port, 0, 64, w.PROTOCOL_TCP, GUEST, GATEWAY);
    w.put16(bytes, 34, port);
    w.put16(bytes, 36, serverPort);
    w.put32(bytes, 38, this.sequence[port] ?? 0);
    w.put32(bytes, 42, this.acknowledge[port] ?? 0);
    bytes[46] = 0x50;
    bytes[47] = flags;
    w.put16(bytes, 48, 0xffff);
    w.put16(bytes, 50, 0);
    w.put16(bytes, 52, 0);
    bytes[54] = 0x61;
    const sum = w.sumBytes(bytes, 34, length, w.ipv4PseudoSum(GUEST, GATEWAY) + w.PROTOCOL_TCP + length);
    w.put16(bytes, 50, w.finishChecksum(sum));
    this.sequence[port] = (this.sequence[port] ?? 0) + payload + ((flags & w.TCP_SYN) !== 0 ? 1 : 0);
    this.give(this.#frame.setPlain(bytes, 0, 34 + length));
  }
}

async function settled(): Promise<NodeJS.MemoryUsage> {
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    globalThis.gc?.();
  }
  return process.memoryUsage();
}

async function measure(native: boolean): Promise<void> {
  const server = spawn(process.execPath, ['-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => server.kill());
  const serverPort = Number(String((await once(server.stdout, 'data'))[0]));
  const host = createNodeHost({ native });
  const port = new Guest('u0');
  port.keep = false;
  const client = await createUserNetdev({}, { ...createRecordingContext(host, 'u0'), port });
  port.give = (frame) => client.receive(frame);
  const arp = new Uint8Array(42);
  w.emitEthernet(arp, 0, w.MAC_BROADCAST, GUEST_MAC, w.ETHERTYPE_ARP);
  w.emitArp(arp, 14, {
    operation: 1,
    senderMac: GUEST_MAC,
    senderAddress: GUEST,
    targetMac: 0,
    targetAddress: GATEWAY,
  });
  client.receive(new Frame().setPlain(arp, 0, 42));

  let opened = 0;
  const open = async (count: number): Promise<void> => {
    while (opened < count) {
      const until = Math.min(count, opened + STEP);
      for (; opened < until; opened++) port.segment(FIRST_PORT + opened, serverPort, w.TCP_SYN, 0);
      while (port.echoed < opened) {
        await new Promise((resolve) => setImmediate(resolve));
        port.proceed(serverPort);
      }
    }
    port.proceed(serverPort);
  };
  await open(WARM_UP);
  const before = await settled();
  await open(WARM_UP + flowCount);
  const after = await settled();
  const each = (of: keyof NodeJS.MemoryUsage): number => Math.round((after[of] - before[of]) / flowCount);
  const row = { sockets: native ? 'native' : 'node:net', flows: flowCount, rss: each('rss'), heap: each('heapUsed') };
  const outside = { external: each('external'), listed: client.usernet?.flows().length };
  process.stdout.write(`${JSON.stringify({ ...row, ...outside })}\n`);
  await client.close();
  await host.close();
  process.exit();
}

// A process for each: a heap that has been larger hides what the next one costs.
if (mode !== undefined) await measure(mode === 'native');
else {
  const { execArgv } = process;
  for (const sockets of ['native', 'node']) {
    const argv = [...execArgv, import.meta.filename, String(flowCount), sockets];
    spawnSync(process.execPath, argv, { stdio: 'inherit' });
  }
}
