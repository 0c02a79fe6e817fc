/** Writing and reading what a monitor sends most of: the whole schema, and one small reply. */
import { bench, do_not_optimize, group, run } from 'mitata';
import { Schema } from '../../../src/qapi/index.ts';
import { parseJsonText, writeJson } from '../../../src/qmp/index.ts';
import { NETYARD_TABLE } from '../../../src/schema/net.ts';

const schema = new Schema(NETYARD_TABLE).introspect();
const small = { running: true, status: 'running' };
const schemaText = writeJson(schema);
const smallText = writeJson(small);

for (const [name, value, text] of [
  [`schema, ${schemaText.length} bytes`, schema, schemaText],
  [`status, ${smallText.length} bytes`, small, smallText],
]) {
  group(name, () => {
    bench('JSON.stringify', () => do_not_optimize(JSON.stringify(value))).baseline();
    bench('writeJson', () => do_not_optimize(writeJson(value)));
    bench('JSON.parse', () => do_not_optimize(JSON.parse(text)));
    bench('parseJsonText', () => do_not_optimize(parseJsonText(text)));
  });
}

await run();
