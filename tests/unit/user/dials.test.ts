/** Clients of a forward whose guest has not spoken yet. */
import { afterEach, expect, it } from 'vitest';
import * as w from '../../../src/wire/index.ts';
import { announce, createWorld, type World } from './world.ts';

let world: World | undefined;

afterEach(async () => {
  await world?.close();
  world = undefined;
});

it('do not wait a second, however many they are', async () => {
  world = await createWorld({ hostfwd: [{ str: 'tcp:127.0.0.1:5555-:22' }] });
  const { test } = world;
  for (let i = 0; i < 60; i++) test.network.local.sockets.connect({ family: 'ipv4', host: '127.0.0.1', port: 5555 });
  test.advance(5);
  world.give(announce());
  test.advance(300);
  const dialled = new Set<number>();
  for (const frame of world.take()) {
    if (w.ethernetType(frame, 0) !== w.ETHERTYPE_IPV4) continue;
    dialled.add(w.tcpSourcePort(frame, w.ETHERNET_LENGTH + w.IPV4_HEADER_LENGTH));
  }
  expect(dialled.size).toBe(60);
  for (const stream of test.network.streams) stream.reset();
});
