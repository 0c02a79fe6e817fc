import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { qmpCommand } from './qmp-command.ts';
import { stopYard } from './stop.ts';
import { connectTo } from './target.ts';

const before = process.env['XDG_RUNTIME_DIR'];
let folder = '';
let here = '';
let holder: ChildProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'netyard-target-'));
  here = join(folder, 'here');
  process.env['XDG_RUNTIME_DIR'] = here;
});

afterEach(() => {
  holder?.kill('SIGKILL');
  holder = undefined;
  if (before === undefined) delete process.env['XDG_RUNTIME_DIR'];
  else process.env['XDG_RUNTIME_DIR'] = before;
  rmSync(folder, { recursive: true });
});

/** What a yard leaves for others to find, held by a process that lives. */
function claim(xdg: string, name: string): string {
  holder = spawn('sleep', ['60'], { env: { ...process.env, XDG_RUNTIME_DIR: xdg }, stdio: 'ignore' });
  const { pid } = holder;
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  const directory = join(xdg, 'netyard', name);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, `claim.${pid}.${start}`), 'running\n');
  return directory;
}

describe.runIf(existsSync('/proc/self/environ'))('a yard that does not run here', () => {
  it('is told with where it was looked for, and how to start it', async () => {
    const text = `no yard named 'lab' is running in ${here}/netyard: start it with 'netyard -name lab'`;
    await expect(connectTo('lab')).rejects.toThrow(text);
    await expect(stopYard('lab')).rejects.toThrow(text);
    await expect(connectTo()).rejects.toThrow("start it with 'netyard'");
  });

  it('is told with those that run beside it', async () => {
    claim(here, 'other');
    await expect(connectTo('lab')).rejects.toThrow(`in ${here}/netyard: those that run are other`);
  });

  it('is told with those of the same user under another runtime directory', async () => {
    const elsewhere = join(folder, 'elsewhere');
    const directory = claim(elsewhere, 'lab');
    const dead = join(directory, 'claim.999999999.1');
    writeFileSync(dead, 'running\n');
    const line = `in ${elsewhere}/netyard (XDG_RUNTIME_DIR=${elsewhere}) there runs lab`;
    await expect(connectTo('lab')).rejects.toThrow(line);
    await expect(stopYard('lab')).rejects.toThrow(line);
    // Looking changes nothing: another pid namespace may know the process.
    expect(existsSync(dead)).toBe(true);
  });
});

describe('the first word of netyard qmp', () => {
  it.each([
    [['set_link', 'alice', 'on'], "no yard named 'default'"],
    [['query-status', 'now'], "no yard named 'default'"],
    [['set_link', 'name=alice', 'up=on'], "no yard named 'default'"],
    [['lab', 'query-status'], "no yard named 'lab'"],
    [['lab', 'set_link', 'alice', 'on'], "no yard named 'lab'"],
  ])('%j', async (words, text) => {
    await expect(qmpCommand(words)).rejects.toThrow(text);
  });

  it('is a yard if one of that name is there', async () => {
    mkdirSync(join(here, 'netyard', 'quit'), { recursive: true });
    await expect(qmpCommand(['quit', 'now'])).rejects.toThrow("no yard named 'quit'");
  });
});
