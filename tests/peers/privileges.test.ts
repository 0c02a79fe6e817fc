/** What a yard may do once it runs: as root, and as an ordinary user. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  constants,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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

/** What it says, until `word` is there. */
async function textOf(child: ChildProcess, stream: 'stdout' | 'stderr', word: string): Promise<string> {
  let text = '';
  child[stream]?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await vi.waitUntil(() => text.includes(word), { timeout: 10_000 });
  return text;
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

  test('netyard that lies where only its owner may enter starts, and may read there', async () => {
    const home = join(runtime, 'home');
    const package_ = join(home, 'netyard');
    mkdirSync(join(package_, 'node_modules'), { recursive: true });
    const root = dirname(dirname(dirname(PROGRAM)));
    cpSync(join(root, 'package.json'), join(package_, 'package.json'));
    cpSync(join(root, 'dist', 'program'), join(package_, 'dist', 'program'), { recursive: true });
    cpSync(join(root, 'native', 'build'), join(package_, 'native', 'build'), { recursive: true });
    cpSync(realpathSync(join(root, 'node_modules', 'commander')), join(package_, 'node_modules', 'commander'), {
      recursive: true,
    });
    cpSync(process.execPath, join(home, 'node'));
    chownSync(home, 54321, 54321);
    chmodSync(home, 0o700);
    const reading = (BigInt(`0x${NETWORK}`) | 2n).toString(16).padStart(16, '0');
    for (const [node, main] of [
      [process.execPath, join(package_, 'dist/program/main.js')],
      [join(home, 'node'), PROGRAM],
    ] as const) {
      const yard = await startDaemon({ name: 'home', runtime, program: [node, main] });
      expect(rights(yard.pid)).toContain(`CapPrm:\t${reading}`);
      expect(await yard.end()).toBe(0);
    }
    rmSync(home, { recursive: true });
  });

  test('a start with fewer rights that fails when they are gone already says so, and ends', () => {
    const broken = join(runtime, 'broken');
    writeFileSync(broken, 'no program', { mode: 0o755 });
    const first = `data:text/javascript,process.execPath=${JSON.stringify(broken)}`;
    const ended = spawnSync(process.execPath, ['--import', first, PROGRAM, '-name', 'broken'], {
      env: { ...process.env, XDG_RUNTIME_DIR: runtime },
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect([ended.status, ended.stderr]).toEqual([
      1,
      `netyard: cannot start anew with fewer rights: ${broken}: ENOEXEC\n`,
    ]);
  });

  test('a signal that comes just before the new start ends the yard', () => {
    const first = `data:text/javascript,const path = process.execPath; Object.defineProperty(process, 'execPath', { get: () => {
      process.kill(process.pid, 'SIGTERM');
      return path;
    } });`;
    const ended = spawnSync(process.execPath, ['--import', first.replaceAll('\n', ''), PROGRAM, '-name', 'signal'], {
      env: { ...process.env, XDG_RUNTIME_DIR: runtime },
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect([ended.signal, ended.stdout]).toEqual(['SIGTERM', '']);
  });

  test('a yard that cannot give up its rights says so', async () => {
    const yard = spawn(process.execPath, [PROGRAM, '-name', 'channel'], {
      env: { ...process.env, XDG_RUNTIME_DIR: runtime },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    expect((await textOf(yard, 'stderr', '\n')).split('\n')[0]).toBe(
      'netyard: warning: this process has more rights than it needs: its parent talks to it over a channel of Node, which would end',
    );
    yard.kill();
    await once(yard, 'exit');
  });

  test('standard streams that are shared with others block again after the end', async () => {
    const words = ['-c', '"$@"; grep flags /proc/self/fdinfo/1 /proc/self/fdinfo/2', 'sh', process.execPath, PROGRAM];
    const shell = spawn('sh', [...words, '-name', 'flags'], {
      env: { ...process.env, XDG_RUNTIME_DIR: runtime },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    await textOf(shell, 'stdout', 'stop:');
    const rest = textOf(shell, 'stdout', 'fdinfo/2');
    process.kill(Number(readFileSync(`/proc/${shell.pid}/task/${shell.pid}/children`, 'utf8')));
    const flags = [...(await rest).matchAll(/flags:\s*([0-7]+)/g)].map(([, octal]) => Number.parseInt(octal ?? '', 8));
    expect(flags.map((bits) => bits & constants.O_NONBLOCK)).toEqual([0, 0]);
  });

  test('on a terminal, nothing that Node opened before it started anew is left', async () => {
    /** How many descriptors of a yard are its terminal. */
    const terminals = async (env: NodeJS.ProcessEnv): Promise<number> => {
      const script = spawn('script', ['-qec', `exec ${process.execPath} ${PROGRAM} -name terminal`, '/dev/null'], {
        env: { ...process.env, XDG_RUNTIME_DIR: runtime, SHELL: '/bin/sh', ...env },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await textOf(script, 'stdout', 'stop:');
      const pid = Number(readFileSync(`/proc/${script.pid}/task/${script.pid}/children`, 'utf8'));
      const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
      process.kill(pid);
      await once(script, 'exit');
      return links.filter((link) => link.startsWith('/dev/pts/')).length;
    };
    expect(await terminals({})).toBe(await terminals({ NETYARD_RESTARTED: '1' }));
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
