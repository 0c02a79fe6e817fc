/**
 * Compiles the addon with a C compiler and nothing else: from a clone (tools/build-native.mjs) and from the installed
 * package (`netyard doctor --build`), which both have this file beside the sources.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = dirname(fileURLToPath(import.meta.url));
const isSource = (name) => name.endsWith('.c') || name.endsWith('.h');

/** The folder with node_api.h and uv.h that fits this Node, or undefined. */
export function findHeaders(env = process.env) {
  const prefixes = [
    dirname(dirname(process.execPath)),
    env['npm_config_nodedir'],
    // Where node-gyp keeps those it downloaded.
    join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'node-gyp', process.versions.node),
    '/usr',
  ];
  return prefixes
    .filter((prefix) => prefix !== undefined && prefix !== '')
    .map((prefix) => join(prefix, 'include', 'node'))
    .find((path) => existsSync(join(path, 'node_api.h')) && existsSync(join(path, 'uv.h')));
}

/** The compiler to use: $CC, or the first of cc, gcc and clang that runs; undefined if there is none. */
export function findCompiler(env = process.env) {
  const wanted = env['CC'] ? [env['CC']] : ['cc', 'gcc', 'clang'];
  return wanted.find((program) => {
    try {
      execFileSync(program, ['--version'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}

/** Whether `target` is newer than every source. */
export function isCurrent(target) {
  if (!existsSync(target)) return false;
  const made = statSync(target).mtimeMs;
  // The folder's own time tells of removed and renamed files.
  return [folder, ...sources(isSource), fileURLToPath(import.meta.url)].every((path) => statSync(path).mtimeMs < made);
}

/**
 * Compiles into `target`, which appears whole or not at all: a program that has the old one loaded keeps it.
 * @throws Error whose message is what the compiler said.
 */
export function compile({ compiler, headers, target, flags = [] }) {
  mkdirSync(dirname(target), { recursive: true });
  const unfinished = `${target}.${process.pid}`;
  try {
    execFileSync(
      compiler,
      [
        ...['-std=c11', '-O2', '-g0', '-Wall', '-Wextra', '-fPIC', '-fvisibility=hidden', '-shared'],
        ...['-Wl,-z,relro,-z,now', '-DNAPI_VERSION=8', ...flags],
        ...['-I', headers, '-o', unfinished, ...sources((name) => name.endsWith('.c')), '-pthread'],
      ],
      { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' },
    );
    renameSync(unfinished, target);
  } catch (error) {
    rmSync(unfinished, { force: true });
    const said = typeof error.stderr === 'string' ? error.stderr.trim() : '';
    throw new Error(`${basename(compiler)} failed: ${said === '' ? error.message : said}`, { cause: error });
  }
}

function sources(wanted) {
  return readdirSync(folder)
    .filter(wanted)
    .sort()
    .map((name) => join(folder, name));
}
