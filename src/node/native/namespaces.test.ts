/** forkInto against the kernel: a child enters a network namespace, opens there and passes descriptors back. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeNative } from '../../../tests/kit/native.ts';
import { addon } from '../../../tests/kit/native-host.ts';
import { until as waitUntil } from '../../../tests/kit/until.ts';
import type { NamespaceStep } from '../../net/index.ts';
import { encodeSteps } from '../kernel/namespace-steps.ts';

const O_RDONLY_CLOEXEC = 0o2000000;
const SIGKILL = 9;
const WNOHANG = 1;
const NETNS = `ny-fork-${process.pid}`;
const canMakeNamespaces = process.getuid?.() === 0 && spawnSync('ip', ['netns', 'add', NETNS]).status === 0;
const canMakeContainers =
  canMakeNamespaces && spawnSync('unshare', ['--user', '--net', '--mount', 'true']).status === 0;

interface Answer {
  index: number;
  errno: number;
  body: Uint8Array;
  descriptor: number | undefined;
}

/** All answers of one child, read as they come (the socket blocks nobody: it is polled until the child ended). */
async function run(steps: readonly NamespaceStep[], user = -1, net = -1, mount = -1): Promise<Answer[]> {
  const { calls, forkInto, receiveDescriptors, errnoName } = addon();
  const out = new Int32Array(2);
  expect(forkInto(user, net, mount, encodeSteps(steps), out)).toBe(0);
  const [pid = 0, socket = -1] = out;
  const answers: Answer[] = [];
  const bytes = new Uint8Array(64);
  const passed = new Int32Array(4);
  for (;;) {
    const got = receiveDescriptors(socket, bytes, 0, 64, passed);
    if (got < 0 && errnoName(-got) === 'EAGAIN') {
      await new Promise((resolve) => setImmediate(resolve));
      continue;
    }
    if (got <= 0) break;
    const words = new DataView(bytes.buffer);
    answers.push({
      index: words.getInt32(0, true),
      errno: words.getInt32(4, true),
      body: bytes.slice(8, got),
      descriptor: passed[0] === 1 ? passed[2] : undefined,
    });
  }
  calls.close(socket);
  calls.waitpid(pid, 0);
  return answers;
}

function ifreq(name: string): Uint8Array {
  const request = new Uint8Array(40);
  new TextEncoder().encodeInto(name, request);
  new DataView(request.buffer).setUint16(16, 0x1002, true); // IFF_TAP | IFF_NO_PI
  return request;
}

/** RTM_NEWLINK (16) of an interface index that does not exist, or of lo with IFF_UP. */
function setUp(index: number): NamespaceStep {
  const message = new Uint8Array(32);
  const words = new DataView(message.buffer);
  words.setUint16(4, 16, true);
  words.setInt32(20, index, true);
  words.setUint32(24, 1, true);
  words.setUint32(28, 1, true);
  return { kind: 'netlink', message };
}

const inNamespace = (...command: string[]): string =>
  spawnSync('ip', ['netns', 'exec', NETNS, ...command], { encoding: 'utf8' }).stdout;

afterAll(() => {
  if (canMakeNamespaces) spawnSync('ip', ['netns', 'del', NETNS]);
});

describeNative('forkInto', () => {
  it('opens a socket where nothing is entered, and leaves no child and no descriptor', async () => {
    const before = readdirSync('/proc/self/fd').length;
    const answers = await run([{ kind: 'socket', domain: 2, type: 2, protocol: 0 }]);
    expect(answers).toMatchObject([{ index: 0, errno: 0 }]);
    expect(addon().calls.close(answers[0]?.descriptor as number)).toBe(0);
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  });

  it('says which namespace could not be entered', async () => {
    const file = addon().calls.open('/dev/null', O_RDONLY_CLOEXEC, 0);
    const EINVAL = 22;
    expect(await run([], file)).toMatchObject([{ index: -1, errno: EINVAL }]);
    expect(await run([], -1, file)).toMatchObject([{ index: -2, errno: EINVAL }]);
    expect(await run([], -1, -1, file)).toMatchObject([{ index: -3, errno: EINVAL }]);
    addon().calls.close(file);
  });

  it('stays in the user namespace it is in already', async () => {
    const own = addon().calls.open('/proc/self/ns/user', O_RDONLY_CLOEXEC, 0);
    expect(await run([], own)).toEqual([]);
    addon().calls.close(own);
  });

  it('refuses steps that are not laid out as they should be', () => {
    const out = new Int32Array(2);
    const word = (...values: number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer);
    const wrong = [
      word(1),
      word(1, 39, ...new Array(10).fill(0)),
      word(2, 12, 0),
      word(2, -1),
      word(2, 0x7fffffff),
      word(3, 8, 0, 0),
      word(4, 4, 0x61616161),
      word(4, 4, 0x00616161),
      word(4, 4, 0),
      word(4, 0),
      word(9, 0),
      word(0, 0),
      new Uint8Array(70_000),
    ];
    for (const steps of wrong)
      expect(() => addon().forkInto(-1, -1, -1, steps, out), String(steps)).toThrow(RangeError);
    expect(() => addon().forkInto(-1, -1, -1, new Uint8Array(0), new Int32Array(1))).toThrow(RangeError);
  });

  it('kills and waits for its own children only', async () => {
    const { calls, forkInto, errnoName } = addon();
    const name = (result: number): string => (result < 0 ? errnoName(-result) : String(result));
    expect(name(calls.kill(process.pid, 0))).toBe('ESRCH');
    expect(name(calls.kill(-1, 0))).toBe('ESRCH');
    expect(name(calls.kill(0, 0))).toBe('ESRCH');
    expect(name(calls.waitpid(process.ppid, WNOHANG))).toBe('ECHILD');
    const out = new Int32Array(2);
    forkInto(-1, -1, -1, new Uint8Array(0), out);
    const [pid = 0, socket = -1] = out;
    expect(calls.kill(pid, SIGKILL)).toBe(0);
    const status = calls.waitpid(pid, 0);
    expect([0, SIGKILL]).toContain(status);
    expect(name(calls.kill(pid, 0))).toBe('ESRCH');
    expect(name(calls.waitpid(pid, 0))).toBe('ECHILD');
    calls.close(socket);
  });

  describe.skipIf(!canMakeNamespaces)('as root', () => {
    let net = -1;
    beforeAll(() => {
      net = addon().calls.open(`/run/netns/${NETNS}`, O_RDONLY_CLOEXEC, 0);
    });
    afterAll(() => {
      addon().calls.close(net);
    });

    it('makes a tap in a network namespace and configures it', async () => {
      const answers = await run([{ kind: 'tun', request: ifreq('fork%d') }, setUp(1)], -1, net);
      expect(answers).toMatchObject([
        { index: 0, errno: 0 },
        { index: 1, errno: 0 },
      ]);
      expect(new TextDecoder().decode(answers[0]?.body).split('\0')[0]).toBe('fork0');
      expect(inNamespace('ip', '-o', 'link')).toMatch(/fork0.*/);
      expect(inNamespace('ip', '-o', 'link', 'show', 'lo')).toContain('UP');
      addon().calls.close(answers[0]?.descriptor as number);
      expect(inNamespace('ip', '-o', 'link')).not.toContain('fork0');
    });

    it.skipIf(!canMakeContainers)('makes a tap in the namespaces of a container, with its own mounts', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'ny-mounts-'));
      const target = '/etc/hostname';
      const container = spawn('unshare', ['--user', '--map-root-user', '--net', '--mount', 'sleep', '30']);
      try {
        const names = ['user', 'net', 'mnt'];
        // The last one is entered after the others: from then on it is `sleep`, not `unshare`.
        await waitUntil(() => readFileSync(`/proc/${container.pid}/comm`, 'utf8') === 'sleep\n');
        const [user, theirNet, mount] = names.map((one) =>
          addon().calls.open(`/proc/${container.pid}/ns/${one}`, O_RDONLY_CLOEXEC, 0),
        ) as [number, number, number];
        const hidden: NamespaceStep = { kind: 'mount-file', folder, target, text: 'x' };
        const steps: NamespaceStep[] = [{ kind: 'tun', request: ifreq('tap0') }, setUp(1), hidden];
        const answers = await run(steps, user, theirNet, mount);
        expect(answers.map(({ index, errno }) => [index, errno])).toEqual([
          [0, 0],
          [1, 0],
          [2, 0],
        ]);
        expect(readFileSync(`/proc/${container.pid}/net/dev`, 'utf8')).toContain('tap0:');
        expect(readFileSync(`/proc/${container.pid}/mountinfo`, 'utf8')).toContain(` ${target} `);
        expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(` ${target} `);
        for (const fd of [user, theirNet, mount, answers[0]?.descriptor ?? -1]) addon().calls.close(fd);
      } finally {
        container.kill();
        rmSync(folder, { recursive: true });
      }
    });

    it('ends with the first step that fails', async () => {
      const answers = await run([setUp(4711), { kind: 'socket', domain: 2, type: 2, protocol: 0 }], -1, net);
      const ENODEV = 19;
      expect(answers).toMatchObject([{ index: 0, errno: ENODEV, descriptor: undefined }]);
    });
  });
});
