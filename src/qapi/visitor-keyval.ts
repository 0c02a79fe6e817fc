/** Input from dotted keys: a tree whose leaves are strings. QEMU: qapi/qobject-input-visitor.c, the keyval variant. */
import { parseBool, parseInt64, parseNumber, parseSize, parseUint64 } from './size.ts';
import type { BuiltinEntry } from './table.ts';
import { fail, TreeVisitor } from './visitor-tree.ts';

export class KeyvalVisitor extends TreeVisitor {
  protected text(value: unknown): string {
    return typeof value === 'string' ? value : fail(`Parameters '${this.fullName()}.*' are unexpected`);
  }

  protected indexText(index: number): string {
    return `.${index}`;
  }

  protected scalar(type: BuiltinEntry, value: unknown): unknown {
    if (type.json === 'value') return value;
    if (type.json === 'null') return this.wrongType('null');
    const text = this.text(value);
    switch (type.json) {
      case 'string':
        return text;
      case 'boolean':
        return parseBool(text) ?? this.expects("'on' or 'off'");
      case 'number':
        return parseNumber(text) ?? this.wrongType('number');
      default: {
        if (type.name === 'size') return parseSize(text) ?? this.expects('size');
        const integer = type.signed ? parseInt64(text) : parseUint64(text);
        return this.inRange(type, integer ?? this.expects('integer'));
      }
    }
  }

  private expects(what: string): never {
    return fail(`Parameter '${this.fullName()}' expects ${what}`);
  }
}
