/** A monitor as bytes: requests are text, so that numbers and keys reach both programs exactly as written. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const START_LIMIT_MS = 20_000;
const REPLY_LIMIT_MS = 15_000;

export interface Reply {
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
}

export class RawQmp {
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #replies: AsyncIterator<string>;

  private constructor(child: ChildProcess, socket: Socket) {
    this.#child = child;
    this.#socket = socket;
    this.#replies = createInterface({ input: socket })[Symbol.asyncIterator]();
  }

  /** Starts the program, which must listen at `path`, and negotiates. */
  static async start(path: string, command: readonly string[]): Promise<RawQmp> {
    const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const deadline = Date.now() + START_LIMIT_MS;
    while (!existsSync(path)) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${command[0]} did not start: ${stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const socket = connect(path);
    await once(socket, 'connect');
    const monitor = new RawQmp(child, socket);
    await monitor.#replies.next();
    await monitor.request('{"execute":"qmp_capabilities"}');
    return monitor;
  }

  /** Sends one request and gives its reply; events between are passed over. */
  async request(text: string): Promise<Reply> {
    this.#socket.write(`${text}\n`);
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no reply to ${text}`)), REPLY_LIMIT_MS);
      });
      const line = await Promise.race([this.#replies.next(), late]).finally(() => clearTimeout(timer));
      if (line.done === true) throw new Error(`the monitor closed on ${text}`);
      const message = JSON.parse(line.value) as Reply & { event?: string };
      if (message.event === undefined) return message;
    }
  }

  async stop(): Promise<void> {
    const ended = this.#child.exitCode === null ? once(this.#child, 'exit') : Promise.resolve();
    this.#socket.destroy();
    this.#child.kill('SIGTERM');
    await ended;
  }
}
