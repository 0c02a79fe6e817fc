/** openIn's half of the protocol, against a child that answers as the test says. */
import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeNative } from '../../../tests/kit/native.ts';
import { addon, socketPair } from '../../../tests/kit/native-host.ts';
import type { NamespaceStep } from '../../net/index.ts';
import type { Destroyable } from '../destroyable.ts';
import { hostError } from '../errno.ts';
import type { NativeBinding } from '../native/binding.ts';
import { NativeReadiness } from '../native/watcher.ts';
import { NativeKernel } from './kernel.ts';
import { encodeSteps } from './namespace-steps.ts';
import { openIn } from './open-in.ts';

const SEQPACKET = 5;
const PID = 4242;
const tun = (): NamespaceStep & { request: Uint8Array } => ({ kind: 'tun', request: new Uint8Array(40) });
const socket: NamespaceStep = { kind: 'socket', domain: 16, type: 3, protocol: 0 };
const netlink: NamespaceStep = { kind: 'netlink', message: Uint8Array.of(1, 2, 3) };

describe('encodeSteps', () => {
  it('lays every step on a multiple of four', () => {
    const bytes = encodeSteps([netlink, socket, { kind: 'mount-file', folder: '/a', target: '/bc', text: 'd' }]);
    expect([...bytes]).toEqual([
      ...[3, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3, 0],
      ...[2, 0, 0, 0, 12, 0, 0, 0, 16, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0],
      ...[4, 0, 0, 0, 9, 0, 0, 0, 0x2f, 0x61, 0, 0x2f, 0x62, 0x63, 0, 0x64, 0, 0, 0, 0],
    ]);
  });
});

describeNative('openIn', () => {
  let readiness: NativeReadiness;
  let kernel: NativeKernel;
  let theirs: number;
  let forked: number[][];
  let reaped: number[];
  let before: number;
  /** What the child does at once. */
  let script: () => void;

  beforeEach(() => {
    const binding = addon();
    forked = [];
    reaped = [];
    script = () => {};
    const forkInto: NativeBinding['forkInto'] = (user, net, mount, _steps, out) => {
      forked.push([user, net, mount].map((number) => Math.sign(number + 0.5)));
      const [ours, other] = socketPair(SEQPACKET);
      theirs = other;
      out.set([PID, ours]);
      script();
      return 0;
    };
    const calls = { ...binding.calls, kill: () => 0, waitpid: (pid: number) => reaped.push(pid) };
    readiness = new NativeReadiness(binding, { beginBatch() {}, endBatch() {} }, (error) => {
      throw error;
    });
    kernel = new NativeKernel({ ...binding, calls, forkInto }, readiness, new Set(), new Set());
    before = readdirSync('/proc/self/fd').length;
  });

  afterEach(() => {
    expect(readdirSync('/proc/self/fd').length).toBe(before);
    expect(reaped).toEqual(forked.map(() => PID));
    readiness.close();
  });

  const answer = (index: number, errno: number, body: Uint8Array = new Uint8Array(0), descriptors: number[] = []) => {
    const bytes = new Uint8Array(8 + body.length);
    bytes.set(new Uint8Array(Int32Array.of(index, errno).buffer));
    bytes.set(body, 8);
    addon().sendDescriptors(theirs, bytes, 0, bytes.length, Int32Array.from(descriptors), descriptors.length);
  };
  const end = () => addon().calls.close(theirs);

  it('returns what was opened, in order, and the request as the kernel filled it in', async () => {
    const step = tun();
    script = () => {
      answer(0, 0, new Uint8Array(40).fill(7), [0]);
      answer(1, 0);
      answer(2, 0, undefined, [1]);
      end();
    };
    const opened = await openIn(kernel, { net: '/proc/self/ns/net' }, [step, netlink, socket]);
    expect(forked).toEqual([[-1, 1, -1]]);
    expect(opened).toHaveLength(2);
    expect(step.request).toEqual(new Uint8Array(40).fill(7));
    for (const descriptor of opened) descriptor.close();
  });

  it('waits for answers that come later', async () => {
    script = () =>
      void setTimeout(() => {
        answer(0, 0, undefined, [0]);
        end();
      }, 20);
    const [descriptor] = await openIn(kernel, {}, [socket]);
    descriptor?.close();
  });

  it.each([
    [-1, 'could not enter the user namespace: Operation not permitted'],
    [-2, 'could not enter the network namespace: Operation not permitted'],
    [-3, 'could not enter the mount namespace: Operation not permitted'],
    [0, 'could not open a socket there: Operation not permitted'],
    [1, 'could not mount over /t there: Operation not permitted'],
  ])('names the step that failed: %d', async (index, message) => {
    script = () => {
      if (index > 0) answer(0, 0, undefined, [0]);
      answer(index, 1);
      end();
    };
    const steps: NamespaceStep[] = [socket, { kind: 'mount-file', folder: '/s', target: '/t', text: '' }];
    await expect(openIn(kernel, {}, steps)).rejects.toMatchObject({ code: 'EPERM', message });
  });

  it.each<[string, () => void]>([
    ['nothing', () => {}],
    ['less than an answer', () => addon().sendDescriptors(theirs, new Uint8Array(3), 0, 3, new Int32Array(0), 0)],
    ['an answer without its descriptor', () => answer(0, 0)],
    ['an answer with two', () => answer(0, 0, undefined, [0, 1])],
  ])('a child that sends %s', async (_what, sends) => {
    script = () => {
      sends();
      end();
    };
    await expect(openIn(kernel, {}, [socket])).rejects.toMatchObject({ code: 'EPROTO' });
  });

  it('a descriptor that the kernel kept back', async () => {
    const binding = addon();
    const receiveDescriptors: NativeBinding['receiveDescriptors'] = (fd, bytes, offset, length, out) => {
      const got = binding.receiveDescriptors(fd, bytes, offset, length, out);
      if (out[0] === 1) addon().calls.close(out[2] as number);
      // The number is one of before.
      out.set([0, 1, theirs]);
      return got;
    };
    kernel = new NativeKernel({ ...kernel.binding, receiveDescriptors }, readiness, new Set(), new Set());
    script = () => answer(0, 0, undefined, [0]);
    await expect(openIn(kernel, {}, [socket])).rejects.toMatchObject({
      code: 'EMFILE',
      message: 'could not open a socket there: Too many open files',
    });
    end();
  });

  it('a descriptor where none belongs', async () => {
    script = () => {
      answer(0, 0, undefined, [0]);
      end();
    };
    await expect(openIn(kernel, {}, [netlink])).rejects.toMatchObject({ code: 'EPROTO' });
  });

  it('one that cannot be adopted: the others are closed with it', async () => {
    const open = new Set<Destroyable>();
    kernel = new NativeKernel(kernel.binding, readiness, open, new Set());
    const adopt = kernel.adopt.bind(kernel);
    let adopted = 0;
    kernel.adopt = (number) => {
      if (++adopted === 2) throw hostError('EBUSY');
      return adopt(number);
    };
    script = () => {
      for (const index of [0, 1, 2]) answer(index, 0, undefined, [index]);
      end();
    };
    await expect(openIn(kernel, {}, [socket, socket, socket])).rejects.toMatchObject({ code: 'EBUSY' });
    expect(open.size).toBe(0);
  });

  it('a child that hangs', async () => {
    await expect(openIn(kernel, {}, [socket], 20)).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    end();
  });

  it('a namespace that does not exist', async () => {
    await expect(openIn(kernel, { net: '/proc/0/ns/net' }, [socket])).rejects.toMatchObject({
      code: 'ENOENT',
      message: 'could not open /proc/0/ns/net: No such file or directory',
    });
  });
});
