/**
 * Flows that wait for memory, ingress by ingress, first come first served. Only as many are woken as there is room for:
 * a crowd of one port that wakes and finds nothing would cost everybody time. Whether those that were woken took what
 * there was is looked at a turn later.
 */
import type { BatchLoop, BatchTask } from '../net/host.ts';
import { CHUNK_BYTES, type ChunkPool, type PoolWaiter } from './chunk-pool.ts';
import type { TcpFlow } from './tcp-flow.ts';

export class Starving implements PoolWaiter, BatchTask {
  readonly #pool: ChunkPool;
  readonly #loop: BatchLoop;
  readonly #wake: (flow: TcpFlow) => void;
  readonly #queues = new Map<number, Set<TcpFlow>>();

  constructor(pool: ChunkPool, loop: BatchLoop, wake: (flow: TcpFlow) => void) {
    this.#pool = pool;
    this.#loop = loop;
    this.#wake = wake;
  }

  add(flow: TcpFlow): void {
    let queue = this.#queues.get(flow.ingress);
    if (queue === undefined) {
      queue = new Set();
      this.#queues.set(flow.ingress, queue);
    }
    queue.add(flow);
    this.#pool.wait(this);
  }

  remove(flow: TcpFlow): void {
    const queue = this.#queues.get(flow.ingress);
    if (queue?.delete(flow) && queue.size === 0) this.#queues.delete(flow.ingress);
  }

  relieve(): void {
    let again = false;
    for (const [ingress, queue] of this.#queues) {
      let room = 0;
      for (const flow of queue) {
        if (!this.#pool.allows(ingress, room + CHUNK_BYTES)) break;
        // It would find nothing, and wait again.
        if (!this.#pool.leavesRoom(flow.held, room + CHUNK_BYTES)) continue;
        room += CHUNK_BYTES;
        this.remove(flow);
        this.#wake(flow);
        again = true;
      }
    }
    if (this.#queues.size === 0) return;
    this.#pool.wait(this);
    if (again) this.#loop.nextTurn(this);
  }

  run(): void {
    this.relieve();
  }
}
