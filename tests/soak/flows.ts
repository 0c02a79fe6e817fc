/** Mixed flows of a guest: long and short, TCP and UDP, ended properly and not. The far end is a server of ours. */

import * as dgram from 'node:dgram';
import { once } from 'node:events';
import * as net from 'node:net';
import { createInterface } from 'node:readline';
import type { GuestNamespace } from './namespace.ts';
import type { Ledger } from './samples.ts';

const GUEST_PROGRAM = new URL('guest.mjs', import.meta.url).pathname;
const BLOCK = Buffer.alloc(65536, 'netyard ');
/** Bytes of one answer to `source`. */
const SOURCE_BYTES = 32 * 1024 * 1024;

/** Runs the guest's program until the signal; its reports go into the ledger. A broken echo throws. */
export async function runFlows(
  namespace: GuestNamespace,
  host: string,
  signal: AbortSignal,
  ledger: Ledger,
): Promise<void> {
  ledger.expect('bulk MiB', 'echoes', 'resets', 'datagrams');
  await using server = await startServer();
  const child = namespace.spawn([process.execPath, GUEST_PROGRAM, host, String(server.port)]);
  const exited = once(child, 'exit');
  let failure: string | undefined;
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const [name, count] = line.split('=');
    if (name === 'error') failure = count;
    else ledger.add(name!, Number(count));
  });
  const end = (): void => {
    child.stdin!.destroy();
  };
  signal.addEventListener('abort', end);
  if (signal.aborted) end();
  const [status] = (await exited) as [number | null];
  if (failure !== undefined || status !== 0)
    throw new Error(`the guest's flows failed: ${failure ?? `status ${status}`}`);
}

/** One echo, by a new connection. */
export async function checkEcho(namespace: GuestNamespace, host: string): Promise<boolean> {
  await using server = await startServer();
  const child = namespace.spawn([process.execPath, GUEST_PROGRAM, host, String(server.port), 'once']);
  const [status] = (await once(child, 'exit')) as [number | null];
  return status === 0;
}

interface Server extends AsyncDisposable {
  readonly port: number;
}

/** TCP: the first byte says `e`cho, `s`ource or `d`iscard. UDP on the same port: echo. */
async function startServer(): Promise<Server> {
  const sockets = new Set<net.Socket>();
  const tcp = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // The guest ends some of them with a reset.
    socket.on('error', () => undefined);
    socket.once('data', (first) => serve(socket, first));
  });
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const { port } = tcp.address() as net.AddressInfo;
  const udp = dgram.createSocket('udp4');
  udp.on('message', (bytes, from) => udp.send(bytes, from.port, from.address));
  udp.on('error', () => undefined);
  udp.bind(port, '127.0.0.1');
  await once(udp, 'listening');
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      udp.close();
      tcp.close();
      await once(tcp, 'close');
    },
  };
}

function serve(socket: net.Socket, first: Buffer): void {
  const kind = String.fromCharCode(first[0]!);
  if (kind === 'e') {
    if (first.length > 1) socket.write(first.subarray(1));
    socket.pipe(socket);
  } else if (kind === 's') {
    let left = SOURCE_BYTES;
    const push = (): void => {
      while (left > 0) {
        left -= BLOCK.length;
        if (!socket.write(BLOCK)) {
          socket.once('drain', push);
          return;
        }
      }
      socket.end();
    };
    socket.resume();
    push();
  } else {
    socket.on('end', () => socket.end());
    socket.resume();
  }
}
