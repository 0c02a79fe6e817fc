import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HostError } from '../net/index.ts';
import { AddressTable, unixNameError } from './address.ts';
import { errnoText, toHostError } from './errno.ts';
import { NodeFiles } from './files.ts';
import { NodeResolver, parseResolvConf } from './resolver.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ny-names-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('errors', () => {
  it('have the C library’s texts, not libuv’s', () => {
    expect(errnoText('EADDRINUSE')).toBe('Address already in use');
    const error = toHostError(Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' }));
    expect([error.code, error.message]).toEqual(['ECONNREFUSED', 'Connection refused']);
    expect(error.cause).toBeInstanceOf(Error);
    expect(toHostError(error)).toBe(error);
  });

  it('know every errno that a socket call of this system can return', () => {
    const missing = Object.keys(constants.errno).filter((code) => errnoText(code) === code);
    // Streams, messages and the like: nothing a socket, a file or a name answers with.
    expect(missing.filter((code) => /CONN|ADDR|NET|HOST|SOCK|PIPE|TIMED|ACCES|FILE/.test(code))).toEqual([]);
  });

  it('keep what is unknown', () => {
    const error = toHostError(Object.assign(new Error('strange'), { code: 'EWHATEVER' }));
    expect([error.code, error.message]).toEqual(['EWHATEVER', 'strange']);
    expect(toHostError('text').code).toBe('EIO');
    expect(toHostError(Object.assign(new Error('x'), { code: 'ERR_STREAM_DESTROYED' })).code).toBe('EPIPE');
  });
});

describe('resolver', () => {
  it('a pipe in the place of resolv.conf names no servers but the local one, and nobody waits for its writer', () => {
    const path = join(directory, 'resolv.conf');
    execFileSync('mkfifo', [path]);
    // In a process of its own: a defect would hang the tests.
    const module = new URL('./resolver.ts', import.meta.url).href;
    const script = `
      import { NodeResolver } from ${JSON.stringify(module)};
      console.log(JSON.stringify(new NodeResolver(${JSON.stringify(path)}).servers()));`;
    const options = { timeout: 10_000, encoding: 'utf8' } as const;
    const shown = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], options);
    expect(shown.stdout).toBe('[{"family":"ipv4","host":"127.0.0.1","port":53}]\n');
  });

  it('without a nameserver line, or without the file, it is the one on this machine', () => {
    const path = join(directory, 'resolv.conf');
    const local = [{ family: 'ipv4', host: '127.0.0.1', port: 53 }];
    expect(new NodeResolver(path).servers()).toEqual(local);
    writeFileSync(path, 'options edns0\n');
    expect(new NodeResolver(path).servers()).toEqual(local);
    writeFileSync(path, 'nameserver 192.0.2.1\n');
    expect(new NodeResolver(path).servers()).toMatchObject([{ host: '192.0.2.1' }]);
  });

  it('reads the nameserver lines', () => {
    const text = '# c\nsearch x\nnameserver 192.0.2.1\n nameserver\tfe80::1%eth0 # x\nnameserver bad\nnameserver ::1';
    expect(parseResolvConf(text)).toEqual([
      { family: 'ipv4', host: '192.0.2.1', port: 53 },
      { family: 'ipv6', host: 'fe80::1%eth0', port: 53 },
      { family: 'ipv6', host: '::1', port: 53 },
    ]);
    expect(parseResolvConf('nameserver 192.0.2.1\n'.repeat(100)).length).toBe(8);
  });

  it('reads the file again when it changed, at most once a second', async () => {
    const path = join(directory, 'resolv.conf');
    const resolver = new NodeResolver(path);
    const local = resolver.servers();
    writeFileSync(path, 'nameserver 192.0.2.1\n');
    expect(resolver.servers()).toBe(local);
    const later = new NodeResolver(path);
    expect(later.servers()[0]?.host).toBe('192.0.2.1');
    const same = later.servers();
    expect(later.servers()).toBe(same);
  });

  it('an unknown name is told in getaddrinfo’s words; a cancelled one rejects at once', async () => {
    const resolver = new NodeResolver();
    const failed = await resolver.lookup('name.invalid', {}).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(HostError);
    expect((failed as HostError).message).toMatch(/^(Name or service not known|Temporary failure in name resolution)$/);
    const controller = new AbortController();
    const looking = resolver.lookup('localhost', { signal: controller.signal });
    controller.abort();
    await expect(looking).rejects.toMatchObject({ code: 'ECANCELED' });
    await expect(resolver.lookup('a'.repeat(300), {})).rejects.toBeInstanceOf(HostError);
  });
});

describe('files', () => {
  it('reads below its root, up to a limit', async () => {
    writeFileSync(join(directory, 'a'), 'hello');
    mkdirSync(join(directory, 'd'));
    const files = new NodeFiles(directory);
    expect(new TextDecoder().decode(await files.read('a', 5))).toBe('hello');
    await expect(files.read('a', 4)).rejects.toMatchObject({ code: 'EFBIG' });
    await expect(files.read('b', 4)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(files.read('d', 4)).rejects.toMatchObject({ code: 'EISDIR', message: 'Is a directory' });
    await expect(files.read('../x', 4)).rejects.toMatchObject({ code: 'EACCES' });
    await expect(files.read('/etc/passwd', 4)).rejects.toMatchObject({ code: 'EACCES' });
    utimesSync(join(directory, 'a'), 0, 0);
  });

  it('waits for nobody at a pipe', async () => {
    const path = join(directory, 'p');
    execFileSync('mkfifo', [path]);
    await expect(new NodeFiles().read(path, 4)).rejects.toMatchObject({ code: 'EINVAL' });
  });
});

describe('written files', () => {
  it('replace what is there in one step, in folders of their own, for this user alone', async () => {
    const path = join(directory, 'x', 'y', 'leases');
    const files = new NodeFiles();
    await files.write(path, new TextEncoder().encode('one'));
    const open = openSync(path, 'r');
    await files.write(path, new TextEncoder().encode('two'));
    expect([readFileSync(open, 'utf8'), readFileSync(path, 'utf8')]).toEqual(['one', 'two']);
    closeSync(open);
    expect([statSync(path).mode & 0o777, statSync(join(directory, 'x')).mode & 0o777]).toEqual([0o600, 0o700]);
    expect(readdirSync(join(directory, 'x', 'y'))).toEqual(['leases']);
  });

  it('keep the mode of what was there, and its owner where that is permitted', async () => {
    const path = join(directory, 'leases');
    writeFileSync(path, 'one');
    chmodSync(path, 0o664);
    if (process.getuid?.() === 0) chownSync(path, 1234, 1235);
    const before = statSync(path);
    await new NodeFiles().write(path, new TextEncoder().encode('two'));
    const { mode, uid, gid } = statSync(path);
    expect([readFileSync(path, 'utf8'), mode, uid, gid]).toEqual(['two', before.mode, before.uid, before.gid]);
  });

  it('are written where a killed process of the same number left half of one', async () => {
    const path = join(directory, 'leases');
    for (let n = 0; n < 3; n++) writeFileSync(join(directory, `.leases.${process.pid}.${n}`), 'ha');
    const files = new NodeFiles();
    for (const text of ['one', 'two', 'three']) {
      await files.write(path, new TextEncoder().encode(text));
      expect(readFileSync(path, 'utf8')).toBe(text);
    }
    expect(readdirSync(directory)).toEqual(['leases']);
  });

  it('are ordinary ones: a device, a folder or a socket stays what it is, a link stays a link', async () => {
    const files = new NodeFiles();
    const bytes = Uint8Array.of(1);
    await expect(files.write('/dev/null', bytes)).rejects.toMatchObject({ code: 'EINVAL' });
    await expect(files.write(directory, bytes)).rejects.toMatchObject({ code: 'EISDIR' });
    writeFileSync(join(directory, 'a'), '');
    symlinkSync('a', join(directory, 'l'));
    await files.write(join(directory, 'l'), bytes);
    expect([statSync(join(directory, 'a')).size, lstatSync(join(directory, 'l')).isSymbolicLink()]).toEqual([1, true]);
    await expect(files.write(join(directory, 'a', 'b'), bytes)).rejects.toBeInstanceOf(HostError);
  });

  it('are below the root', async () => {
    const files = new NodeFiles(directory);
    await files.write('a', Uint8Array.of(7));
    expect(await files.read('a', 1)).toEqual(Uint8Array.of(7));
    await expect(files.write('../a', Uint8Array.of(7))).rejects.toMatchObject({ code: 'EACCES' });
    symlinkSync('/etc/hostname', join(directory, 'out'));
    await expect(files.write('out', Uint8Array.of(7))).rejects.toMatchObject({ code: 'EACCES' });
  });
});

describe('addresses', () => {
  it('are interned, capped', () => {
    const table = new AddressTable();
    const first = table.inet('192.0.2.1', 7, false);
    expect(table.inet('192.0.2.1', 7, false)).toBe(first);
    expect(table.inet('::1', 7, true)).toEqual({ family: 'ipv6', host: '::1', port: 7 });
    for (let port = 0; port < 9000; port++) table.inet('192.0.2.2', port, false);
    expect(table.inet('192.0.2.1', 7, false)).toEqual(first);
  });

  it('unix names: length in bytes, NUL, abstract ones', () => {
    const why = (path: string): string | undefined => unixNameError({ family: 'unix', path })?.message;
    expect(why(`/${'é'.repeat(53)}`)).toBe(undefined);
    expect(why(`/x${'é'.repeat(53)}`)).toBe(`UNIX socket path '/x${'é'.repeat(53)}' is too long`);
    expect(why('/a\0')).toBe('UNIX socket path contains a NUL byte');
    if (process.platform === 'linux') {
      expect(why(`\0x${'\0'.repeat(106)}`)).toBe(undefined);
      expect(why(`\0${'x'.repeat(108)}`)).toMatch(/too long/);
    }
  });
});
