// Builds the addon from native/*.c with the C compiler and the headers of this Node: native/build/netyard.node.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

const native = new URL('../native/', import.meta.url).pathname;
const target = join(native, 'build', 'netyard.node');
const prefix = dirname(dirname(process.execPath));
const headers = [join(prefix, 'include', 'node')].find((folder) => existsSync(join(folder, 'node_api.h')));
const sources = readdirSync(native)
  .filter((name) => name.endsWith('.c'))
  .map((name) => join(native, name));
const newest = Math.max(...readdirSync(native).map((name) => statSync(join(native, name)).mtimeMs));
if (existsSync(target) && statSync(target).mtimeMs > newest) process.exit(0);
if (headers === undefined) {
  console.error('netyard: no headers of Node found, the native layer is not built');
  process.exit(0);
}
mkdirSync(dirname(target), { recursive: true });
execFileSync(
  process.env.CC ?? 'cc',
  [
    '-std=c11',
    '-O2',
    '-Wall',
    '-Wextra',
    '-fPIC',
    '-fvisibility=hidden',
    '-shared',
    '-DNAPI_VERSION=8',
    `-I${headers}`,
    '-o',
    target,
    ...sources,
  ],
  { stdio: 'inherit' },
);
