/**
 * Completes package-lock.json after `npm install` against a registry that lacks the binaries of other platforms: npm
 * leaves such optional packages out of the lock, and `npm ci` then refuses it as out of step. Adds an entry for each,
 * with the platform that its name says, so that npm skips it here and fetches it there.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const path = process.argv[2] ?? 'package-lock.json';
const lock = JSON.parse(readFileSync(path, 'utf8'));
const OS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const CPU = ['arm', 'arm64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'x64'];
const added = [];

for (const [key, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (`node_modules/${name}` in lock.packages || `${key}/node_modules/${name}` in lock.packages) continue;
    const words = name.split('/').at(-1).split('-');
    const os = words.find((word) => OS.includes(word));
    const cpu = words.find((word) => CPU.includes(word));
    if (os === undefined || cpu === undefined) throw new Error(`no platform in the name of ${name}`);
    const libc = words.some((word) => word.startsWith('musl')) ? 'musl' : 'glibc';
    lock.packages[`node_modules/${name}`] = {
      version,
      cpu: [cpu],
      ...(entry.dev ? { dev: true } : {}),
      ...(os === 'linux' ? { libc: [libc] } : {}),
      ...(entry.license === undefined ? {} : { license: entry.license }),
      optional: true,
      os: [os],
      ...(entry.engines === undefined ? {} : { engines: entry.engines }),
    };
    added.push(name);
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`${added.length} added\n`);
