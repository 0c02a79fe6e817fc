import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const guard = fileURLToPath(new URL('./output.ts', import.meta.url));
const program = `import { guardOutput } from ${JSON.stringify(guard)}; guardOutput();
  const write = () => process.stdout.write('x'.repeat(70000)); write(); setTimeout(write, 200);`;

/** Runs the program with its stdout as a shell redirects it; the status is that of the program. */
function run(redirection: string): { status: number | null; stderr: string } {
  const line = `set -o pipefail; "$0" --import tsx --input-type=module -e "$1" ${redirection}`;
  const { status, stderr } = spawnSync('bash', ['-c', line, process.execPath, program], { encoding: 'utf8' });
  return { status, stderr };
}

test('a reader that left is no fault', () => {
  expect(run('| true')).toEqual({ status: 0, stderr: '' });
});

test.runIf(process.platform === 'linux')('a full disk is told once', () => {
  const { status, stderr } = run('> /dev/full');
  expect(status).toBe(1);
  expect(stderr).toMatch(/^netyard: cannot write the output: ENOSPC[^\n]*\n$/);
});
