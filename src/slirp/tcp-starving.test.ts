/** Who is woken when memory is free again. */
import { expect, it } from 'vitest';
import type { BatchLoop, BatchTask } from '../net/host.ts';
import { CHUNK_BYTES, ChunkPool } from './chunk-pool.ts';
import type { TcpFlow } from './tcp-flow.ts';
import { Starving } from './tcp-starving.ts';

it('flows that would be refused again are not woken, turn after turn; one behind them that holds nothing is', () => {
  const pool = new ChunkPool(64 * CHUNK_BYTES);
  const turns: BatchTask[] = [];
  const woken: TcpFlow[] = [];
  const loop = { nextTurn: (task: BatchTask) => turns.push(task) } as unknown as BatchLoop;
  const starving = new Starving(pool, loop, (flow) => {
    woken.push(flow);
    // Refused: it holds more than is free.
    if (flow.held > pool.freeBytes) starving.add(flow);
  });
  const flowOf = (chunks: number): TcpFlow => {
    pool.reserve(chunks * CHUNK_BYTES, 2);
    return { ingress: 2, held: chunks * CHUNK_BYTES } as TcpFlow;
  };
  const greedy = [flowOf(24), flowOf(23)];
  pool.reserve(2 * CHUNK_BYTES, 3);
  for (const flow of greedy) starving.add(flow);
  // Frees a chunk: sixteen are free, one of them for this port.
  pool.release(CHUNK_BYTES, 3);
  for (let task = turns.shift(), n = 0; task !== undefined && n < 100; task = turns.shift(), n++) task.run();
  expect([woken.length, pool.freeBytes / CHUNK_BYTES]).toEqual([0, 16]);
  const modest = flowOf(0);
  starving.add(modest);
  pool.release(CHUNK_BYTES, 3);
  expect(woken).toEqual([modest]);
});
