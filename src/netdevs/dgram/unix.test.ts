/** dgram between unix paths on the native layer: a peer that is not there, one that does not read. */
import { existsSync, statSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeNative } from '../../../tests/kit/native.ts';
import { addon, NativeBench } from '../../../tests/kit/native-host.ts';
import { createRecordingContext, give, type RecordingContext, testFrame } from '../../../tests/kit/netdev-context.ts';
import { until } from '../../../tests/kit/until.ts';
import type { NetClient } from '../../net/index.ts';
import { createDgram } from './index.ts';

const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;

let bench: NativeBench;
let context: RecordingContext;
let client: NetClient;
let ours: string;
let theirs: string;
const peers: number[] = [];

beforeEach(async () => {
  bench = new NativeBench();
  context = createRecordingContext(bench.host);
  [ours, theirs] = [bench.path('ours').path, bench.path('theirs').path];
  client = await createDgram({ local: { type: 'unix', path: ours }, remote: { type: 'unix', path: theirs } }, context);
});

afterEach(async () => {
  for (const peer of peers.splice(0)) addon().calls.close(peer);
  await client.close();
  expect(existsSync(ours)).toBe(false);
  await bench.close();
});

/** A socket at the peer's path that is only read when told. */
function openPeer(): number {
  const { calls } = addon();
  const peer = calls.socket(1, SOCK_DGRAM, 0);
  const address = new Uint8Array(110);
  new DataView(address.buffer).setUint16(0, 1, true);
  address.set(new TextEncoder().encode(theirs), 2);
  expect(calls.bind(peer, address, 0, 2 + theirs.length + 1)).toBe(0);
  peers.push(peer);
  return peer;
}

function readAll(peer: number, into: Uint8Array[]): void {
  const bytes = new Uint8Array(65_536);
  for (;;) {
    const count = addon().calls.recv(peer, bytes, 0, bytes.length, MSG_DONTWAIT);
    if (count < 0) return;
    into.push(bytes.slice(0, count));
  }
}

describeNative('dgram between unix paths', () => {
  it('is for its owner only, and says both paths', () => {
    expect(statSync(ours).mode & 0o777).toBe(0o600);
    expect(client.info()).toBe(`udp=${ours}:${theirs}`);
  });

  it('drops and counts without a peer, and reaches one that comes', async () => {
    for (let i = 0; i < 5; i++) expect(give(client, testFrame(60, i))).toBe(true);
    await until(() => context.port.counters.dropped['send-error'] === 5);
    const peer = openPeer();
    expect(give(client, testFrame(1514, 9))).toBe(true);
    const got: Uint8Array[] = [];
    await until(() => {
      readAll(peer, got);
      return got.length > 0;
    });
    expect(got).toEqual([testFrame(1514, 9)]);
  });

  it('refuses frames while the peer does not read, and goes on without a loss when it does', async () => {
    const peer = openPeer();
    const taken: Uint8Array[] = [];
    for (let i = 0; i < 2000; i++) {
      const frame = testFrame(100, i);
      if (give(client, frame)) taken.push(frame);
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(taken.length).toBeLessThan(1000);
    const got: Uint8Array[] = [];
    await until(() => {
      readAll(peer, got);
      return got.length === taken.length;
    });
    expect(got).toEqual(taken);
    await until(() => context.port.readyCalls > 0);
    expect(give(client, testFrame(60))).toBe(true);
    expect(context.port.counters.dropped).toEqual({});
  });
});
