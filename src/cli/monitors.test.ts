import { afterEach, expect, it } from 'vitest';
import { createTestHost } from '../../tests/kit/host.ts';
import { Yard } from '../yard/index.ts';
import { startMonitors } from './monitors.ts';

const { host } = createTestHost();
const yard = new Yard({ host, drivers: {}, version: '0' }, { switch: false });
afterEach(() => yard.close());

const start = (name: string, argument: string): Promise<void> =>
  startMonitors([{ name, argument }], yard, [], {
    log: host.log,
    signal: new AbortController().signal,
    onWaiting: () => undefined,
  });

it.each([
  ['qmp', 'bogus', "-qmp bogus: 'bogus' is not a valid char driver\nnetyard: -qmp bogus: parse error: bogus"],
  ['qmp', 'chardev:nope', '-qmp chardev:nope: chardev "nope" not found'],
  ['qmp-pretty', 'chardev:nope', '-qmp-pretty chardev:nope: chardev "nope" not found'],
  ['mon', 'nope,mode=control', '-mon nope,mode=control: chardev "nope" not found'],
  [
    'chardev',
    'socket,id=1c,path=/x',
    "-chardev socket,id=1c,path=/x: Parameter 'id' expects an identifier\n" +
      "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.",
  ],
])('-%s %s', async (name, argument, message) => {
  await expect(start(name, argument)).rejects.toMatchObject({ message });
});
