/** A program with a UDP socket on the machine under test, or on another one of its network. */
import type { DatagramBatch, SocketAddress } from '../../src/net/host.ts';
import type { TestHost } from './host.ts';

export interface DatagramPeer {
  send(to: SocketAddress, ...datagrams: Uint8Array[]): void;
  /** Copies of what arrived since the last call. */
  received(): Uint8Array[];
  close(): Promise<void>;
}

export async function createDatagramPeer(
  test: TestHost,
  at: SocketAddress,
  sockets = test.network.local.sockets,
): Promise<DatagramPeer> {
  if (at.family === 'vsock') throw new RangeError('no datagrams over vsock');
  const socket = await sockets.datagram({ family: at.family, bind: at });
  const batch = createDatagramBatch(256, 4 << 20);
  const incoming = createDatagramBatch(256, 4 << 20);
  const arrived: Uint8Array[] = [];
  const read = (): void => {
    while (socket.receiveBatch(incoming) > 0) {
      for (let i = 0; i < incoming.count; i++) {
        const offset = incoming.offset[i] as number;
        arrived.push(incoming.bytes.slice(offset, offset + (incoming.length[i] as number)));
      }
    }
  };
  socket.onEvent = (event) => {
    if (event === 'readable') read();
  };
  socket.interest(true, false);
  return {
    send: (to, ...datagrams) => {
      let used = 0;
      datagrams.forEach((bytes, i) => {
        batch.bytes.set(bytes, used);
        batch.offset[i] = used;
        batch.length[i] = bytes.length;
        batch.peer[i] = to;
        used += bytes.length;
      });
      batch.count = datagrams.length;
      socket.sendBatch(batch);
    },
    received: () => {
      read();
      return arrived.splice(0);
    },
    close: () => socket.close(),
  };
}

export function createDatagramBatch(capacity: number, arenaBytes: number): DatagramBatch {
  return {
    bytes: new Uint8Array(arenaBytes),
    count: 0,
    offset: new Int32Array(capacity),
    length: new Int32Array(capacity),
    peer: new Array(capacity).fill(undefined),
    ttl: new Uint8Array(capacity),
    tos: new Uint8Array(capacity),
  };
}
