/** One world for each test of a file, closed after it with nothing left behind. */
import { afterEach, expect } from 'vitest';
import type { NetdevUserOptions } from '../../../src/schema/net.ts';
import { announce, createWorld, recordedWorld, type World } from './world.ts';

/**
 * Call once in a test file.
 * @param prepare by default, the world that the golden vectors were recorded in, with a guest that announced itself
 * @returns opens the test's world
 */
export function worldPerTest(
  prepare: (world: World) => Promise<void> | void = asRecorded,
): (options?: NetdevUserOptions) => Promise<World> {
  let world: World | undefined;
  afterEach(async () => {
    await world?.close();
    await world?.test.settle();
    expect(world?.test.leaks() ?? []).toEqual([]);
    world = undefined;
  });
  return async (options = {}) => {
    world = await createWorld(options);
    await prepare(world);
    return world;
  };
}

async function asRecorded(world: World): Promise<void> {
  await recordedWorld(world.test);
  world.give(announce());
}
