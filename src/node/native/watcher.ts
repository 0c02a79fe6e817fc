/**
 * Readiness of this thread's event loop over the addon's watcher (native/watcher.c): all events of one poll arrive in one
 * call, and the end of that call is the end of the batch.
 *
 * A token is a slot with its generation: what was noted for a watch that has been closed since reaches nobody.
 */
import { hostError } from '../errno.ts';
import type { NativeBinding, NativeWatcher } from './binding.ts';
import type { Readiness, ReadyHandler, Watch } from './readiness.ts';

const READY_EVENTS = 4096;
const SLOT_BITS = 20;
const SLOT_MASK = (1 << SLOT_BITS) - 1;
const GENERATION_MASK = (1 << (31 - SLOT_BITS)) - 1;

/** What is told where the events of a poll begin and end. */
export interface Batches {
  beginBatch(): void;
  endBatch(): void;
}

export class NativeReadiness implements Readiness {
  readonly #binding: NativeBinding;
  readonly #watcher: NativeWatcher;
  readonly #ready = new Int32Array(2 * READY_EVENTS);
  readonly #watches: (NativeWatch | undefined)[] = [];
  readonly #generations: number[] = [];
  readonly #free: number[] = [];
  readonly #batches: Batches;
  readonly #onError: (error: unknown) => void;

  /** @param onError told what a handler threw: the others are served all the same. */
  constructor(binding: NativeBinding, batches: Batches, onError: (error: unknown) => void) {
    this.#binding = binding;
    this.#batches = batches;
    this.#onError = onError;
    this.#watcher = binding.createWatcher(this.#ready, (count) => this.#dispatch(count));
  }

  watch(fd: number, events: number, handler: ReadyHandler): Watch {
    const slot = this.#free.pop() ?? this.#watches.length;
    if (slot > SLOT_MASK) throw hostError('EMFILE');
    const generation = ((this.#generations[slot] ?? 0) + 1) & GENERATION_MASK;
    const token = (generation << SLOT_BITS) | slot;
    this.#generations[slot] = generation;
    this.#watches[slot] = undefined;
    const handle = this.#watcher.add(fd, token, events);
    if (handle < 0) {
      this.#free.push(slot);
      throw hostError(this.#binding.errnoName(-handle));
    }
    const watch = new NativeWatch(this, this.#watcher, handle, token, events, handler);
    this.#watches[slot] = watch;
    return watch;
  }

  release(token: number): void {
    const slot = token & SLOT_MASK;
    this.#watches[slot] = undefined;
    this.#free.push(slot);
  }

  /** Nothing is watched any more, and nothing of this keeps Node alive. */
  close(): void {
    this.#watcher.close();
    this.#watches.length = 0;
  }

  #dispatch(count: number): void {
    const ready = this.#ready;
    this.#batches.beginBatch();
    for (let i = 0; i < count; i++) {
      const token = ready[2 * i] as number;
      const watch = this.#watches[token & SLOT_MASK];
      if (watch === undefined || watch.token !== token) continue;
      try {
        watch.handler.ready(ready[2 * i + 1] as number);
      } catch (error) {
        this.#onError(error);
      }
    }
    this.#batches.endBatch();
  }
}

class NativeWatch implements Watch {
  readonly token: number;
  readonly handler: ReadyHandler;
  readonly #owner: NativeReadiness;
  readonly #watcher: NativeWatcher;
  #handle: number;
  #events: number;

  constructor(
    owner: NativeReadiness,
    watcher: NativeWatcher,
    handle: number,
    token: number,
    events: number,
    handler: ReadyHandler,
  ) {
    this.#owner = owner;
    this.#watcher = watcher;
    this.#handle = handle;
    this.token = token;
    this.#events = events;
    this.handler = handler;
  }

  interest(events: number): void {
    if (this.#handle < 0 || events === this.#events) return;
    this.#events = events;
    this.#watcher.change(this.#handle, this.token, events);
  }

  rearm(): void {
    if (this.#handle >= 0) this.#watcher.change(this.#handle, this.token, this.#events);
  }

  close(): void {
    if (this.#handle < 0) return;
    this.#watcher.remove(this.#handle);
    this.#handle = -1;
    this.#owner.release(this.token);
  }
}
