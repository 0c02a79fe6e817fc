/**
 * `npm run build:native`: native/build/netyard.node for this machine. Fast when it is up to date. Where it cannot be made
 * it says why in a line and is no failure: what plain Node can do works without.
 */
import { join } from 'node:path';
import { compile, findCompiler, findHeaders, isCurrent } from '../native/compile.mjs';

const target = join(import.meta.dirname, '..', 'native', 'build', 'netyard.node');

if (process.platform !== 'linux') {
  skip('it is for Linux');
} else if (!isCurrent(target)) {
  const headers = findHeaders();
  const compiler = findCompiler();
  if (compiler === undefined) skip('there is no C compiler (apt-get install gcc libc6-dev)');
  else if (headers === undefined) skip("Node's headers are not installed (npx node-gyp install)");
  else compile({ compiler, headers, target });
}

function skip(reason) {
  console.error(`netyard: the native layer is not built: ${reason}; tap, bridge, l2tpv3 and vde need it`);
}
