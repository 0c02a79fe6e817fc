/** What the kernel keeps back (MSG_CTRUNC): no number is taken for a descriptor that is none. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { describeNative } from '../../../tests/kit/native.ts';
import type { NativeBinding } from './binding.ts';
import type { NativeContext } from './context.ts';
import { DescriptorInbox } from './descriptor-inbox.ts';
import { loadNative } from './load.ts';

it('holds what arrived, and counts the rest', () => {
  const closed: number[] = [];
  const counters = { lostDescriptors: 0 };
  const passed = new Set<number>();
  let arrives: number[] = [];
  const receiveDescriptors: NativeBinding['receiveDescriptors'] = (_fd, _bytes, _offset, length, out) => {
    out.set(arrives);
    return length;
  };
  const calls = { close: (fd: number) => closed.push(fd) };
  const inbox = new DescriptorInbox({
    binding: { receiveDescriptors },
    calls,
    host: { counters, passed },
  } as unknown as NativeContext);
  const receive = (...out: number[]): void => {
    arrives = out;
    expect(inbox.receive(3, new Uint8Array(4), 0, 4)).toBe(4);
  };
  receive(0, 1);
  receive(2, 0, 40, 41);
  // The numbers of the message before are still there.
  receive(0, 1);
  receive(1, 1, 42);
  expect([...passed]).toEqual([40, 41, 42]);
  expect(inbox.take()).toEqual([40, 41, 42]);
  expect(counters.lostDescriptors).toBe(3);
  inbox.close();
  expect(closed).toEqual([]);
});

/** Answers of the addon with room for one descriptor of three, and with room for none. */
const AT_THE_LIMIT = `
const { calls, sendDescriptors, receiveDescriptors } = require(process.argv[1]);
const pair = new Uint8Array(8);
calls.socketpair(1, 1, 0, pair, 0, 8);
const [a, b] = new Int32Array(pair.buffer);
const bytes = new Uint8Array(1);
const answers = [];
const answer = () => {
  sendDescriptors(a, bytes, 0, 1, Int32Array.of(a, a, a), 3);
  const out = new Int32Array(8).fill(-1);
  answers.push([receiveDescriptors(b, bytes, 0, 1, out), ...out].join(' '));
};
let last = 0;
for (let fd = 0; fd >= 0; fd = calls.open('/dev/null', 0, 0)) last = fd;
answer();
calls.close(last);
answer();
// Writing needs none.
process.stdout.write(answers.map((one) => one.replace(' ' + last + ' ', ' N ')).join());
`;

describeNative('the addon', () => {
  it('says how many are here, and that others are lost', () => {
    const loaded = loadNative();
    const path = 'path' in loaded ? loaded.path : '';
    const limited = ['-c', 'ulimit -n 64; exec "$@"', 'sh', process.execPath, '-e', AT_THE_LIMIT, path];
    const { stdout, stderr } = spawnSync('sh', limited, { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(stdout).toBe('1 0 1 -1 -1 -1 -1 -1 -1,1 1 1 N -1 -1 -1 -1 -1');
  });
});
