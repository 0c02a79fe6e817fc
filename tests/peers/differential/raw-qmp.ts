/** A monitor as bytes: requests are text, so that numbers and keys reach both programs exactly as written. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const START_LIMIT_MS = 30_000;
const REPLY_LIMIT_MS = 20_000;
/** Cases on the way at once: enough to keep the program busy, few enough for its socket buffer. */
const WINDOW = 32;

/** One message of a server. */
export interface Message {
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly id?: unknown;
  readonly event?: string;
  readonly QMP?: unknown;
}

/** A request, and what undoes it. */
export interface Exchange {
  readonly text: string;
  /** Sent instead of the text. */
  readonly bytes?: Uint8Array;
  /** Sent after it; the reply does not matter. */
  readonly cleanup?: string;
}

export class RawQmp {
  readonly #program: Program;
  readonly #socket: Socket;
  readonly #lines: AsyncIterator<string>;
  #marks = 0;

  private constructor(program: Program, socket: Socket) {
    this.#program = program;
    this.#socket = socket;
    this.#lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  }

  /** Connects to a running program and negotiates, unless told not to. */
  static async connect(program: Program, options: { negotiate: boolean } = { negotiate: true }): Promise<RawQmp> {
    const socket = connect(program.path);
    await once(socket, 'connect');
    socket.on('error', () => undefined);
    const monitor = new RawQmp(program, socket);
    await monitor.#next('the greeting');
    if (options.negotiate) await monitor.messages([{ text: '{"execute":"qmp_capabilities"}' }]);
    return monitor;
  }

  /**
   * The messages that each request gets; events are passed over. A mark behind every request ends its answers, so broken
   * text may get none or many.
   */
  async messages(exchanges: readonly Exchange[]): Promise<Message[][]> {
    const answers: Message[][] = [];
    let sent = 0;
    const send = (): void => {
      for (; sent < exchanges.length && sent < answers.length + WINDOW; sent++) {
        const { text, bytes, cleanup } = exchanges[sent]!;
        this.#socket.write(bytes ?? text);
        this.#socket.write(`\n${mark(`m${this.#marks + sent}`)}\n`);
        if (cleanup !== undefined) this.#socket.write(`${cleanup}\n${mark(`c${this.#marks + sent}`)}\n`);
      }
    };
    for (const { text, cleanup } of exchanges) {
      send();
      const number = this.#marks + answers.length;
      answers.push(await this.#until(`m${number}`, text));
      if (cleanup !== undefined) await this.#until(`c${number}`, text);
    }
    this.#marks += exchanges.length;
    return answers;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #until(id: string, about: string): Promise<Message[]> {
    const messages: Message[] = [];
    for (;;) {
      const message = JSON.parse(await this.#next(about)) as Message;
      if (message.id === id) return messages;
      if (message.event === undefined) messages.push(message);
    }
  }

  async #next(about: string): Promise<string> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${this.#program.name}: no reply to ${about}`)), REPLY_LIMIT_MS);
    });
    const line = await Promise.race([this.#lines.next(), late]).finally(() => clearTimeout(timer));
    if (line.done === true) throw new Error(`${this.#program.name} ended on ${about}: ${this.#program.errors()}`);
    return line.value;
  }
}

/** Known to both programs, in every state. */
const mark = (id: string): string => `{"execute":"query-name","id":"${id}"}`;

/** A program that serves QMP at a unix socket. */
export class Program {
  readonly name: string;
  readonly path: string;
  readonly #child: ChildProcess;
  #stderr = '';

  private constructor(name: string, path: string, command: readonly string[]) {
    this.name = name;
    this.path = path;
    this.#child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
  }

  /** Starts it; `command` must make it listen at `path`. */
  static async start(name: string, path: string, command: readonly string[]): Promise<Program> {
    const program = new Program(name, path, command);
    const deadline = Date.now() + START_LIMIT_MS;
    while (!existsSync(path)) {
      if (program.#hasEnded || Date.now() > deadline) throw new Error(`${name} did not start: ${program.errors()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return program;
  }

  /** Standard error so far. */
  errors(): string {
    return this.#stderr;
  }

  async stop(): Promise<void> {
    if (this.#hasEnded) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}
