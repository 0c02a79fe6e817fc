import { describe, expect, it } from 'vitest';
import { Schema } from '../qapi/index.ts';
import { NETYARD_TABLE } from '../schema/net.ts';
import { ServerSchema } from './qmp-arguments.ts';
import { complete, shellHelp, splitWords } from './qmp-shell.ts';

const schema = new ServerSchema(new Schema(NETYARD_TABLE).introspect());
const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;

describe('key=value arguments', () => {
  it.each([
    ['set_link', ['name=l0.0', 'up=false'], { name: 'l0.0', up: false }],
    ['set_link', ['name=123', 'up=on'], { name: '123', up: true }],
    ['netdev_add', ['type=hubport', 'id=h', 'hubid=-3'], { type: 'hubport', id: 'h', hubid: -3 }],
    [
      'netdev_add',
      ['type=stream', 'id=s', 'addr.type=unix', 'addr.path=/a,b=c'],
      { type: 'stream', id: 's', addr: { type: 'unix', path: '/a,b=c' } },
    ],
    [
      'netdev_add',
      ['type=user', 'id=u', 'hostfwd.0.str=tcp::1-:2', 'hostfwd.1.str=udp::1-:2'],
      { type: 'user', id: 'u', hostfwd: [{ str: 'tcp::1-:2' }, { str: 'udp::1-:2' }] },
    ],
    [
      'netdev_add',
      ['type=user', 'id=u', 'hostfwd=tcp:127.0.0.1:2222-:22', 'hostfwd=udp::1-:2', 'dnssearch=example.org'],
      {
        type: 'user',
        id: 'u',
        hostfwd: [{ str: 'tcp:127.0.0.1:2222-:22' }, { str: 'udp::1-:2' }],
        dnssearch: [{ str: 'example.org' }],
      },
    ],
    [
      'netdev_add',
      ['type=user', 'id=u', 'hostfwd=[{"str": "tcp::1-:2"}]'],
      { type: 'user', id: 'u', hostfwd: [{ str: 'tcp::1-:2' }] },
    ],
    ['announce-self', ['interfaces=a', 'interfaces=b'], { interfaces: ['a', 'b'] }],
    ['announce-self', ['interfaces=["a", "b"]', 'initial=5'], { interfaces: ['a', 'b'], initial: 5 }],
    ['netdev_add', ['type=l2tpv3', 'id=l', 'txcookie=0xFf'], { type: 'l2tpv3', id: 'l', txcookie: 255 }],
    ['unknown-command', ['a=1'], { a: '1' }],
  ])('%s %j', (command, words, expected) => {
    expect(plain(schema.parse(command, words))).toEqual(expected);
  });

  it.each([
    [['name'], "Expected key=value or one JSON object, got 'name'"],
    [['=x'], "Expected key=value or one JSON object, got '=x'"],
    [[`${'a.'.repeat(20_000)}b=1`], 'is nested too deeply (limit 32)'],
    [['up=maybe'], "Parameter 'up' expects 'on' or 'off'"],
    [['name=a', 'name.b=c'], "Parameters 'name.b' used inconsistently"],
  ])('refuses %j', (words, message) => {
    expect(() => schema.parse('set_link', words)).toThrow(message);
  });

  it.each([
    ['set_link', ['alice', 'on'], 'write: set_link name=alice up=on'],
    ['set_link', ['name=alice', 'on'], 'write: set_link name=TEXT up=on|off'],
    ['netdev_add', ['user', 'u0'], 'write: netdev_add type=user id=u0'],
    ['set_link', ['a', 'b', 'c'], 'write: set_link name=TEXT up=on|off'],
    ['query-status', ['now'], 'query-status takes no arguments'],
    ['hostfwd-add', ['{a', 'b'], 'write: hostfwd-add id=TEXT rule=TEXT'],
  ])('%s %j: shows how it is written', (command, words, hint) => {
    expect(() => schema.parse(command, words)).toThrow(expect.objectContaining({ hint }));
  });

  it('refuses a list that is something else too', () => {
    expect(() => schema.parse('netdev_add', ['type=user', 'hostfwd.0.str=a', 'hostfwd=b'])).toThrow('inconsistently');
    expect(() => schema.parse('netdev_add', ['type=user', 'hostfwd=a', 'hostfwd.0.str=b'])).toThrow('inconsistently');
  });

  it('a hostile key is an ordinary key', () => {
    expect(Object.keys(schema.parse('set_link', ['__proto__.x=1']))).toEqual(['__proto__']);
    expect(({} as { x?: string }).x).toBeUndefined();
  });
});

describe('the shell', () => {
  it.each([
    ['set_link name=a up=on', ['set_link', 'name=a', 'up=on']],
    ['  x "a b"=c  d=\'e f\' ', ['x', 'a b=c', 'd=e f']],
    ['netdev_add {"type": "user", "id": "x"} ', ['netdev_add', '{"type": "user", "id": "x"}']],
    ['', []],
  ])('splits %j', (line, words) => {
    expect(splitWords(line)).toEqual(words);
  });

  it('explains itself and its commands', () => {
    expect(shellHelp(schema, 'set_link')).toBe('set_link name=TEXT up=on|off');
    expect(shellHelp(schema, 'announce-self')).toMatch(/^announce-self .*\[interfaces=TEXT\.\.\.\]/);
    expect(shellHelp(schema, 'nope')).toBe('There is no command nope');
    expect(shellHelp(schema, undefined)).toMatch(
      / {2}netdev_add type=WORD id=TEXT \[trusted=on\|off\] KEY=VALUE\.\.\.\n[\s\S]*'netyard stop' ends a yard/,
    );
  });

  it.each([
    ['set_', ['set_link ']],
    ['set_link ', ['name=', 'up=']],
    ['set_link name=x u', ['up=']],
    ['set_link up=', ['up=false ', 'up=true ']],
    ['netdev_add type=hub', ['type=hubport ']],
    ['netdev_add type=hubport ', ['hubid=', 'id=', 'netdev=', 'trusted=']],
    ['netdev_add type=stream addr.type=unix addr.p', ['addr.path=']],
  ])('completes %j', (line, candidates) => {
    expect(complete(schema, line)[0]).toEqual(candidates);
  });
});
