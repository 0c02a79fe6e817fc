/** The built program as a person meets it: start, what it prints, its files, a name taken, its end. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Daemon, PROGRAM, startDaemon } from '../kit/guest/daemon.ts';

let runtime = '';
beforeAll(() => {
  runtime = mkdtempSync(join(tmpdir(), 'ny-'));
});
afterAll(() => rmSync(runtime, { recursive: true, force: true }));

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function netyard(args: readonly string[], environment: Record<string, string> = {}): Promise<Ended> {
  const env = { ...process.env, XDG_RUNTIME_DIR: runtime, XDG_STATE_HOME: `${runtime}/state`, ...environment };
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, ...args], { env, timeout: 20_000 }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ status, stdout, stderr });
    });
  });
}

const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe('the default yard', () => {
  let yard: Daemon;
  let printed = '';
  beforeAll(async () => {
    yard = await startDaemon({ name: 'life', runtime });
    await vi.waitUntil(() => yard.output().includes('stop:'), { timeout: 5000 });
    printed = yard.output();
  });
  afterAll(async () => {
    await yard?.end();
  });

  test('prints addresses, how to attach QEMU, its own command line and how to stop', () => {
    expect(printed).toContain(yard.qmpSocket);
    expect(printed).toMatch(/-netdev stream,id=\w+,server=off,addr\.type=unix,addr\.path=\S+guests\.sock/);
    expect(printed).toContain('net=10.0.2.0');
    expect(printed).toMatch(/^ {2}netyard -name life -netdev user,id=user .*-qmp unix:/m);
    expect(printed).toContain('netyard stop life');
  });

  test('keeps its sockets to its user', () => {
    expect(mode(join(runtime, 'netyard/life'))).toBe('700');
    expect(mode(yard.guestSocket)).toBe('600');
    expect(mode(yard.qmpSocket)).toBe('600');
  });

  test('listens on nothing but unix sockets', () => {
    const listening = ['tcp', 'tcp6'].flatMap((family) =>
      readFileSync(`/proc/${yard.pid}/net/${family}`, 'utf8')
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
        .filter((fields) => fields[3] === '0A')
        .map((fields) => `socket:[${fields[9]}]`),
    );
    const mine = readdirSync(`/proc/${yard.pid}/fd`).flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/${yard.pid}/fd/${fd}`)];
      } catch {
        return [];
      }
    });
    expect(mine.filter((link) => listening.includes(link))).toEqual([]);
  });

  test('refuses a second one of its name, and says who has it', async () => {
    const second = await netyard(['-name', 'life']);
    expect(second.status).toBe(1);
    expect(second.stderr).toContain(`pid ${yard.pid}`);
    expect(second.stderr).toContain('-name');
    expect(await yard.qmp.execute('query-status')).toMatchObject({ status: 'running' });
  });

  test('answers netyard qmp and netyard status', async () => {
    const version = await netyard(['qmp', 'life', 'query-name']);
    expect(JSON.parse(version.stdout)).toEqual({ name: 'life' });
    const wrong = await netyard(['qmp', 'life', 'netdev_del', 'id=nope']);
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toContain("Device 'nope' not found");
    const status = await netyard(['status', 'life']);
    expect(status.stdout).toMatch(/^user +user +up/m);
    expect(status.stdout).toMatch(/^guests +listener/m);
  });

  test('has a shell', async () => {
    const shell = spawn(process.execPath, [PROGRAM, 'qmp', 'life'], {
      env: { ...process.env, XDG_RUNTIME_DIR: runtime, XDG_STATE_HOME: `${runtime}/state` },
    });
    let output = '';
    shell.stdout.on('data', (data: Buffer) => {
      output += data.toString();
    });
    const ended = once(shell, 'exit');
    shell.stdin.end(
      'query-name\nnetdev_add {"type": "hubport", "id": "sh", "hubid": 9}\nnope\nnetdev_del id=sh\nexit\n',
    );
    expect((await ended)[0]).toBe(0);
    expect(output).toContain('"name": "life"');
    expect(output).toContain('CommandNotFound: The command nope has not been found');
    expect(output.split('(QMP) {')).toHaveLength(4);
  });

  test('is the same when started by the line that it printed', async () => {
    const describeYard = async (daemon: Daemon): Promise<unknown> => ({
      clients: (await daemon.qmp.execute<Record<string, unknown>[]>('query-net-clients')).map(
        ({ name, type, info }) => ({
          name,
          type,
          info,
        }),
      ),
      files: readdirSync(join(runtime, 'netyard/life')).filter((name) => name.endsWith('.sock')),
      line: /^ {2}netyard .*$/m.exec(daemon.output())?.[0],
    });
    const before = await describeYard(yard);
    expect(await yard.end()).toBe(0);
    const words = (/^ {2}netyard (.*)$/m.exec(printed)?.[1] ?? '').split(' ');
    yard = await startDaemon({ name: 'life', runtime, args: words.slice(2) });
    await expect.poll(() => yard.output()).toContain('stop:');
    expect(await describeYard(yard)).toEqual(before);
  });

  test('starts again after kill -9', async () => {
    expect(await yard.end('SIGKILL')).toBe('SIGKILL');
    expect(existsSync(yard.qmpSocket)).toBe(true);
    yard = await startDaemon({ name: 'life', runtime });
    expect(await yard.qmp.execute('query-status')).toMatchObject({ status: 'running' });
  });

  test('ends on Ctrl-C, says so to its monitors, and leaves nothing behind', async () => {
    const said = yard.qmp.event(({ event }) => event === 'SHUTDOWN');
    process.kill(yard.pid, 'SIGINT');
    expect((await said).data).toEqual({ guest: false, reason: 'host-signal' });
    expect(await yard.exited).toBe(0);
    expect(existsSync(join(runtime, 'netyard/life'))).toBe(false);
  });
});

test('of several that start at once under one name, one wins', async () => {
  const starts = await Promise.allSettled([1, 2, 3, 4].map(() => startDaemon({ name: 'race', runtime })));
  // Each loser sees the winner's monitor too, so what counts is who is still running.
  const running = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  await expect.poll(() => running.filter(({ pid }) => existsSync(`/proc/${pid}`)).length, { timeout: 10_000 }).toBe(1);
  const statuses = await Promise.all(running.map((daemon) => daemon.end()));
  expect(statuses.filter((status) => status === 0).length).toBe(1);
  expect(existsSync(join(runtime, 'netyard/race'))).toBe(false);
});

test('netyard stop ends a yard and waits for it', async () => {
  const yard = await startDaemon({ name: 'halt', runtime });
  const stopped = await netyard(['stop', 'halt']);
  expect(stopped).toMatchObject({ status: 0 });
  expect(existsSync(join(runtime, 'netyard/halt'))).toBe(false);
  expect(await yard.exited).toBe(0);
  expect((await netyard(['stop', 'halt'])).status).toBe(1);
});

test('a mistake in an option is told before a name that is taken', async () => {
  const yard = await startDaemon({ name: 'taken', runtime });
  const help = await netyard(['-name', 'taken', '-netdev', 'help']);
  expect(help).toMatchObject({ status: 0, stderr: '' });
  expect(help.stdout).toContain('Available netdev backend types:');
  const start = (...options: string[]) => netyard(['-name', 'taken', ...options]).then(({ stderr }) => stderr);
  expect(await start('-netdev', 'user,id=a,hostfwd=tcp::x-:22')).toContain('(Bad host port)');
  expect(await start('-qmp', 'bogus:x')).toContain('netyard: -qmp bogus:x: ');
  expect(await start('-netdev', 'passt,id=a')).toBe(
    "netyard: -netdev passt,id=a: network backend 'passt' is not compiled into this binary\n" +
      'not in this version: `user` does the same\n',
  );
  expect(await start('-netdev', 'user,id=a')).toContain("a yard named 'taken' is running");
  expect(await yard.end()).toBe(0);
});

test('a yard without a door says how to give it one', async () => {
  const yard = await startDaemon({
    name: 'doorless',
    runtime,
    args: ['-name', 'doorless', '-netdev', 'user,id=u0,hostfwd=tcp:127.0.0.1:0-:22'],
  });
  const option = `-netdev listener,id=guests,addr.type=unix,addr.path=${runtime}/netyard/doorless/guests.sock`;
  await expect.poll(() => yard.output()).toContain(`netyard: no guest can join this yard: add ${option}\n`);
  expect(await yard.end()).toBe(0);
});

test('the shell of netyard qmp explains itself, and quit leaves it and not the yard', async () => {
  const yard = await startDaemon({ name: 'shell', runtime });
  const shell = spawn(process.execPath, [PROGRAM, 'qmp', 'shell'], {
    env: { ...process.env, XDG_RUNTIME_DIR: runtime },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  shell.stdout.on('data', (bytes) => {
    said += String(bytes);
  });
  const add = 'netdev_add type=user id=u1 net=10.9.0.0/24 hostfwd=tcp:127.0.0.1:0-:22';
  shell.stdin.write(`help set_link\nset_link alice on\n${add}\nquit\nquery-status\n`);
  const [status] = (await once(shell, 'exit')) as [number];
  expect(status).toBe(0);
  expect(said).toContain('set_link name=TEXT up=on|off');
  expect(said).toContain('write: set_link name=alice up=on');
  expect(said).not.toContain('running');
  expect(await yard.qmp.execute('query-net-forwards', { id: 'u1' })).toMatchObject([{ 'guest-port': 22 }]);
  expect(await yard.end()).toBe(0);
});

test('quit over QMP ends the program', async () => {
  const yard = await startDaemon({ name: 'quit', runtime });
  await yard.qmp.execute('quit');
  expect(yard.qmp.events.at(-1)).toMatchObject({ event: 'SHUTDOWN', data: { guest: false, reason: 'host-qmp-quit' } });
  expect(await yard.exited).toBe(0);
  expect(yard.output()).toContain("netyard: terminating on the command 'quit'");
});

test('a yard whose wires wait for nothing runs until it is told to stop', async () => {
  const args = ['-nodefaults', '-netdev', 'user,id=u0', '-netdev', 'hubport,id=h0,hubid=0,netdev=u0'];
  const yard = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  yard.stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  let printed = '';
  yard.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  await vi.waitUntil(() => printed.includes('stop:'), { timeout: 10_000 });
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(yard.exitCode).toBeNull();
  yard.kill('SIGTERM');
  expect(await once(yard, 'exit')).toEqual([0, null]);
  expect(text).toContain('netyard: terminating on SIGTERM');
});

test('no text goes where a wire or a monitor is', async () => {
  const wire = ['-nodefaults', '-netdev', 'user,id=u0', '-netdev', 'socket,id=w,fd=1'];
  const monitor = ['-chardev', 'socket,id=m,fd=3', '-mon', 'm,mode=control'];
  // Streams of child_process are sockets: number 3 is the monitor's here, number 1 the wire's.
  const yard = spawn(process.execPath, [PROGRAM, ...wire, ...monitor], {
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
  });
  let seen = '';
  yard.stdout?.on('data', (chunk: Buffer) => {
    seen += chunk.toString('latin1');
  });
  const client = yard.stdio[3] as Socket;
  let answer = '';
  client.on('data', (chunk: Buffer) => {
    answer += chunk.toString();
  });
  await vi.waitUntil(() => answer.includes('"QMP"'), { timeout: 10_000 });
  client.write('{"execute":"qmp_capabilities"}{"execute":"quit"}');
  await once(yard, 'exit');
  expect(seen).not.toContain('netyard');
});

test('with wait=on nothing exists before the first client', async () => {
  const qmp = join(runtime, 'waits.sock');
  const guests = join(runtime, 'waits-guests.sock');
  const listener = `listener,id=l,addr.type=unix,addr.path=${guests}`;
  const yard = spawn(process.execPath, [PROGRAM, '-nodefaults', '-netdev', listener, '-qmp', `unix:${qmp},server=on`], {
    stdio: 'ignore',
  });
  await vi.waitUntil(() => existsSync(qmp), { timeout: 10_000 });
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(existsSync(guests)).toBe(false);
  const client = connect(qmp);
  const [greeting] = (await once(client, 'data')) as [Buffer];
  expect(greeting.toString()).toContain('"QMP"');
  expect(existsSync(guests)).toBe(true);
  client.write('{"execute":"qmp_capabilities"}{"execute":"quit"}');
  expect(await once(yard, 'exit')).toEqual([0, null]);
});

test('a path that no socket can have is refused with the reason', async () => {
  const deep = join(runtime, 'x'.repeat(100));
  mkdirSync(deep);
  const refused = await netyard([], { XDG_RUNTIME_DIR: deep });
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain('107');
});

test.each([
  [['-foo'], 'netyard: -foo: invalid option\n'],
  [['--foo'], 'netyard: --foo: invalid option\n'],
])('%s is no option', async (args, text) => {
  expect(await netyard(args)).toEqual({ status: 1, stdout: '', stderr: text });
});

test('-x and --x are alike', async () => {
  const [one, two] = await Promise.all([netyard(['-version']), netyard(['--version'])]);
  expect(one).toEqual(two);
  expect(one.stdout).toMatch(/^netyard \d+\.\d+\.\d+\n$/);
});
