import { expect, it } from 'vitest';
import { attachLines } from './qemu-arguments.ts';

const version = (major: number, minor: number) => ({ major, minor, text: `${major}.${minor}.0` });

it.each([
  [version(10, 0), ',reconnect-ms=1000 \\', undefined],
  [version(9, 2), ',reconnect-ms=1000 \\', undefined],
  [version(9, 1), ',reconnect=1 \\', undefined],
  [version(8, 0), ',reconnect=1 \\', undefined],
  [version(7, 2), '/s.sock \\', 'QEMU 7.2.0 cannot reconnect'],
  [version(7, 1), '/s.sock \\', 'QEMU 7.1.0 has no stream netdev'],
  [undefined, '/s.sock \\', 'no qemu-system-x86_64 on PATH'],
])('%j', (qemu, end, note) => {
  const lines = attachLines('/run/s.sock', qemu);
  expect(lines[1]!.endsWith(end), lines[1]).toBe(true);
  const notes = lines.filter((line) => line.startsWith('note: ')).slice(0, -1);
  expect(notes.map((line) => line.slice(6).startsWith(note ?? ''))).toEqual(note === undefined ? [] : [true]);
});

it('a comma in the path is doubled, as QEMU wants it', () => {
  expect(attachLines('/run/a,b.sock', undefined)[1]).toContain('addr.path=/run/a,,b.sock');
});
