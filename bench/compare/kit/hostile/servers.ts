/**
 * What guests find on the host. Prints its ports as JSON.
 *
 *   servers.ts WHOSE
 *
 * echo: sends back. paced: RATE bytes a second. source: as much as is read. For the `quiet` guest also DNS on port 53 of
 * the loopback: 192.0.2.1 for every name; its servers do not wait for their turn behind the `hostile` one's.
 */
import { createSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { becomeForemost } from '../ends/foremost.ts';

/** Bytes a second of `paced`. */
const RATE = 2_000_000;
const PIECE_MS = 20;

const quiet = (socket: Socket): Socket => socket.setNoDelay(true).on('error', () => {});

function listen(serve: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer((socket) => serve(quiet(socket)));
  return new Promise((resolve) => {
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
      resolve((server.address() as { port: number }).port);
    });
  });
}

const echo = await listen((socket) => void socket.pipe(socket));
const paced = await listen((socket) => {
  const piece = Buffer.alloc((RATE * PIECE_MS) / 1000);
  const timer = setInterval(() => {
    if (socket.writableLength < RATE) socket.write(piece);
  }, PIECE_MS);
  socket.on('close', () => clearInterval(timer));
});
const block = Buffer.alloc(65_536);
const source = await listen((socket) => {
  const more = (): void => {
    while (!socket.destroyed && socket.write(block));
  };
  socket.on('drain', more);
  more();
});

if (process.argv[2] === 'quiet') {
  becomeForemost();
  await serveNames();
}

process.stdout.write(`${JSON.stringify({ echo, paced, source, rate: RATE })}\n`);
process.stdin.resume().on('close', () => process.exit(0));

function serveNames(): Promise<void> {
  const names = createSocket('udp4');
  names.on('message', (query, from) => {
    const answer = Buffer.alloc(query.length + 16);
    query.copy(answer);
    answer.writeUInt16BE(0x8180, 2);
    answer.writeUInt16BE(1, 6);
    answer.set([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1], query.length);
    names.send(answer, from.port, from.address);
  });
  return new Promise((resolve) => names.bind(53, '127.0.0.1', resolve));
}
