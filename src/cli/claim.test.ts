import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claimName, holderOf, NameTakenError } from './claim.ts';

let root: string;
let directory: string;
const make = () => {
  mkdirSync(directory, { recursive: true });
  return directory;
};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'netyard-claim-'));
  directory = join(root, 'yard');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Another process that claims the name and holds it until killed; resolves to what it printed first. */
async function rival(): Promise<{ word: string; pid: number; kill: () => Promise<void> }> {
  const script = `
    import { claimName } from ${JSON.stringify(new URL('./claim.ts', import.meta.url).href)};
    import { mkdirSync } from 'node:fs';
    try {
      await claimName(() => { mkdirSync(${JSON.stringify(directory)}, { recursive: true }); return ${JSON.stringify(directory)}; });
      console.log('won');
      setInterval(() => {}, 1000);
    } catch (error) { console.log(error.name); }`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const word = await new Promise<string>((resolve) =>
    child.stdout.once('data', (data: Buffer) => resolve(data.toString().trim())),
  );
  return {
    word,
    pid: child.pid!,
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

describe('claimName', () => {
  it('is free again after release, and leaves no directory', async () => {
    const claim = await claimName(make);
    expect(holderOf(directory)).toBeUndefined();
    expect(readdirSync(directory)).toHaveLength(1);
    claim.release();
    expect(existsSync(directory)).toBe(false);
  });

  it('a directory that cannot be removed is left, and the end is no failure', async () => {
    const real = join(root, 'real');
    mkdirSync(real);
    symlinkSync(real, directory);
    const claim = await claimName(() => directory);
    claim.release();
    expect(readdirSync(real)).toEqual([]);
    expect(existsSync(directory)).toBe(true);
  });

  it('names the live holder, and needs no cleaning after kill -9', async () => {
    const holder = await rival();
    try {
      expect(holder.word).toBe('won');
      expect(holderOf(directory)).toBe(holder.pid);
      const refused = await claimName(make).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(NameTakenError);
      expect((refused as NameTakenError).pid).toBe(holder.pid);
    } finally {
      await holder.kill();
    }
    const claim = await claimName(make);
    claim.release();
  });

  it('does not take a reused pid for the holder', async () => {
    make();
    writeFileSync(join(directory, `claim.${process.ppid}.1`), 'running\n');
    (await claimName(make)).release();
  });

  // What belongs to root cannot be asked by a signal: its start time can, unless /proc is mounted with hidepid=2.
  it.each([
    ['does not take a reused pid of another user for the holder', ''],
    [
      'nor where /proc hides it',
      "const fs = (await import('node:module')).createRequire('/')('node:fs'); const read = fs.readFileSync; fs.readFileSync = (path, ...rest) => { if (path === '/proc/1/stat') throw Object.assign(new Error(), { code: 'ENOENT' }); return read(path, ...rest); }; (await import('node:module')).syncBuiltinESMExports();",
    ],
  ])('%s', async (_, hide) => {
    make();
    writeFileSync(join(directory, 'claim.1.99'), 'running\n');
    const script = `
      ${hide}
      import { claimName } from ${JSON.stringify(new URL('./claim.ts', import.meta.url).href)};
      if (process.getuid() === 0) process.setuid(65534);
      try { process.kill(1, 0); } catch (error) { console.log(error.code); }
      const claim = await claimName(() => ${JSON.stringify(directory)});
      console.log('won');`;
    chmodSync(root, 0o777);
    chmodSync(directory, 0o777);
    const claimed = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
    expect(claimed.stdout.toString()).toBe('EPERM\nwon\n');
  });

  it('of six starts at once one wins', async () => {
    const rivals = await Promise.all(Array.from({ length: 6 }, rival));
    try {
      expect(rivals.map(({ word }) => word).sort()).toEqual([...Array(5).fill('NameTakenError'), 'won']);
    } finally {
      await Promise.all(rivals.map(({ kill }) => kill()));
    }
  });
});
