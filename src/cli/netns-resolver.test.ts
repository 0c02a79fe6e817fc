import { expect, it } from 'vitest';
import { resolverText } from './netns-resolver.ts';

it('keeps what else the host says: search, domain and options', () => {
  const host = [
    '# by hand',
    'nameserver 127.0.0.53',
    'options edns0 trust-ad',
    'options\tndots:2',
    ' search lab.example',
    'domain example',
    'sortlist 192.0.2.0/255.255.255.0',
    'optionsndots:3',
  ];
  expect(resolverText('10.0.2.3', host.join('\n')).split('\n')).toEqual([
    'nameserver 10.0.2.3',
    'options edns0 trust-ad',
    'options\tndots:2',
    ' search lab.example',
    'domain example',
    '',
  ]);
});

it('a NUL ends no file early', () =>
  expect(resolverText('10.0.2.3', 'search a\0b')).toBe('nameserver 10.0.2.3\nsearch ab\n'));
