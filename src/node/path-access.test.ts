import { existsSync, linkSync, mkdtempSync, rmSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeNative } from '../../tests/kit/native.ts';
import { addon } from '../../tests/kit/native-host.ts';
import { NativeContext } from './native/context.ts';
import { bindPath, newSocket } from './native/open-socket.ts';
import { giveAccess, openPath, setPathMode } from './path-access.ts';

let directory: string;
let path: string;
let victim: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ny-access-'));
  path = join(directory, 'socket');
  victim = join(directory, 'victim');
  writeFileSync(victim, '', { mode: 0o600 });
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

const modeOf = (file: string): number => statSync(file).mode & 0o7777;
const REPLACED = {
  name: 'HostError',
  code: 'EACCES',
  message: expect.stringMatching(/^somebody replaced the socket /),
};
const LINK_REFUSED = { name: 'HostError', code: expect.stringMatching(/^(EACCES|ELOOP)$/) };

describe('a path that was replaced', () => {
  it.each([
    ['a link to a file', () => symlinkSync(victim, path)],
    ['another file', () => linkSync(victim, path)],
  ])('%s keeps its mode and group', (_what, replace) => {
    replace();
    const before = statSync(victim);
    const at = { family: 'unix', path } as const;
    const options = { family: 'unix', bind: at, mode: 0o700 } as const;
    expect(() => setPathMode(path, 0o666)).toThrow(expect.objectContaining(LINK_REFUSED));
    expect(() => openPath(path, 0o666)).toThrow(expect.objectContaining(LINK_REFUSED));
    expect(() => giveAccess(at, { ...options, group: '2' })).toThrow(expect.objectContaining(LINK_REFUSED));
    expect(statSync(victim)).toMatchObject({ mode: before.mode, gid: before.gid, ctimeMs: before.ctimeMs });
  });

  it('a link to another socket of ours that is in use is refused too', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(directory, 'other'), resolve));
    linkSync(join(directory, 'other'), path);
    const before = modeOf(path);
    const options = { family: 'unix', mode: 0o700, group: String(process.getegid?.()) } as const;
    expect(() => giveAccess({ family: 'unix', path }, options)).toThrow(expect.objectContaining(REPLACED));
    openPath(path, 0o666);
    expect(modeOf(path)).toBe(before);
    await new Promise((resolve) => server.close(resolve));
  });
});

describeNative('a path of the addon', () => {
  /** @param swap runs once bind(2) has made the path: what the owner of the directory may do at that moment. */
  function contextWith(swap: () => void): NativeContext {
    const binding = addon();
    const { bind, ...others } = binding.calls;
    const calls = {
      ...others,
      bind: (fd: number, bytes: Uint8Array, offset: number, length: number) => {
        const result = bind(fd, bytes, offset, length);
        swap();
        return result;
      },
    };
    return new NativeContext({} as never, { ...binding, calls } as never, {} as never);
  }

  it('swapped for a link between bind and chmod: an error, the file untouched, no path left', () => {
    const context = contextWith(() => {
      unlinkSync(path);
      symlinkSync(victim, path);
    });
    const fd = newSocket(context, 1, 2);
    const at = { family: 'unix', path } as const;
    const options = { family: 'unix', bind: at, mode: 0o640, group: String(process.getegid?.()) } as const;
    expect(() => bindPath(context, fd, at, 0o640, () => giveAccess(at, options))).toThrow(
      expect.objectContaining(LINK_REFUSED),
    );
    expect([modeOf(victim), existsSync(path)]).toEqual([0o600, false]);
    context.calls.close(fd);
  });

  it('lets nobody in before all of it is set, and then has more than the umask leaves', () => {
    const seen: number[] = [];
    const context = contextWith(() => seen.push(modeOf(path)));
    const fd = newSocket(context, 1, 2);
    bindPath(context, fd, { family: 'unix', path }, 0o777, () => seen.push(modeOf(path)));
    expect([...seen, modeOf(path)]).toEqual([0, 0, 0o777]);
    context.calls.close(fd);
  });
});
