/** What the sockets need of the event loop: one watch per descriptor, level-triggered. */

export interface ReadyHandler {
  /** @param events READABLE, WRITABLE, FAILED of binding.ts */
  ready(events: number): void;
}

export interface Watch {
  /** Waits for these events from now on; 0 = for none. */
  interest(events: number): void;
  /** After FAILED the loop no longer looks at the descriptor: it does again, for the same events. */
  rearm(): void;
  /** No event is delivered any more; before the descriptor is closed. */
  close(): void;
}

export interface Readiness {
  /** @throws HostError */
  watch(fd: number, events: number, handler: ReadyHandler): Watch;
  /** Nothing is watched any more, and nothing of this keeps the process alive. */
  close(): void;
}
