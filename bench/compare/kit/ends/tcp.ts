/** TCP: connections, one-byte requests, and flows that stay. */
import { becomeForemost } from './foremost.ts';
import { accept, calls, connect, impatient, listening, must, say } from './system.ts';

/** Gives every connection one byte and closes it. */
export function connectionServer(host: string, port: number): void {
  const byte = new Uint8Array(1);
  for (const fd = listening(host, port); ; ) {
    const one = accept(fd);
    calls.send(one, byte, 0, 1, 0);
    calls.close(one);
  }
}

/** Connects, waits for the byte and the end, and closes. */
export function connectionClient(host: string, port: number, seconds: number): void {
  const byte = new Uint8Array(1);
  const end = performance.now() + seconds * 1000;
  let count = 0;
  let failed = 0;
  while (performance.now() < end) {
    const fd = impatient(connect(host, port));
    if (calls.recv(fd, byte, 0, 1, 0) === 1 && calls.recv(fd, byte, 0, 1, 0) === 0) count++;
    else failed++;
    calls.close(fd);
  }
  say({ count, failed, seconds });
}

/** Echoes on one connection after the other. `foremost`: beside a load. */
export function echoServer(host: string, port: number, foremost: boolean): void {
  if (foremost) becomeForemost();
  const bytes = new Uint8Array(65_536);
  for (const fd = listening(host, port); ; ) {
    const one = accept(fd);
    for (let n = 1; n > 0; ) {
      n = calls.recv(one, bytes, 0, bytes.length, 0);
      if (n > 0) calls.send(one, bytes, 0, n, 0);
    }
    calls.close(one);
  }
}

/** Round trips of one byte, microseconds. With a pause between them it is a visitor beside a load, and foremost. */
export async function latencyClient(host: string, port: number, seconds: number, pauseMs: number): Promise<void> {
  if (pauseMs > 0) becomeForemost();
  const byte = new Uint8Array(1);
  const fd = impatient(connect(host, port));
  const samples: number[] = [];
  for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
    const begin = performance.now();
    must(calls.send(fd, byte, 0, 1, 0), 'send');
    if (must(calls.recv(fd, byte, 0, 1, 0), 'recv') !== 1) throw new Error('the connection ended');
    samples.push((performance.now() - begin) * 1000);
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  samples.sort((a, b) => a - b);
  const at = (q: number): number => samples[Math.min(samples.length - 1, Math.floor(samples.length * q))] as number;
  say({ count: samples.length, p50: at(0.5), p99: at(0.99), max: at(1) });
}

/** Echoes a byte of each connection and keeps it; then, asked by a first byte of 1, reads and sends `bulk` on each. */
export function flowServer(host: string, port: number, flows: number, bulk: number): void {
  const bytes = new Uint8Array(65_536);
  const fd = listening(host, port);
  const kept: number[] = [];
  while (kept.length < flows) {
    const one = impatient(accept(fd), 60);
    if (calls.recv(one, bytes, 0, 1, 0) !== 1) throw new Error('a flow ended');
    calls.send(one, bytes, 0, 1, 0);
    kept.push(one);
  }
  // Whoever asks for more says so on each flow, in order; for a minute nobody may.
  for (const one of kept) {
    impatient(one, 3600);
    for (let left = bulk; left > 0; ) left -= must(calls.recv(one, bytes, 0, bytes.length, 0), 'recv') || left;
    for (let left = bulk; left > 0; ) left -= must(calls.send(one, bytes, 0, Math.min(left, bytes.length), 0), 'send');
  }
  setInterval(() => {}, 1 << 30);
}

export async function flowClient(host: string, port: number, flows: number, bulk: number): Promise<void> {
  const bytes = new Uint8Array(65_536);
  const kept: number[] = [];
  while (kept.length < flows) {
    const one = impatient(connect(host, port), 10);
    must(calls.send(one, bytes, 0, 1, 0), 'send');
    if (must(calls.recv(one, bytes, 0, 1, 0), 'recv') !== 1) throw new Error('a flow ended');
    kept.push(one);
  }
  say({ flows: kept.length });
  for await (const _ of process.stdin) {
    for (const one of kept) {
      for (let left = bulk; left > 0; )
        left -= must(calls.send(one, bytes, 0, Math.min(left, bytes.length), 0), 'send');
      for (let left = bulk; left > 0; ) left -= must(calls.recv(one, bytes, 0, bytes.length, 0), 'recv') || left;
    }
    say({ bulk });
  }
}
