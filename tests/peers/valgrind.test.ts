/** The addon under valgrind: no read or write outside what it has, nothing uninitialised, in code of the addon. */
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { loadNative } from '../../src/node/native/load.ts';
import { addonCalls } from '../kit/addon-calls.ts';
import { runScript } from '../kit/native-script.ts';
import { describePeer, requirePeer } from '../kit/peers.ts';

/** Every part of the surface, as used in earnest; and arguments that do not fit. */
const SCRIPT = String.raw`
const { calls, ioctls } = addon;
const out = new Uint8Array(8);
const pair = (type) => { calls.socketpair(1, type | 0o4000, 0, out, 0, 8); return [...new Int32Array(out.buffer)]; };
const [a, b] = pair(1);
const bytes = new Uint8Array(256).fill(5);
calls.write(a, bytes, 0, 100);
calls.writev(a, bytes, 0, 10, bytes, 20, 30);
calls.readv(b, bytes, 0, 60, bytes, 100, 156);
const refused = (body) => { try { body(); } catch { return; } throw new Error('not refused: ' + body); };
refused(() => calls.read(a, bytes, 200, 57));
refused(() => calls.open('x\0', 0, 0));
const file = calls.open('/dev/null', 2, 0);
const passed = new Int32Array(3);
addon.sendDescriptors(a, bytes, 0, 1, Int32Array.of(file, file), 2);
addon.receiveDescriptors(b, bytes, 0, 1, passed);
calls.close(passed[2]);
calls.getsockname(a, bytes, 0, 128);
calls.getsockopt(a, 1, 3, bytes, 0, 4);
calls.setsockoptInt(a, 1, 7, 65536);
const inet = () => { const s = calls.socket(2, 2 | 0o4000, 0); calls.bind(s, Uint8Array.of(2, 0, 0, 0, 127, 0, 0, 1, ...new Array(8).fill(0)), 0, 16); return s; };
const [one, two] = [inet(), inet()];
const batch = { bytes: new Uint8Array(4096), offset: Int32Array.of(0, 100, 200), length: Int32Array.of(10, 0, 50), addresses: new Uint8Array(384),
  addressLength: Int32Array.of(16, 16, 16), ttl: Uint8Array.of(0, 9, 0), tos: Uint8Array.of(0, 4, 0) };
for (let i = 0; i < 3; i++) calls.getsockname(two, batch.addresses, 128 * i, 128);
for (const [name, value] of [[12, 1], [13, 1], [11, 1]]) calls.setsockoptInt(two, 0, name, value);
const results = [addon.sendBatch(one, batch, 0, 3, 0, 2)];
batch.length.fill(100);
results.push(addon.receiveBatch(two, batch, 3, 0, 2));
calls.setsockoptInt(one, 0, 11, 1);
calls.connect(one, Uint8Array.of(2, 0, 0, 1, 127, 0, 0, 1, ...new Array(8).fill(0)), 0, 16);
calls.send(one, bytes, 0, 9, 0);
results.push(addon.receiveError(one, bytes, 0, 256, new Int32Array(7), new Uint8Array(128), new Uint8Array(128)));
ioctls.TUNGETFEATURES(file, bytes, 0, 4);
ioctls.SIOCGIFINDEX(one, Uint8Array.from({ length: 40 }, (_, i) => [108, 111][i] ?? 0), 0, 40);
const memory = calls.memfd_create('v', 0);
calls.ftruncate(memory, 8192);
const buffer = addon.map(memory, 8192, 3, 1, 0);
addon.copyBatch(new Uint8Array(buffer), bytes, Int32Array.of(0, 8000, 192), 1);
addon.unmap(buffer);
addon.map(memory, 8192, 3, 1, 0);
addon.bpf(0, new Uint8Array(Uint32Array.of(2, 4, 8, 4).buffer), []);
const fork = new Int32Array(2);
results.push(addon.forkInto(-1, -1, -1, new Uint8Array(Int32Array.of(2, 12, 2, 2, 0).buffer), fork));
results.push(calls.waitpid(fork[0], 0));
addon.receiveDescriptors(fork[1], bytes, 0, 64, passed);
let turns = 0;
const events = Array.from({ length: 100 }, () => calls.eventfd2(1, 0));
const watcher = addon.createWatcher(new Int32Array(64), (count) => { turns += count; if (turns > 500) { watcher.close(); finish(); } });
const handles = events.map((fd, i) => watcher.add(fd, i, 1));
for (let i = 0; i < 50; i++) { watcher.remove(handles[i]); calls.close(events[i]); }
const finish = () => process.stdout.write(JSON.stringify(results));
// An array that is taken away, and one that is made smaller, while something is ready; an accessor that takes one away.
for (const change of [(a) => structuredClone(a.buffer, { transfer: [a.buffer] }), (a) => a.buffer.resize(0)]) {
  const array = new Int32Array(new ArrayBuffer(4096, { maxByteLength: 8192 }));
  const one = addon.createWatcher(array, () => setImmediate(() => { change(array); }));
  for (let i = 0; i < 20; i++) one.add(calls.eventfd2(1, 0), i, 1);
}
const thief = { ...batch, bytes: new Uint8Array(4096), get tos() { structuredClone(this.bytes.buffer, { transfer: [this.bytes.buffer] }); return batch.tos; } };
refused(() => addon.sendBatch(one, thief, 0, 3, 0, 2));
refused(() => addon.receiveBatch(two, { ...batch, bytes: new Uint8Array(4096), get ttl() { structuredClone(this.bytes.buffer, { transfer: [this.bytes.buffer] }); return batch.ttl; } }, 3, 0, 2));
calls.setsockopt(one, 1, 26, bytes, 0, 16);
`;
/** Node is some thirty times slower there. */
const WILD_MS = 2000;

const LOG = join(tmpdir(), `ny-valgrind-${process.pid}.xml`);

describePeer('valgrind', ['valgrind'], () => {
  afterAll(() => rmSync(LOG, { force: true }));

  const check = (script: string): string => {
    const command = [
      requirePeer('valgrind'),
      '--quiet',
      '--xml=yes',
      `--xml-file=${LOG}`,
      '--leak-check=no',
      '--child-silent-after-fork=yes',
      '--smc-check=all-non-file',
    ];
    const end = runScript(script, command);
    expect({ stderr: end.stderr, status: end.status, signal: end.signal }).toEqual({
      stderr: '',
      status: 0,
      signal: null,
    });
    const errors = readFileSync(LOG, 'utf8').split('<error>').slice(1);
    // Node itself is not free of reports: an error counts when the addon made it, directly or through libc.
    const ours = errors.filter((error) => {
      const frames = [...error.matchAll(/<obj>([^<]*)<\/obj>/g)].map((match) => match[1] ?? '');
      return frames.slice(0, 3).some((object) => object.endsWith('netyard.node'));
    });
    expect(ours).toEqual([]);
    return end.stdout;
  };

  it.skipIf('reason' in loadNative())('finds no error in the addon', { timeout: 120_000 }, () => {
    expect(JSON.parse(check(SCRIPT))).toEqual([3, 3, 9, 0, 0]);
  });

  it.skipIf('reason' in loadNative())('nor with arguments of every kind', { timeout: 180_000 }, () => {
    const { runs } = JSON.parse(check(addonCalls(1, WILD_MS, true))) as { runs: number };
    expect(runs).toBeGreaterThan(100);
  });
});
