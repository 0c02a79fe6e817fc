import { expect, it } from 'vitest';
import { isWaitedFor, monitorDescriptors, readMonitors } from './monitor-requests.ts';

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
  await expect(readMonitors([{ name, argument }])).rejects.toMatchObject({ message });
});

it('tells who is waited for, and which descriptors are in use', async () => {
  const requests = await readMonitors([
    { name: 'qmp', argument: 'unix:/a,server=on' },
    { name: 'qmp', argument: 'unix:/b,server=on,wait=off' },
    { name: 'qmp', argument: 'chardev:c' },
    { name: 'chardev', argument: 'socket,id=c,fd=1' },
    { name: 'qmp', argument: 'stdio' },
  ]);
  expect(requests.map(isWaitedFor)).toEqual([true, false, false, false]);
  expect(monitorDescriptors(requests)).toEqual([1]);
});
