/** A QMP client of a few lines, independent of the product's own: what it receives is plain JSON.parse. */
import { createConnection, type Socket } from 'node:net';

export interface QmpEventMessage {
  readonly event: string;
  readonly data?: Record<string, unknown>;
  readonly timestamp: { readonly seconds: number; readonly microseconds: number };
}

export interface QmpWire {
  readonly greeting: unknown;
  /** Every event since the connection, in order. */
  readonly events: readonly QmpEventMessage[];
  /** Resolves to `return`; rejects with `CLASS: desc`. */
  execute<T = unknown>(command: string, parameters?: Record<string, unknown>): Promise<T>;
  /** The first event that matches, among those that came and those to come. */
  event(matches: (event: QmpEventMessage) => boolean, timeoutMs?: number): Promise<QmpEventMessage>;
  close(): void;
}

export async function connectQmp(path: string): Promise<QmpWire> {
  const socket = createConnection(path);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  const wire = new Wire(socket);
  await wire.greeted;
  await wire.execute('qmp_capabilities');
  return wire;
}

interface Reply {
  QMP?: unknown;
  id?: number;
  return?: unknown;
  error?: { class: string; desc: string };
}

class Wire implements QmpWire {
  readonly events: QmpEventMessage[] = [];
  readonly greeted: Promise<void>;
  greeting: unknown;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  readonly #watchers = new Set<() => void>();
  #rest = '';
  #nextId = 1;
  #onGreeting: () => void = () => undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.greeted = new Promise((resolve) => {
      this.#onGreeting = resolve;
    });
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#received(text));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('monitor closed the connection'));
      this.#waiting.clear();
    });
  }

  execute<T>(command: string, parameters?: Record<string, unknown>): Promise<T> {
    const id = this.#nextId++;
    const request = { execute: command, ...(parameters === undefined ? {} : { arguments: parameters }), id };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (value) => resolve(value as T), reject });
      this.#socket.write(`${JSON.stringify(request)}\n`);
    });
  }

  event(matches: (event: QmpEventMessage) => boolean, timeoutMs = 10_000): Promise<QmpEventMessage> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = this.events.find(matches);
        if (found === undefined) return;
        clearTimeout(timer);
        this.#watchers.delete(look);
        resolve(found);
      };
      const timer = setTimeout(() => {
        this.#watchers.delete(look);
        reject(new Error(`no such event within ${timeoutMs} ms; came: ${JSON.stringify(this.events.slice(-10))}`));
      }, timeoutMs);
      this.#watchers.add(look);
      look();
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #received(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.trim() === '') continue;
      const message = JSON.parse(line) as Reply & Partial<QmpEventMessage>;
      if (message.QMP !== undefined) {
        this.greeting = message.QMP;
        this.#onGreeting();
      } else if (message.event !== undefined) {
        this.events.push(message as QmpEventMessage);
        for (const look of [...this.#watchers]) look();
      } else if (message.id !== undefined) {
        const waiter = this.#waiting.get(message.id);
        this.#waiting.delete(message.id);
        if (message.error !== undefined) {
          waiter?.reject(new Error(`${message.error.class}: ${message.error.desc}`));
        } else waiter?.resolve(message.return);
      }
    }
  }
}
