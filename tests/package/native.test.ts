/**
 * The native layer as a user gets it: prebuilt in the tarball, absent on a machine it was not built for, and compiled there
 * from the sources that ship. The tarball is of a copy of the tree, installed into an empty project without scripts.
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findProgram } from '../kit/peers.ts';

const run = promisify(execFile);
const root = new URL('../..', import.meta.url).pathname;
const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Report {
  readonly native: { readonly path?: string; readonly reason?: string };
  readonly netdevs: readonly { readonly type: string; readonly verdict: string; readonly notes: readonly string[] }[];
}

let folder = '';
let installed = '';

/** Runs the installed program to its end; one that does not end by itself is ended. */
function netyard(args: readonly string[], options: { uid?: number; cache?: string } = {}): Promise<Outcome> {
  const { uid } = options;
  const child = spawn(process.execPath, [join(installed, 'dist/program/main.js'), ...args], {
    cwd: '/',
    timeout: 60_000,
    env: { PATH: process.env['PATH'], XDG_CACHE_HOME: options.cache ?? join(folder, 'no-cache') },
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ status: code ?? -1, stdout, stderr })));
}

async function report(options: { uid?: number; cache?: string } = {}): Promise<Report> {
  return JSON.parse((await netyard(['doctor', '--json'], options)).stdout) as Report;
}

function verdict({ netdevs }: Report, type: string): string | undefined {
  return netdevs.find((finding) => finding.type === type)?.verdict;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'netyard-native-'));
  // Another user goes in too.
  chmodSync(folder, 0o755);
  const sources = join(folder, 'sources');
  for (const path of [
    'package.json',
    'src',
    'schema',
    'native',
    'tools',
    'tsconfig.base.json',
    'tsconfig.build.json',
  ]) {
    cpSync(join(root, path), join(sources, path), { recursive: true });
  }
  rmSync(join(sources, 'native/build'), { recursive: true, force: true });
  symlinkSync(join(root, 'node_modules'), join(sources, 'node_modules'));
  await run('npm', ['pack', '--pack-destination', folder], { cwd: sources });
  const consumer = join(folder, 'consumer');
  mkdirSync(consumer);
  writeFileSync(join(consumer, 'package.json'), JSON.stringify({ name: 'consumer', private: true }));
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '';
  const flags = ['--ignore-scripts', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund'];
  await run('npm', ['install', ...flags, join(folder, tarball)], { cwd: consumer });
  installed = join(consumer, 'node_modules/netyard');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('prebuilt', () => {
  it('is what doctor finds', async () => {
    const { native } = await report();
    expect(native.path).toBe(join(installed, 'prebuilds', `linux-${process.arch}`, 'glibc.node'));
  });

  const header = (path: string): string =>
    execFileSync('readelf', ['-h', '-d', join(installed, 'prebuilds', path)], { encoding: 'utf8' });

  it.each([
    ['linux-arm64/glibc.node', 'AArch64', 'libc.so.6'],
    ['linux-x64/glibc.node', 'X86-64', 'libc.so.6'],
    ['linux-x64/musl.node', 'X86-64', 'libc.so'],
  ])('%s is for %s with %s', (path, machine, library) => {
    expect(header(path)).toMatch(new RegExp(`Machine:.*${machine}`));
    expect(header(path)).toContain(`[${library}]`);
  });
});

describe('without it', () => {
  beforeAll(() => renameSync(join(installed, 'prebuilds'), join(folder, 'prebuilds')));

  it('doctor says so, and what runs all the same', async () => {
    const all = await report();
    expect(all.native.reason).toContain('netyard doctor --build');
    expect(verdict(all, 'tap')).toBe('no');
    expect(verdict(all, 'user')).toBe('partly');
    expect(verdict(all, 'hubport')).toBe('yes');
  });

  it('asked for a type that cannot run, doctor ends with 1', async () => {
    expect((await netyard(['doctor', 'tap'])).status).toBe(1);
    expect((await netyard(['doctor', 'hubport', 'user'])).status).toBe(0);
  });

  it('a yard of plain netdevs runs', async () => {
    const started = spawn(process.execPath, [
      join(installed, 'dist/program/main.js'),
      ...['-nodefaults', '-netdev', 'user,id=u', '-netdev', 'hubport,id=h,hubid=0,netdev=u', '-qmp', 'stdio'],
    ]);
    let said = '';
    started.stdout.on('data', (text) => {
      said += text;
      if (said.includes('"QMP"')) started.stdin.write('{"execute":"qmp_capabilities"}{"execute":"quit"}\n');
    });
    const status = await new Promise((resolve) => started.on('close', resolve));
    expect(status, said).toBe(0);
  });

  it.each([
    ['-nodefaults', '-netdev', 'tap,id=t,script=no,downscript=no'],
    ['netns', '--', 'true'],
  ])('%s %s says what is missing and the command that tells more', async (...args) => {
    const { status, stderr } = await netyard(args);
    expect(status).toBe(1);
    expect(stderr).toMatch(/need the native layer: see `netyard doctor`/);
  });
});

describe('compiled from the sources that ship', () => {
  it.skipIf(!isRoot)('into the cache of a user who cannot write the package', async () => {
    const cache = join(folder, 'cache');
    mkdirSync(cache);
    execFileSync('chown', [String(NOBODY), cache]);
    const user = { uid: NOBODY, cache };
    const { status, stderr } = await netyard(['doctor', '--build'], user);
    expect(status, stderr).toBe(0);
    const { native } = await report(user);
    expect(native.path).toMatch(new RegExp(`^${cache}/netyard/.*\\.node$`));
    expect(existsSync(join(installed, 'native/build'))).toBe(false);
    // What somebody else could have put there is not loaded, by root least of all.
    expect((await report({ cache })).native.reason).toBeDefined();
  });

  it('into the package of who owns it', async () => {
    const { status, stderr } = await netyard(['doctor', '--build']);
    expect(status, stderr).toBe(0);
    const all = await report();
    expect(all.native.path).toBe(join(installed, 'native/build/netyard.node'));
    expect(verdict(all, 'vde')).toBe('yes');
  });

  it.skipIf(findProgram('unshare') === undefined || !existsSync('/dev/net/tun'))('and then it works', async () => {
    const { status, stdout, stderr } = await netyard(['netns', '--', 'cat', '/proc/net/route']);
    expect(status, stderr).toBe(0);
    expect(stdout).toContain('tap0');
  });
});
