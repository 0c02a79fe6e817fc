/** `netyard doctor --build`: compiles the addon from the sources in the package. */
import { execFileSync } from 'node:child_process';
import { accessSync, chmodSync, constants, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { builtAddon, cachedAddon, packageRoot } from '../node/index.ts';
import { CommandLineError } from './scan-options.ts';

/** native/compile.mjs. */
interface Compile {
  findHeaders(): string | undefined;
  findCompiler(): string | undefined;
  compile(job: { compiler: string; headers: string; target: string }): void;
}

/**
 * Into the package, or where that belongs to somebody else into the user's cache.
 * @returns its path
 * @throws CommandLineError that says what is missing
 */
export async function buildAddon(): Promise<string> {
  if (process.platform !== 'linux') throw new CommandLineError('the native layer is for Linux');
  const folder = join(packageRoot(), 'native');
  const { compile, findCompiler, findHeaders } = (await import(
    pathToFileURL(join(folder, 'compile.mjs')).href
  )) as Compile;
  const compiler = findCompiler();
  if (compiler === undefined) {
    throw new CommandLineError(
      'there is no C compiler: apt-get install gcc libc6-dev (apk add gcc musl-dev linux-headers)',
    );
  }
  const headers = findHeaders();
  if (headers === undefined) throw new CommandLineError("Node's headers are not installed: npx node-gyp install");
  const target = isWritable(folder) ? builtAddon() : cachedAddon();
  if (target === undefined) {
    throw new CommandLineError(`${folder} cannot be written, and this user has no home: set HOME or XDG_CACHE_HOME`);
  }
  // Others must not be able to put something else there: the loader insists.
  mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
  try {
    compile({ compiler, headers, target });
    chmodSync(target, 0o755);
    // In a process of its own: this one may hold the old one, and a broken one must not take it along.
    execFileSync(process.execPath, ['-e', 'require(process.argv[1])', target], { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    throw new CommandLineError(`the native layer was not built: ${(error as Error).message}`, { cause: error });
  }
  return target;
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
