/**
 * How much of what was written to a TCP socket its peer has not acknowledged, for sockets of Node's: it cannot ask, but
 * the kernel lists it by inode (proc_pid_net(5)). One reading serves all sockets, and readings take a bounded part of the
 * time however long the list is.
 */
import { fstatSync, readFileSync } from 'node:fs';
import type * as net from 'node:net';

const TABLES = ['/proc/self/net/tcp', '/proc/self/net/tcp6'] as const;
/** Columns of a line, separated by blanks. */
const QUEUES_COLUMN = 4;
const INODE_COLUMN = 9;
/** Between two readings, and as many times as long as one takes. */
const LEAST_PAUSE_MS = 5;
const PAUSE_FACTOR = 20;

/** Node's socket, as far as its handle is looked at. */
interface HandleOwner extends Omit<net.Socket, '_handle'> {
  _handle?: { fd?: number } | null;
}

/** The number of a socket's descriptor; -1 = it has none any more. */
export const descriptorOf = (socket: net.Socket): number => (socket as HandleOwner)._handle?.fd ?? -1;

export class SendQueues {
  readonly #bytes = new Map<number, number>();
  #readAt = Number.NEGATIVE_INFINITY;
  #nextAt = Number.NEGATIVE_INFINITY;

  /**
   * @param since when bytes were last written: an older reading does not count.
   * @returns 0 also where the kernel does not tell; undefined: not known now, ask again.
   */
  unacknowledged(socket: net.Socket, since: number): number | undefined {
    if (this.#readAt < since || performance.now() >= this.#nextAt) {
      if (performance.now() < this.#nextAt) return undefined;
      this.#read();
    }
    const fd = descriptorOf(socket);
    if (fd < 0) return 0;
    try {
      return this.#bytes.get(fstatSync(fd).ino) ?? 0;
    } catch {
      // Closed meanwhile.
      return 0;
    }
  }

  #read(): void {
    const began = performance.now();
    this.#bytes.clear();
    for (const table of TABLES) this.#parse(textOf(table));
    this.#readAt = began;
    const now = performance.now();
    this.#nextAt = now + Math.max(LEAST_PAUSE_MS, PAUSE_FACTOR * (now - began));
  }

  #parse(text: string): void {
    for (const line of text.split('\n')) {
      const columns = line.trim().split(/ +/);
      const queued = Number.parseInt(columns[QUEUES_COLUMN] ?? '', 16);
      if (queued > 0) this.#bytes.set(Number(columns[INODE_COLUMN]), queued);
    }
  }
}

/** Empty where there is no /proc, or no IPv6. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
