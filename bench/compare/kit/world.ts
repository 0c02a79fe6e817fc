/**
 * What a benchmark makes on this machine (programs, namespaces, files) and takes away again, in reverse order: at its end,
 * on failure and on Ctrl-C. Only processes that were started here are ended.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TICKS_PER_SECOND = 100;
const PAGE_KILOBYTES = 4;

/** iproute2's `ip`. @throws Error with what it said. */
export async function ip(...args: string[]): Promise<string> {
  return (await run('ip', args)).stdout;
}

export class World {
  readonly directory = mkdtempSync(join(tmpdir(), 'ny-compare-'));
  readonly #undo: (() => Promise<void> | void)[] = [];
  #made = 0;
  #closing: Promise<void> | undefined;

  constructor() {
    this.onClose(() => rmSync(this.directory, { recursive: true, force: true }));
  }

  /** At most 15 bytes, unique on this machine. */
  uniqueName(prefix: string): string {
    return `${prefix}${process.pid.toString(36)}${(this.#made++).toString(36)}`;
  }

  onClose(undo: () => Promise<void> | void): void {
    this.#undo.push(undo);
  }

  async namespace(): Promise<Namespace> {
    this.#assertOpen();
    const name = this.uniqueName('nyc');
    await ip('netns', 'add', name);
    this.onClose(async () => void (await ip('netns', 'del', name)));
    const made = new Namespace(name);
    await made.ip('link', 'set', 'lo', 'up');
    // Neighbour discovery would be traffic beside the measured one.
    await run('ip', ['netns', 'exec', name, 'sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1']).catch(() => {});
    return made;
  }

  /**
   * Starts a program, its output kept to show when it fails; `inside` = in that namespace. It has as many descriptors as
   * the hard limit says: Node raises its own, and programs inherit that.
   */
  start(argv: readonly string[], inside?: Namespace): Running {
    this.#assertOpen();
    const prefix = inside === undefined ? [] : ['ip', 'netns', 'exec', inside.name];
    const words = [...prefix, ...argv];
    const running = new Running(spawn(words[0] as string, words.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] }), argv);
    this.onClose(() => running.stop());
    return running;
  }

  /** A case goes on until its next step while Ctrl-C puts things away: nothing may be made then. */
  #assertOpen(): void {
    if (this.#closing !== undefined) throw new Error('the benchmark ended');
  }

  /** Idempotent; one failing step does not keep the others from being done. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) {
        try {
          await undo();
        } catch (error) {
          process.stderr.write(`while cleaning up: ${(error as Error).message}\n`);
        }
      }
    })();
    return this.#closing;
  }
}

export class Namespace {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  get path(): string {
    return `/var/run/netns/${this.name}`;
  }

  ip(...args: string[]): Promise<string> {
    return ip('-n', this.name, ...args);
  }

  /** Whether the interface is here and has an IPv4 address. */
  async hasAddress(interfaceName: string): Promise<boolean> {
    return (await this.ip('-4', 'addr', 'show', 'dev', interfaceName).catch(() => '')).includes('inet ');
  }
}

export class Running {
  readonly pid: number;
  readonly exited: Promise<number>;
  hasExited = false;
  stdout = '';
  /** Its last words. */
  stderr = '';
  readonly #child: ChildProcess;
  readonly #name: string;

  constructor(child: ChildProcess, argv: readonly string[]) {
    this.#child = child;
    this.#name = argv.join(' ');
    this.pid = child.pid ?? -1;
    child.stdin?.on('error', () => {});
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-2000);
    });
    this.exited = new Promise((resolve) => {
      child.once('error', (error) => {
        this.stderr += error.message;
        this.hasExited = true;
        resolve(127);
      });
      child.once('close', (status) => {
        this.hasExited = true;
        resolve(status ?? -1);
      });
    });
  }

  /** Waits until the program says it is ready, or whatever `ready` looks at. @throws Error with its last words. */
  async until(ready: () => boolean | Promise<boolean>, seconds = 10): Promise<this> {
    const limit = performance.now() + seconds * 1000;
    while (!(await ready())) {
      if (this.hasExited) throw new Error(`${this.#name} ended: ${this.stderr}${this.stdout}`);
      if (performance.now() > limit) throw new Error(`${this.#name}: not ready after ${seconds} s: ${this.stderr}`);
      await delay(5);
    }
    return this;
  }

  says(text: string, seconds?: number): Promise<this> {
    return this.until(() => this.stdout.includes(text) || this.stderr.includes(text), seconds);
  }

  /** What it printed, once it ended with 0. @throws Error otherwise, or when that takes longer. */
  async output(seconds: number): Promise<string> {
    const late = Symbol();
    const timeout = new AbortController();
    const status = await Promise.race([this.exited, delay(seconds * 1000, timeout.signal).then(() => late)]);
    timeout.abort();
    if (status === late) {
      await this.stop();
      throw new Error(`${this.#name}: not done after ${seconds} s`);
    }
    if (status !== 0) throw new Error(`${this.#name}: status ${String(status)}: ${this.stderr}${this.stdout}`);
    return this.stdout;
  }

  write(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** utime + stime of all its threads, seconds (proc(5)). */
  cpuSeconds(): number {
    const text = readFileSync(`/proc/${this.pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }

  residentKilobytes(): number {
    return Number(readFileSync(`/proc/${this.pid}/statm`, 'utf8').split(' ')[1]) * PAGE_KILOBYTES;
  }

  async stop(): Promise<void> {
    if (this.hasExited) return;
    this.#child.kill('SIGTERM');
    const timeout = new AbortController();
    await Promise.race([this.exited, delay(2000, timeout.signal)]);
    timeout.abort();
    if (this.hasExited) return;
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}

export function delay(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
