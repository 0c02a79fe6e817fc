import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
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

const lines = `import { complain, guardOutput, leaveTo, print } from ${JSON.stringify(guard)}; guardOutput();`;

test('a standard error that nobody reads drops lines, and says how many once it is read', async () => {
  const code = `${lines}
    const all = 20000;
    for (let n = 0; n < all; n++) complain('x'.repeat(100));
    process.stdout.write(process.stderr.writableLength < 300000 ? 'bounded\\n' : 'unbounded\\n');`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  expect(said.toString()).toBe('bounded\n');
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(child, 'close');
  const written = text.split('\n').filter((line) => line.startsWith('netyard: xxx')).length;
  const dropped = Number(/^netyard: (\d+) lines were dropped: nobody read standard error$/m.exec(text)?.[1]);
  expect(written + dropped).toBe(20000);
});

test('what is a wire gets no text, also under another number', () => {
  const code = (descriptors: string) => `${lines} leaveTo(${descriptors}); print('out'); complain('error');`;
  const ran = (descriptors: string, redirection: string) => {
    const line = `"$0" --import tsx --input-type=module -e "$1" ${redirection}`;
    const ended = spawnSync('bash', ['-c', line, process.execPath, code(descriptors)], { encoding: 'utf8' });
    return [ended.stdout, ended.stderr];
  };
  expect(ran('[]', '')).toEqual(['out', 'netyard: error\n']);
  expect(ran('[1]', '')).toEqual(['', 'netyard: error\n']);
  expect(ran('[2]', '')).toEqual(['out', '']);
  // spawnSync's streams are sockets.
  expect(ran('[7]', '7>&1')).toEqual(['', 'netyard: error\n']);
});
