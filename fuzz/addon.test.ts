/**
 * The whole surface with arguments of every kind, in processes of their own: nothing but exceptions and numbers comes back.
 * The descriptors are the script's own, and none of them blocks.
 */
import { expect, it } from 'vitest';
import { fuzzBudget } from '../tests/kit/mutate.ts';
import { describeNative } from '../tests/kit/native.ts';
import { runScript } from '../tests/kit/native-script.ts';

const SCRIPT = String.raw`
let state = SEED;
const random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
const pick = (list) => list[Math.floor(random() * list.length)];
const { calls, ioctls } = addon;
const NONBLOCK = 0o4000;
const own = [];
const out = new Uint8Array(8);
const keep = (fd) => {
  const high = calls.fcntlDuplicate(fd, 500);
  calls.close(fd);
  own.push(high);
};
keep(calls.open('/dev/null', 2, 0));
keep(calls.memfd_create('fuzz', 0));
keep(calls.eventfd2(1, NONBLOCK));
for (const [domain, type] of [[1, 1], [1, 2], [1, 5]]) {
  calls.socketpair(domain, type | NONBLOCK, 0, out, 0, 8);
  new Int32Array(out.buffer).slice().forEach(keep);
}
for (const [domain, type] of [[2, 1], [2, 2], [10, 2], [10, 1], [16, 3]]) keep(calls.socket(domain, type | NONBLOCK, 0));

const detached = new Uint8Array(16);
structuredClone(detached.buffer, { transfer: [detached.buffer] });
const memory = addon.map(own[1], 4096, 3, 0x22, 0);
const numbers = [0, 1, 2, 3, 4, 8, 16, 40, 63, 64, 65, 128, 1000, 4096, -1, -2, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53,
  -(2 ** 31), -(2 ** 53), NaN, Infinity, -Infinity, 0.5, 1e300];
const arrays = [new Uint8Array(0), new Uint8Array(1), new Uint8Array(8), new Uint8Array(40), new Uint8Array(4096), detached,
  new Uint8Array(memory), new Uint8Array(new ArrayBuffer(64), 3, 17), new Uint16Array(9), new Float64Array(4),
  new BigInt64Array(3), new Uint8Array(new SharedArrayBuffer(32)), new DataView(new ArrayBuffer(8)), new Int32Array(8),
  new Int32Array(1), new Uint32Array(16), new Uint8ClampedArray(5)];
const odd = [undefined, null, true, 'text', '', '/dev/null', '/nowhere/x', 'a\0b', 'x'.repeat(5000), '\ud800', Symbol('s'), {}, [], 5n,
  () => {}, [0, new Uint8Array(8)], [8, new Uint8Array(8), 16, new Uint8Array(8)], new Proxy({}, { get() { throw new Error('trap'); } }),
  { get bytes() { throw new Error('getter'); } }];
const int32s = () => Int32Array.from({ length: Math.floor(random() * 12) }, () => (random() < 0.6 ? random() * 64 : pick(numbers)));
const batch = () => {
  const n = Math.floor(random() * 70);
  const size = () => (random() < 0.9 ? n : n + Math.floor(random() * 5) - 2 < 0 ? 0 : n - 1 < 0 ? 0 : n - 1);
  const ints = (most) => Int32Array.from({ length: size() }, () => (random() < 0.95 ? random() * most : pick(numbers)));
  return { bytes: new Uint8Array(4096), offset: ints(2000), length: ints(2000), addresses: new Uint8Array(128 * size()),
    addressLength: ints(20), ttl: new Uint8Array(size()).fill(random() * 3), tos: new Uint8Array(size()).fill(random() * 3) };
};
const steps = () => {
  const bytes = new Uint8Array(Math.floor(random() * 80));
  for (let i = 0; i < bytes.length; i++) bytes[i] = random() < 0.7 ? 0 : random() < 0.5 ? random() * 64 : random() * 256;
  return bytes;
};
const any = () => {
  const r = random();
  return r < 0.3 ? pick(own) : r < 0.5 ? pick(numbers) : r < 0.75 ? pick(arrays) : r < 0.8 ? int32s() : r < 0.85 ? batch() : pick(odd);
};
const window = () => {
  const array = pick(arrays);
  const length = array.byteLength ?? 0;
  return random() < 0.7 ? [array, 0, length] : [array, Math.floor(random() * 40), Math.floor(random() * 40)];
};
const likely = (shape) => [...shape].flatMap((s) => s === 'f' ? [pick(own)] : s === 'i' ? [pick(numbers)] : s === 'w' ? window()
  : s === 'a' ? [pick(arrays)] : s === 'b' ? [batch()] : s === 'n' ? [int32s()] : s === 's' ? [steps()] : [pick(odd)]);
const shapes = { read: 'fw', write: 'fw', recv: 'fwi', send: 'fwi', readv: 'fwwwwwwww', writev: 'fwww', sendv: 'fiww', sendto: 'fwiw', bind: 'fw', connect: 'fw',
  accept4: 'fi', listen: 'fi', getsockname: 'fw', getpeername: 'fw', getsockopt: 'fiiw', setsockopt: 'fiiw', setsockoptInt: 'fiii', shutdown: 'fi',
  fcntlGetFlags: 'f', fcntlSetCloexec: 'fi', ftruncate: 'fi', sendBatch: 'fbiiii', receiveBatch: 'fbiii',
  sendDescriptors: 'fwni', receiveDescriptors: 'fwn', receiveError: 'fwnaa', copyBatch: 'aani', bpf: 'iao', forkInto: 'fffsn', errnoName: 'i' };
// These with likely arguments only: a wrong number would block, or take away what Node needs.
const careful = new Set(['close', 'fcntlSetFlags', 'fcntlDuplicate', 'map', 'unmap', 'createWatcher', 'open', 'socket', 'socketpair',
  'eventfd2', 'memfd_create', 'read', 'readv', 'recv', 'accept4', 'connect', 'shutdown', 'write', 'writev', 'send', 'sendv']);
const targets = [...Object.entries(calls), ...Object.entries(ioctls).map(([n, f]) => ['ioctl ' + n, f]),
  ...Object.entries(addon).filter(([, f]) => typeof f === 'function')];
let runs = 0;
let answers = 0;
const until = Date.now() + BUDGET;
const watcher = addon.createWatcher(new Int32Array(16), () => {});
while (Date.now() < until) {
  for (let i = 0; i < 200; i++) {
    const [name, call] = pick(targets);
    let args;
    if (name.startsWith('ioctl ') && random() < 0.5) args = random() < 0.3 ? [pick(own), pick(numbers)] : [pick(own), new Uint8Array(40), 0, pick([4, 40])];
    else if (shapes[name] !== undefined && random() < 0.6) args = likely(shapes[name]);
    else if (careful.has(name)) args = [pick([...odd, ...arrays, -1, 2 ** 32, NaN, 2 ** 40]), ...Array.from({ length: random() * 5 }, any)];
    else args = Array.from({ length: Math.floor(random() * 9) }, any);
    if (name === 'open' && typeof args[0] === 'string' && args[0].length > 0) args = ['/dev/null', 2, 0];
    if (name === 'socket' || name === 'socketpair' || name === 'eventfd2') args[1] = -1;
    if ((name === 'map' && typeof args[1] === 'number') || name === 'unmap') args = [pick([...own, ...odd]), pick([0, -1, 4096, 2 ** 33, 2 ** 53, NaN]), pick([0, 1, 3, 7]), pick([1, 2, 0x22, 0x10, 0x31]), pick([0, 1, 4096, -4096, 2 ** 60])];
    runs++;
    try {
      const result = call.apply(pick([undefined, null, {}, watcher]), args);
      answers++;
      if (result instanceof ArrayBuffer) addon.unmap(result);
      if (name === 'forkInto' && result === 0) {
        const [pid, socket] = args[4];
        calls.kill(pid, 9);
        calls.waitpid(pid, 0);
        calls.close(socket);
      } else if (typeof result === 'number' && result > 2 && ['open', 'memfd_create', 'accept4', 'fcntlDuplicate', 'bpf', 'socket'].includes(name)) calls.close(result);
      if (name === 'receiveDescriptors' && args[4] instanceof Int32Array)
        for (let n = 2; n < 2 + args[4][0]; n++) if (args[4][n] > 20 && !own.includes(args[4][n])) calls.close(args[4][n]);
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof RangeError || /trap|getter/.test(error.message))) throw error;
    }
  }
}
for (const [name] of targets) if (name === '') throw new Error('a target without a name');
const handles = [];
for (let i = 0; i < 20000; i++) {
  const method = pick(['add', 'add', 'change', 'change', 'remove']);
  try {
    const result = random() < 0.8 ? watcher[method](method === 'add' ? pick(own) : pick([...handles, -1, 5, 2 ** 31]), i, pick([0, 1, 2, 3, 4, 7]))
      : watcher[method](...Array.from({ length: Math.floor(random() * 4) }, () => pick([...odd, ...numbers.filter((n) => !(n >= 0 && n < 100)), ...arrays])));
    if (method === 'add' && result >= 0) handles.push(result);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
  }
}
setImmediate(() => setImmediate(() => {
  watcher.close();
  watcher.close();
  process.stdout.write(JSON.stringify({ runs, answers }));
}));
`;

describeNative('the addon', () => {
  const { ms, seed } = fuzzBudget();
  it(`answers whatever it is called with (seed ${seed})`, { timeout: ms + 60_000 }, () => {
    const end = runScript(SCRIPT.replace('SEED', String(seed)).replace('BUDGET', String(ms)));
    expect({ stderr: end.stderr.slice(0, 4000), status: end.status, signal: end.signal }).toEqual({
      stderr: '',
      status: 0,
      signal: null,
    });
    const { runs, answers } = JSON.parse(end.stdout) as { runs: number; answers: number };
    expect(runs).toBeGreaterThan(1000);
    expect(answers).toBeGreaterThan(runs / 20);
  });
});
