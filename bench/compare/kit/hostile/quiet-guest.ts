/**
 * The well-behaved guest: 50 echoes over one connection, 10 connects and 10 DNS queries a second, and a paced transfer.
 *
 *   quiet-guest.ts PORTS-AS-JSON
 *
 * Says `ready` when all of it runs. A line `measure SECONDS` on its input is answered by one line of JSON: the parts that
 * were answered in time, and the 99th percentile of an echo in milliseconds.
 */
import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { becomeForemost } from '../ends/foremost.ts';
import { quantile } from '../report.ts';

const HOST = '10.0.2.2';
const NAME_SERVER = '10.0.2.3';
const ECHO_MS = 20;
const OTHERS_MS = 100;
/** Later than this is not answered. */
const PATIENCE_MS = 300;
const CONNECT_PATIENCE_MS = 1000;
const MESSAGE = 8;

const ports = JSON.parse(process.argv[2] ?? '{}') as { echo: number; paced: number; rate: number };

/** One kind of request: what was asked and answered within the window that is measured. */
class Count {
  readonly #patience: number;
  readonly samples: number[] = [];
  asked = 0;
  answered = 0;
  constructor(patience: number) {
    this.#patience = patience;
  }
  begin(): void {
    this.asked = this.answered = this.samples.length = 0;
  }
  heard(since: number): void {
    const took = performance.now() - since;
    this.samples.push(took);
    if (took <= this.#patience) this.answered++;
  }
  get part(): number {
    return this.asked === 0 ? Number.NaN : Math.min(1, this.answered / this.asked);
  }
}

const echoes = new Count(PATIENCE_MS);
const connects = new Count(CONNECT_PATIENCE_MS);
const names = new Count(CONNECT_PATIENCE_MS);
let measuring = false;
let received = 0;

becomeForemost();

const open = (port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: HOST, noDelay: true }, () => resolve(socket));
    socket.on('error', reject);
  });

const echo = await open(ports.echo);
const sentAt = new Map<number, number>();
let sequence = 0;
let rest = Buffer.alloc(0);
setInterval(() => {
  const message = Buffer.alloc(MESSAGE);
  message.writeUInt32BE(sequence);
  if (measuring) {
    echoes.asked++;
    sentAt.set(sequence, performance.now());
  }
  sequence++;
  echo.write(message);
}, ECHO_MS);
echo.on('data', (data) => {
  rest = Buffer.concat([rest, data]);
  let at = 0;
  for (; rest.length - at >= MESSAGE; at += MESSAGE) {
    const key = rest.readUInt32BE(at);
    const since = sentAt.get(key);
    sentAt.delete(key);
    if (since !== undefined) echoes.heard(since);
  }
  rest = rest.subarray(at);
});

setInterval(() => {
  const since = performance.now();
  const counts = measuring;
  if (counts) connects.asked++;
  const socket = connect({ port: ports.echo, host: HOST }, () => {
    if (counts) connects.heard(since);
    socket.resetAndDestroy();
  });
  socket.on('error', () => {});
  setTimeout(() => socket.destroy(), CONNECT_PATIENCE_MS);
}, OTHERS_MS);

const resolver = createSocket('udp4');
const askedAt = new Map<number, number>();
let query = 0;
resolver.bind();
resolver.on('message', (message) => {
  const since = askedAt.get(message.readUInt16BE(0));
  askedAt.delete(message.readUInt16BE(0));
  if (since !== undefined && (message.readUInt16BE(2) & 15) === 0) names.heard(since);
});
resolver.on('error', () => {});
setInterval(() => {
  query = (query + 1) & 0xffff;
  const head = Buffer.from([query >> 8, query & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  const label = Buffer.from(`q${query}`);
  const tail = Buffer.from([4, 0x74, 0x65, 0x73, 0x74, 0, 0, 1, 0, 1]);
  if (measuring) {
    names.asked++;
    askedAt.set(query, performance.now());
  }
  resolver.send(Buffer.concat([head, Buffer.from([label.length]), label, tail]), 53, NAME_SERVER);
}, OTHERS_MS);

const transfer = await open(ports.paced);
transfer.on('data', (data) => {
  received += data.length;
});
for (const socket of [echo, transfer]) socket.on('error', () => {}).on('close', () => process.stderr.write('closed\n'));

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function measure(seconds: number): Promise<object> {
  for (const count of [echoes, connects, names]) count.begin();
  sentAt.clear();
  askedAt.clear();
  received = 0;
  measuring = true;
  await wait(seconds * 1000);
  measuring = false;
  const transferred = Math.min(1, received / (ports.rate * seconds));
  await wait(CONNECT_PATIENCE_MS);
  // What never came back counts as long as we waited for it.
  const missing = Array.from({ length: sentAt.size }, () => CONNECT_PATIENCE_MS);
  return {
    echoes: echoes.part,
    p99: quantile([...echoes.samples, ...missing], 0.99),
    transfer: transferred,
    connects: connects.part,
    names: names.part,
  };
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    void measure(Number(line.split(' ')[1])).then((result) => process.stdout.write(`${JSON.stringify(result)}\n`));
  })
  .on('close', () => process.exit(0));
process.stdout.write('ready\n');
