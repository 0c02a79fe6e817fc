/** Single tests anywhere in the repository are skipped by name where the machine lacks something; CI's must not. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isRoot } from '../kit/namespace.ts';
import { findProgram } from '../kit/peers.ts';

const works = (...words: string[]): boolean => spawnSync(words[0] as string, words.slice(1)).status === 0;

describe.runIf(process.env['NETYARD_PEERS'] === 'required')('the machine that must skip nothing', () => {
  it.each([
    ['root', isRoot],
    [
      'Linux on a little-endian machine',
      process.platform === 'linux' && new Int8Array(Int16Array.of(1).buffer)[0] === 1,
    ],
    ['/dev/net/tun', existsSync('/dev/net/tun')],
    ['prlimit', findProgram('prlimit') !== undefined],
    ['namespaces of users, networks and mounts', works('unshare', '--user', '--net', '--mount', 'true')],
    ['named network namespaces', works('ip', 'netns', 'list')],
  ])('has %s', (_what, has) => {
    expect(has).toBe(true);
  });
});
