/**
 * A Linux guest under QEMU's TCG, driven over its second serial port. The guest image is the same whatever network it is
 * attached to: netyard, or QEMU's own user network as the control.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { guestImage } from './initramfs.ts';

export interface GuestOptions {
  /** QEMU's -netdev argument; must carry `id=`. */
  readonly netdev: string;
  readonly mac?: string;
  readonly memoryMb?: number;
  /** More QEMU arguments. */
  readonly extra?: readonly string[];
  /** Program and arguments that QEMU is started through; it must exec what follows, so that the pid stays. */
  readonly prefix?: readonly string[];
  /** Milliseconds until the guest's shell must have answered. Default 60 000. */
  readonly bootTimeoutMs?: number;
}

export interface CommandResult {
  readonly status: number;
  /** Standard output and error together; the last 12 000 bytes. */
  readonly output: string;
}

export interface Guest {
  /** Process id of this guest's QEMU. */
  readonly pid: number;
  /** Milliseconds from start to the first shell. */
  readonly bootMs: number;
  /** Runs a command line in the guest's busybox shell. Several may run at once. Rejects on timeout or when QEMU ends. */
  run(command: string, options?: { timeoutMs?: number }): Promise<CommandResult>;
  /** As `run`, but rejects unless the status is 0. Resolves to the output. */
  check(command: string, options?: { timeoutMs?: number }): Promise<string>;
  /** Freezes the whole machine (SIGSTOP to QEMU), its sockets included. */
  stop(): void;
  cont(): void;
  /** Ends QEMU at once (SIGKILL) and resolves when the process is gone. Idempotent. */
  kill(): Promise<void>;
  /** What the kernel and init printed so far. */
  console(): string;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Pending {
  resolve(result: CommandResult): void;
  reject(error: Error): void;
}

/** Boots a guest and resolves when its shell answers (about 3 s with two quiet cores). */
export async function bootGuest(options: GuestOptions): Promise<Guest> {
  const id = /(?:^|,)id=([^,]+)/.exec(options.netdev)?.[1];
  if (id === undefined) throw new Error(`no id= in netdev ${options.netdev}`);
  const image = guestImage();
  const folder = mkdtempSync(join(tmpdir(), 'netyard-guest-run-'));
  const consoleFile = join(folder, 'console');
  const started = performance.now();
  const prefix = options.prefix ?? [];
  const program = [...prefix, 'qemu-system-x86_64'];
  const qemu: ChildProcessByStdio<Writable, Readable, Readable> = spawn(
    program[0]!,
    [
      ...program.slice(1),
      ...['-accel', 'tcg', '-M', 'q35', '-m', String(options.memoryMb ?? 256), '-nodefaults', '-no-reboot'],
      ...['-display', 'none', '-kernel', image.kernel, '-initrd', image.initrd],
      ...['-append', 'console=ttyS0 quiet panic=-1 mitigations=off nokaslr'],
      ...['-chardev', `file,id=console,path=${consoleFile}`, '-serial', 'chardev:console'],
      ...['-chardev', 'stdio,id=commands,signal=off', '-serial', 'chardev:commands'],
      ...['-netdev', options.netdev],
      ...['-device', `virtio-net-pci,netdev=${id},mac=${options.mac ?? '52:54:00:12:34:56'}`],
      ...(options.extra ?? []),
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  const guest = new QemuGuest(qemu, folder, consoleFile);
  try {
    await guest.ready(options.bootTimeoutMs ?? 60_000);
  } catch (error) {
    const log = guest.console();
    await guest.kill();
    throw new Error(`guest did not start: ${String(error)}\n${log}`);
  }
  guest.bootMs = performance.now() - started;
  return guest;
}

class QemuGuest implements Guest {
  bootMs = 0;
  readonly #qemu: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #folder: string;
  readonly #consoleFile: string;
  readonly #pending = new Map<number, Pending>();
  readonly #exited: Promise<void>;
  #nextId = 1;
  #rest = '';
  #stderr = '';
  #lastConsole = '';
  #ended = false;
  #onReady: (() => void) | undefined;

  constructor(qemu: ChildProcessByStdio<Writable, Readable, Readable>, folder: string, consoleFile: string) {
    this.#qemu = qemu;
    this.#folder = folder;
    this.#consoleFile = consoleFile;
    qemu.stdout.setEncoding('latin1').on('data', (text: string) => this.#received(text));
    qemu.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    // A write that races with the end of QEMU would otherwise raise EPIPE as an uncaught error.
    qemu.stdin.on('error', () => undefined);
    this.#exited = new Promise((resolve) => {
      const ended = (why: string): void => {
        if (this.#ended) return;
        this.#lastConsole = this.console();
        this.#ended = true;
        for (const pending of this.#pending.values()) pending.reject(new Error(`QEMU ended: ${why}\n${this.#stderr}`));
        this.#pending.clear();
        rmSync(this.#folder, { recursive: true, force: true });
        resolve();
      };
      qemu.on('exit', (code, signal) => ended(signal ?? `status ${code}`));
      qemu.on('error', (error) => ended(error.message));
    });
  }

  get pid(): number {
    return this.#qemu.pid ?? -1;
  }

  async ready(timeoutMs: number): Promise<void> {
    await withTimeout(
      new Promise<void>((resolve, reject) => {
        this.#onReady = resolve;
        void this.#exited.then(() => reject(new Error(`QEMU ended\n${this.#stderr}`)));
      }),
      timeoutMs,
      'boot',
    );
  }

  async run(command: string, options: { timeoutMs?: number } = {}): Promise<CommandResult> {
    if (this.#ended) throw new Error(`QEMU ended\n${this.#stderr}`);
    const id = this.#nextId++;
    const result = new Promise<CommandResult>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    const line = `RUN ${id} ${Buffer.from(command).toString('base64')}\n`;
    if (line.length > 3000) throw new Error('command too long for the serial line');
    this.#qemu.stdin.write(line);
    try {
      return await withTimeout(result, options.timeoutMs ?? 60_000, command);
    } finally {
      this.#pending.delete(id);
    }
  }

  async check(command: string, options: { timeoutMs?: number } = {}): Promise<string> {
    const { status, output } = await this.run(command, options);
    if (status !== 0) throw new Error(`guest: ${command}: status ${status}\n${output}`);
    return output;
  }

  stop(): void {
    this.#qemu.kill('SIGSTOP');
  }

  cont(): void {
    this.#qemu.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    if (!this.#ended) this.#qemu.kill('SIGKILL');
    await this.#exited;
  }

  console(): string {
    if (this.#ended) return this.#lastConsole;
    try {
      return readFileSync(this.#consoleFile, 'latin1');
    } catch {
      return '';
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #received(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.trim() === 'READY') this.#onReady?.();
      const done = /^DONE (\d+) (\d+) ?(\S*)/.exec(line.trim());
      if (done === null) continue;
      const output = Buffer.from(done[3] ?? '', 'base64').toString('utf8');
      this.#pending.get(Number(done[1]))?.resolve({ status: Number(done[2]), output });
    }
  }
}

async function withTimeout<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms: ${what}`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
