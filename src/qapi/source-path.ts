/** Slash-separated paths of schema files, compared by their text alone: the front end knows no file system. */

/** The path of an include: relative to the including file, not normalised (QEMU's error texts show it so). */
export function includePath(includer: string, include: string): string {
  const slash = includer.lastIndexOf('/');
  return include.startsWith('/') || slash < 0 ? include : includer.slice(0, slash + 1) + include;
}

/** The path without `.`, empty and resolvable `..` parts: two spellings of a file compare equal. */
export function normalPath(path: string): string {
  const parts: string[] = [];
  const absolute = path.startsWith('/');
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    const last = parts.at(-1);
    if (part !== '..') parts.push(part);
    else if (last !== undefined && last !== '..') parts.pop();
    else if (!absolute) parts.push(part);
  }
  return (absolute ? '/' : '') + parts.join('/');
}

/** The name of a module: its path as seen from the root file's folder. */
export function moduleName(root: string, path: string): string {
  const from = normalPath(root).split('/').slice(0, -1);
  const to = normalPath(path).split('/');
  let common = 0;
  while (common < from.length && common < to.length - 1 && from[common] === to[common]) common++;
  return [...from.slice(common).map(() => '..'), ...to.slice(common)].join('/');
}
