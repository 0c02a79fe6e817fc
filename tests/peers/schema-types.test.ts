/** Types written from a live QEMU: a program that uses them type-checks, a wrong one does not, and the right one runs. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { PROGRAM } from '../kit/guest/daemon.ts';
import { describePeer } from '../kit/peers.ts';

const root = new URL('../../', import.meta.url).pathname;
/** Inside the package, so that `netyard/qmp` is the package itself. */
const folder = join(root, '.cache/schema-types');
const socket = join(folder, 'q.sock');
const run = promisify(execFile);

const RIGHT = `
import { connect } from 'netyard/qmp';
import type { QemuSchema } from './qemu.ts';

await using session = await connect<QemuSchema>('unix:${socket}', { timeoutMs: 5000 });
await session.execute('device_add', { driver: 'virtio-net-pci', id: 'nic7' });
for (const drive of await session.execute('query-block')) {
  const { device, locked, inserted } = drive;
  console.log(device satisfies string, locked satisfies boolean, (inserted?.file ?? 'empty') satisfies string);
}
await session.execute('set_link', { name: 'nic7', up: false });
console.log((await session.execute('query-status')).status satisfies string);
`;

const WRONG = [
  "await session.execute('device_add', { id: 'nic7' });",
  "await session.execute('device_add', { driver: 1 });",
  "await session.execute('no-such-command');",
  "(await session.execute('query-block'))[0]!.locked satisfies string;",
];

async function typeErrors(name: string, text: string): Promise<string[]> {
  writeFileSync(join(folder, name), text);
  const settings = {
    extends: '../../tsconfig.base.json',
    compilerOptions: { noEmit: true, lib: ['es2023', 'esnext.disposable', 'dom'], types: ['node'] },
    files: [name],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
  try {
    await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder]);
    return [];
  } catch (error) {
    return (error as { stdout: string }).stdout.split('\n').filter((line) => line.includes('error TS'));
  }
}

describePeer('types from a live QEMU', ['qemu-system-x86_64'], () => {
  let qemu: ChildProcess;
  beforeAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    qemu = spawn('qemu-system-x86_64', [
      ...['-M', 'pc', '-accel', 'tcg', '-S', '-nodefaults', '-display', 'none'],
      ...['-drive', 'if=none,id=cd0,media=cdrom', '-device', 'ide-cd,drive=cd0'],
      ...['-qmp', `unix:${socket},server=on,wait=off`],
    ]);
    await vi.waitUntil(() => existsSync(socket), { timeout: 20_000 });
    const types = await run(process.execPath, [PROGRAM, 'schema', 'types', `qmp:${socket}`], { maxBuffer: 2 ** 24 });
    writeFileSync(join(folder, 'qemu.ts'), types.stdout);
  });
  afterAll(async () => {
    const ended = once(qemu, 'exit');
    qemu.kill();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });

  test('a program that uses them type-checks and runs', async () => {
    expect(await typeErrors('right.ts', RIGHT)).toEqual([]);
    const { stdout } = await run(process.execPath, ['--import', 'tsx', join(folder, 'right.ts')], { cwd: root });
    expect(stdout).toBe('cd0 false empty\nprelaunch\n');
  });

  test('what QEMU would refuse does not type-check', async () => {
    const prelude = RIGHT.split('\n').slice(0, 5).join('\n');
    const errors = await typeErrors('wrong.ts', `${prelude}\n${WRONG.join('\n')}\n`);
    const lines = errors.map((error) => Number(/\((\d+),/.exec(error)?.[1]) - 6);
    expect([...new Set(lines)], errors.join('\n')).toEqual([0, 1, 2, 3]);
  });
});
