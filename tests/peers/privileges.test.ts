/** What a yard may do once it runs: as root, and as an ordinary user. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { PROGRAM, startDaemon } from '../kit/guest/daemon.ts';

const NETWORK = '0000000000003400';
const NOTHING = '0000000000000000';

let runtime = '';
beforeAll(() => {
  runtime = mkdtempSync(join(tmpdir(), 'ny-rights-'));
});
afterAll(() => rmSync(runtime, { recursive: true, force: true }));

/** Of all threads: each different line once. */
function rights(pid: number): string[] {
  const lines = readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    const text = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8');
    return text.match(/^(CapPrm|CapEff|CapBnd|NoNewPrivs):.*$/gm) ?? [];
  });
  return [...new Set(lines)].sort();
}

describe.runIf(process.getuid?.() === 0)('as root', () => {
  test('a user without an entry in passwd, and without a home, has a yard', async () => {
    const env: NodeJS.ProcessEnv = { ...process.env };
    for (const name of ['HOME', 'XDG_RUNTIME_DIR', 'XDG_STATE_HOME', 'XDG_CACHE_HOME']) delete env[name];
    const words = [
      '--reuid',
      '54321',
      '--regid',
      '54321',
      '--clear-groups',
      process.execPath,
      PROGRAM,
      '-name',
      'nobody',
    ];
    const yard = spawn('setpriv', words, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    yard.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    await vi.waitUntil(() => text.includes('stop:'), { timeout: 10_000 });
    yard.kill();
    expect(await once(yard, 'exit')).toEqual([0, null]);
  });

  test('a yard with a monitor keeps the rights over the network, in every thread, and adds taps with scripts', async () => {
    const yard = await startDaemon({ name: 'rights', runtime, prefix: ['unshare', '-n'] });
    expect(rights(yard.pid)).toEqual([
      `CapBnd:\t${NETWORK}`,
      `CapEff:\t${NETWORK}`,
      `CapPrm:\t${NETWORK}`,
      'NoNewPrivs:\t1',
    ]);
    const said = join(runtime, 'said');
    const script = join(runtime, 'up');
    writeFileSync(script, `#!/bin/sh\nip link set "$1" up && ip link show "$1" > ${said}\n`);
    chmodSync(script, 0o755);
    const add = { type: 'tap', id: 't0', ifname: 'nyright0', script, downscript: 'no' };
    expect(await yard.qmp.execute('netdev_add', add)).toEqual({});
    expect(readFileSync(said, 'utf8')).toMatch(/nyright0: <[^>]*\bUP\b/);
    expect(await yard.end()).toBe(0);
  });

  test('a descriptor that a monitor names later is still the one the yard was started with', async () => {
    const prefix = ['sh', '-c', 'exec "$@" 7</etc/hostname', 'sh'];
    const yard = await startDaemon({ name: 'inherited', runtime, prefix });
    expect(rights(yard.pid)).toContain(`CapPrm:\t${NETWORK}`);
    expect(readlinkSync(`/proc/${yard.pid}/fd/7`)).toBe(realpathSync('/etc/hostname'));
    const add = yard.qmp.execute('netdev_add', { type: 'tap', id: 't0', fd: '7' });
    await expect(add).rejects.toThrow('Unable to query TUNGETIFF on FD 7: Inappropriate ioctl for device');
    expect(await yard.end()).toBe(0);
  });

  test('a program that the command line names keeps all rights', async () => {
    const args = ['-netdev', 'tap,id=t0,script=/bin/true,downscript=no'];
    const yard = await startDaemon({ name: 'script', runtime, args, prefix: ['unshare', '-n'] });
    const own = /^CapPrm:.*$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[0];
    expect(rights(yard.pid)).toContain(own);
    expect(await yard.end()).toBe(0);
  });

  test('an ordinary user gains nothing, unless a bridge may be asked for', async () => {
    const folder = join(runtime, 'other');
    chmodSync(runtime, 0o777);
    const start = (...args: string[]): ChildProcess =>
      spawn('setpriv', ['--reuid', '65534', '--regid', '65534', '--clear-groups', process.execPath, PROGRAM, ...args], {
        env: { ...process.env, XDG_RUNTIME_DIR: folder, HOME: runtime },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
    for (const [args, expected] of [
      [['-nodefaults', '-netdev', 'user,id=u0'], 'NoNewPrivs:\t1'],
      [['-name', 'ordinary'], 'NoNewPrivs:\t0'],
    ] as const) {
      const yard = start(...args);
      let text = '';
      yard.stdout?.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      await vi.waitUntil(() => text.includes('stop:'), { timeout: 10_000 });
      expect(rights(yard.pid ?? 0)).toEqual(expect.arrayContaining([`CapPrm:\t${NOTHING}`, expected]));
      yard.kill();
      await once(yard, 'exit');
    }
  });
});
