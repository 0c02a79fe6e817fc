/** Input from dotted keys: a tree whose leaves are strings. QEMU: qapi/qobject-input-visitor.c, the keyval variant. */
import { fail } from './faults.ts';
import { type TextWords, textScalar } from './visitor-text.ts';
import { fullName, shortName, type TreeForm } from './visitor-tree.ts';

const WORDS: TextWords = { int: 'integer', uint: 'integer', size: 'size', sign: true };

export const KEYVAL_FORM: TreeForm = {
  text: (value, path) =>
    typeof value === 'string' ? value : fail(`Parameters '${fullName(KEYVAL_FORM, path)}.*' are unexpected`),

  index: (index) => `.${index}`,

  scalar(type, value, path) {
    if (type.json === 'value') return value;
    return textScalar(type, KEYVAL_FORM.text(value, path), WORDS, fullName(KEYVAL_FORM, path), shortName(path));
  },
};
