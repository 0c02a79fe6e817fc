/**
 * QEMU without a machine: the netdev under test hangs on a hub with a UDP netdev, through which the test sends and receives.
 *
 * @example
 * const hub = await QemuHub.open();
 * const { port } = await hub.startQemu('stream,id=n,server=off,addr.type=unix,addr.path=/tmp/s');
 * await hub.exchange(client, port, context.port.frames);
 * await hub.close();
 */
import { type ChildProcess, spawn } from 'node:child_process';
import * as dgram from 'node:dgram';
import { closeSync } from 'node:fs';
import { expect } from 'vitest';
import type { NetClient } from '../../src/net/index.ts';
import { give, testFrame } from './netdev-context.ts';
import { until } from './until.ts';

export const QEMU = 'qemu-system-x86_64';
const LENGTHS = [14, 60, 1514, 9018, 60_000];

export class QemuHub {
  /** What came through QEMU's UDP netdev. */
  readonly received: Buffer[] = [];
  readonly udp = dgram.createSocket('udp4');
  readonly #children: ChildProcess[] = [];

  static async open(): Promise<QemuHub> {
    const hub = new QemuHub();
    hub.udp.on('message', (bytes) => hub.received.push(bytes));
    await new Promise<void>((resolve) => hub.udp.bind(0, '127.0.0.1', resolve));
    return hub;
  }

  async close(): Promise<void> {
    for (const child of this.#children) await stop(child);
    this.udp.close();
  }

  /** QEMU's command line with the netdev `n`, given in its option syntax, and the test's own on one hub. */
  async command(netdev: string): Promise<{ args: string[]; port: number }> {
    const port = await freePort();
    const args = ['-M', 'none', '-nodefaults', '-display', 'none', '-netdev', netdev];
    args.push('-netdev', `socket,id=t,udp=127.0.0.1:${this.udp.address().port},localaddr=127.0.0.1:${port}`);
    for (const name of ['n', 't']) args.push('-netdev', `hubport,id=h${name},hubid=0,netdev=${name}`);
    return { args, port };
  }

  /** Starts QEMU with `passed` as its descriptor 3, closed here. */
  async startQemu(netdev: string, passed?: number): Promise<{ qemu: ChildProcess; port: number }> {
    const { args, port } = await this.command(netdev);
    const qemu = this.start(QEMU, args, passed === undefined ? [] : [passed]);
    return { qemu, port };
  }

  /** Starts a program that inherits these from descriptor 3 on, closed here. */
  start(program: string, args: readonly string[], passed: readonly number[]): ChildProcess {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore', ...passed] });
    this.#children.push(child);
    for (const descriptor of passed) closeSync(descriptor);
    return child;
  }

  /** Frames of all lengths from the test through QEMU to us, and back. */
  async exchange(
    client: NetClient,
    port: number,
    frames: Uint8Array[],
    lengths: readonly number[] = LENGTHS,
  ): Promise<void> {
    const { received, udp } = this;
    frames.length = 0;
    // Until QEMU has everything wired, frames are lost.
    const probe = testFrame(99, 1);
    await until(() => {
      udp.send(probe, port, '127.0.0.1');
      return frames.length > 0;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    frames.length = received.length = 0;
    for (const [i, length] of lengths.entries()) {
      const there = testFrame(length, i);
      udp.send(there, port, '127.0.0.1');
      await until(() => frames.length > i);
      expect(Buffer.compare(frames[i] as Uint8Array, there)).toBe(0);
      const back = testFrame(length, i + 100);
      expect(give(client, back)).toBe(true);
      await until(() => received.length > i);
      expect(Buffer.compare(received[i] as Buffer, back)).toBe(0);
    }
    expect([frames.length, received.length]).toEqual([lengths.length, lengths.length]);
  }
}

export function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}

/** A UDP port that is free now. */
export async function freePort(): Promise<number> {
  const socket = dgram.createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}
