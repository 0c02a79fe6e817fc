import { expect, it } from 'vitest';
import { HttpGuard } from './http-guard.ts';

const refuses = (text: string, size = text.length): boolean => {
  const guard = new HttpGuard();
  const bytes = Buffer.from(text, 'latin1');
  let refused = false;
  for (let i = 0; i < bytes.length; i += size) refused ||= guard.refuses(bytes.subarray(i, i + size));
  return refused;
};
const COMMANDS = '\r\nHost: x\r\n\r\n{"execute":"qmp_capabilities"}';

it.each([
  'POST / HTTP/1.1',
  'PROPFIND / HTTP/1.1',
  'X / HTTP/1.1',
  'm-search * HTTP/1.1',
  "!#$%&'*+-.^_`|~ / HTTP/1.1",
  `${'A'.repeat(100_000)} / HTTP/1.1`,
  '\r\n\r\nPOST / HTTP/1.1',
  'PRI * HTTP/2.0',
])('%.40s begins a request of HTTP, however it is cut', (line) => {
  expect(refuses(line + COMMANDS)).toBe(true);
  expect(refuses(line + COMMANDS, 1)).toBe(true);
});

it.each([
  ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ['STUN over TCP', '\x00\x03\x00\x00\x21\x12\xa4\x42'],
  ['STUN as ICE frames it', '\x00\x5c\x00\x01\x00\x48\x21\x12\xa4\x42'],
])('%s is refused, which a browser speaks too', (_, start) => {
  expect(refuses(start + COMMANDS)).toBe(true);
  expect(refuses(`\r\n${start}${COMMANDS}`, 1)).toBe(true);
});

it.each(['{"execute":"qmp_capabilities"}', '\r\n {"execute": "x"}', ' \t[1]', 'help\r\n', '\xff{"a": 1}', '"POST "'])(
  '%j does not',
  (text) => {
    expect(refuses(text)).toBe(false);
    expect(refuses(text, 1)).toBe(false);
  },
);

it('what follows the first bytes of a client is not looked at', () => {
  expect(refuses('{"execute":"qmp_capabilities"}\nPOST / HTTP/1.1')).toBe(false);
});
