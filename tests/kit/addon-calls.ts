/**
 * The addon's whole surface with arguments of every kind, for a process of its own: nothing but exceptions and numbers comes
 * back. The descriptors are the script's own, and none of them blocks.
 */

/**
 * @param slow under valgrind, which runs one thread at a time: no second one, and less of all.
 * @returns a script that calls for so long and prints `{ runs, answers }`.
 */
export function addonCalls(seed: number, budgetMs: number, slow = false): string {
  return SCRIPT.replace('SEED', String(seed)).replace('BUDGET', String(budgetMs)).replace('SLOW', String(slow));
}

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
const resizable = new ArrayBuffer(64, { maxByteLength: 8192 });
const detach = (array) => { if (array.buffer instanceof ArrayBuffer && array.buffer !== memory && array.buffer !== resizable) structuredClone(array.buffer, { transfer: [array.buffer] }); };
const memory = addon.map(own[1], 4096, 3, 0x22, 0);
const numbers = [0, 1, 2, 3, 4, 8, 16, 40, 63, 64, 65, 128, 1000, 4096, -1, -2, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53,
  -(2 ** 31), -(2 ** 53), NaN, Infinity, -Infinity, 0.5, 1e300];
const arrays = [new Uint8Array(0), new Uint8Array(1), new Uint8Array(8), new Uint8Array(40), new Uint8Array(4096), detached,
  new Uint8Array(memory), new Uint8Array(new ArrayBuffer(64), 3, 17), new Uint16Array(9), new Float64Array(4),
  new BigInt64Array(3), new Uint8Array(new SharedArrayBuffer(32)), new DataView(new ArrayBuffer(8)), new Int32Array(8),
  new Int32Array(1), new Uint32Array(16), new Uint8ClampedArray(5),
  // They have another length now and then, and may lie outside of their buffer.
  new Uint8Array(resizable), new Uint8Array(resizable, 16), new Uint8Array(resizable, 32, 16), new Int32Array(resizable, 8, 4)];
const odd = [undefined, null, true, 'text', '', '/dev/null', '/nowhere/x', 'a\0b', 'x'.repeat(5000), '\ud800', Symbol('s'), {}, [], 5n,
  () => {}, [0, new Uint8Array(8)], [8, new Uint8Array(8), 16, new Uint8Array(8)], new Proxy({}, { get() { throw new Error('trap'); } }),
  { get bytes() { throw new Error('getter'); } }];
const int32s = () => Int32Array.from({ length: Math.floor(random() * 12) }, () => (random() < 0.6 ? random() * 64 : pick(numbers)));
// What one accessor takes away, the call must not use.
const stolen = (object, keys) => {
  const key = pick(keys);
  const value = object[key];
  return Object.defineProperty(object, key, { get() { for (const other of keys) if (random() < 0.5 && ArrayBuffer.isView(object.kept?.[other] ?? 0)) detach(object.kept[other]); return value; } });
};
const batch = () => {
  const b = plainBatch();
  return random() < 0.8 ? b : stolen(Object.assign(b, { kept: { ...b } }), ['bytes', 'offset', 'length', 'addresses', 'addressLength', 'ttl', 'tos']);
};
const pointers = () => {
  const list = [8, new Uint8Array(8), 16, new Uint8Array(64), 32, new Uint8Array(64)].slice(0, 2 * Math.floor(1 + random() * 3));
  return random() < 0.5 ? list : stolen(Object.assign(list, { kept: [...list] }), [...list.keys()]);
};
const plainBatch = () => {
  const n = Math.floor(random() * 70);
  const size = () => (random() < 0.9 ? n : n + Math.floor(random() * 5) - 2 < 0 ? 0 : n - 1 < 0 ? 0 : n - 1);
  const ints = (most) => Int32Array.from({ length: size() }, () => (random() < 0.95 ? random() * most : pick(numbers)));
  return { bytes: new Uint8Array(4096), offset: ints(2000), length: ints(2000), addresses: new Uint8Array(128 * size()),
    addressLength: ints(20), ttl: new Uint8Array(size()).fill(random() * 3), tos: new Uint8Array(size()).fill(random() * 3), ...(random() < 0.5 ? {} : { locals: new Uint8Array(128 * size()).fill(pick([0, 2, 10])) }) };
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
  : s === 'a' ? [pick(arrays)] : s === 'b' ? [batch()] : s === 'n' ? [int32s()] : s === 'p' ? [pointers()] : s === 'L' ? [pick([0, 1, 6, 17, 40, 41, 58, 255, 263, 270, 283])] : s === 'N' ? [Math.floor(random() * 110)] : s === 's' ? [steps()] : [pick(odd)]);
const shapes = { read: 'fw', write: 'fw', recv: 'fwi', send: 'fwi', readv: 'fwwwwwwww', writev: 'fwww', sendv: 'fiww', sendto: 'fwiw', bind: 'fw', connect: 'fw',
  accept4: 'fi', listen: 'fi', getsockname: 'fw', getpeername: 'fw', getsockopt: 'fLNw', setsockopt: 'fLNw', setsockoptInt: 'fLNi', shutdown: 'fi',
  fcntlGetFlags: 'f', fcntlSetCloexec: 'fi', ftruncate: 'fi', sendBatch: 'fbiiii', receiveBatch: 'fbiii',
  sendDescriptors: 'fwni', receiveDescriptors: 'fwn', receiveError: 'fwnaa', copyBatch: 'aani', bpf: 'iap', forkInto: 'fffsn', errnoName: 'i' };
// These with likely arguments only: a wrong number would block, or take away what Node needs.
const careful = new Set(['close', 'fcntlSetFlags', 'fcntlDuplicate', 'map', 'unmap', 'createWatcher', 'open', 'socket', 'socketpair',
  'eventfd2', 'memfd_create', 'read', 'readv', 'recv', 'accept4', 'connect', 'shutdown', 'write', 'writev', 'send', 'sendv']);
const targets = [...Object.entries(calls), ...Object.entries(ioctls).map(([n, f]) => ['ioctl ' + n, f]),
  ...Object.entries(addon).filter(([, f]) => typeof f === 'function')];
let runs = 0;
let answers = 0;
const until = Date.now() + BUDGET;
const watcher = addon.createWatcher(new Int32Array(16), () => {});
// Another thread changes where the windows of a batch begin, all the time.
const shared = new Int32Array(new SharedArrayBuffer(1024));
const slow = SLOW;
const other = slow ? undefined : new (require('node:worker_threads').Worker)("const { workerData: a } = require('node:worker_threads'); for (;;) { a.fill(0x7fffff00); a.fill(8); a.fill(8); a.fill(8); }", { eval: true, workerData: shared });
other?.unref();
const contested = { bytes: new Uint8Array(64), offset: shared.subarray(0, 64), length: new Int32Array(64), addressLength: new Int32Array(64),
  addresses: new Uint8Array(64 * 128), ttl: new Uint8Array(64), tos: new Uint8Array(64) };
const watchers = [];
while (Date.now() < until) {
  resizable.resize(pick([0, 1, 16, 40, 64, 4096, 8192]));
  for (let i = 0; i < 20; i++) {
    try {
      contested.length.fill(8);
      contested.addressLength.fill(0);
      // The arena is there, so a window outside of it is the only one that the kernel could not use.
      if (addon.sendBatch(pick(own), contested, 0, 64, 0x40, pick([1, 2, 10])) === -14) throw new Error('a window outside');
      if (addon.receiveBatch(pick(own), contested, 64, 0x40, pick([1, 2, 10])) === -14) throw new Error('a window outside');
    } catch (error) { if (!(error instanceof RangeError)) throw error; }
    try { addon.copyBatch(contested.bytes, contested.bytes, shared, 60); } catch (error) { if (!(error instanceof RangeError)) throw error; }
  }
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
// Watchers whose array is taken away, or changes, while something is ready.
for (let i = 0; i < 60; i++) {
  const array = pick([() => new Int32Array(4096), () => new Int32Array(new ArrayBuffer(1 << 16, { maxByteLength: 1 << 17 })), () => new Int32Array(2)])();
  const one = addon.createWatcher(array, () => {});
  for (let n = 0; n < 5; n++) one.add(calls.eventfd2(1, NONBLOCK), 0x41414141, 3);
  watchers.push(one);
  setImmediate(() => { if (array.buffer.resizable) array.buffer.resize(pick([0, 4, 8, 1 << 17])); else if (random() < 0.7) detach(array); else one.close(); });
}
const handles = [];
for (let i = 0; i < (slow ? 500 : 20000); i++) {
  const method = pick(['add', 'add', 'change', 'change', 'remove']);
  try {
    const result = random() < 0.8 ? watcher[method](method === 'add' ? pick(own) : pick([...handles, -1, 5, 2 ** 31]), i, pick([0, 1, 2, 3, 4, 7]))
      : watcher[method](...Array.from({ length: Math.floor(random() * 4) }, () => pick([...odd, ...numbers.filter((n) => !(n >= 0 && n < 100)), ...arrays])));
    if (method === 'add' && result >= 0) handles.push(result);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
  }
}
const turns = (left) => (left === 0 ? finish() : setImmediate(turns, left - 1));
turns(8);
const finish = () => {
  for (const one of watchers) one.close();
  watcher.close();
  watcher.close();
  other?.terminate();
  process.stdout.write(JSON.stringify({ runs, answers }));
};
`;
