import { describe, expect, it } from 'vitest';
import { AddressGuard } from './address-guard.ts';
import { Frame } from './frame.ts';

const GATEWAY = 0x0a000202;
const OWNER = 1;
const GUEST = 2;

/** ARP as `op` from `sender` behind what stands between the addresses and its type. */
function arp(sender: number, options: { op?: number; head?: number[]; sizes?: number[]; cut?: number } = {}): Frame {
  const { op = 2, head = [], sizes = [6, 4], cut = 0 } = options;
  const bytes = new Uint8Array(14 + head.length + 28 - cut);
  bytes.fill(0xff, 0, 6);
  bytes.set([2, 0, 0, 0, 0, 9], 6);
  const body = [...head, 8, 6, 0, 1, 8, 0, ...sizes, 0, op, 2, 0, 0, 0, 0, 9];
  body.push((sender >>> 24) & 255, (sender >>> 16) & 255, (sender >>> 8) & 255, sender & 255);
  bytes.set(body.slice(0, bytes.length - 12), 12);
  // Within something larger, as frames lie.
  const buffer = new Uint8Array(bytes.length + 7).fill(0x55);
  buffer.set(bytes, 3);
  return new Frame().setPlain(buffer, 3, bytes.length);
}

function guarded(): AddressGuard {
  const guard = new AddressGuard();
  guard.claim(GATEWAY, OWNER);
  return guard;
}

describe('addresses of the yard', () => {
  it('nobody but their owner claims them, by request or reply', () => {
    const guard = guarded();
    for (const op of [1, 2]) {
      expect(guard.forbids(arp(GATEWAY, { op }), GUEST)).toBe(true);
      expect(guard.forbids(arp(GATEWAY, { op }), OWNER)).toBe(false);
      expect(guard.forbids(arp(0x0a00020f, { op }), GUEST)).toBe(false);
      // A guest that looks whether an address is free has none yet.
      expect(guard.forbids(arp(0, { op }), GUEST)).toBe(false);
    }
  });

  it.each([
    ['the tag of no VLAN, priority 7', [0x81, 0, 0xe0, 0], true],
    ['two of them', [0x81, 0, 0, 0, 0x88, 0xa8, 0, 0], true],
    ['a VLAN', [0x81, 0, 0, 5], false],
    ['LLC and SNAP', [0, 36, 0xaa, 0xaa, 3, 0, 0, 0], true],
    ['other LLC', [0, 36, 0x42, 0x42, 3, 0, 0, 0], false],
  ] as [string, number[], boolean][])('behind %s', (_what, head, forbidden) => {
    expect(guarded().forbids(arp(GATEWAY, { head }), GUEST)).toBe(forbidden);
  });

  it('what is no ARP for IPv4, or cut off, is none', () => {
    const guard = guarded();
    expect(guard.forbids(arp(GATEWAY, { sizes: [8, 4] }), GUEST)).toBe(false);
    expect(guard.forbids(arp(GATEWAY, { cut: 1 }), GUEST)).toBe(false);
    for (let length = 14; length < 42; length++) {
      const frame = new Frame().setPlain(new Uint8Array(length).fill(0x81), 0, length);
      expect(guard.forbids(frame, GUEST)).toBe(false);
    }
  });

  it('of two networks with the same addresses each keeps its own; an owner that is gone is none', () => {
    const guard = guarded();
    guard.claim(GATEWAY, 7);
    expect([OWNER, 7, GUEST].map((port) => guard.forbids(arp(GATEWAY), port))).toEqual([false, false, true]);
    guard.forget(OWNER);
    expect([OWNER, 7].map((port) => guard.forbids(arp(GATEWAY), port))).toEqual([true, false]);
    guard.forget(7);
    expect(guard.forbids(arp(GATEWAY), GUEST)).toBe(false);
  });
});
