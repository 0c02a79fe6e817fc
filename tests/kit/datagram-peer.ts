/** A program with a UDP socket on the machine under test, or on another one of its network. */
import type { DatagramBatch, InetAddress } from '../../src/net/host.ts';
import type { TestHost } from './host.ts';

export interface DatagramPeer {
  send(to: InetAddress, ...datagrams: Uint8Array[]): void;
  /** Copies of what arrived since the last call. */
  received(): Uint8Array[];
  close(): Promise<void>;
}

export async function createDatagramPeer(
  test: TestHost,
  at: InetAddress,
  sockets = test.network.local.sockets,
): Promise<DatagramPeer> {
  const socket = await sockets.datagram({ family: at.family, bind: at });
  const batch = createDatagramBatch(256, 4 << 20);
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
      const found: Uint8Array[] = [];
      while (socket.receiveBatch(batch) > 0) {
        for (let i = 0; i < batch.count; i++) {
          const offset = batch.offset[i] as number;
          found.push(batch.bytes.slice(offset, offset + (batch.length[i] as number)));
        }
      }
      return found;
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
