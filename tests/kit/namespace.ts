/** Network namespaces of one test file: made with iproute2, as root, and gone afterwards with what runs inside. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';

let made = 0;

/** Unique in this machine while the process lives; at most 15 bytes, as an interface's name. */
export function uniqueName(prefix: string): string {
  return `${prefix}${process.pid.toString(36)}${(made++).toString(36)}`;
}

/** Runs iproute2's `ip`; returns what it printed. @throws Error with its stderr */
export function ip(...args: string[]): string {
  return execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
}

/** Whether namespaces and taps can be made here. */
export const isRoot = process.getuid?.() === 0;

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
}

export class TestNamespace {
  readonly name = uniqueName('ny');
  readonly #children = new Set<ChildProcess>();

  constructor() {
    ip('netns', 'add', this.name);
    this.ip('link', 'set', 'lo', 'up');
    // Neighbour discovery and the like would be counted as frames.
    this.exec('sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1').catch(() => undefined);
  }

  ip(...args: string[]): string {
    return ip('-n', this.name, ...args);
  }

  /** Moves an interface in, with an address, up. */
  adopt(interfaceName: string, address: string): void {
    ip('link', 'set', interfaceName, 'netns', this.name);
    this.ip('addr', 'add', address, 'dev', interfaceName);
    this.ip('link', 'set', interfaceName, 'up');
  }

  spawn(...argv: string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name, ...argv], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /** Runs a program inside to its end. */
  exec(...argv: string[]): Promise<Ended> {
    const child = this.spawn(...argv);
    let stdout = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status) => resolve({ status, stdout }));
    });
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    ip('netns', 'del', this.name);
  }
}
