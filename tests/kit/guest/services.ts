/** What a guest asks the host for: a file to fetch, a place to send one to, a name server. All on loopback. */
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { createServer, type Server as HttpServer } from 'node:http';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { decode, encode, RECURSION_DESIRED } from 'dns-packet';

export interface FileService {
  readonly port: number;
  readonly sha256: string;
  readonly bytes: number;
  close(): Promise<void>;
}

/** Serves random bytes over HTTP at any path: `/N` gives the first N bytes, anything else all of them. */
export async function serveFile(bytes: number): Promise<FileService> {
  const data = randomBytes(bytes);
  const server = createServer((request, response) => {
    const asked = Number(request.url?.slice(1));
    const body = Number.isInteger(asked) && asked > 0 ? data.subarray(0, asked) : data;
    response.writeHead(200, { 'content-length': body.length });
    response.end(body);
    response.on('error', () => undefined);
  });
  const port = await listen(server);
  const sha256 = createHash('sha256').update(data).digest('hex');
  return { port, sha256, bytes, close: () => closeServer(server) };
}

export interface UploadService {
  readonly port: number;
  /** Length and hash of what the next finished connection sent. */
  next(): Promise<{ bytes: number; sha256: string }>;
  close(): Promise<void>;
}

/** Takes bytes until the sender's end of stream. */
export async function serveUploads(): Promise<UploadService> {
  const finished: { bytes: number; sha256: string }[] = [];
  const waiting: ((upload: { bytes: number; sha256: string }) => void)[] = [];
  const server = createTcpServer((socket) => {
    const hash = createHash('sha256');
    let bytes = 0;
    socket.on('error', () => undefined);
    socket.on('data', (part: Buffer) => {
      hash.update(part);
      bytes += part.length;
    });
    socket.on('end', () => {
      const upload = { bytes, sha256: hash.digest('hex') };
      const waiter = waiting.shift();
      if (waiter === undefined) finished.push(upload);
      else waiter(upload);
    });
  });
  const port = await listen(server);
  return {
    port,
    next: async () => finished.shift() ?? (await new Promise((resolve) => waiting.push(resolve))),
    close: () => closeServer(server),
  };
}

export interface NameService {
  readonly address: string;
  /** How often each name was asked for. */
  readonly asked: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

/** Answers A questions from `names`; everything else does not exist. Port 53, so it needs root. */
export async function serveNames(address: string, names: Readonly<Record<string, string>>): Promise<NameService> {
  const asked = new Map<string, number>();
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    const query = decode(message);
    const question = query.questions?.[0];
    if (question === undefined) return;
    asked.set(question.name, (asked.get(question.name) ?? 0) + 1);
    const data = question.type === 'A' ? names[question.name] : undefined;
    const known = Object.hasOwn(names, question.name);
    const answer = encode({
      type: 'response',
      id: query.id ?? 0,
      // The low four bits are RCODE: 3 is NXDOMAIN (RFC 1035 section 4.1.1).
      flags: RECURSION_DESIRED | (known ? 0 : 3),
      questions: [question],
      answers: data === undefined ? [] : [{ type: 'A', name: question.name, ttl: 60, data }],
    });
    socket.send(answer, from.port, from.address);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(53, address, resolve);
  });
  return { address, asked, close: () => new Promise((resolve) => socket.close(() => resolve())) };
}

/**
 * The prefix under which a program sees a resolv.conf of its own: a mount namespace with `file` in the place of
 * /etc/resolv.conf. Needs root.
 */
export function withResolver(file: string, server: string): string[] {
  writeFileSync(file, `nameserver ${server}\n`);
  return ['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"', file];
}

async function listen(server: HttpServer | Server): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  openSockets.set(server, open);
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : -1;
}

const openSockets = new WeakMap<HttpServer | Server, Set<Socket>>();

/** Ends connections too: a frozen guest would hold the server open for ever. */
async function closeServer(server: HttpServer | Server): Promise<void> {
  for (const socket of openSockets.get(server) ?? []) socket.destroy();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
