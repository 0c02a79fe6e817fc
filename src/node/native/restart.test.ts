/** Starting anew with fewer rights: in a process of its own, as there is no way back. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { describeNative } from '../../../tests/kit/native.ts';
import { addon } from '../../../tests/kit/native-host.ts';
import { loadNative } from './load.ts';

const NET_BIND_SERVICE = 1 << 10;

/** What /proc says of every thread of a program that restarts itself, each line once. */
function rightsAfter(keep: number): string[] {
  const loaded = loadNative();
  const path = 'path' in loaded ? loaded.path : '';
  const code = `
    const { readFileSync, readdirSync } = require('node:fs');
    if (process.env.AGAIN === undefined) {
      process.env.AGAIN = '1';
      const { calls, restart } = require(${JSON.stringify(path)});
      for (const fd of [0, 1, 2]) calls.fcntlSetCloexec(fd, 0);
      console.log(restart(${keep}, process.execPath, [process.execPath, ...process.execArgv, '-e', process.argv[1]]));
    } else {
      const lines = readdirSync('/proc/self/task').flatMap((task) =>
        readFileSync('/proc/self/task/' + task + '/status', 'utf8').match(/^(CapPrm|CapEff|CapBnd|NoNewPrivs):.*$/gm));
      console.log([...new Set(lines)].join('\\n'));
    }`;
  const ended = spawnSync(process.execPath, ['-e', `eval(process.argv[1])`, code], { encoding: 'utf8' });
  expect(ended.stderr).toBe('');
  return ended.stdout.trim().split('\n');
}

describeNative('restart', () => {
  it.runIf(process.getuid?.() === 0)('leaves the capabilities of the set, in every thread', () => {
    const hex = NET_BIND_SERVICE.toString(16).padStart(16, '0');
    expect(rightsAfter(NET_BIND_SERVICE).sort()).toEqual(
      [`CapBnd:\t${hex}`, `CapEff:\t${hex}`, `CapPrm:\t${hex}`, 'NoNewPrivs:\t1'].sort(),
    );
  });

  it('nothing is given up for what cannot be executed', () => {
    const { restart } = addon();
    expect([
      restart(0, '/nonexistent/node', ['x']),
      restart(0, 'node', ['x']),
      restart(0, '/proc/self/status', ['x']),
    ]).toEqual([-2, -2, -13]);
    expect(() => restart(-1, '/bin/true', ['x'])).toThrow(RangeError);
    expect(() => restart(0, '/bin/true', [])).toThrow(TypeError);
    expect(() => restart(0, '/bin/true', [1 as never])).toThrow(TypeError);
    expect(() => restart(0, '/bin/\0true', ['x'])).toThrow(TypeError);
  });
});
