/** What a result has to say about where it was measured, and with which programs. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { ROOT } from './links.ts';

const text = (program: string, ...args: string[]): string => {
  const { stdout, stderr, error, status } = spawnSync(program, args, { encoding: 'utf8', cwd: ROOT, timeout: 5000 });
  return error === undefined && status === 0 ? `${stdout}${stderr}`.trim() : '';
};
const firstLine = (all: string): string => all.split('\n')[0] ?? '';

/** Programs that do not tell their version are asked for through the package they came in. */
function version(program: string): string {
  const told = firstLine(text(program, '--version'));
  if (told !== '' && !told.includes('unknown')) return told;
  const path = firstLine(text('which', program));
  const name = text('dpkg', '-S', path.replace(/^\/bin/, '/usr/bin')).split(':')[0] ?? '';
  return text('dpkg-query', '-W', name).replace('\t', ' ');
}

const PROGRAMS = ['slirp4netns', 'pasta', 'iperf3', 'vde_switch', 'qemu-system-x86_64'];

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryMiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly commit: string;
  /** Changed files beside that commit. */
  readonly dirty: boolean;
  readonly load: string;
  readonly date: string;
  readonly versions: Readonly<Record<string, string>>;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    node: process.version,
    commit: text('git', 'rev-parse', '--short', 'HEAD'),
    dirty: text('git', 'status', '--porcelain', '--untracked-files=no') !== '',
    load: readFileSync('/proc/loadavg', 'utf8').trim(),
    date: new Date().toISOString(),
    versions: Object.fromEntries(PROGRAMS.map((program) => [program, version(program)])),
  };
}

const PACKAGES: Readonly<Record<string, string>> = {
  iperf3: 'iperf3',
  slirp4netns: 'slirp4netns',
  pasta: 'passt',
  vde_switch: 'vde2',
  'qemu-system-x86_64': 'qemu-system-x86',
  ip: 'iproute2',
};

/** The Debian package to get a program from. */
export const packageOf = (program: string): string => PACKAGES[program] ?? program;
