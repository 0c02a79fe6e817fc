/**
 * The Host in a page or a worker: timers and randomness from the web platform; no sockets, so what would leave the
 * machine is refused as a network that is not there.
 */
import {
  type BatchLoop,
  type BatchPhase,
  type BatchTask,
  guardedLog,
  type Host,
  HostError,
  type Log,
  type Sockets,
  type StreamSocket,
  type Timer,
} from '../net/index.ts';

/** Rounds of produce and flush in one turn; what is left waits for the next. */
const MAX_ROUNDS = 4;

export interface BrowserHostOptions {
  readonly log?: Log | undefined;
}

export function createBrowserHost(options: BrowserHostOptions = {}): Host & { close(): void } {
  const loop = new PageLoop();
  const timers = new Set<PageTimer>();
  return {
    clock: {
      now: () => performance.now(),
      wallMicros: () => Math.round((performance.timeOrigin + performance.now()) * 1000),
    },
    timers: {
      create: (callback) => {
        const timer = new PageTimer(callback, timers);
        return timer;
      },
    },
    loop,
    random: {
      fill: (bytes) => fillRandom(bytes),
      u32: () => crypto.getRandomValues(new Uint32Array(1))[0]!,
    },
    sockets: noSockets,
    resolver: {
      servers: () => [],
      lookup: () => Promise.reject(new HostError('EAI_NONAME', 'Name or service not known')),
    },
    files: {
      read: () => Promise.reject(unavailable('files')),
      write: () => Promise.reject(unavailable('files')),
    },
    log: options.log === undefined ? silentLog : guardedLog(options.log),
    get kernel(): never {
      throw unavailable('devices');
    },
    close: () => {
      for (const timer of timers) timer.cancel();
      loop.close();
    },
  };
}

const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** crypto fills at most 65536 bytes a call. */
function fillRandom(bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.length; offset += 65536) {
    const piece = new Uint8Array(Math.min(65536, bytes.length - offset));
    bytes.set(crypto.getRandomValues(piece), offset);
  }
}

function unavailable(what: string): HostError {
  return new HostError('ENOTSUP', `a page has no ${what}: run this netdev in the netyard program`);
}

const noSockets: Sockets = {
  can: { unixDatagram: false, descriptors: false, abstractUnix: false, ping: false, tcp: false, udp: false },
  connect: () => new RefusedStream(),
  listen: () => Promise.reject(unavailable('sockets')),
  isOwnAddress: () => false,
  datagram: () => Promise.reject(unavailable('sockets')),
  ping: () => Promise.reject(unavailable('sockets')),
  adopt: () => {
    throw unavailable('descriptors');
  },
};

/** A stream that fails as on a host without a route. */
class RefusedStream implements StreamSocket {
  onEvent: StreamSocket['onEvent'] = () => {};
  readonly error = new HostError('ENETUNREACH', 'Network is unreachable');
  readonly localAddress = undefined;
  readonly remoteAddress = undefined;
  private open = true;

  constructor() {
    setTimeout(() => {
      if (this.open) this.onEvent('error');
    }, 0);
  }
  readInto(): number {
    return -2;
  }
  write(): number {
    return -2;
  }
  write2(): number {
    return -2;
  }
  room(): number {
    return 0;
  }
  interest(): void {}
  shutdown(): void {}
  reset(): void {
    this.open = false;
  }
  close(): void {
    this.open = false;
  }
}

class PageTimer implements Timer {
  deadlineMs: number | undefined;
  private readonly callback: () => void;
  private readonly all: Set<PageTimer>;
  private handle: ReturnType<typeof setTimeout> | undefined;
  private firesAt = 0;

  constructor(callback: () => void, all: Set<PageTimer>) {
    this.callback = callback;
    this.all = all;
  }

  set(deadlineMs: number): void {
    this.deadlineMs = deadlineMs;
    this.all.add(this);
    if (this.handle !== undefined) {
      if (deadlineMs >= this.firesAt) return;
      clearTimeout(this.handle);
    }
    this.arm(deadlineMs);
  }

  cancel(): void {
    this.deadlineMs = undefined;
    this.all.delete(this);
    if (this.handle !== undefined) clearTimeout(this.handle);
    this.handle = undefined;
  }

  private arm(deadlineMs: number): void {
    this.firesAt = deadlineMs;
    this.handle = setTimeout(() => this.fire(), Math.max(0, deadlineMs - performance.now()));
  }

  private fire(): void {
    this.handle = undefined;
    const deadline = this.deadlineMs;
    if (deadline === undefined) return;
    if (deadline > performance.now()) {
      this.arm(deadline);
      return;
    }
    this.deadlineMs = undefined;
    this.all.delete(this);
    this.callback();
  }
}

/** Turns come from a MessageChannel: setTimeout is clamped to milliseconds in a page. */
class PageLoop implements BatchLoop {
  private phases: [Set<BatchTask>, Set<BatchTask>] = [new Set(), new Set()];
  private later = new Set<BatchTask>();
  private readonly channel = new MessageChannel();
  private scheduled = false;
  private running = false;

  constructor() {
    this.channel.port1.onmessage = () => this.turn();
  }

  atBatchEnd(phase: BatchPhase, task: BatchTask): void {
    this.phases[phase].add(task);
    if (!this.running) this.schedule();
  }

  nextTurn(task: BatchTask): void {
    this.later.add(task);
    this.schedule();
  }

  close(): void {
    this.channel.port1.close();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.channel.port2.postMessage(0);
  }

  private turn(): void {
    this.scheduled = false;
    this.running = true;
    try {
      const tasks = this.later;
      this.later = new Set();
      for (const task of tasks) task.run();
      for (let round = 0; round < MAX_ROUNDS && this.pending(); round++) {
        for (const phase of [0, 1] as const) {
          const batch = this.phases[phase];
          this.phases[phase] = new Set();
          for (const task of batch) task.run();
        }
      }
    } finally {
      this.running = false;
      if (this.pending() || this.later.size > 0) this.schedule();
    }
  }

  private pending(): boolean {
    return this.phases[0].size > 0 || this.phases[1].size > 0;
  }
}
